package fs

import (
	"bytes"
	"errors"
	"os"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/digest"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/readback"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// logged makes the rig keep its log.
func (r *rig) logged() *bytes.Buffer {
	var log bytes.Buffer
	r.written.Writer = &log
	return &log
}

// pass makes one pass of the scrub, or finishes one.
func (r *rig) pass() {
	r.t.Helper()
	if err := r.Scrub.Pass(r.t.Context()); err != nil {
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
	sound, damaged, short := randomContent(3*digest.BlockSize, 1), randomContent(2*digest.BlockSize+5, 2), randomContent(digest.BlockSize+9, 3)
	for _, content := range []string{sound, damaged, short} {
		r.store(content)
	}
	r.pass()
	if state := r.IntegrityState(); state.Damaged != 0 || state.LastPassFiles != 3 || state.LastPass != r.clock.Now().UnixMilli() ||
		state.LastPassBytes != int64(len(sound)+len(damaged)+len(short)) {
		t.Fatalf("after a pass over sound files: %+v", state)
	}
	flip(t, r.path(damaged), 8*digest.BlockSize+3)
	if err := os.Truncate(r.path(short), digest.BlockSize); err != nil {
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
	// What a restart must keep.
	r.restart()
	log = r.logged()
	if err := r.health.Load(); err != nil {
		t.Fatal(err)
	}
	r.pass()
	if state := r.IntegrityState(); state.Damaged != 2 || log.Len() > 0 && strings.Contains(log.String(), "DAMAGED") {
		t.Errorf("after a restart: %+v, %s", state, log)
	}
	// An upload of the same content repairs it.
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
	if err == nil && strings.Contains(name, d.names) && !strings.HasSuffix(name, layout.SumsSuffix) && !strings.HasSuffix(name, layout.SidecarSuffix) {
		return brokenFile{f, d.fault}, nil
	}
	return f, err
}

type brokenFile struct {
	volume.File
	fault error
}

func (f brokenFile) Read([]byte) (int, error) { return 0, f.fault }

// TestOneBadSectorDoesNotStopTheScrub: a file that the disk cannot read is reported and left alone, and is fine again
// when the disk is.
func TestOneBadSectorDoesNotStopTheScrub(t *testing.T) {
	r := newRig(t)
	log := r.logged()
	r.store("first")
	r.store("second")
	r.mounted.Disk = unreadable{r.disk, keyOf("first").Base(), syscall.EIO}
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
	r.mounted.Disk = r.disk
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

// TestVanishedStoreIsNotDamage: a mount that goes away during a pass ends the pass and marks nothing.
func TestVanishedStoreIsNotDamage(t *testing.T) {
	r := newRig(t)
	r.store("content")
	r.mounted.Disk = vanished{unreadable{r.disk, "sha256_", syscall.EIO}}
	if err := r.Scrub.Pass(t.Context()); !errors.Is(err, syscall.ENOTCONN) {
		t.Errorf("%v", err)
	}
	if state := r.IntegrityState(); state.Damaged != 0 || state.LastPass != 0 {
		t.Errorf("%+v", state)
	}
}

// vanished is a disk whose identity can be read only once.
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
	content := randomContent(digest.BlockSize+1, 4)
	r.writeFile(keyOf(content).Live(""), content)
	r.pass()
	sums, err := r.copies.Sums(keyOf(content), "")
	if err != nil || sums.Size() != digest.BlockSize+1 {
		t.Fatalf("%v, %v", sums, err)
	}
	// Digests that do not match an intact blob are rewritten.
	var others digest.Sums
	others.Write([]byte("?"))
	if err := r.copies.ReplaceSums(keyOf(content), "", &others); err != nil {
		t.Fatal(err)
	}
	r.pass()
	if sums, err = r.copies.Sums(keyOf(content), ""); err != nil || sums.Size() != digest.BlockSize+1 {
		t.Fatalf("%v, %v", sums, err)
	}
	flip(t, r.path(content), 1)
	r.pass()
	if r.record(content).DamagedAt == nil {
		t.Error("damage of an adopted blob is not found")
	}
}

// TestEverythingIsReadWithinSevenDays lets two weeks pass on a store with some traffic and checks when each file was
// read.
func TestEverythingIsReadWithinSevenDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.disk.lazy = true
		r.now = time.Now
		const blobs = 20
		last := map[string]time.Time{}
		for i := range blobs {
			content := randomContent(2*digest.BlockSize, uint64(i))
			r.store(content)
			last[keyOf(content).Live(r.record(content).Generation)] = time.Now()
		}
		gaps := time.Duration(0)
		r.mounted.Disk = watched{r.disk, func(name string) {
			if at, ok := last[name]; ok {
				gaps = max(gaps, time.Since(at))
				last[name] = time.Now()
			}
		}}
		r.Scrub.Start()
		for range 14 {
			done := r.traffic.Transfer() // a transfer that takes half of each day
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
		if gaps > 7*24*time.Hour || gaps < readback.ScrubRest {
			t.Errorf("the longest time between two readings was %v", gaps)
		}
	})
}

// watched records which files are opened.
type watched struct {
	volume.Disk
	opened func(name string)
}

func (d watched) Open(name string) (volume.File, error) {
	d.opened(name)
	return d.Disk.Open(name)
}

// TestScrubKeepsItsRateAndGivesWay measures on a clock that stands still while any goroutine works.
func TestScrubKeepsItsRateAndGivesWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.disk.lazy = true
		r.now = time.Now
		content := randomContent(4<<20, 5)
		r.store(content)
		start := time.Now()
		r.pass()
		least := time.Duration(float64(len(content)) / readback.ScrubRate * float64(time.Second))
		if took := time.Since(start); took < least-200*time.Millisecond || took > 2*least {
			t.Errorf("4 MiB took %v, at the rate they take %v", took, least)
		}
		done := r.traffic.Transfer()
		timer := time.AfterFunc(time.Hour, done)
		defer timer.Stop()
		start = time.Now()
		r.pass()
		if took := time.Since(start); took < time.Hour {
			t.Errorf("with a transfer under way for an hour a pass took %v", took)
		}
		// An endless transfer does not keep a pass from ending.
		defer r.traffic.Transfer()()
		start = time.Now()
		r.pass()
		if took := time.Since(start); took < readback.ScrubSpan || took > readback.ScrubSpan+time.Hour {
			t.Errorf("with a transfer that never ends a pass took %v", took)
		}
	})
}

func TestCheckKeepsItsRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		r.disk.lazy = true
		r.now = time.Now
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

// TestQuarantineIsNotAbsence: what is set aside is not served and never reported absent; it is kept, and replaced by an
// upload.
func TestQuarantineIsNotAbsence(t *testing.T) {
	r := newRig(t)
	content := randomContent(2*digest.BlockSize, 7)
	r.store(content)
	r.store("sound")
	path := r.path(content)
	flip(t, path, 77)
	if got := r.checkAll(true); got[hashOf(content)] != or3cloud.BlobCorrupt || got[hashOf("sound")] != or3cloud.BlobSound {
		t.Fatalf("%v", got)
	}
	aside := keyOf(content).Aside(r.record(content).Generation)
	for _, name := range []string{aside, aside + layout.SumsSuffix} {
		if _, err := r.disk.Lstat(name); err != nil {
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
	if _, err := r.disk.Lstat(aside); err != nil {
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
	if _, err := r.disk.Lstat(keyOf("content").Trash(generation)); err != nil {
		t.Fatal(err)
	}
	files, size, err := r.StoredVolume(t.Context(), "")
	if files != 1 || size != int64(len("content")) || err != nil {
		t.Errorf("%d files, %d bytes, %v", files, size, err)
	}
	flip(t, r.dir+"/"+keyOf("content").Trash(generation), 3)
	if got := r.checkAll(true); got[hashOf("content")] != or3cloud.BlobCorrupt {
		t.Errorf("%v", got)
	}
	r.clock.Advance(2 * aged)
	r.mustGC() // Later runs cope with what is gone.
}
