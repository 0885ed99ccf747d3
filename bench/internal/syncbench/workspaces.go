package syncbench

import (
	"context"
	"fmt"

	"or3.chat/cloud/bench/internal/load"
	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/providers/sqlite"
)

// Workspaces measures what a push to this tree's build costs with more and more workspaces.
func (b *Bench) Workspaces(ctx context.Context) error {
	counts := []int{1, 100, 10_000}
	if b.Scale < 1 {
		counts = []int{1, 100, max(200, b.Ops(4000))}
	}
	ones, manys := make([]*load.Pushers, len(counts)), make([]*load.Pushers, len(counts))
	var steps []measure.Step
	for i, count := range counts {
		inst, err := b.instance(b.This(), fmt.Sprintf("workspaces%d", count), 16)
		if err != nil {
			return err
		}
		ids, err := inst.furnish(ctx, count, 20)
		if err != nil {
			return err
		}
		s, err := inst.start()
		if err != nil {
			return err
		}
		defer s.Stop()
		ones[i] = &load.Pushers{Server: s, Devices: inst.devices[:1], Workspaces: ids}
		manys[i] = &load.Pushers{Server: s, Devices: inst.devices, Workspaces: ids}
		steps = append(steps, ones[i].Step(b.Ops(8000)), manys[i].Step(b.Ops(16_000)))
	}
	if err := measure.Alternate(b.Rounds, steps...); err != nil {
		return err
	}
	b.Report.Section("Workspaces", "a push of 50 ops each time to another workspace, against the number of workspaces; ops a second")
	for i, count := range counts {
		for n, w := range []*measure.Work{&ones[i].Work, &manys[i].Work} {
			b.write(contest{
				key: fmt.Sprintf("push %d to %d workspaces", pullGroups[n], count), name: fmt.Sprintf("%s, %d workspaces", devicesOf(pullGroups[n]), count), unit: "ops",
				ours: []*measure.Work{w},
			})
		}
	}
	return nil
}

// furnish makes n further workspaces with a few ops each and returns their ids.
func (i *instance) furnish(ctx context.Context, n, ops int) (ids []string, err error) {
	s, err := i.store(ctx, sqlite.Options{})
	if err != nil {
		return nil, err
	}
	defer s.Close()
	source, user := i.devices[0].Ops, i.devices[0].User
	for range n {
		id, err := s.CreateWorkspace(ctx, user, "Workspace", "")
		if err != nil {
			return nil, err
		}
		if _, err := push(ctx, s, source, id, ops); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, s.Close()
}
