package changelog

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/metric"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/follow"
	"or3.chat/cloud/providers/sqlite/internal/index"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/providers/sqlite/internal/members"
	"or3.chat/cloud/syncrule"
)

// errReplayed undoes a stretch that has met an op that was written before, and was not compared with it.
var errReplayed = errors.New("an op was written before")

// maxStalled is how often a stretch is prepared again because rows have changed in the meantime.
const maxStalled = 10

// Push implements or3cloud.SyncGatewayAdapter. A batch is written in stretches of limited work; other writes pass
// between them. An error of the store ends it with an error, and what was committed before is found again when the
// batch is repeated.
func (l *Log) Push(ctx context.Context, in or3cloud.PushRequest) (or3cloud.PushResult, error) {
	num, err := l.ws.Number(ctx, in.Scope.WorkspaceID)
	if err == nil {
		err = l.e.CheckRoom()
	}
	if err != nil {
		return or3cloud.PushResult{}, err
	}
	p := push{
		log: l, workspace: num, user: in.UserID, items: in.WorkspaceItems, first: -1,
		results: make([]or3cloud.OpResult, 0, len(in.Ops)),
	}
	q := queue{log: l, workspace: num, user: in.UserID, ops: in.Ops}
	defer q.close()
	for stalled := 0; p.first < 0 || !q.empty(); {
		done, carried := len(p.results), p.winners.size
		ops, err := q.stretch(ctx)
		if err == nil {
			err = l.e.Do(ctx, func(_ context.Context, t *engine.Tx) error {
				if err := members.Permit(t, in.UserID, num, or3cloud.PermWorkspaceWrite); err != nil {
					return err
				}
				return p.apply(t, ops)
			})
		}
		for outcome, n := range p.tally {
			if err == nil {
				l.ops[outcome].Add(n)
			}
		}
		if errors.Is(err, errReplayed) {
			// Versions of the stretch are issued again, perhaps to others.
			p.results, p.winners, p.replays, err = p.results[:done], winners{size: carried}, true, nil
		}
		if err != nil {
			l.opts.Noticed(in.Scope.WorkspaceID, err)
			return or3cloud.PushResult{}, err
		}
		q.replays = p.replays
		q.done(len(p.results) - done)
		if len(p.results) > done {
			stalled = 0
		} else if stalled++; stalled == maxStalled {
			return or3cloud.PushResult{}, engine.Unavailable(ErrStale)
		}
	}
	return or3cloud.PushResult{Results: p.results, ServerVersion: p.version}, nil
}

// push is the application of one batch.
type push struct {
	*engine.Tx // of the current stretch
	log        *Log
	workspace  int64
	user       string
	items      bool             // whether the client knows workspace Files and Trash
	version    int64            // the counter; every accepted op takes the next one
	first      int64            // the counter before the batch
	grown      int64            // what the stretch adds to the size of the workspace, in bytes
	refs       int              // references that the stretch has changed
	files      files            // what the stretch does to the files of the workspace
	begun      int64            // the counter before the stretch
	replays    bool             // whether it has met an op that was written before, and has to be compared
	prints     map[int64][]byte // fingerprints of what the stretch has accepted, by version, as far as they are known
	results    []or3cloud.OpResult
	winners    winners
	tally      [outcomes]int // of the stretch
}

// The outcomes of an op.
const (
	accepted = iota
	lost
	replayed
	refused
	outcomes
)

// Ops counts the ops that were pushed, by outcome.
func (l *Log) Ops() metric.Family {
	ops := metric.By(metric.Total, "sync_ops_total", "Changes that devices have pushed, by outcome.", "result")
	for outcome, name := range [outcomes]string{"accepted", "lost", "replayed", "refused"} {
		ops.Add(l.ops[outcome].Value(), name)
	}
	return ops
}

// write runs f, which takes versions, in a transaction.
func (p *push) write(t *engine.Tx, f func(size int64) error) error {
	if p.log.index.Full() {
		return engine.Unavailable(index.ErrFull)
	}
	p.Tx, p.grown, p.files, p.prints = t, 0, files{}, nil
	p.log.tail.begin(t, p.workspace)
	defer p.log.tail.end()
	var size int64
	found, err := engine.One(p.St.Counter, func(s *sqlite3.Stmt) { p.version, size = s.ColumnInt64(0), s.ColumnInt64(2) }, p.workspace)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("workspace %d has no counter", p.workspace)
	}
	p.begun = p.version
	if p.first < 0 {
		p.first = p.begun
	}
	if err := f(size); err != nil || p.version == p.begun {
		return err
	}
	if err := p.log.tail.write(); err != nil {
		return err
	}
	version := p.version
	p.GaveOut(version)
	t.AfterCommit(func() { p.log.heads.raise(p.workspace, version, 0) })
	return errors.Join(engine.Run(p.St.SetCounter, version, p.grown, p.workspace), p.files.count(t, p.workspace))
}

// apply applies the ops of a stretch in order. It stops before one that has to be prepared again, and when it has done
// enough: only here is it known how many references an op drops.
func (p *push) apply(t *engine.Tx, ops []preparedOp) error {
	return p.write(t, func(size int64) error {
		if err := checkWorkspaceRoom(size, p.log.opts.WorkspaceQuota, ops); err != nil {
			return err
		}
		p.refs, p.tally = 0, [outcomes]int{}
		for i := 0; i < len(ops) && p.refs < stretchRefs; i++ {
			res, outcome, err := p.applyOp(&ops[i])
			if errors.Is(err, ErrStale) {
				return nil
			}
			if err != nil {
				return fmt.Errorf("apply op %d: %w", len(p.results), err)
			}
			res.OpID = ops[i].Stamp.OpID
			p.results = append(p.results, res)
			p.tally[outcome]++
		}
		return nil
	})
}

// winner returns the winner of an op's record.
func (p *push) winner(op *preparedOp) (r record, found bool, err error) {
	if op.indexKey == "" {
		op.indexKey = index.RecordKey(p.workspace, op.table, op.key)
	}
	return p.log.in(p.Tx).winner(p.workspace, op.table, op.key, op.indexKey)
}

// applyOp judges one op. The error is ErrStale or an error of the store.
func (p *push) applyOp(op *preparedOp) (res or3cloud.OpResult, outcome int, err error) {
	before, err := p.log.in(p.Tx).entryOf(p.workspace, op.hash, op.opID)
	if err != nil {
		return res, 0, err
	}
	winner, exists, err := p.winner(op)
	if err != nil {
		return res, 0, err
	}
	if before.version > 0 {
		if res, err = p.replay(op, before, &winner); !res.Success {
			return res, refused, err
		}
		return res, replayed, err
	}
	wins := winner.LosesTo(&op.Op)
	refusal, err := p.refuse(op, &winner.Record, wins)
	if err != nil {
		return res, 0, err
	}
	if refusal != nil {
		return refusal.Result(), refused, nil
	}
	if err := p.accept(op, winner, exists, wins); err != nil {
		return res, 0, err
	}
	res = or3cloud.OpResult{Success: true, ServerVersion: p.version, Applied: wins}
	switch {
	case !wins:
		res.Winner, err = p.loadWinner(winner.Version)
		return res, lost, err
	case winner.pinned > 0 && op.Operation == or3cloud.OpDelete:
		err = p.bury(op)
	}
	return res, accepted, err
}

// accept appends an op to the log, and makes it the winner of its record if it wins over the old one.
func (p *push) accept(op *preparedOp, old record, exists, wins bool) error {
	if p.version >= layout.MaxVersion {
		return fmt.Errorf("workspace %d has used all versions", p.workspace)
	}
	p.version++
	accepted, nth := block.Accepted{Version: p.version, At: p.At, Lost: !wins}, int64(1)
	if wins && exists {
		nth = old.nth + 1
		accepted.Prev, accepted.Revived, accepted.Waypoint = old.Version, old.State.Fate() == syncrule.Deleted, nth%follow.WaypointEvery == 0
	}
	p.grown += EntrySize(op.draft.Size(op.place))
	if err := p.log.tail.accept(op.draft, op.place, accepted); err != nil {
		return err
	}
	if p.replays && op.fingerprint != nil {
		if p.prints == nil {
			p.prints = map[int64][]byte{}
		}
		p.prints[p.version] = op.fingerprint
	}
	if !wins {
		p.log.index.Put(p.workspace, op.hash, p.version, "", nil)
		return nil
	}
	if exists {
		if err := p.supersede(op, &old, accepted.Waypoint); err != nil {
			return err
		}
	}
	state := syncrule.StateOf(&op.Op)
	if state.Fate() == syncrule.Deleted {
		if err := engine.Run(p.St.InsertTombstone, layout.EntryID(p.workspace, p.version)); err != nil {
			return err
		}
	}
	if op.indexKey == "" {
		op.indexKey = index.RecordKey(p.workspace, op.table, op.key)
	}
	p.log.index.Put(p.workspace, op.hash, p.version, op.indexKey, &index.Winner{Version: p.version, State: int64(state), Nth: nth})
	return p.derive(op, state, &old)
}

// supersede records that an entry is no longer a winner.
func (p *push) supersede(op *preparedOp, old *record, waypoint bool) error {
	err := p.log.tail.replace(old.Version, old.place, old.pinned == old.Version)
	if old.State.Fate() == syncrule.Deleted {
		err = errors.Join(err, engine.Run(p.St.DeleteTombstone, layout.EntryID(p.workspace, old.Version)))
	}
	if waypoint {
		err = errors.Join(err, engine.Run(p.St.InsertWaypoint, p.workspace, op.table, op.key, p.version))
	}
	return err
}

// refuse judges what depends on the existing rows: ops that clients could not apply, or that would damage or block what
// others have.
func (p *push) refuse(op *preparedOp, winner *syncrule.Record, wins bool) (*syncrule.Refusal, error) {
	if r := syncrule.Refuse(&op.Op, winner, p.items); r != nil {
		return r, nil
	}
	switch {
	case op.Table == or3cloud.TableNotifications:
		return p.foreignNotification(op, winner)
	case op.Table == or3cloud.TableKV && op.Operation == or3cloud.OpPut:
		return p.takeName(op, wins)
	}
	return nil, nil
}

// winners are the entries that ops of one batch lost against, by version. Each is read once, and none once the answer
// carries as much as it may: a batch of small ops can lose hundreds of times against one large row.
type winners struct {
	read map[int64]*or3cloud.Winner
	size int // of all payloads that the answer carries, in bytes
}

// loadWinner returns the entry that an op lost against, or nil if the answer is full.
func (p *push) loadWinner(version int64) (*or3cloud.Winner, error) {
	if p.winners.size >= or3cloud.AnswerBytes {
		return nil, nil
	}
	w, ok := p.winners.read[version]
	if !ok {
		var err error
		if w, err = p.readWinner(version); err != nil {
			return nil, err
		}
		if p.winners.read == nil {
			p.winners.read = map[int64]*or3cloud.Winner{}
		}
		p.winners.read[version] = w
	}
	p.winners.size += len(w.Payload)
	return w, nil
}

func (p *push) readWinner(version int64) (*or3cloud.Winner, error) {
	e, err := known(p.workspace, version, p.log.in(p.Tx).entry)
	if err != nil {
		return nil, fmt.Errorf("winning entry: %w", err)
	}
	w := &or3cloud.Winner{Operation: e.Operation, Revision: e.Revision()}
	if w.Operation == or3cloud.OpDelete {
		w.DeletedAt = time.UnixMilli(e.At)
	} else {
		w.Payload = bytes.Clone(e.Payload())
	}
	return w, nil
}

// replay answers an op whose id the workspace has seen: with its first version and without effect. The same id with
// other content is a conflict. What is not known yet has to be found out outside the writer (see queue.compare).
func (p *push) replay(op *preparedOp, before origin, winner *record) (res or3cloud.OpResult, err error) {
	if len(before.fingerprint) == 0 {
		before.fingerprint = p.prints[before.version]
	}
	var same bool
	switch {
	case len(before.fingerprint) > 0 && op.fingerprint != nil:
		same = bytes.Equal(before.fingerprint, op.fingerprint)
	case op.seen == before.version:
		same = op.same
	case before.version > p.begun: // it is of the same job, and is compared once that is committed
		p.replays, op.compared = true, false
		return res, ErrStale
	default:
		op.compared = false
		return res, errReplayed
	}
	if !same {
		return syncrule.Reused(op.Stamp.OpID, before.version > p.first).Result(), nil
	}
	res, lost := syncrule.Replay(before.version, &winner.Record)
	if lost {
		res.Winner, err = p.loadWinner(winner.Version)
	}
	return res, err
}
