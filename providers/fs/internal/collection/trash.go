package collection

import (
	"context"
	"errors"
	iofs "io/fs"
	"path"

	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// moveToTrash moves a retired generation. Only its own name is touched, so it does not matter how late this happens
// or what has been uploaded since. The caller holds the lock.
func (r *run) moveToTrash(k layout.Key, generation string) error {
	if err := volume.MakeDir(r.disk, layout.Trash, k.Workspace); err != nil {
		return err
	}
	// The digests go first, so that a reader who finds the blob has found them.
	err := volume.IgnoreAbsence(r.disk.Rename(k.Live(generation)+layout.SumsSuffix, k.Trash(generation)+layout.SumsSuffix))
	if err == nil {
		err = r.disk.Rename(k.Live(generation), k.Trash(generation))
	}
	if err != nil {
		return err
	}
	return errors.Join(r.disk.SyncDir(path.Dir(k.Trash(generation))), r.disk.SyncDir(k.Dir()), r.markTrashed(k, generation))
}

// markTrashed notes in the sidecar when the current generation went to the trash. The caller holds the lock.
func (r *run) markTrashed(k layout.Key, generation string) error {
	rec, err := r.copies.Read(k)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	if err != nil || rec.Generation != generation || rec.TrashedAt != nil {
		return err
	}
	rec.TrashedAt = &r.now
	return r.copies.Write(k, rec)
}

// sweepTrash destroys what has been in the trash for long enough.
func (r *run) sweepTrash(ctx context.Context) error {
	dir := path.Join(layout.Trash, r.workspace)
	return r.each(ctx, dir, func(e iofs.DirEntry) error {
		if k, generation, ok := layout.ParseSumsName(r.workspace, e.Name()); ok {
			return r.dropOrphanedSums(k, generation, path.Join(dir, e.Name()))
		}
		k, generation, sidecar, ok := layout.ParseName(r.workspace, e.Name())
		if !ok || sidecar {
			return nil
		}
		if err := r.adoptTrashed(k, generation, e); err != nil {
			return err
		}
		return r.destroy(ctx, k, generation)
	})
}

// adoptTrashed gives a trashed generation a sidecar if the key no longer has one, so that its grace period starts and
// ends like any other.
func (r *run) adoptTrashed(k layout.Key, generation string, e iofs.DirEntry) error {
	defer r.copies.Lock(k)()
	rec, err := r.copies.Read(k)
	if err == nil {
		return r.settleTimes(k, &rec)
	}
	if !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	info, err := e.Info()
	if err == nil {
		err = volume.MakeDir(r.disk, layout.Workspaces, k.Workspace)
	}
	if err != nil {
		return err
	}
	return r.copies.Write(k, copies.Record{
		Generation: generation, SizeBytes: info.Size(), UploadedAt: info.ModTime().UTC(), TrashedAt: &r.now,
	})
}

// destroy unlinks a trashed generation. The content is offered to the sync provider once more under a new name: a
// reference that was set while it was in the trash makes that claim fail, and the bytes are taken back.
func (r *run) destroy(ctx context.Context, k layout.Key, generation string) error {
	rec, err := r.copies.Read(k)
	if err != nil {
		return err
	}
	if rec.Generation != generation {
		return r.discard(ctx, k, generation)
	}
	if !r.policy().MayDestroy(rec.Copy()) {
		return nil
	}
	probe, err := layout.RandomName(r.random)
	if err != nil {
		return err
	}
	unreferenced, err := r.references.RetireGeneration(ctx, r.policy().Destroy(k.Workspace, k.Hash, probe, rec.Copy()))
	if err != nil {
		return err
	}
	if !unreferenced {
		return r.copies.Untrash(ctx, k)
	}
	return errors.Join(r.discard(ctx, k, generation), r.forget(ctx, k, probe))
}

// discard removes the bytes of a trashed generation, and the sidecar if it is still the current one.
func (r *run) discard(ctx context.Context, k layout.Key, generation string) error {
	defer r.copies.Lock(k)()
	rec, err := r.copies.Read(k)
	if err != nil {
		return err
	}
	current := rec.Generation == generation
	if !current && !r.copies.Intact(k, rec) {
		return nil
	}
	// The bytes go first: a sidecar without bytes counts as absent, bytes without a sidecar would be adopted again.
	if err := r.copies.RemoveGeneration(k.Trash(generation)); err != nil {
		return err
	}
	if err := r.disk.SyncDir(path.Dir(k.Trash(generation))); err != nil {
		return err
	}
	if current {
		if err := errors.Join(r.disk.Remove(k.Sidecar()), r.disk.SyncDir(k.Dir())); err != nil {
			return err
		}
	}
	r.doomed.Forget(k.Live(generation))
	return r.forget(ctx, k, generation)
}
