package engine

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"
	"github.com/ncruces/go-sqlite3/driver"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/breaker"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/metric"
	"or3.chat/cloud/providers/sqlite/internal/db"
)

// The limits of one group: how many jobs, and for how long, may share a transaction. They limit how long the first job
// of a group waits for the last.
const (
	groupJobs = 256
	groupTime = 40 * time.Millisecond
)

// slowJob is how long one job may take before it is logged. What a job does is limited, so the cause is either the disk
// or a missing limit.
const slowJob = 500 * time.Millisecond

// writer owns the only connection that writes. Jobs that arrive while a commit is under way are applied together in the
// next transaction, each but the first behind its own savepoint, and are answered only after the commit that holds
// them: many devices cost one fsync, and a lone one waits for no other.
type writer struct {
	Connection
	log *slog.Logger
	now func() time.Time

	mark         *sqlitex.Mark
	high         int64 // the highest version that has been issued
	inherited    int64 // the highest number of a workspace that is older than this run
	checkpointer *checkpointer
	follower     Follower
	walPages     int // the length of the write-ahead log after the last commit
	room         room
	// groups has the number of jobs of each commit, and commits how long each took.
	groups, commits *metric.Histogram

	jobs    chan *job
	done    chan struct{}
	breaker *breaker.Breaker // open once nothing may be acknowledged any more

	mu     sync.RWMutex // guards closing jobs against senders
	closed bool
}

// job is one unit of work that succeeds or fails as a whole.
type job struct {
	ctx context.Context
	// run is the work; or statement is a text to execute outside any transaction.
	run       func(context.Context, *Tx) error
	statement string
	err       error
	after     []func()
	done      chan struct{}
}

// Connection is the connection that writes, with its statements.
type Connection struct {
	// Q runs the statements that sqlc has checked, St the hot ones.
	Q  *db.Queries
	St WriteStatements
	// C and Conn are the connection itself, in the driver's own API and in that of database/sql.
	C    *sqlite3.Conn
	Conn *sql.Conn
}

// Tx is the transaction of one job. All its rows carry the same time.
type Tx struct {
	*Connection
	// At is the time of the transaction in Unix milliseconds.
	At int64

	job  *job
	high *int64
}

// AfterCommit registers a function that runs after the commit and before the answer: updates of what is kept in memory.
func (t *Tx) AfterCommit(f func()) { t.job.after = append(t.job.after, f) }

// GaveOut notes that a server version was issued, so that the mark of the database says how far versions have come.
func (t *Tx) GaveOut(version int64) { *t.high = max(*t.high, version) }

func newWriter(ctx context.Context, d *sqlitex.DB, now func() time.Time, log *slog.Logger, fatal func(error)) (*writer, error) {
	w := &writer{log: log, now: now, mark: d.Mark, follower: alone{}, jobs: make(chan *job, groupJobs), done: make(chan struct{})}
	w.groups, w.commits = measures()
	w.breaker = breaker.New(breaker.Options{
		Store: "the sync database", Log: log, Refuse: Unavailable, Fatal: fatal, Silence: d.Mark.Silence,
	})
	var err error
	if w.Conn, err = d.Write.Conn(ctx); err != nil {
		return nil, fmt.Errorf("open the write connection: %w", err)
	}
	err = w.Conn.Raw(func(dc any) error {
		w.C = dc.(driver.Conn).Raw()
		// The hook replaces SQLite's own checkpoint in the middle of a commit.
		w.C.WALHook(func(_ *sqlite3.Conn, _ string, pages int) error {
			w.walPages = pages
			w.room.committed(pages)
			return nil
		})
		return errors.Join(w.room.prepare(w.C), w.St.prepare(w.C))
	})
	if err == nil {
		w.checkpointer, err = startCheckpointer(d, w.copyPages, log)
	}
	if err == nil {
		w.Q = db.New(w.Conn)
		var start db.HighestNumbersRow
		start, err = w.Q.HighestNumbers(ctx)
		w.high, w.inherited = start.Version, start.Workspace
	}
	if err != nil {
		if w.checkpointer != nil {
			err = errors.Join(err, w.checkpointer.close())
		}
		w.St.close()
		return nil, errors.Join(fmt.Errorf("prepare statements: %w", err), w.Conn.Close())
	}
	go w.loop()
	return w, nil
}

// do runs f in a transaction and returns after its commit. An error of f undoes what f did and nothing else. When ctx
// ends before f has begun, f does not run; once begun it is waited for, because its commit may already be under way.
// The context that f gets is never cancelled: interrupting a statement would roll back the whole group.
func (w *writer) do(ctx context.Context, f func(context.Context, *Tx) error) error {
	return w.submit(&job{ctx: ctx, run: f, done: make(chan struct{})})
}

// submit hands a job to the writer and waits for its end.
func (w *writer) submit(j *job) error {
	w.mu.RLock()
	if w.closed {
		w.mu.RUnlock()
		return Unavailable(ErrClosed)
	}
	w.jobs <- j
	w.mu.RUnlock()
	<-j.done
	return sqlitex.Translate(j.err)
}

// outside runs a statement between two groups, for what cannot run in a transaction.
func (w *writer) outside(ctx context.Context, text string) error {
	j := &job{ctx: ctx, statement: text, done: make(chan struct{})}
	return w.submit(j)
}

// retryAfter is how long clients are told to wait when the store cannot answer.
const retryAfter = 2 * time.Second

// ErrClosed says that the database has been closed.
var ErrClosed = errors.New("store is closed")

// Unavailable is the answer to a write that cannot be acknowledged now.
func Unavailable(cause error) *or3cloud.Error {
	return or3cloud.Unavailable(cause, "Storage temporarily unavailable", retryAfter)
}

// close lets the jobs that were accepted finish, and releases the connection.
func (w *writer) close() error {
	w.mu.Lock()
	if w.closed {
		w.mu.Unlock()
		return nil
	}
	w.closed = true
	close(w.jobs)
	w.mu.Unlock()
	<-w.done
	w.St.close()
	errs := []error{w.checkpointer.close()}
	if w.breaker.Err() != nil {
		// The log has everything and the file may not; only a new process may copy one into the other.
		_, err := w.C.Config(sqlite3.DBCONFIG_NO_CKPT_ON_CLOSE, true)
		errs = append(errs, err)
	}
	return errors.Join(append(errs, w.Conn.Close())...)
}

func (w *writer) loop() {
	defer close(w.done)
	for j := range w.jobs {
		for j != nil {
			j = w.group(j)
		}
	}
}

// group commits the first job together with those that wait behind it. The first one needs no savepoint, whose copies
// of pages a lone device would wait for: when it fails, the transaction has nothing else. It returns the next job if
// that one must run outside.
func (w *writer) group(first *job) (next *job) {
	if first.statement != "" {
		if first.err = w.breaker.Err(); first.err == nil {
			first.err = w.C.Exec(first.statement)
			if sqlitex.IsFatal(first.err) {
				w.breaker.Trip(first.statement, first.err)
			}
		}
		close(first.done)
		return nil
	}
	group := []*job{first}
	err := w.breaker.Err()
	if err == nil {
		err = execute(w.St.begin)
	}
	if err == nil {
		start := w.now()
		step := w.takeStep(start)
		if w.run(first, start); first.err != nil {
			if err := w.undo(); err != nil {
				first.err = errors.Join(first.err, err)
			}
			w.follower.Ended(false)
			close(first.done)
			return nil
		}
	collect:
		for len(group) < groupJobs && w.now().Sub(start) < groupTime && !w.C.GetAutocommit() {
			select {
			case j, ok := <-w.jobs:
				if !ok {
					break collect
				}
				if j.statement != "" {
					next = j
					break collect
				}
				group = append(group, j)
				w.apply(j, start)
			default:
				break collect
			}
		}
		began := time.Now()
		if err = w.commit(); err == nil {
			w.commits.Took(began)
			w.groups.Observe(int64(len(group)))
			w.mark.Committed(step)
		}
		w.follower.Ended(err == nil)
	}
	for _, j := range group {
		if err != nil {
			j.err = err
		}
		if j.err == nil {
			for _, f := range j.after {
				f()
			}
		}
		close(j.done)
	}
	w.checkpoint()
	return next
}

// checkpoint keeps the write-ahead log from growing without end. It runs after all jobs were answered.
func (w *writer) checkpoint() {
	if w.checkpointer.committed(w.walPages) {
		w.checkpointer.copy(w.C)
	}
}

// commit ends the transaction. If SQLite has already rolled it back, as it does when the disk is full, or cannot
// commit, no job of the group may be acknowledged.
func (w *writer) commit() error {
	if w.C.GetAutocommit() {
		return Unavailable(errors.New("transaction was rolled back"))
	}
	err := w.follower.Commit(&w.Connection)
	if err == nil {
		w.room.make(w.C)
		err = execute(w.St.commit)
	}
	if err == nil {
		return nil
	}
	if !w.C.GetAutocommit() {
		err = errors.Join(err, execute(w.St.rollback))
	}
	if sqlitex.IsFatal(err) {
		w.breaker.Trip("commit", err)
	}
	return err
}

// undo rolls a transaction back.
func (w *writer) undo() error {
	if w.C.GetAutocommit() {
		return nil
	}
	return execute(w.St.rollback)
}

// apply runs one job behind a savepoint. It never lets a job's failure or panic reach its neighbours.
func (w *writer) apply(j *job, start time.Time) {
	if j.err = execute(w.St.savepoint); j.err != nil {
		return
	}
	w.follower.Save()
	w.run(j, start)
	if j.err != nil && !w.C.GetAutocommit() {
		if err := execute(w.St.rollbackTo); err != nil {
			j.err = errors.Join(j.err, err)
		}
		w.follower.Restore()
	}
	if !w.C.GetAutocommit() {
		if err := execute(w.St.release); err != nil {
			j.err = errors.Join(j.err, err)
		}
	}
}

// run runs one job, unless no one waits for it any more.
func (w *writer) run(j *job, start time.Time) {
	if j.err = j.ctx.Err(); j.err != nil {
		return
	}
	began := time.Now() // the job's own time, which w.now may not be
	j.err = func() (err error) {
		defer func() {
			if p := recover(); p != nil {
				err = fmt.Errorf("panic in a write: %v", p)
			}
		}()
		return j.run(context.WithoutCancel(j.ctx), &Tx{Connection: &w.Connection, At: start.UnixMilli(), job: j, high: &w.high})
	}()
	if took := time.Since(began); took > slowJob {
		w.log.Warn("a write has held up all others", "took", took)
	}
}

// takeStep adds a step of the mark to the transaction if one is due, and returns what must be reported after the
// commit.
func (w *writer) takeStep(now time.Time) *or3cloud.StoreStamp {
	if !w.mark.Due(now) {
		return nil
	}
	stamp := w.mark.Next(now, w.high)
	if err := Run(w.St.Step, stamp.Step, stamp.High, stamp.At); err != nil {
		return nil // the jobs and the commit will meet the same error
	}
	return &stamp
}
