package webhook

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode/utf16"

	or3cloud "or3.chat/cloud"
)

func TestEvents(t *testing.T) {
	at := time.UnixMilli(1_771_000_000_123)
	for name, c := range map[string]struct {
		op   or3cloud.AppliedOp
		data string // "" if there is no event
	}{
		or3cloud.EventThreadCreated: {
			or3cloud.AppliedOp{Table: "threads", Operation: "put", Payload: []byte(`{"title":"Hi","status":"ready","deleted":false,"pinned":true,"created_at":1,"updated_at":2}`)},
			`{"id":"pk","title":"Hi","status":"ready","deleted":false,"pinned":true,"created_at":1,"updated_at":2}`,
		},
		or3cloud.EventThreadUpdated: {
			or3cloud.AppliedOp{Table: "threads", Operation: "put", Existed: true, Payload: []byte(`{"title":null,"status":7}`)},
			`{"id":"pk","title":null,"status":null,"deleted":false,"pinned":false,"created_at":null,"updated_at":1771000000}`,
		},
		or3cloud.EventThreadDeleted: {
			or3cloud.AppliedOp{Table: "threads", Operation: "delete", Existed: true},
			`{"id":"pk","title":null,"status":null,"deleted":true,"pinned":false,"created_at":null,"updated_at":1771000000}`,
		},
		or3cloud.EventMessageCreated: {
			or3cloud.AppliedOp{Table: "messages", Operation: "put", Payload: []byte(`{"thread_id":"t","role":"user","data":{"content":"Hello \ud83d"},"index":1000,"order_key":"k","created_at":1.5,"updated_at":2,"deleted":false}`)},
			`{"id":"pk","thread_id":"t","role":"user","content":"Hello ` + "\uFFFD" + `","deleted":false,"index":1000,"order_key":"k","created_at":1.5,"updated_at":2}`,
		},
		or3cloud.EventMessageUpdated: {
			or3cloud.AppliedOp{Table: "messages", Operation: "put", Existed: true, Payload: []byte(`{"thread_id":"t","role":"assistant","content":"top","data":"x","updated_at":2,"deleted":true}`)},
			`{"id":"pk","thread_id":"t","role":"assistant","content":"top","deleted":true,"index":null,"order_key":null,"created_at":null,"updated_at":2}`,
		},
		or3cloud.EventDocumentCreated: {
			or3cloud.AppliedOp{Table: "posts", Operation: "put", Payload: []byte(`{"title":"D","content":"a\ud83d\ude00","updated_at":2}`)},
			`{"id":"pk","title":"D","content_length":3,"deleted":false,"created_at":null,"updated_at":2}`,
		},
		or3cloud.EventDocumentUpdated: {
			or3cloud.AppliedOp{Table: "posts", Operation: "put", Existed: true, Payload: []byte(`{"content":1}`)},
			`{"id":"pk","title":null,"content_length":null,"deleted":false,"created_at":null,"updated_at":1771000000}`,
		},
		or3cloud.EventDocumentDeleted: {
			or3cloud.AppliedOp{Table: "posts", Operation: "put", Existed: true, Payload: []byte(`{"title":"D","content":"","deleted":true}`)},
			`{"id":"pk","title":"D","content_length":0,"deleted":true,"created_at":null,"updated_at":1771000000}`,
		},
		or3cloud.EventNotification: {
			or3cloud.AppliedOp{Table: "notifications", Operation: "put", OwnerID: "user", Payload: []byte(`{"type":"x","title":"N","body":"B","thread_id":"t","created_at":1,"updated_at":2}`)},
			`{"id":"pk","user_id":"user","thread_id":"t","document_id":null,"type":"x","title":"N","body":"B","read_at":null,"created_at":1,"updated_at":2}`,
		},
		"a notification that was read": {op: or3cloud.AppliedOp{Table: "notifications", Operation: "put", Existed: true, OwnerID: "user", Payload: []byte(`{"read_at":1}`)}},
		"a notification that is gone":  {op: or3cloud.AppliedOp{Table: "notifications", Operation: "delete", Existed: true, OwnerID: "user"}},
		"a file":                       {op: or3cloud.AppliedOp{Table: "file_meta", Operation: "put", Payload: []byte(`{}`)}},
		"a setting":                    {op: or3cloud.AppliedOp{Table: "kv", Operation: "put", Payload: []byte(`{}`)}},
		"a project":                    {op: or3cloud.AppliedOp{Table: "projects", Operation: "put", Payload: []byte(`{}`)}},
	} {
		c.op.PK, c.op.At = "pk", at
		hook := or3cloud.Webhook{ID: "w", UserID: "user", WorkspaceID: "ws", Events: or3cloud.UserEvents[:]}
		d, err := engine(t).delivery(&hook, &c.op)
		if err != nil || (d == nil) != (c.data == "") {
			t.Errorf("%s: %+v, %v", name, d, err)
			continue
		}
		if d == nil {
			continue
		}
		want := `{"event":"` + name + `","event_id":"` + d.EventID + `","timestamp":"2026-02-13T16:26:40.123Z","workspace_id":"ws","user_id":"user","data":` + c.data + `}`
		if d.Event != name || string(d.Body) != want || d.Status != or3cloud.DeliveryPending || d.Attempt != 1 {
			t.Errorf("%s:\n got %s\nwant %s", name, d.Body, want)
		}
		hook.Events = []string{or3cloud.EventMessageCompleted}
		if d, err := engine(t).delivery(&hook, &c.op); d != nil || err != nil {
			t.Errorf("%s, which was not asked for: %+v, %v", name, d, err)
		}
	}
}

// A completed answer is reported with its ids alone, and only to webhooks that ask for it.
func TestCompletedMessages(t *testing.T) {
	at := time.UnixMilli(1_771_000_000_123)
	for want, m := range map[string]or3cloud.CompletedMessage{
		`{"thread_id":"t","message_id":"m","model_id":"x/y","job_id":"j","completed_at":"2026-02-13T16:26:40.123Z"}`: {WorkspaceID: "ws", ThreadID: "t", MessageID: "m", ModelID: "x/y", JobID: "j", At: at},
		`{"thread_id":"t","message_id":"m","model_id":null,"job_id":null,"completed_at":"2026-02-13T16:26:40.123Z"}`: {WorkspaceID: "ws", ThreadID: "t", MessageID: "m", At: at},
	} {
		hook := or3cloud.Webhook{ID: "w", UserID: "user", WorkspaceID: "ws", Events: []string{or3cloud.EventMessageCompleted}}
		d, err := engine(t).completion(&hook, &m)
		if err != nil || d == nil {
			t.Fatal(d, err)
		}
		want = `{"event":"message.completed","event_id":"` + d.EventID + `","timestamp":"2026-02-13T16:26:40.123Z","workspace_id":"ws","user_id":"user","data":` + want + `}`
		if string(d.Body) != want || d.Event != or3cloud.EventMessageCompleted {
			t.Errorf("\n got %s\nwant %s", d.Body, want)
		}
		hook.Events = []string{or3cloud.EventMessageUpdated}
		if d, err := engine(t).completion(&hook, &m); d != nil || err != nil {
			t.Errorf("which was not asked for: %+v, %v", d, err)
		}
	}
}

// However large a row is, the body stays within a limit.
func TestBodiesAreBounded(t *testing.T) {
	long := strings.Repeat("\u0001😀", 1<<20)
	digits := json.RawMessage("0." + strings.Repeat("0", 1<<20) + "1")
	payload, err := json.Marshal(map[string]any{"index": digits, "created_at": digits, "updated_at": digits, "read_at": digits, "title": long, "status": long, "thread_id": long, "role": long, "order_key": long, "data": map[string]string{"content": long}})
	if err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{or3cloud.TableThreads, or3cloud.TableMessages, or3cloud.TablePosts, or3cloud.TableNotifications} {
		op := or3cloud.AppliedOp{Table: table, Operation: or3cloud.OpPut, PK: "pk", Payload: payload}
		d, err := engine(t).delivery(&or3cloud.Webhook{Events: or3cloud.UserEvents[:]}, &op)
		if err != nil || len(d.Body) > 100<<10 || !json.Valid(d.Body) {
			t.Errorf("%s: %d bytes, %v", table, len(d.Body), err)
		}
	}
	for _, text := range []string{"", strings.Repeat("a", maxText+1), strings.Repeat("é", maxText), strings.Repeat("😀", maxText), long} {
		got := cut(text)
		if n := len(utf16.Encode([]rune(got))); !strings.HasPrefix(text, got) || n > maxText || n < maxText-1 && got != text {
			t.Errorf("%d units are kept of %d bytes", n, len(text))
		}
	}
}

// FuzzDelivery creates deliveries from arbitrary payloads.
func FuzzDelivery(f *testing.F) {
	for _, seed := range []string{`{"title":"a"}`, `{"data":{"content":"\ud83d"},"deleted":true}`, `[]`, ``, `{"index":1e999}`, "{\"title\":\"\xff\"}"} {
		f.Add([]byte(seed))
	}
	hook := or3cloud.Webhook{Events: or3cloud.UserEvents[:]}
	e := engine(f)
	f.Fuzz(func(t *testing.T, payload []byte) {
		for _, table := range or3cloud.SyncTables {
			op := or3cloud.AppliedOp{Table: table, Operation: or3cloud.OpPut, PK: "pk", Payload: payload}
			d, err := e.delivery(&hook, &op)
			if err != nil {
				t.Fatal(err)
			}
			if d != nil && !json.Valid(d.Body) {
				t.Errorf("%s", d.Body)
			}
		}
	})
}
