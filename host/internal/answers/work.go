package answers

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/jobs"
)

const (
	// flushEvery is how often what has arrived is stored: a token is not worth a transaction.
	flushEvery = 250 * time.Millisecond
	// renewEvery is how often a worker shows that it lives, and checks whether the user may still write.
	renewEvery = lease / 3
	// keepTrying is how often storing the end of an answer is tried before another worker has to make it again.
	keepTrying = 5
)

// failure is why an answer ends early, as the user reads it.
type failure string

// Error implements error.
func (f failure) Error() string { return string(f) }

const (
	errLong     failure = "The answer has become too long"
	errTime     failure = "The answer has taken too long"
	errMayWrite failure = "The permission to write in this workspace has ended"
	errKey      failure = "The answer cannot continue: the key of background answers has changed"
	errUpstream failure = "The answer cannot continue: its model server is gone"
)

// errLost says that another worker has the answer.
var errLost = errors.New("another worker has the answer")

// answer is one under way.
type answer struct {
	job *jobs.Claimed
	key string // that the server is asked with

	mu                  sync.Mutex
	content, reasoning  strings.Builder // all of it
	fresh, freshThought strings.Builder // what is not stored yet
	usage               []byte
	chunks              int
	calls               records
	recorded            int  // how many bytes they have
	recalled            bool // calls have changed that are not stored yet

	writing sync.Mutex // only one goroutine stores at a time
	joint   *joint
}

// worker makes one answer.
type worker struct{ *Engine }

// work makes an answer.
func (e worker) work(ctx context.Context, job *jobs.Claimed) {
	a := &answer{job: job}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	done := make(chan error, 1)
	go func() {
		err := errors.New("the worker has panicked")
		defer func() {
			if v := recover(); v != nil {
				e.opt.Log.Error("a background answer panicked", "job", job.ID, "panic", v, "stack", string(debug.Stack()))
			}
			done <- err
		}()
		err = e.ask(ctx, a)
	}()
	err := e.follow(ctx, cancel, a, done)
	switch {
	case errors.Is(err, errEnded), errors.Is(err, errLost), errors.Is(err, errHandedOff):
		return // another end stays, or another worker continues
	case err != nil && e.ctx.Err() != nil:
		e.handBack(job.ID)
		return
	}
	a.calls.abandon()
	end := jobs.TerminalSnapshot{
		Status: jobs.Complete, Content: a.content.String(), Reasoning: a.reasoning.String(), ToolCalls: a.calls.json(), Usage: a.usage,
		CompletedAt: e.opt.Now(), Seen: e.readers.watched(job.ID),
	}
	if err != nil {
		end.Status, end.Seen = jobs.Failed, end.Seen && !isLeft(job.Job) // such a client does not show the reason
		end.Error, end.Cause = e.explain(a, err)
	}
	err = e.save(job.ID, end)
	if or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
		return // it was removed with its user or its workspace
	}
	if err != nil {
		e.opt.Log.Warn("the end of a background answer was not written", "job", job.ID, "error", err)
		return
	}
	if ended := job.Job; isLeft(ended) && end.Status == jobs.Failed { // at once, not when the history has it
		ended.Status, ended.Error = end.Status, end.Error
		if err := e.notices.tell(context.WithoutCancel(ctx), &ended); err != nil {
			e.opt.Log.Debug("a user will be told about a background answer later", "job", job.ID, "error", err)
		}
	}
	e.opt.Log.Info("a background answer has ended", "job", job.ID, "status", end.Status, "user", job.UserID, "workspace", job.WorkspaceID,
		"attempts", job.Attempts, "seconds", int(end.CompletedAt.Sub(job.StartedAt).Seconds()))
}

// save stores the end of an answer, even if the server is stopping.
func (e worker) save(id string, end jobs.TerminalSnapshot) (err error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), lease/2)
	defer cancel()
	for range keepTrying {
		if _, err = e.opt.Store.SaveTerminalSnapshot(ctx, id, e.owner, end); err == nil || final(err) {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-e.ctx.Done():
			return err
		}
	}
	return err
}

// handBack lets the next worker take an answer up without waiting for the end of the lease.
func (e worker) handBack(id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(e.ctx), time.Second)
	defer cancel()
	if _, err := e.opt.Store.RenewJobLease(ctx, id, e.owner, time.Millisecond); err != nil {
		e.opt.Log.Debug("a background answer waits for the end of its lease", "job", id, "error", err)
	}
}

// follow stores what arrives until all has arrived, and returns how it has ended.
func (e worker) follow(ctx context.Context, cancel context.CancelCauseFunc, a *answer, done <-chan error) error {
	flush, renew := time.NewTicker(flushEvery), time.NewTicker(renewEvery)
	defer flush.Stop()
	defer renew.Stop()
	for {
		select {
		case err := <-done: // what is not stored yet is stored with the end
			return err
		case <-flush.C:
			if err := e.flush(ctx, a); err != nil {
				cancel(err)
				<-done
				return err
			}
		case <-renew.C:
			if err := e.renew(ctx, a); err != nil {
				cancel(err)
				<-done
				return err
			}
		}
	}
}

// flush stores what has arrived. What a store cannot take now it gets with the next piece.
func (e worker) flush(ctx context.Context, a *answer) error {
	if err := e.writeDown(ctx, a); errors.Is(err, errEnded) || errors.Is(err, errLost) {
		return err
	}
	return nil
}

// writeDown stores what has arrived.
func (e worker) writeDown(ctx context.Context, a *answer) error {
	a.writing.Lock()
	defer a.writing.Unlock()
	a.mu.Lock()
	u := jobs.Update{LeaseOwner: e.owner, Content: a.fresh.String(), Reasoning: a.freshThought.String()}
	chunks, recalled := a.chunks, a.recalled
	if recalled {
		u.ToolCalls = a.calls.json()
		a.recalled = false
	}
	a.mu.Unlock()
	if u.Content == "" && u.Reasoning == "" && u.ToolCalls == nil {
		return nil
	}
	u.Chunks = &chunks
	status, err := e.opt.Store.UpdateJob(ctx, a.job.ID, u)
	a.mu.Lock()
	defer a.mu.Unlock()
	switch code := or3cloud.CodeOf(err); {
	case err == nil && status != jobs.Streaming:
		return errEnded
	case code == or3cloud.CodeConflict || code == or3cloud.CodeNotFound:
		return errLost
	case err != nil:
		a.recalled = a.recalled || recalled
		return err
	}
	rest, restThought := a.fresh.String()[len(u.Content):], a.freshThought.String()[len(u.Reasoning):]
	a.fresh.Reset()
	a.freshThought.Reset()
	a.fresh.WriteString(rest)
	a.freshThought.WriteString(restThought)
	e.readers.tell(a.job.ID)
	return nil
}

// renew keeps the lease, if the user may still write. A store that cannot tell does not end an answer that is paid for.
func (e worker) renew(ctx context.Context, a *answer) error {
	if err := e.permit(ctx, a.job); err != nil {
		return err
	}
	held, err := e.opt.Store.RenewJobLease(ctx, a.job.ID, e.owner, lease)
	if err == nil && !held || or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
		return errLost
	}
	return nil
}

func (e worker) permit(ctx context.Context, job *jobs.Claimed) error {
	if may, err := e.opt.MayWrite(ctx, job.UserID, job.WorkspaceID); err == nil && !may {
		return errMayWrite
	}
	return nil
}

// cause is why something has ended with ctx, if it has.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	return err
}

// add adds a piece, and reports whether all of it fits.
func (a *answer) add(event completions.Event) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.content.Len()+a.reasoning.Len()+len(event.Content)+len(event.Reasoning)+a.recorded > jobs.MaxText {
		return false
	}
	if event.Usage != nil && len(event.Usage) <= jobs.MaxState {
		a.usage = event.Usage
	}
	if event.Content == "" && event.Reasoning == "" {
		return true
	}
	a.chunks++
	a.content.WriteString(event.Content)
	a.fresh.WriteString(event.Content)
	a.reasoning.WriteString(event.Reasoning)
	a.freshThought.WriteString(event.Reasoning)
	return true
}

// refusal is what a server says instead of an answer.
type refusal struct {
	status int
	text   string
}

// Error implements error.
func (r refusal) Error() string {
	if r.text == "" {
		return fmt.Sprintf("OpenRouter answered with status %d", r.status)
	}
	return r.text
}

// explain returns why an answer has failed: a text for the user, and one for the operator, which is in the log when the
// operator can do something about it. What model servers say may be about the chat, so operators do not read it.
func (e worker) explain(a *answer, err error) (text, cause string) {
	to, _ := e.opt.Upstreams.Of(a.job.Model)
	server := func(format string, args ...any) string {
		return fmt.Sprintf("the model server %s: ", to) + fmt.Sprintf(format, args...)
	}
	warn := func(cause string) string {
		e.opt.Log.Warn("a background answer has failed", "job", a.job.ID, "reason", cause)
		return cause
	}
	var refused refusal
	var fault completions.Fault
	var own failure
	switch {
	case errors.As(err, &own):
		if own == errKey || own == errUpstream {
			warn(own.Error())
		}
		return own.Error(), own.Error()
	case errors.As(err, &refused):
		cause := server("it answered with status %d", refused.status)
		if refused.status >= http.StatusInternalServerError || refused.status == http.StatusUnauthorized {
			warn(cause)
		}
		return refused.Error(), cause
	case errors.As(err, &fault):
		cause := warn(server("it reported an error in the middle of its answer"))
		if a.key != "" {
			return strings.ReplaceAll(fault.Error(), a.key, "[key]"), cause
		}
		return fault.Error(), cause
	case errors.Is(err, completions.ErrLate):
		return "OpenRouter has not answered in time", warn(server("%v", err))
	case errors.Is(err, completions.ErrSilent), errors.Is(err, completions.ErrCut), errors.Is(err, completions.ErrBroken):
		return "The answer was broken off", warn(server("%v", err))
	case errors.Is(err, completions.ErrEvent):
		return "The answer from OpenRouter could not be read", warn(server("%v", err))
	case errors.Is(err, completions.ErrCalls):
		const text = "The model called a tool that it was not offered"
		return text, text
	}
	return "Failed to reach OpenRouter", warn(server("%v", err))
}
