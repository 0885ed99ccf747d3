package syncbench

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/load"
	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/bench/internal/process"
)

// rest lets a server come to rest before its memory is looked at.
const rest = 200 * time.Millisecond

// held is what a server holds, in MB, a value for each start.
type held struct{ anonymous, resident measure.Series }

func (h *held) look(s *process.Server) error {
	time.Sleep(rest)
	m, err := s.Memory()
	h.anonymous, h.resident = append(h.anonymous, m.Anonymous), append(h.resident, m.Resident)
	return err
}

// footprint is a build's memory and its starts.
type footprint struct {
	first, again held
	answer       measure.Series // ms until the first answer, on an existing database
	inst         *instance
}

// Start measures the first start and those on an existing database: what the server holds then, and when it answers.
func (b *Bench) Start(ctx context.Context) error {
	builds := make([]*footprint, len(b.Builds))
	var steps []measure.Step
	for i, build := range b.Builds {
		inst, err := b.instance(build, "start", 16)
		if err != nil {
			return err
		}
		if err := inst.grow(ctx, int64(b.Ops(100_000))); err != nil {
			return err
		}
		f := &footprint{inst: inst}
		builds[i] = f
		steps = append(steps, measure.Step{Run: func() error { return f.begin(b) }}, measure.Step{Run: f.resume})
	}
	if err := measure.Alternate(2*b.Rounds, steps...); err != nil {
		return err
	}
	r := b.Report
	r.Section("Start", "until the session endpoint is answered, which needs both databases open; on an existing database after a session and a poll; MB")
	for i, f := range builds {
		by := b.Builds[i].Name
		r.Value("start answer", by, "first answer on an existing database, ms", "ms", f.answer, "")
		r.Value("start first anonymous", by, "anonymous memory after the first start", "MB", f.first.anonymous, "resident: "+f.first.resident.String())
		r.Value("start anonymous", by, "anonymous memory after a start", "MB", f.again.anonymous, "resident: "+f.again.resident.String())
	}
	f := builds[0]
	b.atMost("First answer after the process's start", 50, f.answer.Median(), "ms")
	b.atMost("Anonymous memory after start, the first included", 12, max(f.first.anonymous.Median(), f.again.anonymous.Median()), "MB")
	return nil
}

// begin is a start in an empty directory.
func (f *footprint) begin(b *Bench) error {
	dir := b.Path(fmt.Sprintf("start-%s-%d", f.inst.build.Key, len(f.first.anonymous)))
	defer os.RemoveAll(dir)
	s, err := f.inst.build.Serve(filepath.Join(dir, "data"))
	if err != nil {
		return err
	}
	defer s.Stop()
	if err := f.first.look(s); err != nil {
		return err
	}
	return s.Stop()
}

// resume is a start on the history.
func (f *footprint) resume() error {
	s, err := f.inst.start()
	if err != nil {
		return err
	}
	defer s.Stop()
	f.answer = append(f.answer, float64(s.Ready.Sub(s.Began).Microseconds())/1000)
	if _, err := f.inst.devices[0].Pull(client.PullBody(f.inst.workspace, f.inst.version, 100)); err != nil {
		return err
	}
	if err := f.again.look(s); err != nil {
		return err
	}
	return s.Stop()
}

// million is how many ops a server has taken when its memory is looked at again.
const million = 1_000_000

// Million pushes a million ops by 16 devices and measures what the server holds and has written then.
func (b *Bench) Million(ctx context.Context) error {
	const parts = 10
	pushes := make([]*load.Pushers, len(b.Builds))
	servers := make([]*process.Server, len(b.Builds))
	var steps []measure.Step
	for i, build := range b.Builds {
		s, err := build.Serve(b.Path("million-" + build.Key + "/data"))
		if err != nil {
			return err
		}
		defer os.RemoveAll(filepath.Dir(s.Data))
		defer s.Stop()
		devices, err := b.Devices(s, "million", 16)
		if err != nil {
			return err
		}
		servers[i], pushes[i] = s, &load.Pushers{Server: s, Devices: devices}
		steps = append(steps, pushes[i].Step(b.Ops(million)/parts))
	}
	if err := measure.Alternate(parts, steps...); err != nil {
		return err
	}
	var works []*measure.Work
	for _, p := range pushes {
		works = append(works, &p.Work)
	}
	r := b.Report
	r.Section("A million ops", fmt.Sprintf("%d ops by 16 devices to a new server, in %d rounds; MB of memory right behind", b.Ops(million)/parts*parts, parts))
	b.write(contest{key: "million", name: "push by 16 devices", unit: "ops", ours: works})
	for i, s := range servers {
		m, err := s.Memory()
		if err != nil {
			return err
		}
		r.Value("million anonymous", b.Builds[i].Name, "anonymous memory", "MB", measure.Series{m.Anonymous}, fmt.Sprintf("resident: %.1f, at most %.1f", m.Resident, m.Peak))
		if i == 0 {
			b.atMost("Anonymous memory after a million ops", 40, m.Anonymous, "MB")
		}
	}
	return nil
}
