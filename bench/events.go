package main

import (
	"bufio"
	"context"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
)

// benchEvents measures on an idle server how long a change takes from one device to another that listens.
func (b *bench) benchEvents(ctx context.Context) error {
	s, err := startServer(b.binary, b.path("events/data"))
	if err != nil {
		return err
	}
	defer s.stop()
	devices, err := b.devices(s, "events", 2)
	if err != nil {
		return err
	}
	writer, reader := devices[0], devices[1]
	listener := reader.at(s)
	defer listener.close()
	versions, err := listener.listen()
	if err != nil {
		return err
	}
	told, seen, polled := newHistogram(), newHistogram(), newHistogram()
	lost := 0
	for range b.ops(400) {
		body := writer.ops.PushBody(writer.workspace, 1)
		time.Sleep(2 * time.Millisecond) // idle in between
		start := time.Now()
		if err := writer.push(body, 1); err != nil {
			return err
		}
		polled.RecordValue(time.Since(start).Microseconds())
		if err := awaitVersion(versions, writer.version); err != nil {
			return err
		}
		told.RecordValue(time.Since(start).Microseconds())
		p, err := reader.pull(pullBody(reader.workspace, writer.version-1, 100))
		if err != nil {
			return err
		}
		if p.rows == 0 { // the op has lost, as some of the corpus do: there is nothing to deliver
			lost++
			continue
		}
		seen.RecordValue(time.Since(start).Microseconds())
	}
	if changes := b.ops(400); lost > changes/4 {
		return fmt.Errorf("%d of %d changes did not come", lost, changes)
	}
	r := b.report
	r.Section("Live changes, ms", "one change at a time on an idle server, from the moment at which a device begins to push it")
	quantiles := func(h *hdrhistogram.Histogram) string {
		return fmt.Sprintf("p50 %s, p99 %s", number(ms(h, 50)), number(ms(h, 99)))
	}
	r.Figure("The push is answered", quantiles(polled), "")
	r.Figure("A listening device knows", quantiles(told), "an event has arrived")
	r.Figure("The listening device has pulled the change", quantiles(seen), "")
	r.Target("A change reaches a listening device", "< 20 ms", fmt.Sprintf("%.1f ms", ms(seen, 50)), ms(seen, 50) < 20)
	return nil
}

// listen opens the workspace's event stream and delivers the versions that it tells, until the client is closed.
func (d *device) listen() (<-chan int64, error) {
	res, err := d.begin("GET", "/api/sync/events?workspaceId="+d.workspace, nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != 200 {
		return nil, fmt.Errorf("the event stream answers %d", res.StatusCode)
	}
	versions := make(chan int64, 64)
	go func() {
		defer close(versions)
		for lines := bufio.NewScanner(res.Body); lines.Scan(); {
			if id, ok := strings.CutPrefix(lines.Text(), "id: "); ok {
				if v, err := strconv.ParseInt(id, 10, 64); err == nil {
					versions <- v
				}
			}
		}
	}()
	return versions, nil
}

// awaitVersion returns when a stream has told a version or a newer one.
func awaitVersion(versions <-chan int64, want int64) error {
	for timeout := time.After(10 * time.Second); ; {
		select {
		case v, open := <-versions:
			if !open {
				return fmt.Errorf("the event stream ended before version %d", want)
			}
			if v >= want {
				return nil
			}
		case <-timeout:
			return fmt.Errorf("no event for version %d", want)
		}
	}
}
