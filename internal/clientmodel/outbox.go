package clientmodel

import (
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
)

// The numbers of the base client's push loop (contract, client-behaviour §3).
const (
	batchSize       = 50
	rowsPerFlush    = 500
	breakerFailures = 5
	breakerOpen     = 30 * time.Second
	breakerQuiet    = 60 * time.Second
	shortDelay      = 250 * time.Millisecond
)

// retryDelays follow the first three failed attempts. After the fourth, the client gives an edit up.
var retryDelays = [...]time.Duration{shortDelay, time.Second, 3 * time.Second}

// Edit is one captured write waiting in a client's queue.
type Edit struct {
	Key  Key
	OpID string
	// Text is the op as it is sent.
	Text string

	attempts int
	due      time.Time
}

// Answer is what a client sees of a push.
type Answer struct {
	// Status is 0 if there was no answer at all.
	Status     int
	RetryAfter string
	// Message is the text of an error.
	Message string
	Results []EditResult
}

// EditResult is the outcome of one op on the wire.
type EditResult struct {
	OpID      string               `json:"opId"`
	Success   bool                 `json:"success"`
	Error     string               `json:"error"`
	ErrorCode or3cloud.OpErrorCode `json:"errorCode"`
}

// Push sends a batch.
type Push func(batch []Edit) Answer

// Outbox models the queue of one base client, with the circuit breaker in front of it. The caller provides the time:
// nothing happens outside of calls to Beat.
type Outbox struct {
	Breaker Breaker
	// Acknowledged are the edits that the server accepted. GivenUp are those that the client dropped, by op id with the
	// reason. All other edits are waiting, or were replaced by a later edit of their record before they were sent.
	Acknowledged map[string]Edit
	GivenUp      map[string]string

	waiting     []Edit
	pausedUntil time.Time
}

// NewOutbox returns an empty queue.
func NewOutbox() *Outbox {
	return &Outbox{Acknowledged: map[string]Edit{}, GivenUp: map[string]string{}}
}

// Capture queues an edit.
func (o *Outbox) Capture(e Edit) { o.waiting = append(o.waiting, e) }

// Waiting returns the number of queued edits.
func (o *Outbox) Waiting() int { return len(o.waiting) }

// Beat is one heartbeat of the push loop. It reports whether it sent anything.
func (o *Outbox) Beat(now time.Time, push Push) bool {
	// The client asks the breaker before it looks at the queue, so an idle beat can use up the only probe.
	if now.Before(o.pausedUntil) || !o.Breaker.admit(now) {
		return false
	}
	o.coalesce()
	batch := o.batch(now)
	if len(batch) == 0 {
		return false
	}
	o.settle(now, batch, push(batch))
	return true
}

// coalesce keeps the newest edit of each record. The op ids of the others never reach the server.
func (o *Outbox) coalesce() {
	newest := map[Key]int{}
	for i, e := range o.waiting {
		newest[e.Key] = i
	}
	kept := o.waiting[:0:0]
	for i, e := range o.waiting {
		if newest[e.Key] == i {
			kept = append(kept, e)
		}
	}
	o.waiting = kept
}

func (o *Outbox) batch(now time.Time) []Edit {
	var out []Edit
	for _, e := range o.waiting[:min(len(o.waiting), rowsPerFlush)] {
		if !e.due.After(now) && len(out) < batchSize {
			out = append(out, e)
		}
	}
	return out
}

// settle handles the answer to a batch as the client does.
func (o *Outbox) settle(now time.Time, batch []Edit, a Answer) {
	switch a.Status {
	case http.StatusOK:
		o.settleEach(now, batch, a.Results)
	case http.StatusTooManyRequests, http.StatusBadGateway, http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		// Neither success nor failure: a probe with this answer never ends.
		for _, e := range batch {
			o.postpone(e.OpID, now.Add(wait(a)))
		}
	default:
		for _, e := range batch {
			o.fail(now, e, EditResult{Error: a.Message})
		}
		o.Breaker.fail(now)
	}
}

func (o *Outbox) settleEach(now time.Time, batch []Edit, results []EditResult) {
	failed := false
	for _, e := range batch {
		i := slices.IndexFunc(results, func(r EditResult) bool { return r.OpID == e.OpID })
		switch {
		case i >= 0 && results[i].Success:
			o.Acknowledged[e.OpID] = e
			o.remove(e.OpID)
		case i >= 0:
			failed = true
			o.fail(now, e, results[i])
		default:
			failed = true
			o.fail(now, e, EditResult{ErrorCode: "UNKNOWN"})
		}
	}
	if failed {
		o.Breaker.fail(now)
	} else {
		o.Breaker.succeed()
	}
}

// fail treats an edit's failure as final, as the server's rate limit, or as an attempt worth repeating.
func (o *Outbox) fail(now time.Time, e Edit, r EditResult) {
	switch {
	case r.ErrorCode == "RATE_LIMITED" || strings.Contains(strings.ToLower(r.Error), "rate limit"):
		until := now.Add(wait(Answer{Message: r.Error}))
		o.pausedUntil = until
		o.postpone(e.OpID, until)
	case permanent(r):
		o.giveUp(e, string(r.ErrorCode)+" "+r.Error)
	case e.attempts == len(retryDelays):
		o.giveUp(e, "four attempts failed: "+string(r.ErrorCode)+" "+r.Error)
	default:
		i := o.index(e.OpID)
		o.waiting[i].attempts++
		o.waiting[i].due = now.Add(retryDelays[e.attempts])
	}
}

// permanentTexts mark errors without a code that a retry cannot cure.
var permanentTexts = []string{
	"Invalid payload for", "Payload too large for", "Value is too large", "exceeds 65536 bytes", "does not match the schema",
	"does not match validator", "missing the required field",
}

func permanent(r EditResult) bool {
	switch r.ErrorCode {
	case or3cloud.OpErrorValidation, or3cloud.OpErrorOversized, or3cloud.OpErrorUnauthorized:
		return true
	case "":
		return slices.ContainsFunc(permanentTexts, func(t string) bool { return strings.Contains(r.Error, t) }) ||
			strings.Contains(r.Error, "invalid_type") && strings.Contains(r.Error, "received undefined")
	}
	return false
}

var retryAfterText = regexp.MustCompile(`(?i)retry after (\d+)`)

// wait returns how long a client waits after an answer that told it to.
func wait(a Answer) time.Duration {
	if s, err := strconv.Atoi(a.RetryAfter); err == nil {
		return time.Duration(s) * time.Second
	}
	if m := retryAfterText.FindStringSubmatch(a.Message); m != nil {
		s, _ := strconv.Atoi(m[1])
		return time.Duration(s) * time.Second
	}
	return shortDelay
}

func (o *Outbox) index(opID string) int {
	return slices.IndexFunc(o.waiting, func(e Edit) bool { return e.OpID == opID })
}

func (o *Outbox) postpone(opID string, until time.Time) { o.waiting[o.index(opID)].due = until }

func (o *Outbox) remove(opID string) {
	i := o.index(opID)
	o.waiting = slices.Delete(o.waiting, i, i+1)
}

func (o *Outbox) giveUp(e Edit, why string) {
	o.GivenUp[e.OpID] = why
	o.remove(e.OpID)
}

// Breaker models the client's circuit breaker. Five failures in a row open it. Then nothing is pushed for 30 seconds,
// after which it admits one probe. A probe that ends neither in success nor in failure leaves it open until the page is
// reloaded, with all edits unsent behind it.
type Breaker struct {
	// Opened counts how often it has opened.
	Opened int
	// Failures is the current count.
	Failures int

	last    time.Time
	until   time.Time
	open    bool
	probing bool
}

// Stuck reports whether only a reload can help, provided that no push is in progress.
func (b *Breaker) Stuck() bool { return b.open && b.probing }

func (b *Breaker) admit(now time.Time) bool {
	if !b.open {
		return true
	}
	if now.Before(b.until) || b.probing {
		return false
	}
	b.probing = true
	return true
}

func (b *Breaker) succeed() { b.Failures, b.open, b.probing = 0, false, false }

func (b *Breaker) fail(now time.Time) {
	if now.Sub(b.last) > breakerQuiet {
		b.Failures = 0
	}
	b.Failures++
	b.last = now
	if b.open || b.Failures >= breakerFailures {
		b.open, b.probing, b.until = true, false, now.Add(breakerOpen)
		b.Opened++
	}
}
