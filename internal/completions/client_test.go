package completions

import (
	"crypto/x509"
	"errors"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// A server that cannot prove its name gets neither a key nor a chat.
func TestAWrongCertificate(t *testing.T) {
	server := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("a request has come") }))
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelInfo)
	server.StartTLS()
	defer server.Close()
	r, err := Read([]byte(`{"model":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(Options{Header: time.Hour, Idle: time.Hour})
	defer c.Close()
	to := Upstream{Base: server.URL, Key: "sk-or-v1-key"}
	var unknown x509.UnknownAuthorityError
	if _, err := c.Send(t.Context(), Call{To: to, Key: to.Key, Body: r.Body("a")}); !errors.As(err, &unknown) {
		t.Errorf("a chat: %v", err)
	}
	if err := c.Check(t.Context(), to); !errors.As(err, &unknown) {
		t.Errorf("a check: %v", err)
	}
}

// A redirect is an answer and is never followed.
func TestARedirectIsNotFollowed(t *testing.T) {
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { t.Error("the redirect was followed") }))
	defer elsewhere.Close()
	server := httptest.NewServer(http.RedirectHandler(elsewhere.URL, http.StatusTemporaryRedirect))
	defer server.Close()
	r, err := Read([]byte(`{"model":"a"}`))
	if err != nil {
		t.Fatal(err)
	}
	c := NewClient(Options{Header: time.Hour, Idle: time.Hour})
	defer c.Close()
	a, err := c.Send(t.Context(), Call{To: Upstream{Base: server.URL}, Key: "sk-or-v1-key", Body: r.Body("a")})
	if err != nil {
		t.Fatal(err)
	}
	defer a.Close()
	if a.Status != http.StatusTemporaryRedirect {
		t.Error(a.Status)
	}
	if err := c.Check(t.Context(), Upstream{Base: server.URL, Key: "sk-or-v1-key"}); err == nil {
		t.Error("a server that leads elsewhere is said to be in order")
	}
}

func TestReason(t *testing.T) {
	for text, want := range map[string]string{
		`{"error":{"code":429,"message":"wait 7 seconds"}}`: "wait 7 seconds",  // OpenRouter
		`{"error":"model not found"}`:                       "model not found", // Ollama
		`{"object":"error","message":"too long"}`:           "too long",        // vLLM
		" slow down\n":               "slow down",
		`{"error":{"code":1}}`:       `{"error":{"code":1}}`,
		`{"error":{"message":7}}`:    `{"error":{"message":7}}`,
		`["no"]`:                     `["no"]`,
		`{"error":{"message":"cut o`: `{"error":{"message":"cut o`,
		"":                           "",
	} {
		if got := Reason(text); got != want {
			t.Errorf("%s: %q, not %q", text, got, want)
		}
	}
}
