package membudget

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"testing/synctest"

	"pgregory.net/rapid"
)

const mib = 1 << 20

// open opens a user's tab.
func open(b *Budget, user string) *Tab {
	t := new(Tab)
	t.Open(b, func() (string, bool, error) { return user, true, nil })
	return t
}

// from opens an unknown caller's tab.
func from(b *Budget, address string) *Tab {
	t := new(Tab)
	t.Open(b, func() (string, bool, error) { return address, false, nil })
	return t
}

// fill grows a tab step by step as far as possible without waiting, and returns how far.
func fill(t *Tab) int64 {
	for _, step := range []int64{mib, 1 << 10, 1} {
		for t.TryGrow(step) {
		}
	}
	return t.Held()
}

func wantHeld(t *testing.T, b *Budget, want int64) {
	t.Helper()
	if now, _ := b.Held(); now != want {
		t.Errorf("%d bytes are held, want %d", now, want)
	}
}

// A tab that has not grown holds nothing and blocks no one.
func TestTabsThatHoldNothingCostNothing(t *testing.T) {
	b := New(256 * mib)
	for range 10_000 {
		open(b, "idle")
	}
	wantHeld(t, b, 0)
	if got := fill(open(b, "other")); got < b.common/2 {
		t.Errorf("another user gets %d bytes", got)
	}
}

// Users do not take each other's memory, however many requests they have.
func TestOneUserCannotTakeTheMemoryOfAnother(t *testing.T) {
	for _, total := range []int64{50 * mib, 128 * mib, 256 * mib, 1 << 30} {
		b := New(total)
		for range 100 {
			fill(open(b, "greedy"))
		}
		for range 100 {
			fill(from(b, "192.0.2.1"))
		}
		other := open(b, "other")
		if !other.TryGrow(b.common / 4) {
			t.Errorf("total %d: another user gets nothing", total)
		}
		if err := other.Grow(t.Context(), b.Largest()); err != nil {
			t.Errorf("total %d: the largest request of another user: %v", total, err)
		}
		if now, peak := b.Held(); now > total || peak > total {
			t.Errorf("%d and at most %d of %d bytes are held", now, peak, total)
		}
	}
}

// Nor do several that act together: the next one always gets something at once.
func TestSomeUsersCannotTakeTheMemoryOfTheNext(t *testing.T) {
	b := New(256 * mib)
	for i := range 5 {
		for range 100 {
			fill(open(b, fmt.Sprint("greedy ", i)))
		}
	}
	if other := open(b, "other"); !other.TryGrow(b.common / 64) {
		t.Errorf("another user gets nothing of the %d bytes that are left", b.common-b.used)
	}
}

// Unknown callers together get no more than half, and one network no more than a quarter.
func TestUnknownCallersShareLess(t *testing.T) {
	b := New(256 * mib)
	fillPockets(b)
	if got := fill(from(b, "192.0.2.1")); got > b.common/4 {
		t.Errorf("one network holds %d bytes", got)
	}
	total := int64(0)
	for i := range 100 {
		total += fill(from(b, fmt.Sprint(i)))
	}
	if total > b.common/2 {
		t.Errorf("unknown callers hold %d of %d bytes", total, b.common)
	}
}

// Nor do they get the reserve that finishes a user's largest request, beyond what a small request needs.
func TestUnknownCallersLeaveTheReserveAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(256 * mib)
		fillPockets(b)
		var held []*Tab
		for i := range 100 {
			tab := from(b, fmt.Sprint(i))
			fill(tab)
			held = append(held, tab)
		}
		if err := held[0].Grow(t.Context(), mib); !errors.Is(err, ErrFull) {
			t.Errorf("an unknown caller gets a MiB of the reserve: %v", err)
		}
		if err := held[0].Grow(t.Context(), 64<<10); err != nil {
			t.Errorf("an unknown caller with a small request: %v", err)
		}
		held[0].Close()
		if err := open(b, "user").Grow(t.Context(), b.Largest()); err != nil {
			t.Errorf("the largest request of a user: %v", err)
		}
	})
}

// fillPockets takes all small amounts available.
func fillPockets(b *Budget) {
	for {
		t := from(b, "pockets")
		if !t.fromPocket(Pocket) {
			return
		}
	}
}

// If there are no pockets left, small requests use their sender's share.
func TestSmallRequestsOutliveAFlood(t *testing.T) {
	b := New(256 * mib)
	fillPockets(b)
	for i := range 1000 {
		fill(from(b, fmt.Sprint(i)))
	}
	user := open(b, "user")
	if !user.TryGrow(64 << 10) {
		t.Error("a user is shut out by a flood of unknown callers")
	}
	user.Close()
}

// However many half-read requests use up the memory, they proceed one after the other, in the order in which they began
// to wait, and all of them finish.
func TestHalfReadRequestsFinishOneAfterTheOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(256 * mib)
		const requests, size = 10, 60 * mib
		var order []int
		done := make(chan error)
		for i := range requests {
			tab := open(b, fmt.Sprint("user ", i%3))
			for tab.Held() < 30*mib && tab.TryGrow(mib) {
			}
			go func() {
				for tab.Held() < size {
					if err := tab.Grow(context.WithoutCancel(t.Context()), mib); err != nil {
						tab.Close()
						done <- err
						return
					}
				}
				order = append(order, i)
				tab.Close()
				done <- nil
			}()
			synctest.Wait()
		}
		for range requests {
			if err := <-done; err != nil {
				t.Fatal(err)
			}
		}
		if len(order) != requests {
			t.Errorf("finished: %v", order)
		}
		wantHeld(t, b, 0)
		if _, peak := b.Held(); peak > 256*mib {
			t.Errorf("the peak was %d", peak)
		}
	})
}

// Waiting ends after Patience or with the request. What was held stays held until it is released.
func TestWaitingEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(256 * mib)
		last := open(b, "last")
		fill(last)
		if err := last.Grow(t.Context(), mib); err != nil { // the reserve
			t.Fatal(err)
		}
		other := open(b, "last")
		if !other.TryGrow(Pocket) {
			t.Fatal("no pocket")
		}
		if err := other.Grow(t.Context(), mib); !errors.Is(err, ErrFull) {
			t.Errorf("got %v", err)
		}
		ctx, cancel := context.WithCancel(t.Context())
		failed := make(chan error)
		go func() { failed <- other.Grow(ctx, mib) }()
		synctest.Wait()
		cancel()
		if err := <-failed; !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		if other.Held() != Pocket || len(b.queue) != 0 {
			t.Errorf("%d bytes are held, %d wait", other.Held(), len(b.queue))
		}
		other.Close()
		last.Close()
		wantHeld(t, b, 0)
	})
}

// If the owner cannot be determined, the request fails and holds nothing.
func TestUnknownOwner(t *testing.T) {
	b := New(256 * mib)
	fault := errors.New("no store")
	var tab Tab
	tab.Open(b, func() (string, bool, error) { return "", false, fault })
	if !tab.TryGrow(Pocket) {
		t.Error("a small hold asked for its owner")
	}
	if err := tab.Grow(t.Context(), 1); err != fault || tab.TryGrow(1) {
		t.Errorf("got %v", err)
	}
	tab.Close()
	wantHeld(t, b, 0)
}

// After a peak, and once everything is calm, memory is returned to the system once.
func TestMemoryGoesBackToTheSystem(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := New(256 * mib)
		relaxed := 0
		b.relax = func() { relaxed++ }
		settle := func(want int) {
			t.Helper()
			timer, cancel := context.WithTimeout(t.Context(), 2*calm)
			defer cancel()
			<-timer.Done()
			synctest.Wait()
			if relaxed != want {
				t.Errorf("relaxed %d times, want %d", relaxed, want)
			}
		}
		small := open(b, "a")
		small.TryGrow(10 * mib)
		small.Close()
		settle(0)
		large := open(b, "a")
		large.TryGrow(crest)
		large.Close()
		settle(1)
		large.TryGrow(crest)
		large.Close()
		large.TryGrow(mib) // not calm yet
		settle(1)
		large.Close()
		settle(2)
	})
}

// Whatever tabs do, the parts stay within their limits, the sums are those of the tabs, and nothing is left in the end.
func TestAccounts(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		total := rapid.SampledFrom([]int64{1 * mib, 50 * mib, 128 * mib, 256 * mib}).Draw(t, "total")
		b := New(total)
		b.relax = func() {}
		var tabs []*Tab
		for i := range 8 {
			tabs = append(tabs, open(b, fmt.Sprint(i%3)), from(b, fmt.Sprint(i%3)))
		}
		tab := rapid.SampledFrom(tabs)
		size := rapid.OneOf(rapid.Int64Range(1, Pocket), rapid.Int64Range(1, 40*mib))
		ended, cancel := context.WithCancel(context.Background())
		cancel()
		t.Repeat(map[string]func(*rapid.T){
			"try":    func(t *rapid.T) { tab.Draw(t, "tab").TryGrow(size.Draw(t, "size")) },
			"grow":   func(t *rapid.T) { _ = tab.Draw(t, "tab").Grow(ended, size.Draw(t, "size")) },
			"shrink": func(t *rapid.T) { tab.Draw(t, "tab").Shrink(size.Draw(t, "size")) },
			"close":  func(t *rapid.T) { tab.Draw(t, "tab").Close() },
			"": func(t *rapid.T) {
				var sum, share, unknown int64
				byName := map[string]int64{}
				for _, tab := range tabs {
					sum += tab.Held()
					share += tab.share
					if tab.share > 0 {
						byName[tab.name] += tab.share
					}
					if !tab.known {
						unknown += tab.share
					}
					if tab.reserve != 0 && b.last != tab {
						t.Fatal("two have the reserve")
					}
				}
				now, _ := b.Held()
				if now != sum || share != b.used || unknown != b.unknown || now > total || b.used > b.common || b.unknown > b.common/2 {
					t.Fatalf("%d of %d bytes are held by tabs that hold %d; %d of %d in shares", now, total, sum, b.used, b.common)
				}
				for name, n := range byName {
					if n != b.shares[name] || n > b.common/2 {
						t.Fatalf("%s holds %d, counted %d", name, n, b.shares[name])
					}
				}
				if len(byName) != len(b.shares) || len(b.queue) != 0 {
					t.Fatalf("shares %v, %d wait", b.shares, len(b.queue))
				}
			},
		})
		for _, tab := range tabs {
			tab.Close()
		}
		if now, _ := b.Held(); now != 0 || len(b.shares) != 0 || b.last != nil {
			t.Fatalf("%d bytes are left, shares %v", now, b.shares)
		}
	})
}

// BenchmarkSmallRequest measures the cost for a usual request.
func BenchmarkSmallRequest(b *testing.B) {
	budget := New(256 * mib)
	b.RunParallel(func(p *testing.PB) {
		for p.Next() {
			var t Tab
			t.Open(budget, nil)
			t.TryGrow(8 << 10)
			t.TryGrow(64 << 10)
			t.Close()
		}
	})
}
