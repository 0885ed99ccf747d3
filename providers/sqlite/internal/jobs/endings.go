package jobs

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/providers/sqlite/internal/adminevents"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/webhooks"
)

// The states of notice.
const (
	toTellAtTheEnd = 1
	toTell         = 2
)

// ending is how a job ends.
type ending struct {
	owner         string
	status        jobs.Status
	reason, cause string
	seen          bool
	texts         map[int64]text // in place of what has arrived
	parts         map[int64][]byte
	history       bool // it goes into the history
	at            time.Time
}

// finish ends an open job, and reports whether it was open.
func (j *Jobs) finish(ctx context.Context, id string, as ending) (done bool, err error) {
	if !as.status.Valid() || as.status == jobs.Streaming {
		return false, errOutcome
	}
	if as.status != jobs.Failed {
		as.reason, as.cause = "", ""
	}
	as.reason, as.cause = cut(as.reason, jobs.MaxError), cut(as.cause, jobs.MaxError)
	err = j.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		r, err := find(ctx, t.Q, id)
		if err != nil || !r.open() {
			return err
		}
		if err := r.fence(as.owner, t.At); err != nil {
			return err
		}
		for part, text := range as.texts {
			if err := text.replace(ctx, t.Q, r.Num, part); err != nil {
				return err
			}
		}
		if err := keepParts(ctx, t.Q, r.Num, as.parts); err != nil {
			return err
		}
		done = true
		if err := end(ctx, t, r, as); err != nil || !as.history {
			return err
		}
		at := t.At
		if !as.at.IsZero() {
			at = as.at.UnixMilli()
		}
		return t.Q.AwaitFinalization(ctx, db.AwaitFinalizationParams{CompletedAt: at, Num: r.Num})
	})
	return done && err == nil, err
}

// end ends an open job, and records who must hear of it. What was only needed to continue it, including a key of the
// user, is deleted.
func end(ctx context.Context, t *engine.Tx, r row, as ending) error {
	in := db.EndJobParams{Status: string(as.status), Error: as.reason, Cause: as.cause, Now: t.At, DueAt: t.At + r.Retention, Num: r.Num}
	if r.Notice == toTellAtTheEnd && !as.seen && as.status != jobs.Aborted {
		in.Notice = toTell
	}
	if err := t.Q.EndJob(ctx, in); err != nil {
		return err
	}
	if err := t.Q.DropJobPart(ctx, db.DropJobPartParams{Job: r.Num, Part: partExecution}); err != nil {
		return err
	}
	if err := announce(ctx, t, r, as); err != nil {
		return err
	}
	surplus, err := t.Q.SurplusJobs(ctx, db.SurplusJobsParams{UserID: r.UserID, Keep: jobs.Kept})
	if err != nil {
		return err
	}
	for _, num := range surplus {
		if err := t.Q.DropJob(ctx, num); err != nil {
			return err
		}
	}
	return nil
}

// announce records the event for webhooks at the end of a job. A job that was aborted has neither completed nor failed.
func announce(ctx context.Context, t *engine.Tx, r row, as ending) error {
	name, status := adminevent.JobCompleted, "completed"
	switch as.status {
	case jobs.Aborted:
		return nil
	case jobs.Failed:
		name, status = adminevent.JobFailed, "failed"
	default:
		if r.Kind == string(jobs.Chat) {
			err := webhooks.AddCompletion(ctx, t, or3cloud.CompletedMessage{
				WorkspaceID: r.WorkspaceID, ThreadID: r.ThreadID, MessageID: r.MessageID, ModelID: r.Model, JobID: r.ID,
			})
			if err != nil {
				return err
			}
		}
	}
	_, err := adminevents.Add(ctx, t, name, r.WorkspaceID, adminevent.Job{
		ID: r.ID, Status: status, Kind: r.Kind, WorkspaceID: adminevent.Optional(r.WorkspaceID), CreatedBy: r.UserID,
		ThreadID: adminevent.Optional(r.ThreadID), MessageID: adminevent.Optional(r.MessageID), ModelID: adminevent.Optional(r.Model),
		Attempts: int(r.Attempts), StartedAt: r.StartedAt / 1000, CompletedAt: t.At / 1000, Error: adminevent.Optional(as.cause),
	})
	return err
}

// JobsToTell implements jobs.Notices.
func (j *Jobs) JobsToTell(ctx context.Context, limit int) ([]jobs.Job, error) {
	ids, err := j.e.Q.JobsToTell(ctx, int64(limit))
	return j.those(ctx, ids, err)
}

// JobIsTold implements jobs.Notices.
func (j *Jobs) JobIsTold(ctx context.Context, id string) error {
	return j.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error { return t.Q.JobIsTold(ctx, id) })
}

// those returns jobs with the given ids, without their large parts. Jobs that have been removed are left out.
func (j *Jobs) those(ctx context.Context, ids []string, err error) (out []jobs.Job, _ error) {
	for _, id := range ids {
		switch r, err := find(ctx, j.e.Q, id); {
		case err == nil:
			out = append(out, r.job())
		case or3cloud.CodeOf(err) != or3cloud.CodeNotFound:
			return nil, err
		}
	}
	return out, sqlitex.Translate(err)
}
