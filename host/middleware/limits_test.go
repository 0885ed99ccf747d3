package middleware

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/ratelimit"
)

func TestBudgetHeadersTellTheStateBeforeTheRequest(t *testing.T) {
	now := time.Unix(1_771_000_000, 0)
	l := NewLimits(func() time.Time { return now }, `{"sync:push":{"maxRequests":2}}`, false)
	for i, want := range []string{"2", "1", "0"} {
		w := httptest.NewRecorder()
		err := l.CheckWithHeaders(w, ratelimit.SyncPush, "u")
		if got := w.Header().Get("X-RateLimit-Remaining"); got != want || w.Header().Get("X-RateLimit-Limit") != "2" {
			t.Errorf("request %d: remaining %q", i, got)
		}
		if i < 2 {
			if err != nil {
				t.Fatal(err)
			}
			l.Record(ratelimit.SyncPush, "u")
			continue
		}
		if or3cloud.CodeOf(err) != or3cloud.CodeRateLimited || err.Error() != "rate_limited: Rate limit exceeded. Retry after 60s" {
			t.Error(err)
		}
	}
	if _, err := l.Check(ratelimit.SyncPush, "someone else"); err != nil {
		t.Error("budgets are shared between users:", err)
	}
}

func TestFailedRequestsAreFree(t *testing.T) {
	l := NewLimits(time.Now, `{"sync:push":{"maxRequests":1}}`, false)
	for range 5 {
		if _, err := l.Check(ratelimit.SyncPush, "u"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLimitsOff(t *testing.T) {
	l := NewLimits(time.Now, `{"sync:push":{"maxRequests":1}}`, true)
	for range 3 {
		w := httptest.NewRecorder()
		if err := l.CheckWithHeaders(w, ratelimit.SyncPush, "u"); err != nil || len(w.Header()) != 0 {
			t.Fatal(err, w.Header())
		}
		l.Record(ratelimit.SyncPush, "u")
	}
}

// Storage Pitfall 4: the client gives a file up after five quick refusals.
func TestHoldWaitsForBudgetStoragePitfall4(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(time.Now, `{"storage:upload":{"windowMs":8000,"maxRequests":1}}`, false)
		l.Record(ratelimit.StorageUpload, "u")
		start := time.Now()
		if err := l.Hold(t.Context(), ratelimit.StorageUpload, "u", 10*time.Second); err != nil {
			t.Fatal(err)
		}
		if waited := time.Since(start); waited != 8*time.Second {
			t.Errorf("waited %v", waited)
		}
	})
}

func TestHoldRefusesAtOnceWhatItCannotServeInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(time.Now, `{"storage:upload":{"windowMs":60000,"maxRequests":1}}`, false)
		l.Record(ratelimit.StorageUpload, "u")
		start := time.Now()
		err := l.Hold(t.Context(), ratelimit.StorageUpload, "u", 10*time.Second)
		if or3cloud.CodeOf(err) != or3cloud.CodeRateLimited || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestHoldGivesUpWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(time.Now, `{"storage:upload":{"windowMs":8000,"maxRequests":1}}`, false)
		l.Record(ratelimit.StorageUpload, "u")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Hold(ctx, ratelimit.StorageUpload, "u", 10*time.Second); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
			t.Error(err)
		}
		if n := l.held.Load(); n != 0 {
			t.Errorf("%d requests are still held", n)
		}
	})
}

func TestHoldIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(time.Now, `{"storage:upload":{"windowMs":8000,"maxRequests":1}}`, false)
		refused := make(chan error, 2*maxHeld)
		for i := range maxHeld + 1 {
			user := fmt.Sprint(i)
			l.Record(ratelimit.StorageUpload, user)
			go func() { refused <- l.Hold(t.Context(), ratelimit.StorageUpload, user, 10*time.Second) }()
		}
		synctest.Wait()
		if len(refused) != 1 || or3cloud.CodeOf(<-refused) != or3cloud.CodeRateLimited {
			t.Errorf("%d were refused at once", len(refused))
		}
		for range maxHeld {
			if err := <-refused; err != nil {
				t.Error(err)
			}
		}
	})
}
