package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/uuid"

	"or3.chat/cloud/internal/clientmodel"
)

// tightLimits is a budget that the devices of TestTransferQueues use up all the time.
const tightLimits = `{"storage:upload":{"windowMs":250,"maxRequests":4},"storage:download":{"windowMs":250,"maxRequests":6},` +
	`"storage:commit":{"windowMs":250,"maxRequests":4},"sync:push":{"windowMs":60000,"maxRequests":1000000},` +
	`"sync:pull":{"windowMs":60000,"maxRequests":1000000}}`

// TestTransferQueues runs the transfer queues of several devices over a slow network and with a tiny budget, while the
// server is stopped and killed again and again. No device may ever consider a file gone, and an upload or download is
// given up only after five attempts that the outage itself cut off: never because of what the server answered.
func TestTransferQueues(t *testing.T) {
	t.Parallel()
	f := newFleet(t, 5, startServer(t, withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", tightLimits)))
	kills, stops := 0, 0
	for round := range 8 {
		f.attach(2)
		f.work(5+f.random.Int64N(60), func() {
			if round%2 == 0 {
				f.srv.kill()
				kills++
			} else {
				f.srv.stop()
				stops++
			}
			f.srv.start()
			f.proxy.aim(f.srv)
		})
		f.checkGivenUp(round, http.StatusServiceUnavailable)
	}
	f.catchUp()
	cut := f.check()
	if cut == 0 {
		t.Error("nothing was ever cut off: the test tests nothing")
	}
	t.Logf("seed %d: %d files on %d devices, %d kills, %d stops; %d requests cut off, %d transfers given up, none lost",
		fleetSeed, len(f.contents.byHash), len(f.devices), kills, stops, cut, f.gaveUp())
}

const fleetSeed = 20261124

// fleet is several devices of one user whose transfer queues work over a slow network.
type fleet struct {
	t        *testing.T
	srv      *server
	proxy    *slowProxy
	random   *rand.Rand
	contents *blobStore
	devices  []*transferDevice
	attached int
	// requests counts the requests of the devices.
	requests atomic.Int64
}

func newFleet(t *testing.T, size int, srv *server) *fleet {
	f := &fleet{t: t, srv: srv, proxy: newSlowProxy(t, 4<<20), random: rand.New(rand.NewPCG(fleetSeed, 0)), contents: &blobStore{byHash: map[string][]byte{}}}
	f.proxy.aim(srv)
	front := &server{t: t, url: f.proxy.url()}
	for i := range size {
		d := &transferDevice{device: newDevice(t, front, fmt.Sprintf("T%d", i)), contents: f.contents, shows: true}
		d.queue = clientmodel.NewTransfers(i%2 == 1, d.save)
		if i == 0 {
			d.workspace = d.device.register("transfers@example.test").Workspace.ID
		} else {
			d.workspace = d.device.signIn("transfers@example.test").Workspace.ID
		}
		f.devices = append(f.devices, d)
	}
	return f
}

// attach makes each device attach some new files.
func (f *fleet) attach(files int) {
	for _, d := range f.devices {
		for range files {
			content := blobFor(fmt.Sprint("transfer ", f.attached), 1+f.random.IntN(200<<10))
			f.attached++
			d.queue.Attach(f.contents.add(content))
		}
	}
}

// work lets the devices work until they have nothing left to do. trouble is called after some requests.
func (f *fleet) work(requests int64, trouble func()) {
	p := newProgress(requests)
	var wg sync.WaitGroup
	for _, d := range f.devices {
		d.tick, d.shown = func() { f.requests.Add(1); p.tick() }, map[string]bool{}
		wg.Go(d.work)
	}
	ended := make(chan struct{})
	go func() { wg.Wait(); close(ended) }()
	select {
	case <-p.reach:
	case <-ended:
	}
	trouble()
	<-ended
}

// checkGivenUp checks that every attempt of the transfers that were given up was cut off by the trouble, or answered
// with one of the statuses that say so: a refusal, a 404 or a 500 would be the server's error.
func (f *fleet) checkGivenUp(round int, statuses ...int) {
	f.t.Helper()
	for _, d := range f.devices {
		failed := d.queue.In(clientmodel.TransferFailed)
		d.gaveUp += len(failed)
		for _, given := range failed {
			if len(given.Failures) != 5 || slices.ContainsFunc(given.Failures, func(f clientmodel.Failure) bool {
				return f.Status != 0 && !slices.Contains(statuses, f.Status)
			}) {
				f.t.Errorf("round %d: device %s gave up %+v", round, d.device.name, given)
			}
			if given.Upload {
				d.queue.Attach(given.Hash)
			}
		}
	}
}

// catchUp adds again what was given up, as the user would; with the server up, slow and short of budget as before,
// nothing fails.
func (f *fleet) catchUp() {
	f.t.Helper()
	for _, d := range f.devices {
		for _, failed := range d.queue.In(clientmodel.TransferFailed) {
			if failed.Upload {
				d.queue.Attach(failed.Hash)
			}
		}
	}
	for _, what := range []string{"uploads", "downloads"} {
		for _, d := range f.devices {
			d.shows = what == "downloads"
		}
		f.work(0, func() {})
		for _, d := range f.devices {
			for _, failed := range d.queue.In(clientmodel.TransferFailed) {
				if failed.Upload || d.shows {
					f.t.Errorf("%s, device %s: %+v", what, d.device.name, failed)
				}
			}
		}
	}
}

// check checks that every device has every file, and that none was considered gone. It returns how many requests were
// cut off.
func (f *fleet) check() (cut int) {
	f.t.Helper()
	for _, d := range f.devices {
		cut += d.cut
		files := d.queue.Files()
		if len(files) != len(f.contents.byHash) {
			f.t.Errorf("device %s has rows of %d files of %d", d.device.name, len(files), len(f.contents.byHash))
		}
		for hash, file := range files {
			if file.Deleted || file.StorageID == "" || !d.queue.Has(hash) {
				f.t.Errorf("device %s: %+v, bytes %v", d.device.name, file, d.queue.Has(hash))
			}
		}
		if len(d.queue.MarkedDeleted) > 0 {
			f.t.Errorf("device %s has deleted %v for everyone", d.device.name, d.queue.MarkedDeleted)
		}
	}
	return cut
}

func (f *fleet) gaveUp() (n int) {
	for _, d := range f.devices {
		n += d.gaveUp
	}
	return n
}

// blobStore holds what the users have.
type blobStore struct {
	mu     sync.Mutex
	byHash map[string][]byte
}

func (b *blobStore) add(content []byte) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	hash := hashOf(content)
	b.byHash[hash] = content
	return hash
}

func (b *blobStore) get(hash string) []byte {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.byHash[hash]
}

// transferDevice is a device with a transfer queue. It is the Wire of its own queue.
type transferDevice struct {
	device    *device
	workspace string
	contents  *blobStore
	queue     *clientmodel.Transfers
	tick      func()
	// shows is whether the user looks at every file there is, once per round and again when it is
	// stored; shown are those of this round.
	shows  bool
	shown  map[string]bool
	cursor int64
	outbox []op
	// cut counts the requests without an answer, gaveUp the transfers that failed.
	cut, gaveUp int
}

// work makes attempts until the queue is empty and the rows are synced.
func (d *transferDevice) work() {
	for {
		synced := d.sync()
		if d.shows {
			for hash, f := range d.queue.Files() {
				// A base client deletes a file whose upload is not finished; no server can prevent that.
				if look := hash + " " + f.StorageID; !d.shown[look] && (f.StorageID != "" || d.queue.Later) {
					d.shown[look] = true
					d.queue.Show(hash)
				}
			}
		}
		tried, next := d.queue.Step(time.Now(), d)
		switch {
		case tried:
		case !next.IsZero():
			<-time.After(time.Until(next)) // the client's own back-off
		case synced:
			return
		}
	}
}

// save writes a row into the outbox.
func (d *transferDevice) save(f clientmodel.File) {
	content := d.contents.get(f.Hash)
	row := obj{"hash": f.Hash, "name": "file", "kind": "image", "mime_type": png, "size_bytes": len(content), "ref_count": 1,
		"deleted": f.Deleted, "clock": f.Clock, "created_at": 1771000000, "updated_at": 1771000000, "hlc": "0mll3o9og:000:1a2b3c4d"}
	if f.StorageID != "" {
		row["storage_id"], row["storage_provider_id"] = f.StorageID, "fs"
	}
	payload, err := json.Marshal(row)
	if err != nil {
		panic(err)
	}
	id := uuid.NewString()
	d.outbox = append(d.outbox, op{ID: id, TableName: "file_meta", Operation: "put", PK: f.Hash, Payload: payload, Status: "pending", CreatedAt: 1771000000,
		Stamp: stamp{DeviceID: "1a2b3c4d", OpID: id, HLC: "0mll3o9og:000:1a2b3c4d", Clock: f.Clock}})
}

// sync pushes the outbox and pulls the rows of the others. It reports whether both went through.
func (d *transferDevice) sync() bool {
	if len(d.outbox) > 0 {
		r := d.call("POST", "/api/sync/push", pushBody{scope{d.workspace}, d.outbox})
		if r.status != http.StatusOK {
			return false
		}
		var out pushed
		r.decode(d.device.t, &out)
		for _, res := range out.Results {
			if !res.Success {
				d.device.t.Errorf("push: %+v", res)
			}
		}
		d.outbox = nil
	}
	for {
		r := d.call("POST", "/api/sync/pull", obj{"scope": scope{d.workspace}, "cursor": d.cursor, "limit": 100, "tables": allTables})
		if r.status != http.StatusOK {
			return false
		}
		var page pulled
		r.decode(d.device.t, &page)
		for _, c := range page.Changes {
			var row struct {
				Hash      string `json:"hash"`
				StorageID string `json:"storage_id"`
				Deleted   bool   `json:"deleted"`
			}
			if err := json.Unmarshal(c.Payload, &row); err != nil {
				d.device.t.Errorf("pulled %s: %v", c.Payload, err)
			}
			d.queue.Learn(clientmodel.File{Hash: row.Hash, StorageID: row.StorageID, Deleted: row.Deleted, Clock: c.Stamp.Clock})
		}
		if d.cursor = page.NextCursor; !page.HasMore {
			return true
		}
	}
}

// call sends a request; without an answer the status is 0.
func (d *transferDevice) call(method, path string, body any) *reply {
	header := jsonHeader
	content, raw := body.([]byte)
	if raw {
		header = http.Header{"Content-Type": {png}}
	} else {
		content = encode(d.device.t, body)
	}
	r, err := d.device.send(context.Background(), method, path, content, header)
	if err != nil {
		d.cut++
		r = &reply{}
	}
	d.tick()
	return r
}

func (d *transferDevice) signed(path, hash string) clientmodel.Signed {
	r := d.call("POST", path, obj{"workspace_id": d.workspace, "hash": hash, "mime_type": png,
		"size_bytes": len(d.contents.get(hash)), "expires_in_ms": 3_600_000})
	var p presigned
	if r.status == http.StatusOK {
		r.decode(d.device.t, &p)
	}
	return clientmodel.Signed{Status: r.status, URL: p.URL, StorageID: p.StorageID}
}

// PresignUpload implements clientmodel.Wire.
func (d *transferDevice) PresignUpload(hash string) clientmodel.Signed {
	return d.signed("/api/storage/presign-upload", hash)
}

// Put implements clientmodel.Wire.
func (d *transferDevice) Put(url, hash string) clientmodel.Stored {
	return clientmodel.Stored{Status: d.call("PUT", url, d.contents.get(hash)).status}
}

// Commit implements clientmodel.Wire.
func (d *transferDevice) Commit(hash, storageID string) int {
	return d.call("POST", "/api/storage/commit", commitBody(d.workspace, d.contents.get(hash), storageID, png)).status
}

// PresignDownload implements clientmodel.Wire.
func (d *transferDevice) PresignDownload(hash, _ string) clientmodel.Signed {
	return d.signed("/api/storage/presign-download", hash)
}

// Get implements clientmodel.Wire.
func (d *transferDevice) Get(url string) clientmodel.Received {
	r := d.call("GET", url, nil)
	return clientmodel.Received{Status: r.status, Hash: hashOf(r.body)}
}

// slowProxy passes connections on to a server whose address may change, at a limited rate per direction. While the
// server is away, connections are closed.
type slowProxy struct {
	listener net.Listener
	rate     int // bytes per second
	target   atomic.Pointer[string]
}

func newSlowProxy(t *testing.T, rate int) *slowProxy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &slowProxy{listener: l, rate: rate}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go p.pass(c)
		}
	}()
	return p
}

func (p *slowProxy) url() string { return "http://" + p.listener.Addr().String() }

// aim directs new connections to a server's present address.
func (p *slowProxy) aim(s *server) {
	address := strings.TrimPrefix(s.url, "http://")
	p.target.Store(&address)
}

func (p *slowProxy) pass(client net.Conn) {
	defer client.Close()
	upstream, err := net.Dial("tcp", *p.target.Load())
	if err != nil {
		return
	}
	defer upstream.Close()
	ended := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{client, upstream}, {upstream, client}} {
		go func() {
			p.copy(way[1], way[0])
			ended <- struct{}{}
		}()
	}
	<-ended
}

// copy moves bytes at the proxy's rate until either side ends.
func (p *slowProxy) copy(dst io.Writer, src io.Reader) {
	piece := make([]byte, 16<<10)
	for {
		n, err := src.Read(piece)
		if n > 0 {
			time.Sleep(time.Duration(n) * time.Second / time.Duration(p.rate))
			if _, err := dst.Write(piece[:n]); err != nil {
				return
			}
		}
		if err != nil {
			return
		}
	}
}
