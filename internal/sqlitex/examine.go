package sqlitex

import (
	"os"
	"path/filepath"

	or3cloud "or3.chat/cloud"
)

// Examine says what keeps a database file from being where a setting names it. It opens nothing.
func Examine(e or3cloud.Examination, variable, path string) (problems, warnings []or3cloud.Problem) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return []or3cloud.Problem{{
			Variable: variable, Fault: path + " is a directory, where a database belongs", Why: "the server does not start with it",
			Fix: "Name a file, for example " + filepath.Join(path, "or3.sqlite") + ".",
		}}, nil
	}
	return e.Room(variable, filepath.Dir(path))
}
