package e2e

import (
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// TestTransferQueuesOnAFullDisk fills the disk of the server to the last byte while the transfer queues of several
// devices work, and frees it again. What was given up was answered with 507 or 503, which costs no one a file; pushes
// and uploads resume when there is space, and in the end every device has every file.
func TestTransferQueuesOnAFullDisk(t *testing.T) {
	home := t.TempDir()
	if err := syscall.Mount("tmpfs", home, "tmpfs", 0, "size=96m,mode=700"); err != nil {
		t.Skipf("mounting a small file system is not permitted here: %v", err)
	}
	t.Cleanup(func() { _ = syscall.Unmount(home, syscall.MNT_DETACH) })
	srv := startServer(t, withData(filepath.Join(home, "data")), withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", tightLimits))
	f := newFleet(t, 4, srv)
	filler := filepath.Join(home, "filler")
	for round := range 4 {
		f.attach(3)
		f.work(1+f.random.Int64N(12), func() {
			fill(t, filler)
			since := f.requests.Load()
			patience.Until(t, "the devices have met the full disk", func() bool { return f.requests.Load() > since+100 })
			if err := os.Remove(filler); err != nil {
				t.Error(err)
			}
		})
		f.checkGivenUp(round, http.StatusInsufficientStorage, http.StatusServiceUnavailable)
		probe := newDevice(t, srv, "probe")
		workspace := probe.signIn("transfers@example.test").Workspace.ID
		patience.Until(t, "uploads are taken again", func() bool {
			return probe.post("/api/storage/presign-upload", obj{"workspace_id": workspace, "hash": hashOf([]byte("probe")), "mime_type": png, "size_bytes": 5}).status == http.StatusOK
		})
	}
	f.catchUp()
	f.check()
	if f.gaveUp() == 0 {
		t.Error("nothing was ever refused: the test tests nothing")
	}
	t.Logf("seed %d: %d files on %d devices; %d transfers given up on a full disk, none lost", fleetSeed, len(f.contents.byHash), len(f.devices), f.gaveUp())
}

// fill writes to a file until its file system is full.
func fill(t *testing.T, path string) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for block := make([]byte, 64<<10); err == nil; {
		if _, err = f.Write(block); err != nil && len(block) > 1 {
			block, err = block[:len(block)/2], nil
		}
	}
	if !errors.Is(err, syscall.ENOSPC) {
		t.Fatal(err)
	}
}
