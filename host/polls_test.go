package host

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/host/eventsapi"
)

// poller sends a pull that finds nothing new, as a browser does, straight to the handler.
type poller struct {
	handler http.Handler
	request http.Request
	body    []byte
	reader  bytes.Reader
	answer  quietAnswer
}

// quietAnswer is an answer without a cost of its own.
type quietAnswer struct {
	header http.Header
	status int
	text   []byte
}

func (a *quietAnswer) Header() http.Header              { return a.header }
func (a *quietAnswer) WriteHeader(status int)           { a.status = status }
func (a *quietAnswer) Write(p []byte) (int, error)      { a.text = append(a.text, p...); return len(p), nil }
func (a *quietAnswer) SetReadDeadline(time.Time) error  { return nil }
func (a *quietAnswer) SetWriteDeadline(time.Time) error { return nil }

func newPoller(p *person, handler http.Handler, cursor int64) *poller {
	base, _ := url.Parse(p.url + "/api/sync/pull")
	r := httptest.NewRequest("POST", "/api/sync/pull", nil)
	r.Host, r.RemoteAddr = base.Host, "127.0.0.1:54321"
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("Origin", p.url)
	var cookies []string
	for _, c := range p.client.Jar.Cookies(base) {
		cookies = append(cookies, c.Name+"="+c.Value)
	}
	r.Header.Set("Cookie", strings.Join(cookies, "; "))
	body := fmt.Sprintf(`{"scope":{"workspaceId":%q},"cursor":%d,"limit":100}`, p.workspace, cursor)
	return &poller{handler: handler, request: *r, body: []byte(body), answer: quietAnswer{header: http.Header{}}}
}

func (p *poller) poll() {
	p.reader.Reset(p.body)
	r := p.request
	r.Body, r.ContentLength = io.NopCloser(&p.reader), int64(len(p.body))
	clear(p.answer.header)
	p.answer.status, p.answer.text = 0, p.answer.text[:0]
	p.handler.ServeHTTP(&p.answer, &r)
}

// empty reports whether the last poll was answered with an empty page.
func (p *poller) empty() bool {
	return (p.answer.status == 0 || p.answer.status == http.StatusOK) && bytes.HasPrefix(p.answer.text, []byte(`{"changes":[],"nextCursor":`))
}

// mostPollAllocations is what an empty poll may allocate besides what net/http does for every request.
const mostPollAllocations = 36

// A poll that finds nothing new is the most frequent request. What every request pays for is counted here, with the
// providers of the program: identity, membership, limits, log line.
func TestAnEmptyPollCostsLittle(t *testing.T) {
	h := startReal(t, eventsapi.Bounds{}, nil, "OR3_LIMITS_ENABLED=true")
	ann := h.register(t, "ann@example.org")
	ann.push(1)
	p := newPoller(ann, h.Handler(), 1<<40)
	if p.poll(); !p.empty() {
		t.Fatalf("%d %s", p.answer.status, p.answer.text)
	}
	n := testing.AllocsPerRun(200, p.poll)
	if !p.empty() {
		t.Fatalf("%d %s", p.answer.status, p.answer.text)
	}
	t.Logf("%v allocations", n)
	if n > mostPollAllocations && !raceEnabled { // whose pools drop items
		t.Errorf("%v allocations, want %d at most", n, mostPollAllocations)
	}
}

// BenchmarkEmptyPoll is an empty poll with the providers of the program, without net/http.
func BenchmarkEmptyPoll(b *testing.B) {
	h := startReal(b, eventsapi.Bounds{}, nil, "OR3_LIMITS_ENABLED=false")
	ann := h.register(b, "ann@example.org")
	p := newPoller(ann, h.Handler(), 0)
	b.ReportAllocs()
	for b.Loop() {
		p.poll()
	}
	if !p.empty() {
		b.Fatalf("%d %s", p.answer.status, p.answer.text)
	}
}
