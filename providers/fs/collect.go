package fs

import (
	"context"
	"errors"
	iofs "io/fs"
	"path"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/blobclaim"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// GC implements or3cloud.StorageCollector. A blob goes in two steps that are at least TrashGrace apart: its generation
// is retired by the sync provider and moved into the trash; later its content is claimed once more, under a new name,
// and only if still nothing references it are the bytes destroyed. DeletedCount counts first steps.
//
// No lock is held while the sync provider is asked. What keeps a concurrent upload or commit safe is that the generation
// is doomed before the question: from then on they make a generation of their own, which this run knows nothing of.
func (s *Storage) GC(ctx context.Context, in or3cloud.StorageGCRequest) (or3cloud.StorageGCReport, error) {
	report, err := s.collectWorkspace(ctx, in)
	if err != nil || s.References == nil {
		return report, err
	}
	// Uploads in pieces that have expired go as well, whatever their workspace.
	_, err = s.sweepPartials()
	return report, diskFault(err)
}

// collectWorkspace is GC without the uploads in pieces, which are not kept by workspace.
func (s *Storage) collectWorkspace(ctx context.Context, in or3cloud.StorageGCRequest) (or3cloud.StorageGCReport, error) {
	if err := checkGCRequest(in); err != nil {
		return or3cloud.StorageGCReport{}, err
	}
	if s.References == nil {
		return or3cloud.StorageGCReport{Status: "disabled", Reason: noReferences}, nil
	}
	defer s.collecting(in.WorkspaceID)()
	run := s.newCollection(in)
	err := s.checkStore()
	for _, step := range []func(context.Context) error{run.finishRetired, run.sweepLive, run.sweepTrash} {
		if err == nil {
			err = step(ctx)
		}
	}
	return run.report, diskFault(err)
}

// noReferences is why nothing is collected when the sync provider does not know what is referenced.
const noReferences = "canonical_reference_state_required"

func checkGCRequest(in or3cloud.StorageGCRequest) error {
	switch {
	case !validWorkspaceID(in.WorkspaceID):
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid workspace_id")
	case in.Retention < 0:
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid retention_seconds")
	case in.Limit < 0:
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid limit")
	}
	return nil
}

// collecting makes one run per workspace at a time: a refused claim makes a generation reliable again, which another run
// must not have offered in the meantime.
func (s *Storage) collecting(workspace string) (done func()) {
	return s.locks.lock(blobKey{workspace: workspace})
}

// collection is one run of GC over one workspace.
type collection struct {
	*Storage
	workspace string
	now       time.Time
	retention time.Duration
	limit     int
	report    or3cloud.StorageGCReport
}

func (s *Storage) newCollection(in or3cloud.StorageGCRequest) *collection {
	return &collection{
		Storage: s, workspace: in.WorkspaceID, now: s.Now().UTC(), retention: max(in.Retention, s.Retention),
		limit: in.Limit, report: or3cloud.StorageGCReport{Status: "completed"},
	}
}

// policy is when copies may go, as seen at the moment of the run.
func (c *collection) policy() blobclaim.Policy {
	return blobclaim.Policy{Now: c.now, Retention: c.retention, TrashGrace: c.TrashGrace}
}

// claim asks the sync provider for a generation. If a reference was lost within the last keep it refuses.
func (c *collection) claim(ctx context.Context, k blobKey, generation string, keep time.Duration) (bool, error) {
	return c.References.RetireGeneration(ctx, c.policy().Retire(k.workspace, k.hash, generation, keep))
}

func (c *collection) forget(ctx context.Context, k blobKey, generation string) error {
	return c.References.ForgetRetired(ctx, or3cloud.RetireRequest{WorkspaceID: k.workspace, Hash: k.hash, Generation: generation})
}

// finishRetired does what an interrupted run had still to do: retired generations go to the trash, and those whose
// bytes are gone are forgotten.
func (c *collection) finishRetired(ctx context.Context) error {
	if err := c.loadRetired(ctx, c.workspace); err != nil {
		return err
	}
	retired, err := c.References.RetiredGenerations(ctx, c.workspace)
	if err != nil {
		return err
	}
	for _, r := range retired {
		k, ok := newKey(c.workspace, string(r.Hash))
		if !ok || !validGeneration(r.Generation) {
			continue // Another storage provider's.
		}
		if err := c.finish(ctx, k, r.Generation); err != nil {
			return err
		}
	}
	return nil
}

func (c *collection) finish(ctx context.Context, k blobKey, generation string) error {
	defer c.locks.lock(k)()
	err := c.moveToTrash(k, generation)
	if !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	if _, err = c.Disk.Lstat(k.trash(generation)); errors.Is(err, iofs.ErrNotExist) {
		c.pardon(k.live(generation)) // There is nothing left that could be relied on.
		return c.forget(ctx, k, generation)
	}
	if err != nil {
		return err
	}
	return c.markTrashed(k, generation)
}

// sweepLive looks at every file of the workspace.
func (c *collection) sweepLive(ctx context.Context) error {
	dir := workspaceDir(c.workspace)
	return c.each(ctx, dir, func(e iofs.DirEntry) error {
		if isTemp(e.Name()) {
			return c.sweepTemp(path.Join(dir, e.Name()), e)
		}
		if k, generation, ok := parseSumsName(c.workspace, e.Name()); ok {
			return c.dropOrphanedSums(k, generation, path.Join(dir, e.Name()))
		}
		k, generation, sidecar, ok := parseName(c.workspace, e.Name())
		switch {
		case !ok:
			return nil // Not ours: left alone.
		case sidecar:
			return c.collect(ctx, k)
		default:
			return c.adoptOrDrop(k, generation, e)
		}
	})
}

func (c *collection) each(ctx context.Context, dir string, visit func(iofs.DirEntry) error) error {
	entries, err := c.Disk.ReadDir(dir)
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
		// A file that is gone by now is in good hands.
		if err = visit(e); errors.Is(err, iofs.ErrNotExist) {
			err = nil
		}
		if errors.Is(err, volume.ErrCorrupt) {
			c.Log.WarnContext(ctx, "blob left alone by collection", "err", err)
			err = nil
		}
	}
	return err
}

// sweepTemp removes an unfinished file that nobody is writing any more.
func (c *collection) sweepTemp(name string, e iofs.DirEntry) error {
	old, err := c.olderThan(e, blobclaim.AbandonedAfter)
	if err != nil || !old || c.isUnfinished(name) {
		return err
	}
	return c.Disk.Remove(name)
}

// olderThan reports whether a file that is being made was not touched for longer than age, or by a clock that was ahead.
func (c *collection) olderThan(e iofs.DirEntry, age time.Duration) (bool, error) {
	info, err := e.Info()
	if err != nil {
		return false, err
	}
	return c.now.Sub(info.ModTime()) > age || ahead(info.ModTime(), c.now), nil
}

// adoptOrDrop looks at a generation that its sidecar may not point to. A superseded one goes at once, since its content
// is in the current one. One without a sidecar is complete, for only verified content gets such a name, but was not
// acknowledged; it is entered as an uncommitted upload and takes its turn in a later run.
func (c *collection) adoptOrDrop(k blobKey, generation string, e iofs.DirEntry) error {
	defer c.locks.lock(k)()
	rec, err := readRecord(c.Disk, k)
	if err == nil && rec.Generation != generation {
		return c.dropSuperseded(k, rec, k.live(generation))
	}
	sidecarless := errors.Is(err, iofs.ErrNotExist)
	if err == nil && generation == "" {
		_, err := c.Disk.Lstat(k.sidecar())
		sidecarless = errors.Is(err, iofs.ErrNotExist)
	}
	if !sidecarless {
		return err
	}
	info, err := e.Info()
	if err != nil {
		return err
	}
	return c.writeRecord(k, record{Generation: generation, SizeBytes: info.Size(), UploadedAt: info.ModTime().UTC()})
}

// dropSuperseded removes a copy of a blob whose current generation is in use, complete and not known to be damaged. The caller holds the lock.
func (c *collection) dropSuperseded(k blobKey, current record, name string) error {
	if !c.intact(k, current) {
		return nil
	}
	return c.removeGeneration(name)
}

// collect retires the current generation of a key if its time has come, and moves it to the trash.
func (c *collection) collect(ctx context.Context, k blobKey) error {
	c.report.ScannedCount++
	if c.limit > 0 && c.report.DeletedCount >= c.limit {
		return nil
	}
	rec, keep, ok, err := c.candidate(k)
	if err != nil || !ok {
		return err
	}
	// Past this line nobody builds on the generation, so nothing that happens from now on can need it.
	retired, err := c.claim(ctx, k, rec.Generation, keep)
	if err != nil {
		return err // It may have been retired: it stays doomed, and the next run asks again.
	}
	defer c.locks.lock(k)()
	if !retired {
		c.pardon(k.live(rec.Generation))
		return nil
	}
	if err := c.moveToTrash(k, rec.Generation); err != nil {
		return err
	}
	c.report.DeletedCount++
	return nil
}

// candidate decides whether the current generation of a key is old enough to be offered for deletion, and dooms it if
// so. keep is the time for which it had to be untouched.
func (c *collection) candidate(k blobKey) (rec record, keep time.Duration, ok bool, err error) {
	defer c.locks.lock(k)()
	rec, err = readRecord(c.Disk, k)
	if err != nil {
		return rec, 0, false, err
	}
	if err := c.settleTimes(k, &rec); err != nil {
		return rec, 0, false, err
	}
	live := k.live(rec.Generation)
	if _, err := c.Disk.Lstat(live); err != nil {
		return rec, 0, false, c.dropDangling(k, rec, err) // In the trash, or gone.
	}
	policy := c.policy()
	if !policy.MayRetire(rec.copy()) {
		return rec, 0, false, nil
	}
	c.doom(live)
	return rec, policy.Keeps(rec.copy()), true, nil
}

// dropDangling removes a sidecar that points to no bytes. The caller holds the lock.
func (c *collection) dropDangling(k blobKey, rec record, lstatErr error) error {
	if !errors.Is(lstatErr, iofs.ErrNotExist) {
		return lstatErr
	}
	if _, err := c.Disk.Lstat(k.trash(rec.Generation)); !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	if c.isSetAside(k, rec.Generation) {
		return nil
	}
	return c.Disk.Remove(k.sidecar())
}

// moveToTrash moves a retired generation. Only its own name is touched, so it does not matter how late this happens
// or what has been uploaded since. The caller holds the lock.
func (c *collection) moveToTrash(k blobKey, generation string) error {
	if err := c.makeDir(trashDir, k.workspace); err != nil {
		return err
	}
	// The digests go first, so that a reader who finds the blob has found them.
	err := ignoreAbsence(c.Disk.Rename(k.live(generation)+sumsSuffix, k.trash(generation)+sumsSuffix))
	if err == nil {
		err = c.Disk.Rename(k.live(generation), k.trash(generation))
	}
	if err != nil {
		return err
	}
	return errors.Join(c.Disk.SyncDir(path.Dir(k.trash(generation))), c.Disk.SyncDir(k.dir()), c.markTrashed(k, generation))
}

// markTrashed notes in the sidecar since when the current generation is in the trash. The caller holds the lock.
func (c *collection) markTrashed(k blobKey, generation string) error {
	rec, err := readRecord(c.Disk, k)
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	if err != nil || rec.Generation != generation || rec.TrashedAt != nil {
		return err
	}
	rec.TrashedAt = &c.now
	return c.writeRecord(k, rec)
}

// sweepTrash destroys what has been in the trash for long enough.
func (c *collection) sweepTrash(ctx context.Context) error {
	dir := path.Join(trashDir, c.workspace)
	return c.each(ctx, dir, func(e iofs.DirEntry) error {
		if k, generation, ok := parseSumsName(c.workspace, e.Name()); ok {
			return c.dropOrphanedSums(k, generation, path.Join(dir, e.Name()))
		}
		k, generation, sidecar, ok := parseName(c.workspace, e.Name())
		if !ok || sidecar {
			return nil
		}
		if err := c.adoptTrashed(k, generation, e); err != nil {
			return err
		}
		return c.destroy(ctx, k, generation)
	})
}

// adoptTrashed gives a trashed generation a sidecar if the key has none any more, so that its grace period starts and
// ends like any other.
func (c *collection) adoptTrashed(k blobKey, generation string, e iofs.DirEntry) error {
	defer c.locks.lock(k)()
	rec, err := readRecord(c.Disk, k)
	if err == nil {
		return c.settleTimes(k, &rec)
	}
	if !errors.Is(err, iofs.ErrNotExist) {
		return err
	}
	info, err := e.Info()
	if err == nil {
		err = c.makeDir(workspacesDir, k.workspace)
	}
	if err != nil {
		return err
	}
	return c.writeRecord(k, record{
		Generation: generation, SizeBytes: info.Size(), UploadedAt: info.ModTime().UTC(), TrashedAt: &c.now,
	})
}

// destroy unlinks a trashed generation. The content is offered to the sync provider once more under a fresh name: a
// reference that came while it was in the trash makes that claim fail, and the bytes are taken back.
func (c *collection) destroy(ctx context.Context, k blobKey, generation string) error {
	rec, err := readRecord(c.Disk, k)
	if err != nil {
		return err
	}
	if rec.Generation != generation {
		return c.discard(ctx, k, generation)
	}
	if !c.policy().MayDestroy(rec.copy()) {
		return nil
	}
	probe, err := randomName(c.Rand)
	if err != nil {
		return err
	}
	unreferenced, err := c.References.RetireGeneration(ctx, c.policy().Destroy(k.workspace, k.hash, probe, rec.copy()))
	if err != nil {
		return err
	}
	if !unreferenced {
		return c.untrash(ctx, k)
	}
	return errors.Join(c.discard(ctx, k, generation), c.forget(ctx, k, probe))
}

// discard removes the bytes of a trashed generation, and the sidecar if it is still the current one.
func (c *collection) discard(ctx context.Context, k blobKey, generation string) error {
	defer c.locks.lock(k)()
	rec, err := readRecord(c.Disk, k)
	if err != nil {
		return err
	}
	current := rec.Generation == generation
	if !current && !c.intact(k, rec) {
		return nil
	}
	// The bytes go first: a sidecar without bytes is an absence, bytes without a sidecar would be adopted again.
	if err := c.removeGeneration(k.trash(generation)); err != nil {
		return err
	}
	if err := c.Disk.SyncDir(path.Dir(k.trash(generation))); err != nil {
		return err
	}
	if current {
		if err := errors.Join(c.Disk.Remove(k.sidecar()), c.Disk.SyncDir(k.dir())); err != nil {
			return err
		}
	}
	c.pardon(k.live(generation))
	return c.forget(ctx, k, generation)
}

func (s *Storage) isUnfinished(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unfinished[name]
}
