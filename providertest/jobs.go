package providertest

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
	"unicode/utf16"

	"pgregory.net/rapid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/jobs"
)

// JobBackend is a new, empty store of jobs.
type JobBackend struct {
	Jobs jobs.Store
	// Advance moves the store's clock.
	Advance func(time.Duration)
}

// TestJobs checks what jobs.Store promises, and Queue, Admissions, Handoffs, History, Notices and Census if the store
// has them.
func TestJobs(t *testing.T, open func(t *testing.T) JobBackend) {
	run := func(name string, f func(t *testing.T, b *jobBench)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, &jobBench{JobBackend: open(t), t: t, ctx: t.Context()})
		})
	}
	run("Life", testJobLife)
	run("Places", testJobPlaces)
	run("Model", testJobModel)
	run("Texts", testJobTexts)
	run("Refusals", testJobRefusals)
	run("Limits", testJobLimits)
	run("Kept", testKeptJobs)
	run("Abandoned", testAbandonedJobs)
	run("Leases", testJobLeases)
	run("LostWorkers", testLostWorkers)
	run("ClaimsAreExclusive", testJobClaims)
	run("Admissions", testJobAdmissions)
	run("OneJobForParallelAdmissions", testParallelAdmissions)
	run("Cancellations", testJobCancellations)
	run("Handoffs", testJobHandoffs)
	run("ParallelHandoffs", testParallelClaims)
	run("History", testJobHistory)
	run("Notices", testJobNotices)
	run("Census", testJobCensus)
}

type jobBench struct {
	JobBackend
	t   failer
	ctx context.Context
}

func newJob() jobs.Order {
	return jobs.Order{UserID: "ann", Kind: jobs.Chat, ThreadID: "t", MessageID: "m", Model: "x/y", MostOfAll: 1000, MostOfUser: 1000}
}

func (b *jobBench) create(change ...func(*jobs.Order)) string {
	b.t.Helper()
	in := newJob()
	for _, f := range change {
		f(&in)
	}
	a := must(b.Jobs.CreateJob(b.ctx, in))(b.t)
	if a.ID == "" || a.Cancelled {
		b.t.Fatalf("%+v", a)
	}
	return a.ID
}

func (b *jobBench) get(id string) jobs.View {
	b.t.Helper()
	return must(b.Jobs.GetJob(b.ctx, id, jobs.AnyUser, jobs.Place{}))(b.t)
}

func (b *jobBench) update(id string, u jobs.Update) jobs.Status {
	b.t.Helper()
	return must(b.Jobs.UpdateJob(b.ctx, id, u))(b.t)
}

func (b *jobBench) finish(id string, out jobs.Outcome) bool {
	b.t.Helper()
	if out.Status == "" {
		out.Status = jobs.Complete
	}
	return must(b.Jobs.FinishJob(b.ctx, id, out))(b.t)
}

func (b *jobBench) abort(id, user string) bool {
	b.t.Helper()
	return must(b.Jobs.AbortJob(b.ctx, id, user))(b.t)
}

func (b *jobBench) status(id string, want jobs.Status) {
	b.t.Helper()
	if got := b.get(id).Status; got != want {
		b.t.Errorf("the job is %q, want %q", got, want)
	}
}

func (b *jobBench) collect() int {
	b.t.Helper()
	return must(b.Jobs.CollectJobs(b.ctx))(b.t)
}

// ability returns an optional ability of a store, or skips the test.
func ability[A any](b *jobBench) A {
	b.t.Helper()
	a, ok := b.Jobs.(A)
	if !ok {
		b.t.Skip("the store has not the ability")
	}
	return a
}

func testJobLife(t *testing.T, b *jobBench) {
	going := b.create(func(in *jobs.Order) {
		in.Content, in.Reasoning, in.ToolCalls, in.WorkflowState = "so far ", "as", []byte(`[1]`), []byte(`{"a":1}`)
	})
	b.update(going, jobs.Update{Content: "and on"})
	if v := b.get(going); v.Content.Text != "so far and on" || v.Reasoning.Text != "as" || string(v.ToolCalls) != "[1]" || string(v.WorkflowState) != `{"a":1}` {
		t.Errorf("%+v", v)
	}
	id := b.create(func(in *jobs.Order) {
		in.Kind, in.WorkspaceID, in.GenerationID, in.HistoryPhase = jobs.Workflow, "elsewhere", "g", jobs.HistoryReady
	})
	v := b.get(id)
	if v.ID != id || v.UserID != "ann" || v.WorkspaceID != "elsewhere" || v.ThreadID != "t" || v.MessageID != "m" || v.Model != "x/y" || v.Kind != jobs.Workflow ||
		v.Status != jobs.Streaming || v.StartedAt.IsZero() || !v.CompletedAt.IsZero() || v.GenerationID != "g" || v.HistoryPhase != jobs.HistoryReady ||
		v.Attempts != 0 || !v.LeaseUntil.IsZero() || v.ToolCalls != nil {
		t.Errorf("%+v", v)
	}
	chunks := 3
	b.update(id, jobs.Update{
		Content: "Hello ", Reasoning: "why", Chunks: &chunks, ToolCalls: []byte(`[{"name":"a"}]`), WorkflowState: []byte(`{"b":1}`), Usage: []byte(`{"c":2}`),
	})
	if got := b.update(id, jobs.Update{Content: "😀"}); got != jobs.Streaming {
		t.Errorf("the status is %q", got)
	}
	v = b.get(id)
	if v.Content != (jobs.Text{Text: "Hello 😀", Length: 8}) || v.Reasoning != (jobs.Text{Text: "why", Length: 3}) || v.ChunksReceived != 3 ||
		string(v.ToolCalls) != `[{"name":"a"}]` || string(v.WorkflowState) != `{"b":1}` || string(v.Usage) != `{"c":2}` {
		t.Errorf("%+v", v)
	}
	for name, user := range map[string]string{"another user": "bob", "no one": ""} {
		_, err := b.Jobs.GetJob(b.ctx, id, user, jobs.Place{})
		wantCode(t, name, err, or3cloud.CodeNotFound)
		if b.abort(id, user) {
			t.Errorf("%s aborts it", name)
		}
	}
	b.Advance(time.Second)
	final := "Hello all"
	if !b.finish(id, jobs.Outcome{Content: &final, Error: "none"}) || b.finish(id, jobs.Outcome{Status: jobs.Failed}) || b.abort(id, "ann") {
		t.Error("a job ends once")
	}
	if got := b.update(id, jobs.Update{Content: "late"}); got != jobs.Complete {
		t.Errorf("the status is %q", got)
	}
	v = b.get(id)
	if v.Status != jobs.Complete || v.Content.Text != final || v.Reasoning.Text != "why" || v.Error != "" || !v.CompletedAt.After(v.StartedAt) {
		t.Errorf("%+v", v)
	}

	failed := b.create()
	b.update(failed, jobs.Update{Content: "half"})
	b.finish(failed, jobs.Outcome{Status: jobs.Failed, Error: strings.Repeat("ä", jobs.MaxError)})
	if v := b.get(failed); v.Status != jobs.Failed || v.Content.Text != "half" || v.Error != strings.Repeat("ä", jobs.MaxError/2) {
		t.Errorf("%+v", v)
	}
	aborted := b.create()
	if !b.abort(aborted, "ann") || b.abort(aborted, "ann") || b.abort("nothing", "ann") {
		t.Error("a job is aborted once")
	}
	b.status(aborted, jobs.Aborted)
	if !b.abort(b.create(), jobs.AnyUser) {
		t.Error("the worker of a job may abort it")
	}
	_, err := b.Jobs.GetJob(b.ctx, "nothing", "ann", jobs.Place{})
	wantCode(t, "get what never was", err, or3cloud.CodeNotFound)
	_, err = b.Jobs.UpdateJob(b.ctx, "nothing", jobs.Update{})
	wantCode(t, "update what never was", err, or3cloud.CodeNotFound)
	_, err = b.Jobs.FinishJob(b.ctx, "nothing", jobs.Outcome{Status: jobs.Complete})
	wantCode(t, "finish what never was", err, or3cloud.CodeNotFound)
}

// from is what a client must get from a place on, in UTF-16 code units.
func from(s string, place int) jobs.Text {
	units := utf16.Encode([]rune(s))
	if place > len(units) {
		place = 0
	}
	return jobs.Text{Text: string(utf16.Decode(units[place:])), From: place, Length: len(units)}
}

// testJobPlaces appends texts of all lengths and reads from every place.
func testJobPlaces(t *testing.T, b *jobBench) {
	rapid.Check(t, func(t *rapid.T) {
		b := &jobBench{JobBackend: b.JobBackend, t: t, ctx: b.ctx}
		id := b.create()
		defer b.finish(id, jobs.Outcome{})
		var texts [2]string
		chunk := rapid.OneOf(rapid.String(), rapid.StringOfN(rapid.SampledFrom([]rune("aé😀日")), 0, 6000, -1))
		for range rapid.IntRange(0, 6).Draw(t, "chunks") {
			u := jobs.Update{Content: strings.ToValidUTF8(chunk.Draw(t, "content"), "?"), Reasoning: strings.ToValidUTF8(chunk.Draw(t, "reasoning"), "?")}
			texts[0], texts[1] = texts[0]+u.Content, texts[1]+u.Reasoning
			b.update(id, u)
		}
		place := func(s string) int { return rapid.IntRange(0, len(utf16.Encode([]rune(s)))+2).Draw(t, "place") }
		at := jobs.Place{Content: place(texts[0]), Reasoning: place(texts[1])}
		v := must(b.Jobs.GetJob(b.ctx, id, "ann", at))(t)
		if want := from(texts[0], at.Content); v.Content != want {
			t.Fatalf("from %d: %d of %d, %.40q; want %d of %d, %.40q", at.Content, v.Content.From, v.Content.Length, v.Content.Text, want.From, want.Length, want.Text)
		}
		if want := from(texts[1], at.Reasoning); v.Reasoning != want {
			t.Fatalf("reasoning from %d: %d of %d, %.40q; want %d of %d, %.40q", at.Reasoning, v.Reasoning.From, v.Reasoning.Length, v.Reasoning.Text, want.From, want.Length, want.Text)
		}
	})
}

// testJobModel does random things to some jobs, and compares them with a model of the promises.
func testJobModel(t *testing.T, b *jobBench) {
	type modelled struct {
		status jobs.Status
		text   string
	}
	rounds := 0
	rapid.Check(t, func(t *rapid.T) {
		rounds++
		b := &jobBench{JobBackend: b.JobBackend, t: t, ctx: b.ctx}
		user := fmt.Sprint("user", rounds)
		model, ids := map[string]*modelled{}, []string{}
		pick := func() (string, *modelled) {
			if len(ids) == 0 {
				t.Skip("there is none yet")
			}
			id := rapid.SampledFrom(ids).Draw(t, "job")
			return id, model[id]
		}
		open := func() (n int) {
			for _, j := range model {
				if j.status == jobs.Streaming {
					n++
				}
			}
			return n
		}
		end := func(j *modelled, status jobs.Status) bool {
			if j.status != jobs.Streaming {
				return false
			}
			j.status = status
			return true
		}
		t.Repeat(map[string]func(*rapid.T){
			"create": func(t *rapid.T) {
				const most = 3
				in := newJob()
				in.UserID, in.MostOfUser = user, most
				key := rapid.SampledFrom([]string{"", "a", "b"}).Draw(t, "key")
				in.IdempotencyKey = key
				a, err := b.Jobs.CreateJob(b.ctx, in)
				j := model[a.ID]
				switch full := open() >= most; {
				case err != nil:
					if !full || or3cloud.CodeOf(err) != or3cloud.CodeRateLimited {
						t.Fatalf("%d open jobs: %v", open(), err)
					}
				case a.Replayed != (j != nil) || a.Replayed && key == "":
					t.Fatalf("%+v under %q", a, key)
				case !a.Replayed && full:
					t.Fatal("one job too many")
				case !a.Replayed:
					model[a.ID] = &modelled{status: jobs.Streaming}
					ids = append(ids, a.ID)
				}
			},
			"update": func(t *rapid.T) {
				id, j := pick()
				chunk := rapid.StringOf(rapid.SampledFrom([]rune("xy😀"))).Draw(t, "chunk")
				if got := b.update(id, jobs.Update{Content: chunk}); got != j.status {
					t.Fatalf("the status is %q, want %q", got, j.status)
				}
				if j.status == jobs.Streaming {
					j.text += chunk
				}
			},
			"finish": func(t *rapid.T) {
				id, j := pick()
				final := rapid.SampledFrom([]string{"", "done"}).Draw(t, "final")
				was := end(j, jobs.Complete)
				if was {
					j.text = final
				}
				if b.finish(id, jobs.Outcome{Content: &final}) != was {
					t.Fatalf("finished: %t", was)
				}
			},
			"fail": func(t *rapid.T) {
				id, j := pick()
				if was := end(j, jobs.Failed); b.finish(id, jobs.Outcome{Status: jobs.Failed, Error: "e"}) != was {
					t.Fatalf("failed: %t", was)
				}
			},
			"abort": func(t *rapid.T) {
				id, j := pick()
				if was := end(j, jobs.Aborted); b.abort(id, user) != was {
					t.Fatalf("aborted: %t", was)
				}
			},
			"": func(t *rapid.T) {
				if n := must(b.Jobs.CountJobs(b.ctx, user))(t); n != open() {
					t.Fatalf("%d open jobs, want %d", n, open())
				}
				for id, j := range model {
					if v := b.get(id); v.Status != j.status || v.Content.Text != j.text || v.CompletedAt.IsZero() != (j.status == jobs.Streaming) {
						t.Fatalf("%+v, want %+v", v, j)
					}
				}
			},
		})
		for id := range model {
			b.abort(id, user)
		}
	})
}

// testJobTexts fills an answer: it ends at its limit, with a whole character.
func testJobTexts(t *testing.T, b *jobBench) {
	id := b.create()
	b.update(id, jobs.Update{Content: "a"})
	for range jobs.MaxText/30_000 + 2 {
		b.update(id, jobs.Update{Content: strings.Repeat("é", 15_000)})
	}
	if v := b.get(id).Content; len(v.Text) != jobs.MaxText-1 || v.Length != jobs.MaxText/2 || !strings.HasSuffix(v.Text, "éé") {
		t.Errorf("%d bytes, %d units, ends in %q", len(v.Text), v.Length, v.Text[len(v.Text)-4:])
	}
	b.update(id, jobs.Update{Content: "z"})
	if v := b.get(id).Content; len(v.Text) != jobs.MaxText {
		t.Errorf("%d bytes: there was room for one", len(v.Text))
	}
	long := strings.Repeat("😀", jobs.MaxText)
	b.finish(id, jobs.Outcome{Content: &long, Reasoning: &long})
	if v := b.get(id); len(v.Content.Text) != jobs.MaxText || len(v.Reasoning.Text) != jobs.MaxText {
		t.Errorf("%d and %d bytes", len(v.Content.Text), len(v.Reasoning.Text))
	}
}

// testJobRefusals exceeds the limits; nothing of it is left behind.
func testJobRefusals(t *testing.T, b *jobBench) {
	for name, f := range map[string]func(*jobs.Order){
		"no user":   func(in *jobs.Order) { in.UserID = "" },
		"any user":  func(in *jobs.Order) { in.UserID = jobs.AnyUser },
		"no kind":   func(in *jobs.Order) { in.Kind = "song" },
		"a phase":   func(in *jobs.Order) { in.HistoryPhase = "full moon" },
		"a long id": func(in *jobs.Order) { in.MessageID = strings.Repeat("m", jobs.MaxName+1) },
		"a long context": func(in *jobs.Order) {
			in.Context = []byte(`"` + strings.Repeat("x", jobs.MaxContext) + `"`)
		},
		"long tool calls": func(in *jobs.Order) {
			in.ToolCalls = []byte(`"` + strings.Repeat("x", jobs.MaxState) + `"`)
		},
		"a long execution": func(in *jobs.Order) { in.Execution = bytes.Repeat([]byte("x"), jobs.MaxExecution+1) },
		"no job at all":    func(in *jobs.Order) { in.MostOfUser = 0 },
	} {
		in := newJob()
		f(&in)
		_, err := b.Jobs.CreateJob(b.ctx, in)
		wantCode(t, name, err, or3cloud.CodeInvalid)
	}
	if n := must(b.Jobs.CountJobs(b.ctx, jobs.AnyUser))(t); n != 0 {
		t.Errorf("%d jobs are left", n)
	}
	id := b.create()
	for name, u := range map[string]jobs.Update{
		"long tool calls": {ToolCalls: []byte(`"` + strings.Repeat("x", jobs.MaxState) + `"`)},
		"a long state":    {WorkflowState: []byte(`"` + strings.Repeat("x", jobs.MaxState) + `"`)},
		"a long usage":    {Usage: []byte(`"` + strings.Repeat("x", jobs.MaxState) + `"`)},
	} {
		u.Content = "never"
		_, err := b.Jobs.UpdateJob(b.ctx, id, u)
		wantCode(t, name, err, or3cloud.CodeInvalid)
	}
	_, err := b.Jobs.FinishJob(b.ctx, id, jobs.Outcome{Status: jobs.Aborted})
	wantCode(t, "an outcome", err, or3cloud.CodeInvalid)
	if v := b.get(id); v.Content.Text != "" || v.Status != jobs.Streaming {
		t.Errorf("%+v", v)
	}
}

// testJobLimits begins jobs in parallel: there are never more than allowed.
func testJobLimits(t *testing.T, b *jobBench) {
	var mu sync.Mutex
	begun := map[string][]string{}
	parallel(30, func(i int) {
		in := newJob()
		in.UserID, in.MostOfUser, in.MostOfAll = fmt.Sprint("u", i%3), 4, 10
		switch a, err := b.Jobs.CreateJob(b.ctx, in); or3cloud.CodeOf(err) {
		case "":
			mu.Lock()
			defer mu.Unlock()
			begun[in.UserID] = append(begun[in.UserID], a.ID)
		case or3cloud.CodeRateLimited:
		default:
			t.Error(err)
		}
	})
	all := 0
	for user, ids := range begun {
		if all += len(ids); len(ids) > 4 || must(b.Jobs.CountJobs(b.ctx, user))(t) != len(ids) {
			t.Errorf("%s has %d jobs", user, len(ids))
		}
	}
	if all != 10 || must(b.Jobs.CountJobs(b.ctx, jobs.AnyUser))(t) != 10 {
		t.Errorf("%d jobs, want 10", all)
	}
	for user, ids := range begun {
		if len(ids) == 0 {
			continue
		}
		b.abort(ids[0], user)
		b.create(func(in *jobs.Order) { in.UserID, in.MostOfUser, in.MostOfAll = user, 4, 10 })
		break
	}
}

// testKeptJobs finishes more jobs than are kept for a user: the oldest are dropped, and another user's stay.
func testKeptJobs(t *testing.T, b *jobBench) {
	other := b.create(func(in *jobs.Order) { in.UserID = "bob" })
	b.finish(other, jobs.Outcome{})
	waiting := b.create(func(in *jobs.Order) { in.HistoryPhase = jobs.HistoryReady })
	b.finish(waiting, jobs.Outcome{})
	open := b.create()
	var ids []string
	for range jobs.Kept + 4 {
		id := b.create()
		b.update(id, jobs.Update{Content: "x"})
		b.finish(id, jobs.Outcome{})
		ids = append(ids, id)
	}
	b.status(other, jobs.Complete)
	b.status(open, jobs.Streaming)
	b.status(waiting, jobs.Complete) // its answer is not in the history yet
	for i, id := range ids {
		_, err := b.Jobs.GetJob(b.ctx, id, "ann", jobs.Place{})
		if gone := i < 5; (or3cloud.CodeOf(err) == or3cloud.CodeNotFound) != gone {
			t.Errorf("job %d: %v, gone %t", i, err, gone)
		}
	}
}

// testAbandonedJobs lets time pass: a silent job fails, one that reports does not, and finished ones are removed.
func testAbandonedJobs(t *testing.T, b *jobBench) {
	soon := func(in *jobs.Order) { in.Timeout, in.Retention = time.Minute, time.Hour }
	silent, heard, usual := b.create(soon), b.create(soon), b.create()
	b.update(silent, jobs.Update{Content: "half"})
	b.Advance(40 * time.Second)
	b.update(heard, jobs.Update{})
	b.Advance(40 * time.Second)
	if n := b.collect(); n != 1 {
		t.Errorf("%d were dealt with, want one", n)
	}
	if v := b.get(silent); v.Status != jobs.Failed || v.Error == "" || v.Content.Text != "half" || v.CompletedAt.IsZero() {
		t.Errorf("%+v", v)
	}
	b.status(heard, jobs.Streaming)
	b.status(usual, jobs.Streaming)
	b.finish(usual, jobs.Outcome{})
	b.Advance(jobs.DefaultRetention - time.Hour)
	b.collect()
	for _, id := range []string{silent, heard} {
		_, err := b.Jobs.GetJob(b.ctx, id, "ann", jobs.Place{})
		if id == silent {
			wantCode(t, "an old job", err, or3cloud.CodeNotFound)
		}
	}
	b.status(usual, jobs.Complete)
	b.Advance(2 * time.Hour)
	b.collect()
	_, err := b.Jobs.GetJob(b.ctx, usual, "ann", jobs.Place{})
	wantCode(t, "a job after its retention", err, or3cloud.CodeNotFound)
}

const lease = 30 * time.Second

// testJobLeases passes a job from worker to worker: one that has lost it can no longer change anything.
func testJobLeases(t *testing.T, b *jobBench) {
	queue := ability[jobs.Queue](b)
	next := func(owner string) *jobs.Claimed { return must(queue.ClaimNextJob(b.ctx, owner, lease))(t) }
	b.create() // without an execution no other worker can take it up
	id := b.create(func(in *jobs.Order) {
		in.Execution, in.LeaseOwner, in.Lease = []byte("sealed"), "first", lease
	})
	if v := b.get(id); v.Attempts != 1 || v.LeaseOwner != "first" || v.LeaseUntil.IsZero() {
		t.Errorf("%+v", v)
	}
	if got := next("second"); got != nil {
		t.Errorf("another worker gets %+v", got)
	}
	if got := must(queue.ClaimJob(b.ctx, id, "second", lease))(t); got != nil {
		t.Errorf("another worker gets %+v", got)
	}
	b.update(id, jobs.Update{LeaseOwner: "first", Content: "one"})
	if got := must(queue.ClaimJob(b.ctx, id, "first", lease))(t); got == nil || got.Attempts != 1 || string(got.Execution) != "sealed" {
		t.Errorf("the owner gets %+v", got)
	}
	b.Advance(20 * time.Second)
	if !must(queue.RenewJobLease(b.ctx, id, "first", lease))(t) || must(queue.RenewJobLease(b.ctx, id, "second", lease))(t) {
		t.Error("the owner renews a lease, and no other")
	}
	if !must(queue.UpdateJobExecution(b.ctx, id, "first", []byte("sealed again")))(t) || must(queue.UpdateJobExecution(b.ctx, id, "second", []byte("x")))(t) {
		t.Error("the owner replaces the execution, and no other")
	}
	b.Advance(20 * time.Second)
	if got := next("second"); got != nil {
		t.Errorf("another worker gets %+v", got)
	}
	b.Advance(20 * time.Second)
	_, err := b.Jobs.UpdateJob(b.ctx, id, jobs.Update{LeaseOwner: "first", Content: "late"})
	wantCode(t, "an update after the lease", err, or3cloud.CodeConflict)
	got := next("second")
	if got == nil || got.ID != id || got.Attempts != 2 || got.LeaseOwner != "second" || string(got.Execution) != "sealed again" {
		t.Fatalf("the next worker gets %+v", got)
	}
	if v := b.get(id); v.Content.Length != 0 {
		t.Errorf("a second attempt begins with %+v", v.Content)
	}
	b.update(id, jobs.Update{LeaseOwner: "second", Content: "two"})
	for place, want := range map[jobs.Place]jobs.Text{
		{Content: 2, Attempt: 1}: {Text: "two", Length: 3}, {Content: 2, Attempt: 2}: {Text: "o", From: 2, Length: 3}, {Content: 2}: {Text: "o", From: 2, Length: 3},
	} {
		if v := must(b.Jobs.GetJob(b.ctx, id, "ann", place))(t); v.Content != want {
			t.Errorf("%+v: %+v, want %+v", place, v.Content, want)
		}
	}
	_, err = b.Jobs.FinishJob(b.ctx, id, jobs.Outcome{LeaseOwner: "first", Status: jobs.Complete})
	wantCode(t, "the first worker finishes it", err, or3cloud.CodeConflict)
	if !b.finish(id, jobs.Outcome{LeaseOwner: "second"}) {
		t.Error("the second worker does not finish it")
	}
	if v := b.get(id); v.Status != jobs.Complete || v.LeaseOwner != "" || v.Content.Text != "two" {
		t.Errorf("%+v", v)
	}
	if must(queue.RenewJobLease(b.ctx, id, "second", lease))(t) || must(queue.ClaimJob(b.ctx, id, "second", lease))(t) != nil {
		t.Error("a finished job is in someone's hands")
	}
	_, err = queue.ClaimJob(b.ctx, "nothing", "w", lease)
	wantCode(t, "claim what never was", err, or3cloud.CodeNotFound)
	_, err = queue.ClaimNextJob(b.ctx, "", lease)
	wantCode(t, "a worker without a name", err, or3cloud.CodeInvalid)
}

// testLostWorkers loses workers: a job that no one can continue has failed, and so has one that all who try it are lost
// with.
func testLostWorkers(t *testing.T, b *jobBench) {
	queue := ability[jobs.Queue](b)
	id := b.create(func(in *jobs.Order) { in.LeaseOwner, in.Lease = "w", lease })
	b.Advance(lease - time.Second)
	b.collect()
	b.status(id, jobs.Streaming)
	b.Advance(2 * time.Second)
	b.collect()
	if v := b.get(id); v.Status != jobs.Failed || v.Error == "" {
		t.Errorf("%+v", v)
	}

	deadly := b.create(func(in *jobs.Order) { in.Execution = []byte("x") })
	for i := range jobs.MostAttempts {
		if got := must(queue.ClaimNextJob(b.ctx, fmt.Sprint("w", i), lease))(t); got == nil || got.ID != deadly || got.Attempts != i+1 {
			t.Fatalf("attempt %d: %+v", i, got)
		}
		b.Advance(lease + time.Second)
	}
	if got := must(queue.ClaimNextJob(b.ctx, "w", lease))(t); got != nil {
		t.Errorf("one attempt more: %+v", got)
	}
	b.collect()
	b.status(deadly, jobs.Failed)

	forgotten := b.create(func(in *jobs.Order) { in.Execution, in.LeaseOwner, in.Lease = []byte("x"), "w", lease })
	b.Advance(lease + jobs.DefaultTimeout - time.Second)
	b.collect()
	b.status(forgotten, jobs.Streaming) // another worker may take it up
	b.Advance(2 * time.Second)
	b.collect()
	b.status(forgotten, jobs.Failed)

	const years = 3 * 365 * 24 * time.Hour
	b.Advance(years) // the clock is ahead for a while
	late := b.create(func(in *jobs.Order) { in.LeaseOwner, in.Lease = "w", lease })
	b.Advance(-years)
	b.collect()
	b.Advance(jobs.LongestLease + jobs.DefaultTimeout + 10*time.Minute)
	b.collect()
	b.status(late, jobs.Failed)
}

// testJobClaims lets workers take jobs in parallel: each job is held by one worker.
func testJobClaims(t *testing.T, b *jobBench) {
	queue := ability[jobs.Queue](b)
	const open = 10
	for range open {
		b.create(func(in *jobs.Order) { in.Execution = []byte("x") })
	}
	var mu sync.Mutex
	taken := map[string]string{}
	parallel(6, func(i int) {
		owner := fmt.Sprint("w", i)
		for {
			got, err := queue.ClaimNextJob(b.ctx, owner, lease)
			if err != nil {
				t.Error(err)
			}
			if got == nil {
				return
			}
			mu.Lock()
			if taken[got.ID] != "" || got.LeaseOwner != owner {
				t.Errorf("%s has the job of %s: %+v", owner, taken[got.ID], got)
			}
			taken[got.ID] = owner
			mu.Unlock()
		}
	})
	if len(taken) != open {
		t.Errorf("%d jobs were taken, want %d", len(taken), open)
	}
}

func testJobAdmissions(t *testing.T, b *jobBench) {
	admissions := ability[jobs.Admissions](b)
	keyed := func(in *jobs.Order) { in.IdempotencyKey, in.AdmissionID = "key", "admission" }
	id := b.create(keyed)
	if again := b.create(keyed); again != id {
		t.Errorf("a second job %s under the key of %s", again, id)
	}
	if other := b.create(keyed, func(in *jobs.Order) { in.UserID = "bob" }); other == id {
		t.Error("another user's key is the same")
	}
	if job := must(admissions.FindJob(b.ctx, "key", "ann"))(t); job.ID != id || job.AdmissionID != "admission" {
		t.Errorf("%+v", job)
	}
	for name, key := range map[string]string{"an unknown key": "nothing", "no key": ""} {
		_, err := admissions.FindJob(b.ctx, key, "ann")
		wantCode(t, name, err, or3cloud.CodeNotFound)
	}
	if one, two := b.create(), b.create(); one == two {
		t.Error("jobs without a key are one")
	}
	want := jobs.Cancellation{JobID: id, Aborted: true}
	if got := must(admissions.CancelAdmission(b.ctx, "ann", "admission"))(t); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
	b.status(id, jobs.Aborted)
	want.Aborted = false
	for _, name := range []string{"admission", "key"} {
		if got := must(admissions.CancelAdmission(b.ctx, "ann", name))(t); got != want {
			t.Errorf("again by %s: %+v, want %+v", name, got, want)
		}
	}
	if again := b.create(keyed); again != id {
		t.Error("an aborted job begins again")
	}
}

// testParallelAdmissions sends one admission many times, and its cancellation: either all get one job, or none gets one
// that runs.
func testParallelAdmissions(t *testing.T, b *jobBench) {
	admissions := ability[jobs.Admissions](b)
	for round := range 10 {
		key := fmt.Sprint("k", round)
		var mu sync.Mutex
		ids := map[string]bool{}
		parallel(6, func(i int) {
			if i == 3 {
				if _, err := admissions.CancelAdmission(b.ctx, "ann", key); err != nil {
					t.Error(err)
				}
				return
			}
			in := newJob()
			in.IdempotencyKey = key
			a, err := b.Jobs.CreateJob(b.ctx, in)
			if err != nil || a.Cancelled == (a.ID != "") {
				t.Errorf("%+v, %v", a, err)
			}
			mu.Lock()
			defer mu.Unlock()
			if a.ID != "" {
				ids[a.ID] = true
			}
		})
		if len(ids) > 1 {
			t.Errorf("%d jobs of one admission", len(ids))
		}
		for id := range ids {
			b.status(id, jobs.Aborted)
		}
	}
}

// testJobCancellations cancels admissions that have not come: they are refused, but only the most recent ones and only
// for a while.
func testJobCancellations(t *testing.T, b *jobBench) {
	admissions := ability[jobs.Admissions](b)
	create := func(key string) jobs.Admission {
		in := newJob()
		in.IdempotencyKey = key
		return must(b.Jobs.CreateJob(b.ctx, in))(t)
	}
	if got := must(admissions.CancelAdmission(b.ctx, "ann", "first"))(t); got != (jobs.Cancellation{Pending: true}) {
		t.Errorf("%+v", got)
	}
	if a := create("first"); !a.Cancelled || a.ID != "" {
		t.Errorf("%+v", a)
	}
	for i := range jobs.MaxCancellations {
		b.Advance(time.Millisecond * 2)
		must(admissions.CancelAdmission(b.ctx, "ann", fmt.Sprint("a", i)))(t)
	}
	if a := create("a0"); !a.Cancelled {
		t.Errorf("%+v", a)
	}
	if a := create("first"); a.Cancelled {
		t.Errorf("one cancellation too many is kept: %+v", a)
	}
	b.Advance(25 * time.Hour)
	b.collect()
	if a := create("a1"); a.Cancelled {
		t.Errorf("an old cancellation is kept: %+v", a)
	}
	_, err := admissions.CancelAdmission(b.ctx, "ann", strings.Repeat("x", jobs.MaxName+1))
	wantCode(t, "a long id", err, or3cloud.CodeInvalid)
}

func testJobHistory(t *testing.T, b *jobBench) {
	history := ability[jobs.History](b)
	pending := func() (ids []string) {
		t.Helper()
		for _, p := range must(history.PendingHistoryJobs(b.ctx, 100))(t) {
			ids = append(ids, p.ID)
		}
		return ids
	}
	set := func(id string, phase jobs.HistoryPhase, want bool, from ...jobs.HistoryPhase) {
		t.Helper()
		if got := must(history.SetHistoryPhase(b.ctx, id, phase, from...))(t); got != want {
			t.Errorf("%s of %v: %v, want %v", phase, from, got, want)
		}
	}
	ready := func(in *jobs.Order) { in.HistoryPhase = jobs.HistoryReady }
	b.create() // writes no history
	id := b.create(ready, func(in *jobs.Order) { in.LeaseOwner, in.Lease = "w", lease })
	admitting := b.create(func(in *jobs.Order) {
		in.HistoryPhase, in.Context, in.Execution = jobs.HistoryAdmissionPending, []byte(`{"admission":1}`), []byte("secret")
	})
	if got := pending(); !slices.Equal(got, []string{admitting}) {
		t.Errorf("%v are pending, want %s", got, admitting)
	}
	if p := must(history.PendingHistoryJobs(b.ctx, 100))(t); string(p[0].Context) != `{"admission":1}` {
		t.Errorf("%s stays with the job", p[0].Context)
	}
	if queue, ok := b.Jobs.(jobs.Queue); ok {
		if c := must(queue.ClaimJob(b.ctx, admitting, "w", lease))(t); c != nil {
			t.Errorf("what is not admitted is claimed: %+v", c)
		}
		if c := must(queue.ClaimNextJob(b.ctx, "w", lease))(t); c != nil {
			t.Errorf("what is not admitted is the next: %+v", c)
		}
	}
	set(admitting, jobs.HistoryCommitted, false, jobs.HistoryReady, jobs.HistoryFinalizationPending)
	set(admitting, jobs.HistoryReady, true, jobs.HistoryAdmissionPending)
	set(admitting, jobs.HistoryReady, false, jobs.HistoryAdmissionPending)
	if v := b.get(admitting); v.Context != nil {
		t.Errorf("the context is told without being asked for: %s", v.Context)
	}
	b.finish(admitting, jobs.Outcome{})
	if v := must(b.Jobs.GetJob(b.ctx, admitting, "ann", jobs.Place{Context: true}))(t); string(v.Context) != `{"admission":1}` {
		t.Errorf("%s stays with the job, after its end", v.Context)
	}
	set(admitting, jobs.HistoryCommitted, true)
	if got := pending(); len(got) != 0 {
		t.Errorf("%v are pending, want none", got)
	}
	snapshot := jobs.TerminalSnapshot{
		Status: jobs.Complete, Content: "ä", Reasoning: "hm", ToolCalls: []byte(`[7]`), Usage: []byte(`{"n":1}`), Error: "none",
		CompletedAt: time.UnixMilli(1_700_000_000_123),
	}
	_, err := history.SaveTerminalSnapshot(b.ctx, id, "another", snapshot)
	wantCode(t, "a snapshot of another worker", err, or3cloud.CodeConflict)
	b.update(id, jobs.Update{LeaseOwner: "w", Content: "half", Reasoning: "half"})
	for first := range []bool{true, false} { // the second end does not count
		if must(history.SaveTerminalSnapshot(b.ctx, id, "w", snapshot))(t) != (first == 0) {
			t.Errorf("end %d", first)
		}
		snapshot.Content = "another"
	}
	if v := b.get(id); v.Status != jobs.Complete || v.Content.Text != "ä" || v.Reasoning.Text != "hm" || string(v.ToolCalls) != "[7]" || v.Error != "" ||
		!v.CompletedAt.Equal(snapshot.CompletedAt) || v.LeaseOwner != "" || v.HistoryPhase != jobs.HistoryFinalizationPending {
		t.Errorf("%+v", v)
	}
	b.collect()
	var got struct {
		Status, Content, Reasoning string
		ToolCalls                  []int
		Usage                      struct{ N int }
		CompletedAt                int64
	}
	all := must(history.PendingHistoryJobs(b.ctx, 100))(t)
	if len(all) != 1 || all[0].ID != id || json.Unmarshal(all[0].Snapshot, &got) != nil || got.Status != "complete" || got.Content != "ä" ||
		got.Reasoning != "hm" || got.Usage.N != 1 || !slices.Equal(got.ToolCalls, []int{7}) || got.CompletedAt != 1_700_000_000_123 {
		t.Errorf("%+v: %+v", all, got)
	}
	set(id, jobs.HistoryCommitted, true)
	if v := b.get(id); v.HistoryPhase != jobs.HistoryCommitted || v.Status != jobs.Complete {
		t.Errorf("%+v", v)
	}

	// One that ends without a snapshot waits with what has arrived of it.
	lost := b.create(ready)
	b.update(lost, jobs.Update{Content: "half", Reasoning: "why", ToolCalls: []byte(`[1]`)})
	b.abort(lost, "ann")
	all = must(history.PendingHistoryJobs(b.ctx, 1))(t)
	if len(all) != 1 || all[0].ID != lost || json.Unmarshal(all[0].Snapshot, &got) != nil || got.Status != "aborted" || got.Content != "half" ||
		got.Reasoning != "why" || len(got.ToolCalls) != 1 || got.CompletedAt == 0 {
		t.Errorf("%+v: %+v", all, got)
	}
	set(lost, jobs.HistoryReady, true)
	if got := pending(); !slices.Equal(got, []string{lost}) {
		t.Errorf("%v are pending, want %s: what has ended is not ready", got, lost)
	}
	for _, phase := range []jobs.HistoryPhase{jobs.HistorySuperseded, jobs.HistoryBlocked} {
		set(lost, phase, true)
		if got := pending(); len(got) != 0 {
			t.Errorf("%s: %v are pending", phase, got)
		}
	}
	set("nothing", jobs.HistoryReady, false)
	for _, phases := range [][]jobs.HistoryPhase{{"full moon"}, {jobs.HistoryReady, "full moon"}} {
		_, err := history.SetHistoryPhase(b.ctx, lost, phases[0], phases[1:]...)
		wantCode(t, "a phase", err, or3cloud.CodeInvalid)
	}
	open := b.create(ready)
	snapshot.Status, snapshot.ToolCalls = jobs.Streaming, nil
	_, err = history.SaveTerminalSnapshot(b.ctx, open, "", snapshot)
	wantCode(t, "an end that is none", err, or3cloud.CodeInvalid)
	snapshot.Status, snapshot.ToolCalls = jobs.Aborted, []byte(`"`+strings.Repeat("x", jobs.MaxState)+`"`)
	_, err = history.SaveTerminalSnapshot(b.ctx, open, "", snapshot)
	wantCode(t, "long tool calls", err, or3cloud.CodeInvalid)
	b.status(open, jobs.Streaming)
}

// testJobNotices ends jobs in every way: users must be told of those that ended without them, until that is confirmed.
func testJobNotices(t *testing.T, b *jobBench) {
	notices, history := ability[jobs.Notices](b), ability[jobs.History](b)
	toTell := func(want ...string) {
		t.Helper()
		var got []string
		for _, job := range must(notices.JobsToTell(b.ctx, 100))(t) {
			got = append(got, job.ID)
		}
		if !slices.Equal(got, want) {
			t.Errorf("to tell: %q, want %q", got, want)
		}
	}
	notify := func(in *jobs.Order) { in.Notify, in.Timeout = true, time.Minute }
	b.finish(b.create(), jobs.Outcome{}) // no one asked for it
	b.finish(b.create(notify), jobs.Outcome{Seen: true})
	b.abort(b.create(notify), "ann")
	complete, failed := b.create(notify), b.create(notify)
	toTell()
	b.finish(complete, jobs.Outcome{})
	b.finish(complete, jobs.Outcome{Seen: true}) // the first end stays
	b.finish(failed, jobs.Outcome{Status: jobs.Failed, Error: "no"})
	inHistory := b.create(notify, func(in *jobs.Order) { in.HistoryPhase = jobs.HistoryReady })
	must(history.SaveTerminalSnapshot(b.ctx, inHistory, "", jobs.TerminalSnapshot{Status: jobs.Complete, Content: "text"}))(t)
	seen := b.create(notify, func(in *jobs.Order) { in.HistoryPhase = jobs.HistoryReady })
	must(history.SaveTerminalSnapshot(b.ctx, seen, "", jobs.TerminalSnapshot{Status: jobs.Complete, Seen: true}))(t)
	toTell(complete, failed)
	for _, id := range []string{inHistory, seen} {
		must(history.SetHistoryPhase(b.ctx, id, jobs.HistoryCommitted))(t)
	}
	silent := b.create(notify)
	b.Advance(2 * time.Minute)
	b.collect()
	toTell(complete, failed, inHistory, silent)
	for _, id := range []string{failed, failed, "none"} {
		must(0, notices.JobIsTold(b.ctx, id))(t)
	}
	toTell(complete, inHistory, silent)
	if all := must(notices.JobsToTell(b.ctx, 1))(t); len(all) != 1 || all[0].ID != complete || all[0].Status != jobs.Complete || all[0].ThreadID != "t" {
		t.Errorf("%+v", all)
	}
}

// testJobCensus lists jobs as an operator requests them.
func testJobCensus(t *testing.T, b *jobBench) {
	census := ability[jobs.Census](b)
	open := b.create(func(in *jobs.Order) { in.WorkspaceID = "ws" })
	leased := b.create(func(in *jobs.Order) { in.UserID, in.LeaseOwner, in.Execution = "eve", "w", []byte("x") })
	failed, complete, aborted := b.create(), b.create(), b.create()
	b.finish(failed, jobs.Outcome{Status: jobs.Failed, Error: "for the user", Cause: strings.Repeat("ä", jobs.MaxError)})
	b.finish(complete, jobs.Outcome{Cause: "none"})
	b.abort(aborted, "ann")
	for name, c := range map[string]struct {
		filter jobs.Filter
		want   []string
	}{
		"all": {jobs.Filter{}, []string{aborted, complete, failed, leased, open}}, "open ones": {jobs.Filter{Status: jobs.Streaming}, []string{leased, open}},
		"of a user": {jobs.Filter{UserID: "eve"}, []string{leased}}, "of a workspace": {jobs.Filter{WorkspaceID: "ws"}, []string{open}},
		"failed ones of another": {jobs.Filter{UserID: "eve", Status: jobs.Failed}, nil}, "some": {jobs.Filter{Limit: 2}, []string{aborted, complete}},
	} {
		if c.filter.Limit == 0 {
			c.filter.Limit = jobs.MostListed
		}
		var got []string
		for _, job := range must(census.ListJobs(b.ctx, c.filter))(t) {
			if got = append(got, job.ID); job.ID == failed && (job.Error != "for the user" || len(job.Cause) != jobs.MaxError) || job.ID == complete && job.Cause != "" {
				t.Errorf("%+v", job)
			}
		}
		if !slices.Equal(got, c.want) {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
	for _, f := range []jobs.Filter{{}, {Limit: jobs.MostListed + 1}, {Limit: 1, Status: "full moon"}} {
		_, err := census.ListJobs(b.ctx, f)
		wantCode(t, "a list", err, or3cloud.CodeInvalid)
	}
	if got, want := must(census.CountAllJobs(b.ctx))(t), (jobs.Counts{Running: 1, Waiting: 1, Complete: 1, Failed: 1, Aborted: 1}); got != want {
		t.Errorf("%+v, want %+v", got, want)
	}
}
