package syncbench

import (
	"context"
	"fmt"
	"slices"

	"or3.chat/cloud/bench/internal/ceiling"
	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/load"
	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/bench/internal/process"
)

const (
	// liveRows is how many live rows the workspace of the pull measurements has at least.
	liveRows = 100_000
	// entriesRow is how many entries of the corpus leave a live row at most: of the recorded ops about 60 % are
	// winners.
	entriesRow = 2
	// ceilingPages is how many different pages a server sends from memory.
	ceilingPages = 32
)

// pageSizes are the limits of the pages that are pulled, pullGroups how many devices do so at once.
var (
	pageSizes  = []int{100, 1000}
	pullGroups = []int{1, 16}
)

// pages are how many pages a group pulls in a round, by size and group.
var pages = map[int]map[int]int{100: {1: 1200, 16: 2400}, 1000: {1: 160, 16: 320}}

// pulled is what a build is asked for.
type pulled struct {
	server              *process.Server
	devices             []*client.Device
	newest              int64
	pulls               map[string]*load.Pullers
	polls               *load.Pollers
	bootstrap, snapshot *load.Whole
	// MB at rest, and additional ones at most.
	before, bootstrapped, snapshotted float64
	sixteen                           float64 // in all, while sixteen devices pulled
}

func pullKey(size, group int) string { return fmt.Sprintf("pull %d by %d", size, group) }

// freshKey is of sixteen devices that pull what is new, pages of 1,000 that overlap.
const freshKey = "pull fresh 1000 by 16"

// Pull compares pages, empty polls, and whole workspaces by log and by snapshot: of the builds, and of a server that
// sends the same bytes from memory.
func (b *Bench) Pull(ctx context.Context) error {
	rows := b.Ops(liveRows)
	var builds []*pulled
	for _, build := range b.Builds {
		inst, err := b.instance(build, "pull", 16)
		if err != nil {
			return err
		}
		if err := inst.grow(ctx, int64(max(rows*entriesRow, 8000))); err != nil {
			return err
		}
		s, err := inst.start()
		if err != nil {
			return err
		}
		defer s.Stop()
		p := &pulled{server: s, devices: inst.devices, newest: inst.version, pulls: map[string]*load.Pullers{}}
		for _, size := range pageSizes {
			for _, group := range pullGroups {
				p.pulls[pullKey(size, group)] = &load.Pullers{Server: s, Devices: p.devices[:group], Limit: size, Newest: p.newest}
			}
		}
		p.pulls[freshKey] = &load.Pullers{Server: s, Devices: p.devices, Limit: 1000, Newest: p.newest, Fresh: true}
		p.polls = &load.Pollers{Server: s, Devices: p.devices, Newest: p.newest}
		p.bootstrap, p.snapshot = &load.Whole{Server: s, Device: p.devices[0]}, &load.Whole{Server: s, Device: p.devices[0]}
		builds = append(builds, p)
		if err := p.memory(b, rows); err != nil {
			return fmt.Errorf("%s: %w", build.Name, err)
		}
	}
	limits, err := b.fromMemory(builds[0])
	if err != nil {
		return err
	}
	defer limits.stop()

	var steps []measure.Step
	for _, size := range pageSizes {
		for _, group := range pullGroups {
			n := b.Ops(pages[size][group])
			for _, p := range builds {
				steps = append(steps, p.pulls[pullKey(size, group)].Step(n))
			}
			steps = append(steps, limits.pulls[pullKey(size, group)].Step(n*(1+again)))
		}
	}
	for _, p := range builds {
		steps = append(steps, p.pulls[freshKey].Step(b.Ops(pages[1000][16])))
		steps = append(steps, p.polls.Step(b.Ops(32_000)), p.bootstrap.Bootstrap(rows), p.snapshot.Snapshot(rows))
	}
	steps = append(steps, limits.polls.Step(b.Ops(64_000)))
	if err := measure.Alternate(b.Rounds, steps...); err != nil {
		return err
	}
	b.reportPull(builds, limits, rows)
	return nil
}

func (b *Bench) reportPull(builds []*pulled, limits *fromMemory, rows int) {
	r := b.Report
	works := func(of func(*pulled) *measure.Work) (out []*measure.Work) {
		for _, p := range builds {
			out = append(out, of(p))
		}
		return out
	}
	r.Section("Pull, rows a second", "pages from all over the log; only winners are delivered; shares are of a server that sends the same pages from memory")
	for _, size := range pageSizes {
		for _, group := range pullGroups {
			key := pullKey(size, group)
			b.write(contest{
				key: key, name: fmt.Sprintf("pages of %d, %s", size, devicesOf(group)), unit: "rows",
				ours:    works(func(p *pulled) *measure.Work { return &p.pulls[key].Work }),
				ceiling: &limits.pulls[key].Work, others: []rival{{byAnswering, &limits.pulls[key].Work}},
			})
		}
	}
	first := builds[0]
	sixteen := pullKey(1000, 16)
	b.write(contest{
		key: freshKey, name: "pages of 1,000, 16 devices, all of them near the end of the log", unit: "rows",
		ours: works(func(p *pulled) *measure.Work { return &p.pulls[freshKey].Work }), ceiling: &limits.pulls[sixteen].Work,
	})
	b.atLeast("Pull of 1,000 by 16 devices, of a server that sends the same from memory", 0.4, &first.pulls[sixteen].Work, &limits.pulls[sixteen].Work)
	b.atMost("Memory while 16 devices pull 1,000 rows at once", 80, first.sixteen, "MB")
	for i, p := range builds {
		r.Value(sixteen+" memory", b.Builds[i].Name, "memory while 16 devices pull 1,000 rows at once", "MB", measure.Series{p.sixteen}, "resident in all, at most")
	}

	r.Section("Empty polls a second", "16 connections; shares are of a server that only answers")
	b.write(contest{
		key: "poll 16", name: "empty polls", unit: "polls", ours: works(func(p *pulled) *measure.Work { return &p.polls.Work }),
		ceiling: &limits.polls.Work, others: []rival{{byAnswering, &limits.polls.Work}},
	})
	r.Target("Empty polls a second, 16 connections", "≥ 40,000", measure.Number(first.polls.Rate.Median()), first.polls.Rate.Median() >= 40_000)

	r.Section("Whole workspaces, rows a second", fmt.Sprintf("%d rows in pages of 1,000 by one device", rows))
	b.write(contest{
		key: "bootstrap", name: "by pulls", unit: "rows", ours: works(func(p *pulled) *measure.Work { return &p.bootstrap.Work }),
		note: func(i int) string { return fmt.Sprintf("%.1f MB more memory at most", builds[i].bootstrapped) },
	})
	b.write(contest{
		key: "snapshot", name: "by snapshot", unit: "rows", ours: works(func(p *pulled) *measure.Work { return &p.snapshot.Work }),
		note: func(i int) string { return fmt.Sprintf("%.1f MB more memory at most", builds[i].snapshotted) },
	})
	b.atMost("Bootstrap of 100,000 rows, additional memory", 25, first.bootstrapped, "MB")
}

// memory measures what the server holds while it is asked, before anything else has been.
func (p *pulled) memory(b *Bench, rows int) error {
	now, err := p.server.Memory()
	if err != nil {
		return err
	}
	p.before = now.Resident
	for _, m := range []struct {
		into *float64
		step measure.Step
	}{
		{&p.bootstrapped, (&load.Whole{Server: p.server, Device: p.devices[0]}).Bootstrap(rows)},
		{&p.snapshotted, (&load.Whole{Server: p.server, Device: p.devices[0]}).Snapshot(rows)},
		{&p.sixteen, (&load.Pullers{Server: p.server, Devices: p.devices, Limit: 1000, Newest: p.newest}).Step(b.Ops(800))},
	} {
		if err := p.server.ResetPeak(); err != nil {
			return err
		}
		if err := measure.Interleave(1, m.step); err != nil {
			return err
		}
		now, err := p.server.Memory()
		if err != nil {
			return err
		}
		*m.into = now.Peak - p.before
	}
	p.sixteen += p.before
	return nil
}

// fromMemory are servers that send what a build has sent, one for each kind of answer.
type fromMemory struct {
	servers []*process.Server
	pulls   map[string]*load.Pullers
	polls   *load.Pollers
}

func (f *fromMemory) stop() {
	for _, s := range f.servers {
		s.Stop()
	}
}

// fromMemory asks a build for pages and starts servers that have them.
func (b *Bench) fromMemory(p *pulled) (f *fromMemory, err error) {
	f = &fromMemory{pulls: map[string]*load.Pullers{}}
	start := func(name string, answers [][]byte) (*process.Server, error) {
		s, err := ceiling.Start(b.Path(name), answers, false)
		if err == nil {
			f.servers = append(f.servers, s)
		}
		return s, err
	}
	defer func() {
		if err != nil {
			f.stop()
		}
	}()
	d := p.devices[0]
	ask := func(cursor int64, limit int) ([]byte, error) {
		answer, err := d.Do("POST", "/api/sync/pull", client.PullBody(d.Workspace, cursor, limit))
		return slices.Clone(answer), err
	}
	for _, size := range pageSizes {
		var answers [][]byte
		for n := range ceilingPages {
			a, err := ask(load.Place(n, p.newest, size), size)
			if err != nil {
				return f, err
			}
			answers = append(answers, a)
		}
		s, err := start(fmt.Sprintf("pull-answering-%d", size), answers)
		if err != nil {
			return f, err
		}
		there := at(p.devices, s)
		for _, group := range pullGroups {
			f.pulls[pullKey(size, group)] = &load.Pullers{Server: s, Devices: there[:group], Limit: size, Newest: p.newest}
		}
	}
	empty, err := ask(p.newest, 100)
	if err != nil {
		return f, err
	}
	s, err := start("poll-answering", [][]byte{empty})
	f.polls = &load.Pollers{Server: s, Devices: at(p.devices, s), Newest: p.newest}
	return f, err
}
