package engine

import (
	"encoding/json"
	"math"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/jobs"
)

type (
	newJob struct {
		UserID      string    `json:"userId"`
		WorkspaceID string    `json:"workspaceId,omitempty"`
		ThreadID    string    `json:"threadId,omitempty"`
		MessageID   string    `json:"messageId,omitempty"`
		Model       string    `json:"model,omitempty"`
		Kind        jobs.Kind `json:"kind,omitempty"`
		// IdempotencyKey names the job among those of the user; AdmissionID is the id to cancel it by. Each stands in
		// for the other if that is absent.
		IdempotencyKey string            `json:"idempotencyKey,omitempty"`
		AdmissionID    string            `json:"admissionId,omitempty"`
		GenerationID   string            `json:"generationId,omitempty"`
		HistoryPhase   jobs.HistoryPhase `json:"historyPhase,omitempty"`
		// Execution is what another worker needs to continue, encrypted by the host.
		Execution string `json:"execution,omitempty"`
		// Context stays with the job until it is removed, such as how its answer gets into the history.
		Context json.RawMessage `json:"context,omitempty"`
		// Content and Reasoning are the beginnings of the texts.
		Content       string          `json:"content,omitempty"`
		Reasoning     string          `json:"reasoning,omitempty"`
		ToolCalls     json.RawMessage `json:"tool_calls,omitempty"`
		WorkflowState json.RawMessage `json:"workflow_state,omitempty"`
		// LeaseOwner holds the job for LeaseMS from the beginning; the default is 30 seconds.
		LeaseOwner string      `json:"leaseOwner,omitempty"`
		LeaseMS    httpapi.Int `json:"leaseMs,omitempty"`
		// TimeoutMS is the silence after which a job without a lease has failed; the default is 5 minutes.
		TimeoutMS httpapi.Int `json:"timeoutMs,omitempty"`
		// RetentionMS is how long a finished job is kept; the default is 24 hours.
		RetentionMS httpapi.Int `json:"retentionMs,omitempty"`
		// MaxJobs and MaxJobsPerUser are how many may be open; the defaults are 20 and 5.
		MaxJobs        httpapi.Int `json:"maxJobs,omitempty"`
		MaxJobsPerUser httpapi.Int `json:"maxJobsPerUser,omitempty"`
	}
	jobAdmission struct {
		// JobID is null if the admission was cancelled before it came: the host's AdmissionCancelledError.
		JobID    *string `json:"jobId"`
		Replayed bool    `json:"replayed"`
	}
	jobOfUser struct {
		JobID string `json:"jobId"`
		// UserID is * for any user.
		UserID string `json:"userId"`
	}
	jobQuestion struct {
		jobOfUser
		// Offset and ReasoningOffset are where the wanted texts begin, in UTF-16 code units. An offset beyond the end
		// returns the whole text.
		Offset          httpapi.Int `json:"offset,omitempty"`
		ReasoningOffset httpapi.Int `json:"reasoningOffset,omitempty"`
		// Attempt is the attempt they belong to. If it is not the current one, the texts are returned whole.
		Attempt httpapi.Int `json:"attempt,omitempty"`
		// WithContext says that the context is wanted.
		WithContext bool `json:"withContext,omitempty"`
	}
	// job is the host's job. Times are in Unix milliseconds.
	job struct {
		ID             string          `json:"id"`
		UserID         string          `json:"userId"`
		WorkspaceID    string          `json:"workspaceId,omitempty"`
		ThreadID       string          `json:"threadId"`
		MessageID      string          `json:"messageId"`
		Model          string          `json:"model"`
		Kind           jobs.Kind       `json:"kind"`
		Status         jobs.Status     `json:"status"`
		ChunksReceived int             `json:"chunksReceived"`
		StartedAt      int64           `json:"startedAt"`
		CompletedAt    int64           `json:"completedAt,omitempty"`
		Error          string          `json:"error,omitempty"`
		ToolCalls      json.RawMessage `json:"tool_calls,omitempty"`
		WorkflowState  json.RawMessage `json:"workflow_state,omitempty"`
		Usage          json.RawMessage `json:"usage,omitempty"`
		// Context is returned on request, to workers, and with pending history.
		Context        json.RawMessage   `json:"context,omitempty"`
		IdempotencyKey string            `json:"idempotencyKey,omitempty"`
		AdmissionID    string            `json:"admissionId,omitempty"`
		GenerationID   string            `json:"generationId,omitempty"`
		HistoryPhase   jobs.HistoryPhase `json:"historyPhase,omitempty"`
		// Attempts is how many workers have held it. Texts start again with each.
		Attempts   int    `json:"attempts"`
		LeaseOwner string `json:"leaseOwner,omitempty"`
		LeaseUntil int64  `json:"leaseUntil,omitempty"`
	}
	jobText struct {
		Text string `json:"text"`
		// From is where it begins, and Length its total length, in UTF-16 code units.
		From   int `json:"from"`
		Length int `json:"length"`
	}
	jobAnswer struct {
		// Job is null if it does not exist, or belongs to another user.
		Job       *job     `json:"job"`
		Content   *jobText `json:"content,omitempty"`
		Reasoning *jobText `json:"reasoning,omitempty"`
	}
	jobUpdate struct {
		JobID      string `json:"jobId"`
		LeaseOwner string `json:"leaseOwner,omitempty"`
		// ContentChunk and ReasoningChunk are appended.
		ContentChunk   string       `json:"contentChunk,omitempty"`
		ReasoningChunk string       `json:"reasoningChunk,omitempty"`
		ChunksReceived *httpapi.Int `json:"chunksReceived,omitempty"`
		// ToolCalls, WorkflowState and Usage replace what was there.
		ToolCalls     json.RawMessage `json:"tool_calls,omitempty"`
		WorkflowState json.RawMessage `json:"workflow_state,omitempty"`
		Usage         json.RawMessage `json:"usage,omitempty"`
	}
	jobState struct {
		// Status tells a worker whether the job is still wanted.
		Status jobs.Status `json:"status"`
	}
	jobOutcome struct {
		JobID      string `json:"jobId"`
		LeaseOwner string `json:"leaseOwner,omitempty"`
		// Content and Reasoning replace what has arrived; if absent, that is everything.
		Content   *string `json:"content,omitempty"`
		Reasoning *string `json:"reasoning,omitempty"`
		// Error is why it has failed.
		Error string `json:"error,omitempty"`
	}
	jobDone struct {
		// Done is false if it was not open, or does not belong to the caller.
		Done bool `json:"done"`
	}
	jobCount struct {
		Count int `json:"count"`
	}
	jobClaim struct {
		// JobID is absent for the next waiting job.
		JobID   string      `json:"jobId,omitempty"`
		Owner   string      `json:"owner"`
		LeaseMS httpapi.Int `json:"leaseMs"`
	}
	jobLease struct {
		JobID   string      `json:"jobId"`
		Owner   string      `json:"owner"`
		LeaseMS httpapi.Int `json:"leaseMs"`
	}
	claimedJob struct {
		// Job is null if there is none.
		Job       *job   `json:"job"`
		Execution string `json:"execution,omitempty"`
	}
	jobExecution struct {
		JobID     string `json:"jobId"`
		Owner     string `json:"owner"`
		Execution string `json:"execution"`
	}
	jobKey struct {
		Key    string `json:"key"`
		UserID string `json:"userId"`
	}
	jobAdmissionID struct {
		UserID      string `json:"userId"`
		AdmissionID string `json:"admissionId"`
	}
	jobCancellation struct {
		Aborted bool   `json:"aborted"`
		JobID   string `json:"jobId,omitempty"`
		// Pending says that the admission has not come yet, and will be refused.
		Pending bool `json:"pending"`
	}
	// terminalSnapshot is the host's TerminalGenerationSnapshot.
	terminalSnapshot struct {
		Status    jobs.Status     `json:"status"`
		Content   string          `json:"content,omitempty"`
		Reasoning string          `json:"reasoning,omitempty"`
		ToolCalls json.RawMessage `json:"toolCalls,omitempty"`
		Usage     json.RawMessage `json:"usage,omitempty"`
		Error     string          `json:"error,omitempty"`
		// CompletedAt is in Unix milliseconds; the default is now.
		CompletedAt httpapi.Int `json:"completedAt,omitempty"`
	}
	jobSnapshot struct {
		JobID      string           `json:"jobId"`
		LeaseOwner string           `json:"leaseOwner,omitempty"`
		Snapshot   terminalSnapshot `json:"snapshot"`
	}
	jobPhase struct {
		JobID string            `json:"jobId"`
		Phase jobs.HistoryPhase `json:"phase"`
		// From are the phases in which it is set; if absent, it is set in any.
		From []jobs.HistoryPhase `json:"from,omitempty"`
	}
	jobPage struct {
		// Limit is 1 to 100; the default is 20.
		Limit httpapi.Int `json:"limit,omitempty"`
	}
	pendingHistory struct {
		Job      job             `json:"job"`
		Snapshot json.RawMessage `json:"snapshot,omitempty"`
	}
	pendingHistories struct {
		Jobs []pendingHistory `json:"jobs"`
	}
)

// jobBody limits bodies that carry texts or an execution: twice the largest of them, since JSON escapes some
// characters.
const jobBody = 4 << 20

// large allows a method larger bodies than others.
func (m method) large(most int64) method {
	serve := m.serve
	m.serve = func(e *Engine, p *instance.Providers) *or3cloud.Route {
		route := serve(e, p)
		if route != nil {
			route.MaxBody = most
		}
		return route
	}
	return m
}

func span(ms httpapi.Int) time.Duration { return httpapi.Duration(max(0, int64(ms)), time.Millisecond) }

// whole converts a number to an int.
func whole(n httpapi.Int) int { return int(min(max(n, 0), math.MaxInt32)) }

func orElse(n httpapi.Int, usual int) int {
	if n == 0 {
		return usual
	}
	return whole(n)
}

// document returns the JSON that was given; null is the same as nothing.
func document(text json.RawMessage) []byte {
	if string(text) == "null" {
		return nil
	}
	return text
}

func wireJob(j jobs.Job) *job {
	out := &job{
		ID: j.ID, UserID: j.UserID, WorkspaceID: j.WorkspaceID, ThreadID: j.ThreadID, MessageID: j.MessageID, Model: j.Model, Kind: j.Kind,
		Status: j.Status, ChunksReceived: j.ChunksReceived, StartedAt: j.StartedAt.UnixMilli(), Error: j.Error, ToolCalls: j.ToolCalls,
		WorkflowState: j.WorkflowState, Usage: j.Usage, Context: j.Context, IdempotencyKey: j.IdempotencyKey, AdmissionID: j.AdmissionID,
		GenerationID: j.GenerationID, HistoryPhase: j.HistoryPhase, Attempts: j.Attempts, LeaseOwner: j.LeaseOwner,
	}
	if !j.CompletedAt.IsZero() {
		out.CompletedAt = j.CompletedAt.UnixMilli()
	}
	if !j.LeaseUntil.IsZero() {
		out.LeaseUntil = j.LeaseUntil.UnixMilli()
	}
	return out
}

func wireText(t jobs.Text) *jobText { return &jobText{t.Text, t.From, t.Length} }

// absent turns a missing job into null.
func absent(err error) error {
	if or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
		return nil
	}
	return err
}

func jobMethods() []method {
	type store = jobs.Store
	kept := by[store](or3cloud.ProviderSync)
	return append([]method{
		does("jobs/create", "BackgroundJobProvider.createJob. Too many open jobs are 429.", kept, func(c call, s store, in newJob) (out jobAdmission, err error) {
			const usualJobs, usualJobsPerUser = 20, 5
			created := jobs.Order{
				UserID: in.UserID, WorkspaceID: in.WorkspaceID, ThreadID: in.ThreadID, MessageID: in.MessageID, Model: in.Model, Kind: in.Kind,
				IdempotencyKey: in.IdempotencyKey, AdmissionID: in.AdmissionID, GenerationID: in.GenerationID, HistoryPhase: in.HistoryPhase,
				LeaseOwner: in.LeaseOwner, Lease: span(in.LeaseMS), Timeout: span(in.TimeoutMS), Retention: span(in.RetentionMS),
				MostOfAll: orElse(in.MaxJobs, usualJobs), MostOfUser: orElse(in.MaxJobsPerUser, usualJobsPerUser),
			}
			if created.Kind == "" {
				created.Kind = jobs.Chat
			}
			created.Context, created.Content, created.Reasoning = document(in.Context), in.Content, in.Reasoning
			created.ToolCalls, created.WorkflowState = document(in.ToolCalls), document(in.WorkflowState)
			if in.Execution != "" {
				created.Execution = []byte(in.Execution)
			}
			a, err := s.CreateJob(c, created)
			if err == nil && !a.Cancelled {
				out = jobAdmission{&a.ID, a.Replayed}
			}
			return out, err
		}).large(jobBody),
		does("jobs/get", "BackgroundJobProvider.getJob, with the texts from a place on.", kept, func(c call, s store, in jobQuestion) (out jobAnswer, err error) {
			v, err := s.GetJob(c, in.JobID, in.UserID, jobs.Place{
				Content: whole(in.Offset), Reasoning: whole(in.ReasoningOffset), Attempt: whole(in.Attempt), Context: in.WithContext,
			})
			if err != nil {
				return out, absent(err)
			}
			return jobAnswer{wireJob(v.Job), wireText(v.Content), wireText(v.Reasoning)}, nil
		}),
		does("jobs/update", "BackgroundJobProvider.updateJob. A job that is not open stays as it is.", kept, func(c call, s store, in jobUpdate) (out jobState, err error) {
			u := jobs.Update{
				LeaseOwner: in.LeaseOwner, Content: in.ContentChunk, Reasoning: in.ReasoningChunk, ToolCalls: document(in.ToolCalls),
				WorkflowState: document(in.WorkflowState), Usage: document(in.Usage),
			}
			if in.ChunksReceived != nil {
				n := whole(*in.ChunksReceived)
				u.Chunks = &n
			}
			out.Status, err = s.UpdateJob(c, in.JobID, u)
			return out, err
		}).large(jobBody),
		finishJob("jobs/complete", "BackgroundJobProvider.completeJob.", jobs.Complete),
		finishJob("jobs/fail", "BackgroundJobProvider.failJob.", jobs.Failed),
		does("jobs/abort", "BackgroundJobProvider.abortJob.", kept, func(c call, s store, in jobOfUser) (out jobDone, err error) {
			out.Done, err = s.AbortJob(c, in.JobID, in.UserID)
			return out, err
		}),
		does("jobs/count-active", "BackgroundJobProvider.getActiveJobCount, of a user or of *.", kept, func(c call, s store, in userID) (out jobCount, err error) {
			out.Count, err = s.CountJobs(c, in.UserID)
			return out, err
		}),
		does("jobs/cleanup-expired", "BackgroundJobProvider.cleanupExpired. The engine also does it in the background.", kept,
			func(c call, s store, _ nothing) (out jobCount, err error) {
				out.Count, err = s.CollectJobs(c)
				return out, err
			}),
	}, append(leaseMethods(), jobHistoryMethods()...)...)
}

func finishJob(name, help string, status jobs.Status) method {
	return does(name, help, by[jobs.Store](or3cloud.ProviderSync), func(c call, s jobs.Store, in jobOutcome) (out jobDone, err error) {
		out.Done, err = s.FinishJob(c, in.JobID, jobs.Outcome{
			LeaseOwner: in.LeaseOwner, Status: status, Error: in.Error, Content: in.Content, Reasoning: in.Reasoning,
		})
		return out, err
	}).large(jobBody)
}

func leaseMethods() []method {
	type queue = jobs.Queue
	workers := by[queue](or3cloud.ProviderSync)
	return []method{
		does("jobs/claim", "BackgroundJobProvider.claimJob, claimNextJob.", workers, func(c call, q queue, in jobClaim) (out claimedJob, err error) {
			var got *jobs.Claimed
			if in.JobID == "" {
				got, err = q.ClaimNextJob(c, in.Owner, span(in.LeaseMS))
			} else {
				got, err = q.ClaimJob(c, in.JobID, in.Owner, span(in.LeaseMS))
			}
			if err != nil || got == nil {
				return out, absent(err)
			}
			return claimedJob{wireJob(got.Job), string(got.Execution)}, nil
		}),
		does("jobs/renew-lease", "BackgroundJobProvider.renewJobLease.", workers, func(c call, q queue, in jobLease) (out jobDone, err error) {
			out.Done, err = q.RenewJobLease(c, in.JobID, in.Owner, span(in.LeaseMS))
			return out, absent(err)
		}),
		does("jobs/update-execution", "BackgroundJobProvider.updateJobExecution.", workers, func(c call, q queue, in jobExecution) (out jobDone, err error) {
			out.Done, err = q.UpdateJobExecution(c, in.JobID, in.Owner, []byte(in.Execution))
			return out, absent(err)
		}).large(jobBody),
	}
}

func jobHistoryMethods() []method {
	type admissions = jobs.Admissions
	type history = jobs.History
	admitted, written := by[admissions](or3cloud.ProviderSync), by[history](or3cloud.ProviderSync)
	return []method{
		does("jobs/find-by-idempotency-key", "BackgroundJobProvider.findJobByIdempotencyKey, without texts.", admitted,
			func(c call, s admissions, in jobKey) (out jobAnswer, err error) {
				found, err := s.FindJob(c, in.Key, in.UserID)
				if err == nil {
					out.Job = wireJob(found)
				}
				return out, absent(err)
			}),
		does("jobs/cancel-admission", "BackgroundJobProvider.cancelAdmission.", admitted, func(c call, s admissions, in jobAdmissionID) (out jobCancellation, err error) {
			done, err := s.CancelAdmission(c, in.UserID, in.AdmissionID)
			return jobCancellation{done.Aborted, done.JobID, done.Pending}, err
		}),
		does("jobs/save-terminal-snapshot", "BackgroundJobProvider.saveTerminalSnapshot: ends the job. The first end stays.", written,
			func(c call, s history, in jobSnapshot) (out jobDone, err error) {
				end := in.Snapshot
				snapshot := jobs.TerminalSnapshot{
					Status: end.Status, Content: end.Content, Reasoning: end.Reasoning, ToolCalls: document(end.ToolCalls),
					Usage: document(end.Usage), Error: end.Error,
				}
				if end.CompletedAt > 0 {
					snapshot.CompletedAt = time.UnixMilli(int64(end.CompletedAt))
				}
				out.Done, err = s.SaveTerminalSnapshot(c, in.JobID, in.LeaseOwner, snapshot)
				return out, err
			}).large(jobBody),
		does("jobs/set-history-phase", "BackgroundJobProvider.setHistoryPhase.", written, func(c call, s history, in jobPhase) (out jobDone, err error) {
			out.Done, err = s.SetHistoryPhase(c, in.JobID, in.Phase, in.From...)
			return out, err
		}),
		does("jobs/get-pending-history", "BackgroundJobProvider.getPendingHistoryJobs. One that has ended has a snapshot.", written,
			func(c call, s history, in jobPage) (out pendingHistories, err error) {
				const usual, most = 20, 100
				found, err := s.PendingHistoryJobs(c, min(max(orElse(in.Limit, usual), 1), most))
				out.Jobs = []pendingHistory{}
				for _, p := range found {
					out.Jobs = append(out.Jobs, pendingHistory{*wireJob(p.Job), p.Snapshot})
				}
				return out, err
			}),
	}
}
