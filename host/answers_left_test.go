package host

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"or3.chat/cloud/internal/patience"
)

// februaryTurn is what the client of February sent for one turn of a chat, recorded in a browser: the ops with the
// question and its thread, the start of the background answer, the thread again, and the answer when it has ended.
//
//go:embed testdata/february-turn.json
var februaryTurn string

const (
	turnThread = "17ab15e1-f290-40dc-b25b-4b12487320b5"
	turnAnswer = "91a3b326-4553-453a-8af6-7a1709aefa88"
	turnText   = "It 😀 is so."
)

// turn is a turn of the nth chat of an old client.
type turn struct {
	p                       *person
	n                       int
	job                     string
	Question, Thread, Start json.RawMessage
	Answer                  []map[string]any
}

func (p *person) turn(n int) *turn {
	p.t.Helper()
	own := func(id string) string { return fmt.Sprintf("%s%012d", id[:24], n) }
	text := februaryTurn
	for _, id := range []string{turnThread, turnAnswer, "820ca366-44aa-41c2-97ad-036ad5c5173d", "9d171fd4-0681-45bc-8321-7d5eb0360473",
		"c12cf973-5daf-464a-9d1c-59df7faeca4a", "21de4b57-19e5-4877-b3c5-34cf9b2c5267", "dc9a2920-710a-41ee-9974-a1aea9dedb29"} {
		text = strings.ReplaceAll(text, id, own(id))
	}
	out := &turn{p: p, n: n}
	if err := json.Unmarshal([]byte(text), out); err != nil {
		p.t.Fatal(err)
	}
	return out
}

func (t *turn) id() string { return fmt.Sprintf("%s%012d", turnAnswer[:24], t.n) }

func (t *turn) push(ops any) {
	t.p.t.Helper()
	text, err := json.Marshal(map[string]any{"scope": map[string]string{"workspaceId": t.p.workspace}, "ops": ops})
	if err != nil {
		t.p.t.Fatal(err)
	}
	var out struct {
		Results []struct {
			Success bool
			Error   string
		}
	}
	t.p.do("POST", "/api/sync/push", string(text), &out)
	for _, result := range out.Results {
		if !result.Success {
			t.p.t.Fatalf("a push of turn %d: %s", t.n, result.Error)
		}
	}
}

// begin asks the question and begins the answer.
func (t *turn) begin() *turn {
	t.p.t.Helper()
	t.push(t.Question)
	var out struct{ JobID string }
	t.p.do("POST", "/api/openrouter/stream", string(t.Start), &out)
	if t.job = out.JobID; t.job == "" {
		t.p.t.Fatal("no job")
	}
	return t
}

// write lets the client write the answer itself: with a clock, a text, and how the answer ended as far as it knows.
func (t *turn) write(op int, clock int, text, status, fault string) {
	t.p.t.Helper()
	put := t.Answer[0]
	payload := put["payload"].(map[string]any)
	data := map[string]any{"background_job_id": t.job, "background_job_status": status, "content": text}
	if delete(payload, "error"); fault != "" {
		data["error"], payload["error"] = fault, fault
	}
	payload["data"], payload["clock"] = data, clock
	stamp := put["stamp"].(map[string]any)
	stamp["clock"], stamp["opId"] = clock, fmt.Sprintf("dc9a2920-710a-41ee-%04d-%012d", 8000+op, t.n)
	t.push(t.Answer)
}

// Clients of February write an answer when it has ended, and until then no other device knows about it. If one was
// closed before that, the answer is written for it, so that the other devices read it; if it comes back it has the
// answer once, and loses nothing that was made of it since. What its user has ended, edited or deleted stays as it is.
func TestAnswersThatOldClientsLeave(t *testing.T) {
	var refuses atomic.Bool
	refuses.Store(true)
	r := background(t, func(w http.ResponseWriter, _ *http.Request) {
		if refuses.Load() {
			w.WriteHeader(http.StatusTooManyRequests)
			_, _ = io.WriteString(w, "wait 7 seconds")
			return
		}
		_, _ = io.WriteString(w, `data: {"choices":[{"delta":{"reasoning":"Hm"}}]}`+"\n\n"+says("It 😀 ")+says("is so.")+said)
	}, "OR3_BACKGROUND_MAX_JOBS_PER_USER=20")
	p := r.register(t, "ann@example.test")
	other := r.signIn(t, "ann@example.test", "correct horse")
	other.resolve()
	began := time.Now().Unix()

	failed := p.turn(7).begin()
	p.until(failed.job, "error")
	refuses.Store(false)
	reason := fmt.Sprintf("ai.background.error|%s%012d|AI response failed|wait 7 seconds", turnThread[:24], 7)
	patience.Until(t, "its user is told of the failure", func() bool { return len(p.notifications()) > 0 })
	if got := p.notifications(); !slices.Equal(got, []string{reason}) { // its client shows none
		t.Errorf("told of the failure: %q", got)
	}
	wrote := p.turn(1).begin()
	wrote.write(1, 8, turnText, "complete", "")
	ended := p.turn(2).begin()
	ended.write(1, 8, "It", "streaming", "stopped")
	edited := p.turn(3).begin()
	edited.write(1, 8, "It is not so.", "error", "Failed to fetch")
	deleted := p.turn(4).begin()
	deleted.write(1, 8, turnText, "complete", "")
	deleted.push([]map[string]any{{"tableName": "messages", "operation": "delete", "pk": deleted.id(), "payload": map[string]any{"id": deleted.id()},
		"stamp": map[string]any{"deviceId": "dfb388ba", "opId": "0f0e3c52-6a50-4b5e-8f3e-000000000004", "hlc": "0mx16ydzg:000:dfb388ba", "clock": 9}}})
	alone := p.turn(5) // its question is not there
	p.do("POST", "/api/openrouter/stream", string(alone.Start), &struct{}{})
	lost := p.turn(6).begin()
	lost.write(1, 8, "It 😀", "error", "Failed to fetch")
	left := p.turn(8).begin()

	for _, one := range []*turn{wrote, ended, edited, deleted, lost, left} {
		p.until(one.job, "complete")
	}
	if m := other.message(left.id()); m != nil {
		t.Errorf("before the client has had time: %v", m)
	}
	r.ahead.Store(int64(11 * time.Second))
	patience.Until(t, "the answer on the other device", func() bool { return other.message(left.id()) != nil })

	told := func(one *turn) (data map[string]any, message map[string]any) {
		message = other.message(one.id())
		data, _ = message["data"].(map[string]any)
		return data, message
	}
	data, message := told(left)
	if data["content"] != turnText || data["reasoning_text"] != "Hm" || data["background_job_id"] != left.job || data["background_job_status"] != "complete" ||
		data["error"] != nil || message["error"] != nil || message["pending"] != false || message["role"] != "assistant" || message["deleted"] != false ||
		message["index"] != 2000.0 || message["thread_id"] != fmt.Sprintf("%s%012d", turnThread[:24], 8) || message["created_at"].(float64) < float64(began) {
		t.Errorf("left: %v", message)
	}
	if data, message := told(wrote); data["content"] != turnText || message["clock"] != 8.0 {
		t.Errorf("written by its client: %v", message)
	}
	if data, message := told(ended); data["content"] != "It" || message["error"] != "stopped" {
		t.Errorf("ended by its user: %v", message)
	}
	if data, message := told(edited); data["content"] != "It is not so." {
		t.Errorf("edited: %v", message)
	}
	if _, message := told(deleted); message["content"] != nil || message["data"] != nil {
		t.Errorf("deleted: %v", message)
	}
	if _, message := told(alone); message != nil {
		t.Errorf("an answer without its question: %v", message)
	}
	if data, message := told(lost); data["content"] != turnText || data["error"] != nil || message["error"] != nil || message["index"] != 2000.0 ||
		message["stream_id"] != "b7065277-87ee-4b23-a234-9af22f1023c4" {
		t.Errorf("lost sight of: %v", message)
	}
	if data, message := told(failed); data["content"] != "" || data["error"] != "wait 7 seconds" || message["error"] != "wait 7 seconds" {
		t.Errorf("failed: %v", message)
	}

	if got := p.notifications(); slices.Index(got, reason) != 0 || slices.Contains(got[1:], reason) {
		t.Errorf("told of the failure: %q", got)
	}

	// The other device edits the answer; the first one comes back with half of it, reads the rest and writes that.
	clock := int(message["clock"].(float64))
	again := other.turn(8)
	again.job = left.job
	again.write(2, clock+1, "It is so, edited", "complete", "")
	left.write(3, 31, turnText, "complete", "")
	if data, message := told(left); data["content"] != "It is so, edited" {
		t.Errorf("the edit of the other device: %v", message)
	}
}

// Clients of February show nothing when an answer does not begin, so their users are told beside the chat: once,
// however often they try. The newest clients show it themselves.
func TestOldClientsAreToldWhyNoAnswerBegins(t *testing.T) {
	p := background(t, func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, says("Hello")+said)
	}, "OR3_MAX_MESSAGES_PER_DAY=1").register(t, "ann@example.test")
	p.until(p.turn(1).begin().job, "complete")
	start := string(p.turn(2).Start)
	refused := func(status int, body string) {
		t.Helper()
		if res, text, err := p.send(t.Context(), "POST", "/api/openrouter/stream", body); err != nil || res.StatusCode != status ||
			status == http.StatusTooManyRequests && (res.Header.Get("Retry-After") == "" || res.Header.Get("X-DailyLimit-Remaining") != "0") {
			t.Errorf("%v %v %s", err, res, text)
		}
	}
	for range 3 {
		refused(http.StatusTooManyRequests, start)
	}
	refused(http.StatusTooManyRequests, p.wish(9, ""))
	refused(http.StatusRequestEntityTooLarge, strings.Replace(start, "open tab", strings.Repeat("x", 1<<20), 1))
	var got []string
	for _, told := range p.notifications() {
		if strings.HasPrefix(told, fmt.Sprintf("ai.background.error|%s%012d|AI response failed|", turnThread[:24], 2)) {
			got = append(got, told[strings.LastIndex(told, "|")+1:])
		}
	}
	slices.Sort(got)
	got = slices.Compact(got) // a minute may have passed between two
	if len(got) != 2 || !strings.HasPrefix(got[1], "The chat is too large") ||
		!strings.HasPrefix(got[0], "Daily message limit reached (1). Try again tomorrow.") {
		t.Errorf("told: %q", got)
	}
}
