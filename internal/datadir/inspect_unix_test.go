//go:build unix

package datadir

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// TestInspectSaysWhatAStartWouldAndChangesNothing tries each fault, and compares the whole directory afterwards.
func TestInspectSaysWhatAStartWouldAndChangesNothing(t *testing.T) {
	for _, c := range []struct {
		name    string
		spoil   func(t *testing.T, path string)
		problem string // part of the text of the only problem
		warning string
		fix     string
		shared  bool
	}{
		{name: "sound", spoil: func(*testing.T, string) {}},
		{name: "absent", spoil: func(t *testing.T, path string) { must(t, os.RemoveAll(path)) }},
		{name: "foreign", spoil: func(t *testing.T, path string) {
			must(t, os.Remove(filepath.Join(path, identityFile)), os.WriteFile(filepath.Join(path, "photo.jpg"), nil, 0o600))
		}, problem: "is not a data directory of OR3 Cloud", fix: "--data"},
		{name: "damaged", spoil: func(t *testing.T, path string) {
			must(t, os.WriteFile(filepath.Join(path, identityFile), []byte("{"), 0o600))
		},
			problem: "is damaged", fix: "or3-cloud adopt all"},
		{name: "newer", spoil: func(t *testing.T, path string) {
			must(t, os.WriteFile(filepath.Join(path, identityFile), []byte(`{"id":"x","format":99}`), 0o600))
		}, problem: "has format 99", fix: "start the version that wrote it"},
		{name: "open to look into", spoil: func(t *testing.T, path string) { must(t, os.Chmod(path, 0o755)) }, warning: "mode 0755", fix: "chmod 0700"},
		{name: "open to change", spoil: func(t *testing.T, path string) { must(t, os.Chmod(path, 0o777)) }, problem: "mode 0777", fix: "chmod 0700"},
		{name: "open, on a shared volume", spoil: func(t *testing.T, path string) { must(t, os.Chmod(path, 0o777)) }, shared: true, warning: "vouches for the volume", fix: "file_mode=0600"},
		{name: "a group", spoil: func(t *testing.T, path string) { must(t, os.Chmod(path, 0o770)) }, warning: "open to the group", fix: "chmod go="},
		{name: "a key that others read", spoil: func(t *testing.T, path string) {
			must(t, os.MkdirAll(filepath.Join(path, secretsDir), 0o700), os.WriteFile(filepath.Join(path, secretsDir, "A_KEY"), []byte("do-not-show-it"), 0o600),
				os.Chmod(filepath.Join(path, secretsDir, "A_KEY"), 0o644))
		}, problem: "can be read by other users", fix: "chmod 600"},
		{name: "an empty key", spoil: func(t *testing.T, path string) {
			must(t, os.MkdirAll(filepath.Join(path, secretsDir), 0o700), os.WriteFile(filepath.Join(path, secretsDir, "A_KEY"), nil, 0o600))
		}, problem: "is empty", fix: "backup"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "data")
			if err := open(t, path).Close(); err != nil {
				t.Fatal(err)
			}
			c.spoil(t, path)
			before := listing(t, path)
			problems, warnings := Inspect(path, Options{Shared: c.shared})
			compare := func(kind, want string, got []or3cloud.Problem) {
				if want == "" {
					if len(got) > 0 {
						t.Errorf("%s %v", kind, got)
					}
					return
				}
				if len(got) != 1 || !strings.Contains(got[0].Fault, want) || !strings.Contains(got[0].Fix, c.fix) || got[0].Why == "" {
					t.Errorf("%s %+v, want %q and the fix %q", kind, got, want, c.fix)
				}
			}
			compare("problems", c.problem, problems)
			compare("warnings", c.warning, warnings)
			if after := listing(t, path); !slices.Equal(before, after) {
				t.Errorf("it was changed:\n%q\n%q", before, after)
			}
		})
	}
}

func must(t *testing.T, errs ...error) {
	t.Helper()
	for _, err := range errs {
		if err != nil {
			t.Fatal(err)
		}
	}
}

// listing returns everything in a directory, with modes and times.
func listing(t *testing.T, path string) (lines []string) {
	t.Helper()
	if _, err := os.Stat(path); err != nil {
		return []string{"none"}
	}
	must(t, filepath.WalkDir(path, func(at string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err == nil {
			lines = append(lines, at+" "+info.Mode().String()+" "+info.ModTime().Format(time.RFC3339Nano))
		}
		return err
	}))
	return lines
}

func TestNewest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "data")
	if at := Newest(path); !at.IsZero() {
		t.Errorf("of nothing: %v", at)
	}
	d := open(t, path)
	defer d.Close()
	created := Newest(path)
	if created.IsZero() {
		t.Fatal("a new directory has a time")
	}
	later := created.Add(time.Hour)
	must(t, d.Confirm(or3cloud.StoreStamp{Store: "sync", Instance: d.ID(), At: later.UnixMilli()}), d.Confirm(or3cloud.StoreStamp{Store: "blobs", Instance: d.ID(), At: 1}))
	if at := Newest(path); !at.Equal(later) {
		t.Errorf("%v, want %v", at, later)
	}
}

// TestInspectPartsFaultAndFix includes refusals by the operating system.
func TestInspectPartsFaultAndFix(t *testing.T) {
	file := filepath.Join(t.TempDir(), "data")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	problems, _ := Inspect(file, Options{})
	if len(problems) != 1 || !strings.HasSuffix(problems[0].Fault, "is a file, where a directory belongs") || !strings.HasPrefix(problems[0].Fix, "Move it away") {
		t.Errorf("%+v", problems)
	}
}
