package host

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/internal/patience"
)

// models starts a model server and returns its address. Without an answer of its own it says one word.
func models(t *testing.T, answer http.HandlerFunc) string {
	t.Helper()
	if answer == nil {
		answer = func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "data: hello\n\n") }
	}
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		text, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(bytes.NewReader(text))
		w.Header().Set("Content-Type", "text/event-stream")
		answer(w, r)
	}))
	t.Cleanup(s.Close)
	return s.URL
}

const chatWithModel = `{"model":"a","stream":true,"messages":[]}`

// begun is an answer that has begun and lasts until the test lets it continue.
type begun struct {
	*http.Response
	in   *bufio.Reader
	goOn chan struct{} // lets the model server say the rest
	left chan struct{} // closed when the client has left the model server
	*checks
}

// checks are accounts that count the session checks.
type checks struct {
	or3cloud.AuthProvider
	asked atomic.Int32
}

// CheckSession implements or3cloud.SessionChecker.
func (c *checks) CheckSession(ctx context.Context, s *or3cloud.ProviderSession) (bool, error) {
	c.asked.Add(1)
	return c.AuthProvider.(or3cloud.SessionChecker).CheckSession(ctx, s)
}

// longAnswer starts a host with a model server, and begins an answer of a user.
func longAnswer(t *testing.T) (*real, *person, *begun) {
	t.Helper()
	b := &begun{goOn: make(chan struct{}), left: make(chan struct{})}
	r := startReal(t, eventsapi.Bounds{}, nil, "OPENROUTER_API_KEY=sk-or-v1-for-all", "OR3_OPENROUTER_BASE_URL="+models(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "data: first\n\n")
		_ = http.NewResponseController(w).Flush()
		select {
		case <-b.goOn:
			_, _ = io.WriteString(w, "data: last\n\n")
		case <-r.Context().Done():
			close(b.left)
		}
	}))
	sessions := r.running.Load().sessions
	b.checks = &checks{AuthProvider: sessions.auth}
	sessions.auth = b.checks // before the first check
	p := r.register(t, "ann@example.test")
	req, err := http.NewRequestWithContext(t.Context(), "POST", r.url+"/api/openrouter/stream", strings.NewReader(chatWithModel))
	if err != nil {
		t.Fatal(err)
	}
	if b.Response, err = p.client.Do(req); err != nil || b.StatusCode != 200 {
		t.Fatal(b.Response, err)
	}
	t.Cleanup(func() { b.Body.Close() })
	b.in = bufio.NewReader(b.Body)
	if line, err := b.in.ReadString('\n'); err != nil || line != "data: first\n" {
		t.Fatal(line, err)
	}
	return r, p, b
}

// rest reads what is left of the answer.
func (b *begun) rest() (string, error) {
	text, err := io.ReadAll(b.in)
	return strings.TrimSpace(string(text)), err
}

// A session that ends takes its answers along, however it ends; so does a membership that is no longer enough.
func TestAnAnswerEndsWithItsSession(t *testing.T) {
	for name, revoke := range map[string]func(*real, *person){
		"signed out": func(_ *real, p *person) { p.do("POST", "/api/basic-auth/sign-out", "", nil) },
		"password changed elsewhere": func(r *real, p *person) {
			r.signIn(t, "ann@example.test", "correct horse").do("POST", "/api/basic-auth/change-password",
				`{"currentPassword":"correct horse","newPassword":"another long secret","confirmNewPassword":"another long secret"}`, nil)
		},
		"a viewer from now on": func(r *real, p *person) {
			access := r.running.Load().sessions.store.(or3cloud.WorkspaceAccessStore)
			owner := r.register(t, "bob@example.test")
			if err := access.SetMemberRole(t.Context(), p.workspace, owner.user, or3cloud.RoleOwner); err != nil {
				t.Fatal(err)
			}
			if err := access.SetMemberRole(t.Context(), p.workspace, p.user, or3cloud.RoleViewer); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			r, p, b := longAnswer(t)
			revoke(r, p)
			if text, err := b.rest(); err == nil {
				t.Errorf("the answer has ended well: %q", text)
			}
			patience.Receive(t, "the server of models is left", b.left)
		})
	}
}

// Credentials that expire during an answer end nothing: the next request would renew them.
func TestAnAnswerOutlivesTheAccessToken(t *testing.T) {
	r, p, b := longAnswer(t)
	r.ahead.Add(int64(20 * time.Minute))
	p.resolve() // another tab renews them
	before := b.checks.asked.Load()
	patience.Until(t, "the session is asked for twice", func() bool { return b.checks.asked.Load() >= before+2 })
	close(b.goOn)
	if text, err := b.rest(); err != nil || text != "data: last" {
		t.Errorf("%q, %v", text, err)
	}
}

// A server that is told to stop lets answers under way finish, and answers everything else with 503.
func TestAnswersEndBeforeTheServerDoes(t *testing.T) {
	r, _, b := longAnswer(t)
	r.stop()
	for {
		res, err := http.Get(r.url + "/api/health/ready")
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode == http.StatusServiceUnavailable {
			break
		}
	}
	close(b.goOn)
	if text, err := b.rest(); err != nil || text != "data: last" {
		t.Errorf("%q, %v", text, err)
	}
}

// Without a setting, nothing of a chat goes to a model server: browsers ask themselves, with the keys of their users
// (6.1).
func TestWithoutASettingBrowsersAskThemselves(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	p := r.register(t, "ann@example.test")
	for key, want := range map[string]int{"": 400, "sk-or-v1-own": 404} {
		if res, text := r.chat(t, p, key, chatWithModel); res.StatusCode != want || res.Header.Get("X-Or3-Stream-Route") != "" {
			t.Errorf("key %q: %d %v %s", key, res.StatusCode, res.Header, text)
		}
	}
}

// Each setting about chats routes them through this server, even without a key for all: then users bring their own.
func TestKeysOfUsersWithoutAKeyForAll(t *testing.T) {
	asked := "OR3_OPENROUTER_BASE_URL=" + models(t, func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.WriteString(w, "data: "+r.Header.Get("Authorization")+"\n\ndata: [DONE]\n\n")
	})
	const background = `{"_background":true,"_threadId":"t","_messageId":"m","model":"a","messages":[]}`
	for _, c := range []struct {
		environ       []string
		missing, body string
	}{
		{[]string{asked}, "Missing OpenRouter API key", chatWithModel},
		{[]string{asked, "OR3_OPENROUTER_REQUIRE_USER_KEY=true"}, "User OpenRouter API key required", chatWithModel},
		{[]string{asked, "OR3_BACKGROUND_STREAMING_ENABLED=true"}, `{"error":"Missing OpenRouter API key"}`, background},
	} {
		r := startReal(t, eventsapi.Bounds{}, nil, c.environ...)
		p := r.register(t, "ann@example.test")
		if res, text := r.chat(t, p, "", c.body); res.StatusCode != 400 || text != c.missing {
			t.Errorf("%v: %d %s", c.environ, res.StatusCode, text)
		}
		if res, text := r.chat(t, p, "sk-or-v1-own", chatWithModel); res.StatusCode != 200 || text != "data: Bearer sk-or-v1-own\n\ndata: [DONE]" {
			t.Errorf("%v with a key: %d %s", c.environ, res.StatusCode, text)
		}
		want := map[bool]int{false: 503, true: 200}[c.body == background]
		if res, text := r.chat(t, p, "sk-or-v1-own", background); res.StatusCode != want {
			t.Errorf("%v in the background: %d %s", c.environ, res.StatusCode, text)
		}
	}
}

// chat sends a chat, and returns the answer with all of its text.
func (r *real) chat(t *testing.T, p *person, key, body string) (*http.Response, string) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", r.url+"/api/openrouter/stream", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Or3-Openrouter-Key", key)
	res, err := p.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		t.Fatal(err)
	}
	return res, strings.TrimSpace(string(text))
}

// Foreign pages cannot spend the key for all, and the clients of signed-out users can send a chat with pictures and a
// key of their own.
func TestWhoSendsAChat(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, "OPENROUTER_API_KEY=sk-or-v1-for-all", "OR3_OPENROUTER_BASE_URL="+models(t, nil))
	p := r.register(t, "ann@example.test")
	stranger := r.visitor(t)
	pictures := `{"model":"a","stream":true,"messages":"` + strings.Repeat("x", 4<<20) + `"}`
	for _, c := range []struct {
		name, body, origin, key string
		who                     *person
		want                    int
	}{
		{"a member", pictures, r.url, "", p, 200},
		{"a foreign page", chatWithModel, "https://evil.example", "", p, 403},
		{"a foreign page with a key", chatWithModel, "https://evil.example", "sk-or-v1-own", stranger, 403},
		{"a stranger with a key", pictures, r.url, "sk-or-v1-own", stranger, 200},
		{"a stranger", pictures, r.url, "", stranger, 401},
	} {
		req, err := http.NewRequestWithContext(t.Context(), "POST", r.url+"/api/openrouter/stream", strings.NewReader(c.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Origin", c.origin)
		req.Header.Set("X-Or3-Openrouter-Key", c.key)
		res, err := c.who.client.Do(req)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
		if res.StatusCode != c.want {
			t.Errorf("%s: %d", c.name, res.StatusCode)
		}
	}
}

// Keys where they do not belong, and keys that no header can carry, reach no model server and no log; what a header can
// carry is passed on as it is.
func TestKeysInOddPlaces(t *testing.T) {
	const secret = "a-key-that-looks-like-none"
	var asked atomic.Pointer[http.Request]
	r := startReal(t, eventsapi.Bounds{}, nil, "OPENROUTER_API_KEY=sk-or-v1-for-all", "OR3_LOG_LEVEL=debug", "OR3_REQUESTS_PER_MINUTE=1000",
		"OR3_OPENROUTER_BASE_URL="+models(t, func(w http.ResponseWriter, r *http.Request) {
			asked.Store(r)
			_, _ = io.WriteString(w, "data: hello\n\n")
		}))
	at := strings.TrimPrefix(r.url, "http://")
	long := secret + strings.Repeat("x", 40<<10)
	for _, c := range []struct {
		name, query, header, body string
		status                    int
		key                       string
	}{
		{"no key", "", "", chatWithModel, 401, ""},
		{"in the query", "?x-or3-openrouter-key=" + secret + "&authorization=Bearer%20" + secret, "", chatWithModel, 401, ""},
		{"in the body", "", "", `{"x-or3-openrouter-key":"` + secret + `","_key":"` + secret + `","authorization":"Bearer ` + secret + `"}`, 401, ""},
		{"in a cookie", "", "Cookie: x-or3-openrouter-key=" + secret + "\r\n", chatWithModel, 401, ""},
		{"in the name of a header", "", secret + ": x-or3-openrouter-key\r\n", chatWithModel, 401, ""},
		{"with a control character", "", "X-Or3-Openrouter-Key: " + secret + "\x01\r\n", chatWithModel, 400, ""},
		{"with a NUL", "", "X-Or3-Openrouter-Key: \x00" + secret + "\r\n", chatWithModel, 400, ""},
		{"with a delete", "", "Authorization: Bearer " + secret + "\x7f\r\n", chatWithModel, 400, ""},
		{"of spaces", "", "X-Or3-Openrouter-Key:   \t\r\n", chatWithModel, 401, ""},
		{"too long", "", "X-Or3-Openrouter-Key: " + strings.Repeat(secret, 8<<10) + "\r\n", chatWithModel, 431, ""},
		{"long", "", "X-Or3-Openrouter-Key: " + long + "\r\n", chatWithModel, 200, long},
		{"with bytes beyond ASCII", "", "X-Or3-Openrouter-Key: " + secret + "\xff\xfe\r\n", chatWithModel, 200, secret + "\xff\xfe"},
		{"twice", "", "X-Or3-Openrouter-Key: " + secret + "\r\nX-Or3-Openrouter-Key: another\r\n", chatWithModel, 200, secret},
		{"in both headers", "", "Authorization: Bearer another\r\nX-Or3-Openrouter-Key: " + secret + "\r\n", chatWithModel, 200, secret},
	} {
		t.Run(c.name, func(t *testing.T) {
			asked.Store(nil)
			conn, err := net.Dial("tcp", at)
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			go func() {
				_, _ = fmt.Fprintf(conn, "POST /api/openrouter/stream%s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\nContent-Length: %d\r\n%s\r\n%s",
					c.query, at, len(c.body), c.header, c.body)
			}()
			res, err := http.ReadResponse(bufio.NewReader(conn), nil)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			if err != nil || res.StatusCode != c.status || strings.Contains(string(text), secret) {
				t.Errorf("%d %.300q, %v", res.StatusCode, text, err)
			}
			to := asked.Load()
			if (to != nil) != (c.status == 200) {
				t.Fatalf("the server of models was asked: %t", to != nil)
			}
			if to != nil && to.Header.Get("Authorization") != "Bearer "+c.key {
				t.Errorf("it was asked with %.100q", to.Header.Get("Authorization"))
			}
		})
	}
	if log := r.log.String(); strings.Contains(log, secret) {
		t.Errorf("the log: %s", log)
	}
}
