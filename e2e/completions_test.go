package e2e

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// TestChatsWithAKeyForAll lets people chat with the operator's keys, over several model servers, and kills the program
// in between: what they have used of a day stays used. Neither keys nor chats are in the log.
//
//walk:follows operations.md OPENROUTER_API_KEY_FILE=/etc/or3-cloud/openrouter.key
//walk:follows operations.md OR3_MODEL_UPSTREAMS=ollama=http://127.0.0.1:11434/v1,vllm=http://gpu.example.lan:8000/v1,litellm=http://127.0.0.1:4000/v1
func TestChatsWithAKeyForAll(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	var asked []string
	models := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		mu.Lock()
		asked = append(asked, fmt.Sprintf("%s %s %s", r.URL.Path, r.Header.Get("Authorization"), text))
		mu.Unlock()
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"Hello\"}}]}\n\ndata: [DONE]\n\n")
	}))
	defer models.Close()
	dir := t.TempDir()
	secret := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const routerKey, vllmKey, litellmKey, ownKey, prompt = "sk-or-v1-key-for-all", "sk-vllm-key", "sk-litellm-key", "sk-or-v1-key-of-ann", "a prompt that no log may have"
	srv := startServer(t,
		withEnv("OPENROUTER_API_KEY_FILE", secret("openrouter.key", routerKey)), withEnv("OR3_OPENROUTER_BASE_URL", models.URL+"/api/v1"),
		withEnv("OR3_MODEL_UPSTREAMS", fmt.Sprintf("ollama=%[1]s/v1,vllm=%[1]s/gpu/v1,litellm=%[1]s/lite/v1", models.URL)),
		withEnv("OR3_MODEL_UPSTREAM_KEYS_FILE", secret("models.keys", "vllm="+vllmKey+"\nlitellm="+litellmKey)),
		withEnv("OR3_REQUESTS_PER_MINUTE", "10"), withEnv("OR3_MAX_MESSAGES_PER_DAY", "5"), withEnv("OR3_LOG_LEVEL", "debug"))
	for name, text := range map[string]string{"key for all": routerKey, "key of vLLM": vllmKey, "key of LiteLLM": litellmKey, "key of a user": ownKey, "prompt": prompt} {
		srv.secrets.Note(name, text)
	}
	d := newDevice(t, srv, "A")
	d.register("ann@example.test")
	chat := func(model string) *reply {
		return d.post("/api/openrouter/stream", obj{"model": model, "stream": true, "_threadId": "t", "messages": []obj{{"role": "user", "content": prompt}}})
	}
	for model, want := range map[string]string{
		"openai/gpt-5":         "/api/v1/chat/completions Bearer " + routerKey,
		"ollama/llama3.2":      "/v1/chat/completions  ",
		"vllm/Qwen/Qwen3-8B":   "/gpu/v1/chat/completions Bearer " + vllmKey,
		"litellm/openai/gpt-5": "/lite/v1/chat/completions Bearer " + litellmKey,
	} {
		r := chat(model)
		mu.Lock()
		last := asked[len(asked)-1]
		mu.Unlock()
		if r.status != 200 || !strings.HasSuffix(string(r.body), "data: [DONE]\n\n") || !strings.HasPrefix(last, want) || strings.Contains(last, "_threadId") {
			t.Errorf("%s: %s, and was asked %s", model, r, last)
		}
	}
	if r := newDevice(t, srv, "B").post("/api/openrouter/stream", obj{"model": "x"}); r.status != 401 {
		t.Errorf("a user who is signed out: %s", r)
	}
	if r := chat("openai/gpt-5"); r.status != 200 || r.header.Get("X-DailyLimit-Remaining") != "0" {
		t.Errorf("the last one of the day: %s %v", r, r.header)
	}
	srv.stop()
	srv.start()
	if r := chat("openai/gpt-5"); r.status != 429 || string(r.body) != "Daily message limit reached (5). Try again tomorrow." {
		t.Errorf("after a restart: %s", r)
	}
}

// TestTheEndOfTheGraceCutsAnswersOff stops the program during an answer that does not end: the client sees that it is
// incomplete, the program disconnects from the model server and exits normally. Before that, the server has sent more
// than was requested, which libraries log; nothing of it is in the log.
func TestTheEndOfTheGraceCutsAnswersOff(t *testing.T) {
	t.Parallel()
	const key, prompt = "a-key-that-looks-like-none", "a prompt that no log may have"
	left := make(chan struct{})
	var asked atomic.Int32
	models := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if asked.Add(1) == 1 {
			conn, _, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			const answer = "data: [DONE]\n\n"
			_, _ = fmt.Fprintf(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: %d\r\n\r\n%s%s %s", len(answer), answer, prompt, key)
			return
		}
		w.Header().Set("Content-Type", "text/event-stream")
		_, _ = io.WriteString(w, "data: {\"choices\":[{\"delta\":{\"content\":\"half of \"}}]}\n\n")
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(left)
	}))
	defer models.Close()
	srv := startServer(t, withEnv("OPENROUTER_API_KEY", key), withEnv("OR3_OPENROUTER_BASE_URL", models.URL), withEnv("OR3_LOG_LEVEL", "debug"),
		withEnv("OR3_SHUTDOWN_TIMEOUT_MS", "200"))
	srv.secrets.Note("key for all", key)
	srv.secrets.Note("prompt", prompt)
	d := newDevice(t, srv, "A")
	d.register("ann@example.test")
	chat := obj{"model": "x", "stream": true, "messages": []obj{{"role": "user", "content": prompt}}}
	if r := d.post("/api/openrouter/stream", chat); r.status != 200 || string(r.body) != "data: [DONE]\n\n" {
		t.Fatalf("the first answer: %s", r)
	}
	var text []byte
	ended := make(chan error, 1)
	go func() {
		r, err := d.send(context.Background(), "POST", "/api/openrouter/stream", encode(t, chat), jsonHeader)
		if r != nil {
			text = r.body
		}
		ended <- err
	}()
	patience.Until(t, "the second chat", func() bool { return asked.Load() == 2 })
	srv.stop()
	if err := patience.Receive(t, "the end of the answer", ended); err == nil {
		t.Errorf("the answer has ended well: %q", text)
	}
	patience.Receive(t, "the server of models is left", left)
}
