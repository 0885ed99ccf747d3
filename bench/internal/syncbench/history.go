package syncbench

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"time"

	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/load"
	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/bench/internal/process"
)

const (
	// entryRoom is how many bytes of disk an entry of a history takes at most, its share of indexes and of the
	// write-ahead log included.
	entryRoom = 2500
	// historyPushed are the ops of a round: few, so that a small history stays small.
	historyPushed = 4800
	// migrated is the largest history whose migration is measured, in entries.
	migrated = 1_000_000
)

// aged is a build with a history.
type aged struct {
	*instance
	server       *process.Server
	one, sixteen *load.Pushers
	pull         *load.Pullers
	pushed       int // ops before the rounds
}

// History measures what pushes and pulls cost, and what they write, with more and more history; then the size of the
// file, before and after what has been superseded is collected; and, if there is another build, how long this one takes
// to start on that one's history.
func (b *Bench) History(ctx context.Context) error {
	sizes, err := b.fitting()
	if err != nil {
		return err
	}
	histories := make([][]*aged, len(sizes)) // by size and build
	for _, build := range b.Builds {
		inst, err := b.instance(build, "history", 16)
		if err != nil {
			return err
		}
		for i, size := range sizes {
			if err := inst.grow(ctx, size); err != nil {
				return fmt.Errorf("%s: %w", build.Name, err)
			}
			h := &aged{instance: inst}
			if i < len(sizes)-1 {
				if h.instance, err = inst.copy(b.Path(fmt.Sprintf("history-%s-%d/data", build.Key, size))); err != nil {
					return err
				}
			}
			defer os.RemoveAll(filepath.Dir(h.data))
			histories[i] = append(histories[i], h)
		}
	}
	if b.other() { // before anything else is pushed
		if err := b.migration(sizes, histories); err != nil {
			return err
		}
	}
	var steps []measure.Step
	for i, size := range sizes {
		for _, h := range histories[i] {
			if h.server, err = h.start(); err != nil {
				return err
			}
			defer h.server.Stop()
			h.one = &load.Pushers{Server: h.server, Devices: h.devices[:1]}
			h.sixteen = &load.Pushers{Server: h.server, Devices: h.devices}
			h.pull = &load.Pullers{Server: h.server, Devices: h.devices[:1], Limit: 1000, Newest: size}
			steps = append(steps, h.one.Step(b.Ops(historyPushed/4)), h.sixteen.Step(b.Ops(historyPushed)), h.pull.Step(b.Ops(100)))
		}
	}
	if err := measure.Interleave(1, steps...); err != nil { // the first round fills the caches
		return err
	}
	if err := b.settle(ctx, sizes, histories); err != nil {
		return err
	}
	for i := range sizes {
		for _, h := range histories[i] {
			h.pushed = h.one.Units + h.sixteen.Units
			h.one.Work, h.sixteen.Work, h.pull.Work = measure.Work{}, measure.Work{}, measure.Work{}
		}
	}
	if err := measure.Alternate(b.Rounds, steps...); err != nil {
		return err
	}
	b.reportHistory(sizes, histories)
	return b.sizes(ctx, sizes, histories)
}

// A server is at rest when it has used less than a hundredth of a processor for settled; settleTime is how long that is
// waited for.
const (
	settled    = 2 * time.Second
	settleTime = 10 * time.Minute
)

// settle waits until the servers do nothing by themselves any more, and reports what that was: what a history that has
// grown at full speed leaves to be done, and the check of the database that comes once a day, the first time soon after
// a start. It is not a cost of the pushes that are measured then; what these lead to themselves is counted.
func (b *Bench) settle(ctx context.Context, sizes []int64, histories [][]*aged) error {
	b.Report.Section("Background work", "of servers on a history, from the first round of pushes until they are at rest")
	began := time.Now()
	used := func(h *aged) (time.Duration, int64) { return h.server.CPU(), h.server.Output() }
	var rows []func() error
	for i, size := range sizes {
		for n, h := range histories[i] {
			cpu, output := used(h)
			rows = append(rows, func() error {
				for last := cpu; ; {
					time.Sleep(settled)
					now, written := used(h)
					if now-last < settled/100 {
						b.Report.Value(fmt.Sprintf("settled at %d", size), b.Builds[n].Name, fmt.Sprintf("until at rest, with %d entries", size), "s",
							measure.Series{time.Since(began).Seconds()}, fmt.Sprintf("%.2f s of processor time, %.1f MB written", (now-cpu).Seconds(), float64(written-output)/1e6))
						return nil
					}
					if last = now; time.Since(began) > settleTime || ctx.Err() != nil {
						return errors.Join(fmt.Errorf("the server of %s with %d entries is still busy", b.Builds[n].Name, size), ctx.Err())
					}
				}
			})
		}
	}
	for _, row := range rows {
		if err := row(); err != nil {
			return err
		}
	}
	return nil
}

func (b *Bench) reportHistory(sizes []int64, histories [][]*aged) {
	b.Report.Section("History", fmt.Sprintf("pushes of %d ops and pulls of 1,000 rows against the number of entries in the log; of a push, ops a second, of a pull, rows", load.Batch))
	works := func(i int, of func(*aged) *measure.Work) (out []*measure.Work) {
		for _, h := range histories[i] {
			out = append(out, of(h))
		}
		return out
	}
	sixteen := func(h *aged) *measure.Work { return &h.sixteen.Work }
	for i, size := range sizes {
		b.write(contest{key: fmt.Sprintf("push 1 at %d", size), name: fmt.Sprintf("push by 1 device at %d entries", size), unit: "ops", ours: works(i, func(h *aged) *measure.Work { return &h.one.Work })})
		b.write(contest{key: fmt.Sprintf("push 16 at %d", size), name: fmt.Sprintf("push by 16 devices at %d entries", size), unit: "ops", ours: works(i, sixteen)})
		b.write(contest{key: fmt.Sprintf("pull 1000 at %d", size), name: fmt.Sprintf("pull by 1 device at %d entries", size), unit: "rows", ours: works(i, func(h *aged) *measure.Work { return &h.pull.Work })})
	}
	small, last := &histories[0][0].sixteen.Work, len(sizes)-1
	large := &histories[last][0].sixteen.Work
	if last > 0 {
		b.atMost(fmt.Sprintf("Processor time of a push at %d entries, against %d", sizes[last], sizes[0]), 1.3, large.Server.Median()/small.Server.Median(), "×")
	}
	b.atMost(fmt.Sprintf("Bytes written for a push at %d entries, against its payload", sizes[last]), 3, large.Written.Median()/b.Corpus.Payload(), "×")
}

// fitting are the sizes for which the disk has room.
func (b *Bench) fitting() (sizes []int64, err error) {
	var disk syscall.Statfs_t
	if err := syscall.Statfs(b.Dir, &disk); err != nil {
		return nil, err
	}
	free := int64(disk.Bavail) * disk.Bsize
	var taken int64
	for _, size := range b.Histories {
		size = max(int64(float64(size)*b.Scale), 8000)
		if taken += size * entryRoom * int64(len(b.Builds)); taken > free {
			fmt.Fprintf(b.Report.Out, "\nThe history of %d entries is left out: with the smaller ones it takes up to %d GB, and %d GB are free.\n", size, taken/1e9, free/1e9)
			continue
		}
		sizes = append(sizes, size)
	}
	slices.Sort(sizes)
	if sizes = slices.Compact(sizes); len(sizes) == 0 {
		return nil, fmt.Errorf("no history fits on the disk of %s", b.Dir)
	}
	return sizes, nil
}

// sizes reports how large the files are, and this build's when everything is collected that may be. The servers are
// stopped for it.
func (b *Bench) sizes(ctx context.Context, sizes []int64, histories [][]*aged) error {
	r := b.Report
	r.Section("Size of the database", "everything that begins with or3-sync.sqlite, in MB, after the measurement of histories, the server stopped")
	for i, size := range sizes {
		for n, h := range histories[i] {
			var err error
			if h.version, err = h.devices[0].Head(); err != nil { // a copy counts on from a jump of an epoch
				return err
			}
			if err := h.server.Stop(); err != nil {
				return err
			}
			bytes, err := h.size()
			if err != nil {
				return err
			}
			entries := size + int64(h.pushed+h.one.Units+h.sixteen.Units)
			payload := float64(entries) * b.Corpus.Payload()
			r.Value(fmt.Sprintf("size at %d", size), b.Builds[n].Name, fmt.Sprintf("%d entries", entries), "MB", measure.Series{float64(bytes) / 1e6},
				fmt.Sprintf("%.2f × the payload of all ops", float64(bytes)/payload))
		}
		if size > migrated && len(sizes) > 1 {
			continue
		}
		// The largest history is used no more, and a smaller one neither.
		h := histories[i][0]
		payload, err := h.collect(ctx)
		if err != nil {
			return err
		}
		bytes, err := h.size()
		if err != nil {
			return err
		}
		got := float64(bytes) / float64(payload)
		r.Value(fmt.Sprintf("size collected at %d", size), b.This().Name, fmt.Sprintf("history of %d after collection", size), "MB", measure.Series{float64(bytes) / 1e6},
			fmt.Sprintf("%.2f × the payload of what is left", got))
		if i == len(sizes)-1 || sizes[i+1] > migrated {
			b.atMost(fmt.Sprintf("Size of the database after collection, of %d entries, against the payload", size), 1.3, got, "×")
		}
	}
	return nil
}

// migration starts this build on a copy of the other one's history.
func (b *Bench) migration(sizes []int64, histories [][]*aged) error {
	i := len(sizes) - 1
	for i > 0 && sizes[i] > migrated {
		i--
	}
	inst, err := histories[i][1].copy(b.Path("migration/data"))
	if err != nil {
		return err
	}
	defer os.RemoveAll(filepath.Dir(inst.data))
	inst.build = b.This()
	before, err := inst.size()
	if err != nil {
		return err
	}
	began := time.Now()
	s, err := inst.start()
	if err != nil {
		return err
	}
	defer s.Stop()
	took, used, written := time.Since(began), s.CPU(), s.Output()
	memory, err := s.Memory()
	if err != nil {
		return err
	}
	if p, err := inst.devices[0].Pull(client.PullBody(inst.workspace, sizes[i]/2, 1000)); err != nil || p.Rows == 0 {
		return fmt.Errorf("a pull from the migrated history: %d rows, %w", p.Rows, err)
	}
	if err := s.Stop(); err != nil {
		return err
	}
	after, err := inst.size()
	if err != nil {
		return err
	}
	b.Report.Section("Migration", fmt.Sprintf("the first start of this build on %d entries that the other one has written, until a session is answered", sizes[i]))
	b.Report.Value("migration", b.This().Name, "first answer", "s", measure.Series{took.Seconds()}, fmt.Sprintf("%.1f s of processor time, %.0f MB written, %.1f MB of memory at most, %.0f MB of files before, %.0f MB after",
		used.Seconds(), float64(written)/1e6, memory.Peak, float64(before)/1e6, float64(after)/1e6))
	return nil
}
