package sqlite

import (
	"context"
	"errors"
	"math"
	"slices"
	"time"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/blobclaim"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/syncrule"
)

// derive keeps what is known about kv names and files in step with a record that has a new winner (contract, sync
// Pitfall 15, storage Pitfall 11). existed says whether the record had a winner before.
func (p *push) derive(op *preparedOp, state syncrule.State, existed bool) error {
	var want []string
	switch op.Table {
	case or3cloud.TableKV:
		if op.Operation != or3cloud.OpPut {
			return nil
		}
		err := run(p.st.claimKVName, p.workspace, op.names[0], op.key, p.version)
		if p.c.Changes() > 0 {
			p.grown += entryOverhead
			return err
		}
		return errors.Join(err, run(p.st.keepKVName, p.version, p.workspace, op.names[0], op.key))
	case or3cloud.TableMessages, or3cloud.TablePosts:
		if state.Fate() == syncrule.Live {
			want = op.refs
		}
	case or3cloud.TableFileMeta:
		digest := syncschema.Digest(op.PK)
		if state.Fate() != syncrule.Live {
			// A file that is deleted gives its room back at once, whatever is still on the disk.
			err := errors.Join(run(p.st.deleteFile, p.workspace, digest, op.key), run(p.st.releaseHold, p.workspace, digest, int64(math.MaxInt64)))
			if err != nil {
				return err
			}
			break
		}
		f := op.Facts.File
		err := errors.Join(
			run(p.st.upsertFile, p.workspace, digest, op.key, f.SizeBytes, f.UpdatedAt, f.StorageID, f.MIMEType, f.Name, f.Kind),
			run(p.st.releaseHold, p.workspace, digest, f.SizeBytes))
		if err != nil {
			return err
		}
		want = []string{digest}
	default:
		return nil
	}
	var have []string
	if existed {
		var err error
		if have, err = p.refsOf(op.table, op.key); err != nil {
			return err
		}
	}
	for _, digest := range have {
		if _, kept := slices.BinarySearch(want, digest); kept {
			continue
		}
		p.refs++
		if err := p.dropRef(digest, op.table, op.key); err != nil {
			return err
		}
	}
	for _, digest := range want {
		if _, had := slices.BinarySearch(have, digest); had {
			continue
		}
		p.refs++
		err := errors.Join(run(p.st.insertRef, p.workspace, digest, op.table, op.key), run(p.st.adopt, p.workspace, digest))
		if err != nil {
			return err
		}
	}
	return nil
}

// refsOf returns the digests that a record references, sorted.
func (p *push) refsOf(table int64, key []byte) (digests []string, err error) {
	st := p.st.recordRefs
	if err := bind(st, p.workspace, table, key); err != nil {
		return nil, err
	}
	for st.Step() {
		digests = append(digests, st.ColumnText(0))
	}
	if err := st.Err(); err != nil {
		return nil, err
	}
	return digests, st.Reset()
}

// dropRef removes a reference and notes the moment if it was the last one.
func (p *push) dropRef(digest string, table int64, key []byte) error {
	if err := run(p.st.deleteRef, p.workspace, digest, table, key); err != nil {
		return err
	}
	left, err := one(p.st.anyRef, func(*sqlite3.Stmt) {}, p.workspace, digest)
	if err != nil || left {
		return err
	}
	return run(p.st.orphan, p.workspace, digest, p.at)
}

// RetireGeneration implements or3cloud.ReferenceClaimer.
func (s *Store) RetireGeneration(ctx context.Context, in or3cloud.RetireRequest) (retired bool, err error) {
	num, err := s.number(ctx, in.WorkspaceID)
	if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
		return false, nil // not a workspace of this database: nothing is known about its references
	}
	if err != nil {
		return false, err
	}
	var plans []disowning
	if in.Destroy {
		if plans, err = s.planDisowning(ctx, num, in.Hash); err != nil {
			return false, err
		}
	}
	err = s.w.do(ctx, func(ctx context.Context, t *tx) (err error) {
		retired, err = blobclaim.Claim(in, &ledger{ctx, s, t, num, in, plans})
		return err
	})
	return retired && err == nil, err
}

// ledger answers the questions of one claim in its transaction.
type ledger struct {
	ctx       context.Context
	store     *Store
	t         *tx
	workspace int64
	in        or3cloud.RetireRequest
	plans     []disowning
}

func (l *ledger) Retired() (bool, error) {
	return l.t.q.GenerationRetired(l.ctx, db.GenerationRetiredParams{Workspace: l.workspace, Hash: string(l.in.Hash), Generation: l.in.Generation})
}

func (l *ledger) WorkspaceDeleted() (time.Time, error) {
	gone, err := l.t.q.WorkspaceDeletedAt(l.ctx, l.workspace)
	if err != nil || !gone.Valid {
		return time.Time{}, err
	}
	return time.UnixMilli(gone.Int64), nil
}

func (l *ledger) Referenced() (bool, error) {
	return one(l.t.st.anyRef, func(*sqlite3.Stmt) {}, l.workspace, l.in.Hash.Digest())
}

func (l *ledger) Uploading() (bool, error) {
	n, err := l.t.q.OpenIntents(l.ctx, db.OpenIntentsParams{Workspace: l.workspace, Digest: l.in.Hash.Digest(), Now: l.t.at})
	return n > 0, err
}

func (l *ledger) LostAt() (time.Time, error) {
	since, err := l.t.q.OrphanSince(l.ctx, db.OrphanSinceParams{Workspace: l.workspace, Digest: l.in.Hash.Digest()})
	switch {
	case noRows(err):
		return time.Time{}, nil
	case err != nil:
		return time.Time{}, err
	}
	return time.UnixMilli(since), nil
}

func (l *ledger) Disown() (bool, error) { return l.store.disown(l.t, l.workspace, l.plans) }

func (l *ledger) Retire() error {
	return l.t.q.RetireGeneration(l.ctx, db.RetireGenerationParams{
		Workspace: l.workspace, Hash: string(l.in.Hash), Generation: l.in.Generation, RetiredAt: l.t.at,
	})
}

// RetiredGenerations implements or3cloud.ReferenceClaimer.
func (s *Store) RetiredGenerations(ctx context.Context, workspaceID string) ([]or3cloud.RetireRequest, error) {
	num, err := s.number(ctx, workspaceID)
	if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	rows, err := s.q.RetiredGenerations(ctx, num)
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
func (s *Store) ForgetRetired(ctx context.Context, in or3cloud.RetireRequest) error {
	num, err := s.number(ctx, in.WorkspaceID)
	if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
		return nil
	}
	if err != nil {
		return err
	}
	return s.w.do(ctx, func(ctx context.Context, t *tx) error {
		return t.q.ForgetRetired(ctx, db.ForgetRetiredParams{Workspace: num, Hash: string(in.Hash), Generation: in.Generation})
	})
}

// ReferenceState implements or3cloud.ReferenceClaimer.
func (s *Store) ReferenceState(ctx context.Context, workspaceID string, hash or3cloud.BlobHash) (out or3cloud.ReferenceState, err error) {
	num, err := s.number(ctx, workspaceID)
	if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
		return out, or3cloud.Errorf(or3cloud.CodeNotFound, "Workspace not found")
	}
	if err != nil {
		return out, err
	}
	gone, err := s.q.WorkspaceDeletedAt(ctx, num)
	if err != nil {
		return out, sqlitex.Translate(err)
	}
	if gone.Valid {
		return or3cloud.ReferenceState{LostAt: time.UnixMilli(gone.Int64)}, nil
	}
	digest := hash.Digest()
	counts, err := s.q.ReferenceCounts(ctx, db.ReferenceCountsParams{Workspace: num, Digest: digest})
	if err != nil {
		return out, sqlitex.Translate(err)
	}
	for _, c := range counts {
		switch tableName(c.Tbl) {
		case or3cloud.TableFileMeta:
			out.Files = c.Total
		case or3cloud.TableMessages:
			out.Messages = c.Total
		case or3cloud.TablePosts:
			out.Posts = c.Total
		}
	}
	out.Uploads, err = s.q.OpenIntents(ctx, db.OpenIntentsParams{Workspace: num, Digest: digest, Now: s.opts.Now().UnixMilli()})
	if err != nil {
		return out, sqlitex.Translate(err)
	}
	since, err := s.q.OrphanSince(ctx, db.OrphanSinceParams{Workspace: num, Digest: digest})
	if noRows(err) {
		return out, nil
	}
	out.LostAt = time.UnixMilli(since)
	return out, sqlitex.Translate(err)
}
