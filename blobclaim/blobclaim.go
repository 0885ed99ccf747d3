// Package blobclaim is the protocol for deleting a content. It runs between a storage engine, which has the bytes, and
// a sync engine, which knows what references them (or3cloud.ReferenceClaimer; contract, storage Pitfalls 11 to 13). It
// accesses neither the disk nor a store.
//
// Each stored copy of a content is a generation, whose name is never reused. A copy is deleted in two steps. First, the
// storage engine stops anything new from building on the generation, and claims it (Policy.Retire). If the claim is
// granted, which is irrevocable, it moves the bytes to the trash, from which they are still served. Only after
// Policy.TrashGrace does it claim the content once more, under a fresh name (Policy.Destroy). A reference that appeared
// meanwhile makes that claim fail, and the bytes are restored. If the content is uploaded again meanwhile, the upload
// gets another generation, so it does not matter how late any of this happens.
package blobclaim

import (
	"time"

	or3cloud "or3.chat/cloud"
)

// Ledger is what a sync engine knows about the content of one claim. Its methods are called in the write transaction
// that decides the claim, each at most once. An error rolls that transaction back.
type Ledger interface {
	// Retired reports whether the generation of the claim was retired before.
	Retired() (bool, error)
	// WorkspaceDeleted returns when the workspace was deleted, and with it all its references. It is zero for a live
	// workspace.
	WorkspaceDeleted() (time.Time, error)
	// Referenced reports whether a live row references the content.
	Referenced() (bool, error)
	// Uploading reports whether the content has an open upload intent.
	Uploading() (bool, error)
	// LostAt returns when the last reference disappeared. It is zero if there never was one.
	LostAt() (time.Time, error)
	// Disown removes the storage_id from the deleted rows that still name the content. ok is false if a row has just
	// changed, so that the claim has to be repeated.
	Disown() (ok bool, err error)
	// Retire records that the generation is retired.
	Retire() error
}

// Claim decides a claim. A grant is final.
func Claim(in or3cloud.RetireRequest, l Ledger) (granted bool, err error) {
	if done, err := l.Retired(); err != nil || done {
		return done, err
	}
	gone, err := l.WorkspaceDeleted()
	if err != nil || gone.After(in.UnreferencedSince) {
		return false, err
	}
	if gone.IsZero() {
		if ok, err := unreferenced(in, l); err != nil || !ok {
			return false, err
		}
	}
	return true, l.Retire()
}

// unreferenced reports whether nothing in a live workspace references the content. If the bytes are about to be
// destroyed, it also disowns the rows that still name it.
func unreferenced(in or3cloud.RetireRequest, l Ledger) (bool, error) {
	for _, kept := range []func() (bool, error){l.Referenced, l.Uploading} {
		if yes, err := kept(); err != nil || yes {
			return false, err
		}
	}
	lost, err := l.LostAt()
	if err != nil || lost.After(in.UnreferencedSince) {
		return false, err
	}
	if in.Destroy {
		return l.Disown()
	}
	return true, nil
}
