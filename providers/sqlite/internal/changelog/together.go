package changelog

import (
	"errors"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncrule"
)

// Together are ops that are applied in one transaction, all or none. Those of a push are not: each is judged alone.
type Together struct{ ops []preparedOp }

// Together prepares ops before their transaction. They are few, none is a put of a kv row, and each was checked like
// one of a client. fingerprints, if not nil, are used to recognise repetitions.
func (l *Log) Together(ops []or3cloud.Op, user string, fingerprints [][]byte) (t Together, err error) {
	t.ops = make([]preparedOp, len(ops))
	var drafts []*block.Draft
	for i, op := range ops {
		if t.ops[i], err = prepare(l.index.Hash, op, user); err != nil {
			return t, err
		}
		if fingerprints != nil {
			t.ops[i].fingerprint = fingerprints[i]
		}
		t.ops[i].print() // it is stored, and compared within a transaction
		if len(drafts) == 0 || !drafts[len(drafts)-1].Takes(len(op.Payload)) {
			drafts = append(drafts, &block.Draft{})
		}
		t.ops[i].encode(drafts[len(drafts)-1])
	}
	for _, d := range drafts {
		d.Pack()
	}
	return t, nil
}

// Apply writes the ops, and returns the version of the last one. It fails with ErrStale, and the transaction with it,
// if one is refused: the caller has judged them before, so what is stored has changed.
func (l *Log) Apply(t *engine.Tx, num int64, user string, all Together) (version int64, err error) {
	p := push{log: l, workspace: num, user: user, items: true, first: -1}
	err = p.write(t, func(size int64) error {
		if err := checkWorkspaceRoom(size, l.opts.WorkspaceQuota, all.ops); err != nil {
			return err
		}
		for i := range all.ops {
			res, _, err := p.applyOp(&all.ops[i])
			if errors.Is(err, errReplayed) { // it was written after Written was called
				return ErrStale
			}
			if err != nil {
				return err
			}
			if !res.Success {
				return ErrStale
			}
			version = res.ServerVersion
		}
		return nil
	})
	return version, err
}

// Written returns where an op was written, and whether it was the one that was prepared in place i. version is 0 if it
// was not written, or has been collected. Apply relies on what was found last, so that it need not compare.
func (t Together) Written(r *Reader, num int64, i int) (version int64, same bool, err error) {
	op := &t.ops[i]
	w, err := of(r).entryOf(num, op.hash, op.opID)
	if err == nil && w.version > 0 {
		same, err = of(r).same(num, w, op)
	}
	op.seen, op.same = w.version, same
	return w.version, same, err
}

// Written returns the version under which an op was written, and for which record; 0 if it was not, or has been
// collected.
func Written(r *Reader, num int64, opID string) (version int64, table, pk string, err error) {
	id := layout.PackID(nil, opID)
	w, err := of(r).entryOf(num, r.Hash(id), id)
	if err != nil || w.version == 0 {
		return 0, "", "", err
	}
	e, err := known(num, w.version, entries.Of(r.Reader).Entry)
	if err != nil {
		return 0, "", "", err
	}
	pk, err = e.PK()
	return w.version, layout.TableName(e.Table), pk, err
}

// RecordOf returns the winner of a record that everyone sees; the zero record if there is none.
func RecordOf(r *Reader, num int64, table, pk string) (syncrule.Record, error) {
	w, _, err := of(r).winnerOf(num, layout.TableNumber(table), layout.RecordKey(pk, nil))
	return w.Record, err
}

// Unchanged reports whether a record still has the winner that RecordOf returned.
func (l *Log) Unchanged(t *engine.Tx, num int64, table, pk string, was syncrule.Record) (bool, error) {
	w, _, err := l.in(t).winnerOf(num, layout.TableNumber(table), layout.RecordKey(pk, nil))
	return w.Version == was.Version, err
}

// PayloadOf calls f with the payload of a version, which is valid only during the call, and with the device that has
// written it.
func PayloadOf(r *Reader, num, version int64, f func(payload []byte, device string) error) error {
	e, err := known(num, version, entries.Of(r.Reader).Entry)
	if err != nil {
		return err
	}
	device, err := e.Device()
	if err != nil {
		return err
	}
	return f(e.Payload(), device)
}
