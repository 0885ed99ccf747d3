package files

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/blobclaim"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// RetireGeneration implements or3cloud.ReferenceClaimer.
func (f *Files) RetireGeneration(ctx context.Context, in or3cloud.RetireRequest) (retired bool, err error) {
	num, err := f.ws.Number(ctx, in.WorkspaceID)
	if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
		return false, nil // not a workspace of this database: nothing is known about its references
	}
	if err != nil {
		return false, err
	}
	l := ledger{log: f.log, workspace: num, in: in}
	if err := l.lookAhead(ctx); err != nil {
		return false, err
	}
	if in.Destroy {
		if l.plans, err = f.log.PlanDisowning(ctx, num, in.Hash); err != nil {
			return false, err
		}
	}
	err = f.e.Do(ctx, func(ctx context.Context, t *engine.Tx) (err error) {
		l.ctx, l.t = ctx, t
		retired, err = blobclaim.Claim(in, &l)
		return err
	})
	return retired && err == nil, err
}

// ledger answers the questions about one claim in its transaction.
type ledger struct {
	ctx       context.Context
	log       *changelog.Log
	t         *engine.Tx
	workspace int64
	in        or3cloud.RetireRequest
	plans     []changelog.Disowning
	// What was known before the transaction: whether something references the content, and the newest run of the index.
	referenced bool
	newest     int64
}

// lookAhead looks for references before the transaction, which then looks only at what has come since: a popular
// content has as many references to go through as it ever had rows.
func (l *ledger) lookAhead(ctx context.Context) error {
	return l.log.View(ctx, func(r *changelog.Reader) error {
		refs := r.ReferencesTo(l.workspace, l.in.Hash.Digest(), 0, nil, 0)
		l.referenced, l.newest = refs.Next(), r.Newest()
		return refs.Err()
	})
}

func (l *ledger) Retired() (bool, error) {
	return l.t.Q.GenerationRetired(l.ctx, db.GenerationRetiredParams{Workspace: l.workspace, Hash: string(l.in.Hash), Generation: l.in.Generation})
}

func (l *ledger) WorkspaceDeleted() (time.Time, error) {
	gone, err := l.t.Q.WorkspaceDeletedAt(l.ctx, l.workspace)
	if err != nil || !gone.Valid {
		return time.Time{}, err
	}
	return time.UnixMilli(gone.Int64), nil
}

func (l *ledger) Referenced() (bool, error) {
	if l.referenced {
		return true, nil
	}
	refs := changelog.Index(l.log, l.t).ReferencesTo(l.workspace, l.in.Hash.Digest(), 0, nil, l.newest)
	found := refs.Next()
	return found, refs.Err()
}

func (l *ledger) Uploading() (bool, error) {
	n, err := l.t.Q.OpenIntents(l.ctx, db.OpenIntentsParams{Workspace: l.workspace, Digest: l.in.Hash.Digest(), Now: l.t.At})
	return n > 0, err
}

func (l *ledger) LostAt() (time.Time, error) {
	since, err := l.t.Q.OrphanSince(l.ctx, db.OrphanSinceParams{Workspace: l.workspace, Digest: l.in.Hash.Digest()})
	switch {
	case engine.NoRows(err):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, err
	}
	return time.UnixMilli(since), nil
}

func (l *ledger) Disown() (bool, error) { return l.log.Disown(l.t, l.workspace, l.plans) }

func (l *ledger) Retire() error {
	return l.t.Q.RetireGeneration(l.ctx, db.RetireGenerationParams{
		Workspace: l.workspace, Hash: string(l.in.Hash), Generation: l.in.Generation, RetiredAt: l.t.At,
	})
}

// RetiredGenerations implements or3cloud.ReferenceClaimer.
func (f *Files) RetiredGenerations(ctx context.Context, workspaceID string) ([]or3cloud.RetireRequest, error) {
	num, err := f.ws.Number(ctx, workspaceID)
	if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rows, err := f.e.Q.RetiredGenerations(ctx, num)
	if err != nil {
		return nil, sqlitex.Translate(err)
	}
	out := make([]or3cloud.RetireRequest, len(rows))
	for i, r := range rows {
		out[i] = or3cloud.RetireRequest{WorkspaceID: workspaceID, Hash: or3cloud.BlobHash(r.Hash), Generation: r.Generation}
	}
	return out, nil
}

// ForgetRetired implements or3cloud.ReferenceClaimer.
func (f *Files) ForgetRetired(ctx context.Context, in or3cloud.RetireRequest) error {
	num, err := f.ws.Number(ctx, in.WorkspaceID)
	if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
		return nil
	}
	if err != nil {
		return err
	}
	return f.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		return t.Q.ForgetRetired(ctx, db.ForgetRetiredParams{Workspace: num, Hash: string(in.Hash), Generation: in.Generation})
	})
}

// ReferenceState implements or3cloud.ReferenceClaimer.
func (f *Files) ReferenceState(ctx context.Context, workspaceID string, hash or3cloud.BlobHash) (out or3cloud.ReferenceState, err error) {
	num, err := f.ws.Number(ctx, workspaceID)
	if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
		return out, or3cloud.Errorf(or3cloud.CodeNotFound, "Workspace not found")
	}
	if err != nil {
		return out, err
	}
	gone, err := f.e.Q.WorkspaceDeletedAt(ctx, num)
	if err != nil {
		return out, sqlitex.Translate(err)
	}
	if gone.Valid {
		return or3cloud.ReferenceState{LostAt: time.UnixMilli(gone.Int64)}, nil
	}
	digest := hash.Digest()
	err = f.log.View(ctx, func(r *changelog.Reader) error {
		refs := r.ReferencesTo(num, digest, 0, nil, 0)
		for refs.Next() {
			switch layout.TableName(refs.Table) {
			case or3cloud.TableFileMeta:
				out.Files++
			case or3cloud.TableMessages:
				out.Messages++
			case or3cloud.TablePosts:
				out.Posts++
			}
		}
		return refs.Err()
	})
	if err != nil {
		return out, err
	}
	out.Uploads, err = f.e.Q.OpenIntents(ctx, db.OpenIntentsParams{Workspace: num, Digest: digest, Now: f.e.Now().UnixMilli()})
	if err != nil {
		return out, sqlitex.Translate(err)
	}
	if out.Files+out.Messages+out.Posts > 0 {
		return out, nil
	}
	since, err := f.e.Q.OrphanSince(ctx, db.OrphanSinceParams{Workspace: num, Digest: digest})
	if engine.NoRows(err) {
		return out, nil
	}
	out.LostAt = time.UnixMilli(since)
	return out, sqlitex.Translate(err)
}
