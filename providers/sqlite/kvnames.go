package sqlite

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/internal/syncschema"
)

// Clients keep a unique index on the names of kv rows, deleted rows included, and a change that would break it stops a
// device for good (contract, sync Pitfall 15). So a name stays with the row that had it, renamed and deleted rows
// included, until that row is displaced: the server renames it by a put, unless its winner has another name already, and
// pins that entry. Pulls deliver pinned entries even when they are superseded, so whatever becomes of the row, each device
// learns that it has lost the name before it sees the entry that took it.

// ownPrefix makes a name the pk that all clients use for it. A put of that pk gets its name, whoever holds it.
const ownPrefix = "kv:"

// ownsName reports whether an op is a put of the pk that clients use for its name.
func ownsName(op *or3cloud.Op) bool {
	return op.Table == or3cloud.TableKV && op.Operation == or3cloud.OpPut && op.PK == ownPrefix+op.Facts.Name
}

// maxNameKey is the length up to which a name is its own key. Longer ones are hashed: comparisons in an index would read
// megabytes.
const maxNameKey = 512

// nameKeys returns the keys under which a name may be stored. The second, the form of long names from before they were
// hashed, is only looked for.
func nameKeys(name string) [][]byte {
	key := jsstring.SortKey(name)
	if len(key) <= maxNameKey {
		return [][]byte{key}
	}
	sum := sha256.Sum256(key)
	return [][]byte{append([]byte{0xFF}, sum[:]...), key} // no text begins with this byte
}

// holder is the row to which a name belongs.
type holder struct {
	name []byte // as it is stored
	key  []byte // of the record
	// version is the entry by which the row had the name last; 0 if that is not known.
	version int64
}

// holderOf finds the row to which a name belongs.
func holderOf(st *sqlite3.Stmt, workspace int64, names [][]byte) (h holder, found bool, err error) {
	for _, name := range names {
		found, err = one(st, func(s *sqlite3.Stmt) {
			h = holder{name: name, key: s.ColumnBlob(0, nil), version: s.ColumnInt64(1)}
		}, workspace, name)
		if err != nil || found {
			return h, found, err
		}
	}
	return h, false, nil
}

// displacement is how a row loses a name. It is planned before the writer, since it may copy the row.
type displacement struct {
	key []byte // of the row; nil if there is none that would lose the name
	// version is the row's winner while it was planned; 0 if there was none.
	version int64
	// put gives the row another name; nil if its winner has one.
	put *preparedOp
	// stuck says that the row's clock cannot be raised.
	stuck bool
}

// planDisplacement returns how the row that holds a name loses it to another one.
func (s *Store) planDisplacement(r *reader, workspace int64, names [][]byte, name string, taker []byte) (*displacement, error) {
	h, found, err := holderOf(r.st.kvNameOwner, workspace, names)
	if err != nil || !found || bytes.Equal(h.key, taker) {
		return &displacement{}, err
	}
	kv := tableNumber(or3cloud.TableKV)
	winner, exists, err := winnerOf(r.st.record, workspace, kv, h.key)
	if err != nil {
		return nil, err
	}
	d := &displacement{key: h.key, version: winner.version}
	clock := int64(maxClock) // above that of any row whose deletion was dropped
	var payload []byte
	if exists {
		clock = min(winner.rev.Clock+clockStep, or3cloud.MaxSafeInteger)
		if clock == winner.rev.Clock {
			d.stuck = true
			return d, nil
		}
	}
	if exists && winner.state&stateMask != stateDeleted {
		if h.version != winner.version && h.version != 0 {
			return d, nil
		}
		_, err = one(r.st.entry, func(s *sqlite3.Stmt) { payload = s.ColumnBlob(10, nil) }, entryID(workspace, winner.version))
		if err != nil {
			return nil, err
		}
		if h.version == 0 && syncschema.Name(payload) != name {
			return d, nil
		}
	}
	d.put, err = s.renaming(recordPK(h.key), name, payload, clock, winner.state&stateMask == stateSoftDeleted)
	return d, err
}

// maxRenamed is how much of a name a renamed row keeps, in bytes.
const maxRenamed = 200

// renaming returns the put that gives a kv row a name which no row ever had. Of a row that is deleted, or that no client
// could take, nothing else is left.
func (s *Store) renaming(pk, name string, payload []byte, clock int64, deleted bool) (*preparedOp, error) {
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	if cut := maxRenamed; len(name) > cut {
		for !utf8.RuneStart(name[cut]) {
			cut--
		}
		name = name[:cut]
	}
	name += "~" + id
	if payload != nil && syncschema.Unfit(payload) == "" {
		if payload, err = syncschema.WithName(payload, name, clock); err != nil {
			return nil, fmt.Errorf("rename kv row: %w", err)
		}
	} else {
		payload, deleted = goneRow(pk, name, s.opts.Now(), clock), true
	}
	return s.serverPut(or3cloud.TableKV, pk, payload, clock, or3cloud.PayloadFacts{Name: name, Deleted: deleted})
}

// goneRow returns the payload of a kv row that is deleted and has nothing but a name.
func goneRow(pk, name string, now time.Time, clock int64) []byte {
	quotedPK, _ := jsontext.AppendQuote(nil, pk) // both are well-formed by now, or come out as that
	quotedName, _ := jsontext.AppendQuote(nil, name)
	return fmt.Appendf(nil, `{"id":%s,"name":%s,"value":null,"deleted":true,"deleted_at":%[3]d,"created_at":%[3]d,"updated_at":%[3]d,"clock":%[4]d}`,
		quotedPK, quotedName, now.Unix(), clock)
}

// errStale ends a stretch in front of an op that has to be prepared again, because rows have changed since.
var errStale = errors.New("rows have changed since the op was prepared")

var errTakenName = refusal{or3cloud.OpErrorValidation, "Invalid payload for kv: name belongs to another row"}

// takeName makes sure that a kv put may have its name, or refuses it.
func (p *push) takeName(op *preparedOp, wins bool) (*refusal, error) {
	h, found, err := holderOf(p.st.kvNameOwner, p.workspace, op.names)
	switch {
	case err != nil || !found || bytes.Equal(h.key, op.key):
		return nil, err
	case !ownsName(&op.Op):
		return &errTakenName, nil
	case !wins:
		return nil, nil
	}
	return p.displace(h, op.takes)
}

// displace takes a name from the row that holds it, as planned.
func (p *push) displace(h holder, d *displacement) (*refusal, error) {
	if d == nil || !bytes.Equal(d.key, h.key) {
		return nil, errStale
	}
	kv := tableNumber(or3cloud.TableKV)
	winner, exists, err := winnerOf(p.st.record, p.workspace, kv, h.key)
	switch {
	case err != nil:
		return nil, err
	case winner.version != d.version:
		return nil, errStale
	case d.stuck:
		return &errTakenName, nil
	}
	if d.put != nil {
		if _, taken, err := holderOf(p.st.kvNameOwner, p.workspace, d.put.names); err != nil || taken {
			return nil, errors.Join(err, errStale)
		}
		if err := p.acceptOwn(d.put, winner, exists); err != nil {
			return nil, err
		}
	}
	p.grown -= entryOverhead
	return nil, errors.Join(run(p.st.pin, p.workspace, kv, h.key), run(p.st.releaseKVName, p.workspace, h.name))
}

// bury follows the deletion of a row that has pinned entries by a put that says deleted:true. A base client that meets a
// put and a delete of a row in one page leaves the row alive (contract, client-behaviour §5); the last of two puts stays.
func (p *push) bury(op *preparedOp) error {
	winner, exists, err := winnerOf(p.st.record, p.workspace, op.table, op.key)
	if err != nil {
		return err
	}
	clock := min(winner.rev.Clock+1, or3cloud.MaxSafeInteger)
	put, err := p.store.renaming(op.PK, "", nil, clock, true)
	if err != nil || clock == winner.rev.Clock {
		return err
	}
	return p.acceptOwn(put, winner, exists)
}

// FreeKVName implements or3cloud.KVNameFreer.
func (s *Store) FreeKVName(ctx context.Context, workspaceID, name string) (pk string, err error) {
	num, err := s.number(ctx, workspaceID)
	if err != nil {
		return "", err
	}
	names := nameKeys(name)
	for range maxStalled {
		var plan *displacement
		err := s.pool.view(ctx, func(r *reader) (err error) {
			plan, err = s.planDisplacement(r, num, names, name, nil)
			return err
		})
		if err != nil || plan.key == nil {
			return "", err
		}
		p := push{store: s, workspace: num}
		err = s.w.do(ctx, func(_ context.Context, t *tx) error {
			return p.write(t, func(int64) error {
				h, found, err := holderOf(p.st.kvNameOwner, num, names)
				if err != nil {
					return err
				}
				if !found {
					return errStale
				}
				refusal, err := p.displace(h, plan)
				if err == nil && refusal != nil {
					err = or3cloud.Errorf(or3cloud.CodeConflict, "The row that holds the name has a clock that cannot be raised")
				}
				return err
			})
		})
		if !errors.Is(err, errStale) {
			return recordPK(plan.key), err
		}
	}
	return "", unavailable(errStale)
}
