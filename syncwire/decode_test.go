package syncwire

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"or3.chat/cloud/internal/recorded"
	"or3.chat/cloud/internal/syncschema"
)

// Every recorded op is valid, and its payload is the text that the client sent.
func TestDecodeTheRecordedPushes(t *testing.T) {
	ops := 0
	for n, body := range recorded.Pushes(t) {
		in, err := DecodePush(body)
		if err != nil {
			t.Fatalf("body %d: %v", n, err)
		}
		var plain struct {
			Scope struct{ WorkspaceID string }
			Ops   []struct {
				PK      string
				Payload json.RawMessage
				Stamp   struct {
					OpID  string
					Clock int64
				}
			}
		}
		if err := json.Unmarshal(body, &plain); err != nil {
			t.Fatal(err)
		}
		if len(in.Ops) != len(plain.Ops) || in.Scope.WorkspaceID != plain.Scope.WorkspaceID {
			t.Fatalf("body %d: %d ops", n, len(in.Ops))
		}
		for i := range in.Ops {
			op, want := &in.Ops[i], plain.Ops[i]
			if op.PK != want.PK || op.Stamp.OpID != want.Stamp.OpID || op.Stamp.Clock != want.Stamp.Clock || !bytes.Equal(op.Payload, want.Payload) {
				t.Errorf("body %d, op %d differs: %+v", n, i, op.Stamp)
			}
			if p := syncschema.Check(op); p != nil {
				t.Errorf("body %d, op %d: %s", n, i, p.Text)
			}
		}
		ops += len(in.Ops)
	}
	if ops != 3327 {
		t.Errorf("%d ops", ops)
	}
}

// Whatever arrives, decoding must not panic, and an accepted op must keep its payload as text of the body.
func FuzzDecodePush(f *testing.F) {
	f.Add([]byte(aPush))
	f.Add([]byte(`{"scope":{"workspaceId":"a"},"ops":[{"stamp":{"clock":1e400}},[],null,{"payload":{"a":1,"a":"\ud800"}}]}`))
	f.Add([]byte(`{"ops":[` + strings.Repeat("[", 100)))
	f.Add([]byte("{\"scope\":{\"workspaceId\":\"\xff\"},\"ops\":[]}"))
	f.Fuzz(func(t *testing.T, body []byte) {
		sent := bytes.Clone(body)
		in, err := DecodePush(sent)
		if !bytes.Equal(sent, body) {
			t.Error("the text was changed")
		}
		if err != nil {
			return
		}
		if strings.TrimSpace(in.Scope.WorkspaceID) == "" || len(in.Ops) > MaxOps {
			t.Fatalf("accepted %+v", in.Scope)
		}
		for i := range in.Ops {
			op := &in.Ops[i]
			if !bytes.Contains(body, op.Payload) {
				t.Errorf("payload %q is not in the body", op.Payload)
			}
			if p := syncschema.Check(op); p == nil && (op.Stamp.Clock < 0 || op.PK == "") {
				t.Errorf("op %+v passed", op)
			}
		}
	})
}

// aPush is a push with one op.
const (
	anID = "0f0e3c52-6a50-4b5e-8f3e-000000000001"
	anOp = `{"tableName":"kv","operation":"put","pk":"kv:1",` +
		`"payload":{"id":"kv:1","name":"1","value":"v","created_at":1,"updated_at":1,"clock":1,"deleted":false},` +
		`"stamp":{"deviceId":"d","opId":"` + anID + `","hlc":"0000000001:0000:d","clock":1}}`
	aPush = `{"scope":{"workspaceId":"ws"},"ops":[` + anOp + `]}`
)

func BenchmarkDecodePush(b *testing.B) {
	bodies := recorded.Pushes(b)
	size := 0
	for _, body := range bodies {
		size += len(body)
	}
	b.SetBytes(int64(size))
	b.ReportAllocs()
	for b.Loop() {
		for _, body := range bodies {
			if _, err := DecodePush(body); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N)/3327, "µs/op-in-push")
}
