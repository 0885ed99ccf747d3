package engine

import (
	"bytes"
	"encoding/json"
	"flag"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"or3.chat/cloud/engine/place"
)

var update = flag.Bool("update", false, "write the generated files again")

func TestDescriptionIsFresh(t *testing.T) {
	fresh := describe(t)
	if *update {
		if err := os.WriteFile("openapi.json", fresh, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if !bytes.Equal(OpenAPI(), fresh) {
		t.Error("openapi.json is not what the types say; run make generate")
	}
}

// Every reference resolves, every method is described, and every operation has a name of its own.
func TestDescriptionIsWhole(t *testing.T) {
	var d struct {
		Paths map[string]map[string]struct {
			OperationID string `json:"operationId"`
			Summary     string
			Responses   map[string]any
		}
		Components struct{ Schemas map[string]any }
	}
	if err := json.Unmarshal(OpenAPI(), &d); err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for path, operations := range d.Paths {
		for verb, op := range operations {
			if seen[op.OperationID] || op.Summary == "" || op.Responses["200"] == nil || op.Responses["default"] == nil {
				t.Errorf("%s %s: %+v", verb, path, op)
			}
			seen[op.OperationID] = true
		}
	}
	for _, m := range protocol() {
		if d.Paths[place.Prefix+m.name] == nil || !seen[m.name] {
			t.Errorf("%s is not described", m.name)
		}
	}
	text := string(OpenAPI())
	for _, part := range strings.Split(text, `"#/components/schemas/`)[1:] {
		name, _, _ := strings.Cut(part, `"`)
		if d.Components.Schemas[name] == nil {
			t.Errorf("there is no schema %s", name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(d.Components.Schemas)) {
		if !strings.Contains(text, `"#/components/schemas/`+name+`"`) {
			t.Errorf("the schema %s is used nowhere", name)
		}
	}
}

// The page about the protocol names every method.
func TestPageNamesEveryMethod(t *testing.T) {
	page, err := os.ReadFile("../docs/engine.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range protocol() {
		if !strings.Contains(string(page), "`"+m.name+"`") {
			t.Errorf("docs/engine.md does not name %s", m.name)
		}
	}
}
