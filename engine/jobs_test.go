package engine

import (
	"context"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/providertest"
)

func TestJobsOverTheProtocol(t *testing.T) {
	providertest.TestJobs(t, func(t *testing.T) providertest.JobBackend {
		r := opened(t, "AUTH_PROVIDER=nobody", "OR3_STORAGE_ENABLED=false")
		return providertest.JobBackend{Jobs: distantJobs{r.client}, Advance: r.advance}
	})
}

// A job that sets no limits has those of the contract.
func TestUsualLimitsOfJobs(t *testing.T) {
	r := opened(t, "AUTH_PROVIDER=nobody", "OR3_STORAGE_ENABLED=false")
	begun := 0
	for range 10 {
		_, err := ask[jobAdmission](t.Context(), r.client, Caller{}, "jobs/create", newJob{UserID: "ann"})
		if err == nil {
			begun++
		} else if or3cloud.CodeOf(err) != or3cloud.CodeRateLimited {
			t.Fatal(err)
		}
	}
	if begun != 5 {
		t.Errorf("%d jobs, want 5", begun)
	}
}

// The longest texts fit into a request, however they are escaped.
func TestLongestJobTexts(t *testing.T) {
	r := opened(t, "AUTH_PROVIDER=nobody", "OR3_STORAGE_ENABLED=false")
	a, err := ask[jobAdmission](t.Context(), r.client, Caller{}, "jobs/create", newJob{UserID: "ann", Execution: strings.Repeat("x", jobs.MaxExecution)})
	if err != nil {
		t.Fatal(err)
	}
	text := strings.Repeat("\x01", jobs.MaxText)
	if _, err := ask[jobDone](t.Context(), r.client, Caller{}, "jobs/complete", jobOutcome{JobID: *a.JobID, Content: &text, Reasoning: &text}); err != nil {
		t.Fatal(err)
	}
	got, err := ask[jobAnswer](t.Context(), r.client, Caller{}, "jobs/get", jobQuestion{jobOfUser: jobOfUser{*a.JobID, "ann"}})
	if err != nil || got.Content.Text != text || got.Reasoning.Text != text {
		t.Errorf("%+v, %v", got.Job, err)
	}
}

// distantJobs is jobs.Store, Queue, Admissions and History over the protocol.
type distantJobs struct{ *client }

func (j *job) contract() jobs.Job {
	out := jobs.Job{
		ID: j.ID, UserID: j.UserID, WorkspaceID: j.WorkspaceID, ThreadID: j.ThreadID, MessageID: j.MessageID, Model: j.Model, Kind: j.Kind,
		Status: j.Status, ChunksReceived: j.ChunksReceived, StartedAt: time.UnixMilli(j.StartedAt), Error: j.Error, ToolCalls: j.ToolCalls,
		WorkflowState: j.WorkflowState, Usage: j.Usage, Context: j.Context, IdempotencyKey: j.IdempotencyKey, AdmissionID: j.AdmissionID, GenerationID: j.GenerationID,
		HistoryPhase: j.HistoryPhase, Attempts: j.Attempts, LeaseOwner: j.LeaseOwner,
	}
	if j.CompletedAt != 0 {
		out.CompletedAt = time.UnixMilli(j.CompletedAt)
	}
	if j.LeaseUntil != 0 {
		out.LeaseUntil = time.UnixMilli(j.LeaseUntil)
	}
	return out
}

// there turns null into the error that it stands for.
func there(j *job, err error) (jobs.Job, error) {
	if err == nil && j == nil {
		err = or3cloud.Errorf(or3cloud.CodeNotFound, "null")
	}
	if err != nil {
		return jobs.Job{}, err
	}
	return j.contract(), nil
}

func ms(d time.Duration) httpapi.Int { return httpapi.Int(d.Milliseconds()) }

func (j distantJobs) CreateJob(ctx context.Context, in jobs.Order) (jobs.Admission, error) {
	most := func(n int) httpapi.Int {
		if n == 0 {
			return -1
		}
		return httpapi.Int(n)
	}
	out, err := ask[jobAdmission](ctx, j.client, Caller{}, "jobs/create", newJob{
		UserID: in.UserID, WorkspaceID: in.WorkspaceID, ThreadID: in.ThreadID, MessageID: in.MessageID, Model: in.Model, Kind: in.Kind,
		IdempotencyKey: in.IdempotencyKey, AdmissionID: in.AdmissionID, GenerationID: in.GenerationID, HistoryPhase: in.HistoryPhase,
		Content: in.Content, Reasoning: in.Reasoning, ToolCalls: in.ToolCalls, WorkflowState: in.WorkflowState,
		Execution: string(in.Execution), Context: in.Context, LeaseOwner: in.LeaseOwner, LeaseMS: ms(in.Lease), TimeoutMS: ms(in.Timeout), RetentionMS: ms(in.Retention),
		MaxJobs: most(in.MostOfAll), MaxJobsPerUser: most(in.MostOfUser),
	})
	if err != nil {
		return jobs.Admission{}, err
	}
	if out.JobID == nil {
		return jobs.Admission{Cancelled: true}, nil
	}
	return jobs.Admission{ID: *out.JobID, Replayed: out.Replayed}, nil
}

func (j distantJobs) GetJob(ctx context.Context, id, user string, from jobs.Place) (v jobs.View, err error) {
	if user == "" {
		user = "no one" // a host always names one
	}
	out, err := ask[jobAnswer](ctx, j.client, Caller{}, "jobs/get", jobQuestion{
		jobOfUser{id, user}, httpapi.Int(from.Content), httpapi.Int(from.Reasoning), httpapi.Int(from.Attempt), from.Context,
	})
	if v.Job, err = there(out.Job, err); err != nil {
		return v, err
	}
	v.Content, v.Reasoning = jobs.Text(*out.Content), jobs.Text(*out.Reasoning)
	return v, nil
}

func (j distantJobs) UpdateJob(ctx context.Context, id string, u jobs.Update) (jobs.Status, error) {
	in := jobUpdate{
		JobID: id, LeaseOwner: u.LeaseOwner, ContentChunk: u.Content, ReasoningChunk: u.Reasoning, ToolCalls: u.ToolCalls,
		WorkflowState: u.WorkflowState, Usage: u.Usage,
	}
	if u.Chunks != nil {
		n := httpapi.Int(*u.Chunks)
		in.ChunksReceived = &n
	}
	out, err := ask[jobState](ctx, j.client, Caller{}, "jobs/update", in)
	return out.Status, err
}

func (j distantJobs) FinishJob(ctx context.Context, id string, o jobs.Outcome) (bool, error) {
	name := map[jobs.Status]string{jobs.Complete: "jobs/complete", jobs.Failed: "jobs/fail"}[o.Status]
	if name == "" {
		return false, or3cloud.Errorf(or3cloud.CodeInvalid, "cannot be said")
	}
	return j.done(ctx, name, jobOutcome{id, o.LeaseOwner, o.Content, o.Reasoning, o.Error})
}

func (j distantJobs) done(ctx context.Context, name string, in any) (bool, error) {
	out, err := ask[jobDone](ctx, j.client, Caller{}, name, in)
	return out.Done, err
}

func (j distantJobs) AbortJob(ctx context.Context, id, user string) (bool, error) {
	if user == "" {
		user = "no one"
	}
	return j.done(ctx, "jobs/abort", jobOfUser{id, user})
}

func (j distantJobs) CountJobs(ctx context.Context, user string) (int, error) {
	out, err := ask[jobCount](ctx, j.client, Caller{}, "jobs/count-active", userID{user})
	return out.Count, err
}

func (j distantJobs) CollectJobs(ctx context.Context) (int, error) {
	out, err := ask[jobCount](ctx, j.client, Caller{}, "jobs/cleanup-expired", nothing{})
	return out.Count, err
}

func (j distantJobs) ClaimJob(ctx context.Context, id, owner string, lease time.Duration) (*jobs.Claimed, error) {
	out, err := ask[claimedJob](ctx, j.client, Caller{}, "jobs/claim", jobClaim{id, owner, ms(lease)})
	if err != nil || out.Job == nil {
		if err == nil && id == "nothing" {
			err = or3cloud.Errorf(or3cloud.CodeNotFound, "null")
		}
		return nil, err
	}
	return &jobs.Claimed{Job: out.Job.contract(), Execution: []byte(out.Execution)}, nil
}

func (j distantJobs) ClaimNextJob(ctx context.Context, owner string, lease time.Duration) (*jobs.Claimed, error) {
	return j.ClaimJob(ctx, "", owner, lease)
}

func (j distantJobs) RenewJobLease(ctx context.Context, id, owner string, lease time.Duration) (bool, error) {
	return j.done(ctx, "jobs/renew-lease", jobLease{id, owner, ms(lease)})
}

func (j distantJobs) UpdateJobExecution(ctx context.Context, id, owner string, execution []byte) (bool, error) {
	return j.done(ctx, "jobs/update-execution", jobExecution{id, owner, string(execution)})
}

func (j distantJobs) FindJob(ctx context.Context, key, user string) (jobs.Job, error) {
	if key == "" {
		key = "no key"
	}
	out, err := ask[jobAnswer](ctx, j.client, Caller{}, "jobs/find-by-idempotency-key", jobKey{key, user})
	return there(out.Job, err)
}

func (j distantJobs) CancelAdmission(ctx context.Context, user, id string) (jobs.Cancellation, error) {
	out, err := ask[jobCancellation](ctx, j.client, Caller{}, "jobs/cancel-admission", jobAdmissionID{user, id})
	return jobs.Cancellation{JobID: out.JobID, Aborted: out.Aborted, Pending: out.Pending}, err
}

func (j distantJobs) SaveTerminalSnapshot(ctx context.Context, id, owner string, s jobs.TerminalSnapshot) (bool, error) {
	end := terminalSnapshot{Status: s.Status, Content: s.Content, Reasoning: s.Reasoning, ToolCalls: s.ToolCalls, Usage: s.Usage, Error: s.Error}
	if !s.CompletedAt.IsZero() {
		end.CompletedAt = httpapi.Int(s.CompletedAt.UnixMilli())
	}
	return j.done(ctx, "jobs/save-terminal-snapshot", jobSnapshot{id, owner, end})
}

func (j distantJobs) SetHistoryPhase(ctx context.Context, id string, phase jobs.HistoryPhase, from ...jobs.HistoryPhase) (bool, error) {
	return j.done(ctx, "jobs/set-history-phase", jobPhase{id, phase, from})
}

func (j distantJobs) PendingHistoryJobs(ctx context.Context, limit int) (all []jobs.PendingHistory, err error) {
	out, err := ask[pendingHistories](ctx, j.client, Caller{}, "jobs/get-pending-history", jobPage{httpapi.Int(limit)})
	for _, p := range out.Jobs {
		all = append(all, jobs.PendingHistory{Job: p.Job.contract(), Snapshot: p.Snapshot})
	}
	return all, err
}
