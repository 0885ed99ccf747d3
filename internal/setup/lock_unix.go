//go:build unix

package setup

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// lock keeps other set-ups from writing to the directory until it is released or the process ends. It does nothing if
// the file system has no locks.
func (d folder) lock() (release func(), err error) {
	f, err := os.Open(string(d))
	if err != nil {
		return nil, err
	}
	if err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB); errors.Is(err, unix.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("another set-up is writing in %s; nothing was written, start again", d), f.Close())
	}
	return func() { _ = f.Close() }, nil
}
