package datadir

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
)

// fakeStore is a store like that of a provider with a database: it stamps itself after it was admitted, then confirms.
type fakeStore struct {
	name  string
	found or3cloud.StoreFound
}

func newFakeStore(name string) *fakeStore {
	return &fakeStore{name, or3cloud.StoreFound{Place: "/somewhere/" + name, Condition: or3cloud.StoreAbsent, Essential: true}}
}

// copy returns what a copy of the file would be.
func (s *fakeStore) copy() *fakeStore { c := *s; return &c }

// admit begins a run. Unless confirm is set, the run is killed before it writes the mark.
func (s *fakeStore) admit(t *testing.T, d *Dir, confirm bool) or3cloud.StoreAdmission {
	t.Helper()
	a, err := d.Admit(s.name, s.found)
	if err != nil {
		t.Fatalf("%s: %v", s.name, err)
	}
	s.found.Condition, s.found.Stamp = or3cloud.StoreStamped, a.Stamp
	if confirm {
		s.confirm(t, d)
	}
	return a
}

func (s *fakeStore) confirm(t *testing.T, d *Dir) {
	t.Helper()
	if err := d.Confirm(s.found.Stamp); err != nil {
		t.Fatal(err)
	}
}

func (s *fakeStore) step() { s.found.Stamp.Step++ }

// again opens the directory as the next process does.
func again(t *testing.T, d *Dir, adopt ...string) *Dir {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
	next, err := Open(d.path, Options{Adopt: adopt})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { next.Close() })
	return next
}

// TestStoresThatCannotBeTheOnesLeftHere checks that a directory in use is never mistaken for a first start, and that
// each refusal says what was found and what to do.
func TestStoresThatCannotBeTheOnesLeftHere(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change func(*fakeStore)
		want   string
	}{
		{"missing", func(s *fakeStore) { s.found.Condition, s.found.Stamp = or3cloud.StoreAbsent, or3cloud.StoreStamp{} }, "missing"},
		{"empty", func(s *fakeStore) { s.found.Condition, s.found.Stamp = or3cloud.StoreBlank, or3cloud.StoreStamp{} }, "empty"},
		{"without a stamp", func(s *fakeStore) { s.found.Condition, s.found.Stamp = or3cloud.StoreUnstamped, or3cloud.StoreStamp{} }, "no identity"},
		{"of another instance", func(s *fakeStore) { s.found.Stamp.Instance = "other" }, "another instance"},
		{"another store of the instance", func(s *fakeStore) { s.found.Stamp.Store = "accounts" }, `"accounts"`},
	} {
		t.Run(tc.name, func(t *testing.T) {
			d := open(t, filepath.Join(t.TempDir(), "data"))
			s := newFakeStore("sync")
			s.admit(t, d, true)
			tc.change(s)
			d = again(t, d)
			_, err := d.Admit("sync", s.found)
			if err == nil || !strings.Contains(err.Error(), tc.want) || !strings.Contains(err.Error(), "or3-cloud adopt sync") || !strings.Contains(err.Error(), s.found.Place) {
				t.Fatalf("error %v, want %q", err, tc.want)
			}
			// This can be intended, and is then made safe like a backup, once.
			content := s.found.Condition == or3cloud.StoreUnstamped || s.found.Condition == or3cloud.StoreStamped
			d = again(t, d, "sync")
			if a := s.admit(t, d, true); (a.Age == or3cloud.StoreOlder) != content {
				t.Errorf("adopted: %+v", a)
			}
			d = again(t, d)
			if a := s.admit(t, d, true); a.Age != or3cloud.StoreCurrent {
				t.Errorf("after the adoption: %+v", a)
			}
		})
	}
}

// TestInterruptedFirstStartsAreRepeated checks that a process killed at any step of a first start leaves nothing that a
// second start refuses.
func TestInterruptedFirstStartsAreRepeated(t *testing.T) {
	for steps := range 5 {
		d := open(t, filepath.Join(t.TempDir(), "data"))
		sync, accounts := newFakeStore("sync"), newFakeStore("accounts")
		if steps > 0 {
			sync.admit(t, d, steps > 1)
		}
		if steps > 2 {
			accounts.admit(t, d, steps > 3)
		}
		d = again(t, d)
		for _, s := range []*fakeStore{sync, accounts} {
			if a := s.admit(t, d, true); a.Age != or3cloud.StoreCurrent {
				t.Errorf("killed after %d steps: %s %+v", steps, s.name, a)
			}
		}
	}
}

// TestKilledStartsLeaveNoCopies checks that, whatever file a start was about to write when it was killed, the next
// start takes the directory for the original. It tries first and later starts.
func TestKilledStartsLeaveNoCopies(t *testing.T) {
	for earlier := range 3 {
		for _, file := range []string{identityFile, markFile("sync"), marksDir + "/" + witnessFile, marksDir + "/" + directoryFile} {
			d := open(t, filepath.Join(t.TempDir(), "data"))
			s := newFakeStore("sync")
			start := func() error { return errors.Join(d.Confirm(s.found.Stamp), d.Opened()) }
			for range earlier {
				s.admit(t, d, false)
				if err := start(); err != nil {
					t.Fatal(err)
				}
				d = again(t, d)
			}
			s.admit(t, d, false)
			// A file that cannot be replaced ends the start just before that step.
			obstacle := filepath.Join(d.path, file+".new")
			if err := os.MkdirAll(filepath.Join(obstacle, "full"), 0o700); err != nil {
				t.Fatal(err)
			}
			ended := d.Confirm(s.found.Stamp)
			if ended == nil {
				ended = d.Opened()
			}
			if ended == nil && (file != identityFile || earlier == 0) { // which is written once, with the names of the stores
				t.Fatalf("nothing was about to write %s", file)
			}
			if err := os.RemoveAll(obstacle); err != nil {
				t.Fatal(err)
			}
			for _, which := range []string{"next", "one after"} {
				d = again(t, d)
				if a := s.admit(t, d, false); a.Age != or3cloud.StoreCurrent {
					t.Errorf("start %d was killed before it wrote %s: the %s finds the store %v, since %s", earlier+1, file, which, a.Age, a.Why)
				}
				if err := start(); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
}

// TestOlderCopiesAreKnown tries copies from the same run, from an earlier run, and from the run before an interrupted
// start. A killed process must never look like one.
func TestOlderCopiesAreKnown(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "data"))
	s := newFakeStore("sync")
	s.admit(t, d, true)
	first := s.copy()
	s.step()
	s.confirm(t, d)
	second := s.copy()
	s.step() // the mark lags behind, and the process is killed
	d = again(t, d)
	if _, why := age(first.found.Stamp, second.found.Stamp); why == "" {
		t.Error("a copy of the same run was not known")
	}
	if a := s.admit(t, d, false); a.Age != or3cloud.StoreCurrent { // killed before the mark
		t.Fatalf("after a kill: %+v", a)
	}
	d = again(t, d)
	if a := s.admit(t, d, false); a.Age != or3cloud.StoreCurrent { // and again
		t.Fatalf("after a kill at the start: %+v", a)
	}
	d = again(t, d)
	if a := s.admit(t, d, true); a.Age != or3cloud.StoreCurrent {
		t.Fatalf("after two kills at the start: %+v", a)
	}
	for name, older := range map[string]*fakeStore{"first": first, "second": second} {
		d = again(t, d)
		a, err := d.Admit("sync", older.found)
		if err != nil || a.Age != or3cloud.StoreOlder || a.Why == "" || a.Mark.Run != s.found.Stamp.Run || a.Stamp.Previous != a.Mark.Run {
			t.Errorf("%s: %+v %v", name, a, err)
		}
	}
	// A missing mark proves nothing, so the safe choice is made.
	if err := os.Remove(filepath.Join(d.path, "marks", "sync.json")); err != nil {
		t.Fatal(err)
	}
	d = again(t, d)
	if a := s.copy().admit(t, d, false); a.Age != or3cloud.StoreOlder {
		t.Errorf("without a mark: %+v", a)
	}
}

// TestDamagedMarksProveNothing checks that a mark that cannot be parsed counts as missing. A mark that cannot be read
// from the disk does not.
func TestDamagedMarksProveNothing(t *testing.T) {
	for _, content := range []string{"", "{", "[]", `{"store":1}`, `{"store":"sync","step":"x"}`, `{"store":"accounts"}`, "null", "\x00\x00"} {
		d := open(t, filepath.Join(t.TempDir(), "data"))
		s := newFakeStore("sync")
		s.admit(t, d, true)
		mark := filepath.Join(d.path, "marks", "sync.json")
		if err := os.WriteFile(mark, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		d = again(t, d)
		if a := s.admit(t, d, true); a.Age != or3cloud.StoreOlder {
			t.Errorf("%q: %+v", content, a)
		}
	}
	d := open(t, filepath.Join(t.TempDir(), "data"))
	s := newFakeStore("sync")
	s.admit(t, d, true)
	mark := filepath.Join(d.path, "marks", "sync.json")
	if err := os.Remove(mark); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(mark, 0o700); err != nil {
		t.Fatal(err)
	}
	d = again(t, d)
	if a, err := d.Admit("sync", s.found); err == nil {
		t.Errorf("a mark that cannot be read at all: %+v", a)
	}
}

// TestCopiedDirectoriesAreKnown checks that a restored backup of the whole directory is recognized, however it was
// restored.
func TestCopiedDirectoriesAreKnown(t *testing.T) {
	d := open(t, filepath.Join(t.TempDir(), "data"))
	if witness(d.path) == "" {
		t.Skip("the file system tells no birth of files")
	}
	s := newFakeStore("sync")
	run := func(opened bool) or3cloud.StoreAge {
		a := s.admit(t, d, true)
		if opened {
			if err := d.Opened(); err != nil {
				t.Fatal(err)
			}
		}
		d = again(t, d)
		return a.Age
	}
	for range 2 {
		if age := run(true); age != or3cloud.StoreCurrent {
			t.Fatalf("an untouched directory: %v", age)
		}
	}
	backup := filepath.Join(t.TempDir(), "backup")
	if err := os.CopyFS(backup, os.DirFS(d.path)); err != nil {
		t.Fatal(err)
	}
	copied := s.copy()
	run(true)
	// Over the existing files, so that they keep their inode numbers.
	for _, name := range []string{"identity.json", "marks/sync.json", "marks/witness", "marks/directory.json"} {
		b, err := os.ReadFile(filepath.Join(backup, name))
		if err == nil {
			err = os.WriteFile(filepath.Join(d.path, name), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s = copied
	d = again(t, d)
	for range 2 { // it stays a copy until everything is open
		if age := run(false); age != or3cloud.StoreCopied {
			t.Fatalf("a copy: %v", age)
		}
	}
	run(true)
	if age := run(true); age != or3cloud.StoreCurrent {
		t.Fatalf("after its first start: %v", age)
	}
}

// TestDirectoriesFromBeforeThereWereMarks checks that they are adopted silently, but that what every such directory had
// must be there.
func TestDirectoriesFromBeforeThereWereMarks(t *testing.T) {
	legacy := func(files ...string) *Dir {
		path := t.TempDir()
		for _, name := range append(files, identityFile) {
			content := "x"
			if name == identityFile {
				content = `{"id":"7ff10e0e-4a3c-4b6e-9d53-6a0f26c6f8b2","format":1,"createdAt":"2026-11-20T10:00:00Z"}`
			}
			if err := os.WriteFile(filepath.Join(path, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return open(t, path)
	}
	d := legacy("or3-sync.sqlite", "basic-auth.sqlite")
	for _, name := range []string{"sync", "accounts"} {
		s := newFakeStore(name)
		s.found.Condition = or3cloud.StoreUnstamped
		if a := s.admit(t, d, true); a.Age != or3cloud.StoreCurrent {
			t.Errorf("%s: %+v", name, a)
		}
	}
	if !slices.Equal(d.identity.Stores, []string{"accounts", "sync"}) {
		t.Errorf("recorded %v", d.identity.Stores)
	}
	if _, err := legacy("basic-auth.sqlite").Admit("sync", newFakeStore("sync").found); err == nil {
		t.Error("a directory with accounts and without a sync database was taken for a first start")
	}
	blobs := newFakeStore("blobs")
	blobs.found.Essential = false // files may have been off until now
	blobs.admit(t, legacy("basic-auth.sqlite"), true)
	newFakeStore("sync").admit(t, legacy(), true) // an interrupted first start
}

// TestIdentitiesThatAreGone checks that stores without identity.json are not a first start, and that there is a way
// out.
func TestIdentitiesThatAreGone(t *testing.T) {
	for name, damage := range map[string]func(string) error{
		"missing":   os.Remove,
		"empty":     func(path string) error { return os.Truncate(path, 0) },
		"truncated": func(path string) error { return os.Truncate(path, 20) },
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, filepath.Join(t.TempDir(), "data"))
			s := newFakeStore("sync")
			s.admit(t, d, true)
			d.Close()
			if err := damage(filepath.Join(d.path, identityFile)); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(d.path, Options{}); err == nil || !strings.Contains(err.Error(), "or3-cloud adopt all") {
				t.Fatalf("error %v", err)
			}
			d = again(t, d, EveryStore)
			if d.ID() == s.found.Stamp.Instance {
				t.Fatal("the new identity is the old one")
			}
			if a := s.admit(t, d, true); a.Age != or3cloud.StoreOlder || a.Stamp.Instance != d.ID() {
				t.Errorf("%+v", a)
			}
			if err := d.Opened(); err != nil {
				t.Fatal(err)
			}
			if a := s.admit(t, again(t, d), true); a.Age != or3cloud.StoreCurrent {
				t.Errorf("the adoption was not over after one start: %+v", a)
			}
		})
	}
}
