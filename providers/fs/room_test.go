package fs

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// held is a body that gives its content and then waits, like a sender that keeps its connection open.
type held struct {
	io.Reader
	came    *sync.WaitGroup
	release <-chan struct{}
	once    sync.Once
}

func (h *held) Read(p []byte) (int, error) {
	n, err := h.Reader.Read(p)
	if err != nil {
		h.once.Do(h.came.Done)
		<-h.release
	}
	return n, err
}

// onDisk adds up everything that the workspace has on the disk at this moment.
func (r *rig) onDisk() (sum int64) {
	r.t.Helper()
	for _, dir := range []string{layout.Workspaces, layout.Trash} {
		entries, err := r.disk.ReadDir(dir + "/ws")
		if volume.IgnoreAbsence(err) != nil {
			r.t.Fatal(err)
		}
		for _, e := range entries {
			if info, err := e.Info(); err == nil {
				sum += info.Size()
			}
		}
	}
	return sum
}

// TestParallelUploadsOnOneTokenHoldTheContentOnce sends one content twenty times with one token, and lets each sender
// keep its connection open after all bytes were sent: one of them holds bytes on the disk, and in the end all have
// succeeded.
func TestParallelUploadsOnOneTokenHoldTheContentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t)
		content := strings.Repeat("x", 1<<20)
		claims := uploadClaims(r, content)
		release := make(chan struct{})
		var came, done sync.WaitGroup
		codes := make([]int, 20)
		came.Add(1)
		for i := range codes {
			body := io.Reader(strings.NewReader(content))
			if i == 0 {
				body = &held{Reader: body, came: &came, release: release}
			}
			done.Go(func() { codes[i] = r.put(claims, body).Code })
			came.Wait() // the first has its turn, and has sent everything
		}
		synctest.Wait() // all others wait for their turn
		if sum := r.onDisk(); sum < int64(len(content)) || sum >= 2*int64(len(content)) {
			t.Errorf("%d bytes on the disk, want those of one upload", sum)
		}
		close(release)
		done.Wait()
		for i, code := range codes {
			if code != 200 {
				t.Errorf("upload %d: %d", i, code)
			}
		}
	})
}

// TestDeletedFilesTakeAsMuchAgainAsTheQuota uploads and deletes again and again: the use of the disk is limited, the
// refusal is that of the quota, someone who deletes a full workspace can fill it again, and space is free again when
// the trash is empty.
func TestDeletedFilesTakeAsMuchAgainAsTheQuota(t *testing.T) {
	const size = 100 << 10
	r := newRig(t, func(o *Options) { o.Quota = 10 * size })
	round := 0
	upload := func() error {
		round++
		content := fmt.Sprint(round, strings.Repeat("x", size))[:size-512] // leaves room for the small files beside it
		k := keyOf(content)
		if _, err := r.PresignUpload(t.Context(), or3cloud.PresignUploadRequest{
			WorkspaceID: "ws", UserID: "u", Hash: k.Hash, SizeBytes: int64(len(content)), MIMEType: "image/png",
		}); err != nil {
			return err
		}
		if code := r.put(uploadClaims(r, content), strings.NewReader(content)).Code; code != 200 {
			t.Fatalf("round %d: %d", round, code)
		}
		_, err := r.Commit(t.Context(), or3cloud.CommitRequest{WorkspaceID: "ws", UserID: "u", Hash: k.Hash})
		if err == nil {
			err = r.DeleteObject(t.Context(), "ws", k.Hash)
		}
		if err != nil {
			t.Fatal(err)
		}
		return nil
	}
	var refused error
	for refused == nil && round < 100 {
		refused = upload()
	}
	if round <= 20 || !isCode(refused, or3cloud.CodeTooLarge) || !strings.HasPrefix(refused.Error(), "too_large: Workspace storage quota exceeded (") {
		t.Errorf("round %d: %v; want twenty, and then the refusal of a quota", round, refused)
	}
	if sum := r.onDisk(); sum > 2*10*size {
		t.Errorf("%d bytes on the disk, with a quota of %d", sum, 10*size)
	}
	// An upload that already has a token is refused as its bytes arrive.
	content := strings.Repeat("y", 8*size)
	if code := r.put(uploadClaims(r, content), strings.NewReader(content)).Code; code != 413 {
		t.Errorf("a token from before: %d", code)
	}
	r.clock.Advance(trashGrace + time.Hour)
	if _, err := r.GC(t.Context(), or3cloud.StorageGCRequest{WorkspaceID: "ws"}); err != nil {
		t.Fatal(err)
	}
	if err := upload(); err != nil {
		t.Errorf("after the trash has gone: %v", err)
	}
}

// TestBytesUnderWayCount lets uploads of different contents stall together: what they hold is limited, pieces included.
func TestBytesUnderWayCount(t *testing.T) {
	const size = 256 << 10
	r := newRig(t, func(o *Options) { o.Quota = 2 * size })
	pieces := strings.Repeat("p", size)
	p := r.begin(pieces)
	r.more(p, 0, strings.NewReader(pieces[:size/2]))
	release := make(chan struct{})
	var came, done sync.WaitGroup
	var stored, refused atomic.Int32
	for i := range 10 {
		content := fmt.Sprint(i, strings.Repeat("x", size))[:size]
		claims := uploadClaims(r, content)
		came.Add(1)
		done.Go(func() {
			body := &held{Reader: strings.NewReader(content), came: &came, release: release}
			switch code := r.put(claims, body).Code; code {
			case 200:
				stored.Add(1)
			case 413:
				body.once.Do(came.Done)
				refused.Add(1)
			default:
				t.Errorf("%d", code)
			}
		})
	}
	came.Wait()
	if sum := r.onDisk() + size/2; sum > 2*2*size {
		t.Errorf("%d bytes are held, with a quota of %d", sum, 2*size)
	}
	close(release)
	done.Wait()
	if stored.Load() == 0 || refused.Load() == 0 || stored.Load() > 3 {
		t.Errorf("%d were stored and %d refused", stored.Load(), refused.Load())
	}
	if _, err := r.BeginPartial(t.Context(), or3cloud.PartialUpload{WorkspaceID: "ws", UserID: "u", Hash: hashOf("z"), SizeBytes: 4 * size}); !isCode(err, or3cloud.CodeTooLarge) {
		t.Errorf("pieces that do not fit: %v", err)
	}
}
