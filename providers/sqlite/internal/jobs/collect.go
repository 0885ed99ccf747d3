package jobs

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

const (
	// pause is how long an abandoned job stays open after its time.
	pause = 15 * time.Second
	// step is how many jobs one job of the writer handles.
	step = 20
	// rememberedFor is how long a cancellation waits for its admission.
	rememberedFor = 24 * time.Hour
)

// The texts of jobs that end without a worker.
const (
	interrupted = "The job was interrupted"
	timedOut    = "The job has timed out"
)

// CollectJobs implements jobs.Store.
func (j *Jobs) CollectJobs(ctx context.Context) (n int, err error) {
	if err := j.settle(ctx); err != nil {
		return 0, err
	}
	for {
		now := j.e.Now()
		ids, err := j.e.Q.DueJobs(ctx, db.DueJobsParams{Now: now.UnixMilli(), Max: step})
		if err != nil {
			return n, sqlitex.Translate(err)
		}
		if len(ids) == 0 {
			return n, j.forgetCancellations(ctx, now.Add(-rememberedFor).UnixMilli())
		}
		dealt := 0
		err = j.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
			dealt = 0
			for _, id := range ids {
				if err := collect(ctx, t, id); err != nil {
					return err
				}
				dealt++
			}
			return nil
		})
		if n += dealt; err != nil {
			return n, err
		}
	}
}

// settle replaces times of open jobs that a clock that was ahead has written by the latest that are possible: no one
// should wait for that day.
func (j *Jobs) settle(ctx context.Context) error {
	latest := j.e.Now().Add(jobs.LongestLease + sqlitex.ClockTolerance).UnixMilli()
	ahead, err := j.e.Q.OpenJobsOfTheFuture(ctx, latest)
	if err != nil || !ahead {
		return sqlitex.Translate(err)
	}
	return j.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error { return t.Q.SettleOpenJobs(ctx, latest) })
}

// collect handles a job that was due a moment ago.
func collect(ctx context.Context, t *engine.Tx, id string) error {
	r, err := find(ctx, t.Q, id)
	if or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	due, err := t.Q.JobIsDue(ctx, db.JobIsDueParams{Now: t.At, Num: r.Num})
	switch {
	case err != nil || !due:
		return err
	case !r.open():
		return t.Q.DropJob(ctx, r.Num)
	case r.CallID != "":
		return end(ctx, t, r, ending{status: jobs.Failed, reason: unanswered, cause: unanswered})
	case r.LeaseUntil > 0:
		return end(ctx, t, r, ending{status: jobs.Failed, reason: interrupted, cause: interrupted})
	default:
		return end(ctx, t, r, ending{status: jobs.Failed, reason: timedOut, cause: timedOut})
	}
}

// forgetCancellations removes old cancellations; usually there are none.
func (j *Jobs) forgetCancellations(ctx context.Context, before int64) error {
	old, err := j.e.Q.OldCancellations(ctx, before)
	if err != nil || !old {
		return sqlitex.Translate(err)
	}
	return j.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error { return t.Q.DropOldCancellations(ctx, before) })
}
