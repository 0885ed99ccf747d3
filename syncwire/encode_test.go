package syncwire

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
)

func TestTextsAreQuoted(t *testing.T) {
	for _, s := range []string{"", "plain-id", "sha256:ab", "a\"b", `a\b`, "\x00\x1f\x7f", "ü", "\u2028", "🙂", "<&>"} {
		want, _ := jsontext.AppendQuote(nil, s)
		if got := appendText(nil, s); string(got) != string(want) {
			t.Errorf("%q: %s, want %s", s, got, want)
		}
	}
}

// FuzzEncode checks that whatever a store holds comes out as equivalent JSON, whether copied or shared.
func FuzzEncode(f *testing.F) {
	f.Add("kv", "kv:1", "op", "hlc", `{"a":1}`, int64(1), int64(2), true, true)
	f.Add("\"", "\u2028", "\\", "\x00", `"ü"`, int64(-1), int64(1)<<53, false, true)
	f.Fuzz(func(t *testing.T, table, pk, opID, hlc, payload string, version, clock int64, put, applied bool) {
		payload = strings.TrimSpace(payload)
		if !jsontext.Value(payload).IsValid() || !utf8.ValidString(table+"|"+pk+"|"+opID+"|"+hlc) {
			return
		}
		at := time.Unix(clock%(1<<32), 0)
		op := or3cloud.OpDelete
		if put {
			op = or3cloud.OpPut
		}
		rev := or3cloud.Revision{Clock: clock, HLC: hlc, OpID: opID}
		type revision struct {
			Clock     int64
			HLC, OpID string
		}
		decode := func(text []byte, into any) {
			t.Helper()
			if err := json.Unmarshal(text, into, json.MatchCaseInsensitiveNames(true)); err != nil {
				t.Fatalf("%s: %v", text, err)
			}
		}

		change := or3cloud.Change{ServerVersion: version, Table: table, PK: pk, Operation: op, Payload: []byte(payload),
			Stamp: or3cloud.Stamp{DeviceID: pk, OpID: opID, HLC: hlc, Clock: clock}}
		var pull struct {
			Changes []struct {
				ServerVersion     int64
				TableName, PK, Op string
				Payload           jsontext.Value
				Stamp             struct {
					DeviceID, OpID, HLC string
					Clock               int64
				}
			}
			NextCursor int64
		}
		decode(AppendPullEnd(AppendChange([]byte(PullBegin), &change), or3cloud.PullPage{NextCursor: version}), &pull)
		if c := pull.Changes[0]; c.ServerVersion != version || c.TableName != table || c.PK != pk || c.Op != string(op) ||
			string(c.Payload) != payload || c.Stamp.DeviceID != pk || c.Stamp.OpID != opID || c.Stamp.HLC != hlc || c.Stamp.Clock != clock {
			t.Errorf("%+v became %+v", change, c)
		}

		item := or3cloud.SnapshotItem{Table: table, PK: pk, Operation: op, Payload: []byte(payload), Revision: rev, DeletedAt: at}
		var snapshot struct {
			Items []struct {
				Kind, TableName, PK string
				Payload             jsontext.Value
				Revision            revision
			}
			NextPageToken *string
		}
		decode(AppendSnapshotEnd(AppendItem([]byte(SnapshotBegin), &item), pk, or3cloud.SnapshotPage{SnapshotID: opID}), &snapshot)
		if it := snapshot.Items[0]; it.TableName != table || it.PK != pk || it.Revision != revision(rev) || put != (string(it.Payload) == payload) {
			t.Errorf("%+v became %+v", item, it)
		}

		result := or3cloud.OpResult{OpID: opID, Success: true, ServerVersion: version, Applied: applied, Replayed: !put}
		if !applied {
			result.Winner = &or3cloud.Winner{Operation: op, Payload: []byte(payload), Revision: rev, DeletedAt: at}
		}
		var push struct {
			Results []struct {
				OpID     string
				Applied  bool
				Replayed bool
				Payload  jsontext.Value
				Winner   *struct {
					Kind     string
					Payload  jsontext.Value
					Revision revision
				}
			}
			ServerVersion int64
		}
		text := AppendResult([]byte(PushBegin), &result)
		decode(AppendPushEnd(text, version), &push)
		switch r := push.Results[0]; {
		case r.OpID != opID || r.Applied != applied || r.Replayed != !put || (r.Winner == nil) != applied:
			t.Errorf("%+v became %+v", result, r)
		case r.Winner != nil && (r.Winner.Kind != string(op) || r.Winner.Revision != revision(rev)):
			t.Errorf("%+v became %+v", result.Winner, r.Winner)
		case r.Winner != nil && put && (string(r.Payload) != payload || string(r.Winner.Payload) != payload):
			t.Errorf("payload %s became %s and %s", payload, r.Payload, r.Winner.Payload)
		}
	})
}

func TestResults(t *testing.T) {
	rev := or3cloud.Revision{Clock: 7, HLC: "h", OpID: "w"}
	for want, r := range map[string]or3cloud.OpResult{
		`{"opId":"a","success":false,"error":"no","errorCode":"VALIDATION_ERROR"}`: {OpID: "a", Error: "no", ErrorCode: or3cloud.OpErrorValidation},
		`{"opId":"a","success":true,"serverVersion":3,"applied":true}`:             {OpID: "a", Success: true, ServerVersion: 3, Applied: true},
		`{"opId":"a","success":true,"serverVersion":3}`:                            {OpID: "a", Success: true, ServerVersion: 3, Replayed: true},
		`{"opId":"a","success":true,"serverVersion":3,"applied":false,"payload":{},"winner":{"kind":"put","payload":{},"revision":{"clock":7,"hlc":"h","opId":"w"}}}`: {
			OpID: "a", Success: true, ServerVersion: 3, Winner: &or3cloud.Winner{Operation: or3cloud.OpPut, Payload: []byte(`{}`), Revision: rev}},
		`{"opId":"a","success":true,"serverVersion":3,"applied":false,"replayed":true,"winner":{"kind":"delete","revision":{"clock":7,"hlc":"h","opId":"w"},"serverDeletedAt":5}}`: {
			OpID: "a", Success: true, ServerVersion: 3, Replayed: true, Winner: &or3cloud.Winner{Operation: or3cloud.OpDelete, Revision: rev, DeletedAt: time.Unix(5, 0)}},
	} {
		if got := string(AppendResult(nil, &r)); got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
}
