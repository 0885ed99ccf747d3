package syncbench

import (
	"context"
	_ "embed"
	"fmt"
	"math/rand/v2"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/load"
	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/bench/internal/process"
)

const (
	// soakDevices write to so many records, again and again.
	soakDevices = 16
	soakRecords = 10_000
	// soakSamples are the parts of the time; of each, the means of soakLooks are noted: memory and files rise until
	// something is collected, and fall. The first third is not judged.
	soakSamples = 30
	soakLooks   = 20
	// soakGrowth is how much more the last third may be than the one before and still be flat.
	soakGrowth = 1.1
)

//go:embed soakcloud/main.go.txt
var soakMain string

// soakSample is how a server was for a while.
type soakSample struct {
	at                             time.Duration // its end
	rate                           float64       // ops a second
	resident, anonymous, disk, cpu float64       // MB; µs for an op
}

// Soak lets devices push, delete, pull and report what they have for a long time at full load, while what is superseded
// is collected, and says whether memory and files stay flat. The clock of the sync provider runs so fast that what has
// to be kept for two hours is kept for two seconds.
func (b *Bench) Soak(ctx context.Context, long time.Duration) error {
	binary := b.Path("soakcloud")
	if err := process.BuildWith(ctx, b.Root, binary, "main.go", soakMain); err != nil {
		return fmt.Errorf("build or3-cloud: %w", err)
	}
	inst := &instance{Bench: b, build: b.This(), data: b.Path("soak/data")}
	s, err := process.Cloud{
		Binary: binary, Data: inst.data, Env: []string{"OR3_SYNC_RETENTION_SECONDS=7200", "OR3_SYNC_DEVICE_STALE_SECONDS=86400", "OR3_SYNC_MAINTENANCE_SECONDS=1"},
	}.Start()
	if err != nil {
		return err
	}
	defer s.Stop()
	devices, err := b.Devices(s, "soak", soakDevices)
	if err != nil {
		return err
	}
	ctx, stop := context.WithCancelCause(ctx)
	var wg sync.WaitGroup
	var ops atomic.Int64
	for n, d := range devices {
		w := &soaker{device: d, name: fmt.Sprintf("%08x", n+1), random: rand.New(rand.NewPCG(1, uint64(n))), ops: &ops}
		wg.Go(func() {
			for ctx.Err() == nil {
				if err := w.turn(); err != nil {
					stop(err)
				}
			}
		})
	}
	samples, err := b.sample(ctx, s, inst, long, &ops)
	stop(nil)
	wg.Wait()
	if err != nil {
		return err
	}
	b.reportSoak(samples, long)
	return nil
}

// sample looks at the server again and again.
func (b *Bench) sample(ctx context.Context, s *process.Server, inst *instance, long time.Duration, ops *atomic.Int64) (samples []soakSample, err error) {
	fmt.Fprintf(b.Report.Out, "\n  %8s %10s %12s %13s %10s %8s\n", "time", "ops/s", "resident MB", "anonymous MB", "files MB", "µs/op")
	began := time.Now()
	done, at, used := ops.Load(), began, s.CPU()
	for i := range soakSamples {
		var x soakSample
		for k := range soakLooks {
			select {
			case <-ctx.Done():
				return nil, context.Cause(ctx)
			case <-time.After(time.Until(began.Add(long * time.Duration(i*soakLooks+k+1) / (soakSamples * soakLooks)))):
			}
			m, err := s.Memory()
			if err != nil {
				return nil, err
			}
			bytes, err := inst.size()
			if err != nil {
				return nil, err
			}
			x.resident += m.Resident / soakLooks
			x.anonymous += m.Anonymous / soakLooks
			x.disk += float64(bytes) / 1e6 / soakLooks
		}
		now, total, cpu := time.Now(), ops.Load(), s.CPU()
		n := float64(max(1, total-done))
		x.at, x.rate, x.cpu = now.Sub(began), n/now.Sub(at).Seconds(), float64((cpu-used).Microseconds())/n
		done, at, used = total, now, cpu
		samples = append(samples, x)
		fmt.Fprintf(b.Report.Out, "  %8s %10.0f %12.1f %13.1f %10.1f %8.1f\n", x.at.Round(time.Second), x.rate, x.resident, x.anonymous, x.disk, x.cpu)
	}
	return samples, nil
}

func (b *Bench) reportSoak(samples []soakSample, long time.Duration) {
	r := b.Report
	r.Section("Soak", fmt.Sprintf("%v of pushes, deletions, pulls and reports by %d devices to %d records at full load, while what is superseded is collected after two seconds; the last third against the one before", long, soakDevices, soakRecords))
	third := len(samples) / 3
	for _, row := range []struct {
		key, name, unit string
		of              func(soakSample) float64
	}{
		{"resident", "resident memory", "MB", func(s soakSample) float64 { return s.resident }},
		{"anonymous", "anonymous memory", "MB", func(s soakSample) float64 { return s.anonymous }},
		{"disk", "files of the database", "MB", func(s soakSample) float64 { return s.disk }},
		{"cpu", "processor time of an op", "µs", func(s soakSample) float64 { return s.cpu }},
		{"rate", "ops a second", "ops", func(s soakSample) float64 { return s.rate }},
	} {
		var all measure.Series
		for _, s := range samples {
			all = append(all, row.of(s))
		}
		before, last := all[third:2*third].Median(), all[2*third:].Median()
		r.Value("soak "+row.key, b.This().Name, row.name, row.unit, all, fmt.Sprintf("%s, then %s", measure.Number(before), measure.Number(last)))
		if row.key != "rate" { // other work on the machine takes away of it
			b.atMost("Soak: "+row.name+", the last third against the one before", soakGrowth, last/before, "×")
		}
	}
}

// soaker is one device of the soak.
type soaker struct {
	device *client.Device
	name   string
	random *rand.Rand
	ops    *atomic.Int64
	cursor int64
	body   []byte
}

// turn pushes, pulls once, and reports what the device has.
func (w *soaker) turn() error {
	w.body = fmt.Appendf(w.body[:0], `{"scope":{"workspaceId":"%s"},"ops":[`, w.device.Workspace)
	for i := range load.Batch {
		if i > 0 {
			w.body = append(w.body, ',')
		}
		w.op(w.ops.Add(1))
	}
	w.body = append(w.body, "]}"...)
	if err := w.device.Push(w.body, load.Batch); err != nil {
		return err
	}
	p, err := w.device.Pull(client.PullBody(w.device.Workspace, w.cursor, 1000))
	if err != nil {
		return err
	}
	w.cursor = p.Cursor
	return w.device.Call("POST", "/api/sync/update-cursor", client.Object{
		"scope": client.Object{"workspaceId": w.device.Workspace}, "deviceId": w.name, "version": w.cursor,
	}, nil)
}

// soakText is a message.
var soakText = strings.Repeat("All work and no play makes a server flat. ", 24)

// op appends the n-th op of all devices: it replaces or deletes one of the records.
func (w *soaker) op(n int64) {
	record := w.random.IntN(soakRecords)
	pk, thread, hlc := fmt.Sprintf("00000000-0000-4000-8000-%012x", record), record%100, "0mwtcvgv8:000:"+w.name
	operation, payload := "delete", ""
	if w.random.IntN(10) > 0 {
		operation = "put"
		payload = fmt.Sprintf(`"payload":{"id":"%s","data":{"content":"%s","attachments":[]},"role":"user","created_at":1795443787,"updated_at":1795443787,"deleted":false,"thread_id":"10000000-0000-4000-8000-%012x","index":%d,"clock":%d,"order_key":"%s"},`,
			pk, soakText[w.random.IntN(len(soakText)/2):], thread, record, n, hlc)
	}
	w.body = fmt.Appendf(w.body, `{"id":"20000000-0000-4000-8000-%012x","tableName":"messages","operation":"%s","pk":"%s",%s"stamp":{"deviceId":"%s","opId":"30000000-0000-4000-8000-%012x","hlc":"%s","clock":%d},"createdAt":1795443787557,"attempts":0,"status":"pending"}`,
		n, operation, pk, payload, w.name, n, hlc, n)
}
