package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"or3.chat/cloud/internal/dirsync"
)

// ErrChanged says that a file is not what it was when the plan was made.
var ErrChanged = errors.New("has changed meanwhile; nothing was written, begin again")

// Apply does what a plan says: all of it, or nothing if an error is returned. Each file is durable and in its place at once; whoever reads it
// meanwhile reads the old one or the new one.
func (s *Setup) Apply(p Plan) (err error) {
	var undo []func() error
	defer func() {
		if err == nil {
			return
		}
		for i := len(undo) - 1; i >= 0; i-- {
			err = errors.Join(err, undo[i]())
		}
	}()
	for _, f := range p.Files {
		if is, err := s.read(f.Path); err != nil {
			return err
		} else if (is == nil) != (f.before == nil) || !bytes.Equal(is, f.before) {
			return fmt.Errorf("%s %w", s.path(f.Path), ErrChanged)
		}
	}
	for _, dir := range p.Directories {
		made, err := makeAll(dir)
		for _, path := range made {
			undo = append(undo, func() error { return os.Remove(path) })
		}
		if err != nil {
			return err
		}
	}
	var ready []staged
	for _, f := range p.Files {
		if f.Action == ActionKeep {
			continue
		}
		st, err := stage(s.path(f.Path), f)
		if err != nil {
			return err
		}
		undo = append(undo, st.discard)
		ready = append(ready, st)
	}
	for _, st := range ready {
		if err := os.Rename(st.temporary, st.target); err != nil {
			return err
		}
		undo = append(undo, st.restore)
	}
	for _, st := range ready {
		if err := syncName(st.target); err != nil {
			return fmt.Errorf("make %s durable: %w", st.target, err)
		}
	}
	return nil
}

// syncName makes the name of a file durable.
func syncName(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dirsync.Sync(dir)
}

// makeAll makes a directory for its owner alone, and those above it that are missing. It returns what it has made.
func makeAll(dir string) (made []string, err error) {
	above := filepath.Dir(dir)
	if _, err := os.Stat(above); errors.Is(err, fs.ErrNotExist) && above != dir {
		if made, err = makeAll(above); err != nil {
			return made, err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return made, err
	}
	return append(made, dir), inherit(dir)
}

// inherit gives a new directory the owner of the one that it is in.
func inherit(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	above, err := os.Stat(filepath.Dir(dir))
	if err != nil {
		return err
	}
	f, err := os.Open(dir)
	if err != nil {
		return err
	}
	defer f.Close()
	return keepOwner(f, above)
}

// staged is a file that is complete under another name.
type staged struct {
	temporary, target string
	file              File
	was               fs.FileInfo // nil if there was none
}

// stage writes a file beside where it belongs, also where that is behind a link.
func stage(path string, f File) (st staged, err error) {
	st = staged{target: path, file: f}
	if f.before != nil {
		if st.target, err = filepath.EvalSymlinks(path); err != nil {
			return st, err
		}
		if st.was, err = os.Stat(st.target); err != nil {
			return st, err
		}
	}
	st.temporary, err = write(st.target, f.after, f.mode, st.was)
	return st, err
}

// write makes a file beside a path, with the owner that was the one there.
func write(target string, text []byte, mode fs.FileMode, was fs.FileInfo) (temporary string, err error) {
	f, err := os.CreateTemp(filepath.Dir(target), "."+filepath.Base(target)+".*")
	if err != nil {
		return "", err
	}
	defer func() {
		if err = errors.Join(err, f.Close()); err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	if _, err := f.Write(text); err != nil {
		return "", err
	}
	if was == nil && os.Geteuid() == 0 {
		if was, err = os.Stat(filepath.Dir(target)); err != nil {
			return "", err
		}
	}
	if was != nil {
		if err := keepOwner(f, was); err != nil {
			return "", err
		}
	}
	if err := f.Chmod(mode); err != nil {
		return "", err
	}
	return f.Name(), f.Sync()
}

func (st staged) discard() error {
	if err := os.Remove(st.temporary); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// restore puts back what was there.
func (st staged) restore() error {
	if st.was == nil {
		return os.Remove(st.target)
	}
	temporary, err := write(st.target, st.file.before, st.was.Mode().Perm(), st.was)
	if err != nil {
		return err
	}
	return os.Rename(temporary, st.target)
}
