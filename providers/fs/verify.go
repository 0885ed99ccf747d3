package fs

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	iofs "io/fs"
	"path"
	"slices"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// pace is told after each read how many bytes came, and waits as long as it takes to keep a rate.
type pace func(ctx context.Context, bytes int) error

// copyOf is one stored generation of a content, and where it lies.
type copyOf struct {
	blobKey
	generation string
	dir        string // workspacesDir or trashDir
}

// position is the place of a copy in the order of a walk.
func (c copyOf) position() string { return c.dir + "/" + c.workspace + "/" + c.file(c.generation) }

func (c copyOf) path() string { return path.Join(c.dir, c.workspace, c.file(c.generation)) }

// places are the parts of the store in the order in which they are walked. The trash is first, so that a copy that is
// taken out of it during a walk is met.
var places = [...]string{trashDir, workspacesDir}

// walk visits the copies that come after a position, in order. With a workspace it visits only those of it. A directory
// that vanishes is passed over; visit may return errStop to end the walk.
func (s *Storage) walk(ctx context.Context, workspace, after string, visit func(copyOf) error) error {
	if err := s.checkStore(); err != nil {
		return err
	}
	done := strings.SplitN(after, "/", 3)
	for _, place := range places {
		workspaces, err := s.Disk.ReadDir(place)
		if ignoreAbsence(err) != nil {
			return err
		}
		for _, w := range workspaces {
			name := w.Name()
			if !validWorkspaceID(name) || workspace != "" && name != workspace || before([]string{place, name}, done) {
				continue
			}
			if err := s.walkWorkspace(ctx, place, name, done, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// errStop ends a walk.
var errStop = errors.New("fs: the walk ends here")

// before reports whether everything below a directory comes before a position.
func before(dir, position []string) bool {
	return len(position) == 3 && slices.Compare(dir, position[:2]) < 0
}

func (s *Storage) walkWorkspace(ctx context.Context, place, workspace string, done []string, visit func(copyOf) error) error {
	entries, err := s.Disk.ReadDir(path.Join(place, workspace))
	if ignoreAbsence(err) != nil {
		return err
	}
	start := 0
	if len(done) == 3 && done[0] == place && done[1] == workspace {
		after, found := slices.BinarySearchFunc(entries, done[2], func(e iofs.DirEntry, name string) int { return cmp.Compare(e.Name(), name) })
		if start = after; found {
			start++
		}
	}
	for _, e := range entries[start:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		k, generation, sidecar, ok := parseName(workspace, e.Name())
		if !ok || sidecar || !e.Type().IsRegular() {
			continue
		}
		if err := visit(copyOf{k, generation, place}); err != nil {
			return err
		}
	}
	return nil
}

// pacedReader is a reader that keeps a pace.
type pacedReader struct {
	io.Reader
	ctx  context.Context
	pace pace
}

// Read implements io.Reader.
func (r pacedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		return n, err
	}
	if paced := r.pace(r.ctx, max(n, leastRead)); paced != nil {
		err = paced
	}
	return n, err
}

// leastRead is what a read costs at least, so that many small files do not come faster than the disk finds them.
const leastRead = 4 << 10

// verify reads a copy back and compares it with its hash and with its digests. A copy that has no digests, or damaged
// ones, gets new ones. The error is errDamaged if the content is not what was uploaded, iofs.ErrNotExist if the copy is
// gone, and otherwise says why it could not be read.
func (s *Storage) verify(ctx context.Context, c copyOf, pace pace) (size int64, err error) {
	stored, sumsErr := s.readSums(c.blobKey, c.generation)
	f, err := s.Disk.Open(c.path())
	if errors.Is(err, iofs.ErrNotExist) && c.dir == workspacesDir {
		f, err = s.Disk.Open(c.trash(c.generation)) // it has moved since it was listed
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	sums, err := sumsOf(&pacedFile{f, pacedReader{f, ctx, pace}}, c.blobKey)
	switch {
	case errors.Is(err, errDamaged):
		s.reportDamage(ctx, c.blobKey, c.generation, err)
		return info.Size(), err
	case err != nil:
		return info.Size(), err
	case sumsErr == nil && bytes.Equal(stored.encode(), sums.encode()):
		return info.Size(), nil
	case sumsErr != nil && !errors.Is(sumsErr, iofs.ErrNotExist) && !errors.Is(sumsErr, volume.ErrCorrupt):
		return info.Size(), sumsErr
	}
	if sumsErr == nil || errors.Is(sumsErr, volume.ErrCorrupt) {
		s.Log.WarnContext(ctx, "the digests of a blob were damaged and are made anew; the blob is sound",
			"workspace", c.workspace, "hash", string(c.hash), "generation", c.generation)
	}
	return info.Size(), s.replaceSums(c.blobKey, c.generation, sums)
}

// pacedFile is a File that is read at a pace.
type pacedFile struct {
	volume.File
	reader pacedReader
}

// Read implements io.Reader.
func (f *pacedFile) Read(p []byte) (int, error) { return f.reader.Read(p) }

// StoredVolume implements or3cloud.BlobChecker.
func (s *Storage) StoredVolume(ctx context.Context, workspaceID string) (files, size int64, err error) {
	err = s.walk(ctx, workspaceID, "", func(c copyOf) error {
		info, err := s.Disk.Lstat(c.path())
		if err == nil {
			files++
			size += info.Size()
		}
		return ignoreAbsence(err)
	})
	return files, size, diskFault(err)
}

// CheckBlobs implements or3cloud.BlobChecker.
func (s *Storage) CheckBlobs(ctx context.Context, in or3cloud.BlobCheckRequest) (checked []or3cloud.CheckedBlob, next string, err error) {
	if in.WorkspaceID != "" && !validWorkspaceID(in.WorkspaceID) {
		return nil, "", or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid workspace_id")
	}
	pace, end := atRate(in.Rate), time.Now().Add(in.Span)
	err = s.walk(ctx, in.WorkspaceID, in.After, func(c copyOf) error {
		blob, err := s.check(ctx, c, in.Quarantine, pace)
		if errors.Is(err, iofs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		checked = append(checked, blob)
		if len(checked) >= in.Files || time.Now().After(end) {
			next = c.position()
			return errStop
		}
		return nil
	})
	if errors.Is(err, errStop) {
		err = nil
	}
	return checked, next, diskFault(err)
}

// check reads one copy back and says what was found. The error is not about the copy but about the check.
func (s *Storage) check(ctx context.Context, c copyOf, quarantine bool, pace pace) (or3cloud.CheckedBlob, error) {
	size, err := s.verify(ctx, c, pace)
	blob := or3cloud.CheckedBlob{
		WorkspaceID: c.workspace, Hash: c.hash, Generation: c.generation, SizeBytes: size,
		InTrash: c.dir == trashDir, Condition: or3cloud.BlobSound,
	}
	switch {
	case err == nil:
		return blob, nil
	case errors.Is(err, iofs.ErrNotExist), ctx.Err() != nil:
		return blob, cmp.Or(ctx.Err(), err)
	case !errors.Is(err, errDamaged):
		// One bad sector says nothing about the store, a mount that is gone says nothing about the copy.
		if store := s.checkStore(); store != nil {
			return blob, store
		}
		blob.Condition, blob.Fault = or3cloud.BlobUnreadable, err.Error()
		return blob, nil
	}
	blob.Condition, blob.Fault = or3cloud.BlobCorrupt, err.Error()
	if quarantine {
		if blob.Quarantined, err = s.quarantine(c); err != nil {
			return blob, fmt.Errorf("move a corrupt blob aside: %w", err)
		}
	}
	return blob, nil
}

// HasBlob implements or3cloud.BlobChecker.
func (s *Storage) HasBlob(_ context.Context, workspaceID string, hash or3cloud.BlobHash) (bool, error) {
	k, ok := newKey(workspaceID, string(hash))
	if !ok {
		return false, nil
	}
	f, _, err := s.find(k)
	if errors.Is(err, errAbsent) || errors.Is(err, errSetAside) {
		return false, nil
	}
	if err != nil {
		return false, diskFault(err)
	}
	return true, f.Close()
}

// atRate is the pace of so many bytes per second, from now on; 0 is none.
func atRate(rate int64) pace {
	if rate <= 0 {
		return func(ctx context.Context, _ int) error { return ctx.Err() }
	}
	// A rate that could not be kept for a moment is not made up for later.
	const slack = 100 * time.Millisecond
	due := time.Now()
	return func(ctx context.Context, n int) error {
		if latest := time.Now().Add(-slack); due.Before(latest) {
			due = latest
		}
		due = due.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
		return sleepUntil(ctx, due)
	}
}

func sleepUntil(ctx context.Context, due time.Time) error {
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
