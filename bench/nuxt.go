package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/HdrHistogram/hdrhistogram-go"
	"github.com/google/uuid"

	"or3.chat/cloud/bench/internal/client"
	"or3.chat/cloud/bench/internal/load"
	"or3.chat/cloud/bench/internal/measure"
	"or3.chat/cloud/bench/internal/process"
)

const (
	// hostDevices is how many devices use a host at once.
	hostDevices = 16
	// hostHistory is how many ops a host's workspace has when pages of it are pulled.
	hostHistory = 10_000
	// hostFileSize is the size of the file that is downloaded through a host.
	hostFileSize = 100 << 20
)

// front is a host in the comparison, with the devices of one account.
type front struct {
	name          string
	start         func() (*process.Server, error)
	server        *process.Server
	devices       []*client.Device
	newest        int64
	one, sixteen  *load.Pushers
	page, pages   *load.Pullers
	poll, refused measure.Series // median milliseconds of a request at rest
	download      measure.Series // MB/s
	link          string
	before, peak  float64 // MB
}

// The hosts that are compared.
const (
	goHost       = "OR3 Cloud"
	fixtureHost  = "Nuxt host and engine"
	chatHost     = "OR3 Chat and engine"
	upstreamHost = "OR3 Chat, Node packages"
)

// hostEmail is the account of a host, which makes it when it starts.
const hostEmail = "hosts@example.test"

// fronts are the hosts of this run. Those on Node are what Nuxt has built.
func (b *bench) fronts(ctx context.Context) ([]*front, error) {
	out := []*front{{name: goHost, start: func() (*process.Server, error) {
		return b.Serve("hosts/go", hostAccount...)
	}}}
	if b.fixture == "" {
		b.fixture = b.Path("fixture")
		cmd := exec.CommandContext(ctx, "node", filepath.Join(b.Root, "bench/nuxt.mjs"), b.This().Binary, b.fixture)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Run(); err != nil {
			return nil, fmt.Errorf("build npm/host-fixture: %w", err)
		}
	}
	fixture := filepath.Join(b.fixture, "host")
	for i, host := range []struct{ name, node, output string }{
		{fixtureHost, filepath.Join(fixture, "node_modules/.bin/node"), filepath.Join(fixture, ".output")},
		{chatHost, "node", b.chat}, {upstreamHost, "node", b.upstream},
	} {
		if host.output != "" {
			data := b.Path(fmt.Sprintf("hosts/nuxt%d/data", i))
			out = append(out, &front{name: host.name, start: func() (*process.Server, error) {
				return startNuxt(host.node, host.output, b.This().Binary, data)
			}})
		}
	}
	return out, nil
}

var hostAccount = []string{
	"OR3_BASIC_AUTH_BOOTSTRAP_EMAIL=" + hostEmail,
	"OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD=" + client.Password,
}

// startNuxt runs what Nuxt has built, with our packages or with others: the settings of both have the same names.
func startNuxt(node, output, bin, data string) (*process.Server, error) {
	addr, err := process.FreeAddr()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	s := &process.Server{Addr: addr, Data: data, Cmd: exec.Command(node, filepath.Join(output, "server/index.mjs"))}
	secret := strings.Repeat("0123456789abcdef", 4)
	s.Cmd.Env = append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + data, "NODE_ENV=production",
		"OR3_PUBLIC_URL=https://hosts.example.test", "HOST=127.0.0.1", "PORT=" + addr[strings.LastIndexByte(addr, ':')+1:],
		"SSR_AUTH_ENABLED=true", "AUTH_PROVIDER=basic-auth", "OR3_SYNC_ENABLED=true", "OR3_SYNC_PROVIDER=sqlite",
		"OR3_STORAGE_ENABLED=true", "OR3_STORAGE_PROVIDER=fs", "NUXT_PUBLIC_STORAGE_PROVIDER=fs",
		"OR3_CLOUD_BIN=" + bin, "OR3_DATA_DIR=" + data, "OR3_LIMITS_ENABLED=false", "OR3_LOG_LEVEL=warn",
		"OR3_SQLITE_DB_PATH=" + filepath.Join(data, "or3-sync.sqlite"),
		"OR3_BASIC_AUTH_DB_PATH=" + filepath.Join(data, "basic-auth.sqlite"),
		"OR3_BASIC_AUTH_JWT_SECRET=" + secret, "OR3_BASIC_AUTH_REFRESH_SECRET=r" + secret,
		"OR3_STORAGE_FS_ROOT=" + filepath.Join(data, "blobs"), "OR3_STORAGE_FS_TOKEN_SECRET=" + secret,
		"OR3_RATE_LIMIT_OVERRIDES_JSON=" + hostLimits, "NUXT_LIMITS_OPERATION_RATE_LIMITS=" + hostLimits,
	}, hostAccount...)
	return s, s.Start("/api/auth/session")
}

// hostLimits sets practically no limits in a Nuxt host, whose own cannot be switched off: windows of a millisecond.
var hostLimits = func() string {
	limits := client.Object{}
	for _, name := range []string{
		"sync:push", "sync:pull", "storage:upload", "storage:download", "storage:commit", "auth:session",
	} {
		limits[name] = client.Object{"windowMs": 1, "maxRequests": 1_000_000}
	}
	text, err := json.Marshal(limits)
	if err != nil {
		panic(err) // constants
	}
	return string(text)
}()

// prepare writes a host's history and a file, and starts it afresh, so that what it then holds is not of that.
func (f *front) prepare(b *bench) (err error) {
	if f.server, err = f.start(); err != nil {
		return err
	}
	for len(f.devices) < hostDevices {
		d, err := client.SignIn(f.server.Addr, b.Corpus, hostEmail)
		if err != nil {
			return err
		}
		f.devices = append(f.devices, d)
	}
	if err := measure.Interleave(1, (&load.Pushers{Server: f.server, Devices: f.devices[:1]}).Step(hostHistory)); err != nil {
		return err
	}
	f.newest = f.devices[0].Version
	hash, err := f.upload(b.Path("hosts/file"))
	if err != nil {
		return err
	}
	if err := f.server.Stop(); err != nil {
		return err
	}
	if f.server, err = f.start(); err != nil {
		return err
	}
	for i, d := range f.devices {
		f.devices[i] = d.At(f.server.Addr)
	}
	link, err := presign(f.devices[0], "download", hash, hostFileSize)
	f.link = link.URL
	f.one = &load.Pushers{Server: f.server, Devices: f.devices[:1]}
	f.sixteen = &load.Pushers{Server: f.server, Devices: f.devices}
	f.page, f.pages = f.pullers(1), f.pullers(hostDevices)
	return err
}

func (f *front) pullers(n int) *load.Pullers {
	return &load.Pullers{Server: f.server, Devices: f.devices[:n], Limit: 1000, Newest: f.newest}
}

// upload brings a file of zeros to the host.
func (f *front) upload(name string) (hash string, err error) {
	file, err := os.Create(name)
	if err != nil {
		return "", err
	}
	defer file.Close()
	if err := file.Truncate(hostFileSize); err != nil {
		return "", err
	}
	h := sha256.New()
	if _, err := io.Copy(h, file); err != nil {
		return "", err
	}
	hash = "sha256:" + hex.EncodeToString(h.Sum(nil))
	d := f.devices[0]
	target, err := presign(d, "upload", hash, hostFileSize)
	if err != nil {
		return "", err
	}
	if err := put(d.Client, target.URL, []byte{0}, io.NewSectionReader(file, 1, hostFileSize-1), hostFileSize); err != nil {
		return "", err
	}
	return hash, register(d, target, hash, hostFileSize)
}

// rest sends requests one after the other to a host that does nothing else, and demands a status.
func (f *front) rest(into *measure.Series, requests int, workspace string, status int) measure.Step {
	d := f.devices[0]
	var body []byte
	return measure.Step{Prepare: func() error {
		newest, err := d.Head()
		body = client.PullBody(workspace, newest, 100)
		return err
	}, Run: func() error {
		_, h, err := measure.Loop(1, measure.Times(requests), func(int, int) error {
			res, err := d.Begin("POST", "/api/sync/pull", body)
			if err != nil {
				return err
			}
			answer, err := io.ReadAll(res.Body)
			if err == nil && res.StatusCode != status {
				err = fmt.Errorf("a poll is answered %d, want %d: %.300s", res.StatusCode, status, answer)
			}
			return err
		})
		*into = append(*into, measure.MS(h, 50))
		return err
	}}
}

// reconnected is a step on new connections: Node closes those that were idle while the other hosts were measured.
func (f *front) reconnected(s measure.Step) measure.Step {
	prepare := s.Prepare
	s.Prepare = func() error {
		for _, d := range f.devices {
			d.Close()
		}
		if prepare == nil {
			return nil
		}
		return prepare()
	}
	return s
}

// fetch downloads the file.
func (f *front) fetch() error {
	start := time.Now()
	n, err := get(f.devices[0].Client, f.link, make([]byte, 1<<20), nil)
	if err == nil && n != hostFileSize {
		err = fmt.Errorf("%d bytes instead of %d", n, int64(hostFileSize))
	}
	f.download = append(f.download, hostFileSize/time.Since(start).Seconds()/1e6)
	return err
}

// benchHosts compares the Go host with hosts on Node whose packages ask the engine, and with one that has upstream's
// packages, whose stores are in Node's own process.
func (b *bench) benchHosts(ctx context.Context) error {
	fronts, err := b.fronts(ctx)
	if err != nil {
		return err
	}
	var steps []measure.Step
	for _, f := range fronts {
		if err := f.prepare(b); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		defer f.server.Stop()
	}
	// Memory first, while the hosts are fresh.
	for _, f := range fronts {
		held, err := f.server.Memory()
		if err != nil {
			return err
		}
		f.before = held.Resident
		pulls := f.reconnected(f.pullers(hostDevices).Step(b.Ops(640)))
		if err := errors.Join(f.server.ResetPeak(), measure.Interleave(1, pulls)); err != nil {
			return err
		}
		if held, err = f.server.Memory(); err != nil {
			return err
		}
		f.peak = held.Peak
	}
	for _, f := range fronts {
		for _, s := range []measure.Step{
			f.rest(&f.poll, b.Ops(800), f.devices[0].Workspace, http.StatusOK),
			f.rest(&f.refused, b.Ops(800), uuid.NewString(), http.StatusForbidden),
			f.one.Step(b.Ops(5000)), f.sixteen.Step(b.Ops(16_000)),
			f.page.Step(b.Ops(80)), f.pages.Step(b.Ops(160)),
			{Run: f.fetch},
		} {
			steps = append(steps, f.reconnected(s))
		}
	}
	if err := measure.Interleave(b.Rounds, steps...); err != nil {
		return err
	}
	r := b.Report
	r.Section("Hosts on Node", "the same requests to the Go host and to hosts on Node; memory is of all processes of a host")
	for _, f := range fronts {
		p50 := func(h *hdrhistogram.Histogram) string { return "p50 " + measure.Number(measure.MS(h, 50)) + " ms" }
		of := f.name + ": "
		r.Figure(of+"pushes of 50, 1 device, ops/s", f.one.Rate.String(), p50(f.one.Latency))
		r.Figure(of+"pushes of 50, 16 devices, ops/s", f.sixteen.Rate.String(), p50(f.sixteen.Latency))
		r.Figure(of+"pulls of 1,000, 1 device, rows/s", f.page.Rate.String(), p50(f.page.Latency))
		r.Figure(of+"pulls of 1,000, 16 devices, rows/s", f.pages.Rate.String(), p50(f.pages.Latency))
		r.Figure(of+"memory at 16 pulls, MB", measure.Number(f.peak), measure.Number(f.before)+" before")
		r.Figure(of+"an empty poll at rest, ms", f.poll.String(), "refused before the store is asked: "+f.refused.String())
		r.Figure(of+"download of 100 MiB, MB/s", f.download.String(), "")
	}
	b.judgeHosts(fronts)
	return nil
}

// judgeHosts compares what was measured with the targets.
func (b *bench) judgeHosts(fronts []*front) {
	by := map[string]*front{}
	for _, f := range fronts {
		by[f.name] = f
	}
	r := b.Report
	added := by[fixtureHost].poll.Median() - by[fixtureHost].refused.Median()
	r.Target("What the engine adds to a request at rest", "≤ 0.3 ms", fmt.Sprintf("%.2f ms", added), added <= 0.3)
	ours, theirs := by[chatHost], by[upstreamHost]
	if theirs == nil {
		return
	}
	if ours == nil {
		ours = by[fixtureHost]
	}
	r.Target("Pushes by 16 devices to a host on Node, against the Node packages", "≥ 3 ×",
		measure.Ratio(ours.sixteen.Rate, theirs.sixteen.Rate), ours.sixteen.Rate.Median() >= 3*theirs.sixteen.Rate.Median())
	r.Target("Memory of a host on Node at 16 pulls, against the Node packages", "< 50 %",
		fmt.Sprintf("%.0f %%", 100*ours.peak/theirs.peak), ours.peak < theirs.peak/2)
}
