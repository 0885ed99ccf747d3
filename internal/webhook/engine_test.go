package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
)

// queue is a queue in memory, with one webhook.
type queue struct {
	mu         sync.Mutex
	hook       or3cloud.Webhook
	ops        []or3cloud.AppliedOp // not enqueued
	completed  []or3cloud.CompletedMessage
	deliveries []or3cloud.WebhookDelivery
	purged     time.Time
	now        func() time.Time
}

func (q *queue) EnqueueEvents(_ context.Context, _ time.Time, deliver func(*or3cloud.Webhook, *or3cloud.AppliedOp) (*or3cloud.WebhookDelivery, error)) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.ops {
		d, err := deliver(&q.hook, &q.ops[i])
		if err != nil {
			return false, err
		}
		if d != nil {
			q.deliveries = append(q.deliveries, *d)
		}
	}
	q.ops = nil
	return false, nil
}

func (q *queue) ReportCompletion(_ context.Context, m or3cloud.CompletedMessage) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.completed = append(q.completed, m)
	return nil
}

func (q *queue) EnqueueCompletions(_ context.Context, _ time.Time, deliver func(*or3cloud.Webhook, *or3cloud.CompletedMessage) (*or3cloud.WebhookDelivery, error)) (bool, error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.completed {
		d, err := deliver(&q.hook, &q.completed[i])
		if err != nil {
			return false, err
		}
		if d != nil {
			q.deliveries = append(q.deliveries, *d)
		}
	}
	q.completed = nil
	return false, nil
}

func (q *queue) ClaimDeliveries(_ context.Context, worker string, limit, perUser int) (out []or3cloud.ClaimedDelivery, _ error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	busy := 0
	for _, d := range q.deliveries {
		if d.Status == or3cloud.DeliveryInFlight {
			busy++
		}
	}
	for i := range q.deliveries {
		d := &q.deliveries[i]
		if d.Status != or3cloud.DeliveryPending || d.NextAt.After(q.now()) || len(out) == limit || busy+len(out) >= perUser {
			continue
		}
		d.Status, d.ClaimedBy, d.ClaimedAt = or3cloud.DeliveryInFlight, worker, time.Now()
		out = append(out, or3cloud.ClaimedDelivery{Webhook: q.hook, WebhookDelivery: *d})
	}
	return out, nil
}

func (q *queue) FinishDelivery(_ context.Context, d or3cloud.WebhookDelivery) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.deliveries {
		if q.deliveries[i].ID == d.ID {
			q.deliveries[i] = d
		}
	}
	return nil
}

func (q *queue) RecordDelivery(_ context.Context, d or3cloud.WebhookDelivery) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.deliveries = append(q.deliveries, d)
	return nil
}

func (q *queue) ResetStaleDeliveries(_ context.Context, before time.Time) (n int, _ error) {
	q.mu.Lock()
	defer q.mu.Unlock()
	for i := range q.deliveries {
		if d := &q.deliveries[i]; d.Status == or3cloud.DeliveryInFlight && d.ClaimedAt.Before(before) {
			d.Status, d.NextAt = or3cloud.DeliveryPending, time.Now()
			n++
		}
	}
	return n, nil
}

func (q *queue) PurgeDeliveries(_ context.Context, before time.Time) error {
	q.mu.Lock()
	defer q.mu.Unlock()
	q.purged = before
	return nil
}

func (q *queue) all() []or3cloud.WebhookDelivery {
	q.mu.Lock()
	defer q.mu.Unlock()
	return slices.Clone(q.deliveries)
}

// wire answers attempts in place of the network.
type wire func(*http.Request) (*http.Response, error)

func (f wire) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

func status(code int) (*http.Response, error) {
	return &http.Response{StatusCode: code, Body: io.NopCloser(strings.NewReader("answer"))}, nil
}

// post returns an op that causes an event for the webhook.
func post(pk string) or3cloud.AppliedOp {
	return or3cloud.AppliedOp{
		WorkspaceID: "ws", Table: or3cloud.TablePosts, PK: pk, Operation: or3cloud.OpPut, Payload: []byte(`{"title":"T","content":"C"}`), At: time.Now(),
	}
}

// begin returns an engine over a queue whose webhook points to url and wants every event.
func begin(t testing.TB, url string, change ...func(*Options)) (*Engine, *queue) {
	t.Helper()
	q := &queue{now: time.Now, hook: or3cloud.Webhook{
		ID: "hook", Scope: or3cloud.WebhookUser, UserID: "user", WorkspaceID: "ws", URL: url, Events: or3cloud.UserEvents[:], Enabled: true,
	}}
	e := engine(t, append([]func(*Options){func(o *Options) {
		o.Queue = q
		o.MayRead = func(_ context.Context, user, ws string) (bool, error) { return user == "user" && ws == "ws", nil }
	}}, change...)...)
	_, sealed, err := e.NewSecret(q.hook.ID)
	if err != nil {
		t.Fatal(err)
	}
	q.hook.SealedSecret = sealed
	return e, q
}

// rhythm lets the receiver answer with codes, one after the other and then always the last one, and returns when
// attempts arrived.
func rhythm(t *testing.T, span time.Duration, codes ...int) (at []time.Duration, d or3cloud.WebhookDelivery) {
	synctest.Test(t, func(t *testing.T) {
		e, q := begin(t, "https://example.org/")
		start := time.Now()
		e.out = wire(func(r *http.Request) (*http.Response, error) {
			code := codes[min(len(at), len(codes)-1)]
			at = append(at, time.Since(start))
			return status(code)
		})
		q.ops = append(q.ops, post("p"))
		e.Start()
		time.Sleep(span)
		e.Close()
		d = q.all()[0]
	})
	return at, d
}

func TestTries(t *testing.T) {
	at, d := rhythm(t, 3*time.Hour, 500)
	if len(at) != len(tries) || d.Status != or3cloud.DeliveryFailed || d.Attempt != len(tries) || d.Last.HTTPStatus != 500 || d.Last.Answer != "answer" {
		t.Errorf("%v, %+v", at, d)
	}
	for i, when := range at {
		if early := tries[i] - when; early > 0 || early < -2*pause {
			t.Errorf("try %d after %v, want %v", i+1, when, tries[i])
		}
	}
	at, d = rhythm(t, 3*time.Hour, 301, 503, 204)
	if len(at) != 3 || d.Status != or3cloud.DeliverySuccess || d.Attempt != 3 || d.Last.Error != "" {
		t.Errorf("%v, %+v", at, d)
	}
}

// A server that was down for a while does not make up for missed attempts in a hurry, and still ends at the same time.
func TestLateTriesKeepTheirDistance(t *testing.T) {
	e := engine(t)
	for _, late := range []time.Duration{0, 20 * time.Second, 7 * time.Minute, 40 * time.Minute, 59*time.Minute + 40*time.Second, 2 * time.Hour} {
		now := time.Unix(1_771_000_000, 0)
		d := or3cloud.WebhookDelivery{CreatedAt: now, Attempt: 1}
		e.opt.Now = func() time.Time { return now }
		now = now.Add(late)
		n := 1
		for ; ; n++ {
			d.Last.Error = "no"
			e.judge(&d)
			if d.Status == or3cloud.DeliveryFailed {
				break
			}
			if wait := d.NextAt.Sub(now); wait < tries[1] || d.NextAt.Sub(d.CreatedAt) > time.Hour {
				t.Errorf("%v late: try %d %v after the one before, %v after the event", late, n+1, wait, d.NextAt.Sub(d.CreatedAt))
			}
			now = d.NextAt
		}
		if n > len(tries) {
			t.Errorf("%v late: %d tries", late, n)
		}
	}
}

func TestADeliveryIsSigned(t *testing.T) {
	var got *http.Request
	var sent []byte
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		got = r
		sent, _ = io.ReadAll(r.Body)
		fmt.Fprint(w, strings.Repeat("é", maxAnswer))
	}))
	defer receiver.Close()
	e, q := begin(t, receiver.URL+"/hook?x=1")
	secret, sealed, err := e.NewSecret("hook")
	if err != nil || !strings.HasPrefix(secret, "whs_") || len(secret) != 4+64 || strings.Contains(string(sealed), secret) {
		t.Fatalf("%q, %v", secret, err)
	}
	q.hook.SealedSecret = sealed
	last, err := e.Test(t.Context(), q.hook)
	if err != nil || last.Error != "" || last.HTTPStatus != 200 || len(last.Answer) != maxAnswer {
		t.Fatalf("%+v, %v", last, err)
	}
	at := got.Header.Get("X-OR3-Timestamp")
	mac := hmac.New(sha256.New, []byte(secret))
	fmt.Fprintf(mac, "%s.%s", at, sent)
	d := q.all()[0]
	for name, want := range map[string]string{
		"Content-Type": "application/json", "User-Agent": "OR3-Webhooks/1.0", "X-OR3-Event": "webhook.test", "X-OR3-Event-ID": d.EventID,
		"X-OR3-Signature": "sha256=" + hex.EncodeToString(mac.Sum(nil)),
	} {
		if got.Header.Get(name) != want {
			t.Errorf("%s: %q, want %q", name, got.Header.Get(name), want)
		}
	}
	if got.Method != "POST" || got.URL.String() != "/hook?x=1" || string(d.Body) != string(sent) || d.Status != or3cloud.DeliverySuccess {
		t.Errorf("%s %s, %s", got.Method, got.URL, sent)
	}
	other := q.hook
	other.ID = "other" // a secret can be opened only for its own webhook
	if last, err := e.Test(t.Context(), other); err != nil || last.Error == "" {
		t.Errorf("%+v, %v", last, err)
	}
}

// Redirects are never followed, private or not, and the engine does not even connect to a private address.
func TestNothingIsSentWhereItMayNotGo(t *testing.T) {
	reached := 0
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		reached++
		http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
	}))
	defer receiver.Close()
	e, q := begin(t, receiver.URL)
	if last, err := e.Test(t.Context(), q.hook); err != nil || last.HTTPStatus != 307 || last.Error != "answered with HTTP 307" || reached != 1 {
		t.Errorf("a redirect: %+v, %v, %d requests", last, err, reached)
	}
	e.opt.Allow = Public
	if last, err := e.Test(t.Context(), q.hook); err != nil || last.Error == "" || reached != 1 {
		t.Errorf("a private address: %+v, %v, %d requests", last, err, reached)
	}
	e.opt.Allow = func(a netip.Addr) bool { return !a.Is4() } // the URL passes, but its name now resolves elsewhere
	q.hook.URL = strings.Replace(receiver.URL, "127.0.0.1", "localhost", 1)
	last, err := e.Test(t.Context(), q.hook)
	if err != nil || last.Error == "" || strings.Contains(last.Error, "127.0.0.1") || reached != 1 {
		t.Errorf("another address behind the name: %+v, %v, %d requests", last, err, reached)
	}
}

// The engine does not wait for the answer of a slow receiver, and describes the failure without the addresses behind
// names.
func TestWhyADeliveryFails(t *testing.T) {
	release := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { <-release }))
	defer receiver.Close()
	defer close(release)
	e, q := begin(t, receiver.URL, func(o *Options) { o.Timeout = time.Millisecond })
	if last, err := e.Test(t.Context(), q.hook); err != nil || last.Error != "no answer within 1ms" || last.HTTPStatus != 0 {
		t.Errorf("%+v, %v", last, err)
	}
	gone := httptest.NewServer(nil)
	gone.Close()
	plain := httptest.NewTLSServer(nil)
	defer plain.Close()
	e, q = begin(t, "")
	for url, want := range map[string]string{
		gone.URL: "the connection was refused", plain.URL: "the certificate is not accepted: ",
	} {
		q.hook.URL = url
		if last, err := e.Test(t.Context(), q.hook); err != nil || !strings.HasPrefix(last.Error, want) {
			t.Errorf("%s: %+v, %v", url, last, err)
		}
	}
	for want, err := range map[string]error{
		"the name of the host is not known":          &net.DNSError{Name: "secret.example", IsNotFound: true},
		"the name of the host could not be resolved": &net.DNSError{Name: "secret.example", Server: "10.0.0.1"},
		"the connection failed":                      &net.OpError{Op: "dial", Addr: &net.TCPAddr{IP: net.IPv4(10, 0, 0, 1)}, Err: io.ErrUnexpectedEOF},
	} {
		if got := e.describe(err); got != want {
			t.Errorf("%v: %q", err, got)
		}
	}
}

// A webhook gets its budget in any minute. Deliveries beyond it wait and are not lost.
func TestTheBudgetOfAMinute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, q := begin(t, "https://example.org/", func(o *Options) { o.PerMinute = 10 })
		var mu sync.Mutex
		var at []time.Time
		e.out = wire(func(*http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			at = append(at, time.Now())
			return status(200)
		})
		for i := range 35 {
			q.ops = append(q.ops, post(fmt.Sprint(i)))
		}
		e.Start()
		time.Sleep(10 * time.Minute)
		if _, err := e.Test(t.Context(), q.hook); err != nil {
			t.Error(err)
		}
		for range 9 {
			e.limits.Take("hook", e.budget())
		}
		if _, err := e.Test(t.Context(), q.hook); or3cloud.CodeOf(err) != or3cloud.CodeRateLimited {
			t.Errorf("a test beyond the budget: %v", err)
		}
		e.Close()
		if len(at) != 36 {
			t.Fatalf("%d deliveries", len(at))
		}
		for i := 10; i < len(at); i++ {
			if gap := at[i].Sub(at[i-10]); gap < time.Minute {
				t.Errorf("11 deliveries within %v", gap)
			}
		}
	})
}

func TestAFormerMemberGetsNothing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		may, broken := false, errors.New("the store cannot be read")
		e, q := begin(t, "https://example.org/", func(o *Options) {
			o.MayRead = func(context.Context, string, string) (bool, error) { return may, broken }
		})
		sent := 0
		e.out = wire(func(*http.Request) (*http.Response, error) { sent++; return status(200) })
		q.ops = append(q.ops, post("p"))
		e.Start()
		time.Sleep(time.Hour)
		if d := q.all()[0]; d.Status == or3cloud.DeliveryCancelled || sent > 0 {
			t.Errorf("while it is not known: %+v", d)
		}
		e.Close()
		broken = nil
		if err := e.try(&q.hook, &q.deliveries[0]); err != nil || q.deliveries[0].Status != or3cloud.DeliveryCancelled || sent > 0 {
			t.Errorf("%+v, %v", q.deliveries[0], err)
		}
	})
}

// A delivery in progress when the server stops is sent again after the next start, as if it had not been tried.
func TestAnInterruptedTryDoesNotCount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, q := begin(t, "https://example.org/")
		e.out = wire(func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() })
		q.ops = append(q.ops, post("p"))
		e.Start()
		time.Sleep(time.Second)
		if d := q.all()[0]; d.Status != or3cloud.DeliveryInFlight {
			t.Fatalf("%+v", d)
		}
		e.Close()
		if d := q.all()[0]; d.Status != or3cloud.DeliveryPending || d.Attempt != 1 || d.Last != (or3cloud.DeliveryAttempt{}) {
			t.Fatalf("%+v", d)
		}
	})
}

// Deliveries of a process that was killed are taken back.
func TestLostTriesAreTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, q := begin(t, "https://example.org/")
		var sent atomic.Int32
		e.out = wire(func(*http.Request) (*http.Response, error) { sent.Add(1); return status(200) })
		op := post("p")
		d, err := e.delivery(&q.hook, &op)
		if err != nil {
			t.Fatal(err)
		}
		d.Status, d.ClaimedBy, d.ClaimedAt = or3cloud.DeliveryInFlight, "another", time.Now()
		q.deliveries = append(q.deliveries, *d)
		start := time.Now()
		e.Start()
		time.Sleep(stale)
		synctest.Wait()
		if sent.Load() > 0 {
			t.Error("it is taken back too soon")
		}
		time.Sleep(tendEvery + 2*pause)
		e.Close()
		if d := q.all()[0]; sent.Load() != 1 || d.Status != or3cloud.DeliverySuccess {
			t.Errorf("%d tries, %+v", sent.Load(), d)
		}
		if q.purged.Before(start.Add(-e.opt.Retention)) {
			t.Errorf("purged before %v", q.purged)
		}
	})
}

// A panic ends one attempt and nothing else.
func TestAPanicEndsOneTry(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, q := begin(t, "https://example.org/")
		first := true
		e.out = wire(func(*http.Request) (*http.Response, error) {
			if first {
				first = false
				panic("a bug")
			}
			return status(200)
		})
		q.ops = append(q.ops, post("p"))
		e.Start()
		time.Sleep(stale + 2*tendEvery)
		e.Close()
		if d := q.all()[0]; d.Status != or3cloud.DeliverySuccess {
			t.Errorf("%+v", d)
		}
	})
}

func TestAnotherKeyOpensNoSecret(t *testing.T) {
	e, q := begin(t, "https://example.org/")
	other := engine(t, func(o *Options) { o.Key, o.Queue = "another key for tests, long enough too", q })
	if last, err := other.Test(t.Context(), q.hook); err != nil || !strings.Contains(last.Error, "another key") {
		t.Errorf("%+v, %v", last, err)
	}
	if last := e.send(t.Context(), &or3cloud.Webhook{ID: "hook", URL: "https://example.org/"}, &or3cloud.WebhookDelivery{}); last.Error == "" {
		t.Error("a webhook without a secret")
	}
}
