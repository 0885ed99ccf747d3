//go:build unix

package fs

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func TestBlobThatIsALinkIsNeitherServedNorCollected(t *testing.T) {
	r := newRig(t)
	r.store("content")
	outside := filepath.Join(t.TempDir(), "secret")
	if err := errors.Join(os.WriteFile(outside, []byte("content"), 0o600), os.Remove(r.path("content")),
		os.Symlink(outside, r.path("content"))); err != nil {
		t.Fatal(err)
	}
	if rec := r.get(downloadClaims(r, "content")); rec.Code != 503 {
		t.Errorf("%d %q", rec.Code, rec.Body)
	}
	r.store("content")
	if rec := r.get(downloadClaims(r, "content")); rec.Body.String() != "content" {
		t.Errorf("after an upload: %d", rec.Code)
	}
}
