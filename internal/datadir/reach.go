package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"or3.chat/cloud/setting"
)

// reach tells whom a mode admits besides the server.
type reach int

const (
	reachNone reach = iota
	// reachGroup is a group that the server is in. Kubernetes gives every file of a volume to such a group (fsGroup) at
	// each mount, and its other members are meant to share it.
	reachGroup
	// reachOthers is every user of the machine, or a group that the server is not in.
	reachOthers
)

// makePrivate keeps other users out of the directory, as far as its volume allows. A volume may decide modes itself:
// then a change is refused (NFS, the root of a Kubernetes volume) or ignored without an error (SMB, FAT).
func (d *Dir) makePrivate() error {
	info, err := d.root.Stat(".")
	if err != nil {
		return fmt.Errorf("open the data directory: %w", err)
	}
	if reachOf(info) == reachOthers {
		_ = d.root.Chmod(".", dirMode)
		if info, err = d.root.Stat("."); err != nil {
			return fmt.Errorf("open the data directory: %w", err)
		}
	}
	switch {
	case reachOf(info) != reachOthers:
		d.tell(info, d.path)
		return nil
	case info.Mode().Perm()&0o002 != 0:
		return d.refuse(info, d.path, "the data directory %s can be changed by other users", d.path)
	}
	// Others may list the directory, like the root of a volume that belongs to root. Its content must be private
	// itself.
	entries, err := fs.ReadDir(d.root.FS(), ".")
	if err != nil {
		return fmt.Errorf("read the data directory: %w", err)
	}
	for _, e := range entries {
		if err := d.makeEntryPrivate(e.Name()); err != nil {
			return err
		}
	}
	return nil
}

// makeEntryPrivate is makePrivate for a file or directory in the data directory.
func (d *Dir) makeEntryPrivate(name string) error {
	info, err := d.root.Lstat(name)
	if errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() && !info.IsDir() {
		return nil
	}
	if err == nil && reachOf(info) == reachOthers {
		_ = d.root.Chmod(name, info.Mode()&^0o077)
		info, err = d.root.Lstat(name)
	}
	if err != nil {
		return fmt.Errorf("read the data directory: %w", err)
	}
	path := filepath.Join(d.path, name)
	if reachOf(info) == reachOthers {
		return d.refuse(info, path, "other users can look into %s, and %s is open to them", d.path, path)
	}
	return nil
}

// refuse returns the error about something that others can access, or nil if the operator has declared a shared volume.
func (d *Dir) refuse(info fs.FileInfo, path, format string, args ...any) error {
	if d.opts.Shared {
		d.tell(info, path)
		return nil
	}
	mode := 600
	if info.IsDir() {
		mode = 700
	}
	return fmt.Errorf("%s (mode %04o): run chmod %d %s; if that changes nothing, the volume decides modes itself (SMB, some of NFS and "+
		"Kubernetes): make sure that no one else reaches it, and set %s=true", fmt.Sprintf(format, args...), info.Mode().Perm(), mode, path, setting.SharedVolume)
}

// tell warns once about something that is open to others but accepted. The caller is Open or holds mu.
func (d *Dir) tell(info fs.FileInfo, path string) {
	if d.told || d.opts.Log == nil {
		return
	}
	switch reachOf(info) {
	case reachGroup:
		d.opts.Log.Warn("the group of the volume can reach the data of this server; let no one else be in it", "path", path,
			"mode", fmt.Sprintf("%04o", info.Mode().Perm()), "group", groupOf(info))
	case reachOthers:
		d.opts.Log.Warn("by its modes, others can reach the data of this server, and "+setting.SharedVolume+" says that no one else reaches the volume",
			"path", path, "mode", fmt.Sprintf("%04o", info.Mode().Perm()))
	default:
		return
	}
	d.told = true
}
