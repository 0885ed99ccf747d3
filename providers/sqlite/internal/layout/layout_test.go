package layout

import (
	"testing"

	"pgregory.net/rapid"
)

func TestPackedIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(
			rapid.String(),
			rapid.StringMatching(`[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
			rapid.StringMatching(`sha256:[0-9a-fA-F]{64}`),
		).Draw(t, "id")
		if got := UnpackID(PackID(nil, id)); got != id {
			t.Fatalf("%q came back as %q", id, got)
		}
	})
	if n := len(PackID(nil, "0f0e3c52-6a50-4b5e-8f3e-1f5f6a7b8c9d")); n != 17 {
		t.Errorf("a UUID takes %d bytes, want 17", n)
	}
}
