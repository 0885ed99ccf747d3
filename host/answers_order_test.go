package host

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/answers"
	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/jobs"
)

// hosts are engines over one database, each of which stands for another host.
type hosts struct {
	t    *testing.T
	make func() *answers.Engine
	mu   [3]sync.RWMutex
	at   [3]*answers.Engine
}

// on lets f use one of them.
func (h *hosts) on(i int, f func(*answers.Engine)) {
	h.mu[i].RLock()
	defer h.mu[i].RUnlock()
	f(h.at[i])
}

// restart ends one and starts it again; what it holds is left to the next one.
func (h *hosts) restart(i int) {
	h.mu[i].Lock()
	defer h.mu[i].Unlock()
	if h.at[i] != nil {
		h.at[i].Close()
	}
	h.at[i] = h.make()
	h.at[i].Start()
}

// wished is what tests know about a wish for an answer.
type wished struct {
	order answers.Order
	mu    sync.Mutex
	ids   map[string]bool
	// before says that the wish was withdrawn before it had arrived.
	before bool
}

// The same wishes for answers arrive at several hosts over one database, again and again, with requests that break off;
// they are withdrawn before and after they have arrived, and aborted, and hosts are restarted in the meantime. Each has
// at most one job, which has one pair of stages in the history, or, once it was withdrawn before it arrived, none ever.
func TestOneAnswerForOneWish(t *testing.T) {
	const wishes, clients, steps = 12, 6, 60
	r := background(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, says("It is ")+says("so.")+said)
	}, "OR3_BACKGROUND_MAX_JOBS=100", "OR3_BACKGROUND_MAX_JOBS_PER_USER=100")
	p := r.register(t, "ann@example.test")
	upstreams, _ := completions.Configured(r.config)
	h := &hosts{t: t, make: func() *answers.Engine {
		e, _, err := r.makeAnswers(r.running.Load(), r.instance.Providers(), upstreams)
		if err != nil {
			t.Error(err)
		}
		return e
	}}
	for i := range h.at {
		h.restart(i)
		defer func() { h.at[i].Close() }()
	}
	all := make([]*wished, wishes)
	for n := range all {
		asked, err := completions.Read([]byte(p.wish(n, "")))
		if err != nil {
			t.Fatal(err)
		}
		to, model := upstreams.Of(asked.Model)
		w := &wished{ids: map[string]bool{}, order: answers.Order{UserID: p.user, History: asked.History, Asked: asked.Model, To: to, Body: asked.Body(model).Bytes()}}
		if err := json.Unmarshal(asked.History, &w.order.Admission); err != nil {
			t.Fatal(err)
		}
		all[n] = w
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	var running sync.WaitGroup
	for c := range clients {
		random := rand.New(rand.NewPCG(seed, uint64(c)))
		running.Go(func() {
			for range steps {
				w, host, what, cut := all[random.IntN(wishes)], random.IntN(len(h.at)), random.IntN(20), random.IntN(4) == 0
				ctx, stop := context.WithCancel(t.Context())
				if cut { // somewhere on the way
					time.AfterFunc(time.Duration(random.IntN(3000))*time.Microsecond, stop)
				}
				switch {
				case what < 11:
					h.on(host, func(e *answers.Engine) { w.begin(t, ctx, e) })
				case what < 15:
					h.on(host, func(e *answers.Engine) { w.cancel(t, ctx, e) })
				case what < 18:
					h.on(host, func(e *answers.Engine) { w.abort(t, ctx, e) })
				default:
					h.restart(host)
				}
				stop()
			}
		})
	}
	running.Wait()
	made := 0
	for n, w := range all {
		e := r.running.Load().answers
		job, err := e.Find(t.Context(), p.user, w.order.Admission.AdmissionID)
		if or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
			if len(w.ids) > 0 {
				t.Errorf("wish %d has no job, and jobs %v", n, w.ids)
			}
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if made++; w.before || len(w.ids) > 1 || len(w.ids) == 1 && !w.ids[job.ID] {
			t.Errorf("wish %d, taken back before it came: %t, is job %s, and jobs %v", n, w.before, job.ID, w.ids)
		}
		patience.Until(t, fmt.Sprintf("job %s is in the history", job.ID), func() bool {
			if job, err = e.Find(t.Context(), p.user, w.order.Admission.AdmissionID); err != nil {
				t.Fatal(err)
			}
			return job.HistoryPhase == jobs.HistoryCommitted
		})
		message := p.message(fmt.Sprintf("a%d", n))
		data, _ := message["data"].(map[string]any)
		state, content := map[jobs.Status]string{jobs.Complete: "complete", jobs.Aborted: "aborted"}[job.Status], data["content"]
		if data["generation_state"] != state || state == "complete" && content != "It is so." || message["clock"] != 2.0 || message["pending"] != false {
			t.Errorf("wish %d, %s: the history has %v", n, job.Status, message)
		}
		if user := p.message(fmt.Sprintf("u%d", n)); user["clock"] != 1.0 {
			t.Errorf("wish %d: the question is %v", n, user)
		}
	}
	t.Logf("%d wishes, %d jobs", wishes, made)
}

// begin sends the wish, as the endpoint does.
func (w *wished) begin(t *testing.T, ctx context.Context, e *answers.Engine) {
	w.mu.Lock()
	before := w.before
	w.mu.Unlock()
	id, err := e.Again(ctx, w.order.UserID, w.order.Admission.AdmissionID)
	if err == nil && id == "" {
		id, err = e.Begin(ctx, w.order)
	}
	switch {
	case err == nil && before:
		t.Errorf("%s has begun although it was taken back before", w.order.Admission.AdmissionID)
	case err == nil:
		w.mu.Lock()
		w.ids[id] = true
		w.mu.Unlock()
	case errors.Is(err, answers.ErrCancelled), ctx.Err() != nil, or3cloud.CodeOf(err) == or3cloud.CodeUnavailable:
	default:
		t.Errorf("%s: %v", w.order.Admission.AdmissionID, err)
	}
}

// cancel withdraws the wish.
func (w *wished) cancel(t *testing.T, ctx context.Context, e *answers.Engine) {
	out, err := e.Cancel(ctx, w.order.UserID, w.order.Admission.AdmissionID)
	if err != nil && ctx.Err() == nil {
		t.Error(err)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.before = w.before || out.Pending; out.JobID != "" {
		w.ids[out.JobID] = true
	}
}

// abort ends the job of the wish, if there is one.
func (w *wished) abort(t *testing.T, ctx context.Context, e *answers.Engine) {
	job, err := e.Find(ctx, w.order.UserID, w.order.Admission.AdmissionID)
	if err == nil {
		_, err = e.Abort(ctx, job.ID, w.order.UserID)
	}
	if err != nil && ctx.Err() == nil && or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
		t.Error(err)
	}
}
