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
	l.Return("a")
	l.Return("unknown")
	if v := l.Check("a", lim); v.Remaining != 1 {
		t.Fatalf("after a hit was given back: %+v", v)
	}
	l.Reset("a")
	if v := l.Check("a", lim); v.Remaining != 2 {
		t.Fatalf("after reset: %+v", v)
	}
}

func TestKeysAreBounded(t *testing.T) {
	now := time.Unix(1_771_000_000, 0)
	l := NewKept(func() time.Time { return now }, nil)
	for i := range 3 * MaxKeys {
		l.Take(fmt.Sprint(i), Limit{Max: 1, Window: time.Minute})
	}
	if n, changed := len(l.windows), len(l.changed); n > MaxKeys || changed > MaxKeys {
		t.Fatalf("%d keys, %d of them changed, want at most %d", n, changed, MaxKeys)
	}
}

func TestNetworkOfAnAddress(t *testing.T) {
	for ip, want := range map[string]string{
		"192.0.2.1": "192.0.2.1", "::ffff:192.0.2.1": "192.0.2.1", "2001:db8:1:2:3:4:5:6": "2001:db8:1:2::/64",
		"2001:db8:1:2::9": "2001:db8:1:2::/64", "fe80::1%eth0": "fe80::/64", "unknown": "unknown", "": "",
	} {
		if got := Network(ip); got != want {
			t.Errorf("%q: %q, want %q", ip, got, want)
		}
	}
}

func TestWindowsOutliveTheirLimiter(t *testing.T) {
	now := time.Unix(1_771_000_000, 0)
	clock := func() time.Time { return now }
	lim := Limit{Max: 2, Window: time.Minute}
	l := NewKept(clock, nil)
	l.Take("full", lim)
	now = now.Add(time.Second)
	l.Take("full", lim)
	l.Take("half", lim)
	l.Check("looked at", lim)
	kept := map[string]Window{}
	keep := func() {
		for _, w := range l.Changed(100) {
			kept[w.Key] = w
		}
	}
	keep()
	if len(kept) != 2 || len(l.Changed(100)) != 0 {
		t.Fatalf("kept %v", kept)
	}
	l.Reset("half")
	l.Reset("unknown")
	keep()
	if len(kept) != 2 || len(kept["half"].Hits) != 0 {
		t.Fatalf("after a reset: %v", kept)
	}

	restored := NewKept(clock, []Window{kept["full"], kept["half"]})
	if v := restored.Take("full", lim); v.Allowed || v.RetryAfter != 59*time.Second {
		t.Errorf("full window after a restart: %+v", v)
	}
	if v := restored.Check("half", lim); v.Remaining != 2 {
		t.Errorf("forgotten window after a restart: %+v", v)
	}
	if n := len(restored.windows); n != 1 {
		t.Errorf("%d windows restored, one of them was empty", n)
	}
	now = now.Add(time.Minute)
	if n := len(NewKept(clock, []Window{kept["full"]}).windows); n != 0 {
		t.Errorf("%d expired windows restored", n)
	}
}

func TestChangesAreHandedOutInPortions(t *testing.T) {
	l := NewKept(time.Now, nil)
	for i := range 5 {
		l.Take(fmt.Sprint(i), Limit{Max: 1, Window: time.Minute})
	}
	first := l.Changed(3)
	second := l.Changed(3)
	if len(first) != 3 || len(second) != 2 || len(l.Changed(3)) != 0 {
		t.Fatalf("portions of %d and %d", len(first), len(second))
	}
	l.Again(first)
	if len(l.Changed(10)) != 3 {
		t.Error("what could not be kept is forgotten")
	}
}
