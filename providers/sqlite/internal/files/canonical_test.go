package files

import (
	"strings"
	"testing"
)

func FuzzCanonicalCursor(f *testing.F) {
	f.Add(canonicalCursor{kind: 'r', table: 3, digest: strings.Repeat("a", 64), pk: []byte("m1")}.encode())
	f.Add("")
	f.Add("bQ")
	f.Fuzz(func(t *testing.T, text string) {
		c, ok := decodeCanonicalCursor(text, 'r')
		if !ok || text == "" {
			return
		}
		again, ok := decodeCanonicalCursor(c.encode(), 'r')
		if !ok || again.digest != c.digest || again.table != c.table || string(again.pk) != string(c.pk) {
			t.Fatalf("%q decodes to %+v, which encodes to something else", text, c)
		}
	})
}
