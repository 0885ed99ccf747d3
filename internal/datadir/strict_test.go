package datadir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"or3.chat/cloud/internal/diskspace"
)

func TestStrictModeMakesNoDirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "not mounted")
	_, err := Open(path, Options{Strict: true})
	if err == nil || !strings.Contains(err.Error(), "OR3_DATA_DIR") || !strings.Contains(err.Error(), "mkdir -m 700") {
		t.Errorf("%v", err)
	}
	if _, err := os.Stat(path); !os.IsNotExist(err) {
		t.Errorf("it was made: %v", err)
	}
	// A directory that the operator created is a first start.
	if err := os.Mkdir(path, 0o700); err != nil {
		t.Fatal(err)
	}
	if Network(path) != "" {
		t.Skip("the directory for temporary files is on a network file system")
	}
	for _, created := range []bool{true, false} {
		d, err := Open(path, Options{Strict: true})
		if err != nil {
			t.Fatal(err)
		}
		if d.Created() != created {
			t.Errorf("created %v, want %v", d.Created(), created)
		}
		d.Close()
	}
}

func TestStrictModeRefusesNetworkFileSystems(t *testing.T) {
	for _, network := range []string{"", "nfs"} {
		problems := check(t.TempDir(), func(string) (diskspace.Usage, error) { return diskspace.Usage{Network: network}, nil })
		if network == "" {
			if len(problems) != 0 {
				t.Error(problems)
			}
			continue
		}
		if len(problems) != 1 || problems[0].Variable != "OR3_DATA_DIR" || !strings.Contains(problems[0].Fault, "(nfs)") || problems[0].Fix == "" {
			t.Errorf("%+v", problems)
		}
	}
}
