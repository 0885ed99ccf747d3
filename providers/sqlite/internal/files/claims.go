package files

import (
	"context"
	"time"

	"github.com/ncruces/go-sqlite3"

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
	var plans []changelog.Disowning
	if in.Destroy {
		if plans, err = f.log.PlanDisowning(ctx, num, in.Hash); err != nil {
			return false, err
		}
	}
	err = f.e.Do(ctx, func(ctx context.Context, t *engine.Tx) (err error) {
		retired, err = blobclaim.Claim(in, &ledger{ctx, f.log, t, num, in, plans})
		return err
	})
	return retired && err == nil, err
}

// ledger answers the questions of one claim in its transaction.
type ledger struct {
	ctx       context.Context
	log       *changelog.Log
	t         *engine.Tx
	workspace int64
	in        or3cloud.RetireRequest
	plans     []changelog.Disowning
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
	return engine.One(l.t.St.AnyRef, func(*sqlite3.Stmt) {}, l.workspace, l.in.Hash.Digest())
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
	counts, err := f.e.Q.ReferenceCounts(ctx, db.ReferenceCountsParams{Workspace: num, Digest: digest})
	if err != nil {
		return out, sqlitex.Translate(err)
	}
	for _, c := range counts {
		switch layout.TableName(c.Tbl) {
		case or3cloud.TableFileMeta:
			out.Files = c.Total
		case or3cloud.TableMessages:
			out.Messages = c.Total
		case or3cloud.TablePosts:
			out.Posts = c.Total
		}
	}
	out.Uploads, err = f.e.Q.OpenIntents(ctx, db.OpenIntentsParams{Workspace: num, Digest: digest, Now: f.e.Now().UnixMilli()})
	if err != nil {
		return out, sqlitex.Translate(err)
	}
	since, err := f.e.Q.OrphanSince(ctx, db.OrphanSinceParams{Workspace: num, Digest: digest})
	if engine.NoRows(err) {
		return out, nil
	}
	out.LostAt = time.UnixMilli(since)
	return out, sqlitex.Translate(err)
}
