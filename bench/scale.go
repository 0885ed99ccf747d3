package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"
)

// benchHistory measures what a push and a pull cost with more and more history.
func (b *bench) benchHistory(ctx context.Context) error {
	sizes := []int64{10_000, 100_000, 1_000_000}
	if b.short {
		sizes = sizes[:2]
	}
	inst, err := b.instance("history", 1)
	if err != nil {
		return err
	}
	var pushes []*pushers
	var pulls []*pullers
	var steps []step
	for _, size := range sizes {
		if err := inst.seed(ctx, b.corpus, size); err != nil {
			return err
		}
		c, err := inst.copy(b.path(fmt.Sprintf("history%d/data", size)))
		if err != nil {
			return err
		}
		s, err := c.start(b)
		if err != nil {
			return err
		}
		defer os.RemoveAll(filepath.Dir(s.data))
		defer s.stop()
		push := newPushers(c.on(s))
		pull := &pullers{devices: c.on(s), limit: 1000, newest: size}
		pushes, pulls = append(pushes, push), append(pulls, pull)
		steps = append(steps, push.step(b.ops(8000)), pull.step(b.ops(100)))
	}
	if err := interleave(1, steps...); err != nil { // the first round fills the caches
		return err
	}
	for i := range sizes {
		pushes[i].latency, pulls[i].latency = newHistogram(), nil
	}
	if err := interleave(b.rounds, steps...); err != nil {
		return err
	}
	r := b.report
	r.Section("History", "1 device; a push of 50 ops and a pull of 1,000 rows against the number of entries in the log")
	for i, size := range sizes {
		r.Figure(fmt.Sprintf("%d entries", size), fmt.Sprintf("push p50 %s ms, p99 %s ms", number(ms(pushes[i].latency, 50)), number(ms(pushes[i].latency, 99))),
			fmt.Sprintf("pull p50 %s ms", number(ms(pulls[i].latency, 50))))
	}
	last := len(sizes) - 1
	got := ms(pushes[last].latency, 50) / ms(pushes[0].latency, 50)
	r.Target(fmt.Sprintf("Push latency at %d entries of history, against 10,000", sizes[last]), "≤ 1.3 ×", fmt.Sprintf("%.2f ×", got), got <= 1.3)
	return nil
}

// benchWorkspaces measures what a push and a pull cost with more and more workspaces.
func (b *bench) benchWorkspaces(ctx context.Context) error {
	counts := []int{1, 100, 10_000}
	if b.short {
		counts = []int{1, 100, 1000}
	}
	ones, manys := make([]*pushers, len(counts)), make([]*pushers, len(counts))
	var steps []step
	for i, count := range counts {
		inst, err := b.instance(fmt.Sprintf("workspaces%d", count), 16)
		if err != nil {
			return err
		}
		ids, err := inst.seedWorkspaces(ctx, count, 20)
		if err != nil {
			return err
		}
		s, err := inst.start(b)
		if err != nil {
			return err
		}
		defer s.stop()
		ones[i], manys[i] = newPushers(inst.on(s)[:1]), newPushers(inst.on(s))
		ones[i].workspaces, manys[i].workspaces = ids, ids
		steps = append(steps, ones[i].step(b.ops(8000)), manys[i].step(b.ops(16_000)))
	}
	if err := interleave(b.rounds, steps...); err != nil {
		return err
	}
	r := b.report
	r.Section("Workspaces", "a push of 50 ops each time to another workspace, against the number of workspaces")
	for i, count := range counts {
		r.Figure(fmt.Sprintf("%d workspaces", count),
			fmt.Sprintf("push p50 %s ms, p99 %s ms", number(ms(ones[i].latency, 50)), number(ms(ones[i].latency, 99))),
			fmt.Sprintf("16 devices: %s records/s", manys[i].rate))
	}
	return nil
}

// benchStart measures the start on an existing database and what a server holds then.
func (b *bench) benchStart(ctx context.Context) error {
	inst, err := b.instance("start", 1)
	if err != nil {
		return err
	}
	if err := inst.seed(ctx, b.corpus, int64(b.ops(100_000))); err != nil {
		return err
	}
	var first, memory series
	for range 4 * b.rounds {
		s, err := inst.start(b)
		if err != nil {
			return err
		}
		first = append(first, float64(s.ready.Sub(s.began).Microseconds())/1000)
		d := inst.on(s)[0]
		if _, err := d.pull(pullBody(d.workspace, inst.version, 100)); err != nil {
			return err
		}
		time.Sleep(100 * time.Millisecond) // let it come to rest
		now, _, err := s.memory()
		if err != nil {
			return err
		}
		memory = append(memory, now)
		if err := s.stop(); err != nil {
			return err
		}
	}
	r := b.report
	r.Section("Start", "on an existing database, from the start of the process to a complete answer of the session endpoint, which needs both databases open")
	r.Figure("First answer, ms", first.String(), "")
	r.Figure("Resident memory after start, MB", memory.String(), "after a session and a poll")
	r.Target("Resident memory after start", "< 25 MB", fmt.Sprintf("%.1f MB", memory.median()), memory.median() < 25)
	r.Target("First answer after the process's start", "≤ 50 ms", fmt.Sprintf("%.1f ms", first.median()), first.median() <= 50)
	return nil
}
