package volume

import (
	"errors"
	"strings"
)

// IdentityFile is in the storage directory and holds the identity of the instance. A directory without it is a mount
// that has vanished, not a store without blobs; mistaking one for the other would answer 404 for every file.
const IdentityFile = ".or3-storage-id"

// ErrForeign is a store that another instance has made, or a mount point without its file system.
var ErrForeign = errors.New("these are not the files of this instance")

// ReadIdentity returns the identity of a store; the error is iofs.ErrNotExist if it has none.
func ReadIdentity(d Disk) (string, error) {
	b, err := ReadAll(d, IdentityFile, 1<<10)
	return strings.TrimSpace(string(b)), err
}

// CheckIdentity fails when the store is not the one that was opened.
func CheckIdentity(d Disk, want string) error {
	got, err := ReadIdentity(d)
	if err == nil && got != want {
		err = ErrForeign
	}
	return err
}
