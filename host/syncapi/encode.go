package syncapi

import (
	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/syncwire"
)

// pageEncoder writes the entries of a page as the adapter delivers them.
type pageEncoder struct {
	answer
	unfit unfit
	n     int
}

// begin begins the page, perhaps again.
func (e *pageEncoder) begin() { e.n, e.unfit = 0, unfit{} }

// entry makes room for an entry with a payload, and separates it from the one before. ok is false if the entry must be
// left out.
func (e *pageEncoder) entry(payload []byte, table, opID string) (ok bool, err error) {
	if e.unfit.is(payload, table, opID) {
		return false, nil
	}
	if err := e.room(len(payload) + syncwire.ItemRoom); err != nil {
		return false, err
	}
	if e.n++; e.n > 1 {
		e.text = append(e.text, ',')
	}
	return true, nil
}

func (e *pageEncoder) change(c *or3cloud.Change) error {
	ok, err := e.entry(c.Payload, c.Table, c.Stamp.OpID)
	if ok {
		e.text = syncwire.AppendChange(e.text, c)
	}
	return err
}

func (e *pageEncoder) item(it *or3cloud.SnapshotItem) error {
	ok, err := e.entry(it.Payload, it.Table, it.Revision.OpID)
	if ok {
		e.text = syncwire.AppendItem(e.text, it)
	}
	return err
}

// copy takes n entries as the adapter has them.
func (e *pageEncoder) copy(json []byte, n int) error {
	if n == 0 {
		return nil
	}
	if e.n > 0 {
		if err := e.room(1); err != nil {
			return err
		}
		e.text = append(e.text, ',')
	}
	e.n += n
	return e.append(json)
}

// encodePush completes the answer to a push, which can no longer fail. If there is no memory for the winners they are
// left out: clients get them with their next pull. results are changed then.
func (a *answer) encodePush(res or3cloud.PushResult) {
	if !a.tab.TryGrow(winnerBytes(res.Results)) {
		for i := range res.Results {
			res.Results[i].Winner = nil
		}
	}
	for i := range res.Results {
		if cap(a.text)-len(a.text) < syncwire.ItemRoom {
			a.grow(syncwire.ItemRoom) // limited by the number of ops
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

// winnerBytes is what the winners hold, each once, and what writing them takes.
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
