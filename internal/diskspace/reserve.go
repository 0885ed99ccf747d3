package diskspace

import (
	"errors"
	"io/fs"
	"os"
)

// makeReserve creates a file that really occupies size bytes, unless it already exists.
func makeReserve(path string, size int64) error {
	info, err := os.Lstat(path)
	if err == nil && info.Size() == size {
		return nil
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	err = errors.Join(allocate(f, size), f.Close())
	if err != nil {
		err = errors.Join(err, os.Remove(path)) // half a reserve would only waste space
	}
	return err
}

func dropReserve(path string) error {
	err := os.Remove(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// fill allocates by writing, if there is no better way.
func fill(f *os.File, size int64) error {
	block := make([]byte, 1<<20)
	for size > 0 {
		n, err := f.Write(block[:min(size, int64(len(block)))])
		if err != nil {
			return err
		}
		size -= int64(n)
	}
	return nil
}
