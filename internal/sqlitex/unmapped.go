package sqlitex

import (
	"errors"
	"io/fs"
	"path/filepath"
	"sync"

	"github.com/ncruces/go-sqlite3/util/vfsutil"
	"github.com/ncruces/go-sqlite3/vfs"
)

// unmapped is the name of the operating system's file system without memory maps. A mapped page is not verified, so the
// driver maps no file with checksums. But it still asks such a file to release its map, which panics.
const unmapped = "or3-unmapped"

// registerUnmapped registers the file system with the driver, which keeps a global list.
var registerUnmapped = sync.OnceFunc(func() { vfs.Register(unmapped, unmappedFS{vfs.Find("os")}) })

type unmappedFS struct{ vfs.VFS }

// FullPathname implements vfs.VFS. The driver resolves every link in the path. A process that may not search those
// directories, but holds one open (/proc/self/fd/N), cannot do that. Then the path is used as it is.
func (s unmappedFS) FullPathname(name string) (string, error) {
	full, err := s.VFS.FullPathname(name)
	if errors.Is(err, fs.ErrPermission) {
		return filepath.Abs(name)
	}
	return full, err
}

// Open implements vfs.VFS.
func (s unmappedFS) Open(name string, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return hideMap(s.VFS.Open(name, flags))
}

// OpenFilename implements vfs.VFSFilename.
func (s unmappedFS) OpenFilename(name *vfs.Filename, flags vfs.OpenFlag) (vfs.File, vfs.OpenFlag, error) {
	return hideMap(vfsutil.WrapOpenFilename(s.VFS, name, flags))
}

func hideMap(f vfs.File, flags vfs.OpenFlag, err error) (vfs.File, vfs.OpenFlag, error) {
	if err != nil {
		return nil, flags, err
	}
	return unmappedFile{f}, flags, nil
}

type unmappedFile struct{ vfs.File }

// SharedMemory implements vfs.FileSharedMemory.
func (f unmappedFile) SharedMemory() vfs.SharedMemory { return vfsutil.WrapSharedMemory(f.File) }

// PowersafeOverwrite implements vfs.FilePowersafeOverwrite.
func (f unmappedFile) PowersafeOverwrite() bool { return vfsutil.WrapPowersafeOverwrite(f.File) }

// SetPowersafeOverwrite implements vfs.FilePowersafeOverwrite.
func (f unmappedFile) SetPowersafeOverwrite(on bool) { vfsutil.WrapSetPowersafeOverwrite(f.File, on) }
