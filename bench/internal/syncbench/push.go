package syncbench

import (
	"context"
	"fmt"
	"slices"

	"or3.chat/cloud/bench/internal/ceiling"
	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/corpus"
	"or3.chat/cloud/bench/internal/csqlite"
	"or3.chat/cloud/bench/internal/load"
	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/bench/internal/pocketbase"
	"or3.chat/cloud/bench/internal/process"
)

// groups are how many devices push at the same time.
var groups = []int{1, 16, 64}

// groupOps are how many ops a group pushes in a round.
var groupOps = []int{10_000, 30_000, 32_000}

// Push compares pushes: by devices of one workspace and by devices with a workspace each, to the builds, to the servers
// that only answer and that only keep what they get, to SQLite and to PocketBase.
func (b *Bench) Push(ctx context.Context) error {
	most := groups[len(groups)-1]
	together, apart := make([][]*load.Pushers, len(b.Builds)), make([][]*load.Pushers, len(b.Builds))
	var devices []*client.Device // of this build
	var answer []byte
	for i, build := range b.Builds {
		s, err := build.Serve(b.Path("push-" + build.Key + "/data"))
		if err != nil {
			return err
		}
		defer s.Stop()
		all, err := b.Devices(s, "push", most)
		if err != nil {
			return err
		}
		alone, err := b.Accounts(s, "apart", most)
		if err != nil {
			return err
		}
		for _, n := range groups {
			together[i] = append(together[i], &load.Pushers{Server: s, Devices: all[:n]})
			apart[i] = append(apart[i], &load.Pushers{Server: s, Devices: alone[:n]})
		}
		if devices == nil {
			devices = all
			got, err := all[0].Do("POST", "/api/sync/push", all[0].Ops.PushBody(all[0].Workspace, load.Batch))
			if err != nil {
				return err
			}
			answer = slices.Clone(got)
		}
		warm := []*load.Pushers{{Server: s, Devices: all[:1]}, {Server: s, Devices: all[:16]}}
		if err := measure.Interleave(1, warm[0].Step(b.Ops(5000)), warm[1].Step(b.Ops(30_000))); err != nil {
			return fmt.Errorf("%s: %w", build.Name, err)
		}
	}
	answering, err := b.ceilings("push-answering", answer, false, devices)
	if err != nil {
		return err
	}
	defer answering.server.Stop()
	keeping, err := b.ceilings("push-keeping", answer, true, devices)
	if err != nil {
		return err
	}
	defer keeping.server.Stop()
	writers := b.sqlite(ctx)
	for _, w := range writers {
		defer w.Stop()
	}
	pb, err := pocketbase.Start(b.Path("pocketbase/data"), load.Batch)
	if err != nil {
		return err
	}
	defer pb.Stop()
	pbOne, pbSixteen, err := pocketbase.NewPushers(pb, b.Corpus, load.Batch)
	if err != nil {
		return err
	}

	var steps []measure.Step
	for n := range groups {
		ops := b.Ops(groupOps[n])
		for i := range b.Builds {
			steps = append(steps, together[i][n].Step(ops))
			if groups[n] > 1 {
				steps = append(steps, apart[i][n].Step(ops))
			}
		}
		steps = append(steps, answering.groups[n].Step(ops), keeping.groups[n].Step(ops))
		if writers != nil {
			steps = append(steps, writers[n].Step(ops))
		}
	}
	steps = append(steps, pbOne.Step(b.Ops(2000)), pbSixteen.Step(b.Ops(3200)))
	if err := measure.Alternate(b.Rounds, steps...); err != nil {
		return err
	}

	b.Report.Section("Push, ops a second", fmt.Sprintf("captured corpus, %.0f bytes of payload an op, %d ops a push; shares are of the server that only keeps and answers", b.Corpus.Payload(), load.Batch))
	for n, group := range groups {
		var ours, ourApart []*measure.Work
		for i := range b.Builds {
			ours, ourApart = append(ours, &together[i][n].Work), append(ourApart, &apart[i][n].Work)
		}
		c := contest{
			key: fmt.Sprintf("push %d", group), name: devicesOf(group) + ", one workspace", unit: "ops",
			ours: ours, ceiling: &keeping.groups[n].Work,
			others: []rival{{byKeeping, &keeping.groups[n].Work}, {byAnswering, &answering.groups[n].Work}},
		}
		if writers != nil {
			c.others = append(c.others, rival{bySQLite, &writers[n].Work})
		}
		switch group {
		case 1:
			c.others = append(c.others, rival{byPocket, &pbOne.Work})
		case 16:
			c.others = append(c.others, rival{byPocket, &pbSixteen.Work})
		}
		b.write(c)
		if group > 1 {
			b.write(contest{
				key: fmt.Sprintf("push %d apart", group), name: devicesOf(group) + ", a workspace each", unit: "ops",
				ours: ourApart, ceiling: &keeping.groups[n].Work,
			})
		}
		switch group {
		case 1:
			b.faster("Push, 1 device", 3, ours)
		case 16:
			b.atLeast("Push, 16 devices, of a server that only keeps and answers", 0.08, ours[0], c.ceiling)
			b.faster("Push, 16 devices", 4, ours)
			b.atLeast("Push, 16 devices, against PocketBase", 20, ours[0], &pbSixteen.Work)
			b.atMost("p99 of push latency, 16 devices, against the median", 10, measure.MS(ours[0].Latency, 99)/measure.MS(ours[0].Latency, 50), "×")
		case 64:
			b.atLeast("Push, 64 devices, against 16", 1, ours[0], &together[0][n-1].Work)
		}
	}
	return nil
}

// sqlite starts a program for each group that writes ops with SQLite's C library alone, as many in a transaction as the
// group pushes at once. It is left out where there is no compiler.
func (b *Bench) sqlite(ctx context.Context) (writers []*csqlite.Writer) {
	program, err := csqlite.Build(ctx, b.Root, b.Path("csqlite"))
	for _, group := range groups {
		var w *csqlite.Writer
		if err == nil {
			w, err = csqlite.Start(program, b.Corpus.Source(corpus.User), group*load.Batch, load.Batch)
		}
		if err != nil {
			fmt.Fprintf(b.Report.Out, "\n%s is left out: %v\n", bySQLite, err)
			return nil
		}
		writers = append(writers, w)
	}
	return writers
}

// ceilingPushes are groups at a server that does nothing, or only keeps what it gets.
type ceilingPushes struct {
	server *process.Server
	groups []*load.Pushers
}

// again is how often more such a server gets each body, so that a round of it takes long enough to be measured.
const again = 4

// ceilings starts such a server, which gives the same answer to every push.
func (b *Bench) ceilings(name string, answer []byte, keeps bool, devices []*client.Device) (*ceilingPushes, error) {
	s, err := ceiling.Start(b.Path(name), [][]byte{answer}, keeps)
	if err != nil {
		return nil, err
	}
	c := &ceilingPushes{server: s}
	there := at(devices, s)
	for _, n := range groups {
		c.groups = append(c.groups, &load.Pushers{Server: s, Devices: there[:n], Again: again})
	}
	return c, nil
}

// at returns the devices with connections to another server.
func at(devices []*client.Device, s *process.Server) []*client.Device {
	out := make([]*client.Device, len(devices))
	for i, d := range devices {
		out[i] = d.At(s.Addr)
	}
	return out
}
