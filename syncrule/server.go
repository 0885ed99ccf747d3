package syncrule

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// serverDevice is the device id of the server's own writes. It has the length of a browser's.
const serverDevice = "or3cloud"

// ServerPut returns an op of the server. It looks like a browser's, because clients reject a page that contains
// anything else (contract, sync Pitfall 14). id is a fresh UUID.
func ServerPut(table, pk, id string, payload []byte, clock int64, facts or3cloud.PayloadFacts, now time.Time) or3cloud.Op {
	return or3cloud.Op{
		Table: table, Operation: or3cloud.OpPut, PK: pk, Payload: payload, Facts: facts,
		Stamp: or3cloud.Stamp{DeviceID: serverDevice, OpID: id, HLC: hlc(now), Clock: clock},
	}
}

// hlc returns a hybrid logical clock of the server in the clients' format (contract, sync §8).
func hlc(now time.Time) string {
	at := strconv.FormatInt(now.UnixMilli(), 36)
	return strings.Repeat("0", max(0, 9-len(at))) + at + ":000:" + serverDevice
}

// MayDisown reports whether a file_meta row can lose its storage_id before its content is destroyed. A live row would
// have kept the content, and a row whose delete won has no storage_id (contract, storage Pitfall 13).
func MayDisown(winner *Record) bool {
	return winner.State.Fate() == SoftDeleted && winner.Revision.Clock < or3cloud.MaxSafeInteger
}

// Disown returns the put that removes the storage_id from a file_meta row with this payload, or nil if it has none.
func Disown(pk, id string, payload []byte, winner *Record, now time.Time) (*or3cloud.Op, error) {
	clock, _ := raised(winner, 1)
	payload, found, err := syncschema.WithoutStorageID(payload, clock)
	if err != nil || !found {
		return nil, err
	}
	put := ServerPut(or3cloud.TableFileMeta, pk, id, payload, clock, or3cloud.PayloadFacts{}, now)
	if problem := syncschema.Check(&put); problem != nil {
		return nil, fmt.Errorf("file_meta row without storage_id: %v", problem)
	}
	return &put, nil
}
