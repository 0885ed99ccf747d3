package blobclaim

import (
	"time"

	or3cloud "or3.chat/cloud"
)

// AbandonedAfter is the age at which an upload that was never committed or never completed may be deleted.
const AbandonedAfter = 24 * time.Hour

// Copy is what a storage engine knows about the current generation of a content.
type Copy struct {
	UploadedAt time.Time
	// CommittedAt is when the client confirmed the upload, TrashedAt when the bytes were moved to the trash, and
	// DeletedAt when a user deleted the content. Each is zero if that has not happened.
	CommittedAt, TrashedAt, DeletedAt time.Time
}

// Touched returns the time from which retention counts (contract, storage Pitfall 12).
func (c Copy) Touched() time.Time {
	if c.CommittedAt.After(c.UploadedAt) {
		return c.CommittedAt
	}
	return c.UploadedAt
}

// Policy decides when copies may be deleted, as seen at one moment.
type Policy struct {
	Now time.Time
	// Retention is how long a copy is kept without a reference. TrashGrace is how long its bytes stay in the trash at
	// least.
	Retention, TrashGrace time.Duration
}

// Keeps returns how long a copy must have been untouched before it may be claimed, and without a reference for the
// claim to be granted.
func (p Policy) Keeps(c Copy) time.Duration {
	if c.CommittedAt.IsZero() {
		return min(p.Retention, AbandonedAfter)
	}
	return p.Retention
}

// Forgives returns how long no reference must have been lost before bytes in the trash may be destroyed. A user who
// deleted the content has said that the trash need not keep it longer.
func (p Policy) Forgives(c Copy) time.Duration {
	if c.DeletedAt.IsZero() {
		return p.Retention
	}
	return min(p.Retention, p.TrashGrace)
}

// MayRetire reports whether a copy is old enough for the first claim.
func (p Policy) MayRetire(c Copy) bool { return p.Now.Sub(c.Touched()) > p.Keeps(c) }

// MayDestroy reports whether a copy has been in the trash long enough for the last claim.
func (p Policy) MayDestroy(c Copy) bool {
	return !c.TrashedAt.IsZero() && p.Now.Sub(c.TrashedAt) >= p.TrashGrace
}

// Retire returns the first claim. It is refused if a reference was lost within the last keep.
func (p Policy) Retire(workspaceID string, hash or3cloud.BlobHash, generation string, keep time.Duration) or3cloud.RetireRequest {
	return or3cloud.RetireRequest{WorkspaceID: workspaceID, Hash: hash, Generation: generation, UnreferencedSince: p.Now.Add(-keep)}
}

// Destroy returns the last claim for the content of a copy. Its generation is a fresh name that never gets any bytes.
func (p Policy) Destroy(workspaceID string, hash or3cloud.BlobHash, fresh string, c Copy) or3cloud.RetireRequest {
	in := p.Retire(workspaceID, hash, fresh, p.Forgives(c))
	in.Destroy = true
	return in
}
