// Package copies keeps the stored copies of contents, the generations: which one is current, how another replaces it,
// where its bytes are.
package copies

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"time"

	"or3.chat/cloud/providers/fs/internal/health"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// Options are what a Copies is made of. All are required.
type Options struct {
	Disk volume.Disk
	// Identity is the id that the disk's identity file must keep; empty means that it is not checked.
	Identity string
	Doomed   *Doomed
	Temps    *Temps
	Health   *health.Health
	Now      func() time.Time
	Rand     io.Reader
	Log      *slog.Logger
}

// Copies are the stored copies of contents. Every key (workspace and hash) has one sidecar, which points to the current
// generation of the blob. Changes of a key are made under the key's lock; reads take no lock, because a generation
// never changes once it has its name.
type Copies struct {
	disk     volume.Disk
	identity string
	doomed   *Doomed
	temps    *Temps
	health   *health.Health
	now      func() time.Time
	random   io.Reader
	log      *slog.Logger
	locks    layout.Locks
}

// New returns a Copies. It touches nothing; the disk must be open.
func New(o Options) *Copies {
	return &Copies{
		disk: o.Disk, identity: o.Identity, doomed: o.Doomed, temps: o.Temps, health: o.Health, now: o.Now, random: o.Rand, log: o.Log,
	}
}

// Lock locks a key, or with an empty hash a workspace, and returns the function that unlocks it.
func (c *Copies) Lock(k layout.Key) (unlock func()) { return c.locks.Lock(k) }

// Check fails when the storage directory is not what it was at the start. It is called before anything is reported
// absent.
func (c *Copies) Check() error {
	if c.identity == "" {
		return nil
	}
	return volume.CheckIdentity(c.disk, c.identity)
}

// Read returns the record of a key, as ReadRecord does.
func (c *Copies) Read(k layout.Key) (Record, error) { return ReadRecord(c.disk, k) }

// Write makes the record of a key durable. The caller holds the key's lock.
func (c *Copies) Write(k layout.Key, rec Record) error {
	rec.WorkspaceID, rec.Hash = k.Workspace, string(k.Hash)
	b, err := json.Marshal(rec)
	if err != nil {
		return err
	}
	return c.temps.Replace(k, k.Sidecar(), b)
}

// Commit restarts the retention of a content and takes it back if it is being collected. It returns the size, or
// ErrAbsent if the content is not there.
func (c *Copies) Commit(ctx context.Context, k layout.Key, mime string) (size int64, err error) {
	if err := c.doomed.Load(ctx, k.Workspace); err != nil {
		return 0, err
	}
	defer c.Lock(k)()
	f, rec, err := c.Find(k)
	if err != nil {
		return 0, err
	}
	f.Close()
	now := c.now().UTC()
	rec.CommittedAt = &now
	if rec.MIMEType == "" {
		rec.MIMEType = mime // A blob of the npm package has no type yet.
	}
	if c.Reliable(k, rec) {
		return rec.SizeBytes, c.Write(k, rec)
	}
	return rec.SizeBytes, c.rescue(k, rec)
}

// Untrash rescues a blob that is in the trash.
func (c *Copies) Untrash(ctx context.Context, k layout.Key) error {
	if err := c.doomed.Load(ctx, k.Workspace); err != nil {
		return err
	}
	defer c.Lock(k)()
	rec, err := c.Read(k)
	if err != nil || c.Reliable(k, rec) {
		return err
	}
	return c.rescue(k, rec)
}

// RemoveGeneration removes a copy of a blob and then its digests.
func (c *Copies) RemoveGeneration(name string) error {
	if err := c.disk.Remove(name); err != nil {
		return err
	}
	return volume.IgnoreAbsence(c.disk.Remove(name + layout.SumsSuffix))
}
