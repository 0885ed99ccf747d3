package jsstring

import (
	"bytes"
	"slices"
	"testing"
	"unicode/utf16"

	"pgregory.net/rapid"
)

func TestLen(t *testing.T) {
	for s, want := range map[string]int{"": 0, "abc": 3, "é": 1, "日本": 2, "😀": 2, "a😀b": 4} {
		if got := Len(s); got != want {
			t.Errorf("Len(%q) = %d, want %d", s, got, want)
		}
	}
}

// TestSortKeyOrder guards sync Pitfall 11: clients compare the order of a snapshot in UTF-16 units.
func TestSortKeyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, b := rapid.String().Draw(t, "a"), rapid.String().Draw(t, "b")
		want := slices.Compare(utf16.Encode([]rune(a)), utf16.Encode([]rune(b)))
		if got := bytes.Compare(SortKey(a), SortKey(b)); got != want {
			t.Fatalf("order of %q and %q: %d, want %d", a, b, got, want)
		}
		if got := FromSortKey(SortKey(a)); got != a {
			t.Fatalf("round trip of %q gave %q", a, got)
		}
	})
}

func FuzzSortKeyRoundTrip(f *testing.F) {
	for _, s := range []string{"", "kv:theme", "\U0001F600", "\uD7FF\uE000", "퟿😀"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		s = string([]rune(s)) // keys are made from well-formed text
		if got := FromSortKey(SortKey(s)); got != s {
			t.Fatalf("round trip of %q gave %q", s, got)
		}
	})
}
