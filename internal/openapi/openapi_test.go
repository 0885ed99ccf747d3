package openapi

import (
	"os"
	"slices"
	"strings"
	"testing"

	"or3.chat/cloud/internal/recorded"
)

// Clients by which an operation or a member is used.
var since = []string{"base", "newer", "newest", "own"}

// Every operation says what it does, who may call it and for whom it is there. Every reference leads somewhere, and
// nothing is described that no operation uses.
func TestDescriptionIsWhole(t *testing.T) {
	d, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	ids := map[string]bool{}
	for name, op := range d.operations {
		id, _ := op.said["operationId"].(string)
		if id == "" || ids[id] {
			t.Errorf("%s has no operationId of its own: %q", name, id)
		}
		ids[id] = true
		if summary, _ := op.said["summary"].(string); summary == "" || strings.HasSuffix(summary, ".") {
			t.Errorf("%s: the summary %q is not a phrase", name, summary)
		}
		if description, _ := op.said["description"].(string); !strings.HasPrefix(description, "Caller: ") {
			t.Errorf("%s: the description does not begin with who may call it", name)
		}
		if x, _ := op.said["x-since"].(string); !slices.Contains(since, x) {
			t.Errorf("%s: x-since is %q and none of %v", name, x, since)
		}
		if _, ok := op.said["security"].([]any); !ok {
			t.Errorf("%s says nothing of security", name)
		}
		if len(op.said["responses"].(map[string]any)) == 0 {
			t.Errorf("%s has no answers", name)
		}
	}
	used := map[string]bool{}
	everyMember(d.root, func(name string, value any) {
		switch name {
		case "$ref":
			if _, ok := d.resolve(value.(string)); !ok {
				t.Errorf("there is no %s", value)
			}
			used[value.(string)] = true
		case "x-since":
			if !slices.Contains(since, value.(string)) {
				t.Errorf("x-since is %q and none of %v", value, since)
			}
		case "allOf": // what the parts of one do not know would be refused
			t.Error("the description uses allOf")
		}
	})
	for _, kind := range []string{"schemas", "responses"} {
		components, _ := d.resolve("#/components/" + kind)
		for name := range components {
			if ref := "#/components/" + kind + "/" + name; !used[ref] {
				t.Errorf("%s is not used", ref)
			}
		}
	}
}

// everyMember calls f with each member of each object in a document.
func everyMember(part any, f func(name string, value any)) {
	switch part := part.(type) {
	case map[string]any:
		for name, value := range part {
			if name == "properties" {
				for _, schema := range value.(map[string]any) {
					everyMember(schema, f)
				}
				continue
			}
			f(name, value)
			everyMember(value, f)
		}
	case []any:
		for _, entry := range part {
			everyMember(entry, f)
		}
	}
}

func TestLinesAreShort(t *testing.T) {
	root, err := recorded.Root()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(root + "/" + File)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for line := range strings.Lines(string(text)) {
		if n++; len(strings.TrimSuffix(line, "\n")) > 120 {
			t.Errorf("line %d has more than 120 bytes", n)
		}
	}
}

// What the clients and the server of February 2026 said to each other is as the description says, except for the
// members that came later.
func TestRecordedTrafficIsDescribed(t *testing.T) {
	d, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	checked := 0
	for _, e := range recorded.Exchanges(t) {
		path, _, _ := strings.Cut(e.Path, "?")
		op := d.Find(e.Method, path)
		if op == nil {
			if e.Status != 404 {
				t.Errorf("%s: %s %s is answered with %d and not described", e.Scenario, e.Method, path, e.Status)
			}
			continue
		}
		kind := "application/json"
		if e.Status == 200 && e.Request != nil {
			if err := op.CheckRequest(kind, e.Request, true); err != nil {
				t.Errorf("%s: the request of %s: %v\n%.300s", e.Scenario, op.Name, err, e.Request)
			}
			checked++
		}
		if e.Answer != nil {
			if err := op.CheckAnswer(e.Status, kind, e.Answer, true); err != nil {
				t.Errorf("%s: the answer %d of %s: %v\n%.300s", e.Scenario, e.Status, op.Name, err, e.Answer)
			}
			checked++
		} else if _, _, err := op.answer(e.Status); err != nil {
			t.Errorf("%s: %s: %v", e.Scenario, op.Name, err)
		}
	}
	if checked < 2000 {
		t.Errorf("only %d bodies were compared", checked)
	}
}

// What is wrong is found.
func TestDeviationsAreFound(t *testing.T) {
	d, err := Read()
	if err != nil {
		t.Fatal(err)
	}
	pull, list := d.Find("POST", "/api/sync/pull"), d.Find("GET", "/api/or3/admin/workspaces/active")
	if list == nil || list.Name != "GET /api/admin/workspaces/:id" || d.Find("GET", "/api/sync/pull") != nil {
		t.Fatalf("found %+v", list)
	}
	const base = `{"changes":[],"nextCursor":1,"hasMore":false`
	whole := base + `,"oldestRetainedVersion":0,"requiresSnapshot":false`
	for _, c := range []struct {
		status  int
		kind    string
		body    string
		earlier Earlier
		fine    bool
	}{
		{200, "application/json", whole + `}`, false, true},
		{200, "application/json; charset=utf-8", whole + `}`, false, true},
		{200, "application/json", base + `}`, false, false},
		{200, "application/json", base + `}`, true, true},
		{200, "application/json", whole + `,"unknown":1}`, false, false},
		{200, "application/json", whole + `,"unknown":1}`, true, false},
		{200, "application/json", `{}`, true, false},
		{200, "text/html", `<p>`, false, false},
		{201, "application/json", whole + `}`, false, false},
		{404, "application/json", `{"error":true,"url":"u","statusCode":404,"statusMessage":"m","message":"m"}`, false, true},
		{429, "application/json", `{"error":"m"}`, false, false},
	} {
		if err := pull.CheckAnswer(c.status, c.kind, []byte(c.body), c.earlier); (err == nil) != c.fine {
			t.Errorf("%d %s %s: %v", c.status, c.kind, c.body, err)
		}
	}
	for body, fine := range map[string]bool{
		`{"scope":{"workspaceId":"w"},"cursor":0,"limit":1}`:             true,
		`{"scope":{"workspaceId":"w"},"cursor":0,"limit":1,"unknown":1}`: true,
		`{"scope":{"workspaceId":"w"},"cursor":0,"limit":1001}`:          false,
		`{"scope":{},"cursor":0,"limit":1}`:                              false,
	} {
		if err := pull.CheckRequest("application/json", []byte(body), false); (err == nil) != fine {
			t.Errorf("%s: %v", body, err)
		}
	}
}
