package syncwire

import (
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
)

// appendText appends a JSON string. Texts here are well-formed, so the error is nil. Invalid bytes would come out as
// U+FFFD.
func appendText(b []byte, s string) []byte {
	if isPlain(s) {
		return append(append(append(b, '"'), s...), '"')
	}
	b, _ = jsontext.AppendQuote(b, s)
	return b
}

// isPlain reports whether a text needs no escapes between quotes, like nearly every id.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func appendInt(b []byte, n int64) []byte { return strconv.AppendInt(b, n, 10) }

// ItemRoom is the size in bytes of a change, an item or a result beside its payload, with ids of the usual length.
const ItemRoom = 1 << 10

// The beginnings of the answers. Their entries follow, separated by commas.
const (
	PushBegin     = `{"results":[`
	PullBegin     = `{"changes":[`
	SnapshotBegin = `{"items":[`
)

// ChangeBegin begins every entry of a pull. The digits of its version follow.
const ChangeBegin = `{"serverVersion":`

// AppendChange appends an entry of a pull. Payloads go out as stored.
func AppendChange(b []byte, c *or3cloud.Change) []byte {
	return AppendChangeTail(append(AppendChangeHead(b, c), c.Payload...), c)
}

// AppendChangeHead appends an entry of a pull up to its payload, which follows unless it is nil.
func AppendChangeHead(b []byte, c *or3cloud.Change) []byte {
	b = append(b, ChangeBegin...)
	b = appendInt(b, c.ServerVersion)
	b = append(b, `,"tableName":`...)
	b = appendText(b, c.Table)
	b = append(b, `,"pk":`...)
	b = appendText(b, c.PK)
	b = append(b, `,"op":`...)
	b = appendText(b, string(c.Operation))
	if c.Payload != nil {
		b = append(b, `,"payload":`...)
	}
	return b
}

// AppendChangeTail appends the rest of an entry of a pull after its payload.
func AppendChangeTail(b []byte, c *or3cloud.Change) []byte {
	b = append(b, `,"stamp":{"deviceId":`...)
	b = appendText(b, c.Stamp.DeviceID)
	b = append(b, `,"opId":`...)
	b = appendText(b, c.Stamp.OpID)
	b = append(b, `,"hlc":`...)
	b = appendText(b, c.Stamp.HLC)
	b = append(b, `,"clock":`...)
	b = appendInt(b, c.Stamp.Clock)
	return append(b, `}}`...)
}

// AppendPullEnd closes a pull. The two retention fields are required by the newest client (contract, sync §10.6).
func AppendPullEnd(b []byte, p or3cloud.PullPage) []byte {
	b = append(b, `],"nextCursor":`...)
	b = appendInt(b, p.NextCursor)
	b = append(b, `,"hasMore":`...)
	b = strconv.AppendBool(b, p.HasMore)
	b = append(b, `,"oldestRetainedVersion":`...)
	b = appendInt(b, p.OldestRetainedVersion)
	b = append(b, `,"requiresSnapshot":`...)
	b = strconv.AppendBool(b, p.RequiresSnapshot)
	return append(b, '}')
}

// AppendItemBegin appends the beginning of a snapshot entry. The name of its table follows.
func AppendItemBegin(b []byte, op or3cloud.Operation) []byte {
	if op == or3cloud.OpDelete {
		return append(b, `{"kind":"tombstone"`...)
	}
	return append(b, `{"kind":"row"`...)
}

// AppendItem appends a snapshot entry.
func AppendItem(b []byte, it *or3cloud.SnapshotItem) []byte {
	b = append(AppendItemBegin(b, it.Operation), `,"tableName":`...)
	b = appendText(b, it.Table)
	b = append(b, `,"pk":`...)
	b = appendText(b, it.PK)
	if it.Operation != or3cloud.OpDelete {
		b = append(b, `,"payload":`...)
		b = append(b, it.Payload...)
	}
	return AppendItemTail(b, it)
}

// AppendItemTail appends the rest of a snapshot entry after its payload, or after its pk if it is a tombstone.
func AppendItemTail(b []byte, it *or3cloud.SnapshotItem) []byte {
	b = append(b, `,"revision":`...)
	b = appendRevision(b, it.Revision)
	if it.Operation == or3cloud.OpDelete {
		b = append(b, `,"serverDeletedAt":`...)
		b = appendInt(b, max(0, it.DeletedAt.Unix()))
	}
	return append(b, '}')
}

// AppendSnapshotEnd closes a page of a snapshot.
func AppendSnapshotEnd(b []byte, workspaceID string, p or3cloud.SnapshotPage) []byte {
	b = append(b, `],"workspaceId":`...)
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

// AppendResult appends one result of the answer to a push.
func AppendResult(b []byte, r *or3cloud.OpResult) []byte {
	for part := 0; ; part++ {
		var payload bool
		if b, payload = AppendResultPart(b, r, part); !payload {
			return b
		}
		b = append(b, r.Winner.Payload...)
	}
}

// AppendResultPart appends a result in parts, numbered from 0, so that a payload shared by many results need not be
// copied. While payload is true, the caller inserts the winner's payload after the part and then appends the next part.
//
// Members for newer clients come after the older ones, which do not know them. An op that lost without a known winner
// is written as plain success: the newest client rejects the whole response for "applied":false or "replayed":true
// without a winner (contract, sync §10.3).
func AppendResultPart(b []byte, r *or3cloud.OpResult, part int) (_ []byte, payload bool) {
	switch part {
	case 1:
		return append(b, `,"winner":{"kind":"put","payload":`...), true
	case 2:
		b = append(b, `,"revision":`...)
		b = appendRevision(b, r.Winner.Revision)
		return append(b, `}}`...), false
	}
	b = append(b, `{"opId":`...)
	b = appendText(b, r.OpID)
	b = append(b, `,"success":`...)
	b = strconv.AppendBool(b, r.Success)
	if !r.Success {
		b = append(b, `,"error":`...)
		b = appendText(b, r.Error)
		b = append(b, `,"errorCode":`...)
		b = appendText(b, string(r.ErrorCode))
		return append(b, '}'), false
	}
	b = append(b, `,"serverVersion":`...)
	b = appendInt(b, r.ServerVersion)
	if !r.Applied && r.Winner == nil {
		return append(b, '}'), false
	}
	b = append(b, `,"applied":`...)
	b = strconv.AppendBool(b, r.Applied)
	if r.Replayed {
		b = append(b, `,"replayed":true`...)
	}
	if r.Applied {
		return append(b, '}'), false
	}
	w := r.Winner
	if w.Operation != or3cloud.OpDelete {
		return append(b, `,"payload":`...), true
	}
	b = append(b, `,"winner":{"kind":"delete","revision":`...)
	b = appendRevision(b, w.Revision)
	if !w.DeletedAt.IsZero() {
		b = append(b, `,"serverDeletedAt":`...)
		b = appendInt(b, max(0, w.DeletedAt.Unix()))
	}
	return append(b, `}}`...), false
}

// AppendPushEnd closes the answer to a push with the workspace's version.
func AppendPushEnd(b []byte, serverVersion int64) []byte {
	b = append(b, `],"serverVersion":`...)
	b = appendInt(b, serverVersion)
	return append(b, '}')
}
