package clientmodel

import (
	"fmt"
	"testing"
	"time"
)

func edits(n int) (out []Edit) {
	for i := range n {
		out = append(out, Edit{Key: Key{"kv", fmt.Sprint(i)}, OpID: fmt.Sprint("op", i)})
	}
	return out
}

func status(code int) Push {
	return func([]Edit) Answer { return Answer{Status: code, RetryAfter: "1"} }
}

func accept(batch []Edit) Answer {
	a := Answer{Status: 200}
	for _, e := range batch {
		a.Results = append(a.Results, EditResult{OpID: e.OpID, Success: true})
	}
	return a
}

// Contract, client-behaviour §3: tests that use the model are meaningful only if it does this.
func TestFourFailedAttemptsLoseAnEdit(t *testing.T) {
	for _, code := range []int{0, 400, 401, 403, 404, 413, 500} {
		o, now := NewOutbox(), time.Unix(0, 0)
		o.Capture(edits(1)[0])
		var at []time.Duration
		for range 200 {
			if o.Beat(now, status(code)) {
				at = append(at, now.Sub(time.Unix(0, 0)))
			}
			now = now.Add(50 * time.Millisecond)
		}
		if fmt.Sprint(at) != "[0s 250ms 1.25s 4.25s]" || len(o.GivenUp) != 1 || o.Breaker.Failures != 4 || o.Breaker.Opened != 0 {
			t.Errorf("%d: sent at %v, %+v", code, at, o)
		}
	}
}

func TestTransientAnswersCostNothing(t *testing.T) {
	for _, code := range []int{429, 502, 503, 504} {
		o, now := NewOutbox(), time.Unix(0, 0)
		o.Capture(edits(1)[0])
		for range 100 {
			o.Beat(now, status(code))
			now = now.Add(time.Second)
		}
		if o.Waiting() != 1 || o.Breaker.Failures != 0 {
			t.Errorf("%d: %+v", code, o)
		}
		if o.Beat(now, accept); len(o.Acknowledged) != 1 {
			t.Errorf("%d: %+v", code, o)
		}
	}
}

func TestFiveFailedFlushesOpenTheBreakerAndAnIdleProbeLeavesItShut(t *testing.T) {
	o, now := NewOutbox(), time.Unix(0, 0)
	for _, e := range edits(5) {
		o.Capture(e)
		o.Beat(now, status(500))
	}
	if o.Breaker.Opened != 1 || o.Beat(now.Add(29*time.Second), accept) {
		t.Fatalf("%+v", o.Breaker)
	}
	o.waiting = nil
	if o.Beat(now.Add(30*time.Second), accept); !o.Breaker.Stuck() {
		t.Fatalf("%+v", o.Breaker)
	}
	o.Capture(edits(1)[0])
	if o.Beat(now.Add(time.Hour), accept) {
		t.Error("pushed through a stuck breaker")
	}
}

func TestBatchesAreCoalescedAndBounded(t *testing.T) {
	o := NewOutbox()
	for _, e := range edits(60) {
		o.Capture(e)
	}
	o.Capture(Edit{Key: Key{"kv", "0"}, OpID: "later"})
	o.Beat(time.Unix(0, 0), accept)
	_, first := o.Acknowledged["op0"]
	if len(o.Acknowledged) != 50 || o.Waiting() != 10 || first {
		t.Errorf("%d acknowledged, %d waiting", len(o.Acknowledged), o.Waiting())
	}
}
