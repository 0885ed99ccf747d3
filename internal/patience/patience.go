// Package patience is how tests wait for what another process or goroutine does. A test that waits says what for, and
// gives up only when it would hang: no figure of the wall clock decides whether it passes, however busy the machine is.
// It is for tests only.
package patience

import (
	"testing"
	"time"
)

// Limit is how long a test waits before it fails. No promise of the product is behind it, so it is far above whatever a
// test needs on a machine that does many other things.
const Limit = 10 * time.Minute

// pause is how often a condition is looked at that nothing announces.
const pause = 5 * time.Millisecond

// Until polls until a condition holds that nothing announces. It fails the test, with what was waited for, after Limit.
func Until(t testing.TB, what string, holds func() bool) {
	t.Helper()
	if !Try(holds) {
		t.Fatalf("after %v still not: %s", Limit, what)
	}
}

// Try is Until for where there is no test at hand: it reports whether the condition has come to hold.
func Try(holds func() bool) bool {
	for began := time.Now(); !holds(); time.Sleep(pause) {
		if time.Since(began) > Limit {
			return false
		}
	}
	return true
}

// Receive returns the next value of a channel, or the zero value if the channel is closed. It fails the test, with what
// was waited for, after Limit.
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
