package sqlite

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/internal/syncschema"
)

// serverDevice is the device id of the server's own writes. It has the length of a browser's.
const serverDevice = "or3cloud"

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
			d.version = winner.version
			if winner.state&stateMask == stateSoftDeleted && winner.rev.Clock < or3cloud.MaxSafeInteger {
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
	_, err := one(r.st.entry, func(st *sqlite3.Stmt) { payload = st.ColumnBlob(10, nil) }, entryID(num, winner.version))
	if err != nil {
		return nil, err
	}
	clock := winner.rev.Clock + 1
	payload, found, err := syncschema.WithoutStorageID(payload, clock)
	if err != nil || !found {
		return nil, err
	}
	put, err := s.serverPut(or3cloud.TableFileMeta, pk, payload, clock, or3cloud.PayloadFacts{})
	if err != nil {
		return nil, err
	}
	if problem := syncschema.Check(&put.Op); problem != nil {
		return nil, fmt.Errorf("file_meta row without storage_id: %v", problem)
	}
	return put, nil
}

// disown applies what planDisowning has prepared. If a row has changed since, it does nothing and ok is false.
func (s *Store) disown(t *tx, num int64, plans []disowning) (ok bool, err error) {
	p := push{store: s, workspace: num, first: -1}
	err = p.write(t, func(int64) error {
		winners := make([]record, len(plans))
		for i, d := range plans {
			winner, _, err := winnerOf(p.st.record, num, tableNumber(or3cloud.TableFileMeta), d.key)
			if err != nil || winner.version != d.version {
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

// hlc returns a hybrid logical clock of the server in the form of the clients' (contract, sync §8).
func hlc(unixMilli int64) string {
	at := strconv.FormatInt(unixMilli, 36)
	return strings.Repeat("0", max(0, 9-len(at))) + at + ":000:" + serverDevice
}
