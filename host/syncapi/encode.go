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
	if err := e.room(len(c.Payload) + itemRoom); err != nil {
		return err
	}
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
	if err := e.room(len(it.Payload) + itemRoom); err != nil {
		return err
	}
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

// encodePush completes the answer to a push, which cannot fail any more. Where there is no memory for the winners they are
// left out: clients get them with their next pull. results are changed then.
func (a *answer) encodePush(res or3cloud.PushResult) {
	if !a.tab.TryGrow(winnerBytes(res.Results)) {
		for i := range res.Results {
			res.Results[i].Winner = nil
		}
	}
	for i := range res.Results {
		if cap(a.text)-len(a.text) < itemRoom {
			a.grow(itemRoom) // bounded by the number of ops
		}
		if i > 0 {
			a.text = append(a.text, ',')
		}
		a.opResult(&res.Results[i])
	}
	a.text = append(a.text, `],"serverVersion":`...)
	a.text = appendInt(a.text, res.ServerVersion)
	a.text = append(a.text, '}')
}

// winnerBytes is what the winners hold, each once, and what telling them takes.
func winnerBytes(results []or3cloud.OpResult) (n int64) {
	var seen map[*or3cloud.Winner]bool
	for i := range results {
		w := results[i].Winner
		if w == nil {
			continue
		}
		if n += itemRoom; seen[w] {
			continue
		}
		if seen == nil {
			seen = map[*or3cloud.Winner]bool{}
		}
		seen[w] = true
		n += int64(len(w.Payload))
	}
	return n
}

// opResult writes one result. Members of newer clients come after the older ones' and are unknown to them. An op
// that lost without a known winner is written as plain success: the newest client rejects the whole response for
// "applied":false or "replayed":true without a winner (contract, sync §10.3).
func (a *answer) opResult(r *or3cloud.OpResult) {
	b := append(a.text, `{"opId":`...)
	b = appendText(b, r.OpID)
	b = append(b, `,"success":`...)
	b = strconv.AppendBool(b, r.Success)
	if !r.Success {
		b = append(b, `,"error":`...)
		b = appendText(b, r.Error)
		b = append(b, `,"errorCode":`...)
		b = appendText(b, string(r.ErrorCode))
		a.text = append(b, '}')
		return
	}
	b = append(b, `,"serverVersion":`...)
	b = appendInt(b, r.ServerVersion)
	if !r.Applied && r.Winner == nil {
		a.text = append(b, '}')
		return
	}
	b = append(b, `,"applied":`...)
	b = strconv.AppendBool(b, r.Applied)
	if r.Replayed {
		b = append(b, `,"replayed":true`...)
	}
	a.text = b
	if !r.Applied {
		a.winner(r.Winner)
	}
	a.text = append(a.text, '}')
}

func (a *answer) winner(w *or3cloud.Winner) {
	if w.Operation == or3cloud.OpDelete {
		b := append(a.text, `,"winner":{"kind":"delete","revision":`...)
		b = appendRevision(b, w.Revision)
		if !w.DeletedAt.IsZero() {
			b = append(b, `,"serverDeletedAt":`...)
			b = appendInt(b, max(0, w.DeletedAt.Unix()))
		}
		a.text = append(b, '}')
		return
	}
	a.text = append(a.text, `,"payload":`...)
	a.share(w.Payload)
	a.text = append(a.text, `,"winner":{"kind":"put","payload":`...)
	a.share(w.Payload)
	b := append(a.text, `,"revision":`...)
	b = appendRevision(b, w.Revision)
	a.text = append(b, '}')
}
