package syncapi

import (
	"strconv"
	"sync"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
)

// maxPooled is the largest buffer that is kept for the next answer; one page of huge documents must not stay in
// memory for ever.
const maxPooled = 1 << 20

var buffers = sync.Pool{New: func() any { b := make([]byte, 0, 64<<10); return &b }}

func getBuffer() *[]byte { return buffers.Get().(*[]byte) }

func putBuffer(b *[]byte) {
	if cap(*b) <= maxPooled {
		*b = (*b)[:0]
		buffers.Put(b)
	}
}

// appendText appends a JSON string. Texts here are well-formed, so the error is nil; invalid bytes would come out as
// U+FFFD.
func appendText(b []byte, s string) []byte {
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// pullEncoder writes a pull answer while the adapter delivers the changes. Payloads are copied as they are stored.
type pullEncoder struct {
	text []byte
	n    int
}

func (e *pullEncoder) add(c *or3cloud.Change) error {
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
func (e *pullEncoder) finish(p or3cloud.PullPage) []byte {
	b := append(e.text, `],"nextCursor":`...)
	b = appendInt(b, p.NextCursor)
	b = append(b, `,"hasMore":`...)
	b = strconv.AppendBool(b, p.HasMore)
	b = append(b, `,"oldestRetainedVersion":`...)
	b = appendInt(b, p.OldestRetainedVersion)
	b = append(b, `,"requiresSnapshot":`...)
	b = strconv.AppendBool(b, p.RequiresSnapshot)
	return append(b, '}')
}

// snapshotEncoder writes a snapshot answer while the adapter delivers the items.
type snapshotEncoder struct {
	text []byte
	n    int
}

func (e *snapshotEncoder) add(it *or3cloud.SnapshotItem) error {
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

func (e *snapshotEncoder) finish(workspaceID string, p or3cloud.SnapshotPage) []byte {
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
	return append(b, '}')
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

func appendPushResult(b []byte, res or3cloud.PushResult) []byte {
	b = append(b, `{"results":[`...)
	for i := range res.Results {
		if i > 0 {
			b = append(b, ',')
		}
		b = appendOpResult(b, &res.Results[i])
	}
	b = append(b, `],"serverVersion":`...)
	b = appendInt(b, res.ServerVersion)
	return append(b, '}')
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
