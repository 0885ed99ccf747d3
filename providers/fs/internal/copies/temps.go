package copies

import (
	"errors"
	"io"
	"sync"

	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// Temps are the temporary files that are being written, so that no collection takes one for a leftover.
type Temps struct {
	disk   volume.Disk
	random io.Reader

	mu         sync.Mutex
	unfinished map[string]bool
}

// NewTemps returns a Temps. random makes names.
func NewTemps(disk volume.Disk, random io.Reader) *Temps {
	return &Temps{disk: disk, random: random, unfinished: map[string]bool{}}
}

// Create makes a temporary file of a key for writing. The caller renames or removes it, and calls Remove in any case.
func (t *Temps) Create(k layout.Key) (volume.File, string, error) {
	random, err := layout.RandomName(t.random)
	if err != nil {
		return nil, "", err
	}
	if err := volume.MakeDir(t.disk, layout.Workspaces, k.Workspace); err != nil {
		return nil, "", err
	}
	name := k.Temp(random)
	t.mark(name, true)
	f, err := t.disk.Create(name)
	if err != nil {
		t.mark(name, false)
	}
	return f, name, err
}

// Write makes a durable temporary file, which the caller renames or removes with Remove.
func (t *Temps) Write(k layout.Key, content []byte) (string, error) {
	f, name, err := t.Create(k)
	if err != nil {
		return "", err
	}
	n, err := f.Write(content)
	if err == nil && n < len(content) {
		err = io.ErrShortWrite
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		t.Remove(name)
	}
	return name, err
}

// Remove removes a temporary file. After a successful upload it no longer exists.
func (t *Temps) Remove(name string) {
	t.disk.Remove(name)
	t.mark(name, false)
}

// Replace replaces a small file of a key. The caller holds the key's lock.
func (t *Temps) Replace(k layout.Key, name string, content []byte) error {
	random, err := layout.RandomName(t.random)
	if err != nil {
		return err
	}
	tmp := k.Temp(random)
	t.mark(tmp, true)
	defer t.mark(tmp, false)
	return volume.WriteAtomic(t.disk, name, tmp, content)
}

// IsUnfinished reports whether a file is being written.
func (t *Temps) IsUnfinished(name string) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.unfinished[name]
}

func (t *Temps) mark(name string, unfinished bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if unfinished {
		t.unfinished[name] = true
	} else {
		delete(t.unfinished, name)
	}
}
