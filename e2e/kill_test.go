package e2e

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/google/uuid"
)

const (
	killRounds = 50
	pushers    = 3
	uploaders  = 2
)

// TestKilledInTheMiddle kills the process in the middle of concurrent pushes, uploads and rotations, again and again.
// After each restart everything that was acknowledged is there, nothing half-written can be seen, versions have no gap,
// no one is signed out, and both databases pass SQLite's check. When to kill is drawn from a seed, in units of
// progress: sent chunks and answers.
func TestKilledInTheMiddle(t *testing.T) {
	const seed = 20261124
	rounds := killRounds
	if testing.Short() {
		rounds = 5
	}
	srv := startServer(t, withBinary(binary(t, buildPlain)), withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", generousLimits),
		withEnv("OR3_TRUST_PROXY", "true"))
	first := newDevice(t, srv, "first")
	k := &killTest{t: t, srv: srv, device: first, workspace: first.register("kill@example.test").Workspace.ID,
		random: rand.New(rand.NewPCG(seed, 0)), acked: map[int64]op{}, blobs: map[string]*blobUpload{}}
	for i := range pushers {
		k.pushers = append(k.pushers, &pushWorker{device: first.twin(), random: rand.New(rand.NewPCG(seed, uint64(i+1))), rows: []string{uuid.NewString()}})
	}
	for i := range uploaders {
		k.uploaders = append(k.uploaders, &uploadWorker{device: first.twin(), random: rand.New(rand.NewPCG(seed, uint64(i+100)))})
	}
	k.refresher = &refreshWorker{device: newDevice(t, srv, "refresher")}
	k.refresher.device.signIn("kill@example.test")
	for round := range rounds {
		k.round(round)
		if t.Failed() {
			t.Fatalf("round %d, seed %d", round, seed)
		}
	}
	k.checkEverything()
	if k.cutPushes == 0 || k.cutUploads == 0 {
		t.Errorf("no push (%d) or no upload (%d) was ever cut off: the test tests nothing", k.cutPushes, k.cutUploads)
	}
	t.Logf("%d ops, %d blobs; %d pushes and %d uploads were cut off", len(k.acked), len(k.blobs), k.cutPushes, k.cutUploads)
}

// killTest is what the clients know over all rounds.
type killTest struct {
	t         *testing.T
	srv       *server
	device    *device
	workspace string
	random    *rand.Rand
	pushers   []*pushWorker
	uploaders []*uploadWorker
	refresher *refreshWorker
	// acked are the acknowledged ops by version; cursor is how far the log has been compared with them.
	acked  map[int64]op
	cursor int64
	// blobs are all uploads that were ever begun, by hash.
	blobs                 map[string]*blobUpload
	cutPushes, cutUploads int
}

// pushWorker is a device that pushes. A batch that was not answered is sent again, as a client does.
type pushWorker struct {
	device  *device
	random  *rand.Rand
	pending []op
	rows    []string
	clock   int64
	// results are the answers of this round.
	results []acknowledged
	err     error
}

// acknowledged is an op with its result.
type acknowledged struct {
	op
	result
}

// uploadWorker is a device that uploads.
type uploadWorker struct {
	device  *device
	random  *rand.Rand
	uploads []*blobUpload
	err     error
}

// refreshWorker is a device that rotates its session all the time.
type refreshWorker struct {
	device *device
	err    error
}

// blobUpload is an upload and how far it got.
type blobUpload struct {
	content        []byte
	put, committed bool
	storageID      string
}

// progress counts events and calls once when a number of them has happened.
type progress struct {
	left  atomic.Int64
	reach chan struct{}
}

func newProgress(events int64) *progress {
	p := &progress{reach: make(chan struct{})}
	p.left.Store(events)
	return p
}

func (p *progress) tick() {
	if p.left.Add(-1) == 0 {
		close(p.reach)
	}
}

// twin returns a device with the same cookies and its own connection.
func (d *device) twin() *device {
	c := newDevice(d.t, d.srv, d.name)
	c.jar.cookies = slices.Clone(d.jar.cookies)
	return c
}

// round lets all workers work, kills the server, restarts it and compares.
func (k *killTest) round(n int) {
	p := newProgress(3 + k.random.Int64N(120))
	ctx, cancel := context.WithCancel(k.t.Context())
	defer cancel()
	var wg sync.WaitGroup
	for _, w := range k.pushers {
		w.results, w.err = nil, nil
		wg.Go(func() { w.run(ctx, k.workspace, p) })
	}
	for _, w := range k.uploaders {
		w.uploads, w.err = nil, nil
		wg.Go(func() { w.run(ctx, k.workspace, p) })
	}
	k.refresher.err = nil
	wg.Go(func() { k.refresher.run(ctx, n, p) })
	<-p.reach
	k.srv.kill()
	cancel()
	wg.Wait()

	k.srv.start()
	for _, w := range k.pushers {
		if w.err != nil {
			k.t.Errorf("round %d: %v", n, w.err)
		}
		k.take(w.results)
		k.repeat(w)
		if len(w.pending) > 0 {
			k.cutPushes++
			k.take(w.send(k.device, k.workspace))
		}
	}
	for _, w := range k.uploaders {
		if w.err != nil {
			k.t.Errorf("round %d: %v", n, w.err)
		}
		k.checkUploads(w)
	}
	k.checkSession(n)
	k.checkLog()
	checkIntegrity(k.t, k.srv.database("sync"))
	checkIntegrity(k.t, k.srv.database("auth"))
}

// refresh rotates the session. Every round has its own address, because the budget per address is fixed.
func (w *refreshWorker) refresh(ctx context.Context, round int) (*reply, error) {
	header := http.Header{"X-Forwarded-For": {fmt.Sprintf("198.51.100.%d", round+1)}}
	return w.device.send(ctx, "POST", "/api/basic-auth/refresh", nil, header)
}

// run rotates until the server is gone or the budget of the round is used up.
func (w *refreshWorker) run(ctx context.Context, round int, p *progress) {
	for range 100 {
		r, err := w.refresh(ctx, round)
		if err != nil {
			return
		}
		if r.status != 200 {
			w.err = fmt.Errorf("refresh: %s", r)
			return
		}
		p.tick()
	}
}

// checkSession checks that the device is still signed in: with the cookies of the last answer, or, where a rotation was
// cut off, with the ones before it.
func (k *killTest) checkSession(round int) {
	k.t.Helper()
	if k.refresher.err != nil {
		k.t.Error(k.refresher.err)
	}
	if r, err := k.refresher.refresh(k.t.Context(), round); err != nil || r.status != 200 {
		k.t.Errorf("refresh after the restart: %v %v", err, r)
	}
	k.refresher.device.mustSession()
}

// run pushes batch after batch until the server is gone.
func (w *pushWorker) run(ctx context.Context, workspace string, p *progress) {
	for {
		if len(w.pending) == 0 {
			for range 1 + w.random.IntN(10) {
				w.pending = append(w.pending, w.next())
			}
		}
		text, err := json.Marshal(pushBody{scope{workspace}, w.pending})
		if err != nil {
			w.err = err
			return
		}
		r, err := w.device.send(ctx, "POST", "/api/sync/push", text, jsonHeader)
		if err != nil {
			return
		}
		if results, err := w.answer(r); err != nil {
			w.err = err
			return
		} else {
			w.results = append(w.results, results...)
		}
		p.tick()
	}
}

// answer takes the answer of the pending batch.
func (w *pushWorker) answer(r *reply) ([]acknowledged, error) {
	var out pushed
	if r.status != 200 || json.Unmarshal(r.body, &out) != nil || len(out.Results) != len(w.pending) {
		return nil, fmt.Errorf("push of %d ops: %s", len(w.pending), r)
	}
	var all []acknowledged
	for i, res := range out.Results {
		if !res.Success {
			return nil, fmt.Errorf("op %s was refused: %s", res.OpID, res.Error)
		}
		all = append(all, acknowledged{w.pending[i], res})
	}
	w.pending = nil
	return all, nil
}

// send pushes the pending batch on a device that works.
func (w *pushWorker) send(d *device, workspace string) []acknowledged {
	d.t.Helper()
	results, err := w.answer(d.post("/api/sync/push", pushBody{scope{workspace}, w.pending}))
	if err != nil {
		d.t.Error(err)
	}
	return results
}

// next makes an op: a new row, or a new revision of one of this worker's rows.
func (w *pushWorker) next() op {
	w.clock++
	pk := w.rows[w.random.IntN(len(w.rows))]
	if w.random.IntN(3) > 0 {
		pk = uuid.NewString()
		w.rows = append(w.rows, pk)
	}
	payload := fmt.Sprintf(`{"id":%q,"title":"revision %d","content":%q,"post_type":"doc","deleted":false,"created_at":1,"updated_at":1,"clock":%d}`,
		pk, w.clock, strings.Repeat("text ", w.random.IntN(4000)), w.clock)
	return op{ID: uuid.NewString(), TableName: "posts", Operation: "put", PK: pk, Payload: json.RawMessage(payload), Status: "pending",
		Stamp: stamp{DeviceID: "1a2b3c4d", OpID: uuid.NewString(), HLC: fmt.Sprintf("0mll3o9og:%03d:1a2b3c4d", w.clock%1000), Clock: w.clock}}
}

// run uploads file after file until the server is gone.
func (w *uploadWorker) run(ctx context.Context, workspace string, p *progress) {
	for {
		content := make([]byte, 1+w.random.IntN(600_000))
		for i := range content {
			content[i] = byte(w.random.Uint32())
		}
		u := &blobUpload{content: content}
		body, _ := json.Marshal(obj{"workspace_id": workspace, "hash": hashOf(content), "mime_type": png, "size_bytes": len(content)})
		r, err := w.device.send(ctx, "POST", "/api/storage/presign-upload", body, jsonHeader)
		if err != nil {
			return
		}
		var to presigned
		if r.status != 200 || json.Unmarshal(r.body, &to) != nil {
			w.err = fmt.Errorf("presign: %s", r)
			return
		}
		w.uploads = append(w.uploads, u)
		status, err := w.device.stream(ctx, to.URL, content, p)
		if err != nil {
			return
		}
		if status != 200 {
			w.err = fmt.Errorf("upload: status %d", status)
			return
		}
		u.put, u.storageID = true, to.StorageID
		p.tick()
		body, _ = json.Marshal(commitBody(workspace, content, to.StorageID, png))
		r, err = w.device.send(ctx, "POST", "/api/storage/commit", body, jsonHeader)
		if err != nil {
			return
		}
		if r.status != 200 {
			w.err = fmt.Errorf("commit: %s", r)
			return
		}
		u.committed = true
		p.tick()
	}
}

// stream uploads in chunks and reports each as progress, so that the server can be killed between two.
func (d *device) stream(ctx context.Context, url string, content []byte, p *progress) (int, error) {
	req, err := http.NewRequestWithContext(ctx, "PUT", d.srv.url+url, &chunks{rest: content, p: p})
	if err != nil {
		return 0, err
	}
	req.ContentLength = int64(len(content))
	req.Header.Set("Content-Type", png)
	req.Header.Set("Cookie", d.jar.header(req.URL.Path))
	res, err := d.http.Do(req)
	if err != nil {
		return 0, err
	}
	defer res.Body.Close()
	_, err = io.Copy(io.Discard, res.Body)
	return res.StatusCode, err
}

// chunks reads bytes in pieces.
type chunks struct {
	rest []byte
	p    *progress
}

func (c *chunks) Read(b []byte) (int, error) {
	if len(c.rest) == 0 {
		return 0, io.EOF
	}
	n := copy(b, c.rest[:min(len(c.rest), 64<<10)])
	c.rest = c.rest[n:]
	c.p.tick()
	return n, nil
}

// take records acknowledged ops. No version is issued twice, except for the same op.
func (k *killTest) take(results []acknowledged) {
	k.t.Helper()
	for _, a := range results {
		if old, ok := k.acked[a.ServerVersion]; ok && old.Stamp.OpID != a.op.Stamp.OpID {
			k.t.Errorf("version %d belongs to two ops", a.ServerVersion)
		}
		k.acked[a.ServerVersion] = a.op
	}
}

// repeat pushes again what was acknowledged in this round: the server must know every op, with its version.
func (k *killTest) repeat(w *pushWorker) {
	k.t.Helper()
	for batch := range slices.Chunk(w.results, 50) {
		ops := make([]op, len(batch))
		for i, a := range batch {
			ops[i] = a.op
		}
		for i, res := range k.device.push(k.workspace, ops...).Results {
			if !res.Success || !res.Replayed || res.ServerVersion != batch[i].ServerVersion {
				k.t.Errorf("acknowledged op %s had version %d; after the restart: %+v", res.OpID, batch[i].ServerVersion, res)
			}
		}
	}
}

// checkLog pulls what is new and checks that the log holds the acknowledged ops and nothing else, without a gap.
func (k *killTest) checkLog() {
	k.t.Helper()
	counter := k.device.pullAll(k.workspace, k.cursor, 1000, func(page pulled) {
		for _, c := range page.Changes {
			o, ok := k.acked[c.ServerVersion]
			if !ok {
				k.t.Errorf("version %d of %s was never acknowledged", c.ServerVersion, c.PK)
			} else if c.Stamp != o.Stamp || !bytes.Equal(c.Payload, o.Payload) {
				k.t.Errorf("version %d is another op than the acknowledged one", c.ServerVersion)
			}
		}
	})
	if int64(len(k.acked)) != counter {
		k.t.Errorf("%d ops were acknowledged, but the counter is %d", len(k.acked), counter)
	}
	for v := k.cursor + 1; v <= counter; v++ {
		if _, ok := k.acked[v]; !ok {
			k.t.Errorf("version %d is a gap", v)
		}
	}
	k.cursor = counter
}

// checkUploads checks that every acknowledged file is there, and of the others all or nothing.
func (k *killTest) checkUploads(w *uploadWorker) {
	k.t.Helper()
	for _, u := range w.uploads {
		k.blobs[hashOf(u.content)] = u
		if !u.put {
			k.cutUploads++
		}
		if u.put && !u.committed {
			if r := k.device.post("/api/storage/commit", commitBody(k.workspace, u.content, u.storageID, png)); r.status != 200 {
				k.t.Errorf("commit of an acknowledged upload: %s", r)
			}
		}
		k.checkBlob(u)
	}
}

func (k *killTest) checkBlob(u *blobUpload) {
	k.t.Helper()
	r := k.device.post("/api/storage/presign-download", obj{"workspace_id": k.workspace, "hash": hashOf(u.content)})
	if r.status == 404 && !u.put {
		return
	}
	if r.status != 200 {
		k.t.Errorf("an acknowledged file of %d bytes: %s", len(u.content), r)
		return
	}
	k.device.download(k.workspace, u.content)
}

// stored matches the names of stored blobs: the hash, and the random name of the copy.
var stored = regexp.MustCompile(`^sha256_([0-9a-f]{64})(\.[0-9a-f]+)?$`)

// checkEverything compares the whole log, all files and the disk once more at the end.
func (k *killTest) checkEverything() {
	l := newLedger()
	for v := int64(1); v <= int64(len(k.acked)); v++ {
		l.add(k.acked[v])
	}
	checkPulled(k.t, k.device, k.workspace, l)
	checkFreshDevices(k.t, k.device, k.workspace, l, 1000)
	for _, hash := range slices.Sorted(maps.Keys(k.blobs)) {
		k.checkBlob(k.blobs[hash])
	}
	k.srv.stop()
	for name := range blobs(k.srv) {
		base := filepath.Base(name)
		base, digests := strings.CutSuffix(base, ".sums")
		if strings.HasSuffix(base, ".json") || strings.Contains(base, ".tmp-") || digests && stored.MatchString(base) {
			continue // metadata of a blob, or an unfinished file that is never shown and that collection removes
		}
		m := stored.FindStringSubmatch(base)
		if m == nil {
			k.t.Errorf("a file that belongs to nothing: %s", name)
			continue
		}
		content, err := os.ReadFile(filepath.Join(k.srv.data, name))
		if err != nil || hashOf(content) != "sha256:"+m[1] {
			k.t.Errorf("%s holds other bytes than its name says (%v)", name, err)
		}
	}
	checkIntegrity(k.t, k.srv.database("sync"))
	checkIntegrity(k.t, k.srv.database("auth"))
}
