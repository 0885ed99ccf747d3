package fs

import (
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"or3.chat/cloud/internal/patience"
)

// TestLeftoversGoAtTheStart: a killed process leaves temporary files, whatever their age; foreign files are not ours.
func TestLeftoversGoAtTheStart(t *testing.T) {
	r := newRig(t)
	r.store("content")
	kept := append(r.files(), "workspaces/ws/notes.txt", "workspaces/not a workspace/x.tmp-1")
	slices.Sort(kept)
	for _, name := range []string{keyOf("a").Temp("0"), "workspaces/ws/sha256_x.tmp-1771000000000-ab", "workspaces/ws/notes.txt", "workspaces/not a workspace/x.tmp-1"} {
		r.writeFile(name, "x")
	}
	r.restart()
	r.janitor.Start(0)
	patience.Until(t, "removal", func() bool { return slices.Equal(r.files(), kept) })
	r.janitor.Close()
	if got := r.files(); !slices.Equal(got, kept) {
		t.Errorf("left %v, want %v", got, kept)
	}
}

// TestLeftoversAreNotConfusedWithUploads: an upload that begins before the janitor looks is left alone.
func TestLeftoversAreNotConfusedWithUploads(t *testing.T) {
	r := newRig(t)
	body, feed := newPipe()
	done := make(chan int)
	c := uploadClaims(r, "content")
	go func() { done <- r.put(c, body).Code }()
	feed.Write([]byte("cont"))
	if err := r.janitor.RemoveLeftovers(t.Context()); err != nil {
		t.Fatal(err)
	}
	feed.Write([]byte("ent"))
	feed.Close()
	if code := <-done; code != 200 {
		t.Errorf("%d", code)
	}
}

// TestCollectionsComeRegularly lets days pass: the first collection comes soon, the others about a day apart, and
// closing ends them.
func TestCollectionsComeRegularly(t *testing.T) {
	realNow := time.Now()
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		start := time.Now()
		r.now = func() time.Time { return realNow.Add(time.Since(start)).Add(2 * aged) } // The rig's content is old.
		r.store("kept")
		r.refs.Add("ws", hashOf("kept"))
		r.writeFile(keyOf("unwanted").Live(""), "unwanted")
		r.janitor.Start(24 * time.Hour)
		time.Sleep(50 * time.Minute)
		synctest.Wait()
		if n := len(r.files()); n != 4 {
			t.Errorf("before the first collection: %d files", n)
		}
		time.Sleep(70 * time.Minute)
		synctest.Wait()
		if !slices.ContainsFunc(r.files(), func(f string) bool { return f == keyOf("unwanted").Sidecar() }) {
			t.Errorf("no collection in the first hours: %v", r.files())
		}
		time.Sleep(4 * 27 * time.Hour)
		synctest.Wait()
		if n := len(r.files()); n != 3 {
			t.Errorf("after four days: %v", r.files())
		}
		if err := r.Close(); err != nil {
			t.Error(err)
		}
	})
}
