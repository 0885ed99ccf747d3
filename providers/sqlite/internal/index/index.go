// Package index finds entries of the log: by op id, and by the record that they are the winner of. It is not a source
// of truth. What it holds was derived from the log in the same transaction; recent keys are only in memory, and are
// derived again at the start of the program from the entries that came since.
//
// Recent keys are in a tree. When it has become large it is frozen and written as a run, a sorted list that never
// changes, and runs are merged by four. So a push changes no page but those at the end of the log, and each key is
// written a few times, in order, later. For most keys, a filter in memory knows that a run does not have them. Filters
// and trees are small; the rest is in the file.
package index

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/ncruces/go-sqlite3"

	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// Limits for what is recent, in keys and in their bytes. Beyond the first it is written as a run; at the second, which
// it reaches if that fails again and again, no more is accepted.
const (
	recentKeys, fullKeys   = 16 << 10, 256 << 10
	recentBytes, fullBytes = 4 << 20, 32 << 20
)

// published is how many states are kept for readers whose transactions began before the last commits.
const published = 4

// Options configure an Index.
type Options struct {
	// Derive puts the entries of the log that the index does not know, and returns the workspaces whose entries could
	// not all be read. It is called at the start, and when the index has turned out to be damaged and is rebuilt;
	// nothing is looked up in the meantime.
	Derive func(ctx context.Context, x *Index) (blind map[int64]error, err error)
	// Gone reports whether the log no longer has an entry.
	Gone func(r *engine.Reader, id int64) (bool, error)
	// RecentKeys is the number of keys after which a run is written; 0 means 16,384.
	RecentKeys int
}

// Index is the index of a database. The goroutine of the writer changes it; everyone else reads a View.
type Index struct {
	// Hash stands for op ids.
	Hash Hash

	e    *engine.Engine
	opts Options
	seed seed
	loop *background.Loop
	// For the compaction: id of the next run, and whether merges leave the processor to others.
	next    int64
	resting bool
	// damage is the error of a part of the index that cannot be read.
	damage atomic.Pointer[error]

	// For the writer: the state as its transaction has it, and as it was before the current job.
	current, saved       state
	changed, savedChange bool
	epoch                uint64
	// What is recent is base, which does not change, and what was put since. A job is so rarely undone that the puts
	// before it are then repeated: the tree is copied once per transaction, and not for each job.
	base tree
	puts []pair
	mark int // how many puts there were before the current job
	view View
	// starting says that there are no readers yet for whom a generation would matter.
	starting bool

	mu     sync.Mutex
	states [published]state // by generation
	latest state            // as of the last commit
}

// New reads the index of a database, or rebuilds it if it cannot be read, brings it up to date with the log, and
// follows the transactions of the writer from then on. It is called before the first job.
func New(ctx context.Context, e *engine.Engine, opts Options) (*Index, error) {
	if opts.RecentKeys == 0 {
		opts.RecentKeys = recentKeys
	}
	x := &Index{e: e, opts: opts}
	key, err := e.Q.SigningKey(ctx, "index")
	if err != nil || len(key) < 16 {
		return nil, fmt.Errorf("key of the index: %w", err)
	}
	x.Hash, x.seed = KeyedHash(key), seed(binary.LittleEndian.Uint64(key))
	s, last, err := x.restore(ctx)
	switch {
	case sqlitex.IsDamage(err):
		x.damage.Store(&err)
		s, last = state{}, 0
	case err != nil:
		return nil, err
	}
	x.next = max(1, last>>rowBits+1)
	x.current, x.saved, x.latest = s, s, s
	x.states[uint64(s.generation)%published] = s
	x.epoch, x.starting = 1, true
	x.loop = background.New(background.Task{Name: "runs of the index of the sync database", Log: e.Log, Run: x.compact})
	e.Follow(x)
	if err = x.derive(ctx); err != nil && x.damage.Load() != nil {
		err = x.derive(ctx)
	}
	if err == nil {
		err = dropAside(ctx, e)
	}
	if err == nil {
		err = e.Do(ctx, func(context.Context, *engine.Tx) error { x.starting = false; return nil })
	}
	if err != nil {
		return nil, err
	}
	x.loop.Begin()
	return x, nil
}

// restore reads the state from the file, and the highest id of a row.
func (x *Index) restore(ctx context.Context) (s state, last int64, err error) {
	if s.generation, err = x.e.Q.IndexGeneration(ctx); err != nil {
		return s, 0, fmt.Errorf("generation of the index: %w", orDamage(err))
	}
	rows, err := x.e.Q.IndexRuns(ctx)
	if err != nil {
		return s, 0, fmt.Errorf("runs of the index: %w", err)
	}
	for _, row := range rows {
		r := &run{id: row.ID, age: row.Age, entries: row.Entries, pieces: row.Pieces, chunks: row.Chunks}
		var directory []byte
		for n := range r.chunks {
			id := rowID(r.id, r.pieces+n)
			chunk, err := x.e.Q.IndexPiece(ctx, id)
			if err == nil {
				chunk, err = unseal(id, chunk)
			}
			if err != nil {
				return s, 0, fmt.Errorf("directory of run %d of the index: %w", r.id, orDamage(err))
			}
			directory = append(directory, chunk...)
		}
		if err := r.restore(directory); err != nil {
			return s, 0, fmt.Errorf("directory of run %d of the index: %w", r.id, err)
		}
		s.runs = append(s.runs, r)
	}
	if last, err = x.e.Q.LastIndexRow(ctx); err != nil {
		return s, 0, fmt.Errorf("pieces of the index: %w", err)
	}
	return s, last, nil
}

// orDamage treats a missing row as damage.
func orDamage(err error) error {
	if engine.NoRows(err) {
		return errPiece
	}
	return err
}

// closeTime is how long Close may take to write what is recent, so that the next start need not derive it again.
const closeTime = 5 * time.Second

// Close ends the background work, and writes what is recent if it can.
func (x *Index) Close() {
	x.loop.Close()
	ctx, cancel := context.WithTimeout(context.Background(), closeTime)
	defer cancel()
	if err := x.Flush(ctx); err != nil {
		x.e.Log.Info("the recent part of the index will be derived again at the next start", "why", err)
	}
}

// Settle writes what is too much to be recent, and merges runs, while no compaction runs: it is for Options.Derive.
func (x *Index) Settle(ctx context.Context) error { return x.work(ctx, 0) }

// Flush writes everything recent, while no compaction runs: it is for Options.Derive.
func (x *Index) Flush(ctx context.Context) error {
	for {
		s := x.committed()
		if s.frozen.root != nil {
			if err := x.flush(ctx, s.frozen); err != nil {
				return err
			}
			continue
		}
		if s.recent.root == nil {
			return nil
		}
		if err := x.e.Do(ctx, func(context.Context, *engine.Tx) error { x.freeze(); return nil }); err != nil {
			return err
		}
	}
}

// ErrFull says that what is recent cannot be written.
var ErrFull = errors.New("the index is not written")

// Full reports whether there are so many recent keys that no more may be added. It belongs to the writer.
func (x *Index) Full() bool {
	return x.current.recent.n >= fullKeys || x.current.recent.size >= fullBytes
}

// Put adds the op id and, if it has won, the winner of an entry. It belongs to the writer.
func (x *Index) Put(workspace int64, op Key, version int64, recordKey string, w *Winner) {
	put(x, opKeyAt(workspace, op, version), 0)
	if w != nil {
		put(x, recordKey, w.pack())
	}
}

func put(x *Index, key string, value uint64) {
	x.current.recent.set(x.epoch, key, value)
	x.puts = append(x.puts, pair{key, value})
	x.changed = true
}

// In returns the index as the transaction of a job sees it. It is valid until the job changes something.
func (x *Index) In(t *engine.Tx) *View {
	x.view.index, x.view.state, x.view.piece = x, x.current, t.St.IndexPiece
	return &x.view
}

// Reader is a read transaction with the index as of that transaction.
type Reader struct {
	*engine.Reader
	View
}

// maxBehind is how often a read transaction is restarted because the states in memory have moved on.
const maxBehind = 100

// Read runs f in a read transaction with the index as of that transaction.
func (x *Index) Read(ctx context.Context, f func(*Reader) error) error {
	for range maxBehind {
		behind := false
		err := x.e.View(ctx, func(r *engine.Reader) error {
			var generation int64
			_, err := engine.One(r.St.IndexGeneration, func(s *sqlite3.Stmt) { generation = s.ColumnInt64(0) })
			if err != nil {
				x.notice(err)
				return err
			}
			s := x.at(generation)
			if behind = s.generation != generation; behind {
				return nil
			}
			return f(&Reader{Reader: r, View: View{index: x, state: s, piece: r.St.IndexPiece}})
		})
		if err != nil || !behind {
			return err
		}
	}
	return engine.Unavailable(errBehind)
}

// at returns the state of a generation, or another one if it is no longer kept.
func (x *Index) at(generation int64) state {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.states[uint64(generation)%published]
}

// Save implements engine.Follower.
func (x *Index) Save() {
	x.saved, x.savedChange, x.mark = x.current, x.changed, len(x.puts)
}

// Restore implements engine.Follower.
func (x *Index) Restore() {
	if len(x.puts) > x.mark {
		x.saved.recent = x.base
		x.epoch++
		for _, p := range x.puts[:x.mark] {
			x.saved.recent.set(x.epoch, p.key, p.value)
		}
	}
	x.current, x.changed = x.saved, x.savedChange
	x.rebase()
}

// keptPuts is the capacity for puts that is kept for the next transaction.
const keptPuts = 4096

// rebase makes what is recent the base.
func (x *Index) rebase() {
	x.epoch++
	x.base, x.mark = x.current.recent, 0
	clear(x.puts)
	if x.puts = x.puts[:0]; cap(x.puts) > keptPuts {
		x.puts = nil
	}
}

// Commit implements engine.Follower. The state is there for readers before they can see the transaction.
func (x *Index) Commit(c *engine.Connection) error {
	if !x.changed {
		return nil
	}
	if r := &x.current.recent; x.current.frozen.root == nil && (r.n >= x.opts.RecentKeys || r.size >= recentBytes) {
		x.freeze()
	}
	x.epoch++
	if x.starting {
		return nil
	}
	x.current.generation++
	x.mu.Lock()
	x.states[uint64(x.current.generation)%published] = x.current
	x.mu.Unlock()
	err := engine.Run(c.St.SetIndexGeneration, x.current.generation)
	x.notice(err)
	return err
}

// freeze starts a new tree. It is not part of a job that puts something.
func (x *Index) freeze() {
	x.current.frozen, x.current.recent = x.current.recent, tree{}
	x.changed = true
	x.rebase()
}

// Ended implements engine.Follower.
func (x *Index) Ended(committed bool) {
	x.mu.Lock()
	if committed {
		x.latest = x.current
	}
	if x.starting {
		x.states[uint64(x.latest.generation)%published] = x.latest
	}
	x.mu.Unlock()
	x.current, x.changed = x.latest, false
	x.rebase()
	if x.current.frozen.root != nil {
		x.loop.Wake()
	}
}

// committed returns the state as of the last commit.
func (x *Index) committed() state {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.latest
}

// forget drops the states that readers are no longer likely to start with, and the memory that only they hold.
func (x *Index) forget() {
	x.mu.Lock()
	defer x.mu.Unlock()
	for i := range x.states {
		if x.states[i].generation < x.latest.generation {
			x.states[i] = state{}
		}
	}
}
