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
	start         func() (*server, error)
	server        *server
	devices       []*device
	newest        int64
	one, sixteen  *pushers
	page, pages   *pullers
	poll, refused series // median milliseconds of a request at rest
	download      series // MB/s
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
	out := []*front{{name: goHost, start: func() (*server, error) {
		return startServer(b.binary, b.path("hosts/go/data"), hostAccount...)
	}}}
	if b.fixture == "" {
		b.fixture = b.path("fixture")
		cmd := exec.CommandContext(ctx, "node", filepath.Join(b.root, "bench/nuxt.mjs"), b.binary, b.fixture)
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
			data := b.path(fmt.Sprintf("hosts/nuxt%d/data", i))
			out = append(out, &front{name: host.name, start: func() (*server, error) {
				return startNuxt(host.node, host.output, b.binary, data)
			}})
		}
	}
	return out, nil
}

var hostAccount = []string{
	"OR3_BASIC_AUTH_BOOTSTRAP_EMAIL=" + hostEmail,
	"OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD=" + password,
}

// startNuxt runs what Nuxt has built, with our packages or with others: the settings of both have the same names.
func startNuxt(node, output, bin, data string) (*server, error) {
	addr, err := freeAddr()
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(data, 0o700); err != nil {
		return nil, err
	}
	s := &server{addr: addr, data: data, cmd: exec.Command(node, filepath.Join(output, "server/index.mjs"))}
	secret := strings.Repeat("0123456789abcdef", 4)
	s.cmd.Env = append([]string{
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
	return s, s.start("/api/auth/session")
}

// hostLimits is as good as no limits of a Nuxt host's own, which cannot be switched off: windows of a millisecond.
var hostLimits = func() string {
	limits := object{}
	for _, name := range []string{
		"sync:push", "sync:pull", "storage:upload", "storage:download", "storage:commit", "auth:session",
	} {
		limits[name] = object{"windowMs": 1, "maxRequests": 1_000_000}
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
		d, err := signIn(f.server, b.corpus, hostEmail)
		if err != nil {
			return err
		}
		f.devices = append(f.devices, d)
	}
	if err := interleave(1, newPushers(f.devices[:1]).step(hostHistory)); err != nil {
		return err
	}
	f.newest = f.devices[0].version
	hash, err := f.upload(b.path("hosts/file"))
	if err != nil {
		return err
	}
	if err := f.server.stop(); err != nil {
		return err
	}
	if f.server, err = f.start(); err != nil {
		return err
	}
	for i, d := range f.devices {
		f.devices[i] = d.at(f.server)
	}
	link, err := f.devices[0].presign("download", hash, hostFileSize)
	f.link = link.URL
	f.one, f.sixteen = newPushers(f.devices[:1]), newPushers(f.devices)
	f.page, f.pages = f.pullers(1), f.pullers(hostDevices)
	return err
}

func (f *front) pullers(n int) *pullers {
	return &pullers{devices: f.devices[:n], limit: 1000, newest: f.newest}
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
	target, err := d.presign("upload", hash, hostFileSize)
	if err != nil {
		return "", err
	}
	if err := d.put(target.URL, []byte{0}, io.NewSectionReader(file, 1, hostFileSize-1), hostFileSize); err != nil {
		return "", err
	}
	return hash, d.register(target, hash, hostFileSize)
}

// rest sends requests one after the other to a host that does nothing else, and demands a status.
func (f *front) rest(into *series, requests int, workspace string, status int) step {
	d := f.devices[0]
	var body []byte
	return step{prepare: func() error {
		newest, err := d.head()
		body = pullBody(workspace, newest, 100)
		return err
	}, run: func() error {
		_, h, err := loop(1, times(requests), func(int, int) error {
			res, err := d.begin("POST", "/api/sync/pull", body)
			if err != nil {
				return err
			}
			answer, err := io.ReadAll(res.Body)
			if err == nil && res.StatusCode != status {
				err = fmt.Errorf("a poll is answered %d, want %d: %.300s", res.StatusCode, status, answer)
			}
			return err
		})
		*into = append(*into, ms(h, 50))
		return err
	}}
}

// reconnected is a step on new connections: Node closes those that were idle while the other hosts were measured.
func (f *front) reconnected(s step) step {
	prepare := s.prepare
	s.prepare = func() error {
		for _, d := range f.devices {
			d.close()
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
	n, err := f.devices[0].get(f.link, make([]byte, 1<<20), nil)
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
	var steps []step
	for _, f := range fronts {
		if err := f.prepare(b); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
		defer f.server.stop()
	}
	// Memory first, while the hosts are fresh.
	for _, f := range fronts {
		if f.before, _, err = f.server.memory(); err != nil {
			return err
		}
		pulls := f.reconnected(f.pullers(hostDevices).step(b.ops(640)))
		if err := errors.Join(f.server.resetPeak(), interleave(1, pulls)); err != nil {
			return err
		}
		if _, f.peak, err = f.server.memory(); err != nil {
			return err
		}
	}
	for _, f := range fronts {
		for _, s := range []step{
			f.rest(&f.poll, b.ops(800), f.devices[0].workspace, http.StatusOK),
			f.rest(&f.refused, b.ops(800), uuid.NewString(), http.StatusForbidden),
			f.one.step(b.ops(5000)), f.sixteen.step(b.ops(16_000)),
			f.page.step(b.ops(80)), f.pages.step(b.ops(160)),
			{run: f.fetch},
		} {
			steps = append(steps, f.reconnected(s))
		}
	}
	if err := interleave(b.rounds, steps...); err != nil {
		return err
	}
	r := b.report
	r.Section("Hosts on Node", "the same requests to the Go host and to hosts on Node; memory is of all processes of a host")
	for _, f := range fronts {
		p50 := func(h *hdrhistogram.Histogram) string { return "p50 " + number(ms(h, 50)) + " ms" }
		of := f.name + ": "
		r.Figure(of+"pushes of 50, 1 device, ops/s", f.one.rate.String(), p50(f.one.latency))
		r.Figure(of+"pushes of 50, 16 devices, ops/s", f.sixteen.rate.String(), p50(f.sixteen.latency))
		r.Figure(of+"pulls of 1,000, 1 device, rows/s", f.page.rate.String(), p50(f.page.latency))
		r.Figure(of+"pulls of 1,000, 16 devices, rows/s", f.pages.rate.String(), p50(f.pages.latency))
		r.Figure(of+"memory at 16 pulls, MB", number(f.peak), number(f.before)+" before")
		r.Figure(of+"an empty poll at rest, ms", f.poll.String(), "refused before the store is asked: "+f.refused.String())
		r.Figure(of+"download of 100 MiB, MB/s", f.download.String(), "")
	}
	b.judgeHosts(fronts)
	return nil
}

// judgeHosts compares what was measured with what was to be reached.
func (b *bench) judgeHosts(fronts []*front) {
	by := map[string]*front{}
	for _, f := range fronts {
		by[f.name] = f
	}
	r := b.report
	added := by[fixtureHost].poll.median() - by[fixtureHost].refused.median()
	r.Target("What the engine adds to a request at rest", "≤ 0.3 ms", fmt.Sprintf("%.2f ms", added), added <= 0.3)
	ours, theirs := by[chatHost], by[upstreamHost]
	if theirs == nil {
		return
	}
	if ours == nil {
		ours = by[fixtureHost]
	}
	r.Target("Pushes by 16 devices to a host on Node, against the Node packages", "≥ 3 ×",
		ratio(ours.sixteen.rate, theirs.sixteen.rate), ours.sixteen.rate.median() >= 3*theirs.sixteen.rate.median())
	r.Target("Memory of a host on Node at 16 pulls, against the Node packages", "< 50 %",
		fmt.Sprintf("%.0f %%", 100*ours.peak/theirs.peak), ours.peak < theirs.peak/2)
}
