//go:build unix

package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"slices"
	"strings"
	"syscall"
)

// OwnerOf returns the owner of the data directory at a path. Root has to know this before it touches one, because the
// server of another user cannot open files that root creates.
//
// The result is the owner of the directory. If that is root, as for the root of a volume, it is the owner of the
// content. If everything belongs to root, the server runs as root, no matter who owns the directory itself, which is
// common in containers. The error is fs.ErrNotExist if there is no directory. If single files belong to root, the error
// names the command that helps: root does not automatically hand over files that another user may have put there.
func OwnerOf(path string) (Owner, error) {
	info, err := os.Stat(path)
	if err != nil {
		return Owner{}, err
	}
	owner := ownerOf(info)
	entries, err := os.ReadDir(path)
	if err != nil {
		return Owner{}, fmt.Errorf("read the data directory: %w", err)
	}
	var other Owner // of an entry that is not root's, preferably identity.json
	var roots []fs.FileInfo
	for _, e := range entries {
		info, err := e.Info()
		switch {
		case errors.Is(err, fs.ErrNotExist), e.Name() == "lost+found":
		case err != nil:
			return Owner{}, fmt.Errorf("read the data directory: %w", err)
		case ownerOf(info).UID == 0:
			roots = append(roots, info)
		case other.UID == 0 || e.Name() == identityFile:
			other = ownerOf(info)
		}
	}
	if other.UID == 0 && slices.ContainsFunc(roots, func(info fs.FileInfo) bool { return info.Name() == identityFile }) {
		return Owner{}, nil
	}
	if owner.UID == 0 {
		owner = other
	}
	if owner.UID == 0 {
		return owner, nil
	}
	var closed []string
	for _, info := range roots {
		if perm := info.Mode().Perm(); perm&0o006 != 0o006 && (perm&0o060 != 0o060 || ownerOf(info).GID != owner.GID) {
			closed = append(closed, info.Name())
		}
	}
	if len(closed) > 0 {
		return owner, fmt.Errorf("the data directory %s belongs to the user with id %d, but root has %s in it, which the server of that user cannot open. "+
			"Give it back with: chown -R %d:%d %s", path, owner.UID, strings.Join(closed, ", "), owner.UID, owner.GID, path)
	}
	return owner, nil
}

func ownerOf(info fs.FileInfo) Owner {
	if st, ok := info.Sys().(*syscall.Stat_t); ok {
		return Owner{int(st.Uid), int(st.Gid)}
	}
	return Owner{}
}

// GivesAway reports whether what this process creates in a directory belongs to an owner, whatever user the process
// runs as: some volumes decide owners themselves (SMB, and NFS when root asks).
func GivesAway(path string, to Owner) bool {
	f, err := os.CreateTemp(path, ".owner-")
	if err != nil {
		return false
	}
	info, err := f.Stat()
	err = errors.Join(err, f.Close(), os.Remove(f.Name()))
	return err == nil && ownerOf(info).UID == to.UID
}
