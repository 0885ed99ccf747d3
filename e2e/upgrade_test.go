//go:build unix

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/google/uuid"

	"or3.chat/cloud/internal/patience"
)

// TestUpgradeLosesNoChange makes the program execute itself again and again under devices that push and one that
// listens. A push is answered, or the device is told to try again; what was acknowledged is in the log once, without a
// gap; and the listener, which reconnects as a browser does, ends up with the newest version.
func TestUpgradeLosesNoChange(t *testing.T) {
	t.Parallel()
	const upgrades, seed = 4, 20261124
	srv := startServer(t, withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", generousLimits))
	first := newDevice(t, srv, "first")
	workspace := first.register("upgrade@example.test").Workspace.ID
	heard := listen(t, first.twin(), workspace)

	var workers []*upgradeWorker
	for i := range 3 {
		workers = append(workers, &upgradeWorker{pushWorker: pushWorker{
			device: first.twin(), random: rand.New(rand.NewPCG(seed, uint64(i))), rows: []string{uuid.NewString()},
		}})
	}
	for n := range upgrades {
		// This many answers before the signal, and this many after the new program has taken over.
		before, after := newProgress(30), newProgress(30)
		upgraded := make(chan struct{})
		var wg sync.WaitGroup
		for _, w := range workers {
			wg.Go(func() { w.run(t.Context(), workspace, before, after, upgraded) })
		}
		<-before.reach
		srv.logs.mark()
		if err := srv.cmd.Process.Signal(syscall.SIGUSR2); err != nil {
			t.Fatal(err)
		}
		srv.waitOutput(" serves ")
		close(upgraded)
		wg.Wait()
		for _, w := range workers {
			if w.err != nil {
				t.Fatalf("upgrade %d: %v", n, w.err)
			}
		}
	}
	k := &killTest{t: t, srv: srv, device: first, workspace: workspace, acked: map[int64]op{}}
	again := 0
	for _, w := range workers {
		k.take(w.results)
		again += w.again
	}
	k.checkLog()
	patience.Until(t, fmt.Sprintf("the listener knows version %d", k.cursor), func() bool { return heard.version.Load() == k.cursor })
	if n := heard.connections.Load(); n < upgrades+1 {
		t.Errorf("the listener connected %d times; an upgrade has to end its stream", n)
	}
	checkIntegrity(t, srv.database("sync"))
	t.Logf("%d ops, %d pushes were sent again, %d streams", k.cursor, again, heard.connections.Load())
}

// upgradeWorker is a device that pushes and tries again when it is told to, or when its connection has ended.
type upgradeWorker struct {
	pushWorker
	again int
}

// run pushes until enough answers have come after the upgrade.
func (w *upgradeWorker) run(ctx context.Context, workspace string, before, after *progress, upgraded <-chan struct{}) {
	for {
		select {
		case <-after.reach:
			if len(w.pending) == 0 {
				return
			}
		default:
		}
		for len(w.pending) < 5 {
			w.pending = append(w.pending, w.next())
		}
		text, err := json.Marshal(pushBody{scope{workspace}, w.pending})
		if err != nil {
			w.err = err
			return
		}
		r, err := w.device.send(ctx, "POST", "/api/sync/push", text, jsonHeader)
		if err != nil || r.status == http.StatusServiceUnavailable && r.header.Get("Retry-After") != "" {
			if w.again++; ctx.Err() != nil || w.again > 100_000 {
				w.err = fmt.Errorf("no answer: %v %v", err, r)
				return
			}
			continue
		}
		results, err := w.answer(r)
		if err != nil {
			w.err = err
			return
		}
		w.results = append(w.results, results...)
		select {
		case <-upgraded:
			after.tick()
		default:
			before.tick()
		}
	}
}

// listener is what a device has heard of a workspace.
type listener struct{ version, connections atomic.Int64 }

// listen follows the events of a workspace until the test ends.
func listen(t *testing.T, d *device, workspace string) *listener {
	l := &listener{}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	t.Cleanup(func() { cancel(); <-done })
	go func() {
		defer close(done)
		for ctx.Err() == nil {
			if err := l.follow(ctx, d, workspace); err != nil && ctx.Err() == nil {
				t.Error(err)
				return
			}
		}
	}()
	return l
}

// follow reads one stream to its end. Only an answer that no upgrade explains is an error.
func (l *listener) follow(ctx context.Context, d *device, workspace string) error {
	req, err := http.NewRequestWithContext(ctx, "GET", d.srv.url+"/api/sync/events?workspaceId="+workspace, nil)
	if err != nil {
		return err
	}
	req.Header.Set("Cookie", d.jar.header(req.URL.Path))
	if v := l.version.Load(); v > 0 {
		req.Header.Set("Last-Event-ID", strconv.FormatInt(v, 10))
	}
	res, err := d.http.Do(req)
	if err != nil {
		return nil // The network's, for example while the socket changes hands.
	}
	defer res.Body.Close()
	switch {
	case res.StatusCode == http.StatusServiceUnavailable && res.Header.Get("Retry-After") != "":
		return nil
	case res.StatusCode != http.StatusOK || res.Header.Get("Content-Type") != "text/event-stream":
		return fmt.Errorf("events: %d, %s", res.StatusCode, res.Header.Get("Content-Type"))
	}
	l.connections.Add(1)
	for lines := bufio.NewScanner(res.Body); lines.Scan(); {
		data, ok := strings.CutPrefix(lines.Text(), "data: ")
		if !ok {
			continue
		}
		var event struct {
			WorkspaceID   string
			ServerVersion int64
		}
		if err := json.Unmarshal([]byte(data), &event); err != nil || event.WorkspaceID != workspace {
			return fmt.Errorf("event %q: %v", data, err)
		}
		if event.ServerVersion < l.version.Load() {
			return fmt.Errorf("version %d after %d", event.ServerVersion, l.version.Load())
		}
		l.version.Store(event.ServerVersion)
	}
	return nil
}
