package providertest

import (
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/jobs"
)

// handoff is a job that waits for a call of the browser "phone".
func (b *jobBench) handoff(h jobs.Handoffs, call string) string {
	b.t.Helper()
	id := b.create(func(in *jobs.Order) { in.Execution = []byte("x") })
	b.take(id, "w")
	b.update(id, jobs.Update{LeaseOwner: "w", Content: "so far", Reasoning: "hm"})
	if !must(h.HandOff(b.ctx, id, "w", jobs.Handoff{CallID: call, Device: "phone", ToolCalls: []byte(`[1]`)}))(b.t) {
		b.t.Fatal("the worker cannot leave its job")
	}
	return id
}

// take gives a job to a worker.
func (b *jobBench) take(id, owner string) *jobs.Claimed {
	b.t.Helper()
	job := must(ability[jobs.Queue](b).ClaimJob(b.ctx, id, owner, time.Minute))(b.t)
	if job == nil {
		b.t.Fatalf("%s does not get the job", owner)
	}
	return job
}

func testJobHandoffs(t *testing.T, b *jobBench) {
	h, q := ability[jobs.Handoffs](b), ability[jobs.Queue](b)
	claim := func(id, user, call, device, token string) *jobs.Claimed {
		t.Helper()
		return must(h.ClaimClientToolCall(b.ctx, id, user, jobs.ToolClaim{CallID: call, Device: device, Token: token, For: 30 * time.Second}))(t)
	}
	holds := func(id, user, call, token string) bool {
		t.Helper()
		return must(h.HoldsClientToolCall(b.ctx, id, user, call, token))(t)
	}
	settle := func(id, user, call, token string) bool {
		t.Helper()
		return must(h.SettleClientToolCall(b.ctx, id, user, call, token, []byte(`[2]`)))(t)
	}
	id := b.handoff(h, "c")
	for name, worker := range map[string]string{"the worker that had it": "w", "another": "v"} {
		if job := must(q.ClaimJob(b.ctx, id, worker, time.Minute))(t); job != nil {
			t.Errorf("%s gets a job that waits for a browser", name)
		}
	}
	if must(q.RenewJobLease(b.ctx, id, "w", time.Minute))(t) || must(h.HandOff(b.ctx, id, "w", jobs.Handoff{CallID: "d", Device: "phone"}))(t) {
		t.Error("a worker that has left the job has it")
	}
	_, err := b.Jobs.UpdateJob(b.ctx, id, jobs.Update{LeaseOwner: "w", Content: "late"})
	wantCode(t, "a late piece of the worker", err, or3cloud.CodeConflict)
	if claim(id, "bob", "c", "phone", "t0") != nil || claim(id, "ann", "d", "phone", "t0") != nil || claim(id, "ann", "c", "laptop", "t0") != nil ||
		claim("nothing", "ann", "c", "phone", "t0") != nil {
		t.Error("a call goes to whom it is not for")
	}
	if holds(id, "ann", "c", "t1") || settle(id, "ann", "c", "t1") {
		t.Error("a call is someone's before it is claimed")
	}
	job := claim(id, "ann", "c", "phone", "t1")
	if job == nil || string(job.Execution) != "x" || string(job.ToolCalls) != "[1]" || job.Attempts != 1 {
		t.Fatalf("claimed: %+v", job)
	}
	if claim(id, "ann", "c", "phone", "t2") != nil {
		t.Error("two tabs have a call")
	}
	if !holds(id, "ann", "c", "t1") || holds(id, "ann", "c", "t2") || holds(id, "bob", "c", "t1") || holds(id, "ann", "d", "t1") || holds("nothing", "ann", "c", "t1") {
		t.Error("the call is not its holder's")
	}
	b.Advance(31 * time.Second)
	if holds(id, "ann", "c", "t1") || settle(id, "ann", "c", "t1") {
		t.Error("a claim lasts forever")
	}
	if claim(id, "ann", "c", "phone", "t2") == nil || settle(id, "ann", "c", "t1") || settle(id, "bob", "c", "t2") || settle(id, "ann", "d", "t2") {
		t.Error("the next tab does not have the call")
	}
	if !settle(id, "ann", "c", "t2") || settle(id, "ann", "c", "t2") || claim(id, "ann", "c", "phone", "t3") != nil {
		t.Error("a call has one result")
	}
	if v := b.get(id); string(v.ToolCalls) != "[2]" || v.Content.Text != "so far" {
		t.Errorf("%+v", v)
	}

	// The next worker continues, and does not count as another attempt. If it is lost, the one after it starts again.
	next := must(q.ClaimNextJob(b.ctx, "v", time.Minute))(t)
	if next == nil || next.ID != id || !next.Resumed || next.Attempts != 1 || b.get(id).Content.Text != "so far" || b.get(id).Reasoning.Text != "hm" {
		t.Fatalf("resumed: %+v", next)
	}
	b.Advance(2 * time.Minute)
	if again := b.take(id, "u"); again.Resumed || again.Attempts != 2 || b.get(id).Content.Length != 0 {
		t.Errorf("behind a lost worker: %+v", again)
	}
	b.abort(id, "ann")

	// Waiting costs no attempt, however often it happens.
	id = b.handoff(h, "c0")
	for n := range 2 * jobs.MostAttempts {
		call := "c" + string(rune('0'+n))
		if claim(id, "ann", call, "phone", "t") == nil || !settle(id, "ann", call, "t") {
			t.Fatalf("call %d is lost", n)
		}
		if job := b.take(id, "w"); !job.Resumed || job.Attempts != 1 {
			t.Fatalf("after call %d: %+v", n, job)
		}
		if !must(h.HandOff(b.ctx, id, "w", jobs.Handoff{CallID: "c" + string(rune('0'+n+1)), Device: "phone"}))(t) {
			t.Fatal("the worker cannot leave its job")
		}
	}
	b.abort(id, "ann")
	if holds(id, "ann", "c9", "t") || claim(id, "ann", "c9", "phone", "t") != nil {
		t.Error("an aborted job waits for a call")
	}

	// A browser that never comes does not hold a job forever, and claims do not make the wait longer.
	id = b.handoff(h, "c")
	for range 10 {
		b.Advance(jobs.DefaultTimeout / 9)
		claim(id, "ann", "c", "phone", "t")
	}
	b.collect()
	if v := b.get(id); v.Status != jobs.Failed || !strings.Contains(v.Error, "browser") || v.Content.Text != "so far" {
		t.Errorf("%+v", v)
	}

	id = b.handoff(h, "c")
	for name, err := range map[string]error{
		"no call":     second(h.HandOff(b.ctx, id, "w", jobs.Handoff{Device: "d"})),
		"no device":   second(h.HandOff(b.ctx, id, "w", jobs.Handoff{CallID: "c"})),
		"a long id":   second(h.HandOff(b.ctx, id, "w", jobs.Handoff{CallID: strings.Repeat("x", jobs.MaxName+1), Device: "d"})),
		"no JSON":     second(h.HandOff(b.ctx, id, "w", jobs.Handoff{CallID: "c", Device: "d", ToolCalls: []byte("{")})),
		"no token":    second(h.HoldsClientToolCall(b.ctx, id, "ann", "c", "")),
		"no result":   second(h.SettleClientToolCall(b.ctx, id, "ann", "c", "t", nil)),
		"too large":   second(h.SettleClientToolCall(b.ctx, id, "ann", "c", "t", []byte(`"`+strings.Repeat("x", jobs.MaxState)+`"`))),
		"a bad claim": second(h.ClaimClientToolCall(b.ctx, id, "ann", jobs.ToolClaim{CallID: "c", Device: "phone"})),
	} {
		wantCode(t, name, err, or3cloud.CodeInvalid)
	}
}

func second[T any](_ T, err error) error { return err }

// testParallelClaims lets many tabs claim one call, and send its result.
func testParallelClaims(t *testing.T, b *jobBench) {
	h := ability[jobs.Handoffs](b)
	id := b.handoff(h, "c")
	var claimed, settled atomic.Int32
	var tabs sync.WaitGroup
	for i := range 8 {
		tabs.Go(func() {
			token := "t" + string(rune('0'+i))
			job, err := h.ClaimClientToolCall(b.ctx, id, "ann", jobs.ToolClaim{CallID: "c", Device: "phone", Token: token, For: time.Minute})
			if err != nil {
				t.Error(err)
			}
			if job != nil {
				claimed.Add(1)
			}
			if ok, err := h.SettleClientToolCall(b.ctx, id, "ann", "c", token, []byte(`[]`)); err != nil {
				t.Error(err)
			} else if ok {
				settled.Add(1)
			}
		})
	}
	tabs.Wait()
	if claimed.Load() != 1 || settled.Load() != 1 {
		t.Errorf("%d tabs have the call, %d have brought its result", claimed.Load(), settled.Load())
	}
}
