package syncwire

import (
	"slices"
	"strings"
	"testing"

	"github.com/go-json-experiment/json"

	or3cloud "or3.chat/cloud"
)

// TestJudge checks that every op ends up either among the valid ones or among the refusals.
func TestJudge(t *testing.T) {
	good, bad, unnamed := anOp, strings.Replace(anOp, `"put"`, `"move"`, 1), strings.Replace(anOp, anID, "x", 1)
	notText := strings.Replace(anOp, `"v"`, "\"\xff\"", 1)
	in, err := DecodePush([]byte(`{"scope":{"workspaceId":"ws"},"ops":[` + strings.Join([]string{bad, good, unnamed, notText, good}, ",") + `]}`))
	if err != nil {
		t.Fatal(err)
	}
	results := make([]or3cloud.OpResult, len(in.Ops))
	valid, places := in.Judge(results)
	if len(valid) != 2 || !slices.Equal(places, []int{1, 4}) || valid[0].Stamp.OpID != anID {
		t.Errorf("%d valid ops at %v", len(valid), places)
	}
	for i, id := range []string{anID, "", "invalid-op-2", anID, ""} {
		if r := results[i]; r.OpID != id || r.Success || (id == "") != (r.ErrorCode == "") {
			t.Errorf("op %d: %+v", i, r)
		}
	}
}

func TestRequests(t *testing.T) {
	for text, want := range map[string]bool{
		`{"scope":{"workspaceId":"a"},"cursor":0,"limit":1000}`:                                 true,
		`{"scope":{"workspaceId":"a"},"cursor":0.0,"limit":1e3,"workspaceItemCapability":"v1"}`: true,
		`{"scope":{"workspaceId":" "},"cursor":0,"limit":1}`:                                    false,
		`{"scope":{"workspaceId":"a"},"limit":1}`:                                               false,
		`{"scope":{"workspaceId":"a"},"cursor":-1,"limit":1}`:                                   false,
		`{"scope":{"workspaceId":"a"},"cursor":0,"limit":1001}`:                                 false,
		`{"scope":{"workspaceId":"a"},"cursor":0,"limit":1,"fileKindCapability":"v2"}`:          false,
	} {
		var p Pull
		if err := json.Unmarshal([]byte(text), &p); err != nil || p.OK() != want {
			t.Errorf("%s: %v, %v", text, p.OK(), err)
		}
	}
	for text, want := range map[string]bool{
		`{"scope":{"workspaceId":"a"},"pageSize":1}`:                                                           true,
		`{"scope":{"workspaceId":"a"},"pageSize":1,"pageToken":"t"}`:                                           true,
		`{"scope":{"workspaceId":"a"},"pageSize":1,"pageToken":""}`:                                            false,
		`{"scope":{"workspaceId":"a"},"pageSize":1,"pageToken":"` + strings.Repeat("t", MaxPageToken+1) + `"}`: false,
		`{"scope":{"workspaceId":"a"},"pageSize":0}`:                                                           false,
	} {
		var s Snapshot
		if err := json.Unmarshal([]byte(text), &s); err != nil || s.OK() != want {
			t.Errorf("%.80s: %v, %v", text, s.OK(), err)
		}
	}
	if tables, nothing := (TableFilter{"kv", "nonsense", "kv"}).Known(); nothing || !slices.Equal(tables, []string{"kv"}) {
		t.Errorf("%v, %v", tables, nothing)
	}
	if _, nothing := (TableFilter{"nonsense"}).Known(); !nothing {
		t.Error("a filter of unknown tables would mean all of them")
	}
}
