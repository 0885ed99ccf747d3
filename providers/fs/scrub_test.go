package fs

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// atOnce is the pace of a test that does not wait.
func atOnce(ctx context.Context, _ int) error { return ctx.Err() }

// logged makes the rig keep its log.
func (r *rig) logged() *bytes.Buffer {
	var log bytes.Buffer
	r.Log = slog.New(slog.NewTextHandler(&log, nil))
	return &log
}

// pass makes one pass of the scrub, or what is left of it.
func (r *rig) pass() {
	r.t.Helper()
	if err := r.scrubPass(r.t.Context()); err != nil {
		r.t.Fatal(err)
	}
}

// checkAll reads everything back and returns the condition of each hash.
func (r *rig) checkAll(quarantine bool) map[or3cloud.BlobHash]or3cloud.BlobCondition {
	r.t.Helper()
	found := map[or3cloud.BlobHash]or3cloud.BlobCondition{}
	for after := ""; ; {
		checked, next, err := r.CheckBlobs(r.t.Context(), or3cloud.BlobCheckRequest{After: after, Files: 1, Span: time.Hour, Quarantine: quarantine})
		if err != nil {
			r.t.Fatal(err)
		}
		for _, blob := range checked {
			if _, twice := found[blob.Hash]; twice {
				r.t.Errorf("%s is checked twice", blob.Hash)
			}
			found[blob.Hash] = blob.Condition
		}
		if after = next; next == "" {
			return found
		}
	}
}

func TestScrubFindsDamageAndSaysSoOnce(t *testing.T) {
	r := newRig(t)
	log := r.logged()
	sound, damaged, short := randomContent(3*blockSize, 1), randomContent(2*blockSize+5, 2), randomContent(blockSize+9, 3)
	for _, content := range []string{sound, damaged, short} {
		r.store(content)
	}
	r.pass()
	if state := r.IntegrityState(); state.Damaged != 0 || state.LastPassFiles != 3 || state.LastPass != r.clock.Now().UnixMilli() ||
		state.LastPassBytes != int64(len(sound)+len(damaged)+len(short)) {
		t.Fatalf("after a pass over sound files: %+v", state)
	}
	flip(t, r.path(damaged), 8*blockSize+3)
	if err := os.Truncate(r.path(short), blockSize); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		r.clock.Advance(time.Hour)
		r.pass()
	}
	if n := strings.Count(log.String(), "A STORED BLOB IS DAMAGED"); n != 2 {
		t.Errorf("two damaged blobs were logged %d times", n)
	}
	if state := r.IntegrityState(); state.Damaged != 2 || state.State != "idle" {
		t.Errorf("%+v", state)
	}
	if r.record(damaged).DamagedAt == nil || r.record(short).DamagedAt == nil || r.record(sound).DamagedAt != nil {
		t.Error("the sidecars do not tell damaged from sound")
	}
	// What a restart must not forget.
	r.restart()
	log = r.logged()
	if err := r.loadProgress(); err != nil {
		t.Fatal(err)
	}
	r.pass()
	if state := r.IntegrityState(); state.Damaged != 2 || log.Len() > 0 && strings.Contains(log.String(), "DAMAGED") {
		t.Errorf("after a restart: %+v, %s", state, log)
	}
	// An upload of the same content mends it.
	for _, content := range []string{damaged, short} {
		if code := r.upload(content); code != 200 {
			t.Fatalf("upload: %d", code)
		}
	}
	if state := r.IntegrityState(); state.Damaged != 0 {
		t.Errorf("after the uploads: %+v", state)
	}
}

// unreadable is a disk on which reads of some files fail.
type unreadable struct {
	volume.Disk
	names string
	fault error
}

func (d unreadable) Open(name string) (volume.File, error) {
	f, err := d.Disk.Open(name)
	if err == nil && strings.Contains(name, d.names) && !strings.HasSuffix(name, sumsSuffix) && !strings.HasSuffix(name, sidecarSuffix) {
		return brokenFile{f, d.fault}, nil
	}
	return f, err
}

type brokenFile struct {
	volume.File
	fault error
}

func (f brokenFile) Read([]byte) (int, error) { return 0, f.fault }

// TestOneBadSectorDoesNotStopTheScrub: a file that the disk does not hand out is reported and left alone, and comes back
// when the disk does.
func TestOneBadSectorDoesNotStopTheScrub(t *testing.T) {
	r := newRig(t)
	log := r.logged()
	r.store("first")
	r.store("second")
	disk := r.Disk
	r.Disk = unreadable{disk, keyOf("first").base(), syscall.EIO}
	for range 2 {
		r.pass()
		if state := r.IntegrityState(); state.Damaged != 1 || state.LastPassFiles != 2 || state.State != "idle" {
			t.Fatalf("%+v", state)
		}
		r.clock.Advance(time.Hour)
	}
	if n := strings.Count(log.String(), "CANNOT BE READ"); n != 1 {
		t.Errorf("logged %d times: %s", n, log)
	}
	if got := r.checkAll(true); got[hashOf("first")] != or3cloud.BlobUnreadable || got[hashOf("second")] != or3cloud.BlobSound {
		t.Errorf("%v", got)
	}
	r.Disk = disk
	if rec := r.record("first"); rec.DamagedAt != nil {
		t.Error("an unreadable blob is taken for a damaged one")
	}
	r.pass()
	if state := r.IntegrityState(); state.Damaged != 0 {
		t.Errorf("after the disk has recovered: %+v", state)
	}
	if got := r.checkAll(false); got[hashOf("first")] != or3cloud.BlobSound {
		t.Errorf("%v", got)
	}
}

// TestVanishedStoreIsNoDamage: a mount that goes away during a pass ends it and marks nothing.
func TestVanishedStoreIsNoDamage(t *testing.T) {
	r := newRig(t)
	r.store("content")
	r.Disk = vanished{unreadable{r.disk, "sha256_", syscall.EIO}}
	if err := r.scrubPass(t.Context()); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("%v", err)
	}
	if state := r.IntegrityState(); state.Damaged != 0 || state.LastPass != 0 {
		t.Errorf("%+v", state)
	}
}

// vanished is a disk whose identity can be read once, as long as it is there.
type vanished struct{ unreadable }

func (d vanished) Open(name string) (volume.File, error) {
	f, err := d.unreadable.Open(name)
	if _, broken := f.(brokenFile); broken {
		return &vanishingFile{brokenFile: f.(brokenFile), disk: d.Disk.(*faultDisk)}, nil
	}
	return f, err
}

type vanishingFile struct {
	brokenFile
	disk *faultDisk
}

func (f *vanishingFile) Read([]byte) (int, error) {
	f.disk.fault = func(string, string) error { return syscall.ENOTCONN }
	return 0, f.fault
}

func TestAdoptedBlobsGetDigests(t *testing.T) {
	r := newRig(t)
	content := randomContent(blockSize+1, 4)
	r.writeFile(keyOf(content).live(""), content)
	r.pass()
	sums, err := r.readSums(keyOf(content), "")
	if err != nil || sums.size != blockSize+1 {
		t.Fatalf("%v, %v", sums, err)
	}
	// Digests that do not fit a sound blob are made anew.
	if err := r.replaceSums(keyOf(content), "", &blockSums{size: 1, sums: []uint32{7}}); err != nil {
		t.Fatal(err)
	}
	r.pass()
	if sums, err = r.readSums(keyOf(content), ""); err != nil || sums.size != blockSize+1 {
		t.Fatalf("%v, %v", sums, err)
	}
	flip(t, r.path(content), 1)
	r.pass()
	if r.record(content).DamagedAt == nil {
		t.Error("damage of an adopted blob is not found")
	}
}

// TestScrubGoesOnWhereItWas interrupts a pass after each file.
func TestScrubGoesOnWhereItWas(t *testing.T) {
	r := newRig(t)
	const blobs = 7
	for i := range blobs {
		r.store(randomContent(100+i, uint64(i)))
	}
	read := map[string]int{}
	for range blobs {
		ctx, cancel := context.WithCancel(t.Context())
		after, _ := r.beginPass()
		err := r.walk(ctx, "", after, func(c copyOf) error {
			read[c.position()]++
			size, err := r.scrubOne(ctx, c, atOnce)
			r.scrub.advance(c.position(), size)
			cancel()
			return err
		})
		cancel()
		if err != nil && !errors.Is(err, context.Canceled) {
			t.Fatal(err)
		}
		if err := r.saveProgress(); err != nil {
			t.Fatal(err)
		}
		r.restart()
		if err := r.loadProgress(); err != nil {
			t.Fatal(err)
		}
	}
	if state := r.IntegrityState(); state.State != "running" || state.CheckedFiles != blobs {
		t.Errorf("%+v", state)
	}
	r.pass()
	if state := r.IntegrityState(); state.LastPassFiles != blobs {
		t.Errorf("%+v", state)
	}
	for name, times := range read {
		if times != 1 {
			t.Errorf("%s was read %d times", name, times)
		}
	}
	if len(read) != blobs {
		t.Errorf("%d of %d were read", len(read), blobs)
	}
}

// TestEverythingIsReadWithinSevenDays lets two weeks pass on a store with some traffic and looks when each file was read.
func TestEverythingIsReadWithinSevenDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.disk.lazy = true
		r.Now = time.Now
		const blobs = 20
		last := map[string]time.Time{}
		for i := range blobs {
			content := randomContent(2*blockSize, uint64(i))
			r.store(content)
			last[keyOf(content).live(r.record(content).Generation)] = time.Now()
		}
		gaps := time.Duration(0)
		r.Disk = watched{r.Disk, func(name string) {
			if at, ok := last[name]; ok {
				gaps = max(gaps, time.Since(at))
				last[name] = time.Now()
			}
		}}
		r.startScrub()
		for range 14 {
			done := r.scrub.transferring() // a transfer that takes half of each day
			time.Sleep(12 * time.Hour)
			done()
			time.Sleep(12 * time.Hour)
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
		for name, at := range last {
			gaps = max(gaps, time.Since(at))
			if time.Since(at) > 7*24*time.Hour {
				t.Errorf("%s was last read %v ago", name, time.Since(at))
			}
		}
		if gaps > 7*24*time.Hour || gaps < scrubRest {
			t.Errorf("the longest time between two readings was %v", gaps)
		}
	})
}

// watched tells which files are opened.
type watched struct {
	volume.Disk
	opened func(name string)
}

func (d watched) Open(name string) (volume.File, error) {
	d.opened(name)
	return d.Disk.Open(name)
}

// TestScrubKeepsItsRateAndGivesWay measures on a clock that stands still while somebody works.
func TestScrubKeepsItsRateAndGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.disk.lazy = true
		r.Now = time.Now
		content := randomContent(4<<20, 5)
		r.store(content)
		start := time.Now()
		r.pass()
		least := time.Duration(float64(len(content)) / scrubRate * float64(time.Second))
		if took := time.Since(start); took < least-200*time.Millisecond || took > 2*least {
			t.Errorf("4 MiB took %v, at the rate they take %v", took, least)
		}
		done := r.scrub.transferring()
		timer := time.AfterFunc(time.Hour, done)
		defer timer.Stop()
		start = time.Now()
		r.pass()
		if took := time.Since(start); took < time.Hour {
			t.Errorf("with a transfer under way for an hour a pass took %v", took)
		}
		// A transfer without end does not keep a pass from its end.
		defer r.scrub.transferring()()
		start = time.Now()
		r.pass()
		if took := time.Since(start); took < scrubSpan || took > scrubSpan+time.Hour {
			t.Errorf("with a transfer that never ends a pass took %v", took)
		}
	})
}

func TestCheckKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.disk.lazy = true
		r.Now = time.Now
		r.store(randomContent(2<<20, 6))
		start := time.Now()
		if _, _, err := r.CheckBlobs(t.Context(), or3cloud.BlobCheckRequest{Rate: 1 << 20, Files: 10, Span: time.Hour}); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took < 1800*time.Millisecond || took > 3*time.Second {
			t.Errorf("2 MiB at 1 MiB per second took %v", took)
		}
	})
}

// TestQuarantineIsNoAbsence: what is set aside is not served, never called absent, kept, and replaced by an upload.
func TestQuarantineIsNoAbsence(t *testing.T) {
	r := newRig(t)
	content := randomContent(2*blockSize, 7)
	r.store(content)
	r.store("sound")
	path := r.path(content)
	flip(t, path, 77)
	if got := r.checkAll(true); got[hashOf(content)] != or3cloud.BlobCorrupt || got[hashOf("sound")] != or3cloud.BlobSound {
		t.Fatalf("%v", got)
	}
	aside := keyOf(content).aside(r.record(content).Generation)
	for _, name := range []string{aside, aside + sumsSuffix} {
		if _, err := r.Disk.Lstat(name); err != nil {
			t.Error(err)
		}
	}
	if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the copy is still in use: %v", err)
	}
	refused := func(when string) {
		t.Helper()
		if rec := r.get(downloadClaims(r, content)); rec.Code != 503 {
			t.Errorf("%s: a download is answered %d", when, rec.Code)
		}
		var e *or3cloud.Error
		if err := r.presignDownload(content); !errors.As(err, &e) || e.Code != or3cloud.CodeUnavailable {
			t.Errorf("%s: presigning: %v", when, err)
		}
		if has, err := r.HasBlob(t.Context(), "ws", hashOf(content)); has || err != nil {
			t.Errorf("%s: HasBlob %v, %v", when, has, err)
		}
	}
	refused("at once")
	r.refs.Add("ws", hashOf(content))
	r.refs.Add("ws", hashOf("sound"))
	r.clock.Advance(2 * aged)
	r.mustGC()
	refused("after a collection")
	r.restart()
	refused("after a restart")
	if got := r.checkAll(true); len(got) != 1 {
		t.Errorf("%v", got)
	}
	if code := r.upload(content); code != 200 {
		t.Fatalf("upload: %d", code)
	}
	if rec := r.get(downloadClaims(r, content)); rec.Code != 200 || rec.Body.String() != content {
		t.Errorf("after the upload: %d", rec.Code)
	}
	if _, err := r.Disk.Lstat(aside); err != nil {
		t.Errorf("the upload has removed the copy in quarantine: %v", err)
	}
}

// TestCorruptTrashIsFound: what is in the trash can be taken out again, so it is read back too.
func TestCorruptTrashIsFound(t *testing.T) {
	r := newRig(t)
	r.store("content")
	r.clock.Advance(2 * aged)
	r.mustGC()
	generation := r.record("content").Generation
	if _, err := r.Disk.Lstat(keyOf("content").trash(generation)); err != nil {
		t.Fatal(err)
	}
	files, size, err := r.StoredVolume(t.Context(), "")
	if files != 1 || size != int64(len("content")) || err != nil {
		t.Errorf("%d files, %d bytes, %v", files, size, err)
	}
	flip(t, r.dir+"/"+keyOf("content").trash(generation), 3)
	if got := r.checkAll(true); got[hashOf("content")] != or3cloud.BlobCorrupt {
		t.Errorf("%v", got)
	}
	r.clock.Advance(2 * aged)
	r.mustGC() // Nothing trips over what has gone.
}

func TestWalkIsInOrderAndStaysInItsWorkspace(t *testing.T) {
	r := newRig(t)
	for _, w := range []string{"a", "a-b", "a_b", "B"} {
		for _, content := range []string{"1", "2", "3"} {
			r.writeFile(blobKey{w, hashOf(content)}.live(""), content)
		}
		r.writeFile("workspaces/"+w+"/foreign", "x")
	}
	r.writeFile("workspaces/not a workspace/x", "x")
	var all []string
	visit := func(c copyOf) error {
		all = append(all, c.position())
		return nil
	}
	if err := r.walk(t.Context(), "", "", visit); err != nil || len(all) != 12 {
		t.Fatalf("%d visited, %v", len(all), err)
	}
	whole := all
	for i, position := range whole {
		all = nil
		if err := r.walk(t.Context(), "", position, visit); err != nil || strings.Join(all, "\n") != strings.Join(whole[i+1:], "\n") {
			t.Errorf("after %s: %v, %v", position, all, err)
		}
	}
	all = nil
	if err := r.walk(t.Context(), "a-b", "", visit); err != nil || len(all) != 3 || !strings.Contains(all[0], "/a-b/") {
		t.Errorf("%v, %v", all, err)
	}
}
