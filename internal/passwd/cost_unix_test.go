//go:build unix

package passwd

import (
	"crypto/rand"
	"maps"
	"slices"
	"syscall"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"
)

// A wrong password takes as long for accounts with an old hash, with a new hash and without one. The test measures
// processor time and takes the shortest of as many rounds as necessary, because other work on the machine only adds to
// it. Without levelling, the longest would be more than twice the shortest, in however many rounds.
func TestWrongPasswordsTakeAsLongForEveryKindOfAccount(t *testing.T) {
	h := New(rand.Reader, 1, 0)
	h.SetLegacyCost(9)
	hashes := map[string]string{"nobody": ""}
	for name, cost := range map[string]int{"bcrypt, costly": 9, "bcrypt, cheap": 6} {
		made, err := bcrypt.GenerateFromPassword([]byte("right"), cost)
		if err != nil {
			t.Fatal(err)
		}
		hashes[name] = string(made)
	}
	var err error
	if hashes["argon2id"], err = h.Hash(t.Context(), "right"); err != nil {
		t.Fatal(err)
	}
	best := map[string]time.Duration{}
	level := func() bool {
		all := slices.Collect(maps.Values(best))
		return slices.Max(all) <= slices.Min(all)*3/2
	}
	for round := 0; round < 5 || round < 100 && !level(); round++ {
		for name, hash := range hashes {
			start := processorTime(t)
			var ok bool
			if hash == "" {
				err = h.VerifyUnknown(t.Context(), "wrong")
			} else {
				ok, err = h.Verify(t.Context(), hash, "wrong")
			}
			took := processorTime(t) - start
			if ok || err != nil {
				t.Fatal(name, ok, err)
			}
			if best[name] == 0 || took < best[name] {
				best[name] = took
			}
		}
	}
	if t.Logf("%v", best); !level() {
		t.Error("time tells kinds of accounts apart")
	}
	for name, hash := range hashes {
		if ok, err := h.Verify(t.Context(), hash, "right"); name != "nobody" && (!ok || err != nil) {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
}

// processorTime returns the processor time that the process has used.
func processorTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
