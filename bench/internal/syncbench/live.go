package syncbench

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/measure"
)

// liveChanges is how many changes are told in a round, one at a time.
const liveChanges = 80

// Live measures on an idle server how long a change takes from one device to another that listens.
func (b *Bench) Live(ctx context.Context) error {
	listeners := make([]*listener, len(b.Builds))
	var steps []measure.Step
	for i, build := range b.Builds {
		s, err := build.Serve(b.Path("live-" + build.Key + "/data"))
		if err != nil {
			return err
		}
		defer s.Stop()
		devices, err := b.Devices(s, "live", 2)
		if err != nil {
			return err
		}
		l := &listener{writer: devices[0], reader: devices[1]}
		stream := devices[1].At(s.Addr)
		defer stream.Close()
		if l.told, err = listen(stream, l.reader); err != nil {
			return err
		}
		listeners[i] = l
		steps = append(steps, measure.Step{Run: func() error { return l.round(b.Ops(liveChanges)) }})
	}
	if err := measure.Alternate(b.Rounds, steps...); err != nil {
		return err
	}
	r := b.Report
	r.Section("Live changes, ms", "one change at a time on an idle server, from the moment at which a device begins to push it; medians of the rounds")
	for _, row := range []struct {
		key, name string
		of        func(*listener) measure.Series
	}{
		{"live answered", "the push is answered", func(l *listener) measure.Series { return l.answered }},
		{"live known", "a listening device knows", func(l *listener) measure.Series { return l.known }},
		{"live pulled", "the listening device has pulled the change", func(l *listener) measure.Series { return l.pulled }},
	} {
		for i, l := range listeners {
			note := ""
			if i == 0 && b.other() {
				note = measure.Ratio(row.of(l), row.of(listeners[1])) + " " + b.Builds[1].Name
			}
			r.Value(row.key, b.Builds[i].Name, row.name, "ms", row.of(l), note)
		}
	}
	b.atMost("A change is known to a listening device, median", 1, listeners[0].known.Median(), "ms")
	b.atMost("A listening device has pulled a change, median", 2, listeners[0].pulled.Median(), "ms")
	return nil
}

// listener is a device that is told of another one's changes, and pulls at once.
type listener struct {
	writer, reader          *client.Device
	told                    <-chan telling
	answered, known, pulled measure.Series // median milliseconds of each round
}

// telling is an event that has reached the listening device, and the pull that it led to.
type telling struct {
	version       int64
	known, pulled time.Time
	rows          int
	err           error
}

// round makes changes one at a time.
func (l *listener) round(changes int) error {
	answered, known, pulled := measure.NewHistogram(), measure.NewHistogram(), measure.NewHistogram()
	lost := 0
	for range changes {
		body := l.writer.Ops.PushBody(l.writer.Workspace, 1)
		time.Sleep(2 * time.Millisecond) // idle in between
		start := time.Now()
		if err := l.writer.Push(body, 1); err != nil {
			return err
		}
		answered.RecordValue(time.Since(start).Microseconds())
		t, err := l.await(l.writer.Version)
		if err != nil {
			return err
		}
		known.RecordValue(t.known.Sub(start).Microseconds())
		if t.rows == 0 { // the op has lost, as some of the corpus do: there is nothing to deliver
			lost++
			continue
		}
		pulled.RecordValue(t.pulled.Sub(start).Microseconds())
	}
	if lost > changes/4 {
		return fmt.Errorf("%d of %d changes did not come", lost, changes)
	}
	l.answered = append(l.answered, measure.MS(answered, 50))
	l.known = append(l.known, measure.MS(known, 50))
	l.pulled = append(l.pulled, measure.MS(pulled, 50))
	return nil
}

// await returns what the listening device did when it was told of a version or a newer one.
func (l *listener) await(version int64) (telling, error) {
	for timeout := time.After(10 * time.Second); ; {
		select {
		case t, open := <-l.told:
			switch {
			case !open:
				return t, fmt.Errorf("the event stream ended before version %d", version)
			case t.err != nil || t.version >= version:
				return t, t.err
			}
		case <-timeout:
			return telling{}, fmt.Errorf("no event for version %d", version)
		}
	}
}

// listen opens the workspace's event stream on one connection and pulls on another, until the first one is closed.
func listen(stream, reader *client.Device) (<-chan telling, error) {
	res, err := stream.Begin("GET", "/api/sync/events?workspaceId="+stream.Workspace, nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != 200 {
		return nil, fmt.Errorf("the event stream answers %d", res.StatusCode)
	}
	told := make(chan telling, 64)
	go func() {
		defer close(told)
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			id, ok := strings.CutPrefix(lines.Text(), "id: ")
			if !ok {
				continue
			}
			t := telling{known: time.Now()}
			if t.version, t.err = strconv.ParseInt(id, 10, 64); t.err == nil {
				var p client.Page
				p, t.err = reader.Pull(client.PullBody(reader.Workspace, max(0, t.version-1), 100))
				t.rows, t.pulled = p.Rows, time.Now()
			}
			told <- t
		}
	}()
	return told, nil
}
