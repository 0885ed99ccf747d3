package safeint

import (
	"testing"

	or3cloud "or3.chat/cloud"
)

func TestParse(t *testing.T) {
	for text, want := range map[string]int64{
		"0": 0, "-0": 0, "1": 1, "1.0": 1, "1e3": 1000, "9007199254740991": or3cloud.MaxSafeInteger, "-5": -5,
	} {
		if n, ok := Parse([]byte(text)); !ok || n != want {
			t.Errorf("%s: %d %v", text, n, ok)
		}
	}
	for _, text := range []string{"", "1.5", "9007199254740992", "1e300", "1e-3", `"1"`, "null", "true", "NaN", "Inf"} {
		if n, ok := Parse([]byte(text)); ok {
			t.Errorf("%s was taken for %d", text, n)
		}
	}
}
