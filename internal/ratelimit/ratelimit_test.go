package ratelimit

import (
	"fmt"
	"testing"
	"time"
)

func TestSlidingWindow(t *testing.T) {
	now := time.Unix(1_771_000_000, 0)
	l := New(func() time.Time { return now })
	lim := Limit{Max: 2, Window: time.Minute}
	if v := l.Take("a", lim); !v.Allowed || v.Remaining != 2 || v.Limit != 2 {
		t.Fatalf("first hit: %+v", v)
	}
	now = now.Add(10 * time.Second)
	if v := l.Check("a", lim); !v.Allowed || v.Remaining != 1 {
		t.Fatalf("check must not use the budget: %+v", v)
	}
	if v := l.Take("a", lim); !v.Allowed || v.Remaining != 1 {
		t.Fatalf("second hit: %+v", v)
	}
	if v := l.Take("a", lim); v.Allowed || v.RetryAfter != 50*time.Second {
		t.Fatalf("third hit must wait for the first to leave the window: %+v", v)
	}
	if v := l.Take("b", lim); !v.Allowed {
		t.Fatalf("keys must not share a budget: %+v", v)
	}
	now = now.Add(50 * time.Second)
	if v := l.Take("a", lim); !v.Allowed {
		t.Fatalf("after the first hit left the window: %+v", v)
	}
	l.Reset("a")
	if v := l.Check("a", lim); v.Remaining != 2 {
		t.Fatalf("after reset: %+v", v)
	}
}

func TestKeysAreBounded(t *testing.T) {
	now := time.Unix(1_771_000_000, 0)
	l := New(func() time.Time { return now })
	for i := range 3 * maxKeys {
		l.Take(fmt.Sprint(i), Limit{Max: 1, Window: time.Minute})
	}
	if n := len(l.windows); n > maxKeys {
		t.Fatalf("%d keys, want at most %d", n, maxKeys)
	}
}
