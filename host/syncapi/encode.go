package syncapi

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
)

// appendText appends a JSON string. Texts here are well-formed, so the error is nil; invalid bytes would come out as
// U+FFFD.
func appendText(b []byte, s string) []byte {
	if isPlain(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// isPlain reports whether a text stands for itself between quotes, as nearly every id does.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// pullEncoder writes a pull answer while the adapter delivers the changes. Payloads are copied as they are stored.
type pullEncoder struct {
	answer
	unfit unfit
	n     int
}

// itemRoom is what an item takes beside its payload, ids of a usual length included.
const itemRoom = 1 << 10

func (e *pullEncoder) add(c *or3cloud.Change) error {
	if e.unfit.is(c.Payload, c.Table, c.Stamp.OpID) {
		return nil
	}
	e.room(len(c.Payload) + itemRoom)
	b := e.text
	if e.n++; e.n > 1 {
		b = append(b, ',')
	}
	b = append(b, `{"serverVersion":`...)
	b = appendInt(b, c.ServerVersion)
	b = append(b, `,"tableName":`...)
	b = appendText(b, c.Table)
	b = append(b, `,"pk":`...)
	b = appendText(b, c.PK)
	b = append(b, `,"op":`...)
	b = appendText(b, string(c.Operation))
	if c.Payload != nil {
		b = append(b, `,"payload":`...)
		b = append(b, c.Payload...)
	}
	b = append(b, `,"stamp":{"deviceId":`...)
	b = appendText(b, c.Stamp.DeviceID)
	b = append(b, `,"opId":`...)
	b = appendText(b, c.Stamp.OpID)
	b = append(b, `,"hlc":`...)
	b = appendText(b, c.Stamp.HLC)
	b = append(b, `,"clock":`...)
	b = appendInt(b, c.Stamp.Clock)
	e.text = append(b, `}}`...)
	return nil
}

// finish closes the answer. The two retention fields are required by the newest client (contract, sync §10.6).
func (e *pullEncoder) finish(p or3cloud.PullPage) {
	b := append(e.text, `],"nextCursor":`...)
	b = appendInt(b, p.NextCursor)
	b = append(b, `,"hasMore":`...)
	b = strconv.AppendBool(b, p.HasMore)
	b = append(b, `,"oldestRetainedVersion":`...)
	b = appendInt(b, p.OldestRetainedVersion)
	b = append(b, `,"requiresSnapshot":`...)
	b = strconv.AppendBool(b, p.RequiresSnapshot)
	e.text = append(b, '}')
}

// snapshotEncoder writes a snapshot answer while the adapter delivers the items.
type snapshotEncoder struct {
	answer
	unfit unfit
	n     int
}

func (e *snapshotEncoder) add(it *or3cloud.SnapshotItem) error {
	if e.unfit.is(it.Payload, it.Table, it.Revision.OpID) {
		return nil
	}
	e.room(len(it.Payload) + itemRoom)
	b := e.text
	if e.n++; e.n > 1 {
		b = append(b, ',')
	}
	kind := `{"kind":"row","tableName":`
	if it.Operation == or3cloud.OpDelete {
		kind = `{"kind":"tombstone","tableName":`
	}
	b = append(b, kind...)
	b = appendText(b, it.Table)
	b = append(b, `,"pk":`...)
	b = appendText(b, it.PK)
	if it.Operation != or3cloud.OpDelete {
		b = append(b, `,"payload":`...)
		b = append(b, it.Payload...)
	}
	b = append(b, `,"revision":`...)
	b = appendRevision(b, it.Revision)
	if it.Operation == or3cloud.OpDelete {
		b = append(b, `,"serverDeletedAt":`...)
		b = appendInt(b, max(0, it.DeletedAt.Unix()))
	}
	e.text = append(b, '}')
	return nil
}

func (e *snapshotEncoder) finish(workspaceID string, p or3cloud.SnapshotPage) {
	b := append(e.text, `],"workspaceId":`...)
	b = appendText(b, workspaceID)
	b = append(b, `,"snapshotId":`...)
	b = appendText(b, p.SnapshotID)
	b = append(b, `,"highWatermark":`...)
	b = appendInt(b, p.HighWatermark)
	b = append(b, `,"nextPageToken":`...)
	if p.NextPageToken == "" {
		b = append(b, `null`...)
	} else {
		b = appendText(b, p.NextPageToken)
	}
	e.text = append(b, '}')
}

func appendRevision(b []byte, r or3cloud.Revision) []byte {
	b = append(b, `{"clock":`...)
	b = appendInt(b, r.Clock)
	b = append(b, `,"hlc":`...)
	b = appendText(b, r.HLC)
	b = append(b, `,"opId":`...)
	b = appendText(b, r.OpID)
	return append(b, '}')
}

// encodePush returns the answer to a push.
func encodePush(res or3cloud.PushResult) answer {
	a := newAnswer(`{"results":[`)
	for i := range res.Results {
		r := &res.Results[i]
		if r.Winner != nil {
			a.room(2*len(r.Winner.Payload) + itemRoom) // it is there twice
		} else {
			a.room(itemRoom)
		}
		if i > 0 {
			a.text = append(a.text, ',')
		}
		a.text = appendOpResult(a.text, r)
	}
	a.text = append(a.text, `],"serverVersion":`...)
	a.text = appendInt(a.text, res.ServerVersion)
	a.text = append(a.text, '}')
	return a
}

// appendOpResult writes one result. Members of newer clients come after the older ones' and are unknown to them. An op
// that lost without a known winner is written as plain success: the newest client rejects the whole response for
// "applied":false or "replayed":true without a winner (contract, sync §10.3).
func appendOpResult(b []byte, r *or3cloud.OpResult) []byte {
	b = append(b, `{"opId":`...)
	b = appendText(b, r.OpID)
	b = append(b, `,"success":`...)
	b = strconv.AppendBool(b, r.Success)
	if !r.Success {
		b = append(b, `,"error":`...)
		b = appendText(b, r.Error)
		b = append(b, `,"errorCode":`...)
		b = appendText(b, string(r.ErrorCode))
		return append(b, '}')
	}
	b = append(b, `,"serverVersion":`...)
	b = appendInt(b, r.ServerVersion)
	if !r.Applied && r.Winner == nil {
		return append(b, '}')
	}
	b = append(b, `,"applied":`...)
	b = strconv.AppendBool(b, r.Applied)
	if r.Replayed {
		b = append(b, `,"replayed":true`...)
	}
	if !r.Applied {
		b = appendWinner(b, r.Winner)
	}
	return append(b, '}')
}

func appendWinner(b []byte, w *or3cloud.Winner) []byte {
	if w.Operation == or3cloud.OpDelete {
		b = append(b, `,"winner":{"kind":"delete","revision":`...)
		b = appendRevision(b, w.Revision)
		if !w.DeletedAt.IsZero() {
			b = append(b, `,"serverDeletedAt":`...)
			b = appendInt(b, max(0, w.DeletedAt.Unix()))
		}
		return append(b, '}')
	}
	b = append(b, `,"payload":`...)
	b = append(b, w.Payload...)
	b = append(b, `,"winner":{"kind":"put","payload":`...)
	b = append(b, w.Payload...)
	b = append(b, `,"revision":`...)
	b = appendRevision(b, w.Revision)
	return append(b, '}')
}
