package middleware

import (
	"context"
	"fmt"
	"net/http/httptest"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
)

func TestDefaultsAreGenerous(t *testing.T) {
	// Contract, sync §5; client-behaviour Pitfall 6; auth Pitfall 11; storage Pitfall 4.
	for op, atLeast := range map[Operation]int{
		SyncPush: 200, SyncPull: 1200, SyncSnapshot: 1200, SyncCursor: 600, SyncGC: 40, AuthSession: 600,
		StorageUpload: 600, StorageDownload: 1200, StorageCommit: 600,
	} {
		if l := defaults()[op]; l.Max < atLeast || l.Window != time.Minute {
			t.Errorf("%s: %+v", op, l)
		}
	}
}

func TestOverrides(t *testing.T) {
	for _, c := range []struct {
		name, text string
		max        int
		window     time.Duration
	}{
		{"none", "", 600, time.Minute},
		{"both", `{"sync:push":{"windowMs":1000,"maxRequests":5}}`, 5, time.Second},
		{"floored", `{"sync:push":{"windowMs":1000.9,"maxRequests":5.9}}`, 5, time.Second},
		{"one member", `{"sync:push":{"maxRequests":7}}`, 7, time.Minute},
		{"not JSON", `{"sync:push"`, 600, time.Minute},
		{"not positive", `{"sync:push":{"windowMs":1000,"maxRequests":0}}`, 600, time.Minute},
		{"less than one", `{"sync:push":{"windowMs":1000,"maxRequests":0.5}}`, 600, time.Minute},
		{"wrong type keeps the others", `{"sync:pull":"x","sync:push":{"maxRequests":3}}`, 3, time.Minute},
		{"unknown operation", `{"sync:everything":{"maxRequests":3}}`, 600, time.Minute},
		{"enormous", `{"sync:push":{"windowMs":1e300,"maxRequests":1e300}}`, 1<<31 - 1, 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			l := NewLimits(time.Now, c.text, false).limits[SyncPush]
			if l.Max != c.max || c.window != 0 && l.Window != c.window || l.Window <= 0 {
				t.Errorf("%+v", l)
			}
		})
	}
}

// Storage Pitfall 4: an upload that is admitted but may not be committed is lost.
func TestCommitIsNeverScarcerThanUploadStoragePitfall4(t *testing.T) {
	l := NewLimits(time.Now, `{"storage:commit":{"maxRequests":30},"storage:upload":{"maxRequests":50}}`, false)
	if l.limits[StorageCommit].Max < 50 {
		t.Errorf("%+v", l.limits[StorageCommit])
	}
}

func TestBudgetHeadersTellTheStateBeforeTheRequest(t *testing.T) {
	now := time.Unix(1_771_000_000, 0)
	l := NewLimits(func() time.Time { return now }, `{"sync:push":{"maxRequests":2}}`, false)
	for i, want := range []string{"2", "1", "0"} {
		w := httptest.NewRecorder()
		err := l.CheckWithHeaders(w, SyncPush, "u")
		if got := w.Header().Get("X-RateLimit-Remaining"); got != want || w.Header().Get("X-RateLimit-Limit") != "2" {
			t.Errorf("request %d: remaining %q", i, got)
		}
		if i < 2 {
			if err != nil {
				t.Fatal(err)
			}
			l.Record(SyncPush, "u")
			continue
		}
		if or3cloud.CodeOf(err) != or3cloud.CodeRateLimited || err.Error() != "rate_limited: Rate limit exceeded. Retry after 60s" {
			t.Error(err)
		}
	}
	if _, err := l.Check(SyncPush, "somebody else"); err != nil {
		t.Error("budgets are shared between users:", err)
	}
}

func TestFailedRequestsAreFree(t *testing.T) {
	l := NewLimits(time.Now, `{"sync:push":{"maxRequests":1}}`, false)
	for range 5 {
		if _, err := l.Check(SyncPush, "u"); err != nil {
			t.Fatal(err)
		}
	}
}

func TestLimitsOff(t *testing.T) {
	l := NewLimits(time.Now, `{"sync:push":{"maxRequests":1}}`, true)
	for range 3 {
		w := httptest.NewRecorder()
		if err := l.CheckWithHeaders(w, SyncPush, "u"); err != nil || len(w.Header()) != 0 {
			t.Fatal(err, w.Header())
		}
		l.Record(SyncPush, "u")
	}
}

// Storage Pitfall 4: the client gives a file up after five quick refusals.
func TestHoldWaitsForBudgetStoragePitfall4(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(time.Now, `{"storage:upload":{"windowMs":8000,"maxRequests":1}}`, false)
		l.Record(StorageUpload, "u")
		start := time.Now()
		if err := l.Hold(t.Context(), StorageUpload, "u", 10*time.Second); err != nil {
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
		l.Record(StorageUpload, "u")
		start := time.Now()
		err := l.Hold(t.Context(), StorageUpload, "u", 10*time.Second)
		if or3cloud.CodeOf(err) != or3cloud.CodeRateLimited || time.Since(start) != 0 {
			t.Errorf("%v after %v", err, time.Since(start))
		}
	})
}

func TestHoldGivesUpWithTheClient(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := NewLimits(time.Now, `{"storage:upload":{"windowMs":8000,"maxRequests":1}}`, false)
		l.Record(StorageUpload, "u")
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.Hold(ctx, StorageUpload, "u", 10*time.Second); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
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
			l.Record(StorageUpload, user)
			go func() { refused <- l.Hold(t.Context(), StorageUpload, user, 10*time.Second) }()
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

func FuzzOverrides(f *testing.F) {
	f.Add(`{"sync:push":{"windowMs":60000,"maxRequests":200}}`)
	f.Add(`{"sync:push":{"windowMs":-1,"maxRequests":1e309}}`)
	f.Add(`[]`)
	f.Fuzz(func(t *testing.T, text string) {
		for op, l := range parseOverrides(text) {
			if l.Max < 1 || l.Window < time.Millisecond {
				t.Errorf("%s: %+v", op, l)
			}
		}
	})
}
