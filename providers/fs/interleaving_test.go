package fs

import (
	"context"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providertest"
)

// scheduler runs one of several goroutines at a time, from one call of yield to the next, in an order that a seed
// decides.
type scheduler struct {
	random *rand.Rand
	// sticky is the chance that a goroutine simply goes on. A high one gives schedules in which one goroutine sleeps
	// while the others do all their work, which a fair choice rarely does.
	sticky float64
	mu     sync.Mutex
	parked []parked
	trace  []string
}

type parked struct {
	at     string
	resume chan struct{}
}

func (s *scheduler) yield(at string) {
	p := parked{at, make(chan struct{})}
	s.mu.Lock()
	s.parked = append(s.parked, p)
	s.mu.Unlock()
	<-p.resume
}

// run starts the actors and schedules them until all have returned.
func (s *scheduler) run(t *testing.T, actors ...func()) {
	t.Helper()
	var wg sync.WaitGroup
	for _, actor := range actors {
		wg.Go(func() {
			s.yield("start")
			actor()
		})
	}
	for {
		synctest.Wait() // All actors are parked, wait for a lock or have returned.
		s.mu.Lock()
		if len(s.parked) == 0 {
			s.mu.Unlock()
			break
		}
		i := len(s.parked) - 1 // Parked last, so it is the one that ran.
		if s.random.Float64() >= s.sticky {
			i = s.random.IntN(len(s.parked))
		}
		next := s.parked[i]
		s.parked = append(s.parked[:i], s.parked[i+1:]...)
		s.trace = append(s.trace, fmt.Sprintf("%d:%s", i, next.at))
		s.mu.Unlock()
		close(next.resume)
	}
	wg.Wait() // A deadlock between actors is reported by the bubble.
}

// pausingClaims yields around every claim, and between a claim's decision and its answer.
type pausingClaims struct {
	*providertest.References
	*scheduler
}

func (p pausingClaims) RetireGeneration(ctx context.Context, in or3cloud.RetireRequest) (bool, error) {
	p.yield("claim")
	ok, err := p.References.RetireGeneration(ctx, in)
	p.yield("claimed")
	return ok, err
}

func (p pausingClaims) ForgetRetired(ctx context.Context, in or3cloud.RetireRequest) error {
	p.yield("forget")
	return p.References.ForgetRetired(ctx, in)
}

// TestInterleavings runs two collectors, an upload with its commit, a repeated commit, a reader and a device that shows
// the file against each other, with a possible pause at every disk operation and every claim. What was acknowledged and
// is referenced is readable at any moment; in the end nothing unneeded is left.
func TestInterleavings(t *testing.T) {
	runs := 1000
	if testing.Short() {
		runs = 100
	}
	realNow := time.Now() // The bubble's clock starts in the past, the times of files do not.
	schedules := map[uint64]bool{}
	for seed := range uint64(runs) {
		synctest.Test(t, func(t *testing.T) {
			schedules[explore(t, seed, realNow)] = true
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d different schedules explored in %d runs", len(schedules), runs)
	if len(schedules) < runs/2 {
		t.Errorf("only %d different schedules", len(schedules))
	}
}

func explore(t *testing.T, seed uint64, realNow time.Time) (schedule uint64) {
	const content = "content"
	var options []func(*Options)
	if seed%4 >= 2 { // Half of them destroy at once, so that the trash hides no mistake.
		options = append(options, atOnceDestroyed)
	}
	r := newRig(t, options...)
	r.clock.Advance(realNow.Sub(r.clock.Now()))
	r.disk.lazy = true
	s := &scheduler{random: rand.New(rand.NewPCG(seed, 0)), sticky: []float64{0, 0.8, 0.9, 0.95}[seed/4%4]}
	r.store(content)
	r.clock.Advance(aged)
	if seed%2 == 1 { // Half of the runs start with the blob in the trash.
		r.mustGC()
		r.clock.Advance(23 * time.Hour)
	}

	var state sync.Mutex
	needed := false
	refer := func() {
		state.Lock()
		defer state.Unlock()
		r.refs.Add("ws", hashOf(content))
		needed = true
	}
	isNeeded := func() bool { state.Lock(); defer state.Unlock(); return needed }
	collect := func() {
		for range 3 {
			if _, err := r.gc(); err != nil {
				t.Errorf("GC: %v", err)
			}
			r.clock.Advance(3 * time.Hour) // Less than a day in total: an upload that is not committed by then may go.
		}
	}
	uploadToken, downloadToken := uploadClaims(r, content), downloadClaims(r, content)
	uploadToken.Expires, downloadToken.Expires = r.clock.Now().Add(aged), r.clock.Now().Add(aged)

	r.claims.ReferenceClaimer = pausingClaims{r.refs, s}
	r.disk.fault = func(op, name string) error { s.yield(op); return nil }
	actors := []func(){
		collect, collect,
		func() { // A device that uploads.
			if code := r.put(uploadToken, newBody(content)).Code; code != 200 {
				t.Errorf("upload: %d", code)
			} else if err := r.commit(content); err != nil {
				t.Errorf("commit: %v", err)
			} else {
				refer()
			}
		},
		func() { // A device that commits once more, perhaps too late.
			if err := r.commit(content); err == nil {
				refer()
			} else if or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
				t.Errorf("second commit: %v", err)
			}
		},
		func() { // A device that shows the file.
			for range 3 {
				was := isNeeded()
				if err := r.presignDownload(content); err != nil && (was || or3cloud.CodeOf(err) != or3cloud.CodeNotFound) {
					t.Errorf("presign, needed %v: %v", was, err)
				}
				was = isNeeded()
				if rec := r.get(downloadToken); rec.Code != 200 && (was || rec.Code != 404) {
					t.Errorf("download, needed %v: %d", was, rec.Code)
				}
			}
		},
	}
	if seed/16%2 == 1 { // Half of them run without the actors that would happen to save the blob.
		actors = actors[1:3]
	}
	s.run(t, actors...)
	r.disk.fault = nil
	r.claims.ReferenceClaimer = r.refs

	if seed%3 == 0 {
		r.restart()
		r.disk.lazy = true
	}
	if !isNeeded() {
		t.Error("nothing was acknowledged")
	}
	checkAfter(t, r, true)
	r.refs.Remove("ws", hashOf(content))
	r.clock.Advance(aged)
	r.mustGC()
	r.clock.Advance(aged)
	checkAfter(t, r, false)
	if t.Failed() {
		t.Logf("schedule: %v", s.trace)
	}
	h := fnv.New64a()
	fmt.Fprint(h, s.trace)
	return h.Sum64()
}
