package providertest

import (
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// testStorageDeletion checks or3cloud.ObjectDeleter (contract, storage §8).
func testStorageDeletion(t *testing.T, open StorageFactory) {
	if _, ok := newStorageRig(t, open, true).inst.Storage.(or3cloud.ObjectDeleter); !ok {
		t.Skip("the provider does not delete single blobs")
	}
	for name, test := range map[string]func(*testing.T, *storageRig){
		"a deleted blob goes without waiting":   testDeleteUnreferenced,
		"a referenced blob is refused":          testDeleteReferenced,
		"deletion can be repeated":              testDeleteRepeats,
		"a reference saves a deleted blob":      testDeleteThenReference,
		"deleted content can be uploaded again": testDeleteThenUpload,
		"an upload during a deletion survives":  func(t *testing.T, rig *storageRig) { testDeleteDuring(t, rig, rig.upload) },
		"a commit during a deletion survives":   func(t *testing.T, rig *storageRig) { testDeleteDuring(t, rig, rig.commit) },
		"unsafe keys cannot be deleted":         testDeleteUnsafeKeys,
	} {
		t.Run(name, func(t *testing.T) { test(t, newStorageRig(t, open, true)) })
	}
	t.Run("is refused without reference state", func(t *testing.T) {
		rig := newStorageRig(t, open, false)
		blob := rig.store("ws", "content")
		if err := rig.delete(blob); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
			t.Errorf("%v", err)
		}
		rig.want(blob)
	})
}

func (r *storageRig) delete(b storedBlob) error {
	return r.inst.Storage.(or3cloud.ObjectDeleter).DeleteObject(r.t.Context(), b.workspace, b.hash)
}

func (r *storageRig) mustDelete(b storedBlob) {
	r.t.Helper()
	if err := r.delete(b); err != nil {
		r.t.Fatalf("delete: %v", err)
	}
}

// collectForDays collects for less than the retention.
func (r *storageRig) collectForDays() {
	for range 4 {
		r.Advance(2 * 24 * time.Hour)
		r.collect("ws", 0, 0)
	}
}

func testDeleteUnreferenced(t *testing.T, rig *storageRig) {
	blob, other := rig.store("ws", "content"), rig.store("two", "content")
	rig.mustDelete(blob)
	rig.wantAbsent(blob)
	rig.collectForDays()
	rig.wantAbsent(blob)
	rig.want(other)
	if got := rig.refs.Destroyed(); len(got) != 1 {
		t.Errorf("the bytes are still there: %v", got)
	}
	if left, _ := rig.refs.RetiredGenerations(t.Context(), "ws"); len(left) != 0 {
		t.Errorf("%d retired generations are not forgotten", len(left))
	}
}

func testDeleteReferenced(t *testing.T, rig *storageRig) {
	blob := rig.store("ws", "content")
	rig.refs.Add("ws", blob.hash)
	if err := rig.delete(blob); or3cloud.CodeOf(err) != or3cloud.CodeConflict {
		t.Errorf("%v", err)
	}
	rig.collectForDays()
	rig.want(blob)
	rig.refs.Remove("ws", blob.hash)
	rig.mustDelete(blob)
	rig.wantAbsent(blob)
}

func testDeleteRepeats(t *testing.T, rig *storageRig) {
	rig.mustDelete(newBlob("ws", "never uploaded"))
	blob := rig.store("ws", "content")
	for range 3 {
		rig.mustDelete(blob)
	}
	rig.collectForDays()
	rig.mustDelete(blob)
	// One that a collection has put aside is deleted sooner.
	aside := rig.store("ws", "put aside")
	rig.Advance(StorageRetention + time.Hour)
	rig.collect("ws", 0, 0)
	rig.mustDelete(aside)
	rig.wantAbsent(aside)
}

func testDeleteThenReference(t *testing.T, rig *storageRig) {
	blob := rig.store("ws", "content")
	rig.mustDelete(blob)
	rig.refs.Add("ws", blob.hash)
	if err := rig.delete(blob); or3cloud.CodeOf(err) != or3cloud.CodeConflict {
		t.Errorf("a second deletion although something refers to it: %v", err)
	}
	rig.want(blob)
	rig.collectForDays()
	rig.want(blob)

	late := rig.store("ws", "without being asked for")
	rig.mustDelete(late)
	rig.refs.Add("ws", late.hash)
	rig.collectForDays()
	rig.want(late)
}

func testDeleteThenUpload(t *testing.T, rig *storageRig) {
	for range 3 {
		blob := rig.store("ws", "content")
		rig.want(blob)
		rig.mustDelete(blob)
		rig.wantAbsent(blob)
	}
	blob := rig.store("ws", "content")
	rig.collectForDays()
	rig.want(blob)
}

// testDeleteDuring pauses a deletion before and after the claim is decided, while act comes.
func testDeleteDuring(t *testing.T, rig *storageRig, act func(storedBlob) error) {
	for name, hook := range map[string]*func(or3cloud.RetireRequest){
		"before the decision": &rig.refs.BeforeRetire, "after the decision": &rig.refs.AfterRetire,
	} {
		blob := rig.store("ws", "content "+name)
		asked, proceed, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
		*hook = func(in or3cloud.RetireRequest) {
			if in.Hash == blob.hash {
				close(asked)
				<-proceed
			}
		}
		go func() { done <- rig.delete(blob) }()
		<-asked
		*hook = nil
		if err := act(blob); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		close(proceed)
		if err := <-done; err != nil {
			t.Errorf("%s: delete: %v", name, err)
		}
		rig.want(blob)
		rig.collectForDays()
		rig.want(blob)
	}
}

func testDeleteUnsafeKeys(t *testing.T, rig *storageRig) {
	good := newBlob("ws", "content")
	for _, bad := range []storedBlob{
		{workspace: "", hash: good.hash}, {workspace: "..", hash: good.hash}, {workspace: "a/b", hash: good.hash},
		{workspace: "ws", hash: ""}, {workspace: "ws", hash: "../../etc/passwd"}, {workspace: "ws", hash: "sha256:ab"},
	} {
		if err := rig.delete(bad); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Errorf("%q in %q: %v", bad.hash, bad.workspace, err)
		}
	}
}
