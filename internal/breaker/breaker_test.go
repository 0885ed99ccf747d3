package breaker_test

import (
	"bytes"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/breaker"
)

// TestTheFirstFailureIsFinal checks that the first failure decides the reason, that all writes are refused from then
// on, and that the host and the log learn of it once.
func TestTheFirstFailureIsFinal(t *testing.T) {
	var log bytes.Buffer
	var silenced, told atomic.Int32
	var fatal error
	b := breaker.New(breaker.Options{
		Store: "the store", Log: slog.New(slog.NewTextHandler(&log, nil)),
		Refuse:  func(cause error) *or3cloud.Error { return or3cloud.Unavailable(cause, "not now", time.Second) },
		Silence: func() { silenced.Add(1) },
		Fatal: func(err error) {
			if silenced.Load() != 1 {
				t.Error("the host was told before the store was silenced")
			}
			told.Add(1)
			fatal = err
		},
	})
	if err := b.Err(); err != nil {
		t.Fatalf("before any failure: %v", err)
	}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			b.Trip("commit", syscall.EIO)
			if err := b.Err(); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable || !errors.Is(err, syscall.EIO) {
				t.Errorf("after a failure: %v", err)
			}
		})
	}
	wg.Wait()
	b.Trip("checkpoint", errors.New("another"))
	if err := b.Err(); !errors.Is(err, syscall.EIO) {
		t.Errorf("a later failure replaced the first: %v", err)
	}
	if silenced.Load() != 1 || told.Load() != 1 || !errors.Is(fatal, syscall.EIO) || !strings.Contains(fatal.Error(), "commit") {
		t.Errorf("silenced %d times, told %d times: %v", silenced.Load(), told.Load(), fatal)
	}
	if n := strings.Count(log.String(), "accepts no more writes"); n != 1 {
		t.Errorf("%d lines in the log:\n%s", n, &log)
	}
}

// TestNoListenersAreNeeded tests a store that is opened without a host and so has neither.
func TestNoListenersAreNeeded(t *testing.T) {
	b := breaker.New(breaker.Options{
		Store: "the store", Log: slog.New(slog.DiscardHandler),
		Refuse: func(cause error) *or3cloud.Error { return or3cloud.Unavailable(cause, "not now", time.Second) },
	})
	b.Trip("fsync", syscall.EIO)
	if b.Err() == nil {
		t.Error("nothing is refused")
	}
}
