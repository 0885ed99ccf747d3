package host

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/ncruces/go-sqlite3/driver"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/jobs"
)

// says is an event of a server of models.
func says(text string) string {
	quoted, _ := json.Marshal(text)
	return `data: {"choices":[{"delta":{"content":` + string(quoted) + `}}]}` + "\n\n"
}

const said = "data: [DONE]\n\n"

// background starts a host that makes answers in the background, with a model server.
func background(t *testing.T, answer http.HandlerFunc, environ ...string) *real {
	t.Helper()
	return startReal(t, eventsapi.Bounds{}, nil, append([]string{
		"OPENROUTER_API_KEY=sk-or-v1-for-all", "OR3_OPENROUTER_BASE_URL=" + models(t, answer), "OR3_BACKGROUND_STREAMING_ENABLED=true",
	}, environ...)...)
}

// wish is the body with which a client asks for an answer; n names its thread, its messages and its admission.
func (p *person) wish(n int, more string) string { return wish(p.workspace, n, more) }

func wish(workspace string, n int, more string) string {
	return fmt.Sprintf(`{"model":"a","stream":true,"messages":[{"role":"user","content":"why?"}],"_background":true,"_threadId":"t%[1]d","_messageId":"a%[1]d",
		"_backgroundAdmissionId":"admission-%[1]d","_history":{"version":1,"kind":"new-turn","admissionId":"admission-%[1]d","generationId":"g%[1]d","workspaceId":%[2]q,
		"threadId":"t%[1]d","messageId":"a%[1]d","thread":{"id":"t%[1]d","clock":1,"title":"<why>"},
		"userMessage":{"id":"u%[1]d","thread_id":"t%[1]d","role":"user","clock":1,"data":{"content":"why?"}},
		"assistantMessage":{"id":"a%[1]d","thread_id":"t%[1]d","role":"assistant","clock":1,"pending":true,"data":{"content":"","generation_id":"g%[1]d"}}}%[3]s}`,
		n, workspace, more)
}

// beginAnswer begins an answer and returns its job.
func (p *person) beginAnswer(n int) string {
	p.t.Helper()
	var out struct {
		JobID, Status  string
		HistoryVersion int
	}
	p.do("POST", "/api/openrouter/stream", p.wish(n, ""), &out)
	if out.JobID == "" || out.Status != "streaming" || out.HistoryVersion != 1 {
		p.t.Fatalf("begun: %+v", out)
	}
	return out.JobID
}

// jobStatus is a job as clients see it.
type jobStatus struct {
	ID, Status, ThreadID, MessageID, Model, Error string
	ChunksReceived, Attempt                       int
	Content                                       *string
	Delta                                         *string `json:"content_delta"`
	Length                                        int     `json:"content_length"`
	Reset                                         bool    `json:"content_reset"`
	Reasoning                                     *string `json:"reasoning_text"`
	ReasoningDelta                                *string `json:"reasoning_delta"`
}

func (p *person) job(id, query string) (out jobStatus) {
	p.t.Helper()
	p.do("GET", "/api/jobs/"+id+"/status"+query, "", &out)
	return out
}

// until waits for the end of an answer.
func (p *person) until(id, status string) (out jobStatus) {
	p.t.Helper()
	patience.Until(p.t, "the answer is "+status, func() bool {
		out = p.job(id, "")
		return out.Status == status
	})
	return out
}

// message returns the current state of a message, as a device pulls it.
func (p *person) message(id string) map[string]any {
	p.t.Helper()
	var out struct {
		Changes []struct {
			PK      string
			Payload map[string]any
		}
	}
	p.do("POST", "/api/sync/pull", fmt.Sprintf(`{"scope":{"workspaceId":%q},"cursor":0,"limit":500}`, p.workspace), &out)
	var last map[string]any
	for _, c := range out.Changes {
		if c.PK == id {
			last = c.Payload
		}
	}
	return last
}

// synced waits until a message is complete, and returns its data.
func (p *person) synced(id, state string) map[string]any {
	p.t.Helper()
	var data map[string]any
	patience.Until(p.t, "the answer is "+state+" in the history", func() bool {
		message := p.message(id)
		data, _ = message["data"].(map[string]any)
		return data["generation_state"] == state
	})
	return data
}

// An answer is made although no one waits for it, can be read along from any place, and reaches another device by
// ordinary sync.
func TestAnswersInTheBackground(t *testing.T) {
	goOn := make(chan struct{})
	var asked atomic.Pointer[http.Request]
	r := background(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Store(r)
		_, _ = io.WriteString(w, `data: {"choices":[{"delta":{"reasoning":"Hm"}}]}`+"\n\n"+says("It 😀 "))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-goOn:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, says("is so.")+said)
	})
	p := r.register(t, "ann@example.test")
	id := p.beginAnswer(1)
	if user := p.message("u1"); user == nil {
		t.Error("the question is not in the history when the answer begins")
	}
	if again := p.beginAnswer(1); again != id {
		t.Errorf("the same wish again is job %s, not %s", again, id)
	}
	patience.Until(t, "something has come", func() bool { return p.job(id, "").Length > 0 })
	if key := asked.Load().Header.Get("Authorization"); key != "Bearer sk-or-v1-for-all" {
		t.Errorf("the server of models was asked with %q", key)
	}
	other := r.signIn(t, "ann@example.test", "correct horse")
	req, err := http.NewRequestWithContext(t.Context(), "GET", r.url+"/api/jobs/"+id+"/stream?offset=5", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := other.client.Do(req)
	if err != nil || res.StatusCode != 200 || res.Header.Get("Content-Type") != "text/event-stream" {
		t.Fatal(res, err)
	}
	defer res.Body.Close()
	in := bufio.NewScanner(res.Body)
	next := func() (event string, status jobStatus) {
		t.Helper()
		for in.Scan() {
			if data, ok := strings.CutPrefix(in.Text(), "data: "); ok {
				var out struct {
					Event  string
					Status jobStatus
				}
				if err := json.Unmarshal([]byte(data), &out); err != nil {
					t.Fatal(err)
				}
				return out.Event, out.Status
			}
		}
		return "", status
	}
	if event, s := next(); event != "snapshot" || s.Content != nil || s.Delta == nil || *s.Delta != " " || s.Length != 6 || s.Attempt != 1 ||
		s.Reasoning == nil || *s.Reasoning != "Hm" {
		t.Errorf("the first event: %s %+v", event, s)
	}
	close(goOn)
	text := ""
	for {
		event, s := next()
		if event == "delta" && s.Delta != nil {
			text += *s.Delta
			continue
		}
		if event != "status" || s.Status != "complete" || s.Content == nil || *s.Content != "It 😀 is so." || s.Length != 12 {
			t.Errorf("the last event: %q %+v", event, s)
		}
		break
	}
	if in.Scan() && in.Text() != "" || in.Scan() {
		t.Errorf("after the last event: %q", in.Text())
	}
	if text != "" && text != "is so." {
		t.Errorf("read along: %q", text)
	}
	for query, want := range map[string]string{"?offset=0": "It 😀 is so.", "?offset=6": "is so.", "?offset=12": "", "?offset=6&attempt=1": "is so."} {
		if s := p.job(id, query); s.Content != nil || s.Delta == nil || *s.Delta != want || s.Length != 12 {
			t.Errorf("%s: %+v", query, s)
		}
	}
	if s := p.job(id, "?offset=99"); s.Content == nil || *s.Content != "It 😀 is so." || s.Delta == nil || *s.Delta != "" {
		t.Errorf("beyond the end: %+v", s)
	}
	if s := p.job(id, "?offset=6&attempt=7"); s.Content == nil || *s.Content != "It 😀 is so." || !s.Reset {
		t.Errorf("a place in another attempt: %+v", s)
	}
	other.resolve()
	data := other.synced("a1", "complete")
	if data["content"] != "It 😀 is so." || data["reasoning_text"] != "Hm" || other.message("a1")["pending"] != false {
		t.Errorf("the other device has %v", data)
	}
	var admission struct{ JobID, Status, ThreadID, MessageID string }
	p.do("GET", "/api/jobs/admission/admission-1", "", &admission)
	if admission.JobID != id || admission.Status != "complete" || admission.ThreadID != "t1" || admission.MessageID != "a1" {
		t.Errorf("the admission: %+v", admission)
	}
}

// Clients of February write the messages themselves, and read what is made for them; nothing else is written to the
// history. They send no admission, so each of their requests is another answer.
func TestBackgroundAnswersOfOldClients(t *testing.T) {
	p := background(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, says("Hello")+said)
	}).register(t, "ann@example.test")
	ids := map[string]bool{}
	for range 2 {
		_, text, err := p.send(t.Context(), "POST", "/api/openrouter/stream", `{"model":"a","messages":[],"stream":true,"_background":true,"_threadId":"t1","_messageId":"a1"}`)
		var out struct{ JobID, Status string }
		if err != nil || json.Unmarshal(text, &out) != nil || out.Status != "streaming" || strings.Contains(string(text), "historyVersion") {
			t.Fatalf("%s, %v", text, err)
		}
		if s := p.until(out.JobID, "complete"); *s.Content != "Hello" || s.MessageID != "a1" {
			t.Errorf("%+v", s)
		}
		ids[out.JobID] = true
	}
	if message := p.message("a1"); message != nil || len(ids) != 2 {
		t.Errorf("the history has %v, of answers %v", message, ids)
	}
}

// Whatever a model server does, the answer ends with a text, and what has arrived of it stays.
func TestBackgroundAnswersThatFail(t *testing.T) {
	for name, c := range map[string]struct {
		answer        http.HandlerFunc
		error, stayed string
	}{
		"it refuses": {func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, "slow down, sk-or-v1-for-all")
		}, "slow down, [key]", ""},
		"it refuses as OpenRouter does": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json")
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, `{"error":{"code":429,"message":"wait 7 seconds"}}`)
		}, "wait 7 seconds", ""},
		"it sends a page": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "text/html")
			_, _ = io.WriteString(w, "<p>Hello")
		}, "The answer from OpenRouter could not be read", ""},
		"it breaks off": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, says("half"))
		}, "The answer was broken off", "half"},
		"it reports a fault": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, says("half")+`data: {"error":{"message":"overloaded"}}`+"\n\n")
		}, "overloaded", "half"},
		"it calls a tool": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, `data: {"choices":[{"delta":{"tool_calls":[{"index":0}]}}]}`+"\n\n")
		}, "The model called a tool that it was not offered", ""},
		"it never ends": {func(w http.ResponseWriter, r *http.Request) {
			for r.Context().Err() == nil {
				_, _ = io.WriteString(w, says(strings.Repeat("x", 100<<10)))
			}
		}, "The answer has become too long", strings.Repeat("x", 200<<10)},
		"a frame of 10 MB": {func(w http.ResponseWriter, _ *http.Request) {
			_, _ = io.WriteString(w, says(strings.Repeat("x", 10<<20)))
		}, "The answer from OpenRouter could not be read", ""},
		"it is silent": {func(w http.ResponseWriter, r *http.Request) {
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		}, "The answer was broken off", ""},
	} {
		t.Run(name, func(t *testing.T) {
			p := background(t, c.answer, "OR3_MODEL_IDLE_TIMEOUT_MS=1000").register(t, "ann@example.test")
			id := p.beginAnswer(1)
			s := p.until(id, "error")
			if s.Error != c.error || s.Content == nil || *s.Content != c.stayed {
				t.Errorf("%.100v", s)
			}
			if data := p.synced("a1", "failed"); data["content"] != c.stayed || data["error"] != c.error {
				t.Errorf("the history has %.100v", data)
			}
		})
	}
}

// Stopping an answer disconnects from the model server, whether the answer is under way or not admitted yet.
func TestAbortedAnswers(t *testing.T) {
	var left sync.WaitGroup
	left.Add(2)
	var asked atomic.Int32
	r := background(t, func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		_, _ = io.WriteString(w, says("half"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		left.Done()
	})
	p, stranger := r.register(t, "ann@example.test"), r.register(t, "eve@example.test")
	abort := func(p *person, id string) string {
		_, text, err := p.send(t.Context(), "POST", "/api/jobs/"+id+"/abort", "")
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	const no = `{"aborted":false,"message":"Job not found, unauthorized, or already complete"}`
	id := p.beginAnswer(1)
	patience.Until(t, "something has come", func() bool { return p.job(id, "").Length == 4 })
	if got := abort(stranger, id); got != no {
		t.Errorf("a stranger: %s", got)
	}
	if got := abort(p, id); got != `{"aborted":true}` {
		t.Errorf("aborted: %s", got)
	}
	if got := abort(p, id); got != no {
		t.Errorf("aborted again: %s", got)
	}
	if data := p.synced("a1", "aborted"); data["content"] != "half" {
		t.Errorf("the history has %v", data)
	}
	second := p.beginAnswer(2)
	patience.Until(t, "something has come", func() bool { return p.job(second, "").Length == 4 })
	wish := func(n int) string {
		_, text, err := p.send(t.Context(), "POST", "/api/jobs/admission-abort", fmt.Sprintf(`{"admissionId":"admission-%d"}`, n))
		if err != nil {
			t.Fatal(err)
		}
		return strings.TrimSpace(string(text))
	}
	for n, want := range map[int]string{
		1: `{"aborted":false,"pending":false,"jobId":"` + id + `","state":"already_terminal"}`,
		2: `{"aborted":true,"pending":false,"jobId":"` + second + `","state":"aborted"}`,
		3: `{"aborted":false,"pending":true,"state":"cancel_requested"}`,
	} {
		if got := wish(n); got != want {
			t.Errorf("the wish %d: %s", n, got)
		}
	}
	left.Wait()
	if res, text, err := p.send(t.Context(), "POST", "/api/openrouter/stream", p.wish(3, "")); err != nil || res.StatusCode != 409 || !strings.Contains(string(text), `"admission_cancelled"`) {
		t.Errorf("a wish that was taken back: %v %s %v", res, text, err)
	}
	if n := asked.Load(); n != 2 {
		t.Errorf("the server of models was asked %d times", n)
	}
}

// Every way in which an answer does not begin, and everyone who must not read one.
func TestBackgroundStartsThatAreRefused(t *testing.T) {
	goOn := make(chan struct{})
	r := background(t, func(w http.ResponseWriter, r *http.Request) {
		select {
		case <-goOn:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, said)
	}, "OR3_BACKGROUND_MAX_JOBS_PER_USER=1", "OR3_REQUESTS_PER_MINUTE=3")
	defer close(goOn)
	p, eve := r.register(t, "ann@example.test"), r.register(t, "eve@example.test")
	change := func(old, new string) string { return strings.Replace(p.wish(1, ""), old, new, 1) }
	stranger := r.visitor(t)
	stranger.workspace = p.workspace
	try := func(name string, who *person, method, path, body string, status int, part string) {
		t.Helper()
		res, text, err := who.send(t.Context(), method, path, body)
		if err != nil || res.StatusCode != status || !strings.Contains(string(text), part) {
			t.Errorf("%s: %v %v %s", name, err, res, text)
		}
	}
	const start = "/api/openrouter/stream"
	try("a stranger", stranger, "POST", start, p.wish(1, ""), 401, `{"error":"Authentication required for background streaming"}`)
	try("another's workspace", eve, "POST", start, p.wish(1, ""), 403, `{"error":"You may not write in this workspace"}`)
	try("an old client without a thread", p, "POST", start, `{"model":"a","stream":true,"_background":true,"_messageId":"a"}`, 400, "_threadId")
	try("tools", p, "POST", start, p.wish(1, `,"tools":[{"type":"function","function":{"name":"f"}}]`), 503, `"background_client_tool_unsupported"`)
	try("tools that are none", p, "POST", start, p.wish(1, `,"tools":[1]`), 400, "Invalid tools")
	try("another thread", p, "POST", start, change(`"_threadId":"t1"`, `"_threadId":"t2"`), 400, "_threadId")
	try("another message", p, "POST", start, change(`"_messageId":"a1"`, `"_messageId":7`), 400, "_messageId")
	try("another admission", p, "POST", start, change(`"_backgroundAdmissionId":"admission-1"`, `"_backgroundAdmissionId":""`), 400, "_backgroundAdmissionId")
	try("another version", p, "POST", start, change(`"version":1`, `"version":2`), 400, "Invalid background history")
	try("a message of another thread", p, "POST", start, change(`"id":"u1","thread_id":"t1"`, `"id":"u1","thread_id":"t2"`), 400, "Invalid background history")
	try("a large one", p, "POST", start, p.wish(1, `,"x":"`+strings.Repeat("x", 1<<20)+`"`), 413, `"background_history_unsupported"`)
	id := p.beginAnswer(1)
	try("one too many", p, "POST", start, p.wish(2, ""), 503, `{"error":"Server busy, try again later"}`)
	try("too often", p, "POST", start, p.wish(3, ""), 429, `{"error":"Rate limit exceeded. Retry after `)
	p.beginAnswer(1) // which is there

	for _, path := range []string{"/status", "/stream"} {
		try("a stranger reads"+path, stranger, "GET", "/api/jobs/"+id+path, "", 401, `{"error":"Authentication required"}`)
		try("another user reads"+path, eve, "GET", "/api/jobs/"+id+path, "", 404, `{"error":"Job not found or unauthorized"}`)
		try("none"+path, p, "GET", "/api/jobs/none"+path, "", 404, `{"error":"Job not found or unauthorized"}`)
		try("a blank id"+path, p, "GET", "/api/jobs/%20"+path, "", 400, `{"error":"Missing job ID"}`)
	}
	try("a stranger aborts", stranger, "POST", "/api/jobs/"+id+"/abort", "", 401, `{"aborted":false,"error":"Authentication required"}`)
	try("an abort of a blank id", p, "POST", "/api/jobs/%20/abort", "", 400, `{"aborted":false,"error":"Missing job ID"}`)
	try("an unknown admission", p, "GET", "/api/jobs/admission/none", "", 404, "")
	try("another's admission", eve, "GET", "/api/jobs/admission/admission-1", "", 404, "")
	try("a stranger's admission", stranger, "GET", "/api/jobs/admission/admission-1", "", 401, "")
	try("a long admission", p, "GET", "/api/jobs/admission/"+strings.Repeat("x", 129), "", 400, "Missing admission ID")
	try("a stranger takes a wish back", stranger, "POST", "/api/jobs/admission-abort", `{"admissionId":"admission-1"}`, 401, "")
	try("no wish", p, "POST", "/api/jobs/admission-abort", `{}`, 400, "Missing admission ID")

	// A member who has become a viewer can read, and stop nothing; a former member can do neither.
	access := r.running.Load().sessions.store.(or3cloud.WorkspaceAccessStore)
	if err := access.SetMemberRole(t.Context(), p.workspace, eve.user, or3cloud.RoleOwner); err != nil {
		t.Fatal(err)
	}
	if err := access.SetMemberRole(t.Context(), p.workspace, p.user, or3cloud.RoleViewer); err != nil {
		t.Fatal(err)
	}
	try("a viewer reads", p, "GET", "/api/jobs/"+id+"/status", "", 200, id)
	try("a viewer aborts", p, "POST", "/api/jobs/"+id+"/abort", "", 403, "")
}

// Without the setting nothing is made in the background, and clients are told so.
func TestBackgroundAnswersAreOff(t *testing.T) {
	server := httptest.NewServer(http.NotFoundHandler())
	defer server.Close()
	p := startReal(t, eventsapi.Bounds{}, nil, "OPENROUTER_API_KEY=sk-or-v1-for-all", "OR3_OPENROUTER_BASE_URL="+server.URL).register(t, "ann@example.test")
	res, text, err := p.send(t.Context(), "POST", "/api/openrouter/stream", p.wish(1, ""))
	if err != nil || res.StatusCode != 503 || !strings.Contains(string(text), `"background_streaming_disabled"`) {
		t.Errorf("%v %v %s", err, res, text)
	}
	if res, _, err := p.send(t.Context(), "GET", "/api/jobs/x/status", ""); err != nil || res.StatusCode != 404 {
		t.Errorf("a job: %v %v", err, res)
	}
}

// Everything that many answers, their readers and their ends have taken is released, also after readers that disconnect
// in the middle.
func TestNothingOfAnswersIsLeft(t *testing.T) {
	r := background(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, says("half"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}, "OR3_REQUESTS_PER_MINUTE=1000")
	p := r.register(t, "ann@example.test")
	round := func(n int) {
		id := p.beginAnswer(n)
		ctx, stop := context.WithCancel(t.Context())
		defer stop()
		var readers sync.WaitGroup
		for range 3 {
			req, err := http.NewRequestWithContext(ctx, "GET", r.url+"/api/jobs/"+id+"/stream", nil)
			if err != nil {
				t.Fatal(err)
			}
			res, err := p.client.Do(req)
			if err != nil || res.StatusCode != 200 {
				t.Fatal(res, err)
			}
			readers.Go(func() {
				defer res.Body.Close()
				_, _ = io.Copy(io.Discard, res.Body)
			})
		}
		dumb := p.reader(id) // reads nothing, and does not visibly disconnect
		defer dumb.Close()
		if n%2 == 0 { // they disconnect
			stop()
			readers.Wait()
		}
		p.do("POST", "/api/jobs/"+id+"/abort", "", nil)
		readers.Wait() // or read to the end
		patience.Until(t, "the worker has ended", func() bool { return r.running.Load().answers.UnderWay() == 0 })
	}
	for n := range 5 {
		round(n + 1)
	}
	settled := func() int {
		p.client.CloseIdleConnections()
		runtime.GC()
		return runtime.NumGoroutine()
	}
	before := settled()
	for n := range 40 {
		round(n + 100)
	}
	patience.Until(t, "no goroutine is left", func() bool { return settled() <= before+5 })
	if n := r.running.Load().answers.Readers(); n != 0 {
		t.Errorf("%d readers are left", n)
	}
}

// An answer that takes too long ends with what has arrived, and so does one whose user may no longer write.
func TestAnswersEndWithTheirTimeAndThePermission(t *testing.T) {
	answer := func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, says("half"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	}
	p := background(t, answer, "OR3_BACKGROUND_JOB_TIMEOUT=1").register(t, "ann@example.test")
	if s := p.until(p.beginAnswer(1), "error"); s.Error != "The answer has taken too long" || *s.Content != "half" {
		t.Errorf("too long: %+v", s)
	}
	r := background(t, answer)
	p = r.register(t, "ann@example.test")
	eve := r.register(t, "eve@example.test")
	id := p.beginAnswer(1)
	access := r.running.Load().sessions.store.(or3cloud.WorkspaceAccessStore)
	if err := access.SetMemberRole(t.Context(), p.workspace, eve.user, or3cloud.RoleOwner); err != nil {
		t.Fatal(err)
	}
	if err := access.SetMemberRole(t.Context(), p.workspace, p.user, or3cloud.RoleViewer); err != nil {
		t.Fatal(err)
	}
	if s := p.until(id, "error"); s.Error != "The permission to write in this workspace has ended" {
		t.Errorf("a viewer: %+v", s)
	}
}

// reader opens a stream of a job and reads only the beginning of it.
func (p *person) reader(id string) net.Conn {
	p.t.Helper()
	at, err := url.Parse(p.url)
	if err != nil {
		p.t.Fatal(err)
	}
	conn, err := net.Dial("tcp", at.Host)
	if err != nil {
		p.t.Fatal(err)
	}
	var cookies []string
	for _, c := range p.client.Jar.Cookies(at) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	_, err = fmt.Fprintf(conn, "GET /api/jobs/%s/stream HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\n\r\n", id, at.Host, strings.Join(cookies, "; "))
	status := make([]byte, len("HTTP/1.1 200 OK"))
	if err == nil {
		_, err = io.ReadFull(conn, status)
	}
	if err != nil || string(status) != "HTTP/1.1 200 OK" {
		p.t.Fatalf("%q, %v", status, err)
	}
	return conn
}

// A user who signs out, whose account is disabled, or who is no longer a member reads no further word of an answer,
// neither in the foreground nor in the background. A job ends with the right to write, not with the session: its user
// has put the phone away.
func TestAnswersOfWhoLosesTheRight(t *testing.T) {
	const ended = "The permission to write in this workspace has ended"
	for name, c := range map[string]struct {
		do  func(*real, *person) error
		end string
	}{
		"signed out": {func(_ *real, p *person) error { p.do("POST", "/api/basic-auth/sign-out", "", nil); return nil }, "complete"},
		"account disabled": {func(r *real, _ *person) error {
			return r.instance.Operate(func(op instance.Operator) error {
				return op.Accounts.SetDisabled(t.Context(), "ann@example.test", true)
			})
		}, ended},
		"no member": {func(r *real, p *person) error {
			access := r.running.Load().sessions.store.(or3cloud.WorkspaceAccessStore)
			eve := r.register(t, "eve@example.test")
			return errors.Join(access.SetMemberRole(t.Context(), p.workspace, eve.user, or3cloud.RoleOwner), access.RemoveMember(t.Context(), p.workspace, p.user))
		}, ended},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			goOn := make(chan struct{})
			r := background(t, func(w http.ResponseWriter, r *http.Request) {
				_, _ = io.WriteString(w, says("half"))
				_ = http.NewResponseController(w).Flush()
				select {
				case <-goOn:
					_, _ = io.WriteString(w, said)
				case <-r.Context().Done():
				}
			})
			p := r.register(t, "ann@example.test")
			id := p.beginAnswer(1)
			patience.Until(t, "something has come", func() bool { return p.job(id, "").Length == 4 })
			open := func(method, path, body string) *http.Response {
				req, err := http.NewRequestWithContext(t.Context(), method, r.url+path, strings.NewReader(body))
				if err != nil {
					t.Fatal(err)
				}
				res, err := p.client.Do(req)
				if err != nil || res.StatusCode != 200 {
					t.Fatal(res, err)
				}
				t.Cleanup(func() { res.Body.Close() })
				return res
			}
			waiting, reading := open("POST", "/api/openrouter/stream", chatWithModel), open("GET", "/api/jobs/"+id+"/stream", "")
			if err := c.do(r, p); err != nil {
				t.Fatal(err)
			}
			if text, err := io.ReadAll(waiting.Body); err == nil || !strings.HasPrefix(string(text), "data: ") || strings.Contains(string(text), "[DONE]") {
				t.Errorf("who waits has %q, %v", text, err)
			}
			if text, err := io.ReadAll(reading.Body); err != nil || strings.Contains(string(text), `"event":"status"`) {
				t.Errorf("who reads has %q, %v", text, err)
			}
			var job jobs.View
			running := func() bool {
				var err error
				if job, err = r.running.Load().answers.Get(t.Context(), id, p.user, jobs.Place{}); err != nil {
					t.Fatal(err)
				}
				return job.Status == jobs.Streaming
			}
			if c.end == "complete" {
				if !running() {
					t.Errorf("the job has ended: %+v", job)
				}
				close(goOn)
			}
			patience.Until(t, "the job has ended", func() bool { return !running() })
			if got := cmp.Or(job.Error, string(job.Status)); got != c.end || job.Content.Text != "half" {
				t.Errorf("the job has ended: %+v", job)
			}
		})
	}
}

// Ten thousand aborts, of jobs and of wishes, some of which exist and most of which do not, leave nothing that grows.
func TestTenThousandAbortsOfJobs(t *testing.T) {
	const clients, each = 8, 10_000 / 8
	r := background(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, says("half"))
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	p := r.register(t, "ann@example.test")
	id := p.beginAnswer(1)
	settled := func() int {
		p.client.CloseIdleConnections()
		runtime.GC()
		return runtime.NumGoroutine()
	}
	before := settled()
	var running sync.WaitGroup
	for c := range clients {
		running.Go(func() {
			for n := range each {
				path, body, want := "/api/jobs/"+id+"/abort", "", `"aborted":`
				switch n % 4 {
				case 1:
					path = fmt.Sprintf("/api/jobs/none-%d-%d/abort", c, n)
				case 2:
					path, body, want = "/api/jobs/admission-abort", fmt.Sprintf(`{"admissionId":"%d-%d"}`, c, n), `"cancel_requested"`
				case 3:
					path, body, want = "/api/jobs/admission-abort", `{"admissionId":"admission-1"}`, `"jobId":"`+id
				}
				res, text, err := p.send(t.Context(), "POST", path, body)
				if err != nil || res.StatusCode != 200 || !strings.Contains(string(text), want) {
					t.Errorf("%s: %v %v %s", path, err, res, text)
					return
				}
			}
		})
	}
	running.Wait()
	if s := p.job(id, ""); s.Status != "aborted" {
		t.Errorf("the job: %+v", s)
	}
	patience.Until(t, "no goroutine is left", func() bool { return settled() <= before+5 })
	if n := r.running.Load().answers.UnderWay(); n != 0 {
		t.Errorf("%d answers are under way", n)
	}
	db, err := driver.Open("file:" + filepath.Join(r.instance.Options().DataDir, "or3-sync.sqlite") + "?mode=ro")
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	var kept int
	if err := db.QueryRow("SELECT count(*) FROM job_cancellations").Scan(&kept); err != nil || kept > jobs.MaxCancellations {
		t.Errorf("%d wishes that were taken back are kept, %v", kept, err)
	}
}
