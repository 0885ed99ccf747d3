// Package collection collects entries of the log (requirement 3.3): those that were replaced or have lost, and
// deletions and pinned entries that every device has seen. It decides which; package compact frees the bytes.
package collection

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"
	"golang.org/x/sync/errgroup"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/compact"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/providers/sqlite/internal/members"
	"or3.chat/cloud/syncrule"
)

// Options configure a Collector.
type Options struct {
	// Retention is the shortest time for which deletions and replaced entries are kept.
	Retention time.Duration
	// DeviceStale is how long a device may be silent before it no longer holds collection back.
	DeviceStale time.Duration
}

// Collector collects entries of the log. It implements or3cloud.SyncCollector.
type Collector struct {
	e    *engine.Engine
	ws   *members.Workspaces
	log  *changelog.Log
	opts Options
	// compact frees what is marked. Code that marks entries by their places holds it.
	compact *compact.Compactor
	stands  atomic.Int64 // when the entry at which the last collection stopped was accepted, in Unix milliseconds
}

// New returns the Collector of a log.
func New(e *engine.Engine, ws *members.Workspaces, log *changelog.Log, opts Options) *Collector {
	return &Collector{e: e, ws: ws, log: log, opts: opts, compact: compact.New(e)}
}

// The collector marks entries in steps of one transaction each: a step holds the writer for a few milliseconds, and
// pushes pass between the steps. As many steps as a page has are offered to the writer at once, so that the collector
// keeps up with devices that write without pause. From then on an entry no longer exists for any reader. Its bytes are
// freed when a good part of its block was collected (package compact).
const (
	collectStep = 256
	collectPage = 32 * collectStep
	// passedPage is how many entries the collector passes at most without saving how far it has come.
	passedPage = 64 * collectStep
)

// tombstoneDevices is how much longer a silent device protects winning deletes than superseded entries: a device that
// missed a dropped delete keeps the record as a zombie, and a base client cannot be told to start over (contract, sync
// §7).
const tombstoneDevices = 4

// floor returns the version that all devices heard from within a duration have seen, of whatever user; -1 when there is
// no such device. No device holds back what is older than silent: a device that was heard from within the duration had
// it before, unless it keeps reporting an old version, as no client does.
func (c *Collector) floor(ctx context.Context, num int64, within time.Duration) (version, silent int64, err error) {
	since := c.e.Now().Add(-within)
	version, err = c.e.Q.CursorFloor(ctx, db.CursorFloorParams{Workspace: num, Since: since.UnixMilli()})
	return version, since.Add(-c.opts.Retention).UnixMilli(), sqlitex.Translate(err)
}

// cutoff is the time before which entries are old enough: a caller can only lengthen the configured retention.
func (c *Collector) cutoff(wish time.Duration) int64 {
	return c.e.Now().Add(-max(wish, c.opts.Retention)).UnixMilli()
}

// oldEnough is what the collector requires of the entry that replaced another one, and of deletions.
type oldEnough struct{ floor, silent, before int64 }

func (o oldEnough) is(version, at int64) bool {
	return at < o.before && (version <= o.floor || at < o.silent)
}

// GCChangeLog implements or3cloud.SyncCollector. An entry is replaced by a later one, which names it, or has lost
// itself: so the log is the list of what can be collected, in the order in which it may be. The collector goes through
// it as long as all entries are old enough and have been seen. It never sees winners, whatever their age.
func (c *Collector) GCChangeLog(ctx context.Context, in or3cloud.SyncGCRequest) error {
	num, err := c.ws.Number(ctx, in.Scope.WorkspaceID)
	if err != nil {
		return err
	}
	floor, silent, err := c.floor(ctx, num, c.opts.DeviceStale)
	if err != nil {
		return err
	}
	old := oldEnough{floor, silent, c.cutoff(in.Retention)}
	for more := true; more; {
		if more, err = c.collectReplaced(ctx, num, old); err != nil {
			return err
		}
	}
	if err := c.compact.Sweep(ctx, num); err != nil {
		return err
	}
	return c.compact.Join(ctx, num)
}

// collectReplaced goes through the next part of the log. more is false at its end, and before an entry that is not old
// enough.
func (c *Collector) collectReplaced(ctx context.Context, num int64, old oldEnough) (more bool, err error) {
	progress, release, err := c.compact.Begin(ctx, num)
	if err != nil {
		return false, err
	}
	defer release()
	if progress.Collected >= progress.Version {
		return false, nil
	}
	p := passed{upto: progress.Collected}
	err = c.e.View(ctx, func(r *engine.Reader) error { return p.read(entries.Of(r), num, progress.Version, old) })
	if p.stands > 0 {
		c.stands.Store(max(c.stands.Load(), p.stands))
	}
	if err != nil || p.upto == progress.Collected {
		return false, err
	}
	together, also := errgroup.WithContext(ctx)
	for some := range slices.Chunk(p.replaced, collectStep) {
		together.Go(func() error {
			return c.e.Do(also, func(ctx context.Context, t *engine.Tx) error { return collect(ctx, t, num, some) })
		})
	}
	if err := together.Wait(); err != nil {
		return false, err
	}
	// If the program ends before this, the next pass finds what was collected.
	return p.more, c.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		for _, pin := range p.pinned {
			if err := t.Q.AddPinned(ctx, pin); err != nil {
				return err
			}
		}
		return t.Q.SetCollected(ctx, db.SetCollectedParams{Version: p.upto, Workspace: num})
	})
}

// passed is a part of the log that the collector goes through.
type passed struct {
	upto     int64 // the last version in it
	replaced []collectable
	pinned   []db.AddPinnedParams
	more     bool  // whether what follows may be old enough
	stands   int64 // when the first entry that is not old enough was accepted
}

func (p *passed) read(r *entries.Reader, num, upto int64, old oldEnough) error {
	blocks := r.After(num, p.upto, upto)
	n := 0
	for len(p.replaced)+len(p.pinned) < collectPage && n < passedPage {
		if !blocks.Next() {
			p.upto, p.more = upto, false
			return blocks.Close()
		}
		for i := range blocks.Len() {
			e, err := blocks.Entry(i)
			if err != nil {
				return errors.Join(err, blocks.Close())
			}
			if e.Version <= p.upto || e.Version > upto {
				continue
			}
			if !old.is(e.Version, e.At) {
				p.stands, p.more = e.At, false
				return blocks.Close()
			}
			if err := p.pass(r, num, &e); err != nil {
				return errors.Join(err, blocks.Close())
			}
			n, p.upto = n+1, e.Version
		}
	}
	p.more = true
	return blocks.Close()
}

// pass notes what an entry has replaced.
func (p *passed) pass(r *entries.Reader, num int64, e *block.Entry) error {
	version := e.Prev
	if e.Lost {
		version = e.Version
	}
	if version == 0 {
		return nil
	}
	c, found, err := collectableOf(r, num, version)
	switch {
	case err != nil || !found:
		return err
	case c.Marks.Pinned()&(1<<c.Number) != 0:
		p.pinned = append(p.pinned, db.AddPinnedParams{ID: layout.EntryID(num, version), ReplacedBy: e.Version, At: e.At})
	default:
		p.replaced = append(p.replaced, c)
	}
	return nil
}

// collectable is an entry that can be collected. Of its slices only key may be used.
type collectable struct {
	entries.Entry
	key []byte // of its record, if something is deleted by it
}

// collectableOf returns an entry that can be collected. found is false if there is none, or no longer.
func collectableOf(r *entries.Reader, num, version int64) (c collectable, found bool, err error) {
	if c.Entry, found, err = r.Head(num, version); err != nil || !found {
		return c, false, err
	}
	if c.Waypoint || layout.TableName(c.Table) == or3cloud.TableKV && c.Operation == or3cloud.OpDelete {
		e, _, err := r.Entry(num, version)
		if err != nil {
			return c, false, err
		}
		pk, err := e.PK()
		if err != nil {
			return c, false, err
		}
		c.key = layout.RecordKey(pk, e.Owner)
	}
	return c, true, nil
}

// collect marks entries as collected. The index no longer finds them, and drops them when runs are merged.
func collect(ctx context.Context, t *engine.Tx, num int64, list []collectable) error {
	size := int64(0)
	for i := range list {
		c := &list[i]
		size += changelog.EntrySize(c.Size)
		var m block.Marks
		m.Collect(c.Number)
		if err := entries.Mark(t, c.Block, m); err != nil {
			return err
		}
		if c.Waypoint {
			if err := engine.Run(t.St.DeleteWaypoint, num, c.Table, c.key, c.Version); err != nil {
				return err
			}
		}
	}
	return errors.Join(
		t.Q.AddEntriesGone(ctx, int64(len(list))),
		t.Q.GiveBack(ctx, db.GiveBackParams{Bytes: size, Workspace: num}))
}

// GCTombstones implements or3cloud.SyncCollector.
func (c *Collector) GCTombstones(ctx context.Context, in or3cloud.SyncGCRequest) error {
	num, err := c.ws.Number(ctx, in.Scope.WorkspaceID)
	if err != nil {
		return err
	}
	floor, silent, err := c.floor(ctx, num, tombstoneDevices*c.opts.DeviceStale)
	if err != nil || floor < 0 { // without a device it is not known that a delete has been seen
		return err
	}
	if err := c.rememberDeletes(ctx, num); err != nil {
		return err
	}
	old := oldEnough{floor, silent, c.cutoff(in.Retention)}
	if err := c.collectDeletes(ctx, num, old); err != nil {
		return err
	}
	if err := c.collectPins(ctx, num, old); err != nil {
		return err
	}
	return c.compact.Sweep(ctx, num)
}

// rememberDeletes makes chats that are read on the server process deletions before they are dropped.
func (c *Collector) rememberDeletes(ctx context.Context, num int64) error {
	read := false
	err := c.e.View(ctx, func(r *engine.Reader) (err error) {
		read, err = engine.One(r.St.ChatHead, func(*sqlite3.Stmt) {}, num)
		return err
	})
	if err != nil || !read {
		return err
	}
	return c.log.CatchUpChats(ctx, num)
}

// collectPins collects pinned entries under the rule of deletions: a device that misses one may be stuck (see
// kvnames.go).
func (c *Collector) collectPins(ctx context.Context, num int64, old oldEnough) error {
	step := db.CollectablePinsParams{
		After: layout.EntryID(num, 0), Upto: layout.EntryID(num, layout.MaxVersion), Floor: old.floor, Silent: old.silent, Before: old.before, Max: collectStep,
	}
	for {
		ids, err := c.e.Q.CollectablePins(ctx, step)
		if err != nil || len(ids) == 0 {
			return sqlitex.Translate(err)
		}
		may := func(*entries.Entry) bool { return true }
		err = c.collectListed(ctx, num, ids, may, func(ctx context.Context, t *engine.Tx, c *collectable) (n int64, err error) {
			return t.Q.DropPinned(ctx, layout.EntryID(num, c.Version))
		})
		if err != nil {
			return err
		}
		step.After = ids[len(ids)-1]
	}
}

func (c *Collector) collectDeletes(ctx context.Context, num int64, old oldEnough) error {
	old.floor-- // the last entry that a device has seen stays, if it is a deletion
	may := func(e *entries.Entry) bool {
		return old.is(e.Version, e.At) && (layout.TableName(e.Table) != or3cloud.TableKV || e.Clock <= syncrule.MaxClock-syncrule.ClockStep)
	}
	step := db.TombstonesAfterParams{After: layout.EntryID(num, 0), Upto: layout.EntryID(num, layout.MaxVersion), Max: collectStep}
	for {
		ids, err := c.e.Q.TombstonesAfter(ctx, step)
		if err != nil || len(ids) == 0 {
			return sqlitex.Translate(err)
		}
		err = c.collectListed(ctx, num, ids, may, func(ctx context.Context, t *engine.Tx, c *collectable) (n int64, err error) {
			n, err = t.Q.DropTombstone(ctx, layout.EntryID(num, c.Version))
			if err == nil && n > 0 && layout.TableName(c.Table) == or3cloud.TableKV {
				err = t.Q.Unpin(ctx, db.UnpinParams{Workspace: num, Pk: c.key})
			}
			return n, err
		})
		if err != nil {
			return err
		}
		step.After = ids[len(ids)-1]
	}
}

// collectListed collects those of some entries that may be collected, and raises the horizon over them. drop takes one
// off its list; it has no effect on a deletion whose record has got another winner in the meantime.
func (c *Collector) collectListed(ctx context.Context, num int64, ids []int64, may func(*entries.Entry) bool,
	drop func(context.Context, *engine.Tx, *collectable) (int64, error),
) error {
	release, err := c.compact.Hold(ctx)
	if err != nil {
		return err
	}
	defer release()
	var list []collectable
	err = c.e.View(ctx, func(r *engine.Reader) error {
		from := entries.Of(r)
		for _, id := range ids {
			c, found, err := collectableOf(from, num, layout.VersionOf(id))
			if err != nil {
				return err
			}
			if found && may(&c.Entry) {
				list = append(list, c)
			}
		}
		return nil
	})
	if err != nil || len(list) == 0 {
		return err
	}
	if err := c.log.WriteIndex(ctx, num, list[len(list)-1].Version); err != nil {
		return err
	}
	return c.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		kept, horizon := make([]collectable, 0, len(list)), int64(0)
		for i := range list {
			n, err := drop(ctx, t, &list[i])
			if err != nil {
				return err
			}
			if n > 0 {
				kept, horizon = append(kept, list[i]), max(horizon, list[i].Version)
			}
		}
		t.AfterCommit(func() { c.log.Collected(num, horizon) })
		return errors.Join(collect(ctx, t, num, kept), t.Q.RaiseHorizon(ctx, db.RaiseHorizonParams{Horizon: horizon, Workspace: num}))
	})
}
