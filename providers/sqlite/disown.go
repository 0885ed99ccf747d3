package sqlite

import (
	"context"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/syncrule"
)

// disowning is a put that takes the storage_id from a file_meta row.
type disowning struct {
	key     []byte // of the row
	version int64  // of its winner while the put was prepared; 0 if there was none
	put     *preparedOp
}

// planDisowning prepares the puts that take the storage_id from the file_meta rows of a content that is about to be
// destroyed. A live row would have kept the content, so these are rows that say deleted:true; a device that still has one
// attaches the same content again without an upload as long as the row has a storage_id (contract, storage Pitfall 13).
func (s *Store) planDisowning(ctx context.Context, num int64, hash or3cloud.BlobHash) (plans []disowning, err error) {
	err = s.pool.view(ctx, func(r *reader) error {
		for _, pk := range []string{string(hash), hash.Digest()} {
			d := disowning{key: jsstring.SortKey(pk)}
			winner, _, err := winnerOf(r.st.record, num, tableNumber(or3cloud.TableFileMeta), d.key)
			if err != nil {
				return err
			}
			d.version = winner.Version
			if syncrule.MayDisown(&winner.Record) {
				if d.put, err = s.disowningPut(r, num, pk, winner); err != nil {
					return err
				}
			}
			plans = append(plans, d)
		}
		return nil
	})
	return plans, err
}

// disowningPut returns the put that takes the storage_id from a row; nil if it has none.
func (s *Store) disowningPut(r *reader, num int64, pk string, winner record) (*preparedOp, error) {
	var payload []byte
	_, err := one(r.st.entry, func(st *sqlite3.Stmt) { payload = st.ColumnBlob(10, nil) }, entryID(num, winner.Version))
	if err != nil {
		return nil, err
	}
	id, err := s.newID()
	if err != nil {
		return nil, err
	}
	put, err := syncrule.Disown(pk, id, payload, &winner.Record, s.opts.Now())
	if err != nil || put == nil {
		return nil, err
	}
	p, err := prepare(*put, "")
	return &p, err
}

// disown applies what planDisowning has prepared. If a row has changed since, it does nothing and ok is false.
func (s *Store) disown(t *tx, num int64, plans []disowning) (ok bool, err error) {
	p := push{store: s, workspace: num, first: -1}
	err = p.write(t, func(int64) error {
		winners := make([]record, len(plans))
		for i, d := range plans {
			winner, _, err := winnerOf(p.st.record, num, tableNumber(or3cloud.TableFileMeta), d.key)
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
			if err := p.acceptOwn(d.put, winners[i], true); err != nil {
				return err
			}
		}
		return nil
	})
	return ok, err
}
