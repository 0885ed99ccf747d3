package operator

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
)

// Run is an action that was started through a desk: its progress, or its result.
type Run struct {
	Kind        or3cloud.ProviderKind `json:"kind"`
	ActionID    string                `json:"actionId"`
	WorkspaceID string                `json:"workspaceId,omitempty"`
	StartedAt   time.Time             `json:"startedAt"`
	// EndedAt is nil as long as it runs.
	EndedAt *time.Time `json:"endedAt,omitempty"`
	// Progress says how far it is, in the words of the action.
	Progress any `json:"progress,omitempty"`
	// Result is its result, unless it is too large to be kept; Error says why it failed.
	Result any    `json:"result,omitempty"`
	Error  string `json:"error,omitempty"`
}

// The limits on what runs at a time and what is kept of it.
const (
	mostRuns   = 4
	mostKept   = 16 << 10 // bytes of a result
	actionText = 200      // bytes of the names that are kept
	mostEnded  = 50       // actions of which the last end is kept
)

// runs are the actions that were started: those that run, and the last one of each action.
type runs struct {
	mu  sync.Mutex
	all []*Run
}

// running returns how many are running, and the run of the same action if there is one.
func (r *runs) running(in ActionRequest) (n int, same *Run) {
	for _, one := range r.all {
		if one.EndedAt != nil {
			continue
		}
		n++
		if one.Kind == in.Kind && one.ActionID == in.ActionID {
			same = one
		}
	}
	return n, same
}

// Runs returns the running actions, and the result of the last one of each, oldest first.
func (d *Desk) Runs() []Run {
	d.runs.mu.Lock()
	defer d.runs.mu.Unlock()
	all := make([]Run, 0, len(d.runs.all))
	for _, r := range d.runs.all {
		all = append(all, *r)
	}
	return all
}

// Begin starts an action, and waits for its end as long as patience and ctx allow. over says that it has ended;
// otherwise it continues, ends with the server at the latest, and Runs reports its result. Each action runs once at a
// time.
func (d *Desk) Begin(ctx context.Context, in ActionRequest, patience time.Duration) (result any, over bool, err error) {
	if len(in.ActionID) > actionText || max(len(in.WorkspaceID), len(in.ActiveWorkspaceID)) > actionText {
		return nil, true, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid request")
	}
	run, err := d.enlist(in)
	if err != nil {
		return nil, true, err
	}
	type outcome struct {
		result any
		err    error
	}
	ended := make(chan outcome, 1)
	go func() {
		result, err := d.carryOut(context.Background(), in, run) // not the request's, with everything attached to it
		ended <- outcome{result, err}
	}()
	limit := time.NewTimer(patience)
	defer limit.Stop()
	select {
	case o := <-ended:
		return o.result, true, o.err
	case <-limit.C:
	case <-ctx.Done():
	}
	return nil, false, nil
}

// enlist records that an action starts, and drops its last result.
func (d *Desk) enlist(in ActionRequest) (*Run, error) {
	d.runs.mu.Lock()
	defer d.runs.mu.Unlock()
	n, same := d.runs.running(in)
	switch {
	case same != nil:
		return nil, or3cloud.Errorf(or3cloud.CodeConflict, "This action is already running, since %s", same.StartedAt.UTC().Format(time.DateTime))
	case n >= mostRuns:
		return nil, or3cloud.Errorf(or3cloud.CodeConflict, "%d other actions are running; try again when one of them has ended", n)
	}
	if len(d.runs.all) >= mostEnded+mostRuns {
		oldest := slices.IndexFunc(d.runs.all, func(r *Run) bool { return r.EndedAt != nil })
		d.runs.all = slices.Delete(d.runs.all, oldest, oldest+1)
	}
	run := &Run{Kind: in.Kind, ActionID: in.ActionID, WorkspaceID: cmp.Or(in.WorkspaceID, in.ActiveWorkspaceID), StartedAt: d.instance.Options().Now()}
	d.runs.all = append(d.runs.all, run)
	return run, nil
}

// carryOut runs an action and records its result.
func (d *Desk) carryOut(ctx context.Context, in ActionRequest, run *Run) (result any, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("action %s: panic: %v", in.ActionID, p)
		}
		d.conclude(run, result, err)
	}()
	err = d.instance.Operate(func(op instance.Operator) error {
		ctx, end := until(ctx, op.Closing)
		defer end()
		result, err = runAction(ctx, op, in, func(progress any) {
			d.runs.mu.Lock()
			defer d.runs.mu.Unlock()
			run.Progress = progress
		})
		return err
	})
	return result, err
}

// conclude records the end. An action that was refused, or does not exist, leaves nothing behind.
func (d *Desk) conclude(run *Run, result any, err error) {
	d.runs.mu.Lock()
	defer d.runs.mu.Unlock()
	drop := func(gone func(*Run) bool) { d.runs.all = slices.DeleteFunc(d.runs.all, gone) }
	if code := or3cloud.CodeOf(err); code == or3cloud.CodeInvalid || code == or3cloud.CodeUnsupported {
		drop(func(r *Run) bool { return r == run })
		return
	}
	drop(func(r *Run) bool { return r != run && r.Kind == run.Kind && r.ActionID == run.ActionID })
	now := d.instance.Options().Now()
	run.EndedAt, run.Progress = &now, nil
	if err != nil {
		run.Error = "It failed; the log says why."
		var refusal *or3cloud.Error
		if errors.As(err, &refusal) {
			run.Error = refusal.Message
		}
		d.instance.Options().Log.Log(context.Background(), slog.LevelWarn, "an action of an administrator has failed",
			"kind", string(run.Kind), "action", strings.ToValidUTF8(run.ActionID, ""), "error", err)
		return
	}
	if text, err := json.Marshal(result); err == nil && len(text) <= mostKept {
		run.Result = json.RawMessage(text)
	}
}
