package e2e

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// TestAnAnswerSurvivesAKill stops the program in the middle of an answer that is made in the background with a key of the user's, and kills
// it when it is made again: it is made once more after the restart, without the browser that has asked for it, and comes to another device by ordinary sync. Neither
// key nor chat is in the log, and the key is nowhere in the database in the clear.
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
