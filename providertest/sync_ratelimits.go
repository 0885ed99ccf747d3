package providertest

import (
	"fmt"
	"reflect"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// testRateLimits checks an or3cloud.RateLimitStore.
func testRateLimits(t *testing.T, b *syncBench) {
	store, ok := b.Sync.(or3cloud.RateLimitStore)
	if !ok {
		t.Skip("keeps no rate limits")
	}
	now := time.UnixMilli(1_771_000_000_000)
	window := func(key string, expiry time.Duration, ago ...time.Duration) or3cloud.RateWindow {
		w := or3cloud.RateWindow{Key: key, Expiry: now.Add(expiry)}
		for _, d := range ago {
			w.Hits = append(w.Hits, now.Add(-d))
		}
		return w
	}
	keep := func(windows ...or3cloud.RateWindow) {
		t.Helper()
		if err := store.KeepRateWindows(b.ctx, now, windows); err != nil {
			t.Fatal(err)
		}
	}
	want := func(when string, windows ...or3cloud.RateWindow) {
		t.Helper()
		got, err := store.RateWindows(b.ctx, now)
		if err != nil {
			t.Fatalf("%s: %v", when, err)
		}
		byKey := map[string]or3cloud.RateWindow{}
		for _, w := range got {
			byKey[w.Key] = w
		}
		if len(got) != len(windows) {
			t.Errorf("%s: %d windows %v, want %d", when, len(got), got, len(windows))
		}
		for _, w := range windows {
			if !reflect.DeepEqual(byKey[w.Key], w) {
				t.Errorf("%s: %+v, want %+v", when, byKey[w.Key], w)
			}
		}
	}
	want("at first")
	a, odd := window("a:sync:push", time.Minute, 3*time.Second, time.Millisecond), window("näme's \"x\"\x01:y", time.Hour, 0)
	keep(a, odd)
	want("kept", a, odd)
	keep()
	want("nothing written", a, odd)
	a = window("a:sync:push", 2*time.Minute, 0)
	keep(a)
	want("written over", a, odd)
	keep(window(odd.Key, 0), window("unknown", 0))
	want("forgotten", a)
	keep(window("ahead", or3cloud.LongestRateWindow+time.Second, 0), window("over", 0, 0))
	want("of a clock that was ahead, and over", a)
	now = now.Add(2 * time.Minute)
	want("ended", []or3cloud.RateWindow{}...)
	now = now.Add(-2 * time.Minute)
	want("the clock was set back before anything was written", a)

	many := make([]or3cloud.RateWindow, or3cloud.MaxRateWindows+200)
	for i := range many {
		many[i] = window(fmt.Sprint("stranger ", i), time.Minute+time.Duration(i)*time.Millisecond, 0)
	}
	keep(many...)
	got, err := store.RateWindows(b.ctx, now)
	if err != nil || len(got) != or3cloud.MaxRateWindows {
		t.Fatalf("after a flood there are %d windows, %v", len(got), err)
	}
	for _, w := range got {
		if w.Expiry.Before(many[199].Expiry) {
			t.Fatalf("%s stayed, which ends first", w.Key)
		}
	}
	now = now.Add(time.Hour)
	keep()
	now = now.Add(-time.Hour)
	want("all have ended and are gone", []or3cloud.RateWindow{}...)
}
