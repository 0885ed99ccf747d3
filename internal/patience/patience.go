// Package patience is how tests wait for another process or goroutine. A waiting test says what it waits for, and gives
// up only when it would hang. So wall-clock time never decides whether it passes, however busy the machine is. It is
// for tests only.
package patience

import (
	"testing"
	"time"
)

// Limit is how long a test waits before it fails. It reflects no promise of the product, so it is far above what any
// test needs on a busy machine.
const Limit = 10 * time.Minute

// pause is how often a condition is polled.
const pause = 5 * time.Millisecond

// Until polls until a condition holds. After Limit, it fails the test and names the condition.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	if !Try(holds) {
		t.Fatalf("after %v still not: %s", Limit, what)
	}
}

// Try is like Until, for code without a test at hand. It reports whether the condition came to hold.
func Try(holds func() bool) bool {
	for began := time.Now(); !holds(); time.Sleep(pause) {
		if time.Since(began) > Limit {
			return false
		}
	}
	return true
}

// Receive returns the next value of a channel, or the zero value if the channel is closed. After Limit, it fails the
// test and names what it waited for.
func Receive[T any](t testing.TB, what string, ch <-chan T) T {
	t.Helper()
	limit := time.NewTimer(Limit)
	defer limit.Stop()
	select {
	case v := <-ch:
		return v
	case <-limit.C:
		t.Fatalf("after %v still not: %s", Limit, what)
		panic("unreachable")
	}
}
