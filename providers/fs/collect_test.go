package fs

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providertest"
)

// atOnceDestroyed makes the next collection destroy what is in the trash.
func atOnceDestroyed(o *Options) { o.TrashGrace = 0 }

const aged = providertest.StorageRetention + time.Hour

func TestGCInputErrors(t *testing.T) {
	r := newRig(t)
	for want, in := range map[string]or3cloud.StorageGCRequest{
		"Invalid workspace_id":      {WorkspaceID: "../x"},
		"Invalid retention_seconds": {WorkspaceID: "ws", Retention: -1},
		"Invalid limit":             {WorkspaceID: "ws", Limit: -1},
	} {
		_, err := r.GC(t.Context(), in)
		var known *or3cloud.Error
		if !errors.As(err, &known) || known.Code != or3cloud.CodeInvalid || known.Message != want {
			t.Errorf("%+v: %v", in, err)
		}
	}
	if report, err := r.GC(t.Context(), or3cloud.StorageGCRequest{WorkspaceID: "empty"}); err != nil || report.Status != "completed" {
		t.Errorf("no directory: %+v, %v", report, err)
	}
}

// TestBlobUnderCollectionIsServed: contract, storage Pitfall 2.
func TestBlobUnderCollectionIsServed(t *testing.T) {
	r := newRig(t)
	r.store("content")
	r.clock.Advance(aged)
	token := downloadClaims(r, "content")
	if report := r.mustGC(); report.DeletedCount != 1 {
		t.Fatalf("%+v", report)
	}
	if !slices.ContainsFunc(r.files(), func(f string) bool { return strings.HasPrefix(f, layout.Trash+"/") }) {
		t.Fatalf("nothing in the trash: %v", r.files())
	}
	if rec := r.get(token); rec.Code != 200 || rec.Body.String() != "content" {
		t.Errorf("%d", rec.Code)
	}
	r.clock.Advance(trashGrace)
	r.mustGC()
	if files := r.files(); len(files) != 0 {
		t.Errorf("left %v", files)
	}
	if rec := r.get(downloadClaims(r, "content")); rec.Code != 404 {
		t.Errorf("real absence: %d", rec.Code)
	}
}

func TestAskingForATrashedBlobTakesItOut(t *testing.T) {
	for name, ask := range map[string]func(*rig) error{
		"presign download": func(r *rig) error { return r.presignDownload("content") },
		"commit":           func(r *rig) error { return r.commit("content") },
	} {
		r := newRig(t)
		r.store("content")
		old := r.record("content").Generation
		r.clock.Advance(aged)
		r.mustGC()
		if err := ask(r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if rec := r.record("content"); rec.Generation == old || rec.TrashedAt != nil {
			t.Errorf("%s: the retired name came back: %+v", name, rec)
		}
		r.clock.Advance(providertest.StorageRetention - time.Hour)
		for range 3 {
			r.mustGC()
		}
		if rec := r.get(downloadClaims(r, "content")); rec.Body.String() != "content" {
			t.Errorf("%s: %d", name, rec.Code)
		}
		if len(r.files()) != 3 {
			t.Errorf("%s: files %v", name, r.files())
		}
	}
}

func TestTrashOnAFullDiskIsStillServed(t *testing.T) {
	r := newRig(t)
	r.store("content")
	r.clock.Advance(aged)
	r.mustGC()
	r.disk.fault = func(op, _ string) error {
		if op == "link" || op == "create" {
			return syscall.ENOSPC
		}
		return nil
	}
	if err := r.presignDownload("content"); err != nil {
		t.Errorf("presign: %v", err)
	}
	if rec := r.get(downloadClaims(r, "content")); rec.Code != 200 {
		t.Errorf("%d", rec.Code)
	}
	if err := r.commit("content"); or3cloud.CodeOf(err) != or3cloud.CodeInsufficientStorage {
		t.Errorf("commit: %v", err)
	}
}

// TestRetiredGenerationIsNotReliedOnAfterARestart: the process died between the claim and the move.
func TestRetiredGenerationIsNotReliedOnAfterARestart(t *testing.T) {
	for name, act := range map[string]func(*rig) error{
		"upload": func(r *rig) error {
			if code := r.upload("content"); code != 200 {
				return fmt.Errorf("status %d", code)
			}
			return nil
		},
		"commit": func(r *rig) error { return r.commit("content") },
	} {
		r := newRig(t)
		r.store("content")
		old := r.record("content").Generation
		r.clock.Advance(aged)
		ok, err := r.refs.RetireGeneration(t.Context(), or3cloud.RetireRequest{
			WorkspaceID: "ws", Hash: hashOf("content"), Generation: old, UnreferencedSince: r.clock.Now(),
		})
		if !ok || err != nil {
			t.Fatal(ok, err)
		}
		r.restart()
		if err := act(r); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if r.record("content").Generation == old {
			t.Errorf("%s: relied on the retired generation", name)
		}
		r.refs.Add("ws", hashOf("content"))
		for range 4 {
			r.mustGC()
			r.clock.Advance(aged)
		}
		if rec := r.get(downloadClaims(r, "content")); rec.Body.String() != "content" {
			t.Errorf("%s: %d, files %v", name, rec.Code, r.files())
		}
		if left, _ := r.refs.RetiredGenerations(t.Context(), "ws"); len(left) != 0 {
			t.Errorf("%s: not finished: %v", name, left)
		}
	}
}

// TestSlowUploadOfABlobThatIsCollectedMeanwhile: the upload saw the blob and kept no copy of its own.
func TestSlowUploadOfABlobThatIsCollectedMeanwhile(t *testing.T) {
	r := newRig(t)
	r.store("content")
	r.clock.Advance(aged)
	body, feed := newPipe()
	done := make(chan int)
	c := uploadClaims(r, "content")
	go func() { done <- r.put(c, body).Code }()
	feed.Write([]byte("cont"))
	if report := r.mustGC(); report.DeletedCount != 1 {
		t.Fatalf("%+v", report)
	}
	feed.Write([]byte("ent"))
	feed.Close()
	if code := <-done; code != 200 {
		t.Fatalf("%d", code)
	}
	for range 3 {
		r.mustGC()
		r.clock.Advance(trashGrace)
	}
	if err := r.commit("content"); err != nil {
		t.Errorf("commit: %v", err)
	}
	if rec := r.get(downloadClaims(r, "content")); rec.Body.String() != "content" {
		t.Errorf("%d", rec.Code)
	}
}

// TestCollectorThatSleepsBetweenClaimAndMove: the same content is uploaded in between, and the trash cannot save it.
func TestCollectorThatSleepsBetweenClaimAndMove(t *testing.T) {
	r := newRig(t, atOnceDestroyed)
	r.store("content")
	r.clock.Advance(aged)
	r.refs.AfterRetire = func(or3cloud.RetireRequest) {
		r.refs.AfterRetire = nil
		if code := r.upload("content"); code != 200 {
			t.Errorf("upload: %d", code)
		}
	}
	r.mustGC()
	r.mustGC()
	if err := r.commit("content"); err != nil {
		t.Errorf("the upload was lost: %v", err)
	}
	if rec := r.get(downloadClaims(r, "content")); rec.Body.String() != "content" {
		t.Errorf("%d", rec.Code)
	}
}

func TestUnknownOutcomeOfAClaimIsTakenForRetired(t *testing.T) {
	r := newRig(t)
	r.store("content")
	old := r.record("content").Generation
	r.clock.Advance(aged)
	r.claims.ReferenceClaimer = failingClaims{r.refs}
	if _, err := r.gc(); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Fatalf("%v", err)
	}
	if r.store("content"); r.record("content").Generation == old {
		t.Error("an upload relied on a generation that may be retired")
	}
}

// failingClaims retires a generation and then returns an error.
type failingClaims struct{ *providertest.References }

func (f failingClaims) RetireGeneration(ctx context.Context, in or3cloud.RetireRequest) (bool, error) {
	f.References.RetireGeneration(ctx, in)
	return false, syscall.EIO
}

// backdate sets the modification time of a file to age before the rig's current time.
func backdate(t *testing.T, r *rig, name string, age time.Duration) {
	t.Helper()
	when := r.clock.Now().Add(-age)
	if err := os.Chtimes(filepath.Join(r.dir, filepath.FromSlash(name)), when, when); err != nil {
		t.Fatal(err)
	}
}

func TestAbandonedFilesGoAfterADay(t *testing.T) {
	r := newRig(t)
	old, young, npm := keyOf("a").Temp("0"), keyOf("b").Temp("1"), "workspaces/ws/sha256_x.tmp-1771000000000-ab"
	foreign := "workspaces/ws/notes.txt"
	for _, name := range []string{old, young, npm, foreign} {
		r.writeFile(name, "x")
	}
	for _, name := range []string{old, npm, foreign} {
		backdate(t, r, name, 25*time.Hour)
	}
	r.mustGC()
	if got := r.files(); !slices.Equal(got, []string{foreign, young}) && !slices.Equal(got, []string{young, foreign}) {
		t.Errorf("left %v", got)
	}
}

func TestFileThatIsBeingWrittenIsNotCleanedUp(t *testing.T) {
	r := newRig(t)
	body, feed := newPipe()
	done := make(chan int)
	c := uploadClaims(r, "content")
	c.Expires = c.Expires.Add(100 * time.Hour)
	go func() { done <- r.put(c, body).Code }()
	feed.Write([]byte("cont"))
	r.clock.Advance(48 * time.Hour)
	r.mustGC()
	feed.Write([]byte("ent"))
	feed.Close()
	if code := <-done; code != 200 {
		t.Errorf("%d", code)
	}
}

func TestUncommittedUploadGoesAfterADayUnlessReferenced(t *testing.T) {
	r := newRig(t)
	for _, content := range []string{"wanted", "unwanted"} {
		if code := r.upload(content); code != 200 {
			t.Fatal(code)
		}
	}
	r.refs.Add("ws", hashOf("wanted"))
	r.clock.Advance(23 * time.Hour)
	if report := r.mustGC(); report.DeletedCount != 0 {
		t.Errorf("too early: %+v", report)
	}
	r.clock.Advance(2 * time.Hour)
	if report := r.mustGC(); report.DeletedCount != 1 {
		t.Errorf("%+v", report)
	}
	r.clock.Advance(trashGrace)
	r.mustGC()
	if rec := r.get(downloadClaims(r, "wanted")); rec.Code != 200 {
		t.Errorf("wanted: %d", rec.Code)
	}
	if rec := r.get(downloadClaims(r, "unwanted")); rec.Code != 404 {
		t.Errorf("unwanted: %d", rec.Code)
	}
}

func TestOrphanedGenerationIsAdoptedAndThenCollected(t *testing.T) {
	r := newRig(t)
	name := keyOf("content").Live(strings.Repeat("a", layout.GenerationLength))
	r.writeFile(name, "content")
	backdate(t, r, name, 0)
	r.mustGC()
	if rec := r.get(downloadClaims(r, "content")); rec.Body.String() != "content" {
		t.Errorf("%d", rec.Code)
	}
	for range 4 {
		r.clock.Advance(25 * time.Hour)
		r.mustGC()
	}
	if files := r.files(); len(files) != 0 {
		t.Errorf("left %v", files)
	}
}

func TestSidecarWithoutBlobGoes(t *testing.T) {
	r := newRig(t)
	r.store("content")
	if err := os.Remove(r.path("content")); err != nil {
		t.Fatal(err)
	}
	r.mustGC()
	if files := r.files(); len(files) != 0 {
		t.Errorf("left %v", files)
	}
}

func TestLastGoodCopyIsNotDropped(t *testing.T) {
	r := newRig(t)
	r.store("content")
	r.clock.Advance(aged)
	r.mustGC()
	trashed := keyOf("content").Trash(r.record("content").Generation)
	r.store("content")
	if err := os.Truncate(r.path("content"), 3); err != nil {
		t.Fatal(err)
	}
	r.clock.Advance(2 * trashGrace)
	r.mustGC()
	if !slices.Contains(r.files(), trashed) {
		t.Error("the complete copy was removed in favour of a truncated one")
	}
}

// history is the life of one blob, and contains every operation that the provider performs on a disk. It stops at the
// first error and reports whether the content must be there: it must once an upload and a commit were acknowledged and
// a reference was set.
func history(r *rig) (needed bool) {
	const content = "content"
	upload := func() bool { return r.upload(content) == 200 }
	commit := func() bool { return r.commit(content) == nil }
	collect := func() bool { _, err := r.gc(); return err == nil }
	wait := func(d time.Duration) func() bool { return func() bool { r.clock.Advance(d); return true } }
	refer := func() bool { r.refs.Add("ws", hashOf(content)); needed = true; return true }
	drop := func() bool { r.refs.Remove("ws", hashOf(content)); needed = false; return true }
	for _, step := range []func() bool{
		upload, commit, refer, wait(aged), collect, drop, wait(aged), // Referenced, then not.
		collect, upload, commit, refer, collect, drop, wait(aged), // Retired, uploaded again.
		collect, commit, refer, wait(25 * time.Hour), collect, drop, wait(aged), // Retired, taken back by a commit.
		collect, refer, wait(25 * time.Hour), collect, collect, drop, wait(aged), // Retired, taken back at the last moment.
		collect, wait(25 * time.Hour), collect, // Destroyed.
		upload, commit, refer,
	} {
		if !step() {
			return needed
		}
	}
	return needed
}

// TestEveryCrashAndEveryFault stops the process at each disk operation in turn, or makes just that operation fail, and
// checks that what is needed is there, what is not needed goes, and nothing is left over.
func TestEveryCrashAndEveryFault(t *testing.T) {
	states := 0
	for _, crash := range []bool{true, false} {
		for step := 1; ; step++ {
			r := newRig(t)
			n, at := 0, ""
			r.disk.fault = func(op, name string) error {
				if op == "open" {
					return nil
				}
				if n++; n == step || crash && n > step {
					if n == step {
						at = op + " " + name
					}
					return syscall.EIO
				}
				return nil
			}
			needed := history(r)
			r.disk.fault = nil
			if at == "" {
				break
			}
			states++
			if crash {
				r.restart()
			}
			if !checkAfter(t, r, needed) {
				t.Fatalf("crash %v, step %d: %s", crash, step, at)
			}
		}
	}
	t.Logf("%d states explored", states)
	if states < 100 {
		t.Errorf("only %d states", states)
	}
}

func checkAfter(t *testing.T, r *rig, needed bool) bool {
	t.Helper()
	for range 5 {
		if needed {
			if rec := r.get(downloadClaims(r, "content")); rec.Code != 200 || rec.Body.String() != "content" {
				t.Errorf("a referenced blob is lost: %d, files %v", rec.Code, r.files())
				return false
			}
		}
		if _, err := r.gc(); err != nil {
			t.Errorf("GC: %v", err)
			return false
		}
		r.clock.Advance(aged)
	}
	files := r.files()
	if needed && len(files) != 3 || !needed && len(files) != 0 {
		t.Errorf("needed %v, left %v", needed, files)
		return false
	}
	if left, _ := r.refs.RetiredGenerations(t.Context(), "ws"); len(left) != 0 {
		t.Errorf("not forgotten: %v", left)
		return false
	}
	return true
}
