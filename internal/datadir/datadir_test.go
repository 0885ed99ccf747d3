package datadir

import (
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
	"time"
)

func open(t *testing.T, path string) *Dir {
	t.Helper()
	d, err := Open(path, Options{Now: func() time.Time { return time.Unix(1_700_000_000, 0) }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Close() })
	return d
}

func mode(t *testing.T, path string) fs.FileMode {
	t.Helper()
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	return info.Mode().Perm()
}

func TestOpenCreatesAPrivateDirectoryWithAnIdentity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a", "data")
	d := open(t, path)
	if !d.Created() || d.ID() == "" || d.Path() != path {
		t.Fatalf("created %v, id %q, path %q", d.Created(), d.ID(), d.Path())
	}
	if got := mode(t, path); got != 0o700 {
		t.Errorf("directory mode %04o", got)
	}
	if got := mode(t, filepath.Join(path, identityFile)); got != 0o600 {
		t.Errorf("identity mode %04o", got)
	}
	id := d.ID()
	d.Close()
	again := open(t, path)
	if again.Created() || again.ID() != id {
		t.Errorf("second open: created %v, id %q, want %q", again.Created(), again.ID(), id)
	}
}

func TestOpenMakesAnExistingDirectoryPrivate(t *testing.T) {
	path := t.TempDir()
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	open(t, path)
	if got := mode(t, path); got != 0o700 {
		t.Errorf("mode %04o", got)
	}
}

func TestOpenRefusesForeignDirectoriesUntouched(t *testing.T) {
	path := t.TempDir()
	if err := os.Chmod(path, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "thesis.odt"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	_, err := Open(path, Options{})
	if err == nil || !strings.Contains(err.Error(), "thesis.odt") || !strings.Contains(err.Error(), "--data") {
		t.Fatalf("error %v", err)
	}
	if got := mode(t, path); got != 0o755 {
		t.Errorf("the mode was changed to %04o", got)
	}
	if entries, _ := os.ReadDir(path); len(entries) != 1 {
		t.Errorf("something was created: %v", entries)
	}
}

func TestOpenAcceptsAFreshVolume(t *testing.T) {
	path := t.TempDir()
	if err := os.Mkdir(filepath.Join(path, "lost+found"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(path, "admin-credentials.json"), []byte("{}"), 0o600); err != nil { // of OR3 Chat's own host
		t.Fatal(err)
	}
	if !open(t, path).Created() {
		t.Error("not created")
	}
}

func TestOpenRefusesDamagedAndNewerIdentities(t *testing.T) {
	for _, tc := range []struct{ name, content, want string }{
		{"not JSON", "{", "damaged"},
		{"no id", "{}", "damaged"},
		{"newer", `{"id":"x","format":2}`, "format 2"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			path := t.TempDir()
			if err := os.WriteFile(filepath.Join(path, identityFile), []byte(tc.content), 0o600); err != nil {
				t.Fatal(err)
			}
			if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want %q", err, tc.want)
			}
			if _, err := os.Stat(filepath.Join(path, secretsDir)); err == nil {
				t.Error("something was created")
			}
		})
	}
}

func TestOnlyOneOwnerAtATime(t *testing.T) {
	path := t.TempDir()
	first := open(t, path)
	_, err := Open(path, Options{})
	if err == nil || !strings.Contains(err.Error(), "pid "+strconv.Itoa(os.Getpid())) || !strings.Contains(err.Error(), path) {
		t.Fatalf("error %v", err)
	}
	first.Close()
	open(t, path)
}

// TestTheLockEndsWithItsProcess kills a process that holds the lock and opens the directory at once.
func TestTheLockEndsWithItsProcess(t *testing.T) {
	if path := os.Getenv("DATADIR_TEST_HOLD"); path != "" {
		if _, err := Open(path, Options{}); err != nil {
			t.Fatal(err)
		}
		os.Stdout.WriteString("held\n")
		select {}
	}
	path := t.TempDir()
	holder := exec.Command(os.Args[0], "-test.run=^TestTheLockEndsWithItsProcess$")
	holder.Env = append(os.Environ(), "DATADIR_TEST_HOLD="+path)
	out, err := holder.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := holder.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 5)); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(path, Options{}); err == nil || !strings.Contains(err.Error(), strconv.Itoa(holder.Process.Pid)) {
		t.Errorf("while it is held: %v", err)
	}
	holder.Process.Kill()
	holder.Wait()
	open(t, path)
}

func TestSecretIsGeneratedOnceAndPrivate(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	var wg sync.WaitGroup
	got := make([]string, 8)
	for i := range got {
		wg.Go(func() {
			var err error
			if got[i], err = d.Secret("OR3_TEST_SECRET"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	for _, s := range got {
		if s != got[0] || len(s) < 43 {
			t.Fatalf("secrets %q", got)
		}
	}
	if m := mode(t, filepath.Join(path, secretsDir, "OR3_TEST_SECRET")); m != 0o600 {
		t.Errorf("file mode %04o", m)
	}
	if m := mode(t, filepath.Join(path, secretsDir)); m != 0o700 {
		t.Errorf("directory mode %04o", m)
	}
	other, err := d.Secret("OR3_OTHER")
	if err != nil || other == got[0] {
		t.Errorf("a second secret: %q, %v", other, err)
	}
	d.Close()
	again, err := open(t, path).Secret("OR3_TEST_SECRET")
	if err != nil || again != got[0] {
		t.Errorf("after a restart: %q, %v", again, err)
	}
}

func TestSecretRefuses(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	if _, err := d.Secret("OR3_GOOD"); err != nil {
		t.Fatal(err)
	}
	write := func(name, content string, mode fs.FileMode) {
		if err := os.WriteFile(filepath.Join(path, secretsDir, name), []byte(content), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("OR3_EMPTY", "\n", 0o600)
	write("OR3_OPEN", "hunter2hunter2", 0o644)
	for name, want := range map[string]string{
		"OR3_EMPTY": "empty", "OR3_OPEN": "chmod 600", "": "cannot be the name", "../x": "cannot be the name", "a/b": "cannot be the name",
	} {
		if _, err := d.Secret(name); err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: error %v, want %q", name, err, want)
		}
	}
}

func TestSecretLeavesNothingWhenRandomnessFails(t *testing.T) {
	path := t.TempDir()
	d := open(t, path)
	d.opts.Rand = iotest.ErrReader(errors.New("no entropy"))
	if _, err := d.Secret("OR3_X"); err == nil || !strings.Contains(err.Error(), "no entropy") {
		t.Fatalf("error %v", err)
	}
	if _, err := os.Stat(filepath.Join(path, secretsDir, "OR3_X")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("stat: %v", err)
	}
}
