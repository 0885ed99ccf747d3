package sqlitex

import (
	"errors"
	"os"
	"path/filepath"
	"strings"

	or3cloud "or3.chat/cloud"
)

// Examine reports what prevents the use of a database file, which a setting names (named) or which is in the data
// directory. It takes no lock and changes nothing, so it may run beside a server.
func Examine(e or3cloud.Examination, variable, path string, named bool) (problems, warnings []or3cloud.Problem) {
	const refused = "the server does not start with it"
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return []or3cloud.Problem{{
			Variable: variable, Fault: path + " is a directory, where a database belongs", Why: refused,
			Fix: "Name a file, for example " + filepath.Join(path, "or3.sqlite") + ".",
		}}, nil
	}
	err := checkFirstPage(path)
	if err == nil && isForeign(path) {
		err = foreignFile(path)
	}
	if err != nil {
		fault, fix, _ := strings.Cut(err.Error(), ". ")
		return []or3cloud.Problem{{Variable: variable, Fault: fault, Why: refused, Fix: fix + "."}}, nil
	}
	if !named {
		return nil, nil // its space is that of the data directory
	}
	return e.Room(variable, filepath.Dir(path))
}

// checkFirstPage returns what a start would find wrong with the first page of a file. It returns nil for a file that
// the start would create or cannot read, which is reported elsewhere. A server may be writing, so a fault that is gone
// on the second look was just a write in progress.
func checkFirstPage(path string) (err error) {
	for range 2 {
		info, missing := os.Stat(path)
		if missing != nil || !info.Mode().IsRegular() || info.Size() == 0 {
			return nil
		}
		if err = checkHeader(path, info.Size()); !errors.Is(err, ErrDamaged) {
			return nil
		}
	}
	return err
}

// isForeign reports whether another program created a file, judging by its content without the write-ahead log. Read
// errors are reported elsewhere.
func isForeign(path string) bool {
	abs, err := filepath.Abs(path)
	if err != nil || !filled(abs) {
		return false
	}
	registerUnmapped()
	_, holds, err := (&DB{uri: fileURI(abs, "")}).readStamp("&mode=ro&immutable=1")
	return err == nil && holds == foreign
}
