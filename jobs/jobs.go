// Package jobs is the contract of background jobs: what a host keeps of them beyond the life of its process (contract, client-behaviour §11).
package jobs

import (
	"context"
	"time"
)

// Kind is what a background job does (contract, client-behaviour §11).
type Kind string

// The kinds.
const (
	Chat     Kind = "chat"
	Workflow Kind = "workflow"
)

// Status is how far a job is.
type Status string

// The states. The first one is open, the others are final.
const (
	Streaming Status = "streaming"
	Complete  Status = "complete"
	Failed    Status = "error"
	Aborted   Status = "aborted"
)

// Valid reports whether s is one of the states.
func (s Status) Valid() bool {
	return s == Streaming || s == Complete || s == Failed || s == Aborted
}

// HistoryPhase is how far the answer of a job is on its way into the synced history. It is empty for a job that writes none.
type HistoryPhase string

// The phases. The first and the third wait for somebody to go on.
const (
	HistoryAdmissionPending    HistoryPhase = "admission_pending"
	HistoryReady               HistoryPhase = "ready"
	HistoryFinalizationPending HistoryPhase = "finalization_pending"
	HistoryCommitted           HistoryPhase = "committed"
	HistorySuperseded          HistoryPhase = "superseded"
	HistoryBlocked             HistoryPhase = "blocked"
)

// Valid reports whether p is one of the phases.
func (p HistoryPhase) Valid() bool {
	switch p {
	case HistoryAdmissionPending, HistoryReady, HistoryFinalizationPending, HistoryCommitted, HistorySuperseded, HistoryBlocked:
		return true
	}
	return false
}

// AnyUser stands for all users where a job is asked for, by whoever works on it.
const AnyUser = "*"

// The bounds of jobs. Sizes are in bytes.
const (
	// MaxText is how long the answer of a job gets, and its reasoning: what comes after is cut off.
	MaxText = 224 << 10
	// MaxState bounds the tool calls and the state of a workflow, each, and what is known of the usage.
	MaxState = 256 << 10
	// MaxExecution bounds what it takes to go on with a job.
	MaxExecution = 1 << 20
	// MaxContext bounds what stays with a job.
	MaxContext = 1 << 20
	// MaxName bounds ids, keys, the name of a model and the owner of a lease; MaxError the text of an error.
	MaxName = 512
	// MaxAdmissionID bounds the name by which a client knows a wish for an answer, in bytes.
	MaxAdmissionID = 128
	MaxError       = 2000
	// Kept is how many finished jobs of a user are kept; the oldest give way.
	Kept = 50
	// MaxCancellations is how many cancellations of admissions that never came are kept of a user.
	MaxCancellations = 100
	// MostAttempts is how many workers a job may lose.
	MostAttempts = 5
	// LongestLease and LongestTime bound leases, time-outs and retentions.
	LongestLease = 10 * time.Minute
	LongestTime  = 14 * 24 * time.Hour
	// DefaultLease, DefaultTimeout and DefaultRetention are what holds where nothing is said.
	DefaultLease     = 30 * time.Second
	DefaultTimeout   = 5 * time.Minute
	DefaultRetention = 24 * time.Hour
)

// Order is what begins a job.
type Order struct {
	UserID string
	// WorkspaceID may be empty. If it is a workspace of the store, the user must be allowed to write there.
	WorkspaceID, ThreadID, MessageID, Model string
	Kind                                    Kind
	// IdempotencyKey names the job among those of the user: a second one under it is the first one. AdmissionID is the name by which
	// CancelAdmission finds it. Each stands for the other if that is empty.
	IdempotencyKey, AdmissionID string
	GenerationID                string
	HistoryPhase                HistoryPhase
	// Execution is what it takes to go on with the job in another process, encrypted; nil if no other can.
	Execution []byte
	// Context is what stays with the job until it is removed, JSON of the host's own, such as how its answer gets into the history; nil
	// if there is nothing.
	Context []byte
	// Content and Reasoning are what the texts begin with, where a job goes on with an answer. ToolCalls and WorkflowState are JSON.
	Content, Reasoning       string
	ToolCalls, WorkflowState []byte
	// LeaseOwner has the job in hand for Lease from the beginning; empty if whoever creates it works without leases.
	LeaseOwner string
	Lease      time.Duration
	// Timeout is after which silence a job without a lease has failed, Retention how long a finished one is kept.
	Timeout, Retention time.Duration
	// MostOfAll and MostOfUser are how many open jobs there may be.
	MostOfAll, MostOfUser int
	// Notify says that the user is told when the job has ended (Notices). What a user has aborted they know.
	Notify bool
}

// Admission is what became of a Order.
type Admission struct {
	// ID is empty if Cancelled.
	ID string
	// Replayed says that the job was there.
	Replayed bool
	// Cancelled says that the admission was cancelled before it came.
	Cancelled bool
}

// Job is a background job, without its texts.
type Job struct {
	ID, UserID                              string
	WorkspaceID, ThreadID, MessageID, Model string
	Kind                                    Kind
	Status                                  Status
	ChunksReceived                          int
	StartedAt                               time.Time
	// CompletedAt is zero while the job is open.
	CompletedAt time.Time
	// Error is set if Status is Failed; it is for the user. Cause is the same for operators: no text of a chat, nor of a server of
	// models. It is empty if nothing is known that they may read.
	Error, Cause string
	// ToolCalls, WorkflowState and Usage are JSON; nil if there is none.
	ToolCalls, WorkflowState, Usage []byte
	// Context is told where it is asked for, to workers, and with PendingHistory.
	Context                                   []byte
	IdempotencyKey, AdmissionID, GenerationID string
	HistoryPhase                              HistoryPhase
	// Attempts is how many workers have had the job in hand; 0 without leases. Texts begin again with each.
	Attempts   int
	LeaseOwner string
	// LeaseUntil is zero without a lease.
	LeaseUntil time.Time
}

// Text is a text of a job, from a place on. Places and lengths are in UTF-16 code units.
type Text struct {
	Text   string
	From   int
	Length int
}

// Place is how much of a job a reader has.
type Place struct {
	// Content and Reasoning are the places from which texts are wanted. What lies beyond the end gives the whole text. One that
	// parts the two units of a character gives a replacement character for the second.
	Content, Reasoning int
	// Attempt, if not 0, is the attempt that they belong to. If it is not the present one, texts come whole.
	Attempt int
	// Context says that the job's is wanted.
	Context bool
}

// View is a job of one moment.
type View struct {
	Job
	Content, Reasoning Text
}

// Update is what has come of a job since the last one.
type Update struct {
	// LeaseOwner, if not empty, must have the lease.
	LeaseOwner string
	// Content and Reasoning are appended. They are well-formed text.
	Content, Reasoning string
	// Chunks is how many have come in all; nil if that stays.
	Chunks *int
	// ToolCalls, WorkflowState and Usage replace what was there; nil if they stay.
	ToolCalls, WorkflowState, Usage []byte
}

// Outcome is how a job ends.
type Outcome struct {
	// LeaseOwner, if not empty, must have the lease.
	LeaseOwner string
	// Status is Complete or Failed, with Error and Cause as in Job.
	Status       Status
	Error, Cause string
	// Seen says that someone has read along to the end, so that the user need not be told.
	Seen bool
	// Content and Reasoning replace what has come; nil if that is all.
	Content, Reasoning *string
}

// Store is the optional ability of a sync provider to keep background jobs beyond the life of a process (contract,
// client-behaviour §11). A job that is not there, or is another user's, is CodeNotFound. What is beyond the bounds is CodeInvalid, and
// whoever names a lease that another owner has, or that has ended, gets CodeConflict.
//
// A job that nobody works on any more does not stay open: one whose lease has ended and that no other worker can take up, and one that
// has been silent for its time-out, fail.
type Store interface {
	// CreateJob begins a job. Too many open ones are CodeRateLimited.
	CreateJob(ctx context.Context, in Order) (Admission, error)
	// GetJob returns a job of a user, or of AnyUser, with its texts from a place on.
	GetJob(ctx context.Context, id, userID string, from Place) (View, error)
	// UpdateJob adds to an open job and returns its status; one that is not open stays as it is.
	UpdateJob(ctx context.Context, id string, u Update) (Status, error)
	// FinishJob ends an open job, and reports whether it was open. Its execution is forgotten.
	FinishJob(ctx context.Context, id string, out Outcome) (bool, error)
	// AbortJob ends an open job of a user, or of AnyUser, and reports whether it has: false also for a job that is not there. What has
	// come of it stays. Its worker learns of it by the status of its next update.
	AbortJob(ctx context.Context, id, userID string) (bool, error)
	// CountJobs returns how many jobs of a user, or of AnyUser, are open.
	CountJobs(ctx context.Context, userID string) (int, error)
	// CollectJobs lets abandoned jobs fail and removes finished ones whose retention has ended. It returns how many it has dealt with.
	// The store does this by itself as well.
	CollectJobs(ctx context.Context) (int, error)
}

// Claimed is a job in the hands of a worker.
type Claimed struct {
	Job
	Execution []byte
	// Resumed says that the job goes on behind a Handoff, with the texts that it had.
	Resumed bool
}

// Queue is the ability of a Store to hand jobs to workers, each to one at a time, and to another when that one is gone. Leases
// last LongestLease at most.
type Queue interface {
	// ClaimJob hands out an open job that no other worker has in hand, and that waits for no admission into the history; nil if there is none. A worker that has it gets it again. For
	// the second worker and those after it the texts begin again.
	ClaimJob(ctx context.Context, id, owner string, lease time.Duration) (*Claimed, error)
	// ClaimNextJob hands out the oldest open job with an execution that no worker has in hand; nil if there is none.
	ClaimNextJob(ctx context.Context, owner string, lease time.Duration) (*Claimed, error)
	// RenewJobLease makes a lease last longer, and reports whether the owner has it, and the job is open.
	RenewJobLease(ctx context.Context, id, owner string, lease time.Duration) (bool, error)
	// UpdateJobExecution replaces the execution of an open job, and reports whether the owner has the lease.
	UpdateJobExecution(ctx context.Context, id, owner string, execution []byte) (bool, error)
}

// Cancellation is what became of a cancelled admission.
type Cancellation struct {
	// JobID is the job that it was; empty if it has not come yet.
	JobID string
	// Aborted says that the job was open.
	Aborted bool
	// Pending says that the admission has not come: when it does, CreateJob refuses it.
	Pending bool
}

// Admissions is the ability of a Store to find jobs whose id nobody knows, because the answer to their creation was lost.
type Admissions interface {
	// FindJob returns the job of a user with an idempotency key.
	FindJob(ctx context.Context, key, userID string) (Job, error)
	// CancelAdmission aborts the job of a user with an admission id, or an idempotency key, whether it has come or not.
	CancelAdmission(ctx context.Context, userID, admissionID string) (Cancellation, error)
}

// TerminalSnapshot is how a job has ended, as the history gets it.
type TerminalSnapshot struct {
	// Status is a final one; Error is set if it is Failed.
	Status             Status
	Content, Reasoning string
	// ToolCalls and Usage are JSON; nil if what has come stays.
	ToolCalls, Usage []byte
	// Error, Cause and Seen are as in Outcome.
	Error, Cause string
	Seen         bool
	// CompletedAt is when the worker was done; zero is now.
	CompletedAt time.Time
}

// PendingHistory is a job whose answer is on its way into the history.
type PendingHistory struct {
	Job
	// Snapshot is how it has ended, JSON in the form of the contract (sync §10.8); nil while it is open.
	Snapshot []byte
}

// History is the ability of a Store to remember how far an answer is on its way into the history, so that it gets there whatever
// dies in between (contract, sync §10.8).
type History interface {
	// SaveTerminalSnapshot ends an open job and makes the phase HistoryFinalizationPending, in one transaction, so that the answer is
	// neither lost nor made again. It reports whether the job was open: the first end stays.
	SaveTerminalSnapshot(ctx context.Context, id, leaseOwner string, snapshot TerminalSnapshot) (bool, error)
	// SetHistoryPhase sets the phase, if it is one of from, or from is empty, and reports whether it did: false also for a job that is
	// not there.
	SetHistoryPhase(ctx context.Context, id string, phase HistoryPhase, from ...HistoryPhase) (bool, error)
	// PendingHistoryJobs returns jobs in the phases HistoryAdmissionPending and HistoryFinalizationPending that no worker has in hand,
	// the oldest first.
	PendingHistoryJobs(ctx context.Context, limit int) ([]PendingHistory, error)
}

// Notices is the ability of a Store to remember of which ends users are still to be told by a notification, so that they are told
// once whatever dies in between (contract, client-behaviour §13).
type Notices interface {
	// JobsToTell returns jobs that were created with Notify and have ended unseen, and whose answer is on its way into the history no longer,
	// the oldest first.
	JobsToTell(ctx context.Context, limit int) ([]Job, error)
	// JobIsTold says that nothing is left to be told of a job.
	JobIsTold(ctx context.Context, id string) error
}

// MostListed is how many jobs a list has at most.
const MostListed = 1000

// Filter says which jobs a list has; what is empty does not count.
type Filter struct {
	Status              Status
	UserID, WorkspaceID string
	// Limit is 1 to MostListed.
	Limit int
}

// Counts are how many jobs a store has.
type Counts struct {
	// Running ones are in the hands of a worker, Waiting ones are open and are not.
	Running int `json:"running"`
	Waiting int `json:"waiting"`
	// Complete, Failed and Aborted ones are finished and still kept.
	Complete int `json:"complete"`
	Failed   int `json:"failed"`
	Aborted  int `json:"aborted"`
}

// Census is the ability of a Store to show an operator its jobs.
type Census interface {
	// ListJobs returns jobs, the newest first, without what is large of them.
	ListJobs(ctx context.Context, f Filter) ([]Job, error)
	// CountAllJobs counts them.
	CountAllJobs(ctx context.Context) (Counts, error)
}
