package syncwire

import (
	"bytes"
	"strings"
	"testing"

	"github.com/go-json-experiment/json/jsontext"
)

// FuzzPruner checks that pruning changes only what lies too deep, however the text is divided.
func FuzzPruner(f *testing.F) {
	f.Add([]byte(aPush))
	f.Add([]byte(`{"a":` + strings.Repeat("[", maxDepth+3) + `"]"` + strings.Repeat("]", maxDepth+3) + `,"b":"\\\""}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		whole := new(pruner).prune(bytes.Clone(text))
		var p pruner
		var pieces []byte
		for _, c := range text {
			pieces = append(pieces, p.prune([]byte{c})...)
		}
		if !bytes.Equal(whole, pieces) {
			t.Fatalf("%q became %q at once and %q byte by byte", text, whole, pieces)
		}
		if v := jsontext.Value(text); v.IsValid(options) {
			if !jsontext.Value(whole).IsValid(options) {
				t.Errorf("%q became %q, which is not JSON", text, whole)
			}
			if bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) <= maxDepth && !bytes.Equal(text, whole) {
				t.Errorf("%q became %q", text, whole)
			}
		}
	})
}
