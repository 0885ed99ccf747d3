package fs

import (
	"context"
	"flag"
	"fmt"
	"hash/maphash"
	"io"
	iofs "io/fs"
	"log/slog"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/signed"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/refuse"
	"or3.chat/cloud/providers/fs/internal/volume"
	"or3.chat/cloud/providertest"
)

// The tests here explore all interleavings: every order in which the steps of several actors can follow each other. A
// step is one operation on the names of the disk, or one side of a claim. The real code runs; only the disk is in
// memory, since each path starts from the beginning. States that have been seen before are not explored again.

// exploration is the search of one scenario.
type exploration struct {
	scenario scenario
	seen     map[uint64]bool
	todo     [][]int // choices to start with
	runs     int
	deepest  int
}

// scenario is a world and its actors.
type scenario struct {
	name string
	// prepare sets up the world, without interruptions.
	prepare func(*world)
	actors  []func(*world)
}

// world is one life of a store with one content.
type world struct {
	*Storage
	t      *testing.T
	clock  *providertest.Clock
	signer *signed.Signer
	disk   *memDisk
	refs   *providertest.References
	steps  *stepper
	// needed says that the content must be there: something refers to it, and did so before its destruction was
	// granted.
	needed bool
	// deleting says that someone deletes the content.
	deleting bool
}

const explored = "content"

// exploreAll is set with -explore: some scenarios have too many states for an everyday test.
var exploreAll = flag.Bool("explore", false, "explore the large scenarios too, for some minutes")

func newWorld(t *testing.T) *world {
	clock := providertest.NewClock(time.Unix(1_771_000_000, 0))
	signer, err := signed.New(tokenPurpose, clock.Now, 1000*time.Hour, "secret")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, signer: signer, clock: clock, disk: newMemDisk(), refs: providertest.NewReferences(clock.Now), steps: &stepper{}}
	w.open(0)
	for _, dir := range []string{layout.Workspaces, layout.Trash} {
		w.disk.Mkdir(dir)
	}
	return w
}

// open opens the store, as after a restart.
func (w *world) open(trashGrace time.Duration) {
	w.Storage = New(Options{
		Disk: &steppedDisk{w.disk, w.steps}, Signer: w.signer, TTL: time.Hour, Retention: time.Hour, TrashGrace: trashGrace, Host: host{}, Now: w.clock.Now,
		References: &steppedClaims{w.refs, w.steps}, Rand: w.steps, Log: slog.New(slog.DiscardHandler),
	})
}

func (w *world) key() layout.Key { return keyOf(explored) }

func (w *world) upload() error {
	return w.uploads.Receive(context.Background(), w.key(), int64(len(explored)), "image/png", strings.NewReader(explored), nil)
}

func (w *world) commit() error {
	_, err := w.Commit(context.Background(), or3cloud.CommitRequest{WorkspaceID: "ws", Hash: hashOf(explored), MIMEType: "image/png"})
	return err
}

func (w *world) collect() error {
	_, err := w.GC(context.Background(), or3cloud.StorageGCRequest{WorkspaceID: "ws"})
	return err
}

// refer sets a reference. From then on the content must be kept, unless its destruction was granted before.
func (w *world) refer() {
	w.refs.Add("ws", hashOf(explored))
	if w.readable() {
		w.needed = w.needed || len(w.refs.Destroyed()) == 0
	}
}

// readable reports whether the content can be read. It is called between two steps.
func (w *world) readable() bool {
	f, _, err := New(Options{Disk: w.disk}).copies.Find(w.key())
	if err != nil {
		return false
	}
	b, err := io.ReadAll(f)
	return err == nil && string(b) == explored
}

// The actors. An unexpected error is a failure of the test.

func (w *world) must(what string, err error) {
	if err != nil {
		w.t.Errorf("%s: %v", what, err)
	}
}

func collector(w *world) { w.must("GC", w.collect()) }

// uploader is a client: it tries again when told to, and refers to the content once it is stored.
func uploader(w *world) {
	for attempt := 0; ; attempt++ {
		granted := len(w.refs.Destroyed())
		err := refuse.Disk(w.upload())
		if err == nil {
			err = w.commit()
		}
		if err == nil {
			w.referTo(granted)
			return
		}
		if code := or3cloud.CodeOf(err); attempt > 3 || code != or3cloud.CodeUnavailable && !w.deleting {
			w.t.Errorf("upload, attempt %d: %v", attempt, err)
			return
		}
	}
}

func committer(w *world) {
	granted := len(w.refs.Destroyed())
	if err := w.commit(); err == nil {
		w.referTo(granted)
	} else if or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
		w.t.Errorf("commit: %v", err)
	}
}

// referTo sets a reference to content that was acknowledged when this many destructions had been granted. The content
// must be there then, unless someone has deleted it and its destruction was granted before the reference came.
func (w *world) referTo(granted int) {
	w.steps.yield("refer")
	w.refs.Add("ws", hashOf(explored))
	w.needed = w.needed || !w.deleting || w.readable() && len(w.refs.Destroyed()) == granted
}

// referrer is a device that refers to the content without uploading it or asking for it.
func referrer(w *world) {
	w.steps.yield("refer")
	w.refer()
}

func reader(w *world) {
	was := w.needed
	_, err := w.PresignDownload(context.Background(), or3cloud.PresignDownloadRequest{WorkspaceID: "ws", UserID: "u", Hash: hashOf(explored)})
	if err != nil && (was || or3cloud.CodeOf(err) != or3cloud.CodeNotFound) {
		w.t.Errorf("presign, needed %t: %v", was, err)
	}
}

func deleter(w *world) {
	w.deleting = true
	if err := w.DeleteObject(context.Background(), "ws", hashOf(explored)); err != nil && or3cloud.CodeOf(err) != or3cloud.CodeConflict {
		w.t.Errorf("delete: %v", err)
	}
}

// The worlds.

func aLiveBlob(w *world) {
	w.must("upload", w.upload())
	w.must("commit", w.commit())
	w.clock.Advance(3 * time.Hour)
}

// aTrashedBlob is retired and in the trash. With a grace of zero it may be destroyed at once.
func aTrashedBlob(w *world) {
	aLiveBlob(w)
	w.open(time.Hour)
	w.must("GC", w.collect())
	w.open(0)
	w.must("load what is retired", w.doomed.Load(context.Background(), "ws"))
	w.clock.Advance(3 * time.Hour)
}

// aRetiredBlob is one whose collector died between the claim and the move.
func aRetiredBlob(w *world) {
	aLiveBlob(w)
	rec, err := copies.ReadRecord(w.disk, w.key())
	w.must("record", err)
	_, err = w.refs.RetireGeneration(context.Background(), or3cloud.RetireRequest{
		WorkspaceID: "ws", Hash: hashOf(explored), Generation: rec.Generation, UnreferencedSince: w.clock.Now(),
	})
	w.must("retire", err)
	w.open(0)
}

// TestAllInterleavings explores two collectors, an upload of the same hash with its commit, a new reference, a
// deletion, and a worker that sleeps through everything: since all orders are explored, each collector is that worker
// in some of them.
func TestAllInterleavings(t *testing.T) {
	worlds := map[string]func(*world){"live": aLiveBlob, "trashed": aTrashedBlob, "retired": aRetiredBlob}
	casts := map[string][]func(*world){
		"two collectors and a reference":          {collector, collector, referrer},
		"two collectors and an upload":            {collector, collector, uploader},
		"a collector, a deletion and a reference": {collector, deleter, referrer},
		"a collector, a deletion and an upload":   {collector, deleter, uploader},
	}
	if *exploreAll {
		maps.Copy(casts, map[string][]func(*world){
			"two collectors, an upload and a reference":       {collector, collector, uploader, referrer},
			"two collectors, a commit and a reference":        {collector, collector, committer, referrer},
			"two collectors, a reader and a reference":        {collector, collector, reader, referrer},
			"three collectors and an upload":                  {collector, collector, collector, uploader},
			"a collector, a reader, a commit and a reference": {collector, reader, committer, referrer},
			"a collector, two uploads and a reference":        {collector, uploader, uploader, referrer},
		})
	}
	states, runs := 0, 0
	for worldName, prepare := range worlds {
		for castName, cast := range casts {
			if (racing || testing.Short()) && worldName != "trashed" {
				continue
			}
			t.Run(worldName+"/"+castName, func(t *testing.T) {
				e := exploration{scenario: scenario{castName, prepare, cast}, seen: map[uint64]bool{}}
				e.explore(t)
				t.Logf("%d states, %d runs, up to %d steps", len(e.seen), e.runs, e.deepest)
				states += len(e.seen)
				runs += e.runs
			})
		}
	}
	t.Logf("%d states explored in %d runs", states, runs)
}

func (e *exploration) explore(t *testing.T) {
	e.todo = [][]int{nil}
	for len(e.todo) > 0 && !t.Failed() {
		choices := e.todo[len(e.todo)-1]
		e.todo = e.todo[:len(e.todo)-1]
		e.runs++
		synctest.Test(t, func(t *testing.T) { e.run(t, choices) })
	}
}

// run follows the choices and then goes on with the first actor that can run, noting what else could have been chosen,
// until all have finished or it reaches a state from which everything has been explored, or will be.
func (e *exploration) run(t *testing.T, choices []int) {
	w := newWorld(t)
	e.scenario.prepare(w)
	w.steps.start(w, e.scenario.actors)
	var path []int
	for {
		synctest.Wait() // Every actor is parked, waits for a lock or has finished.
		ready := w.steps.ready()
		if len(ready) == 0 {
			break
		}
		next := ready[0]
		if len(path) < len(choices) {
			next = choices[len(path)]
		} else {
			if w.needed && !w.readable() {
				t.Errorf("needed and not readable: %v", w.disk.files())
			}
			key := w.state()
			if e.seen[key] {
				w.steps.abandon()
				return
			}
			e.seen[key] = true
			for _, other := range ready[1:] {
				e.todo = append(e.todo, append(slices.Clone(path), other))
			}
		}
		path = append(path, next)
		w.steps.resume(next)
	}
	e.deepest = max(e.deepest, len(path))
	if w.steps.unfinished() > 0 {
		t.Fatalf("deadlock after %v: %v", path, w.steps.trace)
	}
	w.settleDown()
	if t.Failed() {
		t.Logf("choices %v\ntrace %v", path, w.steps.trace)
	}
}

// settleDown collects until nothing changes, and checks the end: if the content is needed it is there, once; otherwise
// nothing is left.
func (w *world) settleDown() {
	w.t.Helper()
	w.steps.off = true
	for range 5 {
		w.must("GC", w.collect())
		if w.needed && !w.readable() {
			w.t.Errorf("lost in the end: %v", w.disk.files())
		}
		w.clock.Advance(25 * time.Hour)
	}
	state, _ := w.refs.ReferenceState(context.Background(), "ws", hashOf(explored))
	files := w.disk.files()
	switch {
	case w.needed && len(files) != 3:
		w.t.Errorf("left %v", files)
	case !w.needed && !state.Referenced() && len(files) != 0:
		w.t.Errorf("nothing needs %v", files)
	}
	if left, _ := w.refs.RetiredGenerations(context.Background(), "ws"); len(left) != 0 {
		w.t.Errorf("not forgotten: %v", left)
	}
}

// seed makes digests that are equal in one process.
var seed = maphash.MakeSeed()

// state is a digest of everything that decides what can happen from here on.
func (w *world) state() uint64 {
	var h maphash.Hash
	h.SetSeed(seed)
	w.disk.mu.Lock()
	names := slices.Sorted(maps.Keys(w.disk.names))
	for _, name := range names {
		h.WriteString(name)
		h.WriteByte(0)
		h.Write(w.disk.names[name].data)
		h.WriteByte(0)
	}
	w.disk.mu.Unlock()
	for _, name := range w.doomed.All() {
		h.WriteString(name)
	}
	state, _ := w.refs.ReferenceState(context.Background(), "ws", hashOf(explored))
	retired, _ := w.refs.RetiredGenerations(context.Background(), "ws")
	for _, generation := range generations(retired) {
		h.WriteString(generation)
	}
	fmt.Fprint(&h, state.Messages, len(w.refs.Destroyed()), w.needed)
	w.steps.describe(&h)
	return h.Sum64()
}

func generations(retired []or3cloud.RetireRequest) (out []string) {
	for _, r := range retired {
		out = append(out, r.Generation)
	}
	slices.Sort(out)
	return out
}

// stepper stops the actors before each of their steps. It is also the source of randomness: each actor has its own
// names, so that equal states look equal whichever actor came first.
type stepper struct {
	mu      sync.Mutex
	actors  []*actor
	by      map[string]*actor // by the name of its goroutine
	current *actor            // the one that was resumed last
	alone   bool              // whether no other actor can run, because none waits for a lock
	off     bool
	prelude byte // for names that no actor makes
	trace   []string

	abandoned bool
}

type actor struct {
	number   int
	parked   bool
	finished bool
	resume   chan struct{}
	seen     uint64 // a digest of everything that it has seen
	drawn    byte
	at       int // how many steps it has reached
}

func (s *stepper) start(w *world, acts []func(*world)) {
	s.by = map[string]*actor{}
	for i, act := range acts {
		a := &actor{number: i, resume: make(chan struct{}), parked: true}
		s.actors = append(s.actors, a)
		go func() {
			s.mu.Lock()
			s.by[goroutine()] = a
			s.mu.Unlock()
			defer func() {
				s.mu.Lock()
				defer s.mu.Unlock()
				a.finished = true
			}()
			s.wait(a)
			act(w)
		}()
	}
}

// goroutine names the calling goroutine. An actor that gets a lock runs while the one that released it does, so
// remembering whose turn it is would not do.
func goroutine() string {
	var b [32]byte
	name, _, _ := strings.Cut(string(b[:runtime.Stack(b[:], false)]), " [")
	return name
}

// who returns the calling actor, nil if the caller is not an actor.
func (s *stepper) who() *actor {
	if s.by == nil || s.off {
		return nil
	}
	if s.alone {
		return s.current
	}
	name := goroutine()
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[name]
}

// yield waits for the turn of the calling actor, and returns it. A caller that is not an actor passes.
func (s *stepper) yield(what string) *actor {
	a := s.who()
	if a == nil {
		return nil
	}
	s.mu.Lock()
	a.parked = true
	a.at++
	s.mu.Unlock()
	s.wait(a)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.trace = append(s.trace, what)
	return a
}

func (s *stepper) wait(a *actor) {
	<-a.resume
	s.mu.Lock()
	abandoned := s.abandoned
	s.mu.Unlock()
	if abandoned {
		runtime.Goexit()
	}
}

func (s *stepper) resume(number int) {
	a := s.actors[number]
	s.mu.Lock()
	s.current, s.alone = a, true
	for _, other := range s.actors {
		s.alone = s.alone && (other.parked || other.finished)
	}
	a.parked = false
	s.mu.Unlock()
	a.resume <- struct{}{}
}

// saw adds what the actor has learned to its digest.
func (a *actor) saw(parts ...string) {
	if a == nil {
		return
	}
	var h maphash.Hash
	h.SetSeed(seed)
	fmt.Fprint(&h, a.seen)
	for _, part := range parts {
		h.WriteString(part)
		h.WriteByte(0)
	}
	a.seen = h.Sum64()
}

// text is an outcome in words.
func text(err error) string {
	if err == nil {
		return "done"
	}
	return err.Error()
}

// abandon ends all actors where they are.
func (s *stepper) abandon() {
	s.mu.Lock()
	s.abandoned = true
	s.mu.Unlock()
	for ready := s.ready(); len(ready) > 0; ready = s.ready() {
		s.resume(ready[0])
		synctest.Wait()
	}
}

// ready lists the actors that can take a step.
func (s *stepper) ready() (out []int) {
	for _, a := range s.actors {
		if a.parked && !a.finished {
			out = append(out, a.number)
		}
	}
	return out
}

func (s *stepper) unfinished() (n int) {
	for _, a := range s.actors {
		if !a.finished {
			n++
		}
	}
	return n
}

func (s *stepper) describe(w io.Writer) {
	for _, a := range s.actors {
		fmt.Fprintln(w, a.number, a.parked, a.finished, a.at, a.seen, a.drawn)
	}
}

// Read implements io.Reader: randomness that depends on the actor only.
func (s *stepper) Read(p []byte) (int, error) {
	clear(p)
	if a := s.who(); a != nil {
		a.drawn++
		p[0], p[1] = byte(a.number+1), a.drawn
	} else {
		s.prelude++
		p[0], p[1] = 0xff, s.prelude
	}
	return len(p), nil
}

// steppedDisk stops before every operation on a name. It does not stop at reads of content, which never changes under
// its name, nor at syncs, which no other actor can see.
type steppedDisk struct {
	*memDisk
	steps *stepper
}

func (d *steppedDisk) Create(name string) (volume.File, error) {
	if layout.IsTemp(name) {
		return d.memDisk.Create(name) // only its maker knows its name
	}
	d.steps.yield("create " + name)
	return d.memDisk.Create(name)
}

func (d *steppedDisk) Open(name string) (volume.File, error) {
	a := d.steps.yield("open " + name)
	f, err := d.memDisk.Open(name)
	if err == nil {
		a.saw("open", name, string(f.(*memFile).node.data))
	} else {
		a.saw("open", name, text(err))
	}
	return f, err
}

func (d *steppedDisk) Lstat(name string) (iofs.FileInfo, error) {
	a := d.steps.yield("lstat " + name)
	info, err := d.memDisk.Lstat(name)
	size := ""
	if err == nil {
		size = strconv.FormatInt(info.Size(), 10)
	}
	a.saw("lstat", name, size, text(err))
	return info, err
}

func (d *steppedDisk) ReadDir(dir string) ([]iofs.DirEntry, error) {
	a := d.steps.yield("readdir " + dir)
	entries, err := d.memDisk.ReadDir(dir)
	// Temporary files that are being written are skipped, so what an actor does next does not depend on them.
	entries = slices.DeleteFunc(entries, func(e iofs.DirEntry) bool { return layout.IsTemp(e.Name()) })
	for _, e := range entries {
		a.saw(e.Name())
	}
	a.saw("readdir", dir, text(err))
	return entries, err
}

func (d *steppedDisk) Rename(oldname, newname string) error {
	a := d.steps.yield("rename " + newname)
	err := d.memDisk.Rename(oldname, newname)
	a.saw("rename", oldname, newname, text(err))
	return err
}

func (d *steppedDisk) Link(oldname, newname string) error {
	a := d.steps.yield("link " + newname)
	err := d.memDisk.Link(oldname, newname)
	a.saw("link", oldname, newname, text(err))
	return err
}

func (d *steppedDisk) Remove(name string) error {
	if layout.IsTemp(name) {
		return d.memDisk.Remove(name)
	}
	a := d.steps.yield("remove " + name)
	err := d.memDisk.Remove(name)
	a.saw("remove", name, text(err))
	return err
}

// steppedClaims stops before a claim is decided, and between the decision and its answer.
type steppedClaims struct {
	*providertest.References
	steps *stepper
}

func (c *steppedClaims) RetireGeneration(ctx context.Context, in or3cloud.RetireRequest) (bool, error) {
	a := c.steps.yield("claim " + in.Generation)
	ok, err := c.References.RetireGeneration(ctx, in)
	a.saw("claim", in.Generation, strconv.FormatBool(in.Destroy), strconv.FormatBool(ok))
	c.steps.yield("claimed")
	return ok, err
}

func (c *steppedClaims) RetiredGenerations(ctx context.Context, workspace string) ([]or3cloud.RetireRequest, error) {
	a := c.steps.yield("retired?")
	out, err := c.References.RetiredGenerations(ctx, workspace)
	slices.SortFunc(out, func(a, b or3cloud.RetireRequest) int { return strings.Compare(a.Generation, b.Generation) })
	a.saw(generations(out)...)
	return out, err
}

func (c *steppedClaims) ForgetRetired(ctx context.Context, in or3cloud.RetireRequest) error {
	c.steps.yield("forget " + in.Generation)
	return c.References.ForgetRetired(ctx, in)
}

func (c *steppedClaims) ReferenceState(ctx context.Context, workspace string, h or3cloud.BlobHash) (or3cloud.ReferenceState, error) {
	a := c.steps.yield("state?")
	out, err := c.References.ReferenceState(ctx, workspace, h)
	a.saw("state", strconv.FormatBool(out.Referenced()))
	return out, err
}
