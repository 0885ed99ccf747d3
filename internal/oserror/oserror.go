// Package oserror explains why the operating system refused an operation on a file: which file, why, and what to do.
// "open /x: permission denied" tells an operator only the first.
package oserror

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Within records that err comes from work in a directory that belongs to this program: relative paths, such as those of
// an os.Root, lie in it, and it may be given to another user as a whole. A nil error stays nil.
func Within(dir string, err error) error {
	if err == nil {
		return nil
	}
	return &within{dir, err}
}

type within struct {
	dir string
	err error
}

func (w *within) Error() string { return w.err.Error() }
func (w *within) Unwrap() error { return w.err }

// explained is an error with a text for operators.
type explained struct {
	fault string
	err   error
}

func (e *explained) Error() string { return e.fault }
func (e *explained) Unwrap() error { return e.err }

// Explain returns err with a text that names the file, the reason and the fix, if the operating system refused an
// operation on a file for a reason that a person can fix. It returns any other error as it is, including one already
// explained.
func Explain(err error) error {
	if errors.As(err, new(*explained)) {
		return err
	}
	var own *within
	if !errors.As(err, &own) {
		own = &within{}
	}
	path, ok := pathOf(err, own.dir)
	if !ok {
		return err
	}
	if text := explain(path, own.dir, err); text != "" {
		return &explained{text, err}
	}
	return err
}

// pathOf returns the absolute path that an error is about. A relative path lies in dir.
func pathOf(err error, dir string) (string, bool) {
	var path string
	var file *fs.PathError
	var link *os.LinkError
	switch {
	case errors.As(err, &file):
		path = file.Path
	case errors.As(err, &link):
		path = link.New
	default:
		return "", false
	}
	if !filepath.IsAbs(path) {
		path = filepath.Join(dir, path)
	}
	abs, failed := filepath.Abs(path)
	return abs, failed == nil
}

func explain(path, own string, err error) string {
	switch {
	case leadsOut(err):
		return fmt.Sprintf("%s leads out of %s by a symbolic link, which is not followed. Put the files themselves there, or mount the other place there (mount --bind)",
			link(path, own), cmp.Or(own, "its directory"))
	case errors.Is(err, fs.ErrPermission):
		return denied(path, own)
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Sprintf("%s cannot be written, because its file system is full. Free some space there, or enlarge it; df -h %s shows how full it is",
			path, nearest(filepath.Dir(path)))
	case errors.Is(err, syscall.EROFS):
		return fmt.Sprintf("%s cannot be written, because its file system is read-only. Mount it writable, or choose a place on another one; "+
			"findmnt --target %s shows how it is mounted, and dmesg whether a disk error has made it read-only", path, nearest(filepath.Dir(path)))
	case errors.Is(err, syscall.EISDIR):
		return fmt.Sprintf("%s is a directory, where a file belongs. Move it away, or name another path", path)
	case errors.Is(err, syscall.ENOTDIR):
		return fmt.Sprintf("%s is a file, where a directory belongs. Move it away, or name another path", obstacle(path))
	case errors.Is(err, syscall.ENAMETOOLONG):
		return fmt.Sprintf("the path %s is too long. Choose a shorter one", path)
	case errors.Is(err, syscall.EMFILE), errors.Is(err, syscall.ENFILE):
		return fmt.Sprintf("%s cannot be opened, because too many files are open. Raise the limit: ulimit -n, or LimitNOFILE= of the systemd unit", path)
	case errors.Is(err, syscall.EIO):
		return fmt.Sprintf("%s cannot be read or written, because the disk reports an error. Look at dmesg and smartctl -a, and restore what is lost from a backup", path)
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Sprintf("%s does not exist. Create it, or name another path", path)
	}
	return ""
}

// leadsOut reports whether an os.Root refused a path because of a symbolic link. Package os has no name for that error.
func leadsOut(err error) bool {
	var file *fs.PathError
	return errors.As(err, &file) && file.Err != nil && file.Err.Error() == "path escapes from parent"
}

// link returns the first symbolic link below a directory on the way to path, or path itself.
func link(path, dir string) string {
	found := path
	for p := path; p != dir && filepath.Dir(p) != p; p = filepath.Dir(p) {
		if info, err := os.Lstat(p); err == nil && info.Mode().Type() == fs.ModeSymlink {
			found = p
		}
	}
	return found
}

// denied describes what keeps this process out: the file itself or a directory above it, and its owner. own is the
// directory that belongs to this program, or "".
func denied(path, own string) string {
	culprit := path
	for !exists(culprit) {
		culprit = filepath.Dir(culprit)
	}
	if culprit == path && permits(path) {
		culprit = filepath.Dir(path) // the refused operation was to create, rename or remove it
	}
	what := ""
	if culprit != path {
		what = ", because of the directory " + culprit
	}
	if rel, err := filepath.Rel(own, culprit); own == "" || err != nil || !filepath.IsLocal(rel) {
		own = ""
	}
	return fmt.Sprintf("%s: permission denied%s. %s", path, what, remedy(culprit, own))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil || filepath.Dir(path) == path
}

// nearest returns the deepest part of a path that exists.
func nearest(path string) string {
	for !exists(path) {
		path = filepath.Dir(path)
	}
	return path
}

// obstacle returns the part of a path that is not a directory.
func obstacle(path string) string {
	for p := path; filepath.Dir(p) != p; p = filepath.Dir(p) {
		if info, err := os.Stat(p); err == nil && !info.IsDir() {
			return p
		}
	}
	return path
}
