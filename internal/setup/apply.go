package setup

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"or3.chat/cloud/internal/dirsync"
)

// ErrChanged means that a file has changed since the plan was made.
var ErrChanged = errors.New("has changed in the meantime; nothing was written, start again")

// Apply carries out a plan: all of it, or nothing if it returns an error. Each file is written durably and replaced
// atomically, so that readers see either the old or the new one. Of several concurrent set-ups, one writes and the
// others return an error. If the process is killed, it may leave files with the suffix unfinished, which the next Apply
// removes.
func (s *Setup) Apply(p Plan) (err error) {
	unlock, err := s.lock()
	if err != nil {
		return err
	}
	defer unlock()
	var undo []func() error
	defer func() {
		if err == nil {
			return
		}
		for i := len(undo) - 1; i >= 0; i-- {
			err = errors.Join(err, undo[i]())
		}
	}()
	if err := s.unchanged(p); err != nil {
		return err
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
	if err := s.unchanged(p); err != nil { // an editor takes no lock
		return err
	}
	for _, st := range ready {
		if err := os.Rename(st.temporary, st.target); errors.Is(err, syscall.EBUSY) {
			return fmt.Errorf("%s is mounted here, so no other file can take its place; run set-up where the file is itself", st.target)
		} else if err != nil {
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

// unchanged reports whether all files are the same as when the plan was made.
func (s *Setup) unchanged(p Plan) error {
	for _, f := range p.Files {
		if is, err := s.read(f.Path); err != nil {
			return err
		} else if (is == nil) != (f.before == nil) || !bytes.Equal(is, f.before) {
			return fmt.Errorf("%s %w", s.path(f.Path), ErrChanged)
		}
	}
	return nil
}

// syncName makes a directory entry durable.
func syncName(path string) error {
	dir, err := os.Open(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer dir.Close()
	return dirsync.Sync(dir)
}

// makeAll creates a directory that only its owner can use, and missing parents. It returns those it has created.
func makeAll(dir string) (made []string, err error) {
	above := filepath.Dir(dir)
	if _, err := os.Stat(above); errors.Is(err, fs.ErrNotExist) && above != dir {
		if made, err = makeAll(above); err != nil {
			return made, err
		}
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		if info, failed := os.Stat(dir); failed == nil && info.IsDir() { // a starting server has created it meanwhile
			return made, nil
		}
		return made, err
	}
	return append(made, dir), inherit(dir)
}

// inherit gives a new directory the owner of its parent.
func inherit(dir string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	above, err := os.Stat(filepath.Dir(dir))
	if err != nil {
		return err
	}
	in, err := os.OpenRoot(filepath.Dir(dir)) // whose owner may have replaced it with a link to a directory of root's
	if err != nil {
		return err
	}
	defer in.Close()
	f, err := in.Open(filepath.Base(dir))
	if err != nil {
		return err
	}
	defer f.Close()
	return keepOwner(f, above)
}

// staged is a complete file under another name.
type staged struct {
	temporary, target string
	file              File
	was               fs.FileInfo // nil if there was none
}

// stage writes a file beside its final place, even if that is behind a link.
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

// unfinished is the suffix of a file that is not in place yet. Rules for .env.* in a .gitignore match it, too.
const unfinished = ".or3-cloud-init"

// write creates a file beside a path, with the owner of the existing file. It first removes one that a killed process
// has left.
func write(target string, text []byte, mode fs.FileMode, was fs.FileInfo) (temporary string, err error) {
	if err := os.Remove(target + unfinished); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return "", err
	}
	f, err := os.OpenFile(target+unfinished, os.O_WRONLY|os.O_CREATE|os.O_EXCL, secretFile)
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
			// Without %w, because no one knows the temporary file that was refused.
			return "", fmt.Errorf("%s belongs to another user, and only that user and root can write it again; become one of them: %v", target, err)
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

// restore puts the previous content back.
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
