package host

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/patience"
)

const cursorBody = `{"scope":{"workspaceId":"ws"},"deviceId":"d","version":1}`

// started is a host that is served on a real port.
type started struct {
	url  string
	stop context.CancelFunc
	done chan error
}

func start(t testing.TB, h *Host, grace time.Duration) started {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(stop)
	s := started{url: "http://" + ln.Addr().String(), stop: stop, done: make(chan error, 1)}
	go func() {
		s.done <- httpapi.Serve(ctx, ln, h, httpapi.ServeOptions{Log: h.log, Grace: grace, HeaderTimeout: patience.Limit})
	}()
	return s
}

func (s started) cursor() (*http.Response, error) {
	r, err := http.NewRequest("POST", s.url+"/api/sync/update-cursor", strings.NewReader(cursorBody))
	if err != nil {
		return nil, err
	}
	r.AddCookie(&http.Cookie{Name: "who", Value: "ann"})
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	res, err := client.Do(r)
	if err == nil {
		_, _ = io.Copy(io.Discard, res.Body)
		res.Body.Close()
	}
	return res, err
}

// A request that does not end is cut off when the time of OR3_SHUTDOWN_TIMEOUT_MS is up.
func TestShutdownTimeoutIsASetting(t *testing.T) {
	w := newWorld()
	h := w.host(t, defaults("OR3_SHUTDOWN_TIMEOUT_MS", "1"))
	if err := h.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(context.Background())
	defer stop()
	done := make(chan error, 1)
	go func() { done <- Serve(ctx, ln, h) }()
	s, cut := started{url: "http://" + ln.Addr().String()}, make(chan error, 1)
	go func() {
		_, err := s.cursor()
		cut <- err
	}()
	<-w.gateway.entered
	stop() // and nothing ever releases the request
	if err := <-done; err != nil {
		t.Error(err)
	}
	<-cut
	if !strings.Contains(w.log.String(), "cut off") {
		t.Errorf("log: %s", &w.log)
	}
}

// Client-behaviour Pitfall 1: the port stays open and answers 503 until the last moment.
func TestShutdownAnswers503WhileOthersFinishPitfall1(t *testing.T) {
	w := newWorld()
	h := w.host(t, defaults())
	s := start(t, h, 2*patience.Limit)
	if res, err := s.cursor(); err != nil || res.StatusCode != 503 || res.Header.Get("Retry-After") == "" {
		t.Fatalf("before Open: %v %v", res, err)
	}
	if err := h.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	first := make(chan int, 1)
	go func() {
		res, err := s.cursor()
		if err != nil {
			first <- 0
			return
		}
		first <- res.StatusCode
	}()
	<-w.gateway.entered
	s.stop()
	for { // until the shutdown has begun, pages are still served
		res, err := http.Get(s.url)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode == 503 {
			break
		}
	}
	res, err := s.cursor()
	if err != nil || res.StatusCode != 503 || res.Header.Get("Retry-After") == "" || !res.Close {
		t.Errorf("while draining: %v %v", res, err)
	}
	close(w.gateway.release)
	if status := <-first; status != 200 {
		t.Errorf("the request under way got %d", status)
	}
	if err := <-s.done; err != nil {
		t.Error(err)
	}
	if got := strings.Join(w.events, ", "); got != "open sync, open auth, open storage, close storage, close auth, close sync" {
		t.Error(got)
	}
	if _, err := s.cursor(); err == nil {
		t.Error("the port is still open")
	}
}

func TestShutdownCutsOffWhatOutlivesTheGrace(t *testing.T) {
	w := newWorld()
	h := w.host(t, defaults())
	if err := h.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := start(t, h, time.Millisecond)
	first := make(chan error, 1)
	go func() {
		_, err := s.cursor()
		first <- err
	}()
	<-w.gateway.entered // and never released: only its context ends it
	s.stop()
	if err := <-s.done; err != nil {
		t.Error(err)
	}
	<-first
}

func TestServeReturnsTheListenersFailure(t *testing.T) {
	h := newWorld().host(t, defaults())
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	if err := Serve(t.Context(), ln, h); !errors.Is(err, net.ErrClosed) {
		t.Error(err)
	}
}
