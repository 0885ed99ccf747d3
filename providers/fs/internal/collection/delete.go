package collection

import (
	"context"
	"errors"
	iofs "io/fs"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/refuse"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// DeleteObject implements or3cloud.ObjectDeleter. It is the first step of a collection, done at once and for one blob:
// the same claim decides, so it is as safe as a collection. The second step follows after TrashGrace.
func (c *Collector) DeleteObject(ctx context.Context, workspaceID string, hash or3cloud.BlobHash) error {
	k, ok := layout.NewKey(workspaceID, string(hash))
	if !ok {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid path parameters")
	}
	if c.references == nil {
		return or3cloud.Unavailable(nil, "Canonical reference state is required for deletion", refuse.RetryAfter)
	}
	defer c.collecting(workspaceID)()
	if err := c.doomed.Load(ctx, workspaceID); err != nil {
		return refuse.Disk(err)
	}
	rec, err := c.copies.Read(k)
	if errors.Is(err, iofs.ErrNotExist) {
		return refuse.Disk(c.copies.Check())
	}
	run := c.newRun(or3cloud.StorageGCRequest{WorkspaceID: workspaceID})
	switch {
	case err != nil:
		return refuse.Disk(err)
	case rec.TrashedAt != nil:
		return refuse.Disk(run.deleteTrashed(ctx, k, rec.Generation))
	default:
		return refuse.Disk(run.deleteLive(ctx, k))
	}
}

var errRetained = or3cloud.Errorf(or3cloud.CodeConflict, "Cannot delete a retained file")

// deleteLive claims the current generation and moves it into the trash.
func (r *run) deleteLive(ctx context.Context, k layout.Key) error {
	generation, err := r.doomCurrent(k)
	if err != nil {
		return volume.IgnoreAbsence(err)
	}
	retired, err := r.claim(ctx, k, generation, 0)
	if err != nil {
		return err // It may have been retired: it stays doomed.
	}
	defer r.copies.Lock(k)()
	if !retired {
		r.doomed.Forget(k.Live(generation))
		return errRetained
	}
	if err := r.moveToTrash(k, generation); err != nil {
		return err
	}
	return r.markDeleted(k, generation)
}

// doomCurrent keeps uploads and commits from building on the current generation.
func (r *run) doomCurrent(k layout.Key) (generation string, err error) {
	defer r.copies.Lock(k)()
	rec, err := r.copies.Read(k)
	if err != nil {
		return "", err
	}
	if _, err := r.disk.Lstat(k.Live(rec.Generation)); err != nil {
		return "", err
	}
	r.doomed.Doom(k.Live(rec.Generation))
	return rec.Generation, nil
}

// deleteTrashed notes that content in the trash will be destroyed, unless something has referred to it since.
func (r *run) deleteTrashed(ctx context.Context, k layout.Key, generation string) error {
	probe, err := layout.RandomName(r.random)
	if err != nil {
		return err
	}
	unreferenced, err := r.claim(ctx, k, probe, 0)
	if err != nil {
		return err
	}
	if !unreferenced {
		if err := r.copies.Untrash(ctx, k); err != nil {
			return err
		}
		return errRetained
	}
	mark := func() error {
		defer r.copies.Lock(k)()
		return r.markDeleted(k, generation)
	}
	return errors.Join(mark(), r.forget(ctx, k, probe))
}

// markDeleted notes in the sidecar that someone has deleted the content. The caller holds the lock.
func (r *run) markDeleted(k layout.Key, generation string) error {
	rec, err := r.copies.Read(k)
	if err != nil || rec.Generation != generation || rec.TrashedAt == nil || rec.DeletedAt != nil {
		return volume.IgnoreAbsence(err)
	}
	rec.DeletedAt = &r.now
	return r.copies.Write(k, rec)
}
