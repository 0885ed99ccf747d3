package httpapi

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/membudget"
)

// sender is a body that arrives in parts, each after a pause, until the deadline of its connection. The first part may
// arrive at once.
type sender struct {
	*httptest.ResponseRecorder
	left     int
	atOnce   int
	part     int
	pause    time.Duration
	deadline time.Time
}

func (s *sender) SetReadDeadline(t time.Time) error { s.deadline = t; return nil }

func (s *sender) Read(p []byte) (int, error) {
	if s.atOnce > 0 {
		n := copy(p, bytes.Repeat([]byte(" "), min(len(p), s.atOnce, s.left)))
		s.left, s.atOnce = s.left-n, s.atOnce-n
		return n, nil
	}
	if !s.deadline.IsZero() && time.Now().Add(s.pause).After(s.deadline) {
		time.Sleep(time.Until(s.deadline))
		return 0, errors.New("i/o timeout")
	}
	time.Sleep(s.pause)
	if s.left == 0 {
		return 0, io.EOF
	}
	n := copy(p, bytes.Repeat([]byte(" "), min(s.part, s.left)))
	s.left -= n
	return n, nil
}

// A body may be slow, but it must not stall, whatever size it announced, nor take indefinitely.
func TestHowSlowABodyMayBe(t *testing.T) {
	for name, c := range map[string]struct {
		size, atOnce, part int
		pause              time.Duration
		ok                 bool
		within             time.Duration
	}{
		"a slow but honest one":            {8 << 20, 0, 32 << 10, time.Second, true, longest},
		"a small one at a crawl":           {4 << 10, 0, 256, time.Second, true, time.Minute},
		"one that pauses":                  {4 << 20, 3 << 20, 1 << 20, 25 * time.Second, true, 2 * time.Minute},
		"one that stalls":                  {64 << 20, 0, 1, time.Hour, false, time.Minute},
		"one that stalls after a sprint":   {64 << 20, 40 << 20, 1, time.Hour, false, time.Minute},
		"one that stalls before its end":   {64 << 20, 64<<20 - 1, 1, time.Hour, false, time.Minute},
		"one that trickles":                {64 << 20, 0, 1, 100 * time.Millisecond, false, time.Minute},
		"one that trickles after a sprint": {64 << 20, 40 << 20, 1, 100 * time.Millisecond, false, time.Minute},
		"one without end":                  {64 << 20, 0, 17 << 10, time.Second, false, longest + time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := &sender{ResponseRecorder: httptest.NewRecorder(), left: c.size, atOnce: c.atOnce, part: c.part, pause: c.pause}
				r := httptest.NewRequest("POST", "/api/x", nil)
				r.Body, r.ContentLength = io.NopCloser(s), int64(c.size)
				LimitBody(s, r, 64<<20)
				began := time.Now()
				_, err := ReadBody(r)
				if took := time.Since(began); (err == nil) != c.ok || took > c.within {
					t.Errorf("%v after %v", err, took)
				}
			})
		})
	}
}

// If there is no memory for a user's body, the server reads it to the end so that the user sees the answer, and
// releases the memory of what it has read.
func TestABodyWithoutMemoryIsReadAndForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		budget := membudget.New(100 << 20)
		var hogs [2]membudget.Tab
		for i := range hogs {
			hogs[i].Open(budget, func() (string, bool, error) { return "user", true, nil })
			for hogs[i].TryGrow(1 << 20) {
			}
		}
		if err := hogs[1].Grow(t.Context(), 1<<20); err != nil { // the reserve
			t.Fatal(err)
		}
		before, _ := budget.Held()
		router := Router{Budget: budget, Caller: func(*http.Request) (string, error) { return "user", nil }}
		if err := router.Add("test", or3cloud.Route{Method: "POST", Path: "/api/x", MaxBody: 64 << 20, Handle: func(_ http.ResponseWriter, r *http.Request) error {
			_, err := ReadBody(r)
			return err
		}}); err != nil {
			t.Fatal(err)
		}
		body := strings.NewReader(strings.Repeat(" ", 30<<20))
		w := httptest.NewRecorder()
		rw, r := WithRecord(w, httptest.NewRequest("POST", "/api/x", body), &Record{})
		Respond(rw, r, router.Serve)
		if w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" || body.Len() != 0 {
			t.Errorf("%d %v, %d bytes unread", w.Code, w.Header(), body.Len())
		}
		if now, _ := budget.Held(); now != before {
			t.Errorf("%d bytes are held, %d before", now, before)
		}
	})
}

// A route that passes a file on reserves its buffer, and waits for it before anything else happens.
func TestBuffersOfTransfersAreCounted(t *testing.T) {
	budget := membudget.New(100 << 20)
	router := Router{Budget: budget}
	if err := router.Add("test", or3cloud.Route{Method: "GET", Path: "/api/x", Buffer: 128 << 10, Handle: func(http.ResponseWriter, *http.Request) error {
		if now, _ := budget.Held(); now != 128<<10 {
			t.Errorf("%d bytes are held", now)
		}
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	rw, r := WithRecord(httptest.NewRecorder(), httptest.NewRequest("GET", "/api/x", nil), &Record{})
	Respond(rw, r, router.Serve)
	if now, _ := budget.Held(); now != 0 {
		t.Errorf("%d bytes are left", now)
	}
}

// taker is a client that never reads.
type taker struct {
	*httptest.ResponseRecorder
	deadline time.Time
}

func (c *taker) SetWriteDeadline(t time.Time) error { c.deadline = t; return nil }

func (c *taker) Write([]byte) (int, error) {
	ctx, cancel := context.WithDeadline(context.Background(), c.deadline)
	defer cancel()
	<-ctx.Done()
	return 0, ctx.Err()
}

// An answer that the client does not read ends within a minute, however large it is and whichever handler writes it.
func TestAnswersThatAreNotTakenEnd(t *testing.T) {
	large := make([]byte, 100<<20)
	for name, write := range map[string]func(w http.ResponseWriter){
		"JSON":   func(w http.ResponseWriter) { WriteRaw(w, large) },
		"writer": func(w http.ResponseWriter) { _, _ = w.Write(large) },
		"reader": func(w http.ResponseWriter) { _, _ = io.Copy(w, struct{ io.Reader }{bytes.NewReader(large)}) },
		"a deadline of the handler's own": func(w http.ResponseWriter) {
			_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(24 * time.Hour))
			_, _ = w.Write(large)
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				w, _ := WithRecord(&taker{ResponseRecorder: httptest.NewRecorder()}, httptest.NewRequest("GET", "/", nil), &Record{})
				began := time.Now()
				write(w)
				if took := time.Since(began); took > time.Minute {
					t.Errorf("it took %v", took)
				}
			})
		})
	}
}

// Whatever pieces a source comes in, all of it is passed on.
func TestReadFromPassesEverythingOn(t *testing.T) {
	text := bytes.Repeat([]byte("0123456789"), piece/4)
	for name, src := range map[string]io.Reader{
		"a reader":      struct{ io.Reader }{bytes.NewReader(text)},
		"a limited one": &io.LimitedReader{R: bytes.NewReader(append(text, "more"...)), N: int64(len(text))},
		"a short one":   &io.LimitedReader{R: bytes.NewReader(text), N: int64(2 * len(text))},
	} {
		out, record := httptest.NewRecorder(), &Record{}
		w, _ := WithRecord(out, httptest.NewRequest("GET", "/", nil), record)
		n, err := w.(io.ReaderFrom).ReadFrom(src)
		if err != nil || n != int64(len(text)) || record.Bytes != n || !bytes.Equal(out.Body.Bytes(), text) {
			t.Errorf("%s: %d bytes, %v, %d noted", name, n, err, record.Bytes)
		}
	}
}

// late is a body that records whether it was read before the answer began.
type late struct {
	io.Reader
	answer *httptest.ResponseRecorder
	early  bool
}

func (b *late) Read(p []byte) (int, error) {
	b.early = b.early || b.answer.Header().Get("Content-Type") != ""
	return b.Reader.Read(p)
}

func (b *late) Close() error { return nil }

// A proxy that asks to close the connection keeps sending while the answer arrives. If the server closed it then, the
// proxy would answer 502 instead of passing our answer on.
func TestARefusalReadsTheBodyBeforeTheConnectionIsClosed(t *testing.T) {
	for _, size := range []int{1, 1000, UnknownBody, 10 * UnknownBody} {
		w := httptest.NewRecorder()
		text := strings.NewReader(strings.Repeat("x", size))
		b := &late{Reader: text, answer: w}
		r := httptest.NewRequest("POST", "/api/x", nil)
		r.Body, r.Close = b, true
		WriteError(w, r, or3cloud.Unavailable(nil, "The server is starting", time.Second))
		if left := text.Len(); left != max(0, size-UnknownBody) || b.early || w.Code != 503 {
			t.Errorf("%d of %d bytes are left, after the answer: %v, %d", left, size, b.early, w.Code)
		}
	}
}

// A large body of an unknown sender is refused, unless its route accepts anonymous requests.
func TestLargeBodiesOfUnknownSenders(t *testing.T) {
	for _, anonymous := range []bool{false, true} {
		router := Router{Budget: membudget.New(64 << 20), Caller: func(*http.Request) (string, error) { return "", nil }}
		read := 0
		err := router.Add("test", or3cloud.Route{
			Method: "POST", Path: "/api/x", MaxBody: 1 << 20, Anonymous: func(r *http.Request) bool { return anonymous && r.Header.Get("Key") == "x" },
			Handle: func(_ http.ResponseWriter, r *http.Request) error {
				text, err := ReadBody(r)
				read = len(text)
				return err
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for key, want := range map[string]bool{"x": anonymous, "": false} {
			r := httptest.NewRequest("POST", "/api/x", strings.NewReader(strings.Repeat("x", 2*UnknownBody)))
			r.Header.Set("Key", key)
			w := httptest.NewRecorder()
			rw, r := WithRecord(w, r, RecordOf(r))
			read = 0
			Respond(rw, r, router.Serve)
			if (w.Code == 200) != want || want != (read == 2*UnknownBody) || !want && w.Code != 401 {
				t.Errorf("anonymous %t, key %q: %d, %d bytes", anonymous, key, w.Code, read)
			}
		}
	}
}

// A body that announces too large a size is refused for that, with its limit and without taking memory, even if there
// is none left.
func TestTooLargeBodiesTakeNoMemory(t *testing.T) {
	const limit = 16 << 20
	budget := membudget.New(8 << 20)
	router := Router{Budget: budget, Caller: func(*http.Request) (string, error) { return "user", nil }}
	if err := router.Add("test", or3cloud.Route{Method: "POST", Path: "/api/x", MaxBody: limit, Handle: func(_ http.ResponseWriter, r *http.Request) error {
		text, err := ReadBody(r)
		if err != nil {
			return BodyError(r, err, "Invalid")
		}
		if len(text) != limit {
			t.Errorf("%d bytes", len(text))
		}
		return nil
	}}); err != nil {
		t.Fatal(err)
	}
	send := func(size int) int {
		w := httptest.NewRecorder()
		rw, r := WithRecord(w, httptest.NewRequest("POST", "/api/x", strings.NewReader(strings.Repeat(" ", size))), &Record{})
		Respond(rw, r, router.Serve)
		return w.Code
	}
	if got := send(limit + 1); got != http.StatusRequestEntityTooLarge {
		t.Errorf("one byte too many: %d", got)
	}
	if now, peak := budget.Held(); now > 0 || peak > 0 {
		t.Errorf("%d bytes are held, %d were at most", now, peak)
	}
	budget = membudget.New(128 << 20)
	router.Budget = budget
	if got := send(limit); got != http.StatusOK {
		t.Errorf("as many as there may be: %d", got)
	}
}
