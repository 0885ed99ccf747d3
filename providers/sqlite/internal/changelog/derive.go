package changelog

import (
	"errors"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/syncrule"
)

// derive keeps kv names and files in step with a record that has a new winner (contract, sync Pitfall 15, storage
// Pitfall 11). old is the winner before it, or the zero record.
func (p *push) derive(op *preparedOp, state syncrule.State, old *record) error {
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
		return p.refer(op, state, old)
	case or3cloud.TableFileMeta:
		return p.deriveFile(op, state, old)
	}
	return nil
}
