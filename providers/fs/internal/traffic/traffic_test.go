package traffic

import (
	"fmt"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/layout"
)

// TestUploadsOfOneUserAtOnce uses up the uploads that one user may have under way.
func TestUploadsOfOneUserAtOnce(t *testing.T) {
	var l Traffic
	var ends []func()
	for i := range MaxUploads {
		end, err := l.Begin(t.Context(), key(i), "u")
		if err != nil {
			t.Fatal(err)
		}
		ends = append(ends, end)
	}
	if _, err := l.Begin(t.Context(), key(1000), "u"); or3cloud.CodeOf(err) != or3cloud.CodeRateLimited {
		t.Errorf("one more: %v", err)
	}
	other, err := l.Begin(t.Context(), key(1000), "v")
	if err != nil {
		t.Errorf("another user: %v", err)
	}
	ends[0]()
	end, err := l.Begin(t.Context(), key(0), "u")
	if err != nil {
		t.Errorf("after one has ended: %v", err)
	}
	for _, f := range append(ends[1:], other, end) {
		f()
	}
	if len(l.users) != 0 {
		t.Errorf("left behind: %v", l.users)
	}
}

func key(i int) layout.Key {
	return layout.Key{Workspace: "ws", Hash: or3cloud.BlobHash(fmt.Sprintf("sha256:%064x", i))}
}
