package setup

import "path/filepath"

// ReadEnv returns the text of the .env file at a path, nil if there is none.
func ReadEnv(path string) ([]byte, error) {
	return folder(filepath.Dir(path)).read(filepath.Base(path))
}

// ReplaceEnv puts another text into the .env file at a path, of which before was read (nil where there is none), as Apply does: whole, durable,
// for its owner alone, and not at all if the file is another one by now, which is ErrChanged.
func ReplaceEnv(path string, before, after []byte) error {
	s := &Setup{folder: folder(filepath.Dir(path))}
	return s.Apply(Plan{Files: []File{{Path: filepath.Base(path), Action: ActionChange, mode: secretFile, before: before, after: after}}})
}
