package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/HdrHistogram/hdrhistogram-go"

	"or3.chat/cloud/bench/internal/driver"
)

// pullers are devices that pull pages at the same time, each from other places of the log.
type pullers struct {
	devices []*device
	limit   int
	newest  int64 // pages begin below it
	bodies  [][][]byte
	rate    series // rows a second
	took    series // milliseconds a page
	latency *hdrhistogram.Histogram
}

func (p *pullers) step(pages int) step {
	each := max(1, pages/len(p.devices))
	return step{
		prepare: func() error {
			p.bodies = make([][][]byte, len(p.devices))
			for i, d := range p.devices {
				for n := range each {
					p.bodies[i] = append(p.bodies[i], pullBody(d.workspace, place(i*each+n, p.newest, p.limit), p.limit))
				}
			}
			return nil
		},
		run: func() error {
			took, h, err := loop(len(p.devices), times(each), func(w, t int) error {
				page, err := p.devices[w].pull(p.bodies[w][t])
				if err == nil && page.rows != p.limit {
					err = fmt.Errorf("a page of %d rows, want %d", page.rows, p.limit)
				}
				return err
			})
			p.rate = append(p.rate, float64(len(p.devices)*each*p.limit)/took.Seconds())
			if p.latency == nil {
				p.latency = newHistogram()
			}
			p.latency.Merge(h)
			p.took = append(p.took, ms(h, 50))
			return err
		},
	}
}

// place returns the n-th cursor to read a page from: all over the log, and far enough from its end for a whole page of
// winners.
func place(n int, newest int64, limit int) int64 {
	span := newest - 3*int64(limit)
	return int64(uint64(n)*0x9e3779b97f4a7c15>>1) % max(span, 1)
}

// readers read the same pages with the driver alone.
type readers struct {
	logs      []*driver.Log
	workspace int64
	limit     int
	newest    int64
	rate      series
}

func (r *readers) step(pages int) step {
	each := max(1, pages/len(r.logs))
	return step{run: func() error {
		took, _, err := loop(len(r.logs), times(each), func(w, t int) error {
			n, _, err := r.logs[w].Read(r.workspace, place(w*each+t, r.newest, r.limit), r.limit)
			if err == nil && n != r.limit {
				err = fmt.Errorf("the driver read %d rows, want %d", n, r.limit)
			}
			return err
		})
		r.rate = append(r.rate, float64(len(r.logs)*each*r.limit)/took.Seconds())
		return err
	}}
}

// pollers ask again and again whether there is anything new, and there is not.
type pollers struct {
	devices []*device
	body    []byte
	rate    series
	latency *hdrhistogram.Histogram
}

func (p *pollers) step(polls int) step {
	each := polls / len(p.devices)
	return step{run: func() error {
		took, h, err := loop(len(p.devices), times(each), func(w, _ int) error {
			page, err := p.devices[w].pull(p.body)
			if err == nil && page.rows != 0 {
				err = fmt.Errorf("a poll that ought to be empty has %d rows", page.rows)
			}
			return err
		})
		p.rate = append(p.rate, float64(each*len(p.devices))/took.Seconds())
		p.latency = h
		return err
	}}
}

// bootstrapRows is how many live rows the workspace of the pull measurements has at least.
const bootstrapRows = 100_000

// benchPull measures pages, empty polls, and a whole workspace by log and by snapshot.
func (b *bench) benchPull(ctx context.Context) error {
	inst, err := b.instance("pull", 16)
	if err != nil {
		return err
	}
	rows := int64(b.ops(bootstrapRows))
	if err := inst.seed(ctx, b.corpus, rows*2); err != nil { // of the recorded ops about 60 % are winners
		return err
	}
	s, err := inst.start(b)
	if err != nil {
		return err
	}
	defer s.stop()
	devices := inst.on(s)
	logs := make([]*driver.Log, 2) // one for each core
	for i := range logs {
		if logs[i], err = driver.OpenLog(filepath.Join(s.data, "or3-sync.sqlite")); err != nil {
			return err
		}
		defer logs[i].Close()
	}
	num, err := logs[0].Number(inst.workspace)
	if err != nil {
		return err
	}
	newest := inst.version
	r := b.report

	// Memory first, while the server is fresh.
	r.Section("Memory and whole workspaces", "resident memory of the server process, and a workspace fetched in pages of 1,000")
	before, _, err := s.memory()
	if err != nil {
		return err
	}
	grown := func(what func() error) (float64, error) {
		if err := s.resetPeak(); err != nil {
			return 0, err
		}
		if err := what(); err != nil {
			return 0, err
		}
		_, peak, err := s.memory()
		return peak, err
	}
	var boot fetched
	peak, err := grown(func() (err error) { boot, err = devices[0].bootstrap(rows); return err })
	if err != nil {
		return err
	}
	r.Figure(fmt.Sprintf("Bootstrap of %d rows by pulls", rows), fmt.Sprintf("%.2f s, %s rows/s", boot.seconds, number(boot.rate())), fmt.Sprintf("%.1f MB at most, %.1f MB more than before", peak, peak-before))
	r.Target("Bootstrap of 100,000 rows, additional memory", "< 25 MB", fmt.Sprintf("%.1f MB", peak-before), peak-before < 25)
	peak, err = grown(func() (err error) { boot, err = devices[0].snapshot(rows); return err })
	if err != nil {
		return err
	}
	r.Figure(fmt.Sprintf("Snapshot of %d rows", rows), fmt.Sprintf("%.2f s, %s rows/s", boot.seconds, number(boot.rate())), fmt.Sprintf("%.1f MB at most, %.1f MB more than before", peak, peak-before))
	thousand := &pullers{devices: devices, limit: 1000, newest: newest}
	peak, err = grown(func() error { return interleave(1, thousand.step(b.ops(800))) })
	if err != nil {
		return err
	}
	r.Figure("16 devices pulling 1,000 rows at once", fmt.Sprintf("%.1f MB", peak), "resident in all, at most")
	r.Target("Memory while 16 devices pull 1,000 rows at once", "< 120 MB", fmt.Sprintf("%.1f MB", peak), peak < 120)
	thousand.rate = nil

	hundred, one100, one1000 := &pullers{devices: devices, limit: 100, newest: newest},
		&pullers{devices: devices[:1], limit: 100, newest: newest}, &pullers{devices: devices[:1], limit: 1000, newest: newest}
	alone, both := &readers{logs: logs[:1], workspace: num, limit: 1000, newest: newest}, &readers{logs: logs, workspace: num, limit: 1000, newest: newest}
	polls := &pollers{devices: devices, body: pullBody(inst.workspace, newest, 100)}
	err = interleave(b.rounds,
		alone.step(b.ops(240)), one1000.step(b.ops(160)), one100.step(b.ops(1200)),
		both.step(b.ops(320)), thousand.step(b.ops(320)), hundred.step(b.ops(2400)), polls.step(b.ops(32_000)),
	)
	if err != nil {
		return err
	}
	r.Section("Pull, rows a second", "pages from all over the log; only winners are delivered")
	r.Figure("Driver alone, 1,000 rows, one connection", alone.rate.String(), "the same pages, copied but not encoded")
	r.Figure("OR3 Cloud, 1,000 rows, 1 device", one1000.rate.String(), ratio(one1000.rate, alone.rate)+" of the driver alone")
	r.Figure("OR3 Cloud, 100 rows, 1 device", one100.rate.String(), fmt.Sprintf("p50 %s ms a page", number(ms(one100.latency, 50))))
	r.Figure("Driver alone, 1,000 rows, two connections", both.rate.String(), "")
	r.Figure("OR3 Cloud, 1,000 rows, 16 devices", thousand.rate.String(), ratio(thousand.rate, both.rate)+" of the driver alone")
	r.Figure("OR3 Cloud, 100 rows, 16 devices", hundred.rate.String(), "")
	r.Figure("Empty polls a second, 16 connections", polls.rate.String(), fmt.Sprintf("p50 %s ms, p99 %s ms", number(ms(polls.latency, 50)), number(ms(polls.latency, 99))))
	r.Target("Pull of 1,000 rows, against the driver alone", "≥ 50 %", share(one1000.rate, alone.rate), one1000.rate.median() >= 0.5*alone.rate.median())
	r.Target("Empty polls a second, 16 connections", "≥ 20,000", number(polls.rate.median()), polls.rate.median() >= 20_000)
	return nil
}

// fetched is a whole workspace.
type fetched struct {
	rows    int64
	seconds float64
}

func (f fetched) rate() float64 { return float64(f.rows) / f.seconds }

// bootstrap pulls from the beginning of the log until n rows have come.
func (d *device) bootstrap(n int64) (f fetched, err error) {
	took, _, err := loop(1, times(1), func(int, int) error {
		for cursor := int64(0); f.rows < n; {
			p, err := d.pull(pullBody(d.workspace, cursor, 1000))
			if err != nil {
				return err
			}
			f.rows, cursor = f.rows+int64(p.rows), p.cursor
			if !p.more && f.rows < n {
				return fmt.Errorf("the workspace has %d rows only", f.rows)
			}
		}
		return nil
	})
	f.seconds = took.Seconds()
	return f, err
}

// snapshot fetches pages of a snapshot until n rows have come.
func (d *device) snapshot(n int64) (f fetched, err error) {
	took, _, err := loop(1, times(1), func(int, int) error {
		var token *string
		for f.rows < n {
			body, err := json.Marshal(object{"scope": object{"workspaceId": d.workspace}, "pageSize": 1000, "pageToken": token})
			if token == nil {
				body, err = json.Marshal(object{"scope": object{"workspaceId": d.workspace}, "pageSize": 1000})
			}
			if err != nil {
				return err
			}
			answer, err := d.do("POST", "/api/sync/snapshot", body)
			if err != nil {
				return err
			}
			f.rows += int64(bytes.Count(answer, []byte(`{"kind":"row","tableName":`)) + bytes.Count(answer, []byte(`{"kind":"tombstone","tableName":`)))
			_, rest, found := bytes.Cut(answer[bytes.LastIndex(answer, []byte(`"highWatermark":`)):], []byte(`"nextPageToken":`))
			if !found || json.Unmarshal(bytes.TrimSuffix(rest, []byte("}")), &token) != nil {
				return fmt.Errorf("no page: %.300s", answer)
			}
			if token == nil && f.rows < n {
				return fmt.Errorf("the snapshot has %d rows only", f.rows)
			}
		}
		return nil
	})
	f.seconds = took.Seconds()
	return f, err
}
