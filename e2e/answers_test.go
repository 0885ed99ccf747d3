package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// TestAnAnswerSurvivesAKill stops the program in the middle of a background answer that uses a key of the user, and
// kills it when the answer is made again: it is made once more after the restart, without the browser that asked for
// it, and reaches another device by ordinary sync. Neither key nor chat is in the log, and the key is not in the
// database unencrypted.
//
//walk:follows operations.md OR3_BACKGROUND_STREAMING_ENABLED=true
func TestAnAnswerSurvivesAKill(t *testing.T) {
	t.Parallel()
	const ownKey, prompt, text = "sk-or-v1-key-of-ann", "a prompt that no log may have", "an answer that no log may have"
	var asked atomic.Int32
	models := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		if r.Header.Get("Authorization") != "Bearer "+ownKey || bytes.Contains(body, []byte("_history")) || !bytes.Contains(body, []byte(prompt)) {
			t.Errorf("the server of models was asked with %q: %s", r.Header.Get("Authorization"), body)
		}
		w.Header().Set("Content-Type", "text/event-stream")
		if asked.Add(1) <= 2 {
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"half of \"}}]}\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
			return
		}
		_, _ = fmt.Fprintf(w, "data: {\"choices\":[{\"delta\":{\"content\":%q}}]}\n\ndata: [DONE]\n\n", text)
	}))
	defer models.Close()
	key := filepath.Join(t.TempDir(), "background.key")
	if err := os.WriteFile(key, []byte(strings.Repeat("a long key ", 4)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	srv := startServer(t, withEnv("OPENROUTER_API_KEY", "sk-or-v1-key-for-all"), withEnv("OR3_OPENROUTER_BASE_URL", models.URL),
		withEnv("OR3_BACKGROUND_STREAMING_ENABLED", "true"), withEnv("OR3_BACKGROUND_ENCRYPTION_KEY_FILE", key), withEnv("OR3_LOG_LEVEL", "debug"),
		withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", generousLimits))
	for name, secret := range map[string]string{"key of a user": ownKey, "prompt": prompt, "answer": text} {
		srv.secrets.Note(name, secret)
	}
	d := newDevice(t, srv, "A")
	d.register("ann@example.test")
	workspace := d.mustSession().Workspace.ID
	message := func(id, role string, data obj) obj {
		return obj{"id": id, "thread_id": "t", "role": role, "clock": 1, "data": data}
	}
	r := d.do("POST", "/api/openrouter/stream", encode(t, obj{
		"model": "openai/gpt-5", "stream": true, "messages": []obj{{"role": "user", "content": prompt}},
		"_background": true, "_threadId": "t", "_messageId": "a", "_backgroundAdmissionId": "wish",
		"_history": obj{
			"version": 1, "kind": "new-turn", "admissionId": "wish", "generationId": "g", "workspaceId": workspace, "threadId": "t", "messageId": "a",
			"thread": obj{"id": "t", "clock": 1}, "userMessage": message("u", "user", obj{"content": prompt}),
			"assistantMessage": message("a", "assistant", obj{"content": "", "generation_id": "g"}),
		},
	}), http.Header{"X-Or3-Openrouter-Key": {ownKey}, "Content-Type": {"application/json"}})
	var begun struct{ JobID string }
	if r.status != 200 {
		t.Fatalf("begun: %s", r)
	}
	r.decode(t, &begun)
	status := func() (s struct {
		Status, Content string
		Attempt         int
	}) {
		r := d.call("GET", "/api/jobs/"+begun.JobID+"/status", nil)
		if r.status != 200 {
			t.Fatalf("status: %s", r)
		}
		r.decode(t, &s)
		return s
	}
	half := func(attempt int) {
		patience.Until(t, "half of the answer", func() bool { s := status(); return s.Content == "half of " && s.Attempt == attempt })
	}
	half(1)
	srv.stop()
	srv.start()
	half(2)
	srv.kill()
	for _, file := range filesBelow(t, srv.data) {
		if content, err := os.ReadFile(file); err == nil && bytes.Contains(content, []byte(ownKey)) {
			t.Errorf("%s has the key of the user", file)
		}
	}
	srv.start()
	other := newDevice(t, srv, "B")
	other.signIn("ann@example.test")
	patience.Until(t, "the end of the answer", func() bool { return status().Status != "streaming" })
	patience.Until(t, "the answer on the other device", func() bool {
		found := false
		other.pullAll(workspace, 0, 100, func(p pulled) {
			for _, c := range p.Changes {
				found = found || c.Stamp.OpID != "" && strings.Contains(string(c.Payload), text)
			}
		})
		return found
	})
	if s := status(); s.Status != "complete" || s.Content != text || s.Attempt != 3 {
		t.Errorf("the answer has ended as %+v", s)
	}
	if n := asked.Load(); n != 3 {
		t.Errorf("the server of models was asked %d times", n)
	}
}

// TestAnAnswerGoesOnBehindItsTools kills the program while an answer waits for a tool of the browser, and again when
// the model continues with its result: the answer continues after the call, and the model is not asked again for
// anything that it has said.
func TestAnAnswerGoesOnBehindItsTools(t *testing.T) {
	t.Parallel()
	var asked atomic.Int32
	models := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		n := asked.Add(1)
		if n > 1 && (!bytes.Contains(body, []byte("what the browser has found")) || !bytes.Contains(body, []byte("Let me look."))) {
			t.Errorf("the model is asked without the call: %s", body)
		}
		switch n {
		case 1:
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"Let me look. \",\"tool_calls\":[{\"index\":0,\"id\":\"c\",\"function\":{\"name\":\"look\",\"arguments\":\"{}\"}}]}}]}\n\ndata: [DONE]\n\n")
		case 2:
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"half of \"}}]}\n\n")
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		default:
			_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"It is so.\"}}]}\n\ndata: [DONE]\n\n")
		}
	}))
	defer models.Close()
	srv := startServer(t, withEnv("OPENROUTER_API_KEY", "sk-or-v1-key-for-all"), withEnv("OR3_OPENROUTER_BASE_URL", models.URL),
		withEnv("OR3_BACKGROUND_STREAMING_ENABLED", "true"), withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", generousLimits))
	d := newDevice(t, srv, "A")
	d.register("ann@example.test")
	message := func(id, role string) obj {
		return obj{"id": id, "thread_id": "t", "role": role, "clock": 1, "data": obj{"content": "", "generation_id": "g"}}
	}
	r := d.call("POST", "/api/openrouter/stream", obj{
		"model": "openai/gpt-5", "stream": true, "messages": []obj{{"role": "user", "content": "why?"}},
		"tools":        []obj{{"type": "function", "function": obj{"name": "look"}}},
		"_toolRuntime": obj{"look": "client"}, "_clientDeviceId": "A",
		"_background": true, "_threadId": "t", "_messageId": "a", "_backgroundAdmissionId": "wish",
		"_history": obj{
			"version": 1, "kind": "new-turn", "admissionId": "wish", "generationId": "g", "workspaceId": d.mustSession().Workspace.ID, "threadId": "t",
			"messageId": "a", "thread": obj{"id": "t", "clock": 1}, "userMessage": message("u", "user"), "assistantMessage": message("a", "assistant"),
		},
	})
	var begun struct{ JobID string }
	if r.status != 200 {
		t.Fatalf("begun: %s", r)
	}
	r.decode(t, &begun)
	status := func() (s struct {
		Status, Content, Error string
		Attempt                int
		Calls                  []struct{ ID, Status, Runtime string } `json:"tool_calls"`
	}) {
		r := d.call("GET", "/api/jobs/"+begun.JobID+"/status", nil)
		if r.status != 200 {
			t.Fatalf("status: %s", r)
		}
		r.decode(t, &s)
		return s
	}
	patience.Until(t, "the answer waits for the browser", func() bool {
		s := status()
		return len(s.Calls) == 1 && s.Calls[0].Runtime == "client" && s.Calls[0].Status == "pending"
	})
	srv.kill()
	srv.start()
	r = d.call("POST", "/api/jobs/"+begun.JobID+"/client-tool/claim", obj{"callId": "c", "deviceId": "A"})
	var claim struct{ ClaimToken string }
	if r.status != 200 {
		t.Fatalf("claimed: %s", r)
	}
	r.decode(t, &claim)
	result := obj{"callId": "c", "claimToken": claim.ClaimToken, "result": "what the browser has found"}
	if r := d.call("POST", "/api/jobs/"+begun.JobID+"/client-tool/result", result); r.status != 200 {
		t.Fatalf("settled: %s", r)
	}
	patience.Until(t, "half of the rest", func() bool { return status().Content == "Let me look. half of " })
	srv.kill()
	srv.start()
	patience.Until(t, "the end of the answer", func() bool { return status().Status != "streaming" })
	if s := status(); s.Status != "complete" || s.Content != "Let me look. It is so." || s.Attempt != 2 || asked.Load() != 3 {
		t.Errorf("the answer has ended as %+v; the model was asked %d times", s, asked.Load())
	}
}

// filesBelow returns the files in a directory and below it.
func filesBelow(t *testing.T, dir string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(path string, entry os.DirEntry, err error) error {
		if err == nil && entry.Type().IsRegular() {
			files = append(files, path)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestEndsOfAnswersAreToldOnce kills the program when an answer has just ended, and again after the key of another one
// under way was lost: webhooks and users are told of each end once, and an answer that cannot continue fails with a
// text.
func TestEndsOfAnswersAreToldOnce(t *testing.T) {
	t.Parallel()
	var hang atomic.Bool
	models := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"half\"}}]}\n\n")
		_ = http.NewResponseController(w).Flush()
		if hang.Load() {
			<-r.Context().Done()
			return
		}
		_, _ = io.WriteString(w, "data: [DONE]\n\n")
	}))
	defer models.Close()
	var mu sync.Mutex
	told := map[string]map[string]bool{} // the ids of events, by the job
	hooks := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		var in struct {
			EventID string `json:"event_id"`
			Data    struct {
				JobID string `json:"job_id"`
			}
		}
		if err := json.NewDecoder(r.Body).Decode(&in); err != nil || r.Header.Get("X-OR3-Event") != "message.completed" {
			t.Errorf("%v: %v", r.Header, err)
		}
		mu.Lock()
		defer mu.Unlock()
		if told[in.Data.JobID] == nil {
			told[in.Data.JobID] = map[string]bool{}
		}
		told[in.Data.JobID][in.EventID] = true
	}))
	defer hooks.Close()
	key := filepath.Join(t.TempDir(), "background.key")
	setKey := func(text string) {
		if err := os.WriteFile(key, []byte(strings.Repeat(text, 20)), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	setKey("first ")
	srv := startServer(t, withEnv("OPENROUTER_API_KEY", "sk-or-v1-key-for-all"), withEnv("OR3_OPENROUTER_BASE_URL", models.URL), withEnv("OR3_WEBHOOKS_BLOCK_PRIVATE_IPS", "false"),
		withEnv("OR3_BACKGROUND_STREAMING_ENABLED", "true"), withEnv("OR3_BACKGROUND_ENCRYPTION_KEY_FILE", key), withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", generousLimits))
	d := newDevice(t, srv, "A")
	ws := d.register("ann@example.test").Workspace.ID
	if r := d.post("/api/webhooks", obj{"url": hooks.URL, "events": []string{"message.completed"}}); r.status != 200 {
		t.Fatalf("a webhook: %s", r)
	}
	begin := func(n string) string {
		t.Helper()
		message := func(id, role string) obj {
			return obj{"id": id + n, "thread_id": "t" + n, "role": role, "clock": 1, "data": obj{"content": "", "generation_id": "g" + n}}
		}
		r := d.post("/api/openrouter/stream", obj{
			"model": "x/y", "stream": true, "messages": []obj{}, "_background": true, "_threadId": "t" + n, "_messageId": "a" + n, "_backgroundAdmissionId": "wish" + n,
			"_history": obj{
				"version": 1, "kind": "new-turn", "admissionId": "wish" + n, "generationId": "g" + n, "workspaceId": ws, "threadId": "t" + n, "messageId": "a" + n,
				"thread": obj{"id": "t" + n, "clock": 1}, "userMessage": message("u", "user"), "assistantMessage": message("a", "assistant"),
			},
		})
		var out struct{ JobID string }
		if r.status != 200 {
			t.Fatalf("begun: %s", r)
		}
		r.decode(t, &out)
		return out.JobID
	}
	type state struct{ Status, Content, Error string }
	until := func(id string, is func(state) bool) (s state) {
		t.Helper()
		patience.Until(t, "the answer comes so far", func() bool {
			d.call("GET", "/api/jobs/"+id+"/status", nil).decode(t, &s)
			return is(s)
		})
		return s
	}
	notifications := func() (all []string) {
		d.pullAll(ws, 0, 100, func(p pulled) {
			for _, c := range p.Changes {
				var n struct {
					Type     string
					ThreadID string `json:"thread_id"`
				}
				if c.TableName == "notifications" && json.Unmarshal(c.Payload, &n) == nil {
					all = append(all, n.ThreadID+" "+n.Type)
				}
			}
		})
		slices.Sort(all)
		return all
	}
	heard := func(want ...string) {
		t.Helper()
		patience.Until(t, fmt.Sprintf("%d notifications", len(want)), func() bool { return len(notifications()) >= len(want) })
		if got := notifications(); !slices.Equal(got, want) {
			t.Errorf("told: %q, want %q", got, want)
		}
	}
	first := begin("1")
	until(first, func(s state) bool { return s.Status == "complete" })
	srv.kill()
	srv.start()
	heard("t1 ai.background.complete")

	hang.Store(true)
	second := begin("2")
	until(second, func(s state) bool { return s.Content == "half" })
	srv.kill()
	setKey("second ")
	srv.start()
	const lost = "The answer cannot continue: the key of background answers has changed"
	if s := until(second, func(s state) bool { return s.Status != "streaming" }); s.Status != "error" || s.Error != lost {
		t.Errorf("without its key: %+v", s)
	}
	heard("t1 ai.background.complete", "t2 ai.background.error")
	srv.kill()
	srv.start()
	hang.Store(false)
	third := begin("3")
	until(third, func(s state) bool { return s.Status == "complete" })
	heard("t1 ai.background.complete", "t2 ai.background.error", "t3 ai.background.complete")
	patience.Until(t, "the webhook is told", func() bool {
		mu.Lock()
		defer mu.Unlock()
		return len(told[third]) > 0
	})
	mu.Lock()
	defer mu.Unlock()
	if len(told) != 2 || len(told[first]) != 1 || len(told[third]) != 1 {
		t.Errorf("the webhook is told %v, want one event each of %s and %s", told, first, third)
	}
}
