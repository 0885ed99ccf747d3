// Package jobs keeps background jobs: their orders, their results, and which worker works on each.
//
//	jobs.go       the life of a job             texts.go     its answer and reasoning, by places
//	leases.go     who works on it               admissions.go creations whose answer was lost
//	handoffs.go   which tool of a browser it waits for
//	history.go    its way into the history      collect.go   what happens to jobs that no one works on or reads
//	endings.go    how it ends, and who hears    census.go    what an operator sees
package jobs

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/members"
)

// Jobs implements jobs.Store, Queue, Admissions, Handoffs, History, Notices and Census.
type Jobs struct {
	handoffs
	e    *engine.Engine
	loop *background.Loop
}

// New returns the jobs of a database.
func New(e *engine.Engine) *Jobs {
	j := &Jobs{handoffs: handoffs{e}, e: e}
	j.loop = background.Start(background.Task{
		Name: "the collection of background jobs", Log: e.Log, Delay: pause, Pause: background.Every(pause), Harmless: true,
		Run: func(ctx context.Context) error {
			_, err := j.CollectJobs(ctx)
			return err
		},
	})
	return j
}

// Close ends the background collection.
func (j *Jobs) Close() { j.loop.Close() }

// The large parts of a job.
const (
	partToolCalls     = 0
	partWorkflowState = 1
	partUsage         = 2
	partExecution     = 3
	partContext       = 4
)

var errNotFound = or3cloud.Errorf(or3cloud.CodeNotFound, "Job not found or unauthorized")

// row is a job as it is stored, without its large parts.
type row db.JobByIDRow

// admitted reports whether a worker may begin: the answer does not wait to be admitted to the history.
func (r row) admitted() bool {
	return r.HistoryPhase == "" || r.HistoryPhase == string(jobs.HistoryReady)
}

// awaitsHistory reports whether something of the job has yet to be written into the history.
func (r row) awaitsHistory() bool {
	return r.HistoryPhase == string(jobs.HistoryAdmissionPending) || r.HistoryPhase == string(jobs.HistoryFinalizationPending)
}

func (r row) open() bool { return r.Status == string(jobs.Streaming) }

// of reports whether a job is a user's.
func (r row) of(userID string) bool { return userID == jobs.AnyUser || r.UserID == userID }

// leased reports whether a worker holds the job.
func (r row) leased(now int64) bool { return r.LeaseUntil > now }

// fence refuses an owner who has lost the lease. An empty owner works without leases.
func (r row) fence(owner string, now int64) error {
	if owner != "" && !r.held(owner, now) {
		return or3cloud.Errorf(or3cloud.CodeConflict, "Another worker has the job, or the lease has ended")
	}
	return nil
}

func (r row) held(owner string, now int64) bool {
	return r.open() && r.LeaseOwner == owner && r.leased(now)
}

// due is when an open job has failed if nothing happens.
func (r row) due(now int64) int64 {
	switch {
	case r.LeaseUntil == 0:
		return now + r.Timeout
	case r.Resumable == 1 && r.Attempts < jobs.MostAttempts:
		return max(r.LeaseUntil, now) + r.Timeout // another worker takes it up
	default:
		return r.LeaseUntil
	}
}

func (r row) job() jobs.Job {
	return jobs.Job{
		ID: r.ID, UserID: r.UserID, WorkspaceID: r.WorkspaceID, ThreadID: r.ThreadID, MessageID: r.MessageID, Model: r.Model,
		Kind: jobs.Kind(r.Kind), Status: jobs.Status(r.Status), ChunksReceived: int(r.Chunks), StartedAt: time.UnixMilli(r.StartedAt),
		CompletedAt: moment(r.CompletedAt), Error: r.Error, Cause: r.Cause, IdempotencyKey: r.IdempotencyKey, AdmissionID: r.AdmissionID,
		GenerationID: r.GenerationID, HistoryPhase: jobs.HistoryPhase(r.HistoryPhase), Attempts: int(r.Attempts), LeaseOwner: r.LeaseOwner,
		LeaseUntil: moment(r.LeaseUntil),
	}
}

func moment(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms)
}

// find returns a job.
func find(ctx context.Context, q *db.Queries, id string) (row, error) {
	r, err := q.JobByID(ctx, id)
	if engine.NoRows(err) {
		return row{}, errNotFound
	}
	return row(r), sqlitex.Translate(err)
}

// part returns a large part of a job; nil if there is none.
func part(ctx context.Context, q *db.Queries, num, part int64) ([]byte, error) {
	return engine.Optional(q.JobPart(ctx, db.JobPartParams{Job: num, Part: part}))
}

// whole returns a job with all but its texts, its execution and its context.
func whole(ctx context.Context, q *db.Queries, r row) (job jobs.Job, err error) {
	job = r.job()
	parts, err := q.JobParts(ctx, db.JobPartsParams{Job: r.Num, Upto: partUsage})
	for _, p := range parts {
		*map[int64]*[]byte{partToolCalls: &job.ToolCalls, partWorkflowState: &job.WorkflowState, partUsage: &job.Usage}[p.Part] = p.Value
	}
	return job, sqlitex.Translate(err)
}

// view runs f on one moment of the database.
func (j *Jobs) view(ctx context.Context, f func(*db.Queries) error) error {
	tx, err := j.e.DB.Read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return sqlitex.Translate(err)
	}
	defer func() { _ = tx.Rollback() }() // nothing was written
	return sqlitex.Translate(f(j.e.Q.WithTx(tx)))
}

// within refuses names that are too long.
func within(names ...string) error {
	for _, name := range names {
		if len(name) > jobs.MaxName {
			return or3cloud.Errorf(or3cloud.CodeInvalid, "An id of a job may have up to %d bytes", jobs.MaxName)
		}
	}
	return nil
}

// span returns a duration within its limits, in milliseconds.
func span(d, usual, longest time.Duration) int64 {
	if d <= 0 {
		d = usual
	}
	return max(min(d, longest).Milliseconds(), 1)
}

func bit(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

func (j *Jobs) check(in *jobs.Order) error {
	switch {
	case in.UserID == "" || in.UserID == jobs.AnyUser:
		return or3cloud.Errorf(or3cloud.CodeInvalid, "A job needs a user")
	case in.Kind != jobs.Chat && in.Kind != jobs.Workflow:
		return or3cloud.Errorf(or3cloud.CodeInvalid, "A job must be a chat or a workflow")
	case in.HistoryPhase != "" && !in.HistoryPhase.Valid():
		return errPhase
	case len(in.Execution) > jobs.MaxExecution:
		return errExecution
	case in.Context != nil && (len(in.Context) > jobs.MaxContext || !json.Valid(in.Context)):
		return or3cloud.Errorf(or3cloud.CodeInvalid, "The metadata of a job must be JSON of up to %d bytes", jobs.MaxContext)
	case in.MostOfAll < 1 || in.MostOfUser < 1:
		return or3cloud.Errorf(or3cloud.CodeInvalid, "At least one job must be allowed")
	}
	if in.IdempotencyKey == "" {
		in.IdempotencyKey = in.AdmissionID
	}
	if in.AdmissionID == "" {
		in.AdmissionID = in.IdempotencyKey
	}
	return within(in.UserID, in.WorkspaceID, in.ThreadID, in.MessageID, in.Model, in.IdempotencyKey, in.AdmissionID, in.GenerationID, in.LeaseOwner)
}

// busy is how long a client is asked to wait for a job to end.
const busy = 10 * time.Second

// CreateJob implements jobs.Store.
func (j *Jobs) CreateJob(ctx context.Context, in jobs.Order) (out jobs.Admission, err error) {
	if err := j.check(&in); err != nil {
		return out, err
	}
	if err := j.e.CheckRoom(); err != nil {
		return out, err
	}
	begun := beginning{texts: map[int64]text{content: newText(in.Content), reasoning: newText(in.Reasoning)}}
	if begun.parts, err = documents(in.ToolCalls, in.WorkflowState, nil); err != nil {
		return out, err
	}
	for part, value := range map[int64][]byte{partExecution: in.Execution, partContext: in.Context} {
		if value != nil {
			begun.parts[part] = value
		}
	}
	id, err := j.e.NewID()
	if err != nil {
		return out, err
	}
	err = j.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		out, err = admit(ctx, t, in, begun, id)
		return err
	})
	return out, err
}

// beginning is the data that a job begins with.
type beginning struct {
	texts map[int64]text
	parts map[int64][]byte
}

func keepParts(ctx context.Context, q *db.Queries, num int64, parts map[int64][]byte) error {
	for part, value := range parts {
		if err := q.KeepJobPart(ctx, db.KeepJobPartParams{Job: num, Part: part, Value: value}); err != nil {
			return err
		}
	}
	return nil
}

// admit decides what happens to a new job in the transaction that begins it.
func admit(ctx context.Context, t *engine.Tx, in jobs.Order, begun beginning, id string) (out jobs.Admission, err error) {
	there, err := engine.Optional(t.Q.JobByKey(ctx, db.JobByKeyParams{UserID: in.UserID, Key: in.IdempotencyKey}))
	if err != nil || there != "" {
		return jobs.Admission{ID: there, Replayed: true}, err
	}
	out.Cancelled, err = t.Q.Cancelled(ctx, db.CancelledParams{UserID: in.UserID, Key: in.IdempotencyKey, Admission: in.AdmissionID})
	if err != nil || out.Cancelled {
		return out, err
	}
	if num, err := engine.Optional(t.Q.AnyWorkspace(ctx, in.WorkspaceID)); err != nil {
		return out, err
	} else if num > 0 { // otherwise another store has the workspaces
		if err := members.Permit(t, in.UserID, num, or3cloud.PermWorkspaceWrite); err != nil {
			return out, err
		}
	}
	own, err := t.Q.CountOpenJobsOf(ctx, in.UserID)
	if err != nil {
		return out, err
	}
	all, err := t.Q.CountOpenJobs(ctx)
	if err != nil {
		return out, err
	}
	if own >= int64(in.MostOfUser) || all >= int64(in.MostOfAll) {
		return out, &or3cloud.Error{Code: or3cloud.CodeRateLimited, RetryAfter: busy, Message: "Too many background jobs are under way"}
	}
	r := row{
		Timeout: span(in.Timeout, jobs.DefaultTimeout, jobs.LongestTime), LeaseOwner: in.LeaseOwner, Resumable: bit(in.Execution != nil),
	}
	if in.LeaseOwner != "" {
		r.Attempts, r.LeaseUntil = 1, t.At+span(in.Lease, jobs.DefaultLease, jobs.LongestLease)
	}
	num, err := t.Q.InsertJob(ctx, db.InsertJobParams{
		ID: id, UserID: in.UserID, WorkspaceID: in.WorkspaceID, ThreadID: in.ThreadID, MessageID: in.MessageID, Model: in.Model, Kind: string(in.Kind),
		Now: t.At, IdempotencyKey: in.IdempotencyKey, AdmissionID: in.AdmissionID, GenerationID: in.GenerationID, HistoryPhase: string(in.HistoryPhase),
		Attempts: r.Attempts, LeaseOwner: r.LeaseOwner, LeaseUntil: r.LeaseUntil, DueAt: r.due(t.At), Timeout: r.Timeout,
		Retention: span(in.Retention, jobs.DefaultRetention, jobs.LongestTime), Resumable: r.Resumable, Notice: bit(in.Notify),
	})
	if err != nil {
		return out, err
	}
	for part, text := range begun.texts {
		if err := text.add(ctx, t.Q, num, part); err != nil {
			return out, err
		}
	}
	return jobs.Admission{ID: id}, keepParts(ctx, t.Q, num, begun.parts)
}

// GetJob implements jobs.Store.
func (j *Jobs) GetJob(ctx context.Context, id, userID string, from jobs.Place) (out jobs.View, err error) {
	err = j.view(ctx, func(q *db.Queries) error {
		r, err := find(ctx, q, id)
		if err != nil {
			return err
		}
		if !r.of(userID) {
			return errNotFound
		}
		if from.Attempt != 0 && int64(from.Attempt) != r.Attempts {
			from = jobs.Place{Context: from.Context}
		}
		if out.Job, err = whole(ctx, q, r); err != nil {
			return err
		}
		if from.Context {
			if out.Context, err = part(ctx, q, r.Num, partContext); err != nil {
				return err
			}
		}
		if out.Content, err = textFrom(ctx, q, r, content, from.Content); err != nil {
			return err
		}
		out.Reasoning, err = textFrom(ctx, q, r, reasoning, from.Reasoning)
		return err
	})
	return out, err
}

// documents checks the JSON values, and returns those that are there by part.
func documents(toolCalls, workflowState, usage []byte) (map[int64][]byte, error) {
	out := map[int64][]byte{}
	for part, text := range [...][]byte{partToolCalls: toolCalls, partWorkflowState: workflowState, partUsage: usage} {
		if text == nil {
			continue
		}
		if len(text) > jobs.MaxState || !json.Valid(text) {
			return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Tool calls, state and usage of a job must be JSON of up to %d bytes", jobs.MaxState)
		}
		out[int64(part)] = text
	}
	return out, nil
}

// UpdateJob implements jobs.Store.
func (j *Jobs) UpdateJob(ctx context.Context, id string, u jobs.Update) (status jobs.Status, err error) {
	parts, err := documents(u.ToolCalls, u.WorkflowState, u.Usage)
	if err == nil {
		err = j.e.CheckRoom()
	}
	if err != nil {
		return "", err
	}
	answer, thought := newText(u.Content), newText(u.Reasoning)
	err = j.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		r, err := find(ctx, t.Q, id)
		if err != nil {
			return err
		}
		if status = jobs.Status(r.Status); !r.open() {
			return nil
		}
		if err := r.fence(u.LeaseOwner, t.At); err != nil {
			return err
		}
		if u.Chunks != nil {
			r.Chunks = int64(max(*u.Chunks, 0))
		}
		if err := t.Q.TouchJob(ctx, db.TouchJobParams{Chunks: r.Chunks, DueAt: r.due(t.At), Num: r.Num}); err != nil {
			return err
		}
		if err := keepParts(ctx, t.Q, r.Num, parts); err != nil {
			return err
		}
		if err := answer.add(ctx, t.Q, r.Num, content); err != nil {
			return err
		}
		return thought.add(ctx, t.Q, r.Num, reasoning)
	})
	return status, err
}

// FinishJob implements jobs.Store.
func (j *Jobs) FinishJob(ctx context.Context, id string, out jobs.Outcome) (bool, error) {
	if out.Status == jobs.Aborted {
		return false, errOutcome
	}
	as := ending{owner: out.LeaseOwner, status: out.Status, reason: out.Error, cause: out.Cause, seen: out.Seen, texts: map[int64]text{}}
	if out.Content != nil {
		as.texts[content] = newText(*out.Content)
	}
	if out.Reasoning != nil {
		as.texts[reasoning] = newText(*out.Reasoning)
	}
	return j.finish(ctx, id, as)
}

var errOutcome = or3cloud.Errorf(or3cloud.CodeInvalid, "A job can end as complete, failed or aborted")

// AbortJob implements jobs.Store.
func (j *Jobs) AbortJob(ctx context.Context, id, userID string) (done bool, err error) {
	err = j.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		done, err = abort(ctx, t, id, userID)
		return err
	})
	return done && err == nil, err
}

func abort(ctx context.Context, t *engine.Tx, id, userID string) (bool, error) {
	r, err := find(ctx, t.Q, id)
	switch {
	case or3cloud.CodeOf(err) == or3cloud.CodeNotFound:
		return false, nil
	case err != nil || !r.open() || !r.of(userID):
		return false, err
	}
	return true, end(ctx, t, r, ending{status: jobs.Aborted})
}

// CountJobs implements jobs.Store.
func (j *Jobs) CountJobs(ctx context.Context, userID string) (int, error) {
	count := j.e.Q.CountOpenJobs
	if userID != jobs.AnyUser {
		count = func(ctx context.Context) (int64, error) { return j.e.Q.CountOpenJobsOf(ctx, userID) }
	}
	n, err := count(ctx)
	return int(n), sqlitex.Translate(err)
}
