package collection

import (
	"context"
	"errors"
	iofs "io/fs"
	"path"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/blobclaim"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/times"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// run is one collection in one workspace.
type run struct {
	*Collector
	workspace string
	now       time.Time
	retention time.Duration
	limit     int
	report    or3cloud.StorageGCReport
}

func (c *Collector) newRun(in or3cloud.StorageGCRequest) *run {
	return &run{
		Collector: c, workspace: in.WorkspaceID, now: c.now().UTC(), retention: max(in.Retention, c.retention),
		limit: in.Limit, report: or3cloud.StorageGCReport{Status: "completed"},
	}
}

// policy says when copies may go, as of this run.
func (r *run) policy() blobclaim.Policy {
	return blobclaim.Policy{Now: r.now, Retention: r.retention, TrashGrace: r.trashGrace}
}

// claim asks the sync provider for a generation. It is refused if a reference was lost within the last keep.
func (r *run) claim(ctx context.Context, k layout.Key, generation string, keep time.Duration) (bool, error) {
	return r.references.RetireGeneration(ctx, r.policy().Retire(k.Workspace, k.Hash, generation, keep))
}

func (r *run) forget(ctx context.Context, k layout.Key, generation string) error {
	return r.references.ForgetRetired(ctx, or3cloud.RetireRequest{WorkspaceID: k.Workspace, Hash: k.Hash, Generation: generation})
}

// finishRetired does what an interrupted run left undone: retired generations go to the trash, and those whose bytes
// are gone are forgotten.
func (r *run) finishRetired(ctx context.Context) error {
	if err := r.doomed.Load(ctx, r.workspace); err != nil {
		return err
	}
	retired, err := r.references.RetiredGenerations(ctx, r.workspace)
	if err != nil {
		return err
	}
	for _, gone := range retired {
		k, ok := layout.NewKey(r.workspace, string(gone.Hash))
		if !ok || !layout.ValidGeneration(gone.Generation) {
			continue // Another storage provider's.
		}
		if err := r.finish(ctx, k, gone.Generation); err != nil {
			return err
		}
	}
	return nil
}

func (r *run) finish(ctx context.Context, k layout.Key, generation string) error {
	defer r.copies.Lock(k)()
	err := r.moveToTrash(k, generation)
	if !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	if _, err = r.disk.Lstat(k.Trash(generation)); errors.Is(err, iofs.ErrNotExist) {
		r.doomed.Forget(k.Live(generation)) // There is nothing left to rely on.
		return r.forget(ctx, k, generation)
	}
	if err != nil {
		return err
	}
	return r.markTrashed(k, generation)
}

// sweepLive looks at every file of the workspace.
func (r *run) sweepLive(ctx context.Context) error {
	dir := layout.WorkspaceDir(r.workspace)
	return r.each(ctx, dir, func(e iofs.DirEntry) error {
		if layout.IsTemp(e.Name()) {
			return r.sweepTemp(path.Join(dir, e.Name()), e)
		}
		if k, generation, ok := layout.ParseSumsName(r.workspace, e.Name()); ok {
			return r.dropOrphanedSums(k, generation, path.Join(dir, e.Name()))
		}
		k, generation, sidecar, ok := layout.ParseName(r.workspace, e.Name())
		switch {
		case !ok:
			return nil // Not ours: left alone.
		case sidecar:
			return r.collect(ctx, k)
		default:
			return r.adoptOrDrop(k, generation, e)
		}
	})
}

func (r *run) each(ctx context.Context, dir string, visit func(iofs.DirEntry) error) error {
	entries, err := r.disk.ReadDir(dir)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	for _, e := range entries {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return err
		}
		// A file that is gone by now has been dealt with by someone else.
		if err = visit(e); errors.Is(err, iofs.ErrNotExist) {
			err = nil
		}
		if errors.Is(err, volume.ErrCorrupt) {
			r.log.WarnContext(ctx, "blob left alone by collection", "err", err)
			err = nil
		}
	}
	return err
}

// sweepTemp removes an unfinished file that no upload is writing any more.
func (r *run) sweepTemp(name string, e iofs.DirEntry) error {
	old, err := r.olderThan(e, blobclaim.AbandonedAfter)
	if err != nil || !old || r.temps.IsUnfinished(name) {
		return err
	}
	return r.disk.Remove(name)
}

// olderThan reports whether an unfinished file has not been touched for longer than age, or was touched by a clock that
// was ahead.
func (r *run) olderThan(e iofs.DirEntry, age time.Duration) (bool, error) {
	info, err := e.Info()
	if err != nil {
		return false, err
	}
	return r.now.Sub(info.ModTime()) > age || times.Ahead(info.ModTime(), r.now), nil
}

// adoptOrDrop looks at a generation that its sidecar may not point to. A superseded one goes at once, since its content
// is in the current one. One without a sidecar is complete, for only verified content gets such a name, but was not
// acknowledged; it is recorded as an uncommitted upload and takes its turn in a later run.
func (r *run) adoptOrDrop(k layout.Key, generation string, e iofs.DirEntry) error {
	defer r.copies.Lock(k)()
	rec, err := r.copies.Read(k)
	if err == nil && rec.Generation != generation {
		return r.dropSuperseded(k, rec, k.Live(generation))
	}
	sidecarless := errors.Is(err, iofs.ErrNotExist)
	if err == nil && generation == "" {
		_, err := r.disk.Lstat(k.Sidecar())
		sidecarless = errors.Is(err, iofs.ErrNotExist)
	}
	if !sidecarless {
		return err
	}
	info, err := e.Info()
	if err != nil {
		return err
	}
	return r.copies.Write(k, copies.Record{Generation: generation, SizeBytes: info.Size(), UploadedAt: info.ModTime().UTC()})
}

// dropSuperseded removes a copy of a blob whose current generation is in use, complete and not known to be damaged. The
// caller holds the lock.
func (r *run) dropSuperseded(k layout.Key, current copies.Record, name string) error {
	if !r.copies.Intact(k, current) {
		return nil
	}
	return r.copies.RemoveGeneration(name)
}

// collect retires the current generation of a key if its time has come, and moves it to the trash.
func (r *run) collect(ctx context.Context, k layout.Key) error {
	r.report.ScannedCount++
	if r.limit > 0 && r.report.DeletedCount >= r.limit {
		return nil
	}
	rec, keep, ok, err := r.candidate(k)
	if err != nil || !ok {
		return err
	}
	// From here on no upload builds on the generation, so nothing that happens later can need it.
	retired, err := r.claim(ctx, k, rec.Generation, keep)
	if err != nil {
		return err // It may have been retired: it stays doomed, and the next run asks again.
	}
	defer r.copies.Lock(k)()
	if !retired {
		r.doomed.Forget(k.Live(rec.Generation))
		return nil
	}
	if err := r.moveToTrash(k, rec.Generation); err != nil {
		return err
	}
	r.report.DeletedCount++
	return nil
}

// candidate decides whether the current generation of a key is old enough to be offered for deletion, and dooms it if
// so. keep is the time for which it had to be untouched.
func (r *run) candidate(k layout.Key) (rec copies.Record, keep time.Duration, ok bool, err error) {
	defer r.copies.Lock(k)()
	rec, err = r.copies.Read(k)
	if err != nil {
		return rec, 0, false, err
	}
	if err := r.settleTimes(k, &rec); err != nil {
		return rec, 0, false, err
	}
	live := k.Live(rec.Generation)
	if _, err := r.disk.Lstat(live); err != nil {
		return rec, 0, false, r.dropDangling(k, rec, err) // In the trash, or gone.
	}
	policy := r.policy()
	if !policy.MayRetire(rec.Copy()) {
		return rec, 0, false, nil
	}
	r.doomed.Doom(live)
	return rec, policy.Keeps(rec.Copy()), true, nil
}

// dropDangling removes a sidecar that points to missing bytes. The caller holds the lock.
func (r *run) dropDangling(k layout.Key, rec copies.Record, lstatErr error) error {
	if !errors.Is(lstatErr, iofs.ErrNotExist) {
		return lstatErr
	}
	if _, err := r.disk.Lstat(k.Trash(rec.Generation)); !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	if r.copies.IsSetAside(k, rec.Generation) {
		return nil
	}
	return r.disk.Remove(k.Sidecar())
}

// settleTimes rewrites the record of a blob if it has times in the future. The caller holds the lock.
func (r *run) settleTimes(k layout.Key, rec *copies.Record) error {
	if !rec.Settle(r.now) {
		return nil
	}
	return r.copies.Write(k, *rec)
}

// dropOrphanedSums removes digests whose blob is gone. Interrupted uploads and deletions leave such digests.
func (r *run) dropOrphanedSums(k layout.Key, generation, name string) error {
	defer r.copies.Lock(k)()
	for _, blob := range []string{k.Live(generation), k.Trash(generation)} {
		if _, err := r.disk.Lstat(blob); !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
	}
	return r.disk.Remove(name)
}
