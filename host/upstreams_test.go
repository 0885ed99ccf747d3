package host

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/internal/patience"
)

// Texts that must be neither logged nor stored. The log recognises keys by their form, so this one does not have it.
const (
	annsKey    = "a-key-that-looks-like-none"
	annsPrompt = "a prompt that is in no log and in no file"
)

// misbehaviour is what a model server does once it has a chat, and what clients get of it: the one that waits for it,
// and, in the background, the readers of the job and the history.
type misbehaviour struct {
	name string
	// setting is what makes the host impatient, where that counts; the others are not hurried.
	setting string
	does    func(*net.TCPConn) error
	// status and text are what the waiting client gets; the stream is cut off if cut. A text that ends with "…" is a
	// beginning. header is one of its fields, "Name: value".
	status int
	text   string
	cut    bool
	header string
	// end is how the job ends: "complete", or the text of its error. content and thought are what has arrived.
	end, content, thought string
}

const (
	hurryHeader   = "OR3_MODEL_HEADER_TIMEOUT_MS=500"
	hurryFrames   = "OR3_MODEL_IDLE_TIMEOUT_MS=500"
	notReached    = "Failed to reach OpenRouter"
	notUnderstood = "The answer from OpenRouter could not be read"
	brokenOff     = "The answer was broken off"
	streamHeader  = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream; charset=utf-8\r\n"
)

// writes answers with a text and closes the connection.
func writes(text string) func(*net.TCPConn) error {
	return func(c *net.TCPConn) error {
		_, err := io.WriteString(c, text)
		return err
	}
}

// streams answers with events, whose end is that of the connection.
func streams(text string) func(*net.TCPConn) error { return writes(streamHeader + "\r\n" + text) }

// chunks answers with events and what follows them, in the coding of HTTP/1.1.
func chunks(text, rest string) func(*net.TCPConn) error {
	return writes(fmt.Sprintf("%sTransfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n%s", streamHeader, len(text), text, rest))
}

// hangs does what f does, and waits for the other end.
func hangs(f func(*net.TCPConn) error) func(*net.TCPConn) error {
	return func(c *net.TCPConn) error {
		if err := f(c); err != nil {
			return err
		}
		_, err := io.Copy(io.Discard, c)
		return err
	}
}

// resets does what f does and resets the connection.
func resets(f func(*net.TCPConn) error) func(*net.TCPConn) error {
	return func(c *net.TCPConn) error {
		if err := f(c); err != nil {
			return err
		}
		return c.SetLinger(0)
	}
}

func respond(status, kind, more, text string) func(*net.TCPConn) error {
	return writes("HTTP/1.1 " + status + "\r\nContent-Type: " + kind + "\r\n" + more + "\r\n" + text)
}

// misbehaviours are all of them; elsewhere is the target of a redirect.
func misbehaviours(elsewhere string) []misbehaviour {
	hello, odd := says("Hello"), "a\x00\x01\u2028<&>\"\\😀"
	const fault = `data: {"error":{"message":"overloaded"}}` + "\n\n"
	large := strings.Repeat("x", 10<<20)
	controls, controlFrames := strings.Repeat("\x01<", 110<<10), strings.Repeat(says(strings.Repeat("\x01<", 1<<10)), 110)
	nested := `data: {"choices":[],"usage":{"x":` + strings.Repeat(`{"x":`, 300) + "1" + strings.Repeat("}", 300) + "}}\n\n"
	return []misbehaviour{
		{name: "is well", does: streams(hello + said), status: 200, text: hello + said, end: "complete", content: "Hello"},
		{name: "closes", does: writes(""), status: 502, text: notReached, end: notReached},
		{name: "resets", does: resets(writes("")), status: 502, text: notReached, end: notReached},
		{name: "no header", setting: hurryHeader, does: hangs(writes("")), status: 504, text: "OpenRouter has not answered in time", end: "OpenRouter has not answered in time"},
		{name: "a header that takes long", setting: hurryHeader, does: hangs(writes("HTTP/1.1 200 OK\r\n")), status: 504, text: "OpenRouter has not answered in time", end: "OpenRouter has not answered in time"},
		{name: "sends the chat back in a header", does: writes("HTTP/1.1 200 OK\r\n" + annsPrompt + " " + annsKey + "\r\n\r\n"), status: 502, text: notReached, end: notReached},
		{name: "sends the chat back instead of trailers", does: chunks(hello, "0\r\n"+annsPrompt+" "+annsKey+"\r\n\r\n"), status: 200, text: hello, cut: true, end: brokenOff, content: "Hello"},
		{name: "is silent", setting: hurryFrames, does: hangs(streams(hello)), status: 200, text: hello, cut: true, end: brokenOff, content: "Hello"},
		{name: "is silent in a frame", setting: hurryFrames, does: hangs(streams(hello + `data: {"cho`)), status: 200, text: hello + `data: {"cho`, cut: true, end: brokenOff, content: "Hello"},
		{name: "closes in a frame", does: streams(hello + `data: {"cho`), status: 200, text: hello + `data: {"cho`, cut: true, end: brokenOff, content: "Hello"},
		{name: "closes in a chunk", does: writes(streamHeader + "Transfer-Encoding: chunked\r\n\r\nffff\r\n" + hello), status: 200, text: hello, cut: true, end: brokenOff, content: "Hello"},
		{name: "closes before the last chunk", does: chunks(hello, ""), status: 200, text: hello, cut: true, end: brokenOff, content: "Hello"},
		{name: "a page", does: respond("200 OK", "text/html", "", "<h1>Welcome"), status: 502, text: notReached, end: notUnderstood},
		{name: "a page that is called a stream", does: streams("<h1>Welcome</h1>\n"), status: 200, text: "<h1>Welcome</h1>\n", end: brokenOff},
		{name: "frames that are a page", does: streams("data: <h1>Welcome\n\n"), status: 200, text: "data: <h1>Welcome\n\n", end: notUnderstood},
		{name: "too often", does: respond("429 Too Many Requests", "application/json", "Retry-After: 17\r\n", "slow down, "+annsKey), status: 429, text: "slow down, [key]",
			header: "Retry-After: 17", end: "slow down, [key]"},
		{name: "a large fault", does: respond("500 Oops", "text/plain", "", large), status: 500, text: large[:2000], end: large[:2000]},
		{name: "a fault without a text", does: respond("503 Oops", "text/plain", "", ""), status: 503, text: "", end: "OpenRouter answered with status 503"},
		{name: "a large frame", does: streams(says(large)), status: 200, text: says(large), end: notUnderstood},
		{name: "no UTF-8", does: streams(says("a") + "data: {\"choices\":[{\"delta\":{\"content\":\"\xff\\ud83d\"}}]}\n\n" + said), status: 200,
			text: says("a") + "data: {\"choices\":[{\"delta\":{\"content\":\"\xff\\ud83d\"}}]}\n\n" + said, end: "complete", content: "a\uFFFD\uFFFD"},
		{name: "odd characters", does: streams(says(odd) + said), status: 200, text: says(odd) + said, end: "complete", content: odd},
		{name: "many characters that JSON escapes", does: streams(controlFrames + said), status: 200, text: controlFrames + said, end: "complete", content: controls},
		{name: "CR", does: streams(strings.ReplaceAll(hello+said, "\n", "\r")), status: 200, text: strings.ReplaceAll(hello+said, "\n", "\r"), end: "complete", content: "Hello"},
		{name: "CR and LF", does: streams(strings.ReplaceAll(hello+said, "\n", "\r\n")), status: 200, text: strings.ReplaceAll(hello+said, "\n", "\r\n"), end: "complete", content: "Hello"},
		{name: "comments alone", does: streams(": OPENROUTER PROCESSING\n\n"), status: 200, text: ": OPENROUTER PROCESSING\n\n", end: brokenOff},
		{name: "no [DONE]", does: streams(hello), status: 200, text: hello, end: brokenOff, content: "Hello"},
		{name: "a reason and no [DONE]", does: streams(hello + `data: {"choices":[{"delta":{},"finish_reason":"stop"}]}` + "\n\n"), status: 200, text: hello + "data: …",
			end: "complete", content: "Hello"},
		{name: "keeps the connection after [DONE]", does: hangs(streams(hello + said)), status: 200, text: hello + said, end: "complete", content: "Hello"},
		{name: "says more than it was asked", does: func(c *net.TCPConn) error {
			_, err := fmt.Fprintf(c, "%sContent-Length: %d\r\n\r\n%sHTTP/1.1 200 OK\r\n\r\n%s %s", streamHeader, len(hello+said), hello+said, annsPrompt, annsKey)
			return err
		}, status: 200, text: hello + said, end: "complete", content: "Hello"},
		{name: "a fault in the stream", does: streams(hello + fault), status: 200, text: hello + fault, end: "overloaded", content: "Hello"},
		{name: "a key in a fault in the stream", does: streams(strings.Replace(fault, "overloaded", "no "+annsKey, 1)), status: 200, text: "data: {…", end: "no [key]"},
		{name: "compressed", does: writes(streamHeader + "Content-Encoding: gzip\r\n\r\n\x1f\x8b\x08"), status: 502, text: notReached, end: notUnderstood},
		{name: "a redirect", does: respond("307 Temporary Redirect", "text/html", "Location: "+elsewhere+"\r\n", "go there"), status: 502, text: notReached, end: notUnderstood},
		{name: "hints before the answer", does: writes("HTTP/1.1 103 Early Hints\r\nLink: <x>\r\n\r\n" + streamHeader + "\r\n" + hello + said), status: 200, text: hello + said,
			end: "complete", content: "Hello"},
		{name: "trailers", does: chunks(hello+said, "0\r\nX-Usage: 7\r\n\r\n"), status: 200, text: hello + said, end: "complete", content: "Hello"},
		{name: "an answer without end", does: func(c *net.TCPConn) error {
			err := streams("")(c)
			for err == nil {
				_, err = io.WriteString(c, says(strings.Repeat("x", 1<<10)))
			}
			return err
		}, status: 200, text: "data: …", cut: true, end: "The answer has become too long", content: strings.Repeat("x", 224<<10)},
		{name: "thoughts alone", does: streams(`data: {"choices":[{"delta":{"reasoning":"Hm"}}]}` + "\n\n" + said), status: 200, text: "data: {…", end: "complete", thought: "Hm"},
		{name: "a call of a tool", does: streams(`data: {"choices":[{"delta":{"tool_calls":[{"index":0,"function":{"name":"f"}}]}}]}` + "\n\n" + said), status: 200, text: "data: {…",
			end: "The model called a tool that it was not offered"},
		{name: "usage alone", does: streams(`data: {"choices":[],"usage":{"total_tokens":7}}` + "\n\n" + said), status: 200, text: "data: {…", end: "complete"},
		{name: "usage that is nested deeply", does: streams(hello + nested + said), status: 200, text: hello + nested + said, end: "complete", content: "Hello"},
		{name: "nothing", does: streams(""), status: 200, text: "", end: brokenOff},
		{name: "no content", does: writes("HTTP/1.1 204 No Content\r\n\r\n"), status: 502, text: notReached, end: brokenOff},
		{name: "a frame in several lines", does: streams("\uFEFFdata: {\"choices\":[{\"delta\":\ndata: {\"content\":\"Hello\"}}]}\n\n" + said), status: 200, text: "\uFEFFdata: …",
			end: "complete", content: "Hello"},
	}
}

// misbehaving starts a model server that treats the chat of model "a7" as the seventh of all does.
func misbehaving(t *testing.T, all []misbehaviour) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var conns sync.WaitGroup
	conns.Go(func() {
		for {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			conns.Go(func() {
				defer c.Close()
				r, err := http.ReadRequest(bufio.NewReader(c))
				if err != nil {
					return
				}
				var chat struct{ Model string }
				text, err := io.ReadAll(r.Body)
				if err != nil || json.Unmarshal(text, &chat) != nil {
					return
				}
				if auth := r.Header.Get("Authorization"); auth != "Bearer "+annsKey || bytes.Contains(text, []byte(`"_`)) || !bytes.Contains(text, []byte(annsPrompt)) {
					t.Errorf("a server of models is asked %q: %s", auth, text)
				}
				n, err := strconv.Atoi(strings.TrimPrefix(chat.Model, "a"))
				if err != nil || n >= len(all) {
					t.Errorf("model %q: %v", chat.Model, err)
					return
				}
				_ = all[n].does(c.(*net.TCPConn)) // the other end may already be gone
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		conns.Wait()
	})
	return "http://" + ln.Addr().String()
}

// askWithKey sends a chat with a key of the user's own.
func (p *person) askWithKey(t *testing.T, body string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "POST", p.url+"/api/openrouter/stream", strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("X-Or3-Openrouter-Key", annsKey)
	res, err := p.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { res.Body.Close() })
	return res
}

// matches compares a text with the expected one, which ends with "…" if it is a beginning.
func matches(got, want string) bool {
	beginning, part := strings.CutSuffix(want, "…")
	return got == want || part && strings.HasPrefix(got, beginning)
}

// Whatever a model server does, each endpoint answers as the contract says, nothing that names a key or a chat is
// logged or stored, and nothing is left behind.
func TestServersOfModelsThatMisbehave(t *testing.T) {
	elsewhere := models(t, func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") })
	for _, setting := range []string{"OR3_MODEL_IDLE_TIMEOUT_MS=120000", hurryHeader, hurryFrames} {
		t.Run(setting, func(t *testing.T) {
			testMisbehaviours(t, setting, slices.DeleteFunc(misbehaviours(elsewhere), func(c misbehaviour) bool {
				return c.setting != setting && (c.setting != "" || strings.HasSuffix(setting, "=500"))
			}))
		})
	}
}

func testMisbehaviours(t *testing.T, setting string, all []misbehaviour) {
	r := startReal(t, eventsapi.Bounds{}, nil, "OPENROUTER_API_KEY=another-key", "OR3_OPENROUTER_BASE_URL="+misbehaving(t, all), "OR3_BACKGROUND_STREAMING_ENABLED=true",
		"OR3_LOG_LEVEL=debug", "OR3_REQUESTS_PER_MINUTE=1000", "OR3_BACKGROUND_MAX_JOBS=100", "OR3_BACKGROUND_MAX_JOBS_PER_USER=100", setting,
		`OR3_RATE_LIMIT_OVERRIDES_JSON={"sync:pull":{"windowMs":60000,"maxRequests":1000000}}`)
	t.Cleanup(func() {
		if t.Failed() {
			for line := range strings.Lines(r.log.String()) {
				if !strings.Contains(line, "level=DEBUG") {
					t.Logf("%.500s", line)
				}
			}
		}
	})
	p := r.register(t, "ann@example.test")
	settled := func() int {
		p.client.CloseIdleConnections()
		r.running.Load().models.Close()
		runtime.GC()
		return runtime.NumGoroutine()
	}
	before := settled()
	secret := `"messages":[{"role":"system","content":"` + annsPrompt + `"}]`
	t.Run("each", func(t *testing.T) {
		for n, c := range all {
			model := fmt.Sprintf(`"model":"a%d",`, n)
			t.Run(c.name, func(t *testing.T) {
				t.Run("waiting", func(t *testing.T) {
					res := p.askWithKey(t, `{`+model+`"stream":true,"_threadId":"t",`+secret+`}`)
					in := io.Reader(res.Body)
					if c.cut && strings.HasSuffix(c.text, "…") { // there is no end
						in = io.LimitReader(in, 1<<20)
					}
					text, err := io.ReadAll(in)
					if c.cut && in != res.Body {
						err = errors.New("left")
					}
					name, value, _ := strings.Cut(c.header, ": ")
					if res.StatusCode != c.status || !matches(string(text), c.text) || (err != nil) != c.cut || res.Header.Get(name) != value {
						t.Errorf("%d %v %.200q %v", res.StatusCode, res.Header, text, err)
					}
					kind := "text/plain; charset=utf-8"
					if c.status == 200 {
						kind = "text/event-stream"
					}
					for name, want := range map[string]string{
						"Content-Type": kind, "X-Or3-Stream-Route": "1", "X-Or3-Credential-Source": "personal", "Content-Encoding": "", "Location": "", "X-Usage": "", "Link": "",
					} {
						if got := res.Header.Get(name); got != want {
							t.Errorf("%s: %q", name, got)
						}
					}
				})
				t.Run("background", func(t *testing.T) {
					wish := strings.Replace(strings.Replace(p.wish(n, ""), `"model":"a",`, model, 1), `"messages":[{"role":"user","content":"why?"}]`, secret, 1)
					p.endsAs(t, c, n, p.askWithKey(t, wish))
				})
			})
		}
	})
	for name, text := range map[string]string{"the log": r.log.String(), "a file": everyFile(t, r.instance.Options().DataDir)} {
		for _, secret := range []string{annsKey, annsPrompt} {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("%s has %q: %q", name, secret, text[max(0, at-200):at])
			}
		}
	}
	run := r.running.Load()
	patience.Until(t, "no goroutine is left", func() bool { return settled() <= before+5 && run.answers.UnderWay() == 0 && run.answers.Readers() == 0 })
}

// endsAs follows a background answer from the answer to its start on.
func (p *person) endsAs(t *testing.T, c misbehaviour, n int, res *http.Response) {
	t.Helper()
	var begun struct{ JobID, Status string }
	if err := json.NewDecoder(res.Body).Decode(&begun); err != nil || res.StatusCode != 200 || begun.Status != "streaming" {
		t.Fatalf("%d %+v %v", res.StatusCode, begun, err)
	}
	status := "complete"
	if c.end != status {
		status = "error"
	}
	differs := func(s jobStatus) bool {
		return s.ID != begun.JobID || s.Status != status || (status == "error") != (s.Error == c.end) || s.Content == nil || *s.Content != c.content ||
			s.Reasoning == nil || *s.Reasoning != c.thought
	}
	get := func(method, path, body string, into any) {
		t.Helper()
		res, text, err := p.send(t.Context(), method, path, body)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%s: %v %v %s", path, err, res, text)
		}
		if path != "/api/jobs/"+begun.JobID+"/stream" {
			if err := json.Unmarshal(text, into); err != nil {
				t.Fatalf("%s: %v %s", path, err, text)
			}
			return
		}
		frames := strings.Split(strings.TrimSpace(string(text)), "\n\n")
		if err := json.Unmarshal([]byte(strings.TrimPrefix(frames[len(frames)-1], "data: ")), into); err != nil {
			t.Fatalf("%v: %.300q", err, text)
		}
	}
	var last struct {
		Event  string
		Status jobStatus
	}
	if get("GET", "/api/jobs/"+begun.JobID+"/stream", "", &last); last.Event != "status" || differs(last.Status) {
		t.Errorf("the last event: %.300v", last)
	}
	var s jobStatus
	if get("GET", "/api/jobs/"+begun.JobID+"/status", "", &s); differs(s) {
		t.Errorf("the status: %.300v, %.100v", s, s.Error)
	}
	wish := fmt.Sprintf("admission-%d", n)
	var found struct{ JobID, Status, ThreadID, MessageID string }
	get("GET", "/api/jobs/admission/"+wish, "", &found)
	if found.JobID != begun.JobID || found.Status != status || found.ThreadID != fmt.Sprintf("t%d", n) || found.MessageID != fmt.Sprintf("a%d", n) {
		t.Errorf("the admission: %+v", found)
	}
	var stopped struct {
		Aborted, Pending      bool
		JobID, State, Message string
	}
	if get("POST", "/api/jobs/"+begun.JobID+"/abort", "", &stopped); stopped.Aborted || stopped.Message != "Job not found, unauthorized, or already complete" {
		t.Errorf("an abort: %+v", stopped)
	}
	get("POST", "/api/jobs/admission-abort", `{"admissionId":"`+wish+`"}`, &stopped)
	if stopped.Aborted || stopped.Pending || stopped.JobID != begun.JobID || stopped.State != "already_terminal" {
		t.Errorf("an abort of the wish: %+v", stopped)
	}
	state := map[string]string{"complete": "complete", "error": "failed"}[status]
	data := p.synced(fmt.Sprintf("a%d", n), state)
	thought, _ := data["reasoning_text"].(string)
	if fault, _ := data["error"].(string); data["content"] != c.content || thought != c.thought || (status == "error") != (fault == c.end) {
		t.Errorf("the history has %.300v", data)
	}
}

// everyFile returns what is stored below a directory.
func everyFile(t *testing.T, dir string) string {
	t.Helper()
	var all strings.Builder
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() {
			return ignoreAbsent(err)
		}
		text, err := os.ReadFile(path)
		all.Write(text)
		return ignoreAbsent(err)
	})
	if err != nil {
		t.Fatal(err)
	}
	return all.String()
}
