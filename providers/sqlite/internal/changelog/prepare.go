package changelog

import (
	"context"
	"fmt"
	"slices"
	"sync"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/index"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/syncrule"
)

// A batch is applied in stretches, each one job of the writer, so that no batch holds everyone up for longer than a
// stretch takes. stretchCost is approximately the bytes that a stretch writes; one op may cost more and is then alone.
const (
	stretchCost = 4 << 20
	opCost      = 1 << 10 // the rows of an op, besides its payload
	refCost     = 512     // the rows of a reference
	// stretchRefs is how many references a stretch changes before it ends. A row has some thousand at most.
	stretchRefs = stretchCost / refCost
	// mostCompared is the largest payload of an entry, in bytes, that is stored without a fingerprint: a small op that
	// has the id of a large one must not cost as much as that.
	mostCompared = 16 << 10
)

// preparedOp is an op for which everything is done that costs more than an indexed read or write. The writer, which all
// users share, does nothing that a request can inflate.
type preparedOp struct {
	or3cloud.Op
	table       int64
	key         []byte // of its record
	indexKey    string // the full key of its record in the index, once it was looked up
	hash        index.Key
	opID        []byte        // packed
	owner       []byte        // packed: the only user who sees it; nil for everyone
	fingerprint []byte        // once it was computed
	compared    bool          // whether it was looked up outside the writer which entry has its id,
	seen        int64         // which one that was, 0 for none,
	same        bool          // and whether it was made from this op
	refs        []string      // digests that its row references, sorted
	names       [][]byte      // for a kv put: the keys under which its name may be stored, the current form first
	takes       *displacement // for a put that owns its name
	draft       *block.Draft  // what it is encoded in, and its place there
	place       int
}

// planned reports whether it is known which row the op takes its name from.
func (p *preparedOp) planned() bool { return p.takes != nil || !syncrule.OwnsName(&p.Op) }

// prepare prepares one op of a user.
func prepare(hash index.Hash, op or3cloud.Op, user string) (preparedOp, error) {
	p := preparedOp{Op: op, table: layout.TableNumber(op.Table), opID: layout.PackID(nil, op.Stamp.OpID)}
	if op.Table == or3cloud.TableNotifications {
		if err := syncrule.ClaimNotification(&p.Op, user); err != nil {
			return p, err
		}
		p.owner = layout.PackID(nil, user)
	}
	p.key, p.hash = layout.RecordKey(op.PK, p.owner), hash(p.opID)
	switch {
	case op.Table == or3cloud.TableKV && op.Operation == or3cloud.OpPut:
		p.names = nameKeys(op.Facts.Name)
	case op.Table == or3cloud.TableMessages || op.Table == or3cloud.TablePosts:
		p.refs = slices.Sorted(slices.Values(op.Facts.FileHashes))
	}
	return p, nil
}

// print returns the fingerprint of the op. Its cost grows with the size of the op.
func (p *preparedOp) print() []byte {
	if p.fingerprint == nil {
		p.fingerprint = syncrule.Fingerprint(&p.Op)
	}
	return p.fingerprint
}

// encode makes the op a part of a draft.
func (p *preparedOp) encode(d *block.Draft) {
	if len(p.Payload) > mostCompared {
		p.print()
	}
	p.draft, p.place = d, d.Len()
	d.Add(&p.Op, block.Known{State: int64(syncrule.StateOf(&p.Op)), OpID: p.opID, Owner: p.owner, Fingerprint: p.fingerprint})
}

// cost is approximately how many bytes the op makes the writer write.
func (p *preparedOp) cost() int {
	n := opCost + len(p.Payload) + refCost*len(p.refs)
	if p.takes != nil && p.takes.put != nil {
		n += p.takes.put.cost()
	}
	return n
}

// queue is what is left of a batch. Each op is prepared once.
type queue struct {
	log       *Log
	workspace int64
	user      string
	ops       []or3cloud.Op // not yet prepared
	ready     []preparedOp
	drafts    []*block.Draft // what ready is encoded in
	large     bool           // whether it holds the place for large ops
	replays   bool           // whether it has met an op that was written before
}

// stretch returns the next ops, as many as one job of the writer takes.
func (q *queue) stretch(ctx context.Context) ([]preparedOp, error) {
	cost, planned := 0, true
	var draft *block.Draft
	for i := range q.ready {
		cost += q.ready[i].cost()
	}
	if q.ready == nil {
		q.ready = make([]preparedOp, 0, min(len(q.ops), stretchCost/opCost))
	}
	for len(q.ops) > 0 && (cost < stretchCost || len(q.ready) == 0) {
		p, err := prepare(q.log.index.Hash, q.ops[0], q.user)
		if err != nil {
			return nil, err
		}
		if err := q.takePlace(ctx, &p); err != nil {
			return nil, err
		}
		if draft != nil && !draft.Takes(len(p.Payload)) {
			draft.Pack()
			draft = nil
		}
		if draft == nil {
			draft = drafts.Get().(*block.Draft)
			q.drafts = append(q.drafts, draft)
		}
		p.encode(draft)
		q.ops, q.ready, cost = q.ops[1:], append(q.ready, p), cost+p.cost()
	}
	if draft != nil {
		draft.Pack()
	}
	if q.replays {
		if err := q.compare(ctx); err != nil {
			return nil, err
		}
	}
	for i := range q.ready {
		planned = planned && q.ready[i].planned()
	}
	if !planned {
		if err := q.plan(ctx); err != nil {
			return nil, err
		}
	}
	cost = 0
	for i := range q.ready {
		if cost += q.ready[i].cost(); cost > stretchCost && i > 0 || !q.ready[i].planned() {
			return q.ready[:i], nil
		}
	}
	return q.ready, nil
}

// plan plans how names are taken, until there is enough for a stretch.
func (q *queue) plan(ctx context.Context) error {
	return q.log.View(ctx, func(r *Reader) (err error) {
		cost := 0
		for i := range q.ready {
			p := &q.ready[i]
			if !p.planned() {
				if p.takes, err = q.log.planDisplacement(r, q.workspace, p.names, p.Facts.Name, p.key); err != nil {
					return err
				}
			}
			if cost += p.cost(); cost > stretchCost {
				return nil
			}
		}
		return nil
	})
}

// compare finds out which ops were written before, and whether they are the same. If a batch is repeated because its
// answer was lost, the whole batch is looked up; after that, only the op that a stretch has stopped at. The writer
// itself tells apart ops of the batch that share an id, so that it need not stop at each.
func (q *queue) compare(ctx context.Context) error {
	first := make(map[string]*preparedOp, len(q.ready))
	for i := range q.ready {
		p := &q.ready[i]
		if twin := first[string(p.opID)]; twin != nil {
			twin.print()
			p.print()
			continue
		}
		first[string(p.opID)] = p
	}
	return q.log.View(ctx, func(r *Reader) error {
		for i := range q.ready {
			p := &q.ready[i]
			if p.compared {
				continue
			}
			before, err := of(r).entryOf(q.workspace, p.hash, p.opID)
			if err == nil && before.version > 0 {
				p.same, err = of(r).same(q.workspace, before, p)
			}
			if err != nil {
				return err
			}
			p.seen, p.compared = before.version, true
		}
		return nil
	})
}

// done removes the first n ops. If that is not the whole stretch, the next one has to be looked up again.
func (q *queue) done(n int) {
	q.ready = q.ready[n:]
	if len(q.ready) == 0 {
		q.close()
		return
	}
	q.ready[0].takes, q.ready[0].compared = nil, false
}

// takePlace waits for the place for large ops before one is encoded. A store holds a stretch a second time, and packed
// a third time; there is only one op larger than that at a time.
func (q *queue) takePlace(ctx context.Context, p *preparedOp) error {
	if q.large || len(p.Payload) <= stretchCost {
		return nil
	}
	select {
	case q.log.large <- struct{}{}:
		q.large = true
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// drafts keeps the memory of drafts for the next stretch.
var drafts = sync.Pool{New: func() any { return &block.Draft{} }}

// close releases what the prepared ops hold. No job uses them any more.
func (q *queue) close() {
	for _, d := range q.drafts {
		d.Reset()
		drafts.Put(d)
	}
	if q.drafts = q.drafts[:0]; q.large {
		q.large = false
		<-q.log.large
	}
}

// empty reports whether nothing is left.
func (q *queue) empty() bool { return len(q.ops) == 0 && len(q.ready) == 0 }

// serverPut returns an op of the server.
func (l *Log) serverPut(table, pk string, payload []byte, clock int64, facts or3cloud.PayloadFacts) (*preparedOp, error) {
	id, err := l.e.NewID()
	if err != nil {
		return nil, err
	}
	p, err := l.encoded(syncrule.ServerPut(table, pk, id, payload, clock, facts, l.e.Now()), "")
	if err != nil {
		return nil, fmt.Errorf("put of the server: %w", err)
	}
	return p, nil
}

// encoded prepares one op and encodes it.
func (l *Log) encoded(op or3cloud.Op, user string) (*preparedOp, error) {
	p, err := prepare(l.index.Hash, op, user)
	if err != nil {
		return nil, err
	}
	p.encode(&block.Draft{})
	return &p, nil
}
