package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// TestChatsWithAKeyForAll lets people chat with the keys of the operator, over two servers of models, and kills the program in between:
// what they have used of a day is used. Neither keys nor chats are in the log.
//
//walk:follows operations.md OPENROUTER_API_KEY_FILE=/etc/or3-cloud/openrouter.key
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
	const routerKey, ollamaKey, ownKey, prompt = "sk-or-v1-key-for-all", "sk-ollama-key", "sk-or-v1-key-of-ann", "a prompt that no log may have"
	srv := startServer(t,
		withEnv("OPENROUTER_API_KEY_FILE", secret("openrouter.key", routerKey)), withEnv("OR3_OPENROUTER_BASE_URL", models.URL+"/api/v1"),
		withEnv("OR3_MODEL_UPSTREAMS", "ollama="+models.URL+"/v1"), withEnv("OR3_MODEL_UPSTREAM_KEYS_FILE", secret("models.keys", "ollama="+ollamaKey)),
		withEnv("OR3_MAX_MESSAGES_PER_DAY", "3"), withEnv("OR3_LOG_LEVEL", "debug"))
	for name, text := range map[string]string{"key for all": routerKey, "key of ollama": ollamaKey, "key of a user": ownKey, "prompt": prompt} {
		srv.secrets.Note(name, text)
	}
	d := newDevice(t, srv, "A")
	d.register("ann@example.test")
	chat := func(model string) *reply {
		return d.post("/api/openrouter/stream", obj{"model": model, "stream": true, "_threadId": "t", "messages": []obj{{"role": "user", "content": prompt}}})
	}
	for model, want := range map[string]string{
		"openai/gpt-5":    "/api/v1/chat/completions Bearer " + routerKey,
		"ollama/llama3.2": "/v1/chat/completions Bearer " + ollamaKey,
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
		t.Errorf("somebody who is signed out: %s", r)
	}
	if r := chat("openai/gpt-5"); r.status != 200 || r.header.Get("X-DailyLimit-Remaining") != "0" {
		t.Errorf("the last one of the day: %s %v", r, r.header)
	}
	srv.stop()
	srv.start()
	if r := chat("openai/gpt-5"); r.status != 429 || string(r.body) != "Daily message limit reached (3). Try again tomorrow." {
		t.Errorf("after a restart: %s", r)
	}
}
