package copies

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"syscall"

	"or3.chat/cloud/providers/fs/internal/digest"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/refuse"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// Received is verified content: the paths of its durable temporary files, which are empty if the content seemed to be
// stored already.
type Received struct {
	Blob, Sums string
	Size       int64
	MIMEType   string
}

// Settle makes verified content the current blob of a key and returns when that is durable.
func (c *Copies) Settle(ctx context.Context, k layout.Key, in Received) error {
	if err := c.doomed.Load(ctx, k.Workspace); err != nil {
		return err
	}
	defer c.Lock(k)()
	rec, err := c.Read(k)
	if err == nil && c.Intact(k, rec) {
		rec.UploadedAt = c.now().UTC()
		return c.Write(k, rec)
	}
	// A sidecar that cannot be understood is replaced: the content is here, verified.
	if err != nil && !errors.Is(err, iofs.ErrNotExist) && !(errors.Is(err, volume.ErrCorrupt) && in.Blob != "") {
		return err
	}
	if in.Blob == "" {
		if err != nil {
			return err
		}
		if rec.DamagedAt != nil {
			return refuse.Unavailable(digest.ErrDamaged) // The next attempt replaces it.
		}
		return c.rescue(k, rec)
	}
	generation, err := layout.RandomName(c.random)
	if err != nil {
		return err
	}
	next := Record{SizeBytes: in.Size, MIMEType: in.MIMEType, UploadedAt: c.now().UTC(), CommittedAt: rec.CommittedAt}
	return c.install(k, generation, next, func(live string) error {
		if err := c.disk.Rename(in.Sums, live+layout.SumsSuffix); err != nil {
			return err
		}
		return c.disk.Rename(in.Blob, live)
	})
}

// rescue gives the bytes of a doomed or trashed generation a new name that cannot have been retired yet. The link keeps
// the bytes whatever happens to the old name afterwards. The caller holds the key's lock.
func (c *Copies) rescue(k layout.Key, rec Record) error {
	generation, err := layout.RandomName(c.random)
	if err != nil {
		return err
	}
	next := rec
	next.UploadedAt = c.now().UTC()
	return c.install(k, generation, next, func(live string) error {
		// A blob that was stored before there were digests has none.
		if err := volume.IgnoreAbsence(c.linkGeneration(k, rec.Generation, layout.SumsSuffix, live)); err != nil {
			return err
		}
		return c.linkGeneration(k, rec.Generation, "", live)
	})
}

// linkGeneration gives a generation, or with a suffix the file that belongs to it, the additional name live. Where the
// file system has no hard links it gets a copy.
func (c *Copies) linkGeneration(k layout.Key, generation, suffix, live string) error {
	err := c.linkOrCopy(k, k.Live(generation)+suffix, live+suffix)
	if errors.Is(err, iofs.ErrNotExist) {
		err = c.linkOrCopy(k, k.Trash(generation)+suffix, live+suffix)
	}
	return err
}

func (c *Copies) linkOrCopy(k layout.Key, oldname, newname string) error {
	err := c.disk.Link(oldname, newname)
	if errors.Is(err, errors.ErrUnsupported) || errors.Is(err, iofs.ErrPermission) || errors.Is(err, syscall.EMLINK) {
		return c.copyFile(k, oldname, newname)
	}
	return err
}

// copyFile makes a durable copy under a new name.
func (c *Copies) copyFile(k layout.Key, oldname, newname string) error {
	from, err := c.disk.Open(oldname)
	if err != nil {
		return err
	}
	defer from.Close()
	to, tmp, err := c.temps.Create(k)
	if err != nil {
		return err
	}
	defer c.temps.Remove(tmp)
	buf := volume.TakeBuffer()
	defer volume.GiveBuffer(buf)
	// Both are wrapped so that the copy uses the buffer.
	_, err = io.CopyBuffer(struct{ io.Writer }{to}, struct{ io.Reader }{from}, buf[:])
	if err == nil {
		err = to.Sync()
	}
	if err = errors.Join(err, to.Close()); err != nil {
		return err
	}
	return c.disk.Rename(tmp, newname)
}

// install puts a new generation in place and points the sidecar to it. The caller holds the key's lock.
func (c *Copies) install(k layout.Key, generation string, rec Record, place func(live string) error) error {
	live := k.Live(generation)
	err := place(live)
	if err == nil {
		err = c.disk.SyncDir(k.Dir())
	}
	if err != nil {
		c.disk.Remove(live)
		c.disk.Remove(live + layout.SumsSuffix)
		return err
	}
	rec.Generation, rec.TrashedAt, rec.DeletedAt = generation, nil, nil
	if err := c.Write(k, rec); err != nil {
		// After a crash the sidecar may or may not be there. The next upload must not build on this generation.
		c.doomed.Doom(live)
		return err
	}
	if rec.DamagedAt == nil {
		c.health.Replaced(k)
	}
	return nil
}

// Reliable reports whether an upload or commit may build on the current generation: it is in use, complete and not
// doomed.
func (c *Copies) Reliable(k layout.Key, rec Record) bool {
	live := k.Live(rec.Generation)
	if rec.TrashedAt != nil || c.doomed.Has(live) {
		return false
	}
	info, err := c.disk.Lstat(live)
	return err == nil && info.Mode().IsRegular() && info.Size() == rec.SizeBytes
}

// Intact reports whether an upload of the same content would be redundant: the current generation is reliable, and not
// known to be damaged.
func (c *Copies) Intact(k layout.Key, rec Record) bool {
	return rec.DamagedAt == nil && c.Reliable(k, rec)
}

// Present reports whether a blob seems to be there, so that an upload need not be written. Settle decides.
func (c *Copies) Present(k layout.Key) bool {
	rec, err := c.Read(k)
	return err == nil && c.Intact(k, rec)
}
