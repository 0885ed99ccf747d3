// Package jobs is the contract of background jobs: what a host keeps about them beyond the life of its process
// (contract, client-behaviour §11).
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

// Status is the state of a job.
type Status string

// The statuses. The first one is open, the others are final.
const (
	Streaming Status = "streaming"
	Complete  Status = "complete"
	Failed    Status = "error"
	Aborted   Status = "aborted"
)

// Valid reports whether s is one of the statuses.
func (s Status) Valid() bool {
	return s == Streaming || s == Complete || s == Failed || s == Aborted
}

// HistoryPhase is how far the answer of a job has come on its way into the synced history. It is empty for a job that
// writes none.
type HistoryPhase string

// The phases. The first and the third still need work.
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

// AnyUser stands for all users where a method asks for the job's user. Workers use it.
const AnyUser = "*"

// Limits on jobs. Sizes are in bytes.
const (
	// MaxText limits the answer of a job, and its reasoning. The rest is cut off.
	MaxText = 224 << 10
	// MaxState limits the tool calls, the workflow state and the usage, each.
	MaxState = 256 << 10
	// MaxExecution limits the data needed to resume a job.
	MaxExecution = 1 << 20
	// MaxContext limits the data stored with a job.
	MaxContext = 1 << 20
	// MaxName limits ids, keys, the name of a model and the owner of a lease. MaxError limits the text of an error.
	MaxName = 512
	// MaxAdmissionID limits the client's id of an admission, in bytes.
	MaxAdmissionID = 128
	MaxError       = 2000
	// Kept is how many finished jobs are kept per user. The oldest are removed first.
	Kept = 50
	// MaxCancellations is how many cancellations of admissions that never arrived are kept per user.
	MaxCancellations = 100
	// MostAttempts is how many workers a job may lose.
	MostAttempts = 5
	// LongestLease and LongestTime limit leases, timeouts and retentions.
	LongestLease = 10 * time.Minute
	LongestTime  = 14 * 24 * time.Hour
	// DefaultLease, DefaultTimeout and DefaultRetention apply if nothing is given.
	DefaultLease     = 30 * time.Second
	DefaultTimeout   = 5 * time.Minute
	DefaultRetention = 24 * time.Hour
)

// Order creates a job.
type Order struct {
	UserID string
	// WorkspaceID may be empty. If it is a workspace of the store, the user must be allowed to write there.
	WorkspaceID, ThreadID, MessageID, Model string
	Kind                                    Kind
	// IdempotencyKey identifies the job among those of the user: a second order with the same key returns the first
	// job. CancelAdmission finds the job by AdmissionID. If one of the two is empty, the other stands in for it.
	IdempotencyKey, AdmissionID string
	GenerationID                string
	HistoryPhase                HistoryPhase
	// Execution is the data needed to resume the job in another process, encrypted. It is nil if no other process can
	// resume it.
	Execution []byte
	// Context is JSON of the host that is stored with the job until it is removed, such as how its answer gets into the
	// history. It may be nil.
	Context []byte
	// Content and Reasoning are the initial texts, if a job continues an answer. ToolCalls and WorkflowState are JSON.
	Content, Reasoning       string
	ToolCalls, WorkflowState []byte
	// LeaseOwner holds the job for Lease from the beginning. It is empty if the creator works without leases.
	LeaseOwner string
	Lease      time.Duration
	// Timeout is the silence after which a job without a lease fails. Retention is how long a finished job is kept.
	Timeout, Retention time.Duration
	// MostOfAll and MostOfUser limit the number of open jobs.
	MostOfAll, MostOfUser int
	// Notify means that the user is notified when the job has ended (Notices), unless they aborted it themselves.
	Notify bool
}

// Admission is the outcome of an Order.
type Admission struct {
	// ID is empty if Cancelled.
	ID string
	// Replayed means that the job existed already.
	Replayed bool
	// Cancelled means that the admission was cancelled before it arrived.
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
	// Error is set if Status is Failed; it is for the user. Cause is the same for operators. It contains no text of a
	// chat or of a model server, and is empty if nothing is known that operators may read.
	Error, Cause string
	// ToolCalls, WorkflowState and Usage are JSON. Each is nil if there is none.
	ToolCalls, WorkflowState, Usage []byte
	// Context is returned on request, to workers, and with PendingHistory.
	Context                                   []byte
	IdempotencyKey, AdmissionID, GenerationID string
	HistoryPhase                              HistoryPhase
	// Attempts is the number of workers that have held the job, 0 without leases. Texts start over with each.
	Attempts   int
	LeaseOwner string
	// LeaseUntil is zero without a lease.
	LeaseUntil time.Time
}

// Text is a text of a job from a position on. Positions and lengths are in UTF-16 code units.
type Text struct {
	Text   string
	From   int
	Length int
}

// Place is how much of a job a reader already has.
type Place struct {
	// Content and Reasoning are the positions from which texts are returned. A position beyond the end returns the
	// whole text. A position inside a surrogate pair returns a replacement character for the second half.
	Content, Reasoning int
	// Attempt, if not 0, is the attempt that the positions belong to. If it is not the current one, texts are returned
	// in full.
	Attempt int
	// Context requests the job's Context.
	Context bool
}

// View is a snapshot of a job.
type View struct {
	Job
	Content, Reasoning Text
}

// Update is the progress of a job since the last update.
type Update struct {
	// LeaseOwner, if not empty, must hold the lease.
	LeaseOwner string
	// Content and Reasoning are appended. They are well-formed text.
	Content, Reasoning string
	// Chunks is the total number of chunks so far. nil leaves it as it is.
	Chunks *int
	// ToolCalls, WorkflowState and Usage replace the job's. nil leaves them as they are.
	ToolCalls, WorkflowState, Usage []byte
}

// Outcome is the end of a job.
type Outcome struct {
	// LeaseOwner, if not empty, must hold the lease.
	LeaseOwner string
	// Status is Complete or Failed, with Error and Cause as in Job.
	Status       Status
	Error, Cause string
	// Seen means that a reader followed the job to the end, so that the user need not be notified.
	Seen bool
	// Content and Reasoning replace the job's texts. nil leaves them as they are.
	Content, Reasoning *string
}

// Store is the optional ability of a sync provider to keep background jobs beyond the life of a process (contract,
// client-behaviour §11). A job that does not exist or belongs to another user is CodeNotFound. Input beyond the limits
// is CodeInvalid. Naming a lease that another owner holds, or that has ended, is CodeConflict.
//
// An abandoned job does not stay open. It fails if its lease has ended and no other worker can take it, or if it has
// been silent for its timeout.
type Store interface {
	// CreateJob creates a job. Too many open jobs are CodeRateLimited.
	CreateJob(ctx context.Context, in Order) (Admission, error)
	// GetJob returns a job of a user, or of AnyUser, with its texts from a position on.
	GetJob(ctx context.Context, id, userID string, from Place) (View, error)
	// UpdateJob adds to an open job and returns its status. It leaves a job that is not open as it is.
	UpdateJob(ctx context.Context, id string, u Update) (Status, error)
	// FinishJob ends an open job and reports whether it was open. It deletes the execution.
	FinishJob(ctx context.Context, id string, out Outcome) (bool, error)
	// AbortJob ends an open job of a user, or of AnyUser, and reports whether it did. It also reports false for a job
	// that does not exist. The job keeps its results so far. Its worker learns of the abort from the status of its next
	// update.
	AbortJob(ctx context.Context, id, userID string) (bool, error)
	// CountJobs returns the number of open jobs of a user, or of AnyUser.
	CountJobs(ctx context.Context, userID string) (int, error)
	// CollectJobs marks abandoned jobs as failed and removes finished jobs whose retention has ended. It returns the
	// number of both. The store also does this on its own.
	CollectJobs(ctx context.Context) (int, error)
}

// Claimed is a job that a worker holds.
type Claimed struct {
	Job
	Execution []byte
	// Resumed means that the job continues after a Handoff, with the texts that it had.
	Resumed bool
}

// Queue is the ability of a Store to hand jobs to workers: each job to one worker at a time, and to another when that
// one is gone. Leases last LongestLease at most.
type Queue interface {
	// ClaimJob returns an open job that no other worker holds and that does not wait for admission into the history, or
	// nil. The worker that holds a job gets it again. For the second and later workers, the texts start over.
	ClaimJob(ctx context.Context, id, owner string, lease time.Duration) (*Claimed, error)
	// ClaimNextJob returns the oldest open job with an execution that no worker holds, or nil.
	ClaimNextJob(ctx context.Context, owner string, lease time.Duration) (*Claimed, error)
	// RenewJobLease extends a lease. It reports whether the owner holds it and the job is open.
	RenewJobLease(ctx context.Context, id, owner string, lease time.Duration) (bool, error)
	// UpdateJobExecution replaces the execution of an open job. It reports whether the owner holds the lease.
	UpdateJobExecution(ctx context.Context, id, owner string, execution []byte) (bool, error)
}

// Cancellation is the outcome of cancelling an admission.
type Cancellation struct {
	// JobID is the job of the admission. It is empty if that has not arrived yet.
	JobID string
	// Aborted means that the job was open.
	Aborted bool
	// Pending means that the admission has not arrived. When it does, CreateJob refuses it.
	Pending bool
}

// Admissions is the ability of a Store to find jobs whose id the client does not know because the answer to their
// creation was lost.
type Admissions interface {
	// FindJob returns the job of a user with an idempotency key.
	FindJob(ctx context.Context, key, userID string) (Job, error)
	// CancelAdmission aborts the job of a user with this admission id or idempotency key, whether it has arrived or
	// not.
	CancelAdmission(ctx context.Context, userID, admissionID string) (Cancellation, error)
}

// TerminalSnapshot is the end of a job, in the form that the history gets.
type TerminalSnapshot struct {
	// Status is final. Error is set if it is Failed.
	Status             Status
	Content, Reasoning string
	// ToolCalls and Usage are JSON. nil leaves the job's as they are.
	ToolCalls, Usage []byte
	// Error, Cause and Seen are as in Outcome.
	Error, Cause string
	Seen         bool
	// CompletedAt is when the worker finished. Zero means now.
	CompletedAt time.Time
}

// PendingHistory is a job whose answer is on its way into the history.
type PendingHistory struct {
	Job
	// Snapshot is the end of the job, as JSON in the form of the contract (sync §10.8). It is nil while the job is
	// open.
	Snapshot []byte
}

// History is the ability of a Store to remember how far an answer has come on its way into the history, so that it
// arrives whichever process dies in between (contract, sync §10.8).
type History interface {
	// SaveTerminalSnapshot ends an open job and sets the phase to HistoryFinalizationPending, in one transaction, so
	// that the answer is neither lost nor generated twice. It reports whether the job was open: the first end is final.
	SaveTerminalSnapshot(ctx context.Context, id, leaseOwner string, snapshot TerminalSnapshot) (bool, error)
	// SetHistoryPhase sets the phase if the current one is in from, or if from is empty, and reports whether it did. It
	// also reports false for a job that does not exist.
	SetHistoryPhase(ctx context.Context, id string, phase HistoryPhase, from ...HistoryPhase) (bool, error)
	// PendingHistoryJobs returns the jobs in the phases HistoryAdmissionPending and HistoryFinalizationPending that no
	// worker holds, oldest first.
	PendingHistoryJobs(ctx context.Context, limit int) ([]PendingHistory, error)
}

// Notices is the ability of a Store to remember which finished jobs users have not been notified of yet, so that they
// are notified once whichever process dies in between (contract, client-behaviour §13).
type Notices interface {
	// JobsToTell returns jobs that were created with Notify and ended unseen, and whose answer is no longer on its way
	// into the history, oldest first.
	JobsToTell(ctx context.Context, limit int) ([]Job, error)
	// JobIsTold records that nothing is left to notify the user of.
	JobIsTold(ctx context.Context, id string) error
}

// MostListed is the largest number of jobs in a list.
const MostListed = 1000

// Filter selects the jobs of a list. Empty fields match all.
type Filter struct {
	Status              Status
	UserID, WorkspaceID string
	// Before is the id of a job than which all are older. Of one that is gone there are none.
	Before string
	// Limit is 1 to MostListed.
	Limit int
}

// Counts are the numbers of jobs in a store.
type Counts struct {
	// Running jobs are held by a worker. Waiting jobs are open but not held.
	Running int `json:"running"`
	Waiting int `json:"waiting"`
	// Complete, Failed and Aborted jobs are finished and still kept.
	Complete int `json:"complete"`
	Failed   int `json:"failed"`
	Aborted  int `json:"aborted"`
}

// Census is the ability of a Store to show its jobs to an operator.
type Census interface {
	// ListJobs returns jobs, newest first, without their large parts.
	ListJobs(ctx context.Context, f Filter) ([]Job, error)
	// CountAllJobs counts all jobs.
	CountAllJobs(ctx context.Context) (Counts, error)
}
