package main

import (
	"bytes"
	"encoding/json"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"
)

// TestAProgramIsListedWithWhatItIsMadeOf lists this test itself, whose only foreign code is the standard library, twice.
func TestAProgramIsListedWithWhatItIsMadeOf(t *testing.T) {
	t.Setenv("SOURCE_DATE_EPOCH", "1700000000")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var first, second bytes.Buffer
	for _, out := range []*bytes.Buffer{&first, &second} {
		if err := run(out, []string{"v1.2.3", self}); err != nil {
			t.Fatal(err)
		}
	}
	if first.String() != second.String() {
		t.Errorf("two lists of one program:\n%s\n%s", &first, &second)
	}
	var b bom
	if err := json.Unmarshal(first.Bytes(), &b); err != nil {
		t.Fatal(err)
	}
	if b.Metadata.Timestamp != "2023-11-14T22:13:20Z" || b.Metadata.Component.Version != "v1.2.3" {
		t.Errorf("%+v", b.Metadata)
	}
	library := "pkg:golang/stdlib@" + strings.TrimPrefix(runtime.Version(), "go")
	if len(b.Components) < 2 || b.Components[0].Type != "file" || len(b.Components[0].Hashes) != 1 ||
		!slices.ContainsFunc(b.Components, func(c component) bool { return c.PURL == library }) {
		t.Errorf("%s is not in %s", library, &first)
	}
	if len(b.Dependencies) != 2 || !slices.Contains(b.Dependencies[1].On, library) {
		t.Errorf("the program does not depend on %s: %+v", library, b.Dependencies)
	}
}
