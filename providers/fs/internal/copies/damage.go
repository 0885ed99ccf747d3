package copies

import (
	"context"
	"errors"
	iofs "io/fs"
	"path"

	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// ReportDamage notes that a generation is damaged, in the sidecar too, and logs it once. The intact parts of such a
// blob are still served, but the next upload of the same content replaces it.
func (c *Copies) ReportDamage(ctx context.Context, k layout.Key, generation string, damage error) {
	defer c.Lock(k)()
	now := c.now().UTC()
	rec, err := c.Read(k)
	if err == nil && rec.Generation == generation {
		c.health.Damage(k, now)
		if rec.DamagedAt != nil {
			return
		}
		rec.DamagedAt = &now
		err = c.Write(k, rec)
	}
	c.log.ErrorContext(ctx, "A STORED BLOB IS DAMAGED: the disk has changed it, and the changed parts are not served",
		"workspace", k.Workspace, "hash", string(k.Hash), "generation", generation, "damage", damage, "err", err)
}

// IsSetAside reports whether a generation is in quarantine.
func (c *Copies) IsSetAside(k layout.Key, generation string) bool {
	_, err := c.disk.Lstat(k.Aside(generation))
	return err == nil
}

// SetAside moves a damaged copy and its digests aside. The sidecar stays and still names the copy, so that the content
// counts as damaged until it is uploaded again. It reports whether the copy was there.
func (c *Copies) SetAside(k layout.Key, generation string) (bool, error) {
	defer c.Lock(k)()
	if err := volume.MakeDir(c.disk, layout.Quarantine, k.Workspace); err != nil {
		return false, err
	}
	for _, from := range []string{k.Live(generation), k.Trash(generation)} {
		if _, err := c.disk.Lstat(from); errors.Is(err, iofs.ErrNotExist) {
			continue
		} else if err != nil {
			return false, err
		}
		to := k.Aside(generation)
		// The digests go first, so that a reader who finds the blob has found them.
		err := volume.IgnoreAbsence(c.disk.Rename(from+layout.SumsSuffix, to+layout.SumsSuffix))
		if err == nil {
			err = c.disk.Rename(from, to)
		}
		return err == nil, errors.Join(err, c.disk.SyncDir(path.Dir(to)), c.disk.SyncDir(path.Dir(from)))
	}
	return false, nil // It was replaced or deleted meanwhile.
}
