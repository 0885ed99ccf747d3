package fs

import (
	"log/slog"
	"slices"
	"strings"
	"syscall"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/refuse"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// TestFailedSyncEndsAllWriting: what the kernel says after a failed fsync cannot be believed.
func TestFailedSyncEndsAllWriting(t *testing.T) {
	for _, failing := range []string{"sync", "syncdir"} {
		r := newRig(t)
		r.store("stored before")
		var told []string
		guard := volume.Guard(r.disk, slog.New(slog.DiscardHandler), refuse.Unavailable, func(err error) { told = append(told, err.Error()) })
		r.mounted.Disk = guard

		r.disk.fault = func(op, _ string) error {
			if op == failing {
				return syscall.ENOSPC
			}
			return nil
		}
		if code := r.upload("on a full disk"); code != 507 || len(told) != 0 {
			t.Fatalf("%s: a full disk: %d, told %v", failing, code, told)
		}
		r.disk.fault = nil
		r.store("when there is room again")

		r.disk.fault = func(op, _ string) error {
			if op == failing {
				return syscall.EIO
			}
			return nil
		}
		if code := r.upload("when it fails"); code != 503 {
			t.Errorf("%s: %d", failing, code)
		}
		r.disk.fault = nil
		before := r.files()
		for _, content := range []string{"afterwards", "stored before"} {
			if code := r.upload(content); code != 503 {
				t.Errorf("%s: %s: %d", failing, content, code)
			}
		}
		if err := r.commit("stored before"); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
			t.Errorf("%s: commit: %v", failing, err)
		}
		if _, err := r.GC(t.Context(), or3cloud.StorageGCRequest{WorkspaceID: "ws"}); err != nil && or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
			t.Errorf("%s: GC: %v", failing, err)
		}
		if after := r.files(); !slices.Equal(before, after) {
			t.Errorf("%s: %v became %v", failing, before, after)
		}
		if rec := r.get(downloadClaims(r, "stored before")); rec.Code != 200 || rec.Body.String() != "stored before" {
			t.Errorf("%s: download: %d", failing, rec.Code)
		}
		if len(told) != 1 || !strings.Contains(told[0], "fsync") {
			t.Errorf("%s: told %q", failing, told)
		}
		// The next process finds a store that works, and accepts everything that was refused.
		r.restart()
		for _, content := range []string{"when it fails", "afterwards", "stored before"} {
			r.store(content)
		}
	}
}
