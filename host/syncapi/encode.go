package syncapi

import (
	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/syncwire"
)

// pullEncoder writes a pull answer while the adapter delivers the changes.
type pullEncoder struct {
	answer
	unfit unfit
	n     int
}

func (e *pullEncoder) add(c *or3cloud.Change) error {
	if e.unfit.is(c.Payload, c.Table, c.Stamp.OpID) {
		return nil
	}
	if err := e.room(len(c.Payload) + syncwire.ItemRoom); err != nil {
		return err
	}
	if e.n++; e.n > 1 {
		e.text = append(e.text, ',')
	}
	e.text = syncwire.AppendChange(e.text, c)
	return nil
}

func (e *pullEncoder) finish(p or3cloud.PullPage) { e.text = syncwire.AppendPullEnd(e.text, p) }

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
	if err := e.room(len(it.Payload) + syncwire.ItemRoom); err != nil {
		return err
	}
	if e.n++; e.n > 1 {
		e.text = append(e.text, ',')
	}
	e.text = syncwire.AppendItem(e.text, it)
	return nil
}

func (e *snapshotEncoder) finish(workspaceID string, p or3cloud.SnapshotPage) {
	e.text = syncwire.AppendSnapshotEnd(e.text, workspaceID, p)
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
		if cap(a.text)-len(a.text) < syncwire.ItemRoom {
			a.grow(syncwire.ItemRoom) // bounded by the number of ops
		}
		if i > 0 {
			a.text = append(a.text, ',')
		}
		a.opResult(&res.Results[i])
	}
	a.text = syncwire.AppendPushEnd(a.text, res.ServerVersion)
}

func (a *answer) opResult(r *or3cloud.OpResult) {
	for part := 0; ; part++ {
		var payload bool
		if a.text, payload = syncwire.AppendResultPart(a.text, r, part); !payload {
			return
		}
		a.share(r.Winner.Payload)
	}
}

// winnerBytes is what the winners hold, each once, and what telling them takes.
func winnerBytes(results []or3cloud.OpResult) (n int64) {
	var seen map[*or3cloud.Winner]bool
	for i := range results {
		w := results[i].Winner
		if w == nil {
			continue
		}
		if n += syncwire.ItemRoom; seen[w] {
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
