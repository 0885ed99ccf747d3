// Package readback reads the stored copies back and compares them with their hashes and digests: slowly and all the
// time, or when an operator asks.
package readback

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"log/slog"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/digest"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/refuse"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// Options are what a Reader is made of. All are required.
type Options struct {
	Disk   volume.Disk
	Copies *copies.Copies
	Log    *slog.Logger
}

// Reader reads stored copies back.
type Reader struct {
	disk   volume.Disk
	copies *copies.Copies
	log    *slog.Logger
}

var _ or3cloud.BlobChecker = (*Reader)(nil)

// New returns a Reader.
func New(o Options) *Reader { return &Reader{disk: o.Disk, copies: o.Copies, log: o.Log} }

// StoredVolume implements or3cloud.BlobChecker.
func (r *Reader) StoredVolume(ctx context.Context, workspaceID string) (files, size int64, err error) {
	err = r.walk(ctx, workspaceID, "", func(c copyOf) error {
		info, err := r.disk.Lstat(c.path())
		if err == nil {
			files++
			size += info.Size()
		}
		return volume.IgnoreAbsence(err)
	})
	return files, size, refuse.Disk(err)
}

// CheckBlobs implements or3cloud.BlobChecker.
func (r *Reader) CheckBlobs(ctx context.Context, in or3cloud.BlobCheckRequest) (checked []or3cloud.CheckedBlob, next string, err error) {
	if in.WorkspaceID != "" && !layout.ValidWorkspaceID(in.WorkspaceID) {
		return nil, "", or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid workspace_id")
	}
	pace, end := atRate(in.Rate), time.Now().Add(in.Span)
	err = r.walk(ctx, in.WorkspaceID, in.After, func(c copyOf) error {
		blob, err := r.check(ctx, c, in.Quarantine, pace)
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
	return checked, next, refuse.Disk(err)
}

// check reads one copy back and returns what was found. The error concerns the check, not the copy.
func (r *Reader) check(ctx context.Context, c copyOf, quarantine bool, pace pace) (or3cloud.CheckedBlob, error) {
	size, err := r.verify(ctx, c, pace)
	blob := or3cloud.CheckedBlob{
		WorkspaceID: c.Workspace, Hash: c.Hash, Generation: c.generation, SizeBytes: size,
		InTrash: c.dir == layout.Trash, Condition: or3cloud.BlobSound,
	}
	switch {
	case err == nil:
		return blob, nil
	case errors.Is(err, iofs.ErrNotExist), ctx.Err() != nil:
		return blob, cmp.Or(ctx.Err(), err)
	case !errors.Is(err, digest.ErrDamaged):
		// One bad sector says nothing about the store; a missing mount says nothing about the copy.
		if store := r.copies.Check(); store != nil {
			return blob, store
		}
		blob.Condition, blob.Fault = or3cloud.BlobUnreadable, err.Error()
		return blob, nil
	}
	blob.Condition, blob.Fault = or3cloud.BlobCorrupt, err.Error()
	if quarantine {
		if blob.Quarantined, err = r.copies.SetAside(c.Key, c.generation); err != nil {
			return blob, fmt.Errorf("move a corrupt blob aside: %w", err)
		}
	}
	return blob, nil
}

// HasBlob implements or3cloud.BlobChecker.
func (r *Reader) HasBlob(_ context.Context, workspaceID string, hash or3cloud.BlobHash) (bool, error) {
	k, ok := layout.NewKey(workspaceID, string(hash))
	if !ok {
		return false, nil
	}
	f, _, err := r.copies.Find(k)
	if errors.Is(err, copies.ErrAbsent) || errors.Is(err, copies.ErrSetAside) {
		return false, nil
	}
	if err != nil {
		return false, refuse.Disk(err)
	}
	return true, f.Close()
}

// verify reads a copy back and compares it with its hash and its digests. A copy that has no digests, or damaged ones,
// gets new ones. The error is digest.ErrDamaged if the content is not what was uploaded, iofs.ErrNotExist if the copy
// is gone, and otherwise says why it could not be read.
func (r *Reader) verify(ctx context.Context, c copyOf, pace pace) (size int64, err error) {
	stored, sumsErr := r.copies.Sums(c.Key, c.generation)
	f, err := r.disk.Open(c.path())
	if errors.Is(err, iofs.ErrNotExist) && c.dir == layout.Workspaces {
		f, err = r.disk.Open(c.Trash(c.generation)) // it has moved since it was listed
	}
	if err != nil {
		return 0, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	sums, err := digest.Of(&pacedFile{f, pacedReader{f, ctx, pace}}, c.Hash)
	switch {
	case errors.Is(err, digest.ErrDamaged):
		r.copies.ReportDamage(ctx, c.Key, c.generation, err)
		return info.Size(), err
	case err != nil:
		return info.Size(), err
	case sumsErr == nil && bytes.Equal(stored.Encode(), sums.Encode()):
		return info.Size(), nil
	case sumsErr != nil && !errors.Is(sumsErr, iofs.ErrNotExist) && !errors.Is(sumsErr, volume.ErrCorrupt):
		return info.Size(), sumsErr
	}
	if sumsErr == nil || errors.Is(sumsErr, volume.ErrCorrupt) {
		r.log.WarnContext(ctx, "the digests of a blob were damaged and were rewritten; the blob is intact",
			"workspace", c.Workspace, "hash", string(c.Hash), "generation", c.generation)
	}
	return info.Size(), r.copies.ReplaceSums(c.Key, c.generation, sums)
}
