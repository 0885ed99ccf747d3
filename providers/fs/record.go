package fs

import (
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"time"

	"or3.chat/cloud/blobclaim"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// maxSidecar bounds what is read of a sidecar; ours have about 400 bytes.
const maxSidecar = 64 << 10

// record is the sidecar of a blob: which generation is the current one and what is known about it. A sidecar of the npm
// package has the first two fields and committed_at only; its blob is the generation with the empty name.
type record struct {
	WorkspaceID string     `json:"workspace_id"`
	Hash        string     `json:"hash"`
	Generation  string     `json:"generation,omitempty"`
	SizeBytes   int64      `json:"size_bytes"`
	MIMEType    string     `json:"mime_type,omitempty"`
	UploadedAt  time.Time  `json:"uploaded_at,omitzero"`
	CommittedAt *time.Time `json:"committed_at,omitempty"`
	// TrashedAt is when the current generation was retired and moved into the trash.
	TrashedAt *time.Time `json:"trashed_at,omitempty"`
	// DeletedAt is when somebody deleted the content, which then is in the trash and no longer offered.
	DeletedAt *time.Time `json:"deleted_at,omitempty"`
	// DamagedAt is when the current generation was found to be damaged.
	DamagedAt *time.Time `json:"damaged_at,omitempty"`
}

// copy returns what decides when the current generation may go.
func (r record) copy() blobclaim.Copy {
	return blobclaim.Copy{
		UploadedAt: r.UploadedAt, CommittedAt: given(r.CommittedAt), TrashedAt: given(r.TrashedAt), DeletedAt: given(r.DeletedAt),
	}
}

// given returns a time; zero for one that is not given.
func given(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// readRecord returns the record of a key. Without a sidecar, a bare blob file is taken for an upload that was not
// committed. If there is neither, the error is iofs.ErrNotExist.
func readRecord(d volume.Disk, k blobKey) (record, error) {
	b, err := volume.ReadAll(d, k.sidecar(), maxSidecar)
	if errors.Is(err, iofs.ErrNotExist) {
		return bareRecord(d, k.live(""), record{WorkspaceID: k.workspace, Hash: string(k.hash)})
	}
	if err != nil {
		return record{}, err
	}
	var r record
	if err := json.Unmarshal(b, &r); err != nil {
		return record{}, fmt.Errorf("%w %s: %v", volume.ErrCorrupt, k.sidecar(), err)
	}
	// The path decides what a sidecar is about; one that says otherwise was moved or made by hand.
	if own, ok := newKey(r.WorkspaceID, r.Hash); !ok || own != k || !validGeneration(r.Generation) {
		return record{}, fmt.Errorf("%w %s: it is about something else", volume.ErrCorrupt, k.sidecar())
	}
	if r.UploadedAt.IsZero() {
		complete, err := bareRecord(d, k.live(""), r)
		if errors.Is(err, iofs.ErrNotExist) {
			complete, err = bareRecord(d, k.trash(""), r)
		}
		if !errors.Is(err, iofs.ErrNotExist) {
			return complete, err
		}
	}
	return r, nil
}

// bareRecord completes r from the file of a blob that is older than generations.
func bareRecord(d volume.Disk, name string, r record) (record, error) {
	info, err := d.Lstat(name)
	if err != nil {
		return record{}, err
	}
	if !info.Mode().IsRegular() {
		return record{}, &iofs.PathError{Op: "stat", Path: name, Err: volume.ErrNotPlain}
	}
	r.SizeBytes, r.UploadedAt = info.Size(), info.ModTime().UTC()
	return r, nil
}
