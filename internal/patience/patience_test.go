package patience

import (
	"fmt"
	"runtime"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// verdict is a test that records how it failed.
type verdict struct {
	testing.TB
	text string
}

func (*verdict) Helper() {}

func (v *verdict) Fatalf(format string, args ...any) {
	v.text = fmt.Sprintf(format, args...)
	runtime.Goexit()
}

// judge runs a test in a bubble to its end and returns how it failed.
func judge(test func(t testing.TB)) string {
	var v verdict
	var wg sync.WaitGroup
	wg.Go(func() { test(&v) })
	wg.Wait()
	return v.text
}

func TestWaitingEndsWithWhatIsWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		ch := make(chan int)
		time.AfterFunc(Limit-time.Second, func() { ch <- 7 })
		late := func() bool { return time.Since(start) >= Limit-2*time.Second }
		if text := judge(func(t testing.TB) {
			Until(t, "late", late)
			if got := Receive(t, "a number", ch); got != 7 {
				t.Fatalf("%d", got)
			}
		}); text != "" {
			t.Error(text)
		}
	})
}

func TestATestThatWouldHangFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const want = "after 10m0s still not: served"
		if got := judge(func(t testing.TB) { Until(t, "served", func() bool { return false }) }); got != want {
			t.Errorf("%q", got)
		}
		if got := judge(func(t testing.TB) { Receive(t, "served", make(chan struct{})) }); got != want {
			t.Errorf("%q", got)
		}
	})
}
