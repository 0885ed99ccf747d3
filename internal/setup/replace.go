package setup

import "path/filepath"

// ReadEnv returns the text of the .env file at a path, or nil if there is none.
func ReadEnv(path string) ([]byte, error) {
	return folder(filepath.Dir(path)).read(filepath.Base(path))
}

// ReplaceEnv replaces the .env file at a path, as Apply does: completely, durably, and readable only by its owner.
// before is the text that was read, or nil if there was none. If the file has changed since, ReplaceEnv writes nothing
// and returns ErrChanged.
func ReplaceEnv(path string, before, after []byte) error {
	s := &Setup{folder: folder(filepath.Dir(path))}
	return s.Apply(Plan{Files: []File{{Path: filepath.Base(path), Action: ActionChange, mode: secretFile, before: before, after: after}}})
}
