package sqlitex

import (
	"bytes"
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
)

// TestExamineSaysWhatADatabaseFileIs checks that the first page is enough to find a truncated copy before a server is
// started with it.
func TestExamineSaysWhatADatabaseFileIs(t *testing.T) {
	const size, pages = 4096, 3
	whole := make([]byte, size*pages)
	copy(whole, magic)
	binary.BigEndian.PutUint16(whole[16:], size)
	binary.BigEndian.PutUint32(whole[28:], pages)
	for name, c := range map[string]struct {
		text  []byte
		log   string
		fault string
	}{
		"whole": {whole, "", ""}, "empty": {[]byte{}, "", ""}, "broken off": {whole[:size+1], "", "4097 bytes of 12288"}, "in the first page": {whole[:headerSize-1], "", "not a database"},
		"the rest is in the log": {whole[:size], "-wal", ""}, "a change is under way": {whole[:size], "-journal", ""},
		"something else": {[]byte(strings.Repeat("hello", 100)), "", "not a database"}, "none": {nil, "", ""},
	} {
		path := filepath.Join(t.TempDir(), "a.sqlite")
		if c.text != nil {
			if err := os.WriteFile(path, c.text, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		if c.log != "" {
			if err := os.WriteFile(path+c.log, []byte("x"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		for _, named := range []bool{false, true} {
			room := 0
			e := or3cloud.Examination{Room: func(variable, at string) (problems, warnings []or3cloud.Problem) {
				if room++; variable != "A" || at != filepath.Dir(path) {
					t.Errorf("%s: room for %s in %s", name, variable, at)
				}
				return nil, nil
			}}
			problems, warnings := Examine(e, "A", path, named)
			if len(warnings) > 0 || (len(problems) > 0) != (c.fault != "") || len(problems) > 0 && (!strings.Contains(problems[0].Fault, c.fault) || problems[0].Fix == "") {
				t.Errorf("%s: %+v %v", name, problems, warnings)
			}
			if (room == 1) != (named && c.fault == "") {
				t.Errorf("%s, named %v: the room was looked at %d times", name, named, room)
			}
		}
	}
}

// TestExamineKnowsOurOwnDatabases checks that databases written by SQLite itself, open or closed, have no faults.
func TestExamineKnowsOurOwnDatabases(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a.sqlite")
	db, err := Open(t.Context(), Options{Path: path, Migrations: migrations(first)})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Write.Exec("CREATE TABLE a (b); INSERT INTO a VALUES (zeroblob(100000))"); err != nil {
		t.Fatal(err)
	}
	open := checkFirstPage(path)
	err = db.Close()
	closed := checkFirstPage(path)
	if err = errors.Join(err, os.Truncate(path, 5000)); err != nil || open != nil || closed != nil {
		t.Errorf("%v %v %v", open, closed, err)
	}
	if checkFirstPage(path) == nil {
		t.Error("a database that was cut off is none")
	}
}

// TestAnotherProgramsDatabaseIsLeftAlone checks that a start refuses such a database, that an examination agrees, and
// that neither changes a byte. The tables are those of OR3 Chat's providers for Node.js. One of these databases uses
// names of ours, the other does not.
func TestAnotherProgramsDatabaseIsLeftAlone(t *testing.T) {
	for name, tables := range map[string]string{
		"names of ours": "CREATE TABLE users (id TEXT); CREATE TABLE kysely_migration (name TEXT);", "none of ours": "CREATE TABLE basic_auth_accounts (id TEXT);",
	} {
		path := filepath.Join(t.TempDir(), "their own.sqlite")
		c, err := sqlite3.Open(path)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.Exec(tables), c.Close()); err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, named := range []bool{false, true} {
			problems, warnings := Examine(or3cloud.Examination{}, "A", path, named)
			if len(problems) != 1 || len(warnings) > 0 || !strings.Contains(problems[0].Fault, ErrForeign.Error()) || !strings.Contains(problems[0].Fix, "does not exist yet") {
				t.Errorf("%s: %+v %v", name, problems, warnings)
			}
		}
		db, err := Open(t.Context(), Options{Path: path, Migrations: migrations(first), Identity: &Identity{Stores: struct{ or3cloud.Stores }{}}})
		if !errors.Is(err, ErrForeign) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			err = db.Close()
		}
		after, failed := os.ReadFile(path)
		if failed != nil || !bytes.Equal(before, after) {
			t.Errorf("%s: the file was changed: %v, %v", name, err, failed)
		}
		if rest, err := filepath.Glob(path + "-*"); len(rest) > 0 || err != nil {
			t.Errorf("%s: %v beside it, %v", name, rest, err)
		}
	}
}
