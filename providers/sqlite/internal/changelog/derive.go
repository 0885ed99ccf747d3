package changelog

import (
	"errors"
	"math"
	"slices"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/engine"
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
		err := engine.Run(p.St.ClaimKVName, p.workspace, op.names[0], op.key, p.version)
		if p.C.Changes() > 0 {
			p.grown += EntryOverhead
			return err
		}
		return errors.Join(err, engine.Run(p.St.KeepKVName, p.version, p.workspace, op.names[0], op.key))
	case or3cloud.TableMessages, or3cloud.TablePosts:
		if state.Fate() == syncrule.Live {
			want = op.refs
		}
	case or3cloud.TableFileMeta:
		digest := syncschema.Digest(op.PK)
		if state.Fate() != syncrule.Live {
			// A file that is deleted gives its room back at once, whatever is still on the disk.
			err := errors.Join(engine.Run(p.St.DeleteFile, p.workspace, digest, op.key), engine.Run(p.St.ReleaseHold, p.workspace, digest, int64(math.MaxInt64)))
			if err != nil {
				return err
			}
			break
		}
		f := op.Facts.File
		err := errors.Join(
			engine.Run(p.St.UpsertFile, p.workspace, digest, op.key, f.SizeBytes, f.UpdatedAt, f.StorageID, f.MIMEType, f.Name, f.Kind),
			engine.Run(p.St.ReleaseHold, p.workspace, digest, f.SizeBytes))
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
		err := errors.Join(engine.Run(p.St.InsertRef, p.workspace, digest, op.table, op.key), engine.Run(p.St.Adopt, p.workspace, digest))
		if err != nil {
			return err
		}
	}
	return nil
}

// refsOf returns the digests that a record references, sorted.
func (p *push) refsOf(table int64, key []byte) (digests []string, err error) {
	st := p.St.RecordRefs
	if err := engine.Bind(st, p.workspace, table, key); err != nil {
		return nil, err
	}
	for engine.Step(st) {
		digests = append(digests, st.ColumnText(0))
	}
	if err := st.Err(); err != nil {
		return nil, err
	}
	return digests, st.Reset()
}

// dropRef removes a reference and notes the moment if it was the last one.
func (p *push) dropRef(digest string, table int64, key []byte) error {
	if err := engine.Run(p.St.DeleteRef, p.workspace, digest, table, key); err != nil {
		return err
	}
	left, err := engine.One(p.St.AnyRef, func(*sqlite3.Stmt) {}, p.workspace, digest)
	if err != nil || left {
		return err
	}
	return engine.Run(p.St.Orphan, p.workspace, digest, p.At)
}
