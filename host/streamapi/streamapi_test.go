package streamapi

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/internal/ratelimit"
)

// An upstream gets the chat and nothing of the session; what it streams arrives byte for byte, each piece as it comes.
func TestAnAnswerArrivesAsItComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, nil)
		defer s.close()
		pieces := []string{": OPENROUTER PROCESSING\n\n", "data: {\"cho", "ices\":[]}\n\n", "data: \xff\xfe\x00\r\n\r\n", "data: [DONE]\n\n"}
		next := make(chan struct{})
		s.upstream = func(w http.ResponseWriter, r *http.Request) {
			body, _ := io.ReadAll(r.Body)
			header := maps.Clone(r.Header)
			want := http.Header{
				"Authorization": {"Bearer " + instanceKey}, "Accept": {"text/event-stream"}, "Accept-Encoding": {"identity"},
				"Content-Type": {"application/json"}, "Content-Length": {fmt.Sprint(len(chat))}, "Http-Referer": {"https://chat.example"},
				"X-Title": {"or3.chat"}, "User-Agent": {"or3-cloud"},
			}
			if r.Method != "POST" || r.URL.String() != "/v1/chat/completions" || r.Host != "openrouter.test" || string(body) != chat || !maps.EqualFunc(header, want, slices.Equal) {
				t.Errorf("%s %s %s %v %q", r.Method, r.Host, r.URL, header, body)
			}
			control := events(w)
			_ = control.Flush()
			for _, p := range pieces {
				<-next
				_, _ = io.WriteString(w, p)
				_ = control.Flush()
			}
		}
		res, err := s.client.Do(s.request(t.Context(), chat))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		for name, want := range map[string]string{
			"Content-Type": "text/event-stream", "Cache-Control": "no-cache, no-transform", "X-Accel-Buffering": "no", "Connection": "keep-alive",
			"Content-Encoding": "", "X-Or3-Stream-Route": "1", "X-Or3-Credential-Source": "server",
		} {
			if got := res.Header.Get(name); got != want {
				t.Errorf("%s: %q", name, got)
			}
		}
		start := time.Now()
		for _, p := range pieces {
			next <- struct{}{}
			got := make([]byte, len(p))
			if _, err := io.ReadFull(res.Body, got); err != nil || string(got) != p {
				t.Fatalf("%q, %v, want %q\n%s", got, err, p, s.log.String())
			}
		}
		if rest, err := io.ReadAll(res.Body); err != nil || len(rest) > 0 || !time.Now().Equal(start) {
			t.Errorf("%q, %v, after %v", rest, err, time.Since(start))
		}
	})
}

// Contract, client-behaviour §10.
func TestWithWhoseKeyAnUpstreamIsAsked(t *testing.T) {
	const local = `{"model":"local/llama","stream":true}`
	only := func(o *Options) { o.OwnKeysOnly = true }
	never := func(o *Options) { o.OwnKeys = false }
	for _, c := range []struct {
		name   string
		role   or3cloud.Role
		change func(*Options)
		body   string
		header []string
		status int
		want   string // the authorization, or the text of the refusal
	}{
		{"an editor", or3cloud.RoleEditor, nil, chat, nil, 200, "Bearer " + instanceKey},
		{"an owner", or3cloud.RoleOwner, nil, chat, nil, 200, "Bearer " + instanceKey},
		{"a viewer", or3cloud.RoleViewer, nil, chat, nil, 403, "You can only read in this workspace"},
		{"a stranger", "", nil, chat, nil, 401, "Sign in to chat with this server's key"},
		{"a viewer's own key", or3cloud.RoleViewer, nil, chat, []string{"X-Or3-Openrouter-Key", ownKey}, 200, "Bearer " + ownKey},
		{"a stranger's own key", "", nil, chat, []string{"X-Or3-Openrouter-Key", " " + ownKey + " "}, 200, "Bearer " + ownKey},
		{"own key as a bearer", "", nil, chat, []string{"Authorization", "Bearer " + ownKey}, 200, "Bearer " + ownKey},
		{"the header before the bearer", "", nil, chat, []string{"Authorization", "Bearer other", "X-Or3-Openrouter-Key", ownKey}, 200, "Bearer " + ownKey},
		{"no bearer", "", nil, chat, []string{"Authorization", "Basic " + ownKey}, 401, "Sign in to chat with this server's key"},
		{"own keys only, with one", "", only, chat, []string{"X-Or3-Openrouter-Key", ownKey}, 200, "Bearer " + ownKey},
		{"own keys only, without", or3cloud.RoleOwner, only, chat, nil, 400, "User OpenRouter API key required"},
		{"own keys never", or3cloud.RoleEditor, never, chat, []string{"X-Or3-Openrouter-Key", ownKey}, 200, "Bearer " + instanceKey},
		{"own keys never, a viewer", or3cloud.RoleViewer, never, chat, []string{"X-Or3-Openrouter-Key", ownKey}, 403, "You can only read in this workspace"},
		{"a server of the operator's", or3cloud.RoleEditor, nil, local, []string{"X-Or3-Openrouter-Key", ownKey}, 200, "Bearer sk-local-key"},
		{"a server of the operator's, a viewer", or3cloud.RoleViewer, nil, local, []string{"X-Or3-Openrouter-Key", ownKey}, 403, "You can only read in this workspace"},
		{"a key in the query", "", nil, chat, nil, 401, "Sign in to chat with this server's key"},
		{"a key in the body", "", nil, `{"model":"x","api_key":"` + ownKey + `"}`, nil, 401, "Sign in to chat with this server's key"},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, c.role, c.change)
				defer s.close()
				asked := ""
				s.upstream = func(w http.ResponseWriter, r *http.Request) {
					asked = r.Header.Get("Authorization")
					whole(w, r)
				}
				got := s.send(c.body, c.header...)
				if got.status != c.status || got.status == 200 && asked != c.want || got.status != 200 && (asked != "" || !strings.Contains(got.text, c.want)) {
					t.Errorf("%d %s, asked with %q", got.status, got.text, asked)
				}
			})
		})
	}
}

// Without a key for all, only the servers that the operator has named are asked for everyone.
func TestNoKeyForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleOwner, nil)
		defer s.close()
		s.upstream = whole
		s.api.opt.Upstreams = upstreams(t, settings{"OR3_MODEL_UPSTREAMS": "local=http://models.test/api"})
		if got := s.send(chat); got.status != 400 || got.text != "Missing OpenRouter API key" {
			t.Errorf("%+v", got)
		}
		if got := s.send(`{"model":"local/llama"}`); got.status != 200 {
			t.Errorf("%+v", got)
		}
	})
}

// What concerns only client and server stays there, and a server knows its models by their own names.
func TestWhatAnUpstreamSees(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, nil)
		defer s.close()
		var path, body string
		s.upstream = func(w http.ResponseWriter, r *http.Request) {
			text, _ := io.ReadAll(r.Body)
			path, body = r.Host+r.URL.Path, string(text)
			whole(w, r)
		}
		for in, want := range map[string]string{
			`{"model":"a/b","_threadId":"t","_context":{"x":1},"n":1}`:             `openrouter.test/v1/chat/completions {"model":"a/b","n":1}`,
			`{"_messageId":"m","model":"local/a/b","base_url":"http://evil.test"}`: `models.test/api/chat/completions {"model":"a/b","base_url":"http://evil.test"}`,
		} {
			if got := s.send(in); got.status != 200 || path+" "+body != want {
				t.Errorf("%s: %d, %s %s", in, got.status, path, body)
			}
		}
	})
}

func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, nil)
		defer s.close()
		s.upstream = func(http.ResponseWriter, *http.Request) { t.Error("the upstream was asked") }
		for _, c := range []struct {
			body, kind string
			status     int
			text       string
		}{
			{"", "text/plain; charset=utf-8", 400, "Invalid request body"},
			{"null", "text/plain; charset=utf-8", 400, "Invalid request body"},
			{"[]", "text/plain; charset=utf-8", 400, "Invalid request body"},
			{`{"model":`, "text/plain; charset=utf-8", 400, "Invalid request body"},
			{`{"tools":{}}`, "application/json", 400, `{"error":"Invalid tools"}`},
			{`{"_background":true,"_threadId":"t","_messageId":"m","model":"x"}`, "application/json", 503,
				`{"code":"background_streaming_disabled","error":"Background streaming is not enabled on this server"}`},
		} {
			got := s.send(c.body)
			if got.status != c.status || got.text != c.text || got.header.Get("Content-Type") != c.kind || got.header.Get("X-Or3-Stream-Route") != "1" {
				t.Errorf("%q: %+v", c.body, got)
			}
		}
		s.host.Err = or3cloud.Unavailable(errors.New("down"), "Service Unavailable", 0)
		if got := s.send(chat); got.status != 503 {
			t.Errorf("without a store: %+v", got)
		}
	})
}

// Whatever an upstream does, the client learns that there is no answer, or that the one it has is incomplete.
func TestFaultsOfAnUpstream(t *testing.T) {
	const unreachable = "Failed to reach OpenRouter"
	header := func(status, kind string) string { return "HTTP/1.1 " + status + "\r\nContent-Type: " + kind + "\r\n" }
	respond := func(text string) func(net.Conn) {
		return func(conn net.Conn) {
			defer conn.Close()
			if _, _, err := readRequest(conn); err == nil {
				_, _ = io.WriteString(conn, text)
			}
		}
	}
	chunk := func(text string) string {
		return fmt.Sprintf("Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(text), text)
	}
	sse := header("200 OK", "text/event-stream; charset=utf-8")
	for _, c := range []struct {
		name   string
		raw    func(net.Conn)
		status int
		want   string // the beginning of the text
		cut    bool
		after  time.Duration
	}{
		{"closes before it has read", func(conn net.Conn) { conn.Close() }, 502, unreachable, false, 0},
		{"closes before a header", respond(""), 502, unreachable, false, 0},
		{"closes in the header", respond("HTTP/1.1 200 OK\r\nContent-"), 502, unreachable, false, 0},
		{"speaks no HTTP", respond("SSH-2.0-OpenSSH_9.6\r\n"), 502, unreachable, false, 0},
		{"sends the chat back instead of HTTP", respond(prompt + " " + instanceKey + "\r\n\r\n"), 502, unreachable, false, 0},
		{"sends the chat back in a header", respond("HTTP/1.1 200 OK\r\n" + prompt + " " + instanceKey + "\r\n\r\n"), 502, unreachable, false, 0},
		{"a length that is none", respond(sse + "Content-Length: " + prompt + "\r\n\r\n"), 502, unreachable, false, 0},
		{"a coding of the transfer that is none", respond(sse + "Transfer-Encoding: " + prompt + "\r\n\r\n"), 502, unreachable, false, 0},
		{"a status that is none", respond("HTTP/1.1 2000 OK\r\n\r\n"), 502, unreachable, false, 0},
		{"a status beyond all", respond("HTTP/1.1 600 Hm\r\n\r\n"), 502, unreachable, false, 0},
		{"no content", respond("HTTP/1.1 204 No Content\r\n\r\n"), 502, unreachable, false, 0},
		{"not modified", respond("HTTP/1.1 304 Not Modified\r\n\r\n"), 502, unreachable, false, 0},
		{"hints before the answer", respond("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + sse + "\r\n" + event), 200, event, false, 0},
		{"hints without end", func(conn net.Conn) {
			defer conn.Close()
			_, _, err := readRequest(conn)
			for err == nil {
				_, err = io.WriteString(conn, "HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n")
			}
		}, 502, unreachable, false, 0},
		{"a page", respond(header("200 OK", "text/html") + "\r\n<h1>Welcome"), 502, unreachable, false, 0},
		{"no stream", respond(header("200 OK", "application/json") + "\r\n{}"), 502, unreachable, false, 0},
		{"a redirect", respond(header("307 Temporary Redirect", "text/html") + "Location: http://evil.test/\r\n\r\n"), 502, unreachable, false, 0},
		{"compressed", respond(sse + "Content-Encoding: gzip\r\n\r\n\x1f\x8b"), 502, unreachable, false, 0},
		{"another protocol", respond("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n"), 502, unreachable, false, 0},
		{"a header without end", func(conn net.Conn) {
			defer conn.Close()
			if _, _, err := readRequest(conn); err != nil {
				return
			}
			_, err := io.WriteString(conn, "HTTP/1.1 200 OK\r\n")
			for err == nil {
				_, err = io.WriteString(conn, "X: "+strings.Repeat("x", 1000)+"\r\n")
			}
		}, 502, unreachable, false, 0},
		{"no header", func(conn net.Conn) { _, _ = io.Copy(io.Discard, conn); conn.Close() }, 504, "OpenRouter has not answered in time", false, headerTimeout},
		{"reads nothing", func(conn net.Conn) { time.Sleep(time.Hour); conn.Close() }, 504, "OpenRouter has not answered in time", false, headerTimeout},
		{"closes in an event", respond(sse + "\r\n" + event + "data: {\"cho"), 200, event + "data: {\"cho", true, 0},
		{"closes in a chunk", respond(sse + "Transfer-Encoding: chunked\r\n\r\n40\r\n" + event), 200, event, true, 0},
		{"closes before the last chunk", respond(sse + chunk(event)), 200, event, true, 0},
		{"trailers", respond(sse + chunk(event) + "0\r\nX-Usage: 7\r\n\r\n"), 200, event, false, 0},
		{"the chat in the place of trailers", respond(sse + chunk(event) + "0\r\n" + prompt + "\r\n\r\n"), 200, event, true, 0},
		{"the chat in the place of a chunk", respond(sse + chunk(event) + prompt + "\r\n"), 200, event, true, 0},
		{"a length that is too large", respond(sse + "Content-Length: 1000\r\n\r\n" + event), 200, event, true, 0},
		{"a length that is too small", respond(sse + "Content-Length: 6\r\n\r\n" + event), 200, event[:6], true, 0},
		{"lines that end with CR", respond(sse + "\r\n" + strings.ReplaceAll(event, "\n", "\r")), 200, strings.ReplaceAll(event, "\n", "\r"), false, 0},
		{"comments alone", respond(sse + "\r\n: OPENROUTER PROCESSING\n\n"), 200, ": OPENROUTER PROCESSING\n\n", false, 0},
		{"a fault without end", func(conn net.Conn) {
			defer conn.Close()
			_, _, err := readRequest(conn)
			if err == nil {
				_, err = io.WriteString(conn, header("500 Oops", "text/plain")+"\r\n")
			}
			for err == nil {
				_, err = io.WriteString(conn, strings.Repeat("x", 100_000))
			}
		}, 500, strings.Repeat("x", 2000), false, 0},
		{"is silent", func(conn net.Conn) {
			if _, _, err := readRequest(conn); err == nil {
				_, _ = io.WriteString(conn, sse+"\r\n"+event)
				_, _ = io.Copy(io.Discard, conn)
			}
			conn.Close()
		}, 200, event, true, idleTimeout},
		{"keeps an answer open that is over", func(conn net.Conn) {
			if _, _, err := readRequest(conn); err == nil {
				_, _ = io.WriteString(conn, sse+"\r\n"+event+"data: [DONE]\n\n")
				_, _ = io.Copy(io.Discard, conn)
			}
			conn.Close()
		}, 200, event + "data: [DONE]\n\n", false, 2 * time.Second},
		{"closes without a last chunk", respond(sse + chunk("data: [DONE]\r\n")), 200, "data: [DONE]\r\n", false, 0},
		{"only seems to be over", respond(sse + chunk("data: \"data: [DONE]\n\n")), 200, "data: \"data: [DONE]\n\n", true, 0},
		{"no keys left", respond(header("401 Unauthorized", "application/json") + "\r\n{\"error\":{\"message\":\"No auth\"}}"), 401, `{"error":{"message":"No auth"}}`, false, 0},
		{"no such model", respond(header("404 Not Found", "application/json") + "\r\n{\"error\":1}"), 404, `{"error":1}`, false, 0},
		{"repeats the key", respond(header("401 Unauthorized", "text/plain") + "\r\nthe key " + instanceKey + " is wrong"), 401, "the key [key] is wrong", false, 0},
		{"repeats the key until the end of what is read", respond(header("401 Unauthorized", "text/plain") + "\r\n" + strings.Repeat(instanceKey, 1000)), 401,
			strings.Repeat("[key]", 8000/len(instanceKey)), false, 0},
		{"a fault in a text that does not end", func(conn net.Conn) {
			if _, _, err := readRequest(conn); err == nil {
				_, _ = io.WriteString(conn, header("500 Oops", "text/plain")+"Content-Length: 100\r\n\r\nOops")
				_, _ = io.Copy(io.Discard, conn)
			}
			conn.Close()
		}, 500, "Oops", false, 10 * time.Second},
		{"no length, and no blank line at the end", respond(sse + "\r\n" + event + "data: [DONE]"), 200, event + "data: [DONE]", false, 0},
		{"no type", respond("HTTP/1.1 200 OK\r\n\r\n" + event), 200, event, false, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newScene(t, or3cloud.RoleEditor, nil)
				defer s.close()
				s.raw = c.raw
				start := time.Now()
				got := s.send(chat)
				if got.status != c.status || got.text != c.want || (got.err != nil) != c.cut || time.Since(start) != c.after {
					t.Errorf("%+v after %v", got, time.Since(start))
				}
				if got.header.Get("Location") != "" || got.header.Get("X-Or3-Stream-Route") != "1" {
					t.Errorf("%v", got.header)
				}
				if log := s.log.String(); strings.Contains(log, instanceKey) || strings.Contains(log, prompt) {
					t.Errorf("the log: %s", log)
				}
			})
		})
	}
}

// If a model server repeats the operator's key, it does not reach a member, however it is cut into pieces; a user's own
// key is theirs.
func TestAKeyInTheStream(t *testing.T) {
	whole := `data: {"error":{"message":"` + instanceKey + ` is not a key, nor is ` + instanceKey[:len(instanceKey)-1] + `"}}` + "\n\n" + instanceKey[:12]
	for size := 1; size <= len(whole); size++ {
		v := veil{key: []byte(instanceKey)}
		var got []byte
		for at := 0; at < len(whole); at += size {
			got = append(got, v.pass([]byte(whole[at:min(at+size, len(whole))]), at+size >= len(whole))...)
		}
		if want := strings.ReplaceAll(whole, instanceKey, "[key]"); string(got) != want {
			t.Fatalf("in pieces of %d bytes: %q", size, got)
		}
	}
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, nil)
		defer s.close()
		s.upstream = func(w http.ResponseWriter, r *http.Request) {
			events(w)
			_, _ = fmt.Fprintf(w, "data: {\"error\":%q}\n\n", r.Header.Get("Authorization"))
		}
		if got := s.send(chat); got.status != 200 || got.text != "data: {\"error\":\"Bearer [key]\"}\n\n" {
			t.Errorf("%+v", got)
		}
		if got := s.send(chat, "X-Or3-Openrouter-Key", ownKey); got.text != "data: {\"error\":\"Bearer "+ownKey+"\"}\n\n" {
			t.Errorf("with a key of one's own: %+v", got)
		}
	})
}

// A server that is not running, and one whose host name does not resolve.
func TestAnUpstreamThatIsNotThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, func(o *Options) { o.Upstreams = upstreams(t, settings{"OPENROUTER_API_KEY": instanceKey}) })
		defer s.close()
		s.raw = func(conn net.Conn) { conn.Close() } // the address is an https one
		if got := s.send(chat); got.status != 502 || got.text != "Failed to reach OpenRouter" {
			t.Errorf("%+v", got)
		}
		if log := s.log.String(); !strings.Contains(log, "the model server OpenRouter: ") {
			t.Errorf("the log: %s", log)
		}
	})
}

// An upstream's own limits are shown to the client (429 with Retry-After), and at most 2000 characters of what it says,
// as JavaScript counts them.
func TestWhatAnUpstreamRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, nil)
		defer s.close()
		s.upstream = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "17")
			w.Header().Set("Set-Cookie", "a=b")
			w.WriteHeader(429)
			_, _ = io.WriteString(w, "\xff"+strings.Repeat("😀", 1200))
		}
		got := s.send(chat)
		if got.status != 429 || got.header.Get("Retry-After") != "17" || got.header.Get("Set-Cookie") != "" || got.text != "\uFFFD"+strings.Repeat("😀", 999) {
			t.Errorf("%d %v %d bytes", got.status, got.header, len(got.text))
		}
		synctest.Wait()
		if log := s.log.String(); !strings.Contains(log, "level=WARN") || !strings.Contains(log, "the model server OpenRouter: it answered with status 429") {
			t.Errorf("the operator is not told: %s", log)
		}
		s.log.reset()
		s.send(chat, "X-Or3-Openrouter-Key", ownKey)
		synctest.Wait()
		if log := s.log.String(); strings.Contains(log, "level=WARN") {
			t.Errorf("the operator is told of a user's key: %s", log)
		}
	})
}

// An answer in one piece, for clients that request it, and one event of 10 MB, of which no more than a piece is ever
// held.
func TestLargeAnswersAndThoseInOnePiece(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, nil)
		defer s.close()
		s.upstream = func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", "application/json; charset=utf-8")
			_, _ = io.WriteString(w, `{"choices":[]}`)
		}
		if got := s.send(`{"model":"a"}`); got.status != 200 || got.text != `{"choices":[]}` || got.header.Get("Content-Type") != "application/json" {
			t.Errorf("%+v", got)
		}
		large := "data: " + strings.Repeat("x", 10<<20) + "\n\n"
		s.upstream = func(w http.ResponseWriter, _ *http.Request) {
			events(w)
			_, _ = io.WriteString(w, large)
		}
		if got := s.send(chat); got.status != 200 || got.text != large || got.err != nil {
			t.Errorf("%d, %d bytes, %v", got.status, len(got.text), got.err)
		}
	})
}

// Contract, client-behaviour §10: texts, headers and whom the limits count for.
func TestLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, func(o *Options) { o.PerMinute, o.PerDay = 2, 3 })
		defer s.close()
		s.upstream = whole
		budget := func(a answer) string {
			return strings.Join([]string{
				a.header.Get("X-RateLimit-Limit"), a.header.Get("X-RateLimit-Remaining"), a.header.Get("X-DailyLimit-Limit"),
				a.header.Get("X-DailyLimit-Remaining"), a.header.Get("Retry-After"),
			}, " ")
		}
		for i, want := range []struct{ status, text, budget string }{
			{"200", "", "2 1 3 2 "}, {"200", "", "2 0 3 1 "},
			{"429", "Rate limit exceeded. Retry after 60s", "2 0   60"},
		} {
			got := s.send(chat)
			if fmt.Sprint(got.status) != want.status || want.text != "" && got.text != want.text || budget(got) != want.budget {
				t.Errorf("%d: %d %s %s", i, got.status, got.text, budget(got))
			}
		}
		time.Sleep(time.Minute)
		if got := s.send(chat); got.status != 200 || budget(got) != "2 1 3 0 " {
			t.Errorf("a minute later: %d %s %s", got.status, got.text, budget(got))
		}
		if got := s.send(chat); got.status != 429 || got.text != "Daily message limit reached (3). Try again tomorrow." || budget(got) != "  3 0 86340" {
			t.Errorf("beyond the day: %d %s %s", got.status, got.text, budget(got))
		}
		if got := s.send(chat, "X-Or3-Openrouter-Key", ownKey); got.status != 429 {
			t.Errorf("with a key of one's own: %d", got.status)
		}
		s.host.Current.User.ID = "another"
		if got := s.send(chat); got.status != 200 {
			t.Errorf("another user: %d %s", got.status, got.text)
		}
		s.host.Current = or3cloud.SessionContext{}
		if got := s.send(chat, "X-Or3-Openrouter-Key", ownKey); got.status != 200 || budget(got) != "2 1 3 2 " {
			t.Errorf("a user who is signed out: %d %s", got.status, budget(got))
		}
	})
}

// rows is a store of rate limits.
type rows map[string]or3cloud.RateWindow

func (r rows) RateWindows(context.Context, time.Time) ([]or3cloud.RateWindow, error) {
	return slices.Collect(maps.Values(r)), nil
}

func (r rows) KeepRateWindows(_ context.Context, _ time.Time, windows []or3cloud.RateWindow) error {
	for _, w := range windows {
		r[w.Key] = w
	}
	return nil
}

// What was used of a day is still used after a restart, even after kill -9 a second later.
func TestTheDayOutlivesTheProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := rows{}
		for i, want := range []int{200, 429} {
			limits := middleware.NewLimits(time.Now, "", false)
			limits.Keep(t.Context(), store, discard)
			s := newScene(t, or3cloud.RoleEditor, func(o *Options) { o.Limits, o.PerDay = limits, 1 })
			s.upstream = whole
			if got := s.send(chat); got.status != want {
				t.Errorf("process %d: %d %s", i+1, got.status, got.text)
			}
			time.Sleep(2 * time.Second)
			s.close()
			kept := maps.Clone(store)
			limits.Close()
			store = kept // as a killed process leaves it
		}
		if _, ok := store["user:user:"+string(ratelimit.LLMDay)]; !ok {
			t.Errorf("%v", store)
		}
	})
}

// A user may have as many answers under way as fit, and no more.
func TestAnswersUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, func(o *Options) { o.Total = PerUser + 1 })
		defer s.close()
		s.upstream = func(w http.ResponseWriter, r *http.Request) {
			_ = events(w).Flush()
			<-r.Context().Done()
		}
		ctx, stop := context.WithCancel(t.Context())
		for range PerUser {
			res, err := s.client.Do(s.request(ctx, chat))
			if err != nil || res.StatusCode != 200 {
				t.Fatal(res, err)
			}
			defer res.Body.Close()
		}
		if got := s.send(chat); got.status != 503 || got.text != "Server busy, try again later" || got.header.Get("Retry-After") != "5" {
			t.Errorf("%+v", got)
		}
		stop()
		synctest.Wait()
		if its, all := s.api.seats.Taken("user:user"); its+all > 0 {
			t.Errorf("%d seats are taken", all)
		}
	})
}

// A user who loses the permission for the operator's key gets no more of an answer within two seconds, and the upstream
// is told. With a key of their own nothing is checked.
func TestAnAnswerEndsWithThePermission(t *testing.T) {
	for _, own := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t, or3cloud.RoleEditor, nil)
			defer s.close()
			told := make(chan time.Time, 1)
			s.upstream = func(w http.ResponseWriter, r *http.Request) {
				control := events(w)
				for r.Context().Err() == nil && time.Since(bubble) < time.Minute {
					_, _ = io.WriteString(w, event)
					_ = control.Flush()
					time.Sleep(100 * time.Millisecond)
				}
				told <- time.Now()
			}
			var header []string
			if own {
				header = []string{"X-Or3-Openrouter-Key", ownKey}
			}
			fault := error(or3cloud.Unavailable(nil, "Service Unavailable", 0))
			s.host.ended.Store(&fault) // which ends nothing
			time.AfterFunc(10*time.Second, func() {
				err := error(or3cloud.Errorf(or3cloud.CodeForbidden, "Forbidden"))
				s.host.ended.Store(&err)
			})
			start := time.Now()
			got := s.send(chat, header...)
			if lasted := (<-told).Sub(start); own && (got.err != nil || lasted < time.Minute || s.host.confirms.Load() > 0) ||
				!own && (got.err == nil || lasted < 10*time.Second || lasted > 12*time.Second) {
				t.Errorf("own key %t: %v after %v", own, got.err, lasted)
			}
		})
	}
}

// bubble is when time begins in a bubble.
var bubble = time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)

// A client that disconnects takes its request along, whatever its state.
func TestAClientThatGoesAway(t *testing.T) {
	for name, answers := range map[string]bool{"before the header": false, "in the answer": true} {
		synctest.Test(t, func(t *testing.T) {
			s := newScene(t, or3cloud.RoleEditor, nil)
			defer s.close()
			asked, told := make(chan struct{}), make(chan time.Time, 1)
			s.upstream = func(w http.ResponseWriter, r *http.Request) {
				if answers {
					_ = events(w).Flush()
				}
				close(asked)
				<-r.Context().Done()
				told <- time.Now()
			}
			ctx, stop := context.WithCancel(t.Context())
			go func() {
				<-asked
				stop()
			}()
			start := time.Now()
			if res, err := s.client.Do(s.request(ctx, chat)); err == nil {
				_, _ = io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			if lasted := (<-told).Sub(start); lasted > 0 {
				t.Errorf("%s: the upstream was told after %v", name, lasted)
			}
			synctest.Wait()
			if _, all := s.api.seats.Taken(""); all > 0 {
				t.Errorf("%s: a seat is taken", name)
			}
		})
	}
}

// A client that stops reading holds its upstream back, which does not count as silence of the upstream, and is cut off
// when it has read nothing for as long as every client gets for a piece.
func TestAClientThatStopsReading(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, nil)
		defer s.close()
		written, told := 0, make(chan time.Time, 1)
		s.upstream = func(w http.ResponseWriter, r *http.Request) {
			control := events(w)
			for r.Context().Err() == nil {
				n, err := io.WriteString(w, event)
				if written += n; err != nil || control.Flush() != nil {
					break
				}
			}
			told <- time.Now()
		}
		conn, err := s.front.dial(t.Context(), "", "")
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		start := time.Now()
		if err := s.request(t.Context(), chat).Write(conn); err != nil {
			t.Fatal(err)
		}
		lasted := (<-told).Sub(start)
		if lasted < 30*time.Second || lasted > 32*time.Second || written > 256<<10 {
			t.Errorf("the upstream was told after %v and has written %d bytes", lasted, written)
		}
		synctest.Wait()
		if log := s.log.String(); !strings.Contains(log, "the client has stopped reading") {
			t.Errorf("the log: %s", log)
		}
	})
}

// An upstream gets its time while it reads a large chat, and an answer may be slow as long as it continues.
func TestSlowIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, nil)
		defer s.close()
		s.raw = func(conn net.Conn) {
			defer conn.Close()
			if _, _, err := readRequest(slow{conn}); err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n")
			for range 10 {
				time.Sleep(idleTimeout - time.Second)
				_, _ = io.WriteString(conn, event)
			}
		}
		got := s.send(`{"model":"a","stream":true,"messages":"` + strings.Repeat("x", 1<<20) + `"}`)
		if got.status != 200 || got.err != nil || got.text != strings.Repeat(event, 10) {
			t.Errorf("%d %v, %d bytes", got.status, got.err, len(got.text))
		}
	})
}

// slow takes a second for each read.
type slow struct{ net.Conn }

func (s slow) Read(p []byte) (int, error) {
	time.Sleep(time.Second)
	return s.Conn.Read(p[:min(len(p), 4<<10)])
}

// Neither key nor chat is in the log, whatever happens to a request and wherever in it a key stands.
func TestTheLogNamesNeitherKeyNorChat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, func(o *Options) { o.PerMinute = 6 })
		defer s.close()
		const secret = "sk-or-v1-secret-that-is-nowhere"
		for i, upstream := range []http.HandlerFunc{
			whole,
			func(w http.ResponseWriter, r *http.Request) { http.Error(w, r.Header.Get("Authorization")+prompt, 500) },
			func(w http.ResponseWriter, r *http.Request) {
				http.Redirect(w, r, "http://evil.test/?"+secret, http.StatusFound)
			},
			func(w http.ResponseWriter, _ *http.Request) { events(w); _, _ = io.WriteString(w, "data: "+prompt) },
			func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Content-Type", secret+"/"+prompt)
			},
			func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) },
			whole, // the limit
		} {
			s.upstream = upstream
			r := s.request(t.Context(), strings.Replace(chat, "{", `{"api_key":"`+secret+`",`, 1), "X-Or3-Openrouter-Key", secret, "Authorization", "Bearer "+secret)
			r.URL.RawQuery = "key=" + secret + "&token=" + secret
			res, err := s.client.Do(r)
			if err != nil {
				t.Fatal(err)
			}
			_, _ = io.Copy(io.Discard, res.Body)
			res.Body.Close()
			if i == 6 && res.StatusCode != 429 {
				t.Errorf("%d", res.StatusCode)
			}
		}
		synctest.Wait()
		log := s.log.String()
		if strings.Contains(log, secret) || strings.Contains(log, prompt) || strings.Count(log, "path=/api/openrouter/stream") != 7 {
			t.Errorf("the log: %s", log)
		}
	})
}

// An idle connection that the upstream has closed in the meantime costs no answer.
func TestAConnectionThatWasIdleForTooLong(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, nil)
		defer s.close()
		s.raw = func(conn net.Conn) {
			defer conn.Close()
			if _, _, err := readRequest(conn); err == nil {
				_, _ = io.WriteString(conn, "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nContent-Length: "+fmt.Sprint(len(event))+"\r\n\r\n"+event)
			}
		}
		for range 3 {
			if got := s.send(chat); got.status != 200 || got.text != event {
				t.Errorf("%+v", got)
			}
		}
	})
}

func TestALargeChatIsForgottenWhenItWasSent(t *testing.T) {
	var b bytes.Buffer
	b.WriteString(`{"model":"a","stream":true,"messages":"`)
	b.Write(bytes.Repeat([]byte("x"), 4<<20))
	b.WriteString(`"}`)
	synctest.Test(t, func(t *testing.T) {
		s := newScene(t, or3cloud.RoleEditor, nil)
		defer s.close()
		budget := s.share(128 << 20)
		under, done := make(chan struct{}), make(chan struct{})
		s.upstream = func(w http.ResponseWriter, r *http.Request) {
			_, _ = io.Copy(io.Discard, r.Body)
			_ = events(w).Flush()
			under <- struct{}{}
			<-done
			_, _ = io.WriteString(w, event)
		}
		go func() {
			<-under
			synctest.Wait()
			if now, peak := budget.Held(); now > 0 || peak < 4<<20 {
				t.Errorf("%d bytes are held, %d were at most", now, peak)
			}
			close(done)
		}()
		if got := s.send(b.String()); got.status != 200 || got.text != event {
			t.Errorf("%d %s", got.status, got.text)
		}
	})
}
