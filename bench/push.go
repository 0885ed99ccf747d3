package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"

	"or3.chat/cloud/bench/internal/corpus"
	"or3.chat/cloud/bench/internal/driver"
)

// batch is how many ops the clients put into one push.
const batch = 50

// pushers are devices that push at the same time.
type pushers struct {
	devices []*device
	// workspaces, if set, take the pushes in turn; else each device pushes to its own.
	workspaces []string
	turn       int
	bodies     [][][]byte
	rate       series
	latency    *hdrhistogram.Histogram
}

func newPushers(devices []*device) *pushers {
	return &pushers{devices: devices, latency: newHistogram()}
}

// step pushes ops in all, in batches, shared evenly by the devices.
func (p *pushers) step(ops int) step {
	each := max(1, ops/batch/len(p.devices))
	return step{
		prepare: func() error {
			p.bodies = make([][][]byte, len(p.devices))
			for i, d := range p.devices {
				for range each {
					p.bodies[i] = append(p.bodies[i], d.ops.PushBody(p.workspace(d), batch))
				}
			}
			return nil
		},
		run: func() error {
			took, h, err := loop(len(p.devices), times(each), func(w, t int) error { return p.devices[w].push(p.bodies[w][t], batch) })
			p.rate = append(p.rate, float64(each*batch*len(p.devices))/took.Seconds())
			p.latency.Merge(h)
			p.bodies = nil
			return err
		},
	}
}

// workspace returns where the next push of a device goes.
func (p *pushers) workspace(d *device) string {
	if len(p.workspaces) == 0 {
		return d.workspace
	}
	p.turn++
	return p.workspaces[p.turn%len(p.workspaces)]
}

// benchPush compares pushes: the driver alone, this server, PocketBase.
func (b *bench) benchPush(ctx context.Context) error {
	s, err := startServer(b.binary, b.path("push/data"))
	if err != nil {
		return err
	}
	defer s.stop()
	most := 64
	devices, err := b.devices(s, "push", most)
	if err != nil {
		return err
	}
	several := make([]*device, 16) // each with a user and a workspace of its own
	for i := range several {
		if several[i], err = signUp(s, b.corpus, fmt.Sprintf("several%d@example.test", i)); err != nil {
			return err
		}
	}
	one, sixteen, sixtyFour, apart := newPushers(devices[:1]), newPushers(devices[:16]), newPushers(devices), newPushers(several)

	pb, err := b.startPocketBase()
	if err != nil {
		return err
	}
	defer pb.stop()
	pbOne, pbSixteen := newPBPushers(pb, b.corpus, 1), newPBPushers(pb, b.corpus, 16)
	for _, p := range []*pbPushers{pbOne, pbSixteen} {
		if err := p.signIn(); err != nil {
			return err
		}
	}

	log, err := driver.OpenLog(filepath.Join(s.data, "or3-sync.sqlite"))
	if err != nil {
		return err
	}
	defer log.Close()
	num, err := log.Number(devices[0].workspace)
	if err != nil {
		return err
	}
	// The first round warms everything up and shows the size of the groups that sixteen devices make.
	ops := b.ops(32_000)
	warm := newPushers(devices[:16])
	if err := interleave(1, newPushers(devices[:1]).step(b.ops(5000)), warm.step(ops)); err != nil {
		return err
	}
	from := devices[0].version - int64(ops)/2
	transactions, entries, err := log.Groups(num, from)
	if err != nil {
		return err
	}
	group := int(float64(entries)/float64(transactions)/batch+0.5) * batch

	migrations := os.DirFS(filepath.Join(b.root, "providers/sqlite/migrations"))
	small, err := b.newCeiling(ctx, migrations, "ceiling50", batch)
	if err != nil {
		return err
	}
	defer small.Close()
	large, err := b.newCeiling(ctx, migrations, "ceiling", group)
	if err != nil {
		return err
	}
	defer large.Close()
	full, err := b.newCeiling(ctx, migrations, "ceiling800", 16*batch)
	if err != nil {
		return err
	}
	defer full.Close()

	err = interleave(b.rounds,
		small.step(b.ops(15_000)), one.step(b.ops(10_000)),
		large.step(b.ops(30_000)), sixteen.step(b.ops(30_000)), apart.step(b.ops(30_000)),
		full.step(b.ops(30_000)), sixtyFour.step(b.ops(32_000)),
		pbOne.step(b.ops(2000)), pbSixteen.step(b.ops(3200)),
	)
	if err != nil {
		return err
	}
	newest, err := devices[0].head()
	if err != nil {
		return err
	}
	pulls := []*pullers{{devices: devices[:1], limit: 1000, newest: newest}, {devices: devices[:16], limit: 1000, newest: newest}}
	lists := []*pbLister{{clients: pbOne.clients, pages: pbOne.stored(pbSixteen) / 1000}, {clients: pbSixteen.clients, pages: pbOne.stored(pbSixteen) / 1000}}
	if err := interleave(b.rounds, pulls[0].step(b.ops(80)), lists[0].step(b.ops(16)), pulls[1].step(b.ops(160)), lists[1].step(b.ops(32))); err != nil {
		return err
	}

	r := b.report
	r.Section("Push, records a second", "captured corpus, 50 a batch")
	r.Figure("Ops a transaction, 16 devices", number(float64(entries)/float64(transactions)), "what group commit made of them; the ceiling for 16 devices commits as many at a time")
	r.Figure("Driver alone, 50 a transaction", small.rate.String(), "")
	r.Figure(fmt.Sprintf("Driver alone, %d a transaction", group), large.rate.String(), "the ceiling for 16 devices")
	r.Figure("Driver alone, 800 a transaction", full.rate.String(), "if all sixteen pushes met in each group")
	r.Figure("OR3 Cloud, 1 device", one.rate.String(), ratio(one.rate, small.rate)+" of the driver alone")
	r.Figure("OR3 Cloud, 16 devices, one workspace", sixteen.rate.String(), ratio(sixteen.rate, large.rate)+" of the driver alone")
	r.Figure("OR3 Cloud, 16 devices, 16 workspaces", apart.rate.String(), ratio(apart.rate, large.rate)+" of the driver alone")
	r.Figure("OR3 Cloud, 64 devices, one workspace", sixtyFour.rate.String(), ratio(sixtyFour.rate, full.rate)+" of the driver alone at 800")
	r.Figure("PocketBase, 1 client", pbOne.rate.String(), "")
	r.Figure("PocketBase, 16 clients", pbSixteen.rate.String(), "")
	r.Figure("Push latency, 1 device, ms", fmt.Sprintf("p50 %s, p99 %s", number(ms(one.latency, 50)), number(ms(one.latency, 99))), "")
	r.Figure("Push latency, 16 devices, ms", fmt.Sprintf("p50 %s, p99 %s", number(ms(sixteen.latency, 50)), number(ms(sixteen.latency, 99))), "")
	r.Figure("Push latency, 64 devices, ms", fmt.Sprintf("p50 %s, p99 %s", number(ms(sixtyFour.latency, 50)), number(ms(sixtyFour.latency, 99))), "")
	r.Figure("Rows a second in pages of 1,000, 1 device", pulls[0].rate.String(), "PocketBase's list: "+lists[0].rate.String())
	r.Figure("Rows a second in pages of 1,000, 16 devices", pulls[1].rate.String(), "PocketBase's list: "+lists[1].rate.String())
	r.Target("Push, 16 devices, against the ceiling", "≥ 60 %", share(sixteen.rate, large.rate), sixteen.rate.median() >= 0.6*large.rate.median())
	r.Target("Push, 1 device, against the ceiling", "≥ 40 %", share(one.rate, small.rate), one.rate.median() >= 0.4*small.rate.median())
	r.Target("Push, 16 devices, against PocketBase", "≥ 20 ×", ratio(sixteen.rate, pbSixteen.rate), sixteen.rate.median() >= 20*pbSixteen.rate.median())
	r.Target("p99 of push latency, 16 devices, against the median", "< 10 ×",
		fmt.Sprintf("%.1f ×", ms(sixteen.latency, 99)/ms(sixteen.latency, 50)), ms(sixteen.latency, 99) < 10*ms(sixteen.latency, 50))
	return nil
}

func ratio(a, b series) string { return fmt.Sprintf("%.2f ×", a.median()/b.median()) }

func share(a, b series) string { return fmt.Sprintf("%.0f %%", 100*a.median()/b.median()) }

// devices signs n devices in to one new account.
func (b *bench) devices(s *server, name string, n int) ([]*device, error) {
	email := name + "@example.test"
	first, err := signUp(s, b.corpus, email)
	if err != nil {
		return nil, err
	}
	out := []*device{first}
	for len(out) < n {
		d, err := signIn(s, b.corpus, email)
		if err != nil {
			return nil, err
		}
		out = append(out, d)
	}
	return out, nil
}

// ceilingRun is the ceiling with one size of transaction.
type ceilingRun struct {
	*driver.Ceiling
	source *corpus.Source
	size   int
	rows   []driver.Row
	rate   series
}

func (b *bench) newCeiling(ctx context.Context, migrations fs.FS, name string, size int) (*ceilingRun, error) {
	c, err := driver.OpenCeiling(ctx, b.path(name+"/or3-sync.sqlite"), migrations)
	if err != nil {
		return nil, err
	}
	return &ceilingRun{Ceiling: c, source: b.corpus.Source(corpus.User), size: size}, nil
}

func (c *ceilingRun) step(ops int) step {
	return step{
		prepare: func() (err error) {
			c.rows, err = driver.Rows(c.source, ops)
			return err
		},
		run: func() error {
			start := time.Now()
			err := c.Write(c.rows, c.size, batch)
			c.rate = append(c.rate, float64(len(c.rows))/time.Since(start).Seconds())
			c.rows = nil
			return err
		},
	}
}
