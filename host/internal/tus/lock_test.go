package tus

import (
	"context"
	"io"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// slowStore has one upload of ten bytes, and finds it only when it may.
type slowStore struct {
	Store
	find    chan struct{}
	content strings.Builder
}

func (s *slowStore) Find(context.Context, string) (size, offset int64, err error) {
	<-s.find
	return 10, int64(s.content.Len()), nil
}

func (s *slowStore) Append(_ context.Context, _ string, _ int64, body io.Reader) (int64, error) {
	return io.Copy(&s.content, body)
}

// serve answers a request in the background and returns where the answer will be.
func serve(t *testing.T, ctx context.Context, h *Handler, store Store, method string, body io.Reader) <-chan *httptest.ResponseRecorder {
	answer := make(chan *httptest.ResponseRecorder, 1)
	r := httptest.NewRequestWithContext(ctx, method, "/uploads/u", body)
	r.Header.Set("Tus-Resumable", "1.0.0")
	r.Header.Set("Upload-Offset", "0")
	r.Header.Set("Content-Type", "application/offset+octet-stream")
	r.ContentLength = 10
	go func() {
		w := httptest.NewRecorder()
		if err := h.Serve(w, r, "u", store); err != nil {
			t.Errorf("%s: %v", method, err)
		}
		answer <- w
	}()
	return answer
}

// TestStalledRequestGivesWay lets a client that lost its connection ask for its offset while its last request is still
// considered alive: before that one reads its body, or while it does.
func TestStalledRequestGivesWay(t *testing.T) {
	for name, early := range map[string]bool{"before it reads": true, "while it reads": false} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithCancel(t.Context())
				h, store := New("/uploads"), &slowStore{find: make(chan struct{})}
				body, feed := io.Pipe()
				start := time.Now()
				stalled := serve(t, ctx, h, store, "PATCH", body)
				sent := ""
				if !early {
					close(store.find)
					sent = "abc"
					io.WriteString(feed, sent)
				}
				synctest.Wait() // the request looks for its upload, or waits for more
				asking := serve(t, ctx, h, store, "HEAD", nil)
				synctest.Wait() // that one waits for the lock, or is answered
				if early {
					close(store.find)
				}
				w := <-asking
				if w.Code != 200 || w.Header().Get("Upload-Offset") != map[bool]string{true: "0", false: "3"}[early] {
					t.Errorf("HEAD: %d %v", w.Code, w.Header())
				}
				<-stalled
				if waited := time.Since(start); waited > time.Second || store.content.String() != sent {
					t.Errorf("after %v there is %q", waited, &store.content)
				}
				cancel()
				time.Sleep(time.Second) // tusd ends its goroutines a moment later
			})
		})
	}
}
