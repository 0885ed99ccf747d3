package fs

import (
	"context"
	"errors"
	"io"
	iofs "io/fs"
	"log/slog"
	"math/rand/v2"
	"strings"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/volume"
	"or3.chat/cloud/providertest"
)

// TestRandomFaults lets several clients and two collectors work on one content in random order, on a disk that fails at
// random: it is full, has errors, writes less than it was given, cannot sync, or the process or the machine stops at
// that very step. Whatever was acknowledged and is referred to can be read after each restart, and what nothing needs
// is gone in the end.
func TestRandomFaults(t *testing.T) {
	runs := 1500
	if racing || testing.Short() {
		runs = 200
	}
	kinds, steps := map[string]int{}, 0
	for seed := range uint64(runs) {
		synctest.Test(t, func(t *testing.T) {
			r := newFaultRun(t, seed)
			r.live()
			for _, kind := range r.happened {
				kinds[kind]++
			}
			steps += r.steps
		})
		if t.Failed() {
			t.Fatalf("seed %d", seed)
		}
	}
	t.Logf("%d runs with %d steps; faults: %v", runs, steps, kinds)
	for _, kind := range faultKinds {
		if kinds[kind] < runs/50 {
			t.Errorf("only %d times %q", kinds[kind], kind)
		}
	}
}

var faultKinds = []string{"disk full", "I/O error", "short write", "failing fsync", "process killed", "power failure"}

// faultRun is one random history.
type faultRun struct {
	*Storage
	t         *testing.T
	random    *rand.Rand
	scheduler *scheduler
	clock     *providertest.Clock
	disk      *memDisk
	refs      *providertest.References

	mu       sync.Mutex
	plan     map[int]string // which step fails, and how
	steps    int
	stopped  string // the failure that stopped the process, "" while it runs
	happened []string
	needed   bool
}

func newFaultRun(t *testing.T, seed uint64) *faultRun {
	clock := providertest.NewClock(time.Unix(1_771_000_000, 0))
	random := rand.New(rand.NewPCG(seed, 1))
	r := &faultRun{t: t, random: random, clock: clock, disk: newMemDisk(), refs: providertest.NewReferences(clock.Now), plan: map[int]string{}}
	r.disk.Mkdir(layout.Workspaces)
	r.disk.Mkdir(layout.Trash)
	r.disk.SyncDir(".")
	return r
}

// live runs several processes on one disk, one after the other.
func (r *faultRun) live() {
	for range 2 + r.random.IntN(3) {
		r.process()
		r.check("after a restart")
		r.clock.Advance([]time.Duration{0, time.Minute, 25 * time.Hour, 40 * 24 * time.Hour}[r.random.IntN(4)])
		if r.random.IntN(3) == 0 {
			r.refs.Remove("ws", hashOf(explored))
			r.needed = false
		}
	}
	r.plan = map[int]string{}
	for range 5 {
		r.open()
		if _, err := r.gc(); err != nil {
			r.t.Errorf("GC in the end: %v", err)
		}
		r.check("in the end")
		r.clock.Advance(40 * 24 * time.Hour)
	}
	files := r.disk.files()
	state, _ := r.refs.ReferenceState(context.Background(), "ws", hashOf(explored))
	if r.needed && len(files) != 3 || !state.Referenced() && len(files) != 0 {
		r.t.Errorf("needed %t, left %v", r.needed, files)
	}
	if left, _ := r.refs.RetiredGenerations(context.Background(), "ws"); len(left) != 0 {
		r.t.Errorf("not forgotten: %v", left)
	}
}

func (r *faultRun) open() {
	r.stopped = ""
	r.Storage = New(Options{
		Disk: &faultyDisk{r.disk, r}, TTL: time.Hour, Retention: providertest.StorageRetention, TrashGrace: trashGrace, Host: host{},
		Now: r.clock.Now, References: faultyClaims{r.refs, r}, Rand: &lockedRandom{random: r.random}, Log: slog.New(slog.DiscardHandler),
	})
}

func (r *faultRun) check(when string) {
	r.t.Helper()
	f, _, err := New(Options{Disk: r.disk}).copies.Find(keyOf(explored))
	content := []byte(nil)
	if err == nil {
		content, err = io.ReadAll(f)
	}
	if r.needed && (err != nil || string(content) != explored) {
		r.t.Errorf("%s: a referenced blob is lost: %q, %v, files %v, faults %v", when, content, err, r.disk.files(), r.happened)
	}
	if err == nil && string(content) != explored {
		r.t.Errorf("%s: a blob has wrong bytes: %q", when, content)
	}
}

func (r *faultRun) gc() (or3cloud.StorageGCReport, error) {
	return r.GC(context.Background(), or3cloud.StorageGCRequest{WorkspaceID: "ws"})
}

// process is the life of one process: all act until they are done or it stops.
func (r *faultRun) process() {
	r.open()
	r.plan = map[int]string{}
	for range r.random.IntN(4) {
		r.plan[r.steps+1+r.random.IntN(60)] = faultKinds[r.random.IntN(len(faultKinds))]
	}
	r.scheduler = &scheduler{random: r.random, sticky: []float64{0, 0.8, 0.95}[r.random.IntN(3)]}
	upload := func() {
		for range 5 { // A client tries again.
			err := r.uploads.Receive(context.Background(), keyOf(explored), int64(len(explored)), "image/png", strings.NewReader(explored), nil)
			if err == nil {
				_, err = r.Commit(context.Background(), or3cloud.CommitRequest{WorkspaceID: "ws", Hash: hashOf(explored), MIMEType: "image/png"})
			}
			if err == nil {
				r.acknowledged()
				return
			}
		}
	}
	collect := func() {
		for range 2 {
			r.gc()
		}
	}
	actors := []func(){upload, collect, collect, upload, func() { r.janitor.RemoveLeftovers(context.Background()) }}
	r.scheduler.run(r.t, actors[:2+r.random.IntN(4)]...)
	r.scheduler = nil
	if r.stopped == "power failure" {
		r.disk.losePower(r.random)
	}
}

// acknowledged sets a reference, unless the process stopped before its answer could get out.
func (r *faultRun) acknowledged() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped == "" {
		r.refs.Add("ws", hashOf(explored))
		r.needed = true
	}
}

var errFault = errors.New("the process has stopped")

// step is called before each operation: it pauses there, and fails if it is the operation's turn to fail.
func (r *faultRun) step(op string) error {
	if r.scheduler != nil {
		r.scheduler.yield(op)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.stopped != "" {
		return errFault
	}
	r.steps++
	kind := r.plan[r.steps]
	is := func(ops string) bool { return strings.Contains(ops, op) }
	switch {
	case kind == "":
		return nil
	case kind == "short write" && op != "write", kind == "failing fsync" && !is("sync syncdir"), kind == "disk full" && !is("create write mkdir link"):
		delete(r.plan, r.steps)
		r.plan[r.steps+1] = kind // the next operation that can fail in this way
		return nil
	}
	r.happened = append(r.happened, kind)
	switch kind {
	case "process killed", "power failure":
		r.stopped = kind
		return errFault
	case "disk full":
		return syscall.ENOSPC
	case "short write":
		return io.ErrShortWrite
	}
	return syscall.EIO
}

// lockedRandom makes names.
type lockedRandom struct {
	mu     sync.Mutex
	random *rand.Rand
}

func (l *lockedRandom) Read(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i := range p {
		p[i] = byte(l.random.Uint32())
	}
	return len(p), nil
}

// faultyDisk is a memDisk that asks the run before each operation.
type faultyDisk struct {
	*memDisk
	run *faultRun
}

func (d *faultyDisk) Mkdir(dir string) error {
	if err := d.run.step("mkdir"); err != nil {
		return err
	}
	return d.memDisk.Mkdir(dir)
}

func (d *faultyDisk) Create(name string) (volume.File, error) {
	if err := d.run.step("create"); err != nil {
		return nil, err
	}
	f, err := d.memDisk.Create(name)
	if err != nil {
		return nil, err
	}
	return &faultyFile{f, d.run}, nil
}

func (d *faultyDisk) Open(name string) (volume.File, error) {
	if err := d.run.step("open"); err != nil {
		return nil, err
	}
	return d.memDisk.Open(name)
}

func (d *faultyDisk) Lstat(name string) (iofs.FileInfo, error) {
	if err := d.run.step("lstat"); err != nil {
		return nil, err
	}
	return d.memDisk.Lstat(name)
}

func (d *faultyDisk) ReadDir(dir string) ([]iofs.DirEntry, error) {
	if err := d.run.step("readdir"); err != nil {
		return nil, err
	}
	return d.memDisk.ReadDir(dir)
}

func (d *faultyDisk) Rename(oldname, newname string) error {
	if err := d.run.step("rename"); err != nil {
		return err
	}
	return d.memDisk.Rename(oldname, newname)
}

func (d *faultyDisk) Link(oldname, newname string) error {
	if err := d.run.step("link"); err != nil {
		return err
	}
	return d.memDisk.Link(oldname, newname)
}

func (d *faultyDisk) Remove(name string) error {
	if err := d.run.step("remove"); err != nil {
		return err
	}
	return d.memDisk.Remove(name)
}

func (d *faultyDisk) SyncDir(dir string) error {
	if err := d.run.step("syncdir"); err != nil {
		return err
	}
	return d.memDisk.SyncDir(dir)
}

type faultyFile struct {
	volume.File
	run *faultRun
}

func (f *faultyFile) Write(p []byte) (int, error) {
	err := f.run.step("write")
	if errors.Is(err, io.ErrShortWrite) {
		return f.File.Write(p[:len(p)/2]) // without an error, as some file systems do it
	}
	if err != nil {
		n, _ := f.File.Write(p[:len(p)/2])
		return n, err
	}
	return f.File.Write(p)
}

func (f *faultyFile) Sync() error {
	if err := f.run.step("sync"); err != nil {
		return err
	}
	return f.File.Sync()
}

// faultyClaims is the sync provider's side. A process that has stopped does not receive its answers.
type faultyClaims struct {
	*providertest.References
	run *faultRun
}

func (c faultyClaims) RetireGeneration(ctx context.Context, in or3cloud.RetireRequest) (bool, error) {
	if err := c.run.step("claim"); err != nil {
		return false, err
	}
	ok, err := c.References.RetireGeneration(ctx, in)
	return ok, errors.Join(err, c.run.step("claimed"))
}

func (c faultyClaims) RetiredGenerations(ctx context.Context, workspace string) ([]or3cloud.RetireRequest, error) {
	if err := c.run.step("retired"); err != nil {
		return nil, err
	}
	return c.References.RetiredGenerations(ctx, workspace)
}

func (c faultyClaims) ForgetRetired(ctx context.Context, in or3cloud.RetireRequest) error {
	if err := c.run.step("forget"); err != nil {
		return err
	}
	return c.References.ForgetRetired(ctx, in)
}
