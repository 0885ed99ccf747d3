package fs

import (
	"bytes"
	"errors"
	"io"
	iofs "io/fs"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"time"

	"or3.chat/cloud/providers/fs/internal/volume"
)

// memDisk is a Disk in memory, for tests that run many times. It knows what a power failure may lose: content that was
// not synced, and changes of names after the last one that a SyncDir covers. Names come back as of one moment, in the
// order in which they changed, as with a journal.
type memDisk struct {
	mu      sync.Mutex
	names   map[string]*node
	durable map[string]*node // the names before the first change of the journal
	journal []change
	synced  int // how many changes of the journal survive a power failure
}

// node is a file, which may have several names, or a directory.
type node struct {
	dir    bool
	data   []byte
	stable []byte // what has been synced
}

// change is one step of the journal: names that got another node, or none.
type change map[string]*node

func newMemDisk() *memDisk {
	d := &memDisk{names: map[string]*node{".": {dir: true}}}
	d.durable = map[string]*node{".": d.names["."]}
	return d
}

// apply makes a change. The caller holds the lock.
func (d *memDisk) apply(c change) {
	d.journal = append(d.journal, c)
	c.on(d.names)
}

func (c change) on(names map[string]*node) {
	for name, n := range c {
		if n == nil {
			delete(names, name)
		} else {
			names[name] = n
		}
	}
}

func absent(op, name string) error { return &iofs.PathError{Op: op, Path: name, Err: iofs.ErrNotExist} }
func taken(op, name string) error  { return &iofs.PathError{Op: op, Path: name, Err: iofs.ErrExist} }

func (d *memDisk) Mkdir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i, c := range dir + "/" {
		if c == '/' && d.names[dir[:i]] == nil {
			d.apply(change{dir[:i]: {dir: true}})
		}
	}
	return nil
}

func (d *memDisk) Create(name string) (volume.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	switch {
	case d.names[path.Dir(name)] == nil:
		return nil, absent("create", name)
	case d.names[name] != nil:
		return nil, taken("create", name)
	}
	n := &node{}
	d.apply(change{name: n})
	return &memFile{disk: d, node: n, name: name}, nil
}

func (d *memDisk) Open(name string) (volume.File, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.names[name]
	switch {
	case n == nil:
		return nil, absent("open", name)
	case n.dir:
		return nil, &iofs.PathError{Op: "open", Path: name, Err: volume.ErrNotPlain}
	}
	return &memFile{disk: d, node: n, name: name}, nil
}

func (d *memDisk) Lstat(name string) (iofs.FileInfo, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if n := d.names[name]; n != nil {
		return n.info(name), nil
	}
	return nil, absent("lstat", name)
}

func (d *memDisk) ReadDir(dir string) ([]iofs.DirEntry, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[dir] == nil {
		return nil, absent("readdir", dir)
	}
	var out []iofs.DirEntry
	for name, n := range d.names {
		if path.Dir(name) == dir && name != "." {
			out = append(out, iofs.FileInfoToDirEntry(n.info(name)))
		}
	}
	slices.SortFunc(out, func(a, b iofs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return out, nil
}

func (d *memDisk) Rename(oldname, newname string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.names[oldname]
	if n == nil || d.names[path.Dir(newname)] == nil {
		return absent("rename", oldname)
	}
	d.apply(change{newname: n, oldname: nil})
	return nil
}

func (d *memDisk) Link(oldname, newname string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	n := d.names[oldname]
	switch {
	case n == nil:
		return absent("link", oldname)
	case d.names[newname] != nil:
		return taken("link", newname)
	}
	d.apply(change{newname: n})
	return nil
}

func (d *memDisk) Remove(name string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.names[name] == nil {
		return absent("remove", name)
	}
	d.apply(change{name: nil})
	return nil
}

func (d *memDisk) SyncDir(dir string) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	for i := len(d.journal) - 1; i >= d.synced; i-- {
		for name := range d.journal[i] {
			if path.Dir(name) == dir {
				d.synced = i + 1
				return nil
			}
		}
	}
	return nil
}

func (d *memDisk) Close() error { return nil }

// losePower drops a random part of what a power failure may lose.
func (d *memDisk) losePower(random *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	kept := d.synced + random.IntN(len(d.journal)-d.synced+1)
	for _, c := range d.journal[:kept] {
		c.on(d.durable)
	}
	d.journal, d.synced, d.names = nil, 0, map[string]*node{}
	for name, n := range d.durable {
		d.names[name] = n
		if !bytes.Equal(n.data, n.stable) {
			n.data = n.data[:random.IntN(len(n.data)+1)]
			if len(n.data) < len(n.stable) {
				n.data = n.stable
			}
			for i := len(n.stable); i < len(n.data); i++ {
				n.data[i] = byte(random.Uint32()) // length without content, as some file systems leave it
			}
		}
		n.stable = bytes.Clone(n.data)
	}
}

// files lists all files.
func (d *memDisk) files() (out []string) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for name, n := range d.names {
		if !n.dir {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

type memFile struct {
	disk   *memDisk
	node   *node
	name   string
	offset int64
}

func (f *memFile) Read(p []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	if f.offset >= int64(len(f.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, f.node.data[f.offset:])
	f.offset += int64(n)
	return n, nil
}

func (f *memFile) Write(p []byte) (int, error) {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.node.data = append(f.node.data, p...)
	return len(p), nil
}

func (f *memFile) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += f.offset
	case io.SeekEnd:
		offset += int64(len(f.node.data))
	}
	if offset < 0 {
		return 0, errors.New("seek to before the beginning")
	}
	f.offset = offset
	return offset, nil
}

func (f *memFile) Sync() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.node.stable = bytes.Clone(f.node.data)
	return nil
}

func (f *memFile) Close() error                 { return nil }
func (f *memFile) Stat() (iofs.FileInfo, error) { return f.node.info(f.name), nil }

func (n *node) info(name string) iofs.FileInfo {
	return memInfo{name: path.Base(name), size: int64(len(n.data)), dir: n.dir}
}

// memInfo describes a node. Its times are long ago.
type memInfo struct {
	name string
	size int64
	dir  bool
}

func (i memInfo) Name() string       { return i.name }
func (i memInfo) Size() int64        { return i.size }
func (i memInfo) ModTime() time.Time { return time.Unix(1_700_000_000, 0) }
func (i memInfo) IsDir() bool        { return i.dir }
func (i memInfo) Sys() any           { return nil }
func (i memInfo) Mode() iofs.FileMode {
	if i.dir {
		return iofs.ModeDir | volume.DirMode
	}
	return volume.FileMode
}
