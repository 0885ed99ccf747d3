package jobs

import (
	"context"
	"encoding/json"
	"slices"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

var errPhase = or3cloud.Errorf(or3cloud.CodeInvalid, "Unknown history phase")

// SaveTerminalSnapshot implements jobs.History.
func (j *Jobs) SaveTerminalSnapshot(ctx context.Context, id, leaseOwner string, snapshot jobs.TerminalSnapshot) (bool, error) {
	parts, err := documents(snapshot.ToolCalls, nil, snapshot.Usage)
	if err != nil {
		return false, err
	}
	return j.finish(ctx, id, ending{
		owner: leaseOwner, status: snapshot.Status, reason: snapshot.Error, cause: snapshot.Cause, seen: snapshot.Seen, parts: parts, history: true, at: snapshot.CompletedAt,
		texts: map[int64]text{content: newText(snapshot.Content), reasoning: newText(snapshot.Reasoning)},
	})
}

// SetHistoryPhase implements jobs.History.
func (j *Jobs) SetHistoryPhase(ctx context.Context, id string, phase jobs.HistoryPhase, from ...jobs.HistoryPhase) (set bool, err error) {
	for _, p := range append(from, phase) {
		if !p.Valid() {
			return false, errPhase
		}
	}
	err = j.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		r, err := find(ctx, t.Q, id)
		if or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
			return nil
		}
		if err != nil {
			return err
		}
		if set = len(from) == 0 || slices.Contains(from, jobs.HistoryPhase(r.HistoryPhase)); !set {
			return nil
		}
		return t.Q.SetHistoryPhase(ctx, db.SetHistoryPhaseParams{Phase: string(phase), Num: r.Num})
	})
	return set && err == nil, err
}

// PendingHistoryJobs implements jobs.History.
func (j *Jobs) PendingHistoryJobs(ctx context.Context, limit int) (out []jobs.PendingHistory, err error) {
	ids, err := j.e.Q.PendingHistoryJobs(ctx, db.PendingHistoryJobsParams{Now: j.e.Now().UnixMilli(), Max: int64(limit)})
	if err != nil {
		return nil, sqlitex.Translate(err)
	}
	for _, id := range ids {
		err := j.view(ctx, func(q *db.Queries) error {
			r, err := find(ctx, q, id)
			if err != nil {
				return err
			}
			if !r.awaitsHistory() { // any more
				return nil
			}
			var p jobs.PendingHistory
			if p.Job, err = whole(ctx, q, r); err != nil {
				return err
			}
			if p.Context, err = part(ctx, q, r.Num, partContext); err != nil {
				return err
			}
			if p.Snapshot, err = snapshotOf(ctx, q, r, p.Job); err == nil {
				out = append(out, p)
			}
			return err
		})
		if err != nil && or3cloud.CodeOf(err) != or3cloud.CodeNotFound { // otherwise it has been removed
			return nil, err
		}
	}
	return out, nil
}

// snapshotOf returns how a job has ended, in the form of the contract (sync §10.8); nil while it is open.
func snapshotOf(ctx context.Context, q *db.Queries, r row, job jobs.Job) ([]byte, error) {
	if r.open() {
		return nil, nil
	}
	answer, err := textFrom(ctx, q, r, content, 0)
	if err != nil {
		return nil, err
	}
	thought, err := textFrom(ctx, q, r, reasoning, 0)
	if err != nil {
		return nil, err
	}
	return json.Marshal(struct {
		Status      jobs.Status     `json:"status"`
		Content     string          `json:"content"`
		Reasoning   string          `json:"reasoning"`
		ToolCalls   json.RawMessage `json:"toolCalls,omitempty"`
		Usage       json.RawMessage `json:"usage,omitempty"`
		Error       string          `json:"error,omitempty"`
		CompletedAt int64           `json:"completedAt"`
	}{job.Status, answer.Text, thought.Text, job.ToolCalls, job.Usage, job.Error, r.CompletedAt})
}
