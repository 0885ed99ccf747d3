package sqlite

import (
	"bytes"
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

// disown takes the storage_id from the file_meta rows of a content that is about to be destroyed. A live row would have
// kept the content, so these are rows that say deleted:true; a device that still has one attaches the same content again
// without an upload as long as the row has a storage_id (contract, storage Pitfall 13). The puts look like a browser's,
// since clients reject a page with anything else (contract, sync Pitfall 14).
func (s *Store) disown(t *tx, num int64, hash or3cloud.BlobHash) error {
	p := push{tx: t, workspace: num, items: true}
	var ops []or3cloud.Op
	for _, pk := range []string{string(hash), hash.Digest()} {
		op, found, err := s.disowning(&p, pk)
		if err != nil {
			return err
		}
		if found {
			ops = append(ops, op)
		}
	}
	if len(ops) == 0 {
		return nil
	}
	if err := p.apply(ops); err != nil {
		return err
	}
	t.afterCommit(func() { s.heads.raise(num, p.version, 0) })
	return nil
}

// disowning returns the put that takes the storage_id from one row; found is false if there is none to take.
func (s *Store) disowning(p *push, pk string) (op or3cloud.Op, found bool, err error) {
	winner, found, err := p.winner(tableNumber(or3cloud.TableFileMeta), jsstring.SortKey(pk))
	if err != nil || !found || winner.state&stateMask != stateSoftDeleted || winner.rev.Clock >= or3cloud.MaxSafeInteger {
		return op, false, err
	}
	var payload []byte
	_, err = one(p.st.entry, func(st *sqlite3.Stmt) { payload = bytes.Clone(scanEntry(st).payload) }, entryID(p.workspace, winner.version))
	if err != nil {
		return op, false, err
	}
	clock := winner.rev.Clock + 1
	payload, found, err = syncschema.WithoutStorageID(payload, clock)
	if err != nil || !found {
		return op, false, err
	}
	id, err := s.newID()
	if err != nil {
		return op, false, err
	}
	op = or3cloud.Op{
		Table: or3cloud.TableFileMeta, Operation: or3cloud.OpPut, PK: pk, Payload: payload,
		Stamp: or3cloud.Stamp{DeviceID: serverDevice, OpID: id, HLC: hlc(p.at), Clock: clock},
	}
	if problem := syncschema.Check(&op); problem != nil {
		return op, false, fmt.Errorf("file_meta row without storage_id: %v", problem)
	}
	return op, true, nil
}

// hlc returns a hybrid logical clock of the server in the form of the clients' (contract, sync §8).
func hlc(unixMilli int64) string {
	at := strconv.FormatInt(unixMilli, 36)
	return strings.Repeat("0", max(0, 9-len(at))) + at + ":000:" + serverDevice
}
