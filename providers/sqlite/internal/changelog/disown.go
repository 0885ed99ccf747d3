package changelog

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncrule"
)

// Disowning is a put that removes the storage_id from a file_meta row.
type Disowning struct {
	key     []byte // of the row
	version int64  // of its winner when the put was prepared; 0 if there was none
	put     *preparedOp
}

// PlanDisowning prepares the puts that remove the storage_id from the file_meta rows of a content that is about to be
// destroyed. A live row would have kept the content, so these are rows that say deleted:true; a device that still has
// one attaches the same content again without an upload as long as the row has a storage_id (contract, storage Pitfall
// 13).
func (l *Log) PlanDisowning(ctx context.Context, num int64, hash or3cloud.BlobHash) (plans []Disowning, err error) {
	err = l.View(ctx, func(r *Reader) error {
		for _, pk := range []string{string(hash), hash.Digest()} {
			d := Disowning{key: jsstring.SortKey(pk)}
			winner, _, err := of(r).winnerOf(num, layout.TableNumber(or3cloud.TableFileMeta), d.key)
			if err != nil {
				return err
			}
			d.version = winner.Version
			if syncrule.MayDisown(&winner.Record) {
				if d.put, err = l.disowningPut(r, num, pk, winner); err != nil {
					return err
				}
			}
			plans = append(plans, d)
		}
		return nil
	})
	return plans, err
}

// disowningPut returns the put that removes the storage_id from a row; nil if it has none.
func (l *Log) disowningPut(r *Reader, num int64, pk string, winner record) (*preparedOp, error) {
	payload, err := payloadOf(r, num, winner.Version)
	if err != nil {
		return nil, err
	}
	id, err := l.e.NewID()
	if err != nil {
		return nil, err
	}
	put, err := syncrule.Disown(pk, id, payload, &winner.Record, l.e.Now())
	if err != nil || put == nil {
		return nil, err
	}
	return l.encoded(*put, "")
}

// Disown applies what PlanDisowning has prepared. If a row has changed since, it does nothing and ok is false.
func (l *Log) Disown(t *engine.Tx, num int64, plans []Disowning) (ok bool, err error) {
	p := push{log: l, workspace: num, first: -1}
	err = p.write(t, func(int64) error {
		winners := make([]record, len(plans))
		for i, d := range plans {
			winner, _, err := l.in(t).winnerOf(num, layout.TableNumber(or3cloud.TableFileMeta), d.key)
			if err != nil || winner.Version != d.version {
				return err
			}
			winners[i] = winner
		}
		ok = true
		for i, d := range plans {
			if d.put == nil {
				continue
			}
			if err := p.accept(d.put, winners[i], true, true); err != nil {
				return err
			}
		}
		return nil
	})
	return ok, err
}
