// Package trail records what administrators do to an instance, and what others were refused. Actions are recorded
// before their answer goes out. Refusals are recorded after the answer, at most once a second, so that a flood of them
// costs neither disk space nor time.
package trail

import (
	"context"
	"log/slog"
	"strings"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/internal/background"
)

const (
	pause = time.Second
	// The largest number of waiting entries, of one kind and in all. Entries beyond that are dropped; the log has a
	// line for each request.
	waitingOfAKind = 32
	waitingInAll   = 1024
)

// Recorder writes entries to a store. The nil Recorder, of an instance whose sync provider keeps none, does nothing.
type Recorder struct {
	store audit.Store
	log   *slog.Logger
	now   func() time.Time
	loop  *background.Loop

	mu      sync.Mutex
	waiting []audit.Entry // in order of arrival
	places  map[mark]int  // of refusals in waiting
	kinds   map[kind]int  // the number waiting of each kind
}

// kind is what a limit counts (audit.RefusedOfAKind).
type kind struct {
	actor   audit.ActorKind
	action  audit.Action
	refusal or3cloud.Code
}

// mark is what refusals in the same entry have in common.
type mark struct {
	kind
	id, name, address, workspace, user, settings, object string
}

// Start returns the trail of a store, or nil if store is nil. Close must follow.
func Start(store audit.Store, log *slog.Logger, now func() time.Time) *Recorder {
	if store == nil {
		return nil
	}
	r := &Recorder{store: store, log: log, now: now}
	r.forget()
	r.loop = background.Start(background.Task{
		Name: "writing the audit trail", Log: log, Harmless: true, Delay: pause, Pause: background.Every(pause), Run: r.write,
	})
	return r
}

// Close writes the waiting entries.
func (r *Recorder) Close() {
	if r == nil {
		return
	}
	r.loop.Close()
	_ = r.loop.Run(context.Background()) // the loop has logged the error
}

// Record records an entry with the current time. An action is in the store when Record returns. If the store cannot
// take it, Record logs it and it is retried. A refusal waits for the next write.
func (r *Recorder) Record(ctx context.Context, e audit.Entry) {
	if r == nil {
		return
	}
	e.At = r.now()
	if e.Refusal != "" {
		r.add(e)
		return
	}
	r.log.Info("administration", "action", string(e.Action), "actor", string(e.Actor.Kind), "actor_id", e.Actor.ID, "workspace", e.Target.WorkspaceID,
		"user", e.Target.UserID, "settings", strings.Join(e.Target.Settings, ","), "object", e.Target.Object, "request_id", e.RequestID)
	// An action stays done, even if the client has hung up.
	if err := r.store.AppendAudit(context.WithoutCancel(ctx), e); err != nil {
		r.log.Warn("an entry of the audit trail could not be written yet", "action", string(e.Action), "error", err)
		r.add(e)
	}
}

// List returns entries, including the refusals of the last second.
func (r *Recorder) List(ctx context.Context, q audit.Query) (audit.Page, error) {
	if r == nil {
		return audit.Page{}, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured sync provider does not keep an audit trail")
	}
	_ = r.loop.Run(ctx) // the loop has logged the error
	return r.store.ListAudit(ctx, q)
}

// add adds an entry to those that wait.
func (r *Recorder) add(e audit.Entry) {
	m := mark{
		kind{e.Actor.Kind, e.Action, e.Refusal}, e.Actor.ID, e.Actor.Name, e.Address, e.Target.WorkspaceID, e.Target.UserID,
		strings.Join(e.Target.Settings, ","), e.Target.Object,
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if at, found := r.places[m]; found && e.Refusal != "" {
		e.Times = max(r.waiting[at].Times, 1) + max(e.Times, 1)
		r.waiting[at] = e
		return
	}
	if r.kinds[m.kind] == waitingOfAKind || len(r.waiting) == waitingInAll {
		return
	}
	r.places[m] = len(r.waiting)
	r.kinds[m.kind]++
	r.waiting = append(r.waiting, e)
}

// forget discards the waiting entries. The caller holds the lock.
func (r *Recorder) forget() { r.waiting, r.places, r.kinds = nil, map[mark]int{}, map[kind]int{} }

// write writes the waiting entries. Those that cannot be written keep waiting.
func (r *Recorder) write(ctx context.Context) error {
	r.mu.Lock()
	entries := r.waiting
	r.forget()
	r.mu.Unlock()
	if len(entries) == 0 {
		return nil
	}
	err := r.store.AppendAudit(ctx, entries...)
	if err != nil {
		for _, e := range entries {
			r.add(e)
		}
	}
	return err
}
