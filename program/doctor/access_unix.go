//go:build unix

package doctor

import "golang.org/x/sys/unix"

// denied says why this process cannot create files in a directory; nil if it can. It does not try.
func denied(dir string) error { return unix.Access(dir, unix.W_OK|unix.X_OK) }
