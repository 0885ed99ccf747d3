package ratelimit

import (
	"fmt"
	"testing"
	"time"
)

// Hits counted while the clock was ahead must not lock clients out until that time.
func TestHitsFromAClockThatWasAhead(t *testing.T) {
	start := time.Unix(1_771_000_000, 0)
	lim := Limit{Max: 2, Window: 15 * time.Minute}
	for _, ahead := range []time.Duration{time.Minute, 14 * time.Minute, time.Hour, 10 * 365 * 24 * time.Hour} {
		for _, kept := range []bool{false, true} {
			t.Run(fmt.Sprint(ahead, " kept: ", kept), func(t *testing.T) {
				now := start.Add(ahead)
				clock := func() time.Time { return now }
				l := NewKept(clock, nil)
				l.Take("a", lim)
				l.Take("a", lim)
				if l.Check("a", lim).Allowed {
					t.Fatal("the budget is not used up")
				}
				now = start
				if kept {
					l = NewKept(clock, l.Changed(10))
				}
				if v := l.Check("a", lim); v.RetryAfter > lim.Window || ahead > lim.Window && !v.Allowed {
					t.Errorf("the clock is right again: %+v", v)
				}
				now = start.Add(lim.Window)
				if v := l.Check("a", lim); !v.Allowed || v.Remaining != lim.Max {
					t.Errorf("a window later: %+v", v)
				}
			})
		}
	}
}

// Nor may they stay in memory until then, or prevent the removal of keys that have expired since.
func TestKeysFromAClockThatWasAheadAreSwept(t *testing.T) {
	start := time.Unix(1_771_000_000, 0)
	now := start.Add(10 * 365 * 24 * time.Hour)
	l := New(func() time.Time { return now })
	lim := Limit{Max: 1, Window: time.Minute}
	l.Take("ahead", lim)
	now = start
	l.Take("a", lim)
	if len(l.windows) != 1 {
		t.Errorf("%d keys after the clock was set right", len(l.windows))
	}
	now = now.Add(2 * time.Minute)
	l.Take("b", lim)
	if len(l.windows) != 1 {
		t.Errorf("%d keys, one of them has expired", len(l.windows))
	}
}
