package ratelimit

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// memory is a store in memory.
type memory struct {
	mu    sync.Mutex
	rows  map[string]Window
	calls int
	err   error
}

func (m *memory) RateWindows(_ context.Context, now time.Time) (out []Window, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, w := range m.rows {
		if w.Expiry.After(now) {
			out = append(out, w)
		}
	}
	return out, m.err
}

func (m *memory) KeepRateWindows(_ context.Context, now time.Time, windows []Window) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	if m.err != nil {
		return m.err
	}
	for _, w := range windows {
		if m.rows[w.Key] = w; len(w.Hits) == 0 {
			delete(m.rows, w.Key)
		}
	}
	for key, w := range m.rows {
		if !w.Expiry.After(now) {
			delete(m.rows, key)
		}
	}
	return nil
}

func (m *memory) fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.err = err
}

func (m *memory) state() (rows, calls int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return len(m.rows), m.calls
}

var perMinute = Limit{Max: 4, Window: time.Minute}

func use(l *Limiter, key string, n int, lim Limit) {
	for range n {
		l.Take(key, lim)
	}
}

// A process that is killed a second later has kept what matters, one that stops normally has kept everything, and the
// next process continues from there.
func TestWindowsOutliveTheProcess(t *testing.T) {
	for _, killed := range []bool{false, true} {
		t.Run(fmt.Sprint("killed: ", killed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				store := &memory{rows: map[string]Window{}}
				l := New(time.Now)
				k := Keep(t.Context(), l, store, slog.New(slog.DiscardHandler))
				use(l, "full", 4, perMinute)
				use(l, "half", 2, perMinute)
				use(l, "less", 1, perMinute)
				use(l, "day", 1, Limit{Max: 100, Window: 24 * time.Hour})
				use(l, "large", maxHits+1, Limit{Max: MostRequests, Window: 24 * time.Hour})
				use(l, "ip:192.0.2.1", 1, perMinute)
				use(l, "ip:192.0.2.2", 4, perMinute)
				time.Sleep(keepPause)
				synctest.Wait()
				if killed {
					defer k.Close()
				} else {
					k.Close()
				}

				next := New(time.Now)
				defer Keep(t.Context(), next, store, slog.New(slog.DiscardHandler)).Close()
				store.mu.Lock()
				if hits := len(store.rows["large"].Hits); hits != maxHits {
					t.Errorf("a row of %d hits", hits)
				}
				store.mu.Unlock()
				for key, remaining := range map[string]int{"full": 0, "half": 2, "less": 3, "day": 99, "ip:192.0.2.1": 4, "ip:192.0.2.2": 0} {
					lim := perMinute
					if key == "day" {
						lim = Limit{Max: 100, Window: 24 * time.Hour}
					}
					if key == "less" && killed {
						remaining = 4 // matters little, and recovers within a minute
					}
					if v := next.Check(key, lim); v.Remaining != remaining || v.Allowed != (remaining > 0) {
						t.Errorf("%s: %+v, want %d left", key, v, remaining)
					}
				}
			})
		})
	}
}

// An open tab that polls is not worth a write every second, and a store does not keep expired windows.
func TestOnlyWhatMattersIsWritten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{rows: map[string]Window{}}
		l := New(time.Now)
		k := Keep(t.Context(), l, store, slog.New(slog.DiscardHandler))
		defer k.Close()
		for range 300 {
			l.Take("user:sync:pull", Limit{Max: 1200, Window: time.Minute})
			time.Sleep(2 * time.Second)
		}
		if rows, calls := store.state(); rows+calls != 0 {
			t.Fatalf("%d rows, %d writes", rows, calls)
		}
		use(l, "user:sync:push", 4, perMinute)
		time.Sleep(2 * keepPause)
		if rows, calls := store.state(); rows != 1 || calls != 1 {
			t.Fatalf("%d rows, %d writes", rows, calls)
		}
		time.Sleep(3 * sweepKept)
		if rows, calls := store.state(); rows != 0 || calls != 2 {
			t.Fatalf("after its end: %d rows, %d writes", rows, calls)
		}
	})
}

// A failing store must not weaken the limits: they continue in memory, the log reports the failure, and once the store
// works again it gets them.
func TestAFailingStoreOpensNoDoor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		store := &memory{rows: map[string]Window{}, err: errors.New("broken")}
		l := New(time.Now)
		use(l, "before", 4, perMinute)
		k := Keep(t.Context(), l, store, slog.New(slog.NewTextHandler(&out, nil)))
		day := Limit{Max: 2, Window: 24 * time.Hour}
		use(l, "user", 2, day)
		time.Sleep(30 * time.Second)
		synctest.Wait()
		if l.Take("user", day).Allowed || l.Take("before", perMinute).Allowed {
			t.Error("a limit is open")
		}
		if text := out.String(); strings.Count(text, "level=WARN") < 2 || strings.Contains(text, "level=ERROR") || !strings.Contains(text, "could not be read") {
			t.Errorf("the log: %s", text)
		}
		store.fail(nil)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if rows, _ := store.state(); rows != 1 {
			t.Errorf("%d rows when the store is well again", rows)
		}
		store.fail(errors.New("broken again"))
		use(l, "other", 2, day)
		k.Close() // ends
		k.Close()
	})
}

// If the clock goes back, within a process or between two, clients are locked out for at most one window. Hits beyond
// that are dropped.
func TestAClockThatGoesBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{rows: map[string]Window{}}
		var ahead time.Duration
		var mu sync.Mutex
		clock := func() time.Time { mu.Lock(); defer mu.Unlock(); return time.Now().Add(ahead) }
		set := func(d time.Duration) { mu.Lock(); defer mu.Unlock(); ahead = d }
		set(30 * time.Second)
		l := New(clock)
		k := Keep(t.Context(), l, store, slog.New(slog.DiscardHandler))
		use(l, "user", 4, perMinute)
		time.Sleep(2 * keepPause)
		set(0)
		if v := l.Take("user", perMinute); v.Allowed || v.RetryAfter > time.Minute {
			t.Errorf("the clock went back by less than a window: %+v", v)
		}
		k.Close()
		set(-365 * 24 * time.Hour)
		next := New(clock)
		n := Keep(t.Context(), next, store, slog.New(slog.DiscardHandler))
		defer n.Close()
		if v := next.Take("user", perMinute); !v.Allowed {
			t.Errorf("the clock went back by a year: %+v", v)
		}
	})
}

func TestAFloodOfKeysIsWrittenWithinBounds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{rows: map[string]Window{}}
		l := New(time.Now)
		k := Keep(t.Context(), l, store, slog.New(slog.DiscardHandler))
		for i := range 3 * MaxKeys {
			l.Take(fmt.Sprint(i), Limit{Max: 1, Window: time.Hour})
			if i%MaxKeys == 0 {
				time.Sleep(keepPause)
			}
		}
		time.Sleep(30 * keepPause)
		k.Close()
		if n, written := len(l.windows), len(k.written); n > MaxKeys || written > MaxKeys {
			t.Errorf("%d keys, %d of them written", n, written)
		}
	})
}

// TestKeepingAddsNothingToARequest checks that keeping windows adds no allocation to a request. BenchmarkTake measures
// the time.
func TestKeepingAddsNothingToARequest(t *testing.T) {
	store := &memory{rows: map[string]Window{}}
	lim := Limit{Max: 1200, Window: time.Minute}
	allocations := func(l *Limiter) float64 {
		use(l, "user", 600, lim)
		return testing.AllocsPerRun(100, func() {
			l.Check("user", lim)
			l.Take("user", lim)
			l.Return("user")
		})
	}
	plain, kept := New(time.Now), New(time.Now)
	defer Keep(t.Context(), kept, store, slog.New(slog.DiscardHandler)).Close()
	if a, b := allocations(plain), allocations(kept); b > a {
		t.Errorf("%v allocations, %v without a store", b, a)
	}
}

func BenchmarkTake(b *testing.B) {
	for _, kept := range []bool{false, true} {
		b.Run(fmt.Sprint("kept=", kept), func(b *testing.B) {
			l := New(time.Now)
			if kept {
				k := Keep(b.Context(), l, &memory{rows: map[string]Window{}}, slog.New(slog.DiscardHandler))
				defer k.Close()
			}
			lim := Limit{Max: 1200, Window: time.Minute}
			use(l, "user", 100, lim)
			b.ReportAllocs()
			for b.Loop() {
				l.Check("user", lim)
				l.Take("user", lim)
				l.Return("user")
			}
		})
	}
}
