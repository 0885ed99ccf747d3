// Package load is what devices do to a server: they push, they pull pages, and they poll.
package load

import (
	"fmt"

	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/measure"
)

// Batch is how many ops the clients put into one push.
const Batch = 50

// Pushers are devices that push at the same time.
type Pushers struct {
	measure.Work // of ops
	Server       measure.Meter
	Devices      []*client.Device
	// Workspaces, if set, take the pushes in turn; else each device pushes to its own.
	Workspaces []string
	// Again is how many times more each body is sent, for servers that do not notice.
	Again int

	turn   int
	bodies [][][]byte
}

// Step pushes ops in all, in batches, shared evenly by the devices.
func (p *Pushers) Step(ops int) measure.Step {
	each := max(1, ops/Batch/len(p.Devices))
	return measure.Step{
		Prepare: func() error {
			p.bodies = make([][][]byte, len(p.Devices))
			for i, d := range p.Devices {
				for range each {
					p.bodies[i] = append(p.bodies[i], d.Ops.PushBody(p.workspace(d), Batch))
				}
			}
			return nil
		},
		Run: func() error {
			tasks := each * (1 + p.Again)
			err := p.Do(p.Server, len(p.Devices), tasks, tasks*len(p.Devices)*Batch, func(w, t int) error {
				return p.Devices[w].Push(p.bodies[w][t%each], Batch)
			})
			p.bodies = nil
			return err
		},
	}
}

// workspace returns where the next push of a device goes.
func (p *Pushers) workspace(d *client.Device) string {
	if len(p.Workspaces) == 0 {
		return d.Workspace
	}
	p.turn++
	return p.Workspaces[p.turn%len(p.Workspaces)]
}

// Pullers are devices that pull pages at the same time, each from other places of the log.
type Pullers struct {
	measure.Work // of rows
	Server       measure.Meter
	Devices      []*client.Device
	Limit        int
	Newest       int64 // pages begin below it
	// Fresh says that all want what is near the end of the log, as devices do that have been away at the same time.
	Fresh bool

	bodies [][][]byte
}

// place returns the n-th cursor.
func (p *Pullers) place(n int) int64 {
	if p.Fresh {
		return max(0, p.Newest-3*int64(p.Limit)-int64(n*37%(p.Limit/4)))
	}
	return Place(n, p.Newest, p.Limit)
}

// Step pulls pages in all, shared evenly by the devices, and demands that they are full.
func (p *Pullers) Step(pages int) measure.Step {
	each := max(1, pages/len(p.Devices))
	return measure.Step{
		Prepare: func() error {
			p.bodies = make([][][]byte, len(p.Devices))
			for i, d := range p.Devices {
				for n := range each {
					p.bodies[i] = append(p.bodies[i], client.PullBody(d.Workspace, p.place(i*each+n), p.Limit))
				}
			}
			return nil
		},
		Run: func() error {
			return p.Do(p.Server, len(p.Devices), each, len(p.Devices)*each*p.Limit, func(w, t int) error {
				page, err := p.Devices[w].Pull(p.bodies[w][t])
				if err == nil && page.Rows != p.Limit {
					err = fmt.Errorf("a page of %d rows, want %d", page.Rows, p.Limit)
				}
				return err
			})
		},
	}
}

// Place returns the n-th cursor to read a page from: all over the log, and far enough from its end for a whole page of
// winners.
func Place(n int, newest int64, limit int) int64 {
	span := newest - 3*int64(limit)
	return int64(uint64(n)*0x9e3779b97f4a7c15>>1) % max(span, 1)
}

// Pollers ask again and again whether there is anything new, and there is not.
type Pollers struct {
	measure.Work // of polls
	Server       measure.Meter
	Devices      []*client.Device
	Newest       int64
}

// Step polls so many times in all.
func (p *Pollers) Step(polls int) measure.Step {
	each := max(1, polls/len(p.Devices))
	return measure.Step{Run: func() error {
		body := client.PullBody(p.Devices[0].Workspace, p.Newest, 100)
		return p.Do(p.Server, len(p.Devices), each, each*len(p.Devices), func(w, _ int) error {
			page, err := p.Devices[w].Pull(body)
			if err == nil && page.Rows != 0 {
				err = fmt.Errorf("a poll that ought to be empty has %d rows", page.Rows)
			}
			return err
		})
	}}
}
