package passwd

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"golang.org/x/crypto/bcrypt"

	or3cloud "or3.chat/cloud"
)

func TestHashAndVerify(t *testing.T) {
	h := New(rand.Reader, 2, 4)
	long := strings.Repeat("x", 100)
	for _, password := range []string{"correct horse", "", "пароль 🔑", long} {
		encoded, err := h.Hash(t.Context(), password)
		if err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(encoded, "$argon2id$v=19$m=19456,t=2,p=1$") || NeedsRehash(encoded) {
			t.Errorf("unexpected form or parameters: %q", encoded)
		}
		if ok, err := h.Verify(t.Context(), encoded, password); !ok || err != nil {
			t.Errorf("own password: %v, %v", ok, err)
		}
		if ok, err := h.Verify(t.Context(), encoded, password+"x"); ok || err != nil {
			t.Errorf("password with one byte more, all bytes count: %v, %v", ok, err)
		}
	}
	a, _ := h.Hash(t.Context(), "same")
	b, _ := h.Hash(t.Context(), "same")
	if a == b {
		t.Error("two hashes of one password share their salt")
	}
	if err := h.VerifyUnknown(t.Context(), "any"); err != nil {
		t.Error(err)
	}
}

func TestBcryptHashesVerifyByTheirFirst72Bytes(t *testing.T) {
	h := New(rand.Reader, 1, 0)
	long := strings.Repeat("ä", 50) // 100 bytes
	made, err := bcrypt.GenerateFromPassword([]byte(long)[:72], bcrypt.MinCost)
	if err != nil {
		t.Fatal(err)
	}
	for _, prefix := range []string{"$2a$", "$2b$", "$2y$"} {
		encoded := prefix + string(made[4:])
		for password, want := range map[string]bool{
			long: true, long[:72]: true, long[:72] + "zzz": true, long[:71]: false, "": false,
		} {
			if ok, err := h.Verify(t.Context(), encoded, password); ok != want || err != nil {
				t.Errorf("%s, %d bytes: %v, %v", prefix, len(password), ok, err)
			}
		}
		if !NeedsRehash(encoded) {
			t.Errorf("%s hash is not to be upgraded", prefix)
		}
	}
}

const salt, key = "AAAAAAAAAAAAAAAAAAAAAA", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"

func TestMalformedAndExcessiveHashesAreRefused(t *testing.T) {
	h := New(rand.Reader, 1, 0)
	for _, encoded := range []string{
		"", "plain", "$", "$argon2id$",
		"$argon2i$v=19$m=19456,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=16$m=19456,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=4194304,t=2,p=1$" + salt + "$" + key, // 4 GiB
		"$argon2id$v=19$m=19456,t=11,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=5$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=0$" + salt + "$" + key,
		"$argon2id$v=19$m=019456,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=+19456,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$t=2,m=19456,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1,x=1$" + salt + "$" + key,
		"$argon2id$v=19$m=7,t=2,p=1$" + salt + "$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "==$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt[:21] + "B$" + key, // bits beyond the last byte
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "\n$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1$AAAA$" + key,
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$AAAA",
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + strings.Repeat("A", 100),
		"$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + key + "$",
		"$2b$31$nyAoMAEuoFkhZJSc5R5Oyuk4A2OG1BDCWqIJCHMscvgXHV1f0YEFi", // cost 31: weeks
		"$2b$12$short",
	} {
		if ok, err := h.Verify(t.Context(), encoded, "password"); ok || !errors.Is(err, ErrMalformed) {
			t.Errorf("%q: %v, %v", encoded, ok, err)
		}
		if !NeedsRehash(encoded) {
			t.Errorf("%q is taken for current", encoded)
		}
	}
}

func TestWeakerParametersVerifyAndAreUpgraded(t *testing.T) {
	h := New(rand.Reader, 1, 0)
	weak := params{memoryKiB: 64, passes: 1, threads: 1}
	s := make([]byte, 16)
	encoded := phc{weak, s, weak.derive("password", s, 32)}.String()
	if ok, err := h.Verify(t.Context(), encoded, "password"); !ok || err != nil || !NeedsRehash(encoded) {
		t.Errorf("%v, %v, needs rehash %v", ok, err, NeedsRehash(encoded))
	}
}

func TestQueueIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(rand.Reader, 1, 1)
		release := make(chan struct{})
		done := make(chan error, 2)
		go func() { done <- h.queued(t.Context(), func() { <-release }) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { done <- h.queued(ctx, func() { t.Error("ran although its caller had gone") }) }()
		synctest.Wait()

		_, err := h.Hash(t.Context(), "one too many")
		var e *or3cloud.Error
		if !errors.As(err, &e) || e.Code != or3cloud.CodeUnavailable || e.RetryAfter <= 0 {
			t.Errorf("full line: %v", err)
		}
		cancel()
		if err := <-done; !errors.Is(err, context.Canceled) {
			t.Errorf("caller that left the line: %v", err)
		}
		close(release)
		if err := <-done; err != nil {
			t.Error(err)
		}
		if err := h.queued(t.Context(), func() {}); err != nil {
			t.Errorf("after the flood: %v", err)
		}
	})
}

func FuzzParsePHC(f *testing.F) {
	f.Add("$argon2id$v=19$m=19456,t=2,p=1$" + salt + "$" + key)
	f.Add("$argon2id$v=19$m=65536,t=10,p=4$AAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA")
	f.Add("$2b$12$nyAoMAEuoFkhZJSc5R5Oyuk4A2OG1BDCWqIJCHMscvgXHV1f0YEFi")
	f.Add("$argon2id$v=19$m=1,t=1,p=1$$")
	f.Fuzz(func(t *testing.T, s string) {
		p, err := parsePHC(s)
		if err != nil {
			return
		}
		if p.String() != s {
			t.Errorf("%q is accepted but written as %q", s, p)
		}
		if p.memoryKiB > maxMemoryKiB || p.passes < 1 || p.passes > maxPasses || p.threads < 1 || p.threads > maxThreads {
			t.Errorf("%q passed the caps: %+v", s, p.params)
		}
	})
}

func TestNoOriginFillsTheLine(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := New(rand.Reader, 1, 8)
		release, done := make(chan struct{}), make(chan error, 20)
		enter := func(origin string) {
			go func() { done <- h.queued(WithOrigin(t.Context(), origin), func() { <-release }) }()
			synctest.Wait()
		}
		enter("flood") // has the slot
		for range 5 {
			enter("flood")
		}
		refused := 0
		for len(done) > 0 {
			if err := <-done; or3cloud.CodeOf(err) != or3cloud.CodeRateLimited {
				t.Errorf("beyond the share of an origin: %v", err)
			}
			refused++
		}
		if refused != 3 {
			t.Errorf("%d of 5 refused; the share is 2", refused)
		}
		for i := range 6 {
			enter(string(rune('a' + i)))
		}
		if len(done) > 0 {
			t.Errorf("others are refused: %v", <-done)
		}
		enter("one too many")
		if err := <-done; or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
			t.Errorf("beyond the length of the line: %v", err)
		}
		close(release)
		for range 9 {
			if err := <-done; err != nil {
				t.Error(err)
			}
		}
		if h.line.waiting != 0 || len(h.line.from) != 0 {
			t.Errorf("%d still wait, %v", h.line.waiting, h.line.from)
		}
	})
}

// An idle server does not keep the memory for passwords, and a flood of them does not return it for each one.
func TestMemoryIsGivenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var freed atomic.Int32
		h := New(rand.Reader, 1, 1)
		h.free = func() { freed.Add(1) }
		work := func(d time.Duration) {
			if err := h.queued(t.Context(), func() { time.Sleep(d) }); err != nil {
				t.Error(err)
			}
		}
		for range 10 {
			work(calm / 100)
		}
		if freed.Load() != 0 {
			t.Fatal("while passwords come")
		}
		time.Sleep(2 * calm)
		if n := freed.Load(); n != 1 {
			t.Fatalf("%d times after the last", n)
		}
		work(0)
		time.Sleep(calm / 2)
		work(calm) // is in progress when the first one's rest is over
		if freed.Load() != 1 {
			t.Fatal("while a password is worked on")
		}
		time.Sleep(2 * calm)
		if n := freed.Load(); n != 2 {
			t.Errorf("%d times in the end", n)
		}
	})
}
