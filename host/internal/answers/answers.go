// Package answers makes answers of models without the browser that asked for them (contract, client-behaviour §11).
// Each is a job of the store: its progress is there for readers, and whatever fails in between, another worker takes it
// up or it fails with a text. Before the model is asked, the messages of the chat are written into the synced history,
// and so is the answer when it has ended (contract, sync §10.8), so every device gets it by ordinary sync.
//
//	answers.go   begins and ends answers         execution.go  what is needed to continue one, encrypted
//	work.go      keeps one that is being made    loop.go       asks the model, and runs the tools that it calls
//	calls.go     calls of tools on record        claims.go     those that a browser makes
//	joint.go     joins a continued text          history.go    writes it into the history
//	readers.go   wakes those who read along      notices.go    tells those who do not
package answers

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/internal/sealed"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/syncrule"
	"or3.chat/cloud/syncwire"
)

// Store keeps the jobs.
type Store interface {
	jobs.Store
	jobs.Queue
	jobs.Admissions
	jobs.Handoffs
	jobs.History
	jobs.Notices
}

// Options are what an engine depends on.
type Options struct {
	Store   Store
	History or3cloud.GenerationHistory
	// Reader reads chats whose clients have left before their answer was there; nil leaves those unfinished.
	Reader or3cloud.ChatHistoryReader
	// Notifier tells users of answers that have ended without them; nil tells no one.
	Notifier  or3cloud.Notifier
	Upstreams *completions.Upstreams
	Client    *completions.Client
	// Tools are called on the server; nil if there are none.
	Tools Tools
	// Key encrypts what is needed to continue an answer.
	Key string
	// MayWrite reports whether a user may write in a workspace now.
	MayWrite func(ctx context.Context, userID, workspaceID string) (bool, error)
	// Most and MostOfUser are how many answers may be under way, Timeout is how long one may take.
	Most, MostOfUser int
	Timeout          time.Duration
	Log              *slog.Logger
	Now              func() time.Time
	Rand             io.Reader
}

// Memory is approximately what an answer under way takes at most, in bytes: the request to its server, then its texts,
// and its connection.
const Memory = 5 << 18

const (
	// lease is how long a worker that has died keeps its answer from others (contract, client-behaviour §11).
	lease = 30 * time.Second
	// lookEvery is how often the engine looks for lost answers, and for those that wait for the history.
	lookEvery = 5 * time.Second
)

// Engine makes answers. It is safe for concurrent use.
type Engine struct {
	opt     Options
	sealer  *sealed.Sealer
	owner   string // of the leases of this process
	claims  *background.Loop
	history *background.Loop // separate, so that an answer that cannot be written blocks no other
	archive archive
	notices notices
	readers readers

	ctx     context.Context
	stop    context.CancelFunc
	workers sync.WaitGroup
	mu      sync.Mutex
	running map[string]context.CancelCauseFunc // by the job
}

// New returns an engine. Start starts its work.
func New(o Options) (*Engine, error) {
	sealer, err := sealed.New(o.Rand, "background answers", o.Key)
	if err != nil {
		return nil, err
	}
	e := &Engine{opt: o, sealer: sealer, running: map[string]context.CancelCauseFunc{}}
	e.archive, e.notices = archive{opt: &e.opt, readers: &e.readers}, notices{&e.opt, &e.readers}
	if e.owner, err = e.name(); err != nil {
		return nil, err
	}
	e.ctx, e.stop = context.WithCancel(context.Background())
	e.claims = background.New(background.Task{
		Name: "the search for background answers", Log: o.Log, Pause: background.Every(lookEvery), Harmless: true, Run: e.claim,
	})
	e.history = background.New(background.Task{
		Name: "the history of background answers", Log: o.Log, Pause: background.Every(lookEvery), Harmless: true, Run: e.bring,
	})
	return e, nil
}

// Start starts the work.
func (e *Engine) Start() {
	e.claims.Begin()
	e.history.Begin()
}

// Close ends all work. Answers under way are left to the next process.
func (e *Engine) Close() {
	e.stop()
	e.claims.Close()
	e.workers.Wait()
	e.history.Close()
}

// Order asks for an answer.
type Order struct {
	UserID string
	// History is the admission into the history as the client sent it, of which Admission is the parsed form: it is
	// kept byte for byte. It is nil for old clients, which write the messages themselves while they are connected;
	// Admission then has only ids, and perhaps none of the wish.
	History   []byte
	Admission syncwire.AdmissionEnvelope
	// Asked is the model in the client's words, To its server and Body the request to it. Key is the user's own key for
	// it; empty if the operator's is used.
	Asked string
	To    completions.Upstream
	Key   string
	// Referer is the origin of the client's pages.
	Referer string
	Body    []byte
	// Browser are the functions that the browser called Device has; WholeFields says how the server sends calls of
	// functions.
	Browser     []string
	Device      string
	WholeFields bool
}

// The errors of Begin, by which clients are told apart from others.
var (
	// ErrCancelled says that the wish was withdrawn before it arrived.
	ErrCancelled = or3cloud.Errorf(or3cloud.CodeConflict, "The answer was cancelled before it began")
	// ErrBusy says that too many answers are under way.
	ErrBusy = or3cloud.Errorf(or3cloud.CodeRateLimited, "Server busy, try again later")
	// ErrLarge says that a chat is too large for an answer that others can take up.
	ErrLarge = or3cloud.Errorf(or3cloud.CodeTooLarge, "The chat is too large to be answered in the background")
	// ErrHistory says that the history differs from what the client expects.
	ErrHistory = or3cloud.Errorf(or3cloud.CodeConflict, "The history of the chat has changed")
)

// Begin begins an answer and returns its job. A wish that has arrived before is the same answer.
func (e *Engine) Begin(ctx context.Context, o Order) (id string, err error) {
	phase := jobs.HistoryAdmissionPending
	if o.History == nil {
		phase = jobs.HistoryReady
	} else {
		g, err := o.Admission.Generation(o.UserID)
		if err == nil {
			_, err = syncrule.CheckGeneration(&g, e.opt.Now()) // a wish that makes no sense leaves no job
		}
		if err != nil {
			return "", err
		}
	}
	if o.Admission.AdmissionID == "" {
		if o.Admission.AdmissionID, err = e.name(); err != nil {
			return "", err
		}
	}
	x := &execution{
		Server: o.To.Name, Key: o.Key, Referer: o.Referer, Browser: o.Browser, Device: o.Device, Whole: o.WholeFields, body: o.Body,
	}
	if o.Admission.Kind == or3cloud.Continuation {
		x.GoesOn = true
		x.Content, x.Reasoning = soFar(o.Admission.AssistantMessage)
		if len(x.Content)+len(x.Reasoning) > jobs.MaxText {
			return "", ErrLarge
		}
	}
	execution, err := e.seal(x, place(o.UserID, o.Admission.AdmissionID))
	if err != nil {
		return "", err
	}
	if len(execution) > jobs.MaxExecution || len(o.History) > jobs.MaxContext {
		return "", ErrLarge
	}
	a := o.Admission
	admitted, err := e.opt.Store.CreateJob(ctx, jobs.Order{
		UserID: o.UserID, WorkspaceID: a.WorkspaceID, ThreadID: a.ThreadID, MessageID: a.MessageID, Model: o.Asked, Kind: jobs.Chat,
		IdempotencyKey: a.AdmissionID, AdmissionID: a.AdmissionID, GenerationID: a.GenerationID, HistoryPhase: phase,
		Execution: execution, Context: o.History, Content: x.Content, Reasoning: x.Reasoning, Timeout: e.opt.Timeout, Retention: jobs.DefaultRetention,
		MostOfAll: e.opt.Most, MostOfUser: e.opt.MostOfUser, Notify: e.opt.Notifier != nil,
	})
	switch {
	case or3cloud.CodeOf(err) == or3cloud.CodeRateLimited:
		return "", ErrBusy
	case err != nil:
		return "", err
	case admitted.Cancelled:
		return "", ErrCancelled
	}
	if phase == jobs.HistoryReady {
		e.claims.Wake()
		return admitted.ID, nil
	}
	return admitted.ID, e.admit(ctx, admitted.ID)
}

// soFar returns the texts of a message that an answer continues.
func soFar(message []byte) (content, reasoning string) {
	var in struct {
		Data struct {
			Content   any `json:"content"`
			Reasoning any `json:"reasoning_text"`
		} `json:"data"`
	}
	if json.Unmarshal(message, &in) != nil {
		return "", ""
	}
	content, _ = in.Data.Content.(string)
	reasoning, _ = in.Data.Reasoning.(string)
	return content, reasoning
}

// name returns an unused name.
func (e *Engine) name() (string, error) {
	id := make([]byte, 16)
	if _, err := io.ReadFull(e.opt.Rand, id); err != nil {
		return "", fmt.Errorf("make a name for background answers: %w", err)
	}
	return fmt.Sprintf("%x", id), nil
}

// Find returns the job of a wish that has arrived before; CodeNotFound if there is none.
func (e *Engine) Find(ctx context.Context, userID, admissionID string) (jobs.Job, error) {
	return e.opt.Store.FindJob(ctx, admissionID, userID)
}

// Again returns the job of a wish that arrives again; "" if it has not arrived before. Anything left undone of it is
// done.
func (e *Engine) Again(ctx context.Context, userID, admissionID string) (id string, err error) {
	job, err := e.Find(ctx, userID, admissionID)
	switch {
	case or3cloud.CodeOf(err) == or3cloud.CodeNotFound:
		return "", nil
	case err != nil:
		return "", err
	}
	return job.ID, e.admit(ctx, job.ID)
}

// admit writes the messages of an answer into the history, if that has not been done, and releases it to workers.
func (e *Engine) admit(ctx context.Context, id string) error {
	job, err := e.opt.Store.GetJob(ctx, id, jobs.AnyUser, jobs.Place{Context: true})
	if err != nil {
		return err
	}
	switch job.HistoryPhase {
	case jobs.HistoryAdmissionPending:
		err = e.archive.writeAdmission(ctx, job.Job, true)
		e.claims.Wake()
		if err != nil && final(err) && or3cloud.CodeOf(err) == or3cloud.CodeConflict {
			return ErrHistory
		}
		return err
	case jobs.HistoryBlocked:
		return ErrHistory
	}
	return nil
}

// Abort ends an answer of a user, and reports whether it was under way. What has arrived of it stays.
func (e *Engine) Abort(ctx context.Context, id, userID string) (bool, error) {
	done, err := e.opt.Store.AbortJob(ctx, id, userID)
	if done {
		e.ended(id)
	}
	return done, err
}

// Cancel withdraws a wish, whether it has arrived or not.
func (e *Engine) Cancel(ctx context.Context, userID, admissionID string) (jobs.Cancellation, error) {
	out, err := e.opt.Store.CancelAdmission(ctx, userID, admissionID)
	if out.Aborted {
		e.ended(out.JobID)
	}
	return out, err
}

// errEnded is why the work on an answer that has ended otherwise is given up.
var errEnded = or3cloud.Errorf(or3cloud.CodeConflict, "The answer has ended")

// ended tells all readers that an answer has ended.
func (e *Engine) ended(id string) {
	e.mu.Lock()
	cancel := e.running[id]
	e.mu.Unlock()
	if cancel != nil {
		cancel(errEnded)
	}
	e.readers.tell(id)
	e.history.Wake()
}

// Get returns a job of a user with its texts from a place on.
func (e *Engine) Get(ctx context.Context, id, userID string, from jobs.Place) (jobs.View, error) {
	return e.opt.Store.GetJob(ctx, id, userID, from)
}

// Watch returns a channel that holds a value when there is news of a job, until stop is called.
func (e *Engine) Watch(id string) (news <-chan struct{}, stop func()) { return e.readers.watch(id) }

// bring writes what waits into the history, and then notifies users who were not there.
func (e *Engine) bring(ctx context.Context) error {
	return errors.Join(e.archive.bring(ctx), e.notices.give(ctx))
}

// claim takes up answers that no worker holds.
func (e *Engine) claim(ctx context.Context) error {
	for e.free() {
		job, err := e.opt.Store.ClaimNextJob(ctx, e.owner, lease)
		if err != nil || job == nil {
			return err
		}
		e.begin(job)
	}
	return nil
}

func (e *Engine) free() bool { return e.UnderWay() < e.opt.Most }

// UnderWay returns how many answers the workers of this process hold.
func (e *Engine) UnderWay() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.running)
}

// Readers returns how many answers are being read along.
func (e *Engine) Readers() int {
	e.readers.mu.Lock()
	defer e.readers.mu.Unlock()
	return len(e.readers.by)
}

// begin starts a worker that makes an answer.
func (e *Engine) begin(job *jobs.Claimed) {
	ctx, cancel := context.WithCancelCause(e.ctx)
	e.mu.Lock()
	e.running[job.ID] = cancel
	e.mu.Unlock()
	e.readers.tell(job.ID) // its texts may start again
	e.workers.Go(func() {
		defer cancel(nil)
		worker{e}.work(ctx, job)
		e.mu.Lock()
		delete(e.running, job.ID)
		e.mu.Unlock()
		e.readers.tell(job.ID)
		e.history.Wake()
		e.claims.Wake()
	})
}
