package host

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/patience"
)

// calls is an event with which a model calls a tool.
func calls(index int, id, name, arguments string) string {
	quoted := func(s string) string { text, _ := json.Marshal(s); return string(text) }
	return fmt.Sprintf(`data: {"choices":[{"delta":{"tool_calls":[{"index":%d,"id":%s,"type":"function","function":{"name":%s,"arguments":%s}}]}}]}`+"\n\n",
		index, quoted(id), quoted(name), quoted(arguments))
}

const calledAll = `data: {"choices":[{"delta":{},"finish_reason":"tool_calls"}]}` + "\n\n" + said

// asked is a request to a model server.
type asked struct {
	Messages []struct {
		Role       string
		Content    any
		ToolCallID string `json:"tool_call_id"`
		ToolCalls  []struct {
			ID       string
			Function struct{ Name, Arguments string }
		} `json:"tool_calls"`
	}
	ToolChoice any `json:"tool_choice"`
	Tools      []any
}

// model is a model server that is told what to say, round by round; the last round is repeated.
type model struct {
	t      *testing.T
	rounds []string

	mu    sync.Mutex
	asked []asked
}

func (m *model) answer(w http.ResponseWriter, r *http.Request) {
	text, _ := io.ReadAll(r.Body)
	var in asked
	if err := json.Unmarshal(text, &in); err != nil || strings.Contains(string(text), `"_`) {
		m.t.Errorf("the model is asked %s", text)
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	m.asked = append(m.asked, in)
	_, _ = io.WriteString(w, m.rounds[min(len(m.asked), len(m.rounds))-1])
}

func (m *model) all() []asked {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.asked
}

// tooled is a wish for an answer with a browser tool called "look".
func (p *person) tooled(n int, more string) string {
	return p.wish(n, `,"tools":[{"type":"function","function":{"name":"look","description":"Looks <here>","parameters":{"type":"object","properties":{"2":{},"10":{},"b":{},"a":{"minimum":1.0}}}}}],
		"tool_choice":{"type":"function","function":{"name":"look"}},"_toolRuntime":{"look":"client"},"_clientDeviceId":"phone"`+more)
}

// start begins an answer with a wish and returns its job.
func (p *person) start(wish string) string {
	p.t.Helper()
	var out struct{ JobID string }
	p.do("POST", "/api/openrouter/stream", wish, &out)
	return out.JobID
}

// toolStatus is a job with the tools that its model has called.
type toolStatus struct {
	Status, Error string
	Attempt       int
	Content       string
	Calls         []struct {
		ID, Name, Status, Runtime, Args, Error string
		Result                                 *string
		TextOffset                             int `json:"text_offset"`
	} `json:"tool_calls"`
}

func (p *person) tools(id string) (out toolStatus) {
	p.t.Helper()
	p.do("GET", "/api/jobs/"+id+"/status", "", &out)
	return out
}

// waits waits until a job waits for a call of the browser, and returns its id.
func (p *person) waits(id string) (call string) {
	p.t.Helper()
	patience.Until(p.t, "the job waits for a call", func() bool {
		for _, c := range p.tools(id).Calls {
			if c.Status == "pending" && c.Runtime == "client" {
				call = c.ID
			}
		}
		return call != ""
	})
	return call
}

type toolClaim struct {
	ClaimToken, ClaimDigest string
	ClaimExpiresAt          int64
	Call                    struct {
		ID, Name, Arguments string
		Definition          json.RawMessage
	}
	Context struct{ WorkspaceID, ThreadID, MessageID string }
}

func (p *person) try(method, path, body string) (int, string) {
	p.t.Helper()
	res, text, err := p.send(p.t.Context(), method, path, body)
	if err != nil {
		p.t.Fatal(err)
	}
	return res.StatusCode, string(text)
}

func (p *person) claim(job, call, device string) (out toolClaim, status int) {
	p.t.Helper()
	status, text := p.try("POST", "/api/jobs/"+job+"/client-tool/claim", fmt.Sprintf(`{"callId":%q,"deviceId":%q}`, call, device))
	if status == 200 {
		if err := json.Unmarshal([]byte(text), &out); err != nil {
			p.t.Fatal(err)
		}
	}
	return out, status
}

func (p *person) settle(job, call, token, result string) int {
	p.t.Helper()
	quoted, _ := json.Marshal(result)
	status, _ := p.try("POST", "/api/jobs/"+job+"/client-tool/result", fmt.Sprintf(`{"callId":%q,"claimToken":%q,"result":%s}`, call, token, quoted))
	return status
}

// A model calls a tool that only the browser has, and the answer continues with the browser's result; the chat goes on
// as the model sees it, and the history has the calls.
func TestToolsOfTheBrowser(t *testing.T) {
	m := &model{t: t, rounds: []string{
		says("Let me look. ") + calls(0, "call-1", "look", `{"a":`) + calls(0, "", "", `1}`) + calls(1, "call-1", "nothing", "") + calledAll,
		says("It ") + says("is so.") + said,
	}}
	r := background(t, m.answer)
	p, eve := r.register(t, "ann@example.test"), r.register(t, "eve@example.test")
	var capability struct{ Available bool }
	if p.do("GET", "/api/jobs/client-tool/capability", "", &capability); !capability.Available {
		t.Error("no tools of the browser")
	}
	id := p.start(p.tooled(1, ""))
	req, err := http.NewRequestWithContext(t.Context(), "GET", r.url+"/api/jobs/"+id+"/stream", nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := p.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	in := bufio.NewScanner(res.Body)
	told := func(part string) { // the stream reports it
		t.Helper()
		for in.Scan() {
			if strings.Contains(in.Text(), part) {
				return
			}
		}
		t.Fatalf("the stream has ended without %s", part)
	}
	told(`"runtime":"client"`)
	call := p.waits(id)
	s := p.tools(id)
	if s.Content != "Let me look. " || len(s.Calls) != 2 || s.Calls[0].Args != `{"a":1}` || s.Calls[0].TextOffset != 13 || s.Calls[1].ID == call {
		t.Errorf("%+v", s)
	}
	patience.Until(t, "no worker waits with it", func() bool { return r.running.Load().answers.UnderWay() == 0 })
	if _, status := eve.claim(id, call, "phone"); status != 404 {
		t.Errorf("another user: %d", status)
	}
	if _, status := p.claim(id, call, "laptop"); status != 409 {
		t.Errorf("another browser: %d", status)
	}
	if _, status := p.claim(id, "other", "phone"); status != 409 {
		t.Errorf("another call: %d", status)
	}
	claim, status := p.claim(id, call, "phone")
	if status != 200 || claim.Call.ID != call || claim.Call.Name != "look" || claim.Call.Arguments != `{"a":1}` || claim.Context.MessageID != "a1" ||
		claim.Context.ThreadID != "t1" || claim.Context.WorkspaceID != p.workspace || !strings.Contains(string(claim.Call.Definition), `"Looks <here>"`) {
		t.Errorf("claimed: %d %+v", status, claim)
	}
	if !strings.HasPrefix(claim.ClaimToken, "or3ct1."+claim.ClaimDigest+".") || claim.ClaimExpiresAt < r.now().UnixMilli() {
		t.Errorf("the claim: %+v", claim)
	}
	if _, status := p.claim(id, call, "phone"); status != 409 {
		t.Errorf("another tab: %d", status)
	}
	valid := func(who *person, token string) int {
		status, _ := who.try("POST", "/api/jobs/"+id+"/client-tool/validate", fmt.Sprintf(`{"callId":%q,"claimToken":%q}`, call, token))
		return status
	}
	forged := claim.ClaimToken[:len(claim.ClaimToken)-1] + "x"
	if a, b, c := valid(p, claim.ClaimToken), valid(p, forged), valid(eve, claim.ClaimToken); a != 200 || b != 409 || c != 404 {
		t.Errorf("valid: %d, forged %d, another user's %d", a, b, c)
	}
	if a, b := p.settle(id, call, forged, "x"), eve.settle(id, call, claim.ClaimToken, "x"); a != 409 || b != 404 {
		t.Errorf("forged: %d, another user's: %d", a, b)
	}
	if status := p.settle(id, call, claim.ClaimToken, "a \"garden\" <b>"); status != 200 {
		t.Errorf("settled: %d", status)
	}
	if status := p.settle(id, call, claim.ClaimToken, "again"); status != 409 {
		t.Errorf("settled again: %d", status)
	}
	told(`"event":"status"`)
	s = p.tools(id)
	if s.Status != "complete" || s.Content != "Let me look. It is so." || s.Attempt != 1 || len(s.Calls) != 2 || s.Calls[0].Status != "complete" ||
		s.Calls[0].Result == nil || *s.Calls[0].Result != "a \"garden\" <b>" || s.Calls[1].Status != "error" || s.Calls[1].Error == "" {
		t.Errorf("%+v", s)
	}
	asked := m.all()
	if len(asked) != 2 || asked[0].ToolChoice == "auto" || asked[1].ToolChoice != "auto" || len(asked[1].Tools) != 1 || len(asked[1].Messages) != 4 {
		t.Fatalf("%+v", asked)
	}
	said := asked[1].Messages
	if said[1].Role != "assistant" || said[1].Content != "Let me look. " || len(said[1].ToolCalls) != 2 || said[1].ToolCalls[0].Function.Arguments != `{"a":1}` ||
		said[2].Role != "tool" || said[2].ToolCallID != said[1].ToolCalls[0].ID || said[2].Content != "a \"garden\" <b>" ||
		said[3].ToolCallID != said[1].ToolCalls[1].ID || !strings.Contains(fmt.Sprint(said[3].Content), "no such tool") {
		t.Errorf("the model is told %+v", said)
	}
	other := r.signIn(t, "ann@example.test", "correct horse")
	other.resolve()
	data := other.synced("a1", "complete")
	if text, _ := json.Marshal(data["tool_calls"]); data["content"] != "Let me look. It is so." || !strings.Contains(string(text), "garden") {
		t.Errorf("the history has %v", data)
	}
}

// A browser that never answers, or answers too late, blocks nothing; stopping the answer does not wait for it; and a
// user who has become a viewer calls no tools.
func TestToolsThatTheBrowserDoesNotCall(t *testing.T) {
	m := &model{t: t, rounds: []string{calls(0, "c", "look", "{}") + calledAll}}
	r := background(t, m.answer, "OR3_BACKGROUND_MAX_JOBS_PER_USER=9", "OR3_REQUESTS_PER_MINUTE=100")
	p, eve := r.register(t, "ann@example.test"), r.register(t, "eve@example.test")
	stopped := p.start(p.tooled(1, ""))
	call := p.waits(stopped)
	claim, _ := p.claim(stopped, call, "phone")
	p.do("POST", "/api/jobs/"+stopped+"/abort", "", nil)
	if status := p.settle(stopped, call, claim.ClaimToken, "late"); status != 409 {
		t.Errorf("a result for a stopped answer: %d", status)
	}
	if calls, _ := json.Marshal(p.synced("a1", "aborted")["tool_calls"]); !strings.Contains(string(calls), `"status":"error"`) || strings.Contains(string(calls), "pending") {
		t.Errorf("the history of a stopped answer has %s", calls)
	}

	failed := p.start(p.tooled(2, ""))
	call = p.waits(failed)
	claim, _ = p.claim(failed, call, "phone")
	if status, _ := p.try("POST", "/api/jobs/"+failed+"/client-tool/result", fmt.Sprintf(`{"callId":%q,"claimToken":%q,"error":"denied"}`, call, claim.ClaimToken)); status != 200 {
		t.Errorf("a fault of the browser: %d", status)
	}
	patience.Until(t, "the model is told of the fault", func() bool {
		asked := m.all()
		last := asked[len(asked)-1].Messages
		return strings.Contains(fmt.Sprint(last[len(last)-1].Content), "denied")
	})
	call = p.waits(failed)
	access := r.running.Load().sessions.store.(or3cloud.WorkspaceAccessStore)
	if err := access.SetMemberRole(t.Context(), p.workspace, eve.user, or3cloud.RoleOwner); err != nil {
		t.Fatal(err)
	}
	if err := access.SetMemberRole(t.Context(), p.workspace, p.user, or3cloud.RoleViewer); err != nil {
		t.Fatal(err)
	}
	if _, status := p.claim(failed, call, "phone"); status != 403 {
		t.Errorf("a viewer: %d", status)
	}
}

// What a model does with tools is limited, and each way to end has a text.
func TestModelsThatAbuseTools(t *testing.T) {
	for name, c := range map[string]struct {
		rounds         []string
		error, content string
	}{
		"a tool that was not offered, again and again": {[]string{says("x") + calls(0, "c", "rm", "{}") + calledAll},
			"The model kept calling tools and did not answer", strings.Repeat("x", 10)},
		"huge arguments": {[]string{calls(0, "c", "look", strings.Repeat("x", 65<<10)) + calledAll},
			"The model has called too many tools, or sent them too much", ""},
		"very many calls": {[]string{strings.Join(func() (all []string) {
			for i := range 40 {
				all = append(all, calls(i, fmt.Sprint(i), "look", "{}"))
			}
			return all
		}(), "") + calledAll}, "The model has called too many tools, or sent them too much", ""},
		"large arguments in each round": {[]string{calls(0, "c", "rm", strings.Repeat("x", 60<<10)) + calledAll}, "The answer has become too long", ""},
		"a round that breaks off":       {[]string{says("half") + calls(0, "c", "rm", "{}")}, "The answer was broken off", "half"},
	} {
		t.Run(name, func(t *testing.T) {
			m := &model{t: t, rounds: c.rounds}
			p := background(t, m.answer).register(t, "ann@example.test")
			id := p.start(p.tooled(1, ""))
			s := p.until(id, "error")
			if s.Error != c.error || *s.Content != c.content {
				t.Errorf("%.200v", s)
			}
			if n := len(m.all()); n > 10 {
				t.Errorf("the model was asked %d times", n)
			}
			for _, call := range p.tools(id).Calls {
				if call.Status == "pending" || call.Status == "loading" {
					t.Errorf("a call is %s", call.Status)
				}
			}
			p.synced("a1", "failed")
		})
	}
}

// The model is told when a chat leaves too little room for a result, and a chat that leaves none does not begin.
func TestToolsOfLargeChats(t *testing.T) {
	m := &model{t: t, rounds: []string{calls(0, "c", "look", "{}") + calledAll, calls(0, "c", "look", "{}") + calledAll, says("So it is.") + said}}
	p := background(t, m.answer, "OR3_REQUESTS_PER_MINUTE=100").register(t, "ann@example.test")
	if status, text := p.try("POST", "/api/openrouter/stream", p.tooled(1, `,"x":"`+strings.Repeat("x", 900<<10)+`"`)); status != 413 || !strings.Contains(text, `"background_history_unsupported"`) {
		t.Errorf("a chat without room: %d %s", status, text)
	}
	id := p.start(p.tooled(2, `,"x":"`+strings.Repeat("x", 850<<10)+`"`))
	for n, result := range []string{strings.Repeat("y", 70<<10), strings.Repeat("<", 60<<10)} {
		call := p.waits(id)
		claim, _ := p.claim(id, call, "phone")
		if status := p.settle(id, call, claim.ClaimToken, result); status != 200 {
			t.Fatalf("result %d: %d", n, status)
		}
	}
	if s := p.until(id, "complete"); *s.Content != "So it is." {
		t.Errorf("%+v", s)
	}
	last := m.all()[2].Messages
	if first, second := fmt.Sprint(last[2].Content), fmt.Sprint(last[4].Content); first != strings.Repeat("y", 70<<10) || !strings.Contains(second, "left out") {
		t.Errorf("the model is told %.100s, and %.100s", first, second)
	}
}

// A start with tools that cannot be called does not begin, and neither does one that does not say whose they are; old
// clients, which cannot handle a refusal, are served, and their models are told what cannot be called.
func TestStartsWithTools(t *testing.T) {
	m := &model{t: t, rounds: []string{calls(0, "c", "look", "{}") + calledAll, says("Then not.") + said}}
	p := background(t, m.answer).register(t, "ann@example.test")
	for name, c := range map[string]struct {
		wish   string
		status int
		part   string
	}{
		"a tool of a server":       {strings.Replace(p.tooled(1, ""), `"look":"client"`, `"look":"server"`, 1), 503, `"background_client_tool_unsupported"`},
		"one that is nowhere":      {strings.Replace(p.tooled(1, ""), `"_toolRuntime":{"look":"client"}`, `"_toolRuntime":7`, 1), 503, `"background_client_tool_unsupported"`},
		"a browser without a name": {strings.Replace(p.tooled(1, ""), `"phone"`, `""`, 1), 400, "_clientDeviceId"},
		"a long name":              {strings.Replace(p.tooled(1, ""), `"phone"`, `"`+strings.Repeat("x", 300)+`"`, 1), 400, "_clientDeviceId"},
	} {
		if status, text := p.try("POST", "/api/openrouter/stream", c.wish); status != c.status || !strings.Contains(text, c.part) {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	if s := p.until(p.start(p.wish(2, `,"tools":[{"type":"openrouter:web_search"}]`)), "error"); !strings.Contains(s.Error, "not offered") {
		t.Errorf("a tool of OpenRouter: %+v", s)
	}
	id := p.start(`{"model":"a","messages":[],"stream":true,"_background":true,"_threadId":"t1","_messageId":"a1","_toolRuntime":{"look":"client"},
		"tools":[{"type":"function","function":{"name":"look"}}]}`)
	if s := p.until(id, "complete"); *s.Content != "Then not." {
		t.Errorf("%+v", s)
	}
}

// An answer continues where one was cut, and only from there.
func TestAnswersThatGoOn(t *testing.T) {
	m := &model{t: t, rounds: []string{says("It is") + says(" s") + said, says(">>") + says("o.") + said}}
	p := background(t, m.answer).register(t, "ann@example.test")
	p.until(p.beginAnswer(1), "complete")
	p.synced("a1", "complete")
	message := p.message("a1")
	clock := int(message["clock"].(float64))
	goOn := func(n, expected int, generation string) string {
		return fmt.Sprintf(`{"model":"a","stream":true,"messages":[{"role":"user","content":"go on"}],"_background":true,"_threadId":"t1","_messageId":"a1",
			"_backgroundAdmissionId":"on-%[1]d","_history":{"version":1,"kind":"continuation","admissionId":"on-%[1]d","generationId":"on%[1]d","workspaceId":%[2]q,
			"threadId":"t1","messageId":"a1","expectedAssistant":{"clock":%[3]d,"generationId":%[4]q},
			"assistantMessage":{"id":"a1","thread_id":"t1","role":"assistant","clock":%[5]d,"pending":true,
			"data":{"content":"It is s","reasoning_text":"Hm","generation_id":"on%[1]d"}}}}`, n, p.workspace, expected, generation, expected+1)
	}
	if status, text := p.try("POST", "/api/openrouter/stream", goOn(1, clock-1, "g1")); status != 409 || !strings.Contains(text, `"background_history_conflict"`) {
		t.Errorf("from an older state: %d %s", status, text)
	}
	if status, text := p.try("POST", "/api/openrouter/stream", goOn(2, clock, "other")); status != 409 || !strings.Contains(text, `"background_history_conflict"`) {
		t.Errorf("from another answer: %d %s", status, text)
	}
	if status, text := p.try("POST", "/api/openrouter/stream", strings.Replace(goOn(3, clock, "g1"), `"expectedAssistant"`, `"expected"`, 1)); status != 400 {
		t.Errorf("from anywhere: %d %s", status, text)
	}
	s := p.until(p.start(goOn(4, clock, "g1")), "complete")
	if *s.Content != "It is so." || *s.Reasoning != "Hm" {
		t.Errorf("%+v", s)
	}
	patience.Until(t, "the history has all of it", func() bool {
		data, _ := p.message("a1")["data"].(map[string]any)
		return data["content"] == "It is so." && data["generation_id"] == "on4" && p.message("a1")["pending"] == false
	})
}
