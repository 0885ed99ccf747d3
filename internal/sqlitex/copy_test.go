package sqlitex

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"or3.chat/cloud/internal/diskspace"
)

// TestOneCopyIsKept migrates from each layout to each later one. There must be one copy, of what the start found.
func TestOneCopyIsKept(t *testing.T) {
	all := map[string]string{}
	var files []map[string]string
	for i, name := range []string{"00001_first.sql", "00002_keep.sql", "00003_between.sql", "00004_keep.sql", "00005_last.sql"} {
		all[name] = fmt.Sprintf("CREATE TABLE t%d (id INTEGER PRIMARY KEY) STRICT;", i+1)
		files = append(files, maps.Clone(all))
	}
	keep := []int64{2, 4}
	for from := range files {
		for to := from; to < len(files); to++ {
			path := filepath.Join(t.TempDir(), "db.sqlite")
			for _, some := range []map[string]string{files[from], files[to], files[to]} {
				db, err := Open(t.Context(), Options{Path: path, Migrations: migrations(some), KeepBefore: keep})
				if err != nil {
					t.Fatal(err)
				}
				if err := db.Close(); err != nil {
					t.Fatal(err)
				}
			}
			got, err := filepath.Glob(path + ".before-*")
			var want []string
			for _, k := range keep {
				if len(want) == 0 && int64(from+1) < k && k <= int64(to+1) {
					want = append(want, CopyOf(path, k))
				}
			}
			if err != nil || !slices.Equal(got, want) {
				t.Errorf("from %d to %d: %v, %v, want %v", from+1, to+1, got, err, want)
			}
			if len(got) != 1 {
				continue
			}
			db, err := Open(t.Context(), Options{Path: got[0], Migrations: migrations(files[from])})
			if err != nil {
				t.Fatalf("the copy from before %d: %v", to+1, err)
			}
			db.Close()
		}
	}
}

// TestACopyWithoutRoomIsRefused checks that nothing is changed, and that the error says how much space is needed.
func TestACopyWithoutRoomIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "db.sqlite")
	open := func(files map[string]string, free uint64) error {
		db, err := Open(t.Context(), Options{
			Path: path, Migrations: migrations(files), KeepBefore: []int64{2},
			Measure: func(string) (diskspace.Usage, error) { return diskspace.Usage{Free: free}, nil },
		})
		if err != nil {
			return err
		}
		return db.Close()
	}
	if err := open(first, 0); err != nil {
		t.Fatalf("without a change of the layout: %v", err)
	}
	second := maps.Clone(first)
	second["00002_second.sql"] = "CREATE TABLE u (id INTEGER PRIMARY KEY) STRICT;"
	err := open(second, copyMargin)
	if err == nil || !strings.Contains(err.Error(), "129 MiB of space are needed") || !strings.Contains(err.Error(), "has 128 MiB") {
		t.Errorf("without space: %v", err)
	}
	if err := open(first, 0); err != nil {
		t.Errorf("the file has changed: %v", err)
	}
	if left, _ := filepath.Glob(path + ".*"); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := open(second, copyMargin+64<<20); err != nil {
		t.Errorf("with room: %v", err)
	}
}
