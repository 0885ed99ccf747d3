package copies

import (
	"encoding/json"
	"errors"
	"fmt"
	iofs "io/fs"
	"time"

	"or3.chat/cloud/blobclaim"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/times"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// MaxSidecar limits what is read of a sidecar; ours have about 400 bytes.
const MaxSidecar = 64 << 10

// Record is the sidecar of a blob: which generation is the current one and what is known about it. A sidecar of the npm
// package has the first two fields and committed_at only; its blob is the generation with the empty name.
type Record struct {
	WorkspaceID string     `json:"workspace_id"`
	Hash        string     `json:"hash"`
	Generation  string     `json:"generation,omitempty"`
	SizeBytes   int64      `json:"size_bytes"`
	MIMEType    string     `json:"mime_type,omitempty"`
	UploadedAt  time.Time  `json:"uploaded_at,omitzero"`
	CommittedAt *time.Time `json:"committed_at,omitempty"`
	// TrashedAt is when the current generation was retired and moved into the trash.
	TrashedAt *time.Time `json:"trashed_at,omitempty"`
	// DeletedAt is when someone deleted the content, which is then in the trash and no longer offered.
	DeletedAt *time.Time `json:"deleted_at,omitempty"`
	// DamagedAt is when the current generation was found to be damaged.
	DamagedAt *time.Time `json:"damaged_at,omitempty"`
}

// Copy returns the facts that decide when the current generation may go.
func (r Record) Copy() blobclaim.Copy {
	return blobclaim.Copy{
		UploadedAt: r.UploadedAt, CommittedAt: given(r.CommittedAt), TrashedAt: given(r.TrashedAt), DeletedAt: given(r.DeletedAt),
	}
}

// given returns a time, or the zero time if there is none.
func given(t *time.Time) time.Time {
	if t == nil {
		return time.Time{}
	}
	return *t
}

// Settle replaces the times of a record that are in the future by now, and reports whether there were any.
func (r *Record) Settle(now time.Time) (changed bool) {
	return times.Settle(now, &r.UploadedAt, r.CommittedAt, r.TrashedAt, r.DeletedAt, r.DamagedAt)
}

// ReadRecord returns the record of a key. Without a sidecar, a bare blob file is taken for an upload that was not
// committed. If there is neither, the error is iofs.ErrNotExist.
func ReadRecord(d volume.Disk, k layout.Key) (Record, error) {
	b, err := volume.ReadAll(d, k.Sidecar(), MaxSidecar)
	if errors.Is(err, iofs.ErrNotExist) {
		return bareRecord(d, k.Live(""), Record{WorkspaceID: k.Workspace, Hash: string(k.Hash)})
	}
	if err != nil {
		return Record{}, err
	}
	var r Record
	if err := json.Unmarshal(b, &r); err != nil {
		return Record{}, fmt.Errorf("%w %s: %v", volume.ErrCorrupt, k.Sidecar(), err)
	}
	// The path decides which content a sidecar describes; one that says otherwise was moved or made by hand.
	if own, ok := layout.NewKey(r.WorkspaceID, r.Hash); !ok || own != k || !layout.ValidGeneration(r.Generation) {
		return Record{}, fmt.Errorf("%w %s: it describes something else", volume.ErrCorrupt, k.Sidecar())
	}
	if r.UploadedAt.IsZero() {
		complete, err := bareRecord(d, k.Live(""), r)
		if errors.Is(err, iofs.ErrNotExist) {
			complete, err = bareRecord(d, k.Trash(""), r)
		}
		if !errors.Is(err, iofs.ErrNotExist) {
			return complete, err
		}
	}
	return r, nil
}

// bareRecord completes r from the file of a blob that is older than generations.
func bareRecord(d volume.Disk, name string, r Record) (Record, error) {
	info, err := d.Lstat(name)
	if err != nil {
		return Record{}, err
	}
	if !info.Mode().IsRegular() {
		return Record{}, &iofs.PathError{Op: "stat", Path: name, Err: volume.ErrNotPlain}
	}
	r.SizeBytes, r.UploadedAt = info.Size(), info.ModTime().UTC()
	return r, nil
}
