package answers

import (
	"context"
	"errors"
	"io"
	"slices"
	"time"

	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/jobs"
)

// Tools are what models may call on the server.
type Tools interface {
	// Has reports whether there is a tool of a name.
	Has(name string) bool
	// Call calls a tool and returns what the model is told; errors are told to it as well. Tools only read, so a call
	// may be repeated.
	Call(ctx context.Context, c ToolCall) (string, error)
}

// ToolCall is a call of a tool on the server, for the user of an answer.
type ToolCall struct {
	UserID, WorkspaceID, ThreadID string
	Name, Arguments               string
}

const (
	// maxRounds is how often a model is asked for one answer (contract, client-behaviour §11).
	maxRounds = 10
	// toolPatience is how long a tool on the server may take.
	toolPatience = 10 * time.Second
)

const (
	errRounds  failure = "The model kept calling tools and did not answer"
	errCalled  failure = "The model has called too many tools, or sent them too much"
	errHandOff failure = "A tool of the browser could not be called"
)

// errHandedOff says that the answer waits for a browser.
var errHandedOff = errors.New("the answer waits for a browser")

// ask asks the model server, and again with the results of the tools that it calls, until it has answered.
func (e worker) ask(ctx context.Context, a *answer) error {
	x, err := e.open(a.job)
	if err != nil {
		return errors.Join(err, e.recall(ctx, a))
	}
	a.job.Execution = nil // it is large
	a.begin(x)
	if err := e.permit(ctx, a.job); err != nil {
		return err
	}
	began := e.opt.Now()
	if x.Worked == 0 { // it has not waited for a browser
		began = a.job.StartedAt
	}
	left := e.opt.Timeout - time.Duration(x.Worked)*time.Millisecond - e.opt.Now().Sub(began)
	ctx, stop := context.WithTimeoutCause(ctx, left, errTime)
	defer stop()
	if ctx.Err() != nil { // for example from a restored copy of the database: no server is asked
		return context.Cause(ctx)
	}
	for {
		if err := e.callTools(ctx, a, x); err != nil {
			return err
		}
		said, calls, err := e.turn(ctx, a, x)
		if err != nil || len(calls) == 0 {
			return err
		}
		if x.Rounds++; x.Rounds == maxRounds {
			return errRounds
		}
		if !a.called(calls) {
			return errLong
		}
		x.Messages = append(x.Messages, completions.Called(said, calls))
		x.Calls = calls
		x.Worked += max(e.opt.Now().Sub(began).Milliseconds(), 1)
		began = e.opt.Now()
		if err := e.keep(ctx, a, x); err != nil {
			return cause(ctx, err)
		}
	}
}

// recall restores what has arrived of an answer that cannot continue.
func (e worker) recall(ctx context.Context, a *answer) error {
	if !a.job.Resumed {
		return nil // its texts have started again
	}
	v, err := e.opt.Store.GetJob(ctx, a.job.ID, jobs.AnyUser, jobs.Place{})
	a.content.WriteString(v.Content.Text)
	a.reasoning.WriteString(v.Reasoning.Text)
	a.calls = readRecords(v.ToolCalls)
	return err
}

// turn asks the model server once, and returns what it has said and which tools it calls.
func (e worker) turn(ctx context.Context, a *answer, x *execution) (said string, calls []completions.ToolCall, err error) {
	call, err := e.call(a.job, x)
	if errors.Is(err, completions.ErrTools) {
		err = errCalled
	}
	if err != nil {
		return "", nil, err
	}
	a.key = call.Key
	res, err := e.opt.Client.Send(ctx, call)
	if err != nil {
		return "", nil, cause(ctx, err)
	}
	defer res.Close()
	call.Body.Release()
	kind, plain := res.Kind()
	switch {
	case res.Status >= 400 && res.Status <= 599:
		return "", nil, refusal{res.Status, completions.Reason(res.Text(a.key))}
	case res.Status/100 != 2 || kind != "text/event-stream" && kind != "" || !plain:
		return "", nil, completions.ErrEvent
	}
	events := completions.NewEvents(res, x.offered())
	from := a.content.Len() // nothing else writes it
	for {
		event, err := events.Next()
		switch {
		case err == io.EOF:
			if !a.add(completions.Event{Content: a.joint.end()}) {
				return "", nil, errLong
			}
			return a.content.String()[from:], events.Calls(), nil
		case errors.Is(err, completions.ErrLargeCalls):
			return "", nil, errCalled
		case err != nil:
			return "", nil, cause(ctx, err)
		}
		event.Content = a.joint.add(event.Content)
		if !a.add(event) {
			return "", nil, errLong
		}
	}
}

// callTools calls the tools that the model has called last, and records their results. It returns errHandedOff if the
// browser has one of them.
func (e worker) callTools(ctx context.Context, a *answer, x *execution) error {
	for _, c := range x.Calls {
		if a.hasEnded(c.ID) {
			continue
		}
		offered := slices.Contains(x.request.Functions, c.Name)
		switch {
		case !offered:
			a.settle(c.ID, "", "there is no such tool")
		case slices.Contains(x.Browser, c.Name):
			return e.handOff(ctx, a, x, c.ID)
		case e.Calls(c.Name):
			a.mark(c.ID, callLoading, onServer)
			result, err := e.callTool(ctx, a, c)
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			if err != nil {
				e.opt.Log.Debug("a tool of a background answer has failed", "job", a.job.ID, "error", err)
				a.settle(c.ID, "", reason(err))
				continue
			}
			a.settle(c.ID, result, "")
		default:
			a.settle(c.ID, "", "it cannot be called in the background")
		}
	}
	for _, c := range x.Calls {
		x.Messages = append(x.Messages, completions.Result(c, fit(a.result(c.ID), x.room())))
	}
	x.Calls = nil
	return nil
}

// callTool calls a tool on the server.
func (e worker) callTool(ctx context.Context, a *answer, c completions.ToolCall) (string, error) {
	ctx, stop := context.WithTimeout(ctx, toolPatience)
	defer stop()
	return e.opt.Tools.Call(ctx, ToolCall{
		UserID: a.job.UserID, WorkspaceID: a.job.WorkspaceID, ThreadID: a.job.ThreadID, Name: c.Name, Arguments: c.Arguments,
	})
}

// Calls reports whether a function is called on the server.
func (e *Engine) Calls(name string) bool { return e.opt.Tools != nil && e.opt.Tools.Has(name) }

// keep makes a checkpoint: a worker that continues the answer does not ask the model again for what it has said. What
// is on record is written first, so that nothing is claimed to be done that no one knows of.
func (e worker) keep(ctx context.Context, a *answer, x *execution) error {
	if err := e.write(ctx, a); err != nil {
		return err
	}
	x.Content, x.Reasoning, x.Recorded = a.state()
	sealed, err := e.seal(x, place(a.job.UserID, a.job.AdmissionID))
	if err != nil {
		return err
	}
	if len(sealed) > jobs.MaxExecution {
		return errLong
	}
	return e.insist(ctx, func() error {
		held, err := e.opt.Store.UpdateJobExecution(ctx, a.job.ID, e.owner, sealed)
		if err == nil && !held {
			err = errLost
		}
		return err
	})
}

// handOff leaves the answer to the browser that has a tool.
func (e worker) handOff(ctx context.Context, a *answer, x *execution, callID string) error {
	a.mark(callID, callPending, inBrowser)
	err := e.write(ctx, a)
	if err == nil {
		err = e.insist(ctx, func() error {
			held, err := e.opt.Store.HandOff(ctx, a.job.ID, e.owner, jobs.Handoff{CallID: callID, Device: x.Device})
			if err == nil && !held {
				err = errLost
			}
			return err
		})
	}
	switch {
	case err == nil:
		return errHandedOff
	case errors.Is(err, errLost), errors.Is(err, errEnded), ctx.Err() != nil:
		return cause(ctx, err)
	}
	e.opt.Log.Warn("a background answer was not left to its browser", "job", a.job.ID, "error", err)
	return errHandOff
}

// write is a flush that must succeed: a store that cannot take it now is tried again.
func (e worker) write(ctx context.Context, a *answer) error {
	return e.insist(ctx, func() error { return e.writeDown(ctx, a) })
}

// insist tries something a few times, until a store takes it, or says that it never will.
func (e worker) insist(ctx context.Context, do func() error) (err error) {
	for range keepTrying {
		if err = do(); err == nil || final(err) || errors.Is(err, errLost) || errors.Is(err, errEnded) {
			return err
		}
		select {
		case <-time.After(time.Second):
		case <-ctx.Done():
			return err
		}
	}
	return err
}

// begin continues an answer from its last checkpoint.
func (a *answer) begin(x *execution) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.content.WriteString(x.Content)
	a.reasoning.WriteString(x.Reasoning)
	if a.job.Attempts > 1 && !a.job.Resumed { // the texts of the job have started again
		a.fresh.WriteString(x.Content)
		a.freshThought.WriteString(x.Reasoning)
	}
	a.calls = readRecords(a.job.ToolCalls)
	if x.Recorded < len(a.calls) { // the model may call others now
		a.calls = a.calls[:x.Recorded]
		a.changed()
	}
	a.joint = &joint{}
	if x.GoesOn && x.Rounds == 0 {
		a.joint = newJoint(x.Content)
	}
}

// state returns the texts of an answer, and how many calls are on record.
func (a *answer) state() (content, reasoning string, calls int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.content.String(), a.reasoning.String(), len(a.calls)
}

// called records calls, and reports whether there is room for them.
func (a *answer) called(calls []completions.ToolCall) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.calls = a.calls.add(calls, a.content.String())
	a.changed()
	return a.calls.room(a.content.Len()+a.reasoning.Len()) > 0
}

func (a *answer) hasEnded(id string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.calls.find(id)
	return r != nil && r.ended()
}

// result is what the model is told about a call.
func (a *answer) result(id string) string {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.calls.find(id); r != nil {
		return r.said()
	}
	return ""
}

func (a *answer) mark(id, status, runtime string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if r := a.calls.find(id); r != nil {
		r.Status, r.Runtime = status, runtime
		a.changed()
	}
}

func (a *answer) settle(id, result, fault string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	r := a.calls.find(id)
	if r == nil {
		return
	}
	if r.Runtime == "" {
		r.Runtime = onServer
	}
	r.settle(fit(result, a.calls.room(a.content.Len()+a.reasoning.Len())), fault)
	a.changed()
}

// changed notes that the calls on record have changed.
func (a *answer) changed() { a.recalled, a.recorded = true, a.calls.size() }
