package syncwire

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	or3cloud "or3.chat/cloud"
)

func TestGenerations(t *testing.T) {
	var in AdmissionEnvelope
	text := `{"version":1.0,"kind":"continuation","admissionId":"x","generationId":"g","workspaceId":"w","threadId":"t","messageId":"a",
		"thread":null,"assistantMessage":{"id":"a","data":"\ud83d"},"expectedAssistant":{"clock":1e3,"generationId":"f"},"more":[]}`
	if err := json.Unmarshal([]byte(text), &in); err != nil {
		t.Fatal(err)
	}
	got, err := in.Generation("ann")
	want := or3cloud.ChatGeneration{
		Kind: or3cloud.Continuation, WorkspaceID: "w", UserID: "ann", AdmissionID: "x", GenerationID: "g", ThreadID: "t", MessageID: "a",
		AssistantMessage: []byte(`{"id":"a","data":"\ud83d"}`), Expected: &or3cloud.ExpectedAssistant{Clock: 1000, GenerationID: "f"},
	}
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v: %s", err, diff)
	}
	in.Version = 2
	if got, err := in.Generation("ann"); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
		t.Errorf("another version: %+v, %v", got, err)
	}

	var end GenerationSnapshot
	text = `{"status":"error","content":"\ud83d","reasoning":null,"toolCalls":[1],"error":"x","completedAt":1771000005123}`
	if err := json.Unmarshal([]byte(text), &end); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(or3cloud.GenerationSnapshot{
		Status: or3cloud.GenerationError, Content: []byte(`"\ud83d"`), ToolCalls: []byte(`[1]`), Error: []byte(`"x"`),
		CompletedAt: time.UnixMilli(1771000005123),
	}, end.Snapshot()); diff != "" {
		t.Error(diff)
	}
}
