// Package webhook sends events to the addresses that users have named (contract, workspaces-and-admin §11). It knows
// what an event looks like, how it is signed, where it may go, and when it is retried. The sync provider keeps whatever
// waits (or3cloud.WebhookQueue), so a restart loses nothing.
package webhook

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/google/uuid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/internal/background"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/internal/sealed"
)

const (
	// pause is how often the worker looks for work if nothing wakes it.
	pause = 5 * time.Second
	// flights is how many attempts run at once, and perUser how many of them belong to one user, so that a receiver
	// that never answers holds up only its own user.
	flights = 25
	perUser = 5
	// stale is how long an attempt may go without news before it counts as lost.
	stale = 5 * time.Minute
	// tendEvery is how often the engine looks for old deliveries.
	tendEvery = time.Minute
	// sealing is the purpose of the key that secrets are sealed with.
	sealing = "or3-cloud secrets of webhooks"
	// TestEvent is the event of a delivery that a user requests as a test.
	TestEvent = "webhook.test"
)

// tries are the times of the attempts, counted from the creation of the delivery.
var tries = []time.Duration{0, 30 * time.Second, 2 * time.Minute, 10 * time.Minute, 30 * time.Minute, time.Hour}

// Options are the dependencies of an Engine.
type Options struct {
	Queue or3cloud.WebhookQueue
	// Admins has the events for administrators, or is nil if there are none.
	Admins adminevent.Queue
	// Faults knows the faults of the stores, or is nil.
	Faults Faults
	// MayRead reports whether a user may still read a workspace.
	MayRead func(ctx context.Context, userID, workspaceID string) (bool, error)
	// Key encrypts the secrets of webhooks.
	Key string
	// Allow decides which addresses deliveries may go to: Public or Anywhere.
	Allow func(netip.Addr) bool
	// HTTPS refuses all other schemes.
	HTTPS bool
	// PerMinute is how many attempts a webhook gets per minute. The others wait.
	PerMinute int
	// Timeout limits one attempt, and RetryWindow the time in which attempts may begin.
	Timeout, RetryWindow time.Duration
	// Retention is how long finished deliveries are kept. A delivery that has waited longer is not sent.
	Retention time.Duration
	Log       *slog.Logger
	Now       func() time.Time
	Rand      io.Reader
}

// Faults knows the faults of the stores.
type Faults interface {
	// Faults returns the currently known faults, one for each store and state. It is called every few seconds.
	Faults() []adminevent.Fault
	// Told records that administrators are certain to be told of a fault.
	Told(adminevent.Fault)
}

// Engine sends waiting deliveries in the background.
type Engine struct {
	opt    Options
	sealer *sealed.Sealer
	out    http.RoundTripper
	limits *ratelimit.Limiter
	worker string
	loop   *background.Loop
	tendAt time.Time       // used only by the loop
	told   map[string]told // used only by the loop

	ctx   context.Context // of the attempts
	stop  context.CancelFunc
	air   sync.WaitGroup // the attempts in progress
	slots chan struct{}  // one for each of them
}

// New returns an engine that does nothing before Start.
func New(o Options) (*Engine, error) {
	e := &Engine{opt: o, limits: ratelimit.New(o.Now), slots: make(chan struct{}, flights), told: map[string]told{}}
	var err error
	if e.sealer, err = sealed.New(o.Rand, sealing, o.Key); err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	id, err := uuid.NewRandomFromReader(o.Rand)
	if err != nil {
		return nil, fmt.Errorf("webhooks: %w", err)
	}
	e.worker, e.out = id.String(), e.transport()
	e.ctx, e.stop = context.WithCancel(context.Background())
	e.loop = background.New(background.Task{Name: "the delivery of webhooks", Log: o.Log, Run: e.run, Pause: background.Every(pause)})
	return e, nil
}

// Start starts sending.
func (e *Engine) Start() { e.loop.Begin() }

// Close cancels the attempts in progress and waits for them. They are repeated after the next start. It must follow
// Start.
func (e *Engine) Close() {
	e.loop.Close()
	e.stop()
	e.air.Wait()
}

// run does whatever is due, once.
func (e *Engine) run(ctx context.Context) error {
	if err := e.tend(ctx); err != nil {
		return err
	}
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = e.opt.Queue.EnqueueEvents(ctx, e.opt.Now().Add(-e.opt.Retention), e.delivery); err != nil {
			return err
		}
	}
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = e.opt.Queue.EnqueueCompletions(ctx, e.opt.Now().Add(-e.opt.Retention), e.completion); err != nil {
			return err
		}
	}
	if err := e.reportFaults(ctx); err != nil {
		return err
	}
	if err := e.tellAdmins(ctx); err != nil {
		return err
	}
	free := cap(e.slots) - len(e.slots)
	if free == 0 {
		return nil // the end of an attempt wakes the loop
	}
	claimed, err := e.opt.Queue.ClaimDeliveries(ctx, e.worker, free, perUser)
	for _, c := range claimed {
		e.slots <- struct{}{}
		e.air.Go(func() {
			defer e.loop.Wake()
			defer func() { <-e.slots }()
			e.handle(c)
		})
	}
	return err
}

// tend takes lost attempts back and deletes old deliveries.
func (e *Engine) tend(ctx context.Context) error {
	now := e.opt.Now()
	if now.Before(e.tendAt) && e.tendAt.Sub(now) <= tendEvery {
		return nil
	}
	lost, err := e.opt.Queue.ResetStaleDeliveries(ctx, now.Add(-stale))
	if err != nil {
		return err
	}
	if lost > 0 {
		e.opt.Log.Warn("deliveries of webhooks were under way when the server ended, and are made again", "deliveries", lost)
	}
	if err := e.opt.Queue.PurgeDeliveries(ctx, now.Add(-e.opt.Retention)); err != nil {
		return err
	}
	e.tendAt = now.Add(tendEvery)
	return nil
}

// delivery returns the delivery of an op to a webhook, or nil if it did not ask for such events.
func (e *Engine) delivery(w *or3cloud.Webhook, op *or3cloud.AppliedOp) (*or3cloud.WebhookDelivery, error) {
	r := read(op.Payload)
	deleted := op.Operation == or3cloud.OpDelete || isTrue(r.Deleted)
	name := event(op, deleted)
	if name == "" || !slices.Contains(w.Events, name) {
		return nil, nil
	}
	return e.make(w, name, op.At, data(op, r, deleted))
}

// completion returns the delivery of a completed answer to a webhook, or nil if it no longer asks for these.
func (e *Engine) completion(w *or3cloud.Webhook, m *or3cloud.CompletedMessage) (*or3cloud.WebhookDelivery, error) {
	if !slices.Contains(w.Events, or3cloud.EventMessageCompleted) {
		return nil, nil
	}
	return e.make(w, or3cloud.EventMessageCompleted, m.At, completedData{
		ThreadID: m.ThreadID, MessageID: m.MessageID, ModelID: orNull(m.ModelID), JobID: orNull(m.JobID), CompletedAt: timestamp(m.At),
	})
}

// make returns a delivery that is due at once.
func (e *Engine) make(w *or3cloud.Webhook, event string, at time.Time, data any) (*or3cloud.WebhookDelivery, error) {
	id, err := uuid.NewRandomFromReader(e.opt.Rand)
	if err != nil {
		return nil, err
	}
	eventID, err := uuid.NewRandomFromReader(e.opt.Rand)
	if err != nil {
		return nil, err
	}
	body, err := encode(w, event, eventID.String(), at, data)
	if err != nil {
		return nil, fmt.Errorf("body of %s: %w", event, err)
	}
	now := e.opt.Now()
	return &or3cloud.WebhookDelivery{
		ID: id.String(), WebhookID: w.ID, EventID: eventID.String(), Event: event, Body: body, Attempt: 1,
		Status: or3cloud.DeliveryPending, NextAt: now, CreatedAt: now,
	}, nil
}

// handle makes one attempt at a delivery and records the outcome.
func (e *Engine) handle(c or3cloud.ClaimedDelivery) {
	defer func() {
		if v := recover(); v != nil { // it stays in flight and is taken back
			e.opt.Log.Error("the delivery of a webhook panicked", "panic", v, "stack", string(debug.Stack()))
		}
	}()
	d := c.WebhookDelivery
	if err := e.try(&c.Webhook, &d); err != nil {
		e.opt.Log.Warn("the webhook of a delivery could not be looked at", "webhook", c.Webhook.ID, "error", err)
	}
	if err := e.opt.Queue.FinishDelivery(context.WithoutCancel(e.ctx), d); err != nil {
		e.opt.Log.Warn("the outcome of a webhook's delivery could not be kept; it is made again", "webhook", c.Webhook.ID, "error", err)
	}
}

// try sends a delivery, unless its webhook is paused or disabled, and sets its next state.
func (e *Engine) try(w *or3cloud.Webhook, d *or3cloud.WebhookDelivery) error {
	d.Status, d.NextAt = or3cloud.DeliveryPending, e.opt.Now()
	if w.Scope == or3cloud.WebhookUser {
		may, err := e.opt.MayRead(e.ctx, w.UserID, w.WorkspaceID)
		if err != nil {
			d.NextAt = d.NextAt.Add(tries[1])
			return err
		}
		if !may {
			d.Status, d.Last.Error = or3cloud.DeliveryCancelled, "its user may not read the workspace any more"
			return nil
		}
	}
	if v := e.limits.Take(w.ID, e.budget()); !v.Allowed {
		d.NextAt = d.NextAt.Add(v.RetryAfter)
		return nil
	}
	last := e.send(e.ctx, w, d)
	if e.ctx.Err() != nil {
		return nil // interrupted by the shutdown: the attempt does not count
	}
	d.Last = last
	e.judge(d)
	return nil
}

func (e *Engine) budget() ratelimit.Limit {
	return ratelimit.Limit{Max: e.opt.PerMinute, Window: time.Minute}
}

// judge decides what follows an attempt. A late one shifts those after it, so that they are hardly closer together than
// planned. The last one comes at the end of the window.
func (e *Engine) judge(d *or3cloud.WebhookDelivery) {
	if d.Last.Error == "" {
		d.Status = or3cloud.DeliverySuccess
		return
	}
	d.Status = or3cloud.DeliveryFailed
	if d.Attempt >= len(tries) {
		return
	}
	now, end := e.opt.Now(), d.CreatedAt.Add(e.opt.RetryWindow)
	next := d.CreatedAt.Add(tries[d.Attempt])
	if soonest := now.Add(tries[d.Attempt] - tries[d.Attempt-1]); soonest.After(next) {
		next = soonest
	}
	if next.After(end) {
		next = end
	}
	if next.Before(now.Add(tries[1])) {
		return
	}
	d.Status, d.Attempt, d.NextAt = or3cloud.DeliveryPending, d.Attempt+1, next
}

// Test sends a webhook a delivery that is marked as a test, once, and returns the outcome. It counts against the
// webhook's budget, beyond which it returns CodeRateLimited, and appears in its log.
func (e *Engine) Test(ctx context.Context, w or3cloud.Webhook) (or3cloud.DeliveryAttempt, error) {
	if v := e.limits.Take(w.ID, e.budget()); !v.Allowed {
		return or3cloud.DeliveryAttempt{}, &or3cloud.Error{
			Code: or3cloud.CodeRateLimited, Message: "Too many requests", RetryAfter: v.RetryAfter,
		}
	}
	d, err := e.make(&w, TestEvent, e.opt.Now(), testData{OK: true, Test: true})
	if err != nil {
		return or3cloud.DeliveryAttempt{}, err
	}
	d.Last = e.send(ctx, &w, d)
	if err := ctx.Err(); err != nil {
		return or3cloud.DeliveryAttempt{}, err
	}
	d.Status = or3cloud.DeliverySuccess
	if d.Last.Error != "" {
		d.Status = or3cloud.DeliveryFailed
	}
	return d.Last, e.opt.Queue.RecordDelivery(ctx, *d)
}
