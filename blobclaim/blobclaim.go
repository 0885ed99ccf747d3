// Package blobclaim is the protocol by which a content is deleted, between a storage engine, which has the bytes, and a
// sync engine, which knows what references them (or3cloud.ReferenceClaimer; contract, storage Pitfalls 11 to 13). It knows
// neither disk nor store.
//
// Each stored copy of a content is a generation, whose name is never used again. A copy goes in two steps. First the storage
// engine keeps everything new from building on the generation, and claims it (Policy.Retire); if the claim is granted, which
// is irrevocable, the bytes are put aside, from where they are still served. Not before Policy.TrashGrace is over it claims
// the content once more, under a fresh name (Policy.Destroy): a reference that came meanwhile makes that claim fail, and the
// bytes are taken back. Whoever stores the content meanwhile gets another generation, so it does not matter how late any of
// this happens.
package blobclaim

import (
	"time"

	or3cloud "or3.chat/cloud"
)

// Ledger is what a sync engine knows about the content of one claim. Its methods are called in the write transaction in
// which the claim is decided, each at most once; an error undoes that transaction.
type Ledger interface {
	// Retired reports whether the generation of the claim was retired before.
	Retired() (bool, error)
	// WorkspaceDeleted returns when the workspace was deleted, and with it all its references; zero while it is there.
	WorkspaceDeleted() (time.Time, error)
	// Referenced reports whether a live row references the content.
	Referenced() (bool, error)
	// Uploading reports whether the content has an open upload intent.
	Uploading() (bool, error)
	// LostAt returns when the last reference went; zero if there never was one.
	LostAt() (time.Time, error)
	// Disown takes the storage_id from the rows, marked deleted, that still name the content. ok is false if a row has
	// just changed, so that the claim has to be repeated.
	Disown() (ok bool, err error)
	// Retire writes down that the generation is retired.
	Retire() error
}

// Claim decides a claim. Once granted, it is granted for ever.
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

// unreferenced reports whether nothing in a live workspace keeps the content, and sees to the rows that name it all the
// same if its bytes are about to go for good.
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
