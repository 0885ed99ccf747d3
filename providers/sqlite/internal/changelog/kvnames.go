package changelog

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncrule"
)

// syncrule decides which row has a name, and how it loses it. The entry that renames a row is pinned: pulls deliver it
// even when it is superseded.

// maxNameKey is the length up to which a name is its own key. Longer ones are hashed: otherwise comparisons in an index
// would read megabytes.
const maxNameKey = 512

// nameKeys returns the keys under which a name may be stored. The second, the form of long names from before they were
// hashed, is only looked up.
func nameKeys(name string) [][]byte {
	key := jsstring.SortKey(name)
	if len(key) <= maxNameKey {
		return [][]byte{key}
	}
	sum := sha256.Sum256(key)
	return [][]byte{append([]byte{0xFF}, sum[:]...), key} // no text begins with this byte
}

// holder is the row that a name belongs to.
type holder struct {
	name []byte // as it is stored
	key  []byte // of the record
	// version is the entry through which the row last got the name; 0 if that is not known.
	version int64
}

// holderOf finds the row that a name belongs to.
func holderOf(st *sqlite3.Stmt, workspace int64, names [][]byte) (h holder, found bool, err error) {
	for _, name := range names {
		found, err = engine.One(st, func(s *sqlite3.Stmt) {
			h = holder{name: name, key: s.ColumnBlob(0, nil), version: s.ColumnInt64(1)}
		}, workspace, name)
		if err != nil || found {
			return h, found, err
		}
	}
	return h, false, nil
}

// displacement is how a row loses a name. It is planned outside the writer, since it may copy the row.
type displacement struct {
	key []byte // of the row; nil if no row would lose the name
	// version is the row's winner when it was planned; 0 if there was none.
	version int64
	// put gives the row another name; nil if its winner has one.
	put *preparedOp
	// stuck says that the row's clock cannot be raised.
	stuck bool
}

// planDisplacement returns how the row that holds a name loses it to another one.
func (l *Log) planDisplacement(r *Reader, workspace int64, names [][]byte, name string, taker []byte) (*displacement, error) {
	h, found, err := holderOf(r.St.KVNameOwner, workspace, names)
	if err != nil || !found || bytes.Equal(h.key, taker) {
		return &displacement{}, err
	}
	kv := layout.TableNumber(or3cloud.TableKV)
	winner, _, err := of(r).winnerOf(workspace, kv, h.key)
	if err != nil {
		return nil, err
	}
	rule := syncrule.Displace(&winner.Record, h.version)
	d := &displacement{key: h.key, version: winner.Version, stuck: rule.Stuck}
	if !rule.Rename {
		return d, nil
	}
	var payload []byte
	if rule.Payload {
		if payload, err = payloadOf(r, workspace, winner.Version); err != nil {
			return nil, err
		}
		if rule.OnlyIfNamed && syncschema.Name(payload) != name {
			return d, nil
		}
	}
	d.put, err = l.renaming(layout.RecordPK(h.key), name, payload, rule.Clock, winner.State.Fate() == syncrule.SoftDeleted)
	return d, err
}

// renaming returns the put that gives a kv row a name that no row ever had.
func (l *Log) renaming(pk, name string, payload []byte, clock int64, deleted bool) (*preparedOp, error) {
	id, err := l.e.NewID()
	if err != nil {
		return nil, err
	}
	payload, facts, err := syncrule.Renaming(pk, name, id, payload, clock, deleted, l.e.Now())
	if err != nil {
		return nil, err
	}
	return l.serverPut(or3cloud.TableKV, pk, payload, clock, facts)
}

// ErrStale ends a stretch before an op that has to be prepared again, because rows have changed since.
var ErrStale = errors.New("rows have changed since the op was prepared")

// takeName makes sure that a kv put may have its name, or refuses it.
func (p *push) takeName(op *preparedOp, wins bool) (*syncrule.Refusal, error) {
	h, found, err := holderOf(p.St.KVNameOwner, p.workspace, op.names)
	if err != nil || !found || bytes.Equal(h.key, op.key) {
		return nil, err
	}
	refusal, displace := syncrule.OfAnotherRow(&op.Op, wins)
	if !displace {
		return refusal, nil
	}
	return p.displace(h, op.takes)
}

// displace takes a name from the row that holds it, as planned.
func (p *push) displace(h holder, d *displacement) (*syncrule.Refusal, error) {
	if d == nil || !bytes.Equal(d.key, h.key) {
		return nil, ErrStale
	}
	kv := layout.TableNumber(or3cloud.TableKV)
	winner, exists, err := p.log.in(p.Tx).winnerOf(p.workspace, kv, h.key)
	switch {
	case err != nil:
		return nil, err
	case winner.Version != d.version:
		return nil, ErrStale
	case d.stuck:
		return syncrule.ErrTakenName, nil
	}
	if d.put != nil {
		if _, taken, err := holderOf(p.St.KVNameOwner, p.workspace, d.put.names); err != nil || taken {
			return nil, errors.Join(err, ErrStale)
		}
		if err := p.accept(d.put, winner, exists, true); err != nil {
			return nil, err
		}
		winner.Version = p.version
	}
	if winner.Version > 0 {
		err = engine.Run(p.St.Pin, p.workspace, h.key, winner.Version)
	}
	p.grown -= EntryOverhead
	return nil, errors.Join(err, engine.Run(p.St.ReleaseKVName, p.workspace, h.name))
}

// bury follows the deletion of a row that has pinned entries with a put that says deleted:true (syncrule.Bury).
func (p *push) bury(op *preparedOp) error {
	winner, exists, err := p.winner(op)
	if err != nil {
		return err
	}
	clock, ok := syncrule.Bury(&winner.Record)
	if !ok {
		return nil
	}
	put, err := p.log.renaming(op.PK, "", nil, clock, true)
	if err != nil {
		return err
	}
	return p.accept(put, winner, exists, true)
}

// FreeKVName implements or3cloud.KVNameFreer.
func (l *Log) FreeKVName(ctx context.Context, workspaceID, name string) (pk string, err error) {
	num, err := l.ws.Number(ctx, workspaceID)
	if err != nil {
		return "", err
	}
	names := nameKeys(name)
	for range maxStalled {
		var plan *displacement
		err := l.View(ctx, func(r *Reader) (err error) {
			plan, err = l.planDisplacement(r, num, names, name, nil)
			return err
		})
		if err != nil || plan.key == nil {
			return "", err
		}
		p := push{log: l, workspace: num}
		err = l.e.Do(ctx, func(_ context.Context, t *engine.Tx) error {
			return p.write(t, func(int64) error {
				h, found, err := holderOf(p.St.KVNameOwner, num, names)
				if err != nil {
					return err
				}
				if !found {
					return ErrStale
				}
				refusal, err := p.displace(h, plan)
				if err == nil && refusal != nil {
					err = or3cloud.Errorf(or3cloud.CodeConflict, "The row that holds the name has a clock that cannot be raised")
				}
				return err
			})
		})
		if !errors.Is(err, ErrStale) {
			return layout.RecordPK(plan.key), err
		}
	}
	return "", engine.Unavailable(ErrStale)
}
