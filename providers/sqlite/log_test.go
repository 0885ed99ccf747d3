package sqlite

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// An operator sees every stored entry, with what has happened to it, no matter whom it is for.
func TestTheLogIsShownAsItIsStored(t *testing.T) {
	s, _ := openTest(t)
	user, ws := workspaceOf(t, s)
	n := 0
	push := func(table string, operation or3cloud.Operation, pk string, clock int64, payload string) {
		t.Helper()
		n++
		op := or3cloud.Op{Table: table, Operation: operation, PK: pk, Stamp: or3cloud.Stamp{DeviceID: "d", OpID: fmt.Sprintf("00000000-0000-4000-8000-%012x", n), HLC: "h", Clock: clock}}
		if operation == or3cloud.OpPut {
			op.Payload = []byte(payload)
		}
		if p := syncschema.Check(&op); p != nil {
			t.Fatal(p.Text)
		}
		if res, err := pushOps(s, user, ws, op); err != nil || !res.Results[0].Success {
			t.Fatal(res, err)
		}
	}
	thread := func(clock int64) string {
		return fmt.Sprintf(`{"id":"a","status":"ready","deleted":false,"pinned":false,"created_at":1,"updated_at":1,"clock":%d}`, clock)
	}
	kv := func(pk, name string, clock int64) string {
		return fmt.Sprintf(`{"id":%q,"name":%q,"created_at":1,"updated_at":1,"clock":%d,"deleted":false}`, pk, name, clock)
	}
	push(or3cloud.TableThreads, or3cloud.OpPut, "a", 5, thread(5))
	push(or3cloud.TableThreads, or3cloud.OpPut, "a", 1, thread(1))
	push(or3cloud.TableThreads, or3cloud.OpDelete, "a", 6, "")
	push(or3cloud.TableNotifications, or3cloud.OpPut, "n", 1, fmt.Sprintf(`{"id":"n","user_id":%q,"type":"t","title":"","created_at":1,"updated_at":1,"clock":1,"deleted":false}`, user))
	push(or3cloud.TableKV, or3cloud.OpPut, "x", 1, kv("x", "theme", 1))
	push(or3cloud.TableKV, or3cloud.OpPut, "kv:theme", 1, kv("kv:theme", "theme", 1)) // with a put of the server before it, which is pinned
	renamed, err := s.ReadLog(t.Context(), ws, 6, 1)
	var change struct{ Stamp or3cloud.Stamp }
	if err != nil || json.Unmarshal(renamed[0].Change, &change) != nil {
		t.Fatal(renamed, err)
	}
	clock := change.Stamp.Clock + 1
	push(or3cloud.TableKV, or3cloud.OpPut, "x", clock, kv("x", "another", clock))

	for _, limit := range []int{1, 3, 1000} {
		var got []string
		for from := int64(0); ; {
			page, err := s.ReadLog(t.Context(), ws, from, limit)
			if err != nil || len(page) > limit {
				t.Fatal(len(page), err)
			}
			if len(page) == 0 {
				break
			}
			for _, e := range page {
				var change struct {
					ServerVersion int64
					PK            string
					Op            or3cloud.Operation
				}
				if err := json.Unmarshal(e.Change, &change); err != nil || change.ServerVersion != e.Version || e.AcceptedAt.IsZero() || !strings.Contains(e.Place, "blocks") {
					t.Errorf("%v: %+v %s", err, e, e.Change)
				}
				got = append(got, fmt.Sprintf("%d %s %s %s after %d of %t", e.Version, change.Op, change.PK, e.Mark, e.Replaced, e.OwnerID == user))
				from = e.Version + 1
			}
		}
		want := "1 put a replaced after 0 of false|2 put a lost after 0 of false|3 delete a winner after 1 of false|4 put n winner after 0 of true|" +
			"5 put x replaced after 0 of false|6 put x pinned after 5 of false|7 put kv:theme winner after 0 of false|8 put x winner after 6 of false"
		if text := strings.Join(got, "|"); text != want {
			t.Errorf("pages of %d:\n%s\nwant\n%s", limit, text, want)
		}
	}
	if _, err := s.ReadLog(t.Context(), "unknown", 1, 1); or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
		t.Errorf("an unknown workspace: %v", err)
	}
	for _, from := range []int64{9, 1 << 43, 1 << 62} {
		if page, err := s.ReadLog(t.Context(), ws, from, 1); len(page) != 0 || err != nil {
			t.Errorf("from %d: %v %v", from, page, err)
		}
	}
}
