package fs

import (
	"context"
	"errors"
	iofs "io/fs"

	or3cloud "or3.chat/cloud"
)

// DeleteObject implements or3cloud.ObjectDeleter. It is the first step of a collection, taken at once and for one blob:
// the same claim decides, so it is as safe as a collection. The second step follows after TrashGrace.
func (s *Storage) DeleteObject(ctx context.Context, workspaceID string, hash or3cloud.BlobHash) error {
	k, ok := newKey(workspaceID, string(hash))
	if !ok {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid path parameters")
	}
	if s.References == nil {
		return or3cloud.Unavailable(nil, "Canonical reference state is required for deletion", retryAfter)
	}
	defer s.collecting(workspaceID)()
	if err := s.loadRetired(ctx, workspaceID); err != nil {
		return diskFault(err)
	}
	rec, err := readRecord(s.Disk, k)
	if errors.Is(err, iofs.ErrNotExist) {
		return diskFault(s.checkStore())
	}
	run := s.newCollection(or3cloud.StorageGCRequest{WorkspaceID: workspaceID})
	switch {
	case err != nil:
		return diskFault(err)
	case rec.TrashedAt != nil:
		return diskFault(run.deleteTrashed(ctx, k, rec.Generation))
	default:
		return diskFault(run.deleteLive(ctx, k))
	}
}

var errRetained = or3cloud.Errorf(or3cloud.CodeConflict, "Cannot delete a retained file")

// deleteLive claims the current generation and moves it into the trash.
func (c *collection) deleteLive(ctx context.Context, k blobKey) error {
	generation, err := c.doomCurrent(k)
	if err != nil {
		return ignoreAbsence(err)
	}
	retired, err := c.claim(ctx, k, generation, 0)
	if err != nil {
		return err // It may have been retired: it stays doomed.
	}
	defer c.locks.lock(k)()
	if !retired {
		c.pardon(k.live(generation))
		return errRetained
	}
	if err := c.moveToTrash(k, generation); err != nil {
		return err
	}
	return c.markDeleted(k, generation)
}

// doomCurrent keeps uploads and commits from building on the current generation.
func (c *collection) doomCurrent(k blobKey) (generation string, err error) {
	defer c.locks.lock(k)()
	rec, err := readRecord(c.Disk, k)
	if err != nil {
		return "", err
	}
	if _, err := c.Disk.Lstat(k.live(rec.Generation)); err != nil {
		return "", err
	}
	c.doom(k.live(rec.Generation))
	return rec.Generation, nil
}

// deleteTrashed notes that content in the trash is to go for good, unless something has referred to it since.
func (c *collection) deleteTrashed(ctx context.Context, k blobKey, generation string) error {
	probe, err := randomName(c.Rand)
	if err != nil {
		return err
	}
	unreferenced, err := c.claim(ctx, k, probe, 0)
	if err != nil {
		return err
	}
	if !unreferenced {
		if err := c.untrash(ctx, k); err != nil {
			return err
		}
		return errRetained
	}
	mark := func() error {
		defer c.locks.lock(k)()
		return c.markDeleted(k, generation)
	}
	return errors.Join(mark(), c.forget(ctx, k, probe))
}

// markDeleted notes in the sidecar that somebody has deleted the content. The caller holds the lock.
func (c *collection) markDeleted(k blobKey, generation string) error {
	rec, err := readRecord(c.Disk, k)
	if err != nil || rec.Generation != generation || rec.TrashedAt == nil || rec.DeletedAt != nil {
		return ignoreAbsence(err)
	}
	rec.DeletedAt = &c.now
	return c.writeRecord(k, rec)
}
