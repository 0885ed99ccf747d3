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

var (
	errOwner     = or3cloud.Errorf(or3cloud.CodeInvalid, "A lease needs an owner, whose name may have up to %d bytes", jobs.MaxName)
	errExecution = or3cloud.Errorf(or3cloud.CodeInvalid, "The data to continue a job with must have 1 to %d bytes", jobs.MaxExecution)
)

// checkOwner refuses names that cannot own a lease.
func checkOwner(owner string) error {
	if owner == "" || len(owner) > jobs.MaxName {
		return errOwner
	}
	return nil
}

// ClaimJob implements jobs.Queue.
func (j *Jobs) ClaimJob(ctx context.Context, id, owner string, lease time.Duration) (out *jobs.Claimed, err error) {
	if err := checkOwner(owner); err != nil {
		return nil, err
	}
	err = j.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		out, err = claim(ctx, t, id, owner, lease)
		return err
	})
	if err != nil || out == nil {
		return nil, err
	}
	return out, nil
}

// claim gives a job to a worker, unless it is over, not admitted yet, or held by another.
func claim(ctx context.Context, t *engine.Tx, id, owner string, lease time.Duration) (*jobs.Claimed, error) {
	r, err := find(ctx, t.Q, id)
	if err != nil {
		return nil, err
	}
	resumed := r.Resumed == 1
	switch {
	case !r.open() || !r.admitted() || r.CallID != "",
		r.leased(t.At) && r.LeaseOwner != owner,
		!r.leased(t.At) && r.Attempts >= jobs.MostAttempts && !resumed:
		return nil, nil
	}
	if !r.leased(t.At) && !resumed {
		if r.Attempts > 0 {
			if err := restart(ctx, t, r.Num); err != nil {
				return nil, err
			}
		}
		r.Attempts++
	}
	r.LeaseOwner, r.LeaseUntil = owner, t.At+span(lease, jobs.DefaultLease, jobs.LongestLease)
	if err := keepLease(ctx, t, r); err != nil {
		return nil, err
	}
	if r, err = find(ctx, t.Q, id); err != nil {
		return nil, err
	}
	out, err := claimed(ctx, t, r)
	if out != nil {
		out.Resumed = resumed
	}
	return out, err
}

// claimed returns what the holder of a job is told.
func claimed(ctx context.Context, t *engine.Tx, r row) (out *jobs.Claimed, err error) {
	out = &jobs.Claimed{}
	if out.Job, err = whole(ctx, t.Q, r); err != nil {
		return nil, err
	}
	if out.Context, err = part(ctx, t.Q, r.Num, partContext); err != nil {
		return nil, err
	}
	out.Execution, err = part(ctx, t.Q, r.Num, partExecution)
	return out, err
}

// restart empties the texts of a job.
func restart(ctx context.Context, t *engine.Tx, num int64) error {
	for _, part := range []int64{content, reasoning} {
		if err := t.Q.DropJobText(ctx, db.DropJobTextParams{Job: num, Part: part}); err != nil {
			return err
		}
	}
	return t.Q.RestartJob(ctx, num)
}

func keepLease(ctx context.Context, t *engine.Tx, r row) error {
	return t.Q.LeaseJob(ctx, db.LeaseJobParams{Owner: r.LeaseOwner, Until: r.LeaseUntil, Attempts: r.Attempts, DueAt: r.due(t.At), Num: r.Num})
}

// ClaimNextJob implements jobs.Queue. Workers look often, and usually find nothing, so they look outside the writer.
func (j *Jobs) ClaimNextJob(ctx context.Context, owner string, lease time.Duration) (*jobs.Claimed, error) {
	if err := checkOwner(owner); err != nil {
		return nil, err
	}
	for {
		id, err := j.e.Q.NextJob(ctx, db.NextJobParams{Now: j.e.Now().UnixMilli(), Most: jobs.MostAttempts})
		if engine.NoRows(err) {
			return nil, nil
		}
		if err != nil {
			return nil, sqlitex.Translate(err)
		}
		job, err := j.ClaimJob(ctx, id, owner, lease)
		if job != nil || err != nil && or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
			return job, err
		} // otherwise another worker was faster
	}
}

// RenewJobLease implements jobs.Queue.
func (j *Jobs) RenewJobLease(ctx context.Context, id, owner string, lease time.Duration) (bool, error) {
	return asOwner(ctx, j.e, id, owner, func(ctx context.Context, t *engine.Tx, r row) error {
		r.LeaseUntil = t.At + span(lease, jobs.DefaultLease, jobs.LongestLease)
		return keepLease(ctx, t, r)
	})
}

// UpdateJobExecution implements jobs.Queue.
func (j *Jobs) UpdateJobExecution(ctx context.Context, id, owner string, execution []byte) (bool, error) {
	if len(execution) == 0 || len(execution) > jobs.MaxExecution {
		return false, errExecution
	}
	return asOwner(ctx, j.e, id, owner, func(ctx context.Context, t *engine.Tx, r row) error {
		r.Resumable = 1
		if err := t.Q.MakeResumable(ctx, db.MakeResumableParams{DueAt: r.due(t.At), Num: r.Num}); err != nil {
			return err
		}
		return t.Q.KeepJobPart(ctx, db.KeepJobPartParams{Job: r.Num, Part: partExecution, Value: execution})
	})
}

// asOwner lets the owner of a lease change a job, and reports whether it is one.
func asOwner(
	ctx context.Context, e *engine.Engine, id, owner string, f func(context.Context, *engine.Tx, row) error,
) (held bool, err error) {
	if err := checkOwner(owner); err != nil {
		return false, err
	}
	err = e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		r, err := find(ctx, t.Q, id)
		if err != nil || !r.held(owner, t.At) {
			return err
		}
		held = true
		return f(ctx, t, r)
	})
	return held && err == nil, err
}
