package syncapi

import (
	"fmt"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/hosttest"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/syncschema"
)

// deep returns a kv payload that nests n levels deep, its object included.
func deep(n, depth int) string {
	return fmt.Sprintf(`{"value":%s%s,"id":"k%d","name":"n%d","created_at":1,"updated_at":1,"clock":1}`,
		strings.Repeat("[", depth-1), strings.Repeat("]", depth-1), n, n)
}

// What no client can take is refused as one op, in small bodies and in large ones.
func TestOneUnfitOpIsRefusedAlone(t *testing.T) {
	good := kvPayload(1)
	for name, op := range map[string]string{
		"too deep":                         kv(2, deep(2, syncschema.MaxDepth+1)),
		"deeper than the decoder goes":     kv(2, deep(2, 20_000)),
		"objects":                          kv(2, strings.Repeat(`{"a":`, 15_000)+`1`+strings.Repeat(`}`, 15_000)),
		"raw bytes in the payload":         kv(2, strings.Replace(kvPayload(2), `"n2"`, "\"n2\xff\"", 1)),
		"raw bytes in a name":              kv(2, strings.Replace(kvPayload(2), `"name"`, "\"x\xff\":1,\"name\"", 1)),
		"raw bytes in the pk":              strings.Replace(kv(2, good), `"pk":"k2"`, "\"pk\":\"k2\xc3\"", 1),
		"raw bytes in the hlc":             strings.Replace(kv(2, kvPayload(2)), `0mll3o9og`, "0mll3o9og\xed\xa0\x80", 1),
		"raw bytes in the device":          strings.Replace(kv(2, kvPayload(2)), `1a2b3c4d"`, "\xf5\"", 1),
		"raw bytes in the outbox id":       strings.Replace(kv(2, kvPayload(2)), `"id":"b"`, "\"id\":\"b\xff\"", 1),
		"raw bytes in an unknown member":   strings.Replace(kv(2, kvPayload(2)), `"x":[]`, "\"x\":[{\"a\":\"\xff\"}]", 1),
		"raw bytes in the name of another": strings.Replace(kv(2, kvPayload(2)), `"x":[]`, "\"x\xff\":1", 1),
	} {
		for _, padding := range []int{0, 1 << 20} {
			t.Run(fmt.Sprint(name, " ", padding), func(t *testing.T) {
				var seen or3cloud.PushRequest
				body := pushOf(kv(1, good), op, kv(3, kvPayload(3))) + strings.Repeat(" ", padding)
				w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleEditor), &adapter{push: accept(&seen)}), "POST", "/api/sync/push", body)
				if w.Code != 200 || len(seen.Ops) != 2 || seen.Ops[1].PK != "k3" || string(seen.Ops[0].Payload) != good {
					t.Fatalf("%d %s, %d ops reach the adapter", w.Code, w.Body, len(seen.Ops))
				}
				if want := `{"opId":"` + opID(2) + `","success":false,`; !strings.Contains(w.Body.String(), want) ||
					strings.Count(w.Body.String(), `"errorCode":"VALIDATION_ERROR"`) != 1 {
					t.Errorf("%s", w.Body)
				}
			})
		}
	}
}

// Depth elsewhere in a push does not matter, and a payload at the limit arrives as it was sent.
func TestDepthThatIsAllowed(t *testing.T) {
	var seen or3cloud.PushRequest
	payload := deep(1, syncschema.MaxDepth)
	op := strings.Replace(kv(1, payload), `"x":[]`, `"x":`+strings.Repeat("[", 50_000)+strings.Repeat("]", 50_000), 1)
	w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleEditor), &adapter{push: accept(&seen)}), "POST", "/api/sync/push", pushOf(op))
	if w.Code != 200 || len(seen.Ops) != 1 || string(seen.Ops[0].Payload) != payload {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// The other bodies are small and need no depth: 400, not an internal error.
func TestDeepBodiesOfOtherRoutes(t *testing.T) {
	body := strings.Repeat(`{"scope":`, 1500) + `1` + strings.Repeat("}", 1500)
	arrays := `{"tables":` + strings.Repeat("[", 8000) + strings.Repeat("]", 7000)
	for _, path := range []string{"pull", "snapshot", "update-cursor", "gc-tombstones", "gc-change-log", "push"} {
		for _, text := range []string{body, arrays, `{"scope":{"workspaceId":` + strings.Repeat("[", 12_000)} {
			w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleOwner), &fullAdapter{}), "POST", "/api/sync/"+path, text)
			if w.Code != 400 {
				t.Errorf("%s: %d %.80s", path, w.Code, w.Body)
			}
		}
	}
}

// Rows from before the check are left out of every answer, with a warning in the log.
func TestUnfitRowsStayOnTheServer(t *testing.T) {
	rows := [][]byte{[]byte(deep(1, 3000)), []byte(kvPayload(2)), []byte("{\"id\":\"\xff\"}")}
	rev := or3cloud.Revision{Clock: 1, HLC: "h", OpID: opID(9)}
	a := &fullAdapter{
		adapter: adapter{
			pull: func(_ or3cloud.PullRequest, emit func(*or3cloud.Change) error) (or3cloud.PullPage, error) {
				for i, payload := range rows {
					c := or3cloud.Change{ServerVersion: int64(i + 1), Table: "kv", PK: "k", Operation: or3cloud.OpPut, Payload: payload}
					if err := emit(&c); err != nil {
						return or3cloud.PullPage{}, err
					}
				}
				return or3cloud.PullPage{NextCursor: 3}, nil
			},
			push: func(in or3cloud.PushRequest) (or3cloud.PushResult, error) {
				res := or3cloud.PushResult{ServerVersion: 3}
				for i, op := range in.Ops {
					res.Results = append(res.Results, or3cloud.OpResult{
						OpID: op.Stamp.OpID, Success: true, ServerVersion: 3,
						Winner: &or3cloud.Winner{Operation: or3cloud.OpPut, Payload: rows[i], Revision: rev},
					})
				}
				return res, nil
			},
		},
		snapshot: func(_ or3cloud.SnapshotRequest, emit func(*or3cloud.SnapshotItem) error) (or3cloud.SnapshotPage, error) {
			for i, payload := range rows {
				it := or3cloud.SnapshotItem{Table: "kv", PK: fmt.Sprint("k", i), Operation: or3cloud.OpPut, Payload: payload, Revision: rev}
				if err := emit(&it); err != nil {
					return or3cloud.SnapshotPage{}, err
				}
			}
			return or3cloud.SnapshotPage{SnapshotID: "s", HighWatermark: 3}, nil
		},
	}
	for path, c := range map[string]struct{ body, want string }{
		"pull":     {`{"scope":{"workspaceId":"ws"},"cursor":0,"limit":10}`, `"serverVersion":2`},
		"snapshot": {`{"scope":{"workspaceId":"ws"},"pageSize":10}`, `"pk":"k1"`},
		"push":     {pushOf(kv(1, kvPayload(1)), kv(2, kvPayload(2)), kv(3, kvPayload(3))), `"winner":`},
	} {
		r := hosttest.NewRequest("POST", "/api/sync/"+path, c.body)
		var record httpapi.Record
		_, r = httpapi.WithRecord(nil, r, &record)
		w := hosttest.Send(t, routes(hosttest.Member(or3cloud.RoleOwner), a), r)
		text := w.Body.String()
		if w.Code != 200 || strings.Count(text, c.want) != 1 || strings.Contains(text, "[[") || strings.Contains(text, "\xff") {
			t.Errorf("%s: %d %.200s", path, w.Code, text)
		}
		if !strings.Contains(record.Warning, "left out 2 rows") {
			t.Errorf("%s: warning %q", path, record.Warning)
		}
	}
}
