package syncapi

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/hosttest"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/syncwire"
)

// adapter answers as told; real adapters are tested with the real host. It has no optional abilities.
type adapter struct {
	push   func(or3cloud.PushRequest) (or3cloud.PushResult, error)
	pull   func(or3cloud.PullRequest, func(*or3cloud.Change) error) (or3cloud.PullPage, error)
	cursor func(or3cloud.CursorUpdate) error
}

func (a *adapter) Push(_ context.Context, in or3cloud.PushRequest) (or3cloud.PushResult, error) {
	return a.push(in)
}

func (a *adapter) Pull(_ context.Context, in or3cloud.PullRequest, emit func(*or3cloud.Change) error) (or3cloud.PullPage, error) {
	return a.pull(in, emit)
}

func (a *adapter) UpdateCursor(_ context.Context, in or3cloud.CursorUpdate) error {
	return a.cursor(in)
}

// fullAdapter also has snapshots and collection.
type fullAdapter struct {
	adapter
	snapshot func(or3cloud.SnapshotRequest, func(*or3cloud.SnapshotItem) error) (or3cloud.SnapshotPage, error)
	gc       func(string, or3cloud.SyncGCRequest) error
}

func (a *fullAdapter) Snapshot(_ context.Context, in or3cloud.SnapshotRequest, emit func(*or3cloud.SnapshotItem) error) (or3cloud.SnapshotPage, error) {
	return a.snapshot(in, emit)
}

func (a *fullAdapter) GCChangeLog(_ context.Context, in or3cloud.SyncGCRequest) error {
	return a.gc("log", in)
}

func (a *fullAdapter) GCTombstones(_ context.Context, in or3cloud.SyncGCRequest) error {
	return a.gc("tombstones", in)
}

func limits(overrides string) *middleware.Limits {
	return middleware.NewLimits(time.Now, overrides, false)
}

func routes(h *hosttest.Host, a or3cloud.SyncGatewayAdapter) []or3cloud.Route {
	return New(Options{Host: h, Limits: limits(""), Adapter: a}).Routes()
}

// accept answers every op with the next version.
func accept(seen *or3cloud.PushRequest) func(or3cloud.PushRequest) (or3cloud.PushResult, error) {
	return func(in or3cloud.PushRequest) (or3cloud.PushResult, error) {
		*seen = in
		res := or3cloud.PushResult{ServerVersion: int64(len(in.Ops))}
		for i, op := range in.Ops {
			res.Results = append(res.Results, or3cloud.OpResult{
				OpID: op.Stamp.OpID, Success: true, Applied: true, ServerVersion: int64(i + 1),
			})
		}
		return res, nil
	}
}

func opID(n int) string { return fmt.Sprintf("0f0e3c52-6a50-4b5e-8f3e-%012d", n) }

// kv is a valid op.
func kv(n int, payload string) string {
	return fmt.Sprintf(`{"id":"b","tableName":"kv","operation":"put","pk":"k%d","payload":%s,"stamp":{"deviceId":"1a2b3c4d",`+
		`"opId":%q,"hlc":"0mll3o9og:000:1a2b3c4d","clock":1},"createdAt":1,"attempts":0,"status":"retry_wait","x":[]}`, n, payload, opID(n))
}

func kvPayload(n int) string {
	return fmt.Sprintf(`{"id":"k%d","name":"n%d","value":"\ud83d","created_at":1,"updated_at":1,"clock":1,  "value":2}`, n, n)
}

func pushOf(ops ...string) string {
	return `{"scope":{"workspaceId":"ws","x":1},"fileKindCapability":"v1","unknown":{"a":[1]},"ops":[` + strings.Join(ops, ",") + `]}`
}

func TestPushAnswerIsTheBaseShapePlusApplied(t *testing.T) {
	var seen or3cloud.PushRequest
	w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleEditor), &adapter{push: accept(&seen)}), "POST", "/api/sync/push", pushOf(kv(1, kvPayload(1))))
	want := `{"results":[{"opId":"` + opID(1) + `","success":true,"serverVersion":1,"applied":true}],"serverVersion":1}`
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	h := w.Header()
	if h.Get("X-RateLimit-Limit") != "600" || h.Get("X-RateLimit-Remaining") != "600" || h.Get("Pragma") != "no-cache" ||
		h.Get("Cache-Control") != "no-store, no-cache, must-revalidate" || h.Get("Content-Length") != fmt.Sprint(len(want)) {
		t.Error(h)
	}
	if seen.UserID != "user" || seen.Scope.WorkspaceID != "ws" {
		t.Errorf("%+v", seen)
	}
}

// Contract, sync §10.9: a client that says nothing is served as well; it only must not overwrite what it does not know.
// The answer is never 426, which would stop a base client permanently.
func TestPushSaysWhetherTheClientKnowsWorkspaceItems(t *testing.T) {
	for capability, want := range map[string]bool{
		``: false, `"workspaceItemCapability":null,`: false, `"fileKindCapability":"v1",`: false, `"workspaceItemCapability":"v1",`: true,
	} {
		var seen or3cloud.PushRequest
		body := `{` + capability + `"scope":{"workspaceId":"ws"},"ops":[` + kv(1, kvPayload(1)) + `]}`
		w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleEditor), &adapter{push: accept(&seen)}), "POST", "/api/sync/push", body)
		if w.Code != 200 || seen.WorkspaceItems != want {
			t.Errorf("%s: %d %v", capability, w.Code, seen.WorkspaceItems)
		}
	}
}

// Sync Pitfall 17, and duplicate names inside payloads: the text is passed on as it came.
func TestPayloadsStayByteForBytePitfall17(t *testing.T) {
	var seen or3cloud.PushRequest
	payload := kvPayload(7)
	w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleEditor), &adapter{push: accept(&seen)}), "POST", "/api/sync/push", pushOf(kv(7, payload)))
	if w.Code != 200 || len(seen.Ops) != 1 || string(seen.Ops[0].Payload) != payload {
		t.Fatalf("%d %s %+v", w.Code, w.Body, seen)
	}
}

// Sync Pitfall 2: one bad op never takes its batch down.
func TestOpsAreJudgedAlonePitfall2(t *testing.T) {
	good1, good2 := kv(1, kvPayload(1)), kv(2, kvPayload(2))
	for name, c := range map[string]struct{ op, id, code string }{
		"unknown table":          {strings.Replace(kv(9, kvPayload(9)), `"kv"`, `"users"`, 1), opID(9), "VALIDATION_ERROR"},
		"unknown operation":      {strings.Replace(kv(9, kvPayload(9)), `"put"`, `"patch"`, 1), opID(9), "VALIDATION_ERROR"},
		"missing pk":             {strings.Replace(kv(9, kvPayload(9)), `"pk":"k9"`, `"pk":null`, 1), opID(9), "VALIDATION_ERROR"},
		"broken pk":              {strings.Replace(kv(9, kvPayload(9)), `"pk":"k9"`, `"pk":"\ud83d"`, 1), opID(9), "VALIDATION_ERROR"},
		"long pk":                {strings.Replace(kv(9, kvPayload(9)), `"pk":"k9"`, `"pk":"`+strings.Repeat("x", 1025)+`"`, 1), opID(9), "VALIDATION_ERROR"},
		"payload not an object":  {kv(9, `[]`), opID(9), "VALIDATION_ERROR"},
		"payload missing":        {strings.Replace(kv(9, `1`), `"payload":1,`, ``, 1), opID(9), "VALIDATION_ERROR"},
		"payload does not fit":   {kv(9, `{"id":"k9"}`), opID(9), "VALIDATION_ERROR"},
		"negative clock":         {strings.Replace(kv(9, kvPayload(9)), `"clock":1},`, `"clock":-1},`, 1), opID(9), "VALIDATION_ERROR"},
		"fractional clock":       {strings.Replace(kv(9, kvPayload(9)), `"clock":1},`, `"clock":1.5},`, 1), opID(9), "VALIDATION_ERROR"},
		"clock of another type":  {strings.Replace(kv(9, kvPayload(9)), `"clock":1},`, `"clock":{"a":1}},`, 1), opID(9), "VALIDATION_ERROR"},
		"unsafe clock":           {strings.Replace(kv(9, kvPayload(9)), `"clock":1},`, `"clock":9007199254740992},`, 1), opID(9), "VALIDATION_ERROR"},
		"op id is not a UUID":    {strings.Replace(kv(9, kvPayload(9)), opID(9), "zzz", 1), "invalid-op-1", "VALIDATION_ERROR"},
		"op id of another type":  {strings.Replace(kv(9, kvPayload(9)), `"`+opID(9)+`"`, "5", 1), "invalid-op-1", "VALIDATION_ERROR"},
		"no stamp":               {`{"tableName":"kv","operation":"put","pk":"a"}`, "invalid-op-1", "VALIDATION_ERROR"},
		"stamp of another type":  {`{"tableName":"kv","operation":"put","pk":"a","stamp":[]}`, "invalid-op-1", "VALIDATION_ERROR"},
		"not an object":          {`"op"`, "invalid-op-1", "VALIDATION_ERROR"},
		"null":                   {`null`, "invalid-op-1", "VALIDATION_ERROR"},
		"larger than any record": {kv(9, `{"id":"k9","name":"`+strings.Repeat("x", 4<<20)+`"}`), opID(9), "OVERSIZED"},
	} {
		t.Run(name, func(t *testing.T) {
			var seen or3cloud.PushRequest
			r := hosttest.NewRequest("POST", "/api/sync/push", pushOf(good1, c.op, good2))
			w := hosttest.Send(t, routes(hosttest.Member(or3cloud.RoleOwner), &adapter{push: accept(&seen)}), r)
			var body struct {
				Results []struct {
					OpID      string
					Success   bool
					ErrorCode string
					Error     string
				}
				ServerVersion int
			}
			if err := json.Unmarshal(w.Body.Bytes(), &body); err != nil || w.Code != 200 || len(body.Results) != 3 {
				t.Fatalf("%d %.500s %v", w.Code, w.Body, err)
			}
			if bad := body.Results[1]; bad.Success || bad.OpID != c.id || bad.ErrorCode != c.code || bad.Error == "" {
				t.Errorf("%+v", bad)
			}
			if !body.Results[0].Success || body.Results[0].OpID != opID(1) || !body.Results[2].Success || body.Results[2].OpID != opID(2) {
				t.Errorf("the neighbours suffered: %+v", body.Results)
			}
			if len(seen.Ops) != 2 || body.ServerVersion != 2 {
				t.Errorf("adapter saw %d ops", len(seen.Ops))
			}
		})
	}
}

func TestEmptyAndWholeInvalidBatchesDoNotReachTheAdapter(t *testing.T) {
	for body, want := range map[string]string{
		pushOf(): `{"results":[],"serverVersion":0}`,
		pushOf(`1`): `{"results":[{"opId":"invalid-op-0","success":false,"error":"Unknown table: ","errorCode":"VALIDATION_ERROR"}],` +
			`"serverVersion":0}`,
	} {
		w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleOwner), &adapter{}), "POST", "/api/sync/push", body)
		if w.Code != 200 || w.Body.String() != want {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

func TestPushEnvelope(t *testing.T) {
	many := strings.TrimSuffix(strings.Repeat("1,", syncwire.MaxOps+1), ",")
	for _, c := range []struct {
		name, body, contentType string
		status                  int
		message                 string
	}{
		{"malformed", `{"scope":`, "application/json", 400, "Invalid JSON body"},
		{"malformed inside an op", pushOf(`{"tableName":tru}`), "application/json", 400, "Invalid JSON body"},
		{"two values", pushOf() + `{}`, "application/json", 400, "Invalid JSON body"},
		{"malformed, other type", `{"scope":`, "text/plain", 400, "Invalid push request"},
		{"empty", ``, "application/json", 400, "Invalid push request"},
		{"null", `null`, "application/json", 400, "Invalid push request"},
		{"no ops", `{"scope":{"workspaceId":"ws"}}`, "application/json", 400, "Invalid push request"},
		{"ops of another type", `{"scope":{"workspaceId":"ws"},"ops":{}}`, "application/json", 400, "Invalid push request"},
		{"no scope", `{"ops":[]}`, "application/json", 400, "Invalid push request"},
		{"scope of another type", `{"scope":"ws","ops":[]}`, "application/json", 400, "Invalid push request"},
		{"blank workspace", `{"scope":{"workspaceId":" "},"ops":[]}`, "application/json", 400, "Invalid push request"},
		{"workspace of another type", `{"scope":{"workspaceId":5},"ops":[]}`, "application/json", 400, "Invalid push request"},
		{"unknown capability", `{"scope":{"workspaceId":"ws"},"ops":[],"fileKindCapability":"v2"}`, "application/json", 400, "Invalid push request"},
		{"unknown item capability", `{"scope":{"workspaceId":"ws"},"ops":[],"workspaceItemCapability":"v2"}`, "application/json", 400, "Invalid push request"},
		{"capability of another type", `{"scope":{"workspaceId":"ws"},"ops":[],"workspaceItemCapability":1}`, "application/json", 400, "Invalid push request"},
		{"too many ops", pushOf(many), "application/json", 400, "Invalid push request"},
		{"no capability", `{"scope":{"workspaceId":"ws"},"ops":[]}`, "application/json", 200, ""},
		{"other media type", `{"scope":{"workspaceId":"ws"},"ops":[]}`, "text/plain", 200, ""},
		{"foreign workspace", `{"scope":{"workspaceId":"foreign"},"ops":[]}`, "application/json", 403, "Forbidden"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := hosttest.NewRequest("POST", "/api/sync/push", c.body)
			r.Header.Set("Content-Type", c.contentType)
			w := hosttest.Send(t, routes(hosttest.Member(or3cloud.RoleOwner), &adapter{}), r)
			if w.Code != c.status || !strings.Contains(w.Body.String(), `"message": "`+c.message+`"`) && c.status != 200 {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

// Sync §1.1: validation comes before the session, except for bodies that unknown callers must not make the host read.
func TestOrderOfChecks(t *testing.T) {
	signedOut := &hosttest.Host{}
	for _, c := range []struct {
		name, path, body string
		host             *hosttest.Host
		status           int
		message          string
	}{
		{"invalid before signed out", "push", `{}`, signedOut, 400, "Invalid push request"},
		{"invalid before signed out", "pull", `{}`, signedOut, 400, "Invalid pull request"},
		{"invalid before signed out", "update-cursor", `{}`, signedOut, 400, "Invalid cursor request"},
		{"invalid before signed out", "snapshot", `{}`, signedOut, 400, "Invalid snapshot request"},
		{"invalid before signed out", "gc-tombstones", `{}`, signedOut, 400, "Invalid GC request"},
		{"invalid before signed out", "gc-change-log", `{}`, signedOut, 400, "Invalid GC request"},
		{"signed out", "push", pushOf(), signedOut, 401, "Unauthorized"},
		{"signed out", "pull", `{"scope":{"workspaceId":"ws"},"cursor":0,"limit":10}`, signedOut, 401, "Unauthorized"},
		{"signed out", "update-cursor", `{"scope":{"workspaceId":"ws"},"deviceId":"d","version":1}`, signedOut, 401, "Unauthorized"},
		{"signed out", "snapshot", `{"scope":{"workspaceId":"ws"},"pageSize":10}`, signedOut, 401, "Unauthorized"},
		{"signed out", "gc-change-log", `{"scope":{"workspaceId":"ws"},"retentionSeconds":1}`, signedOut, 401, "Unauthorized"},
		{"a large body of no one is not read", "push", `{` + strings.Repeat(" ", httpapi.UnknownBody), signedOut, 401, "Unauthorized"},
		{"viewers may not push", "push", pushOf(), hosttest.Member(or3cloud.RoleViewer), 403, "Forbidden"},
		{"editors may not collect", "gc-tombstones", `{"scope":{"workspaceId":"ws"},"retentionSeconds":1}`, hosttest.Member(or3cloud.RoleEditor), 403, "Forbidden"},
		{"body too large", "pull", `{"x":"` + strings.Repeat("x", 16<<10) + `"}`, signedOut, 413, "The request body is too large."},
		{"no collection", "gc-tombstones", `{"scope":{"workspaceId":"ws"},"retentionSeconds":1}`, hosttest.Member(or3cloud.RoleOwner), 501, "GC tombstones not supported by adapter"},
		{"no collection", "gc-change-log", `{"scope":{"workspaceId":"ws"},"retentionSeconds":1}`, hosttest.Member(or3cloud.RoleOwner), 501, "GC change log not supported by adapter"},
		{"no snapshots", "snapshot", `{"scope":{"workspaceId":"ws"},"pageSize":10}`, hosttest.Member(or3cloud.RoleOwner), 503, "Snapshot bootstrap unavailable for active sync adapter"},
	} {
		t.Run(c.path+" "+c.name, func(t *testing.T) {
			router := c.host.Share(hosttest.Router(t, routes(c.host, &adapter{})), membudget.New(1<<30))
			w := hosttest.Serve(router, hosttest.NewRequest("POST", "/api/sync/"+c.path, c.body))
			if w.Code != c.status || !strings.Contains(w.Body.String(), `"message": "`+c.message+`"`) {
				t.Errorf("%d %s", w.Code, w.Body)
			}
		})
	}
}

func TestValidationOfSmallBodies(t *testing.T) {
	owner := hosttest.Member(or3cloud.RoleOwner)
	a := &fullAdapter{}
	for path, bodies := range map[string][]string{
		"pull": {
			`{"scope":{"workspaceId":""},"cursor":0,"limit":10}`, `{"scope":{"workspaceId":"ws"},"cursor":-1,"limit":10}`,
			`{"scope":{"workspaceId":"ws"},"cursor":null,"limit":10}`, `{"scope":{"workspaceId":"ws"},"cursor":0,"limit":0}`,
			`{"scope":{"workspaceId":"ws"},"cursor":0,"limit":1001}`, `{"scope":{"workspaceId":"ws"},"cursor":0,"limit":1.5}`,
			`{"scope":{"workspaceId":"ws"},"cursor":9007199254740992,"limit":1}`, `{"scope":{"workspaceId":"ws"},"cursor":0,"limit":10,"tables":"kv"}`,
			`{"scope":{"workspaceId":"ws"},"cursor":0,"limit":10,"tables":[1]}`, `{"scope":{"workspaceId":"ws"},"cursor":"0","limit":10}`,
			`{"scope":{"workspaceId":"` + strings.Repeat("x", 257) + `"},"cursor":0,"limit":10}`,
			`{"scope":{"workspaceId":"ws"},"cursor":0,"limit":10,"workspaceItemCapability":"v9"}`,
		},
		"update-cursor": {
			`{"scope":{"workspaceId":"ws"},"deviceId":"d"}`, `{"scope":{"workspaceId":"ws"},"version":1}`,
			`{"scope":{"workspaceId":"ws"},"deviceId":"d","version":-1}`, `{"scope":{"workspaceId":" "},"deviceId":"d","version":1}`,
			`{"scope":{"workspaceId":"ws"},"deviceId":5,"version":1}`,
		},
		"snapshot": {
			`{"scope":{"workspaceId":"ws"}}`, `{"scope":{"workspaceId":"ws"},"pageSize":0}`, `{"scope":{"workspaceId":"ws"},"pageSize":1001}`,
			`{"scope":{"workspaceId":"ws"},"pageSize":1,"workspaceItemCapability":"v2"}`, `{"scope":{"workspaceId":"ws"},"pageSize":1,"fileKindCapability":"v2"}`,
			`{"scope":{"workspaceId":"ws"},"pageSize":1,"pageToken":""}`, `{"scope":{"workspaceId":"ws"},"pageSize":1,"pageToken":"` + strings.Repeat("x", 4097) + `"}`,
		},
		"gc-tombstones": {`{"scope":{"workspaceId":"ws"}}`, `{"scope":{"workspaceId":"ws"},"retentionSeconds":0}`, `{"scope":{},"retentionSeconds":1}`},
	} {
		for _, body := range bodies {
			if w := hosttest.Do(t, routes(owner, a), "POST", "/api/sync/"+path, body); w.Code != 400 {
				t.Errorf("%s %s: %d %s", path, body, w.Code, w.Body)
			}
		}
	}
}

func TestPullAnswer(t *testing.T) {
	var seen or3cloud.PullRequest
	a := &adapter{pull: func(in or3cloud.PullRequest, emit func(*or3cloud.Change) error) (or3cloud.PullPage, error) {
		seen = in
		for i, payload := range [][]byte{[]byte(`{"a" : "\ud83d"}`), nil} {
			if err := emit(&or3cloud.Change{
				ServerVersion: int64(42 + i), Table: "kv", PK: "k\"1", Operation: or3cloud.OpPut, Payload: payload,
				Stamp: or3cloud.Stamp{DeviceID: "d", OpID: opID(1), HLC: "h", Clock: 3},
			}); err != nil {
				return or3cloud.PullPage{}, err
			}
		}
		return or3cloud.PullPage{NextCursor: 43, HasMore: true, OldestRetainedVersion: 0}, nil
	}}
	w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleViewer), a), "POST", "/api/sync/pull",
		`{"scope":{"workspaceId":"ws","projectId":"p"},"cursor":41,"limit":1000,"tables":["kv","users","kv"],"unknown":1}`)
	stamp := `"stamp":{"deviceId":"d","opId":"` + opID(1) + `","hlc":"h","clock":3}}`
	want := `{"changes":[{"serverVersion":42,"tableName":"kv","pk":"k\"1","op":"put","payload":{"a" : "\ud83d"},` + stamp +
		`,{"serverVersion":43,"tableName":"kv","pk":"k\"1","op":"put",` + stamp +
		`],"nextCursor":43,"hasMore":true,"oldestRetainedVersion":0,"requiresSnapshot":false}`
	if w.Code != 200 || w.Body.String() != want {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	if seen.Cursor != 41 || seen.Limit != 1000 || len(seen.Tables) != 1 || seen.Scope.ProjectID != "p" || seen.UserID != "user" {
		t.Errorf("%+v", seen)
	}
	if w.Header().Get("X-RateLimit-Remaining") != "1200" {
		t.Error(w.Header())
	}
}

// An empty filter means all tables, so a filter of unknown names must not become one.
func TestPullOfUnknownTablesReturnsNothing(t *testing.T) {
	a := &adapter{pull: func(in or3cloud.PullRequest, emit func(*or3cloud.Change) error) (or3cloud.PullPage, error) {
		return or3cloud.PullPage{NextCursor: 5}, emit(&or3cloud.Change{ServerVersion: 5, Table: "kv"})
	}}
	w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleViewer), a), "POST", "/api/sync/pull",
		`{"scope":{"workspaceId":"ws"},"cursor":0,"limit":10,"tables":["users"]}`)
	if !strings.HasPrefix(w.Body.String(), `{"changes":[],"nextCursor":5,`) {
		t.Error(w.Body)
	}
}

func TestAdapterErrorsBecomeTheAnswer(t *testing.T) {
	for err, status := range map[error]int{
		or3cloud.Unavailable(errors.New("busy"), "Service Unavailable", time.Second): 503,
		or3cloud.Errorf(or3cloud.CodeInsufficientStorage, "Disk full"):               507,
		errors.New("broken"): 500,
	} {
		a := &adapter{
			push:   func(or3cloud.PushRequest) (or3cloud.PushResult, error) { return or3cloud.PushResult{}, err },
			cursor: func(or3cloud.CursorUpdate) error { return err },
			pull: func(_ or3cloud.PullRequest, emit func(*or3cloud.Change) error) (or3cloud.PullPage, error) {
				_ = emit(&or3cloud.Change{Table: "kv"}) // half a page must not be seen
				return or3cloud.PullPage{}, err
			},
		}
		for path, body := range map[string]string{
			"push": pushOf(kv(1, kvPayload(1))), "pull": `{"scope":{"workspaceId":"ws"},"cursor":0,"limit":10}`,
			"update-cursor": `{"scope":{"workspaceId":"ws"},"deviceId":"d","version":1}`,
		} {
			w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleOwner), a), "POST", "/api/sync/"+path, body)
			want := status
			if path == "push" { // which must not cost the client its edits
				want = 503
			}
			if w.Code != want || strings.Contains(w.Body.String(), "changes") || want == 503 && w.Header().Get("Retry-After") == "" {
				t.Errorf("%s: %d %s", path, w.Code, w.Body)
			}
		}
	}
}

func TestNamesMayBeEscaped(t *testing.T) {
	var seen or3cloud.PushRequest
	body := strings.NewReplacer(`"scope"`, `"\u0073cope"`, `"pk"`, `"p\u006b"`, `"x"`, `"\ud83d"`).Replace(pushOf(kv(1, kvPayload(1))))
	w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleOwner), &adapter{push: accept(&seen)}), "POST", "/api/sync/push", body)
	if w.Code != 200 || len(seen.Ops) != 1 || seen.Ops[0].PK != "k1" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestPushWithoutOneResultPerOpIsOurFault(t *testing.T) {
	a := &adapter{push: func(or3cloud.PushRequest) (or3cloud.PushResult, error) { return or3cloud.PushResult{}, nil }}
	w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleOwner), a), "POST", "/api/sync/push", pushOf(kv(1, kvPayload(1))))
	if w.Code != 503 || w.Header().Get("Retry-After") == "" {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestResultsOfNewerClients(t *testing.T) {
	rev := or3cloud.Revision{Clock: 2, HLC: "h", OpID: "w"}
	for name, c := range map[string]struct {
		res  or3cloud.OpResult
		want string
	}{
		"lost against a put": {
			or3cloud.OpResult{OpID: "a", Success: true, ServerVersion: 7, Winner: &or3cloud.Winner{Operation: or3cloud.OpPut, Payload: []byte(`{"x":1}`), Revision: rev}},
			`{"opId":"a","success":true,"serverVersion":7,"applied":false,"payload":{"x":1},"winner":{"kind":"put","payload":{"x":1},"revision":{"clock":2,"hlc":"h","opId":"w"}}}`,
		},
		"lost against a delete": {
			or3cloud.OpResult{OpID: "a", Success: true, ServerVersion: 7, Replayed: true, Winner: &or3cloud.Winner{Operation: or3cloud.OpDelete, Revision: rev, DeletedAt: time.Unix(99, 0)}},
			`{"opId":"a","success":true,"serverVersion":7,"applied":false,"replayed":true,"winner":{"kind":"delete","revision":{"clock":2,"hlc":"h","opId":"w"},"serverDeletedAt":99}}`,
		},
		"replayed winner": {
			or3cloud.OpResult{OpID: "a", Success: true, ServerVersion: 7, Replayed: true, Applied: true},
			`{"opId":"a","success":true,"serverVersion":7,"applied":true,"replayed":true}`,
		},
		"lost without a known winner says nothing (sync §10.3)": {
			or3cloud.OpResult{OpID: "a", Success: true, ServerVersion: 7, Replayed: true},
			`{"opId":"a","success":true,"serverVersion":7}`,
		},
		"refused": {
			or3cloud.OpResult{OpID: "a", Replayed: true, Error: "why", ErrorCode: or3cloud.OpErrorConflict},
			`{"opId":"a","success":false,"error":"why","errorCode":"CONFLICT"}`,
		},
	} {
		a := begun("")
		a.opResult(&c.res)
		if got := a.string(); got != c.want {
			t.Errorf("%s:\n%s\n%s", name, got, c.want)
		}
	}
}

// Sync Pitfall 12: any version and any device is accepted.
func TestCursorIsLenientPitfall12(t *testing.T) {
	var seen []or3cloud.CursorUpdate
	a := &adapter{cursor: func(in or3cloud.CursorUpdate) error { seen = append(seen, in); return nil }}
	for _, body := range []string{
		`{"scope":{"workspaceId":"ws"},"deviceId":"","version":9007199254740991}`,
		`{"scope":{"workspaceId":"ws"},"deviceId":"d","version":0}`,
	} {
		w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleViewer), a), "POST", "/api/sync/update-cursor", body)
		if w.Code != 200 || w.Body.String() != `{"ok":true}` {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if len(seen) != 2 || seen[0].Version != or3cloud.MaxSafeInteger {
		t.Errorf("%+v", seen)
	}
}

func TestCollection(t *testing.T) {
	var seen []string
	a := &fullAdapter{gc: func(kind string, in or3cloud.SyncGCRequest) error {
		seen = append(seen, fmt.Sprint(kind, " ", in.Retention))
		return nil
	}}
	api := New(Options{Host: hosttest.Member(or3cloud.RoleOwner), Limits: limits(`{"sync:gc":{"maxRequests":2}}`), Adapter: a})
	for i, path := range []string{"gc-tombstones", "gc-change-log", "gc-tombstones"} {
		w := hosttest.Do(t, api.Routes(), "POST", "/api/sync/"+path, `{"scope":{"workspaceId":"ws"},"retentionSeconds":2592000}`)
		switch {
		case i < 2 && (w.Code != 204 || w.Body.Len() != 0):
			t.Errorf("%d %s", w.Code, w.Body)
		case i == 2 && (w.Code != 429 || !strings.Contains(w.Body.String(), "Too many GC requests. Please wait before retrying.")):
			t.Errorf("the shared budget is not shared: %d %s", w.Code, w.Body)
		}
		if w.Header().Get("X-RateLimit-Limit") != "" {
			t.Error(w.Header())
		}
	}
	if fmt.Sprint(seen) != "[tombstones 720h0m0s log 720h0m0s]" {
		t.Error(seen)
	}
	w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleOwner), a), "POST", "/api/sync/gc-change-log", `{"scope":{"workspaceId":"ws"},"retentionSeconds":9007199254740991}`)
	if w.Code != 204 || strings.Contains(seen[2], "-") {
		t.Errorf("%d %v", w.Code, seen)
	}
}

func TestSnapshotAnswer(t *testing.T) {
	var seen or3cloud.SnapshotRequest
	next := "next"
	a := &fullAdapter{snapshot: func(in or3cloud.SnapshotRequest, emit func(*or3cloud.SnapshotItem) error) (or3cloud.SnapshotPage, error) {
		seen = in
		rev := or3cloud.Revision{Clock: 1, HLC: "h", OpID: "o"}
		for _, it := range []or3cloud.SnapshotItem{
			{Table: "kv", PK: "a", Operation: or3cloud.OpPut, Payload: []byte(`{"id":"a"}`), Revision: rev},
			{Table: "kv", PK: "b", Operation: or3cloud.OpDelete, Revision: rev, DeletedAt: time.Unix(77, 0)},
		} {
			if err := emit(&it); err != nil {
				return or3cloud.SnapshotPage{}, err
			}
		}
		return or3cloud.SnapshotPage{SnapshotID: "s", HighWatermark: 9, NextPageToken: next}, nil
	}}
	rev := `"revision":{"clock":1,"hlc":"h","opId":"o"}`
	items := `{"items":[{"kind":"row","tableName":"kv","pk":"a","payload":{"id":"a"},` + rev + `},` +
		`{"kind":"tombstone","tableName":"kv","pk":"b",` + rev + `,"serverDeletedAt":77}],"workspaceId":"ws","snapshotId":"s","highWatermark":9,`
	for _, c := range []struct{ token, want string }{{"next", `"nextPageToken":"next"}`}, {"", `"nextPageToken":null}`}} {
		next = c.token
		w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleViewer), a), "POST", "/api/sync/snapshot",
			`{"scope":{"workspaceId":"ws"},"pageSize":300,"pageToken":"t","tables":["kv"]}`)
		if w.Code != 200 || w.Body.String() != items+c.want {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
	if seen.PageSize != 300 || seen.PageToken != "t" || len(seen.Tables) != 1 {
		t.Errorf("%+v", seen)
	}
	w := hosttest.Do(t, routes(hosttest.Member(or3cloud.RoleViewer), a), "POST", "/api/sync/snapshot",
		`{"scope":{"workspaceId":"ws"},"pageSize":300,"tables":["users"]}`)
	if w.Code != 400 || !strings.Contains(w.Body.String(), "Invalid snapshot table: users") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

func TestAnswersOfEverySizeComeOutWhole(t *testing.T) {
	for _, size := range []int{0, 1, chunkSize - syncwire.ItemRoom - 20, chunkSize, 3 * chunkSize} {
		enc := pageEncoder{answer: begun(syncwire.PullBegin)}
		payload := []byte(`{"v":"` + strings.Repeat("x", size) + `"}`)
		for v := range int64(40) {
			_ = enc.change(&or3cloud.Change{ServerVersion: v + 1, Table: "kv", PK: strings.Repeat("\"", 256), Operation: or3cloud.OpPut, Payload: payload})
		}
		enc.text = syncwire.AppendPullEnd(enc.text, or3cloud.PullPage{NextCursor: 40})
		w := httptest.NewRecorder()
		enc.send(w)
		enc.free()
		var page struct {
			Changes []struct{ Payload json.RawMessage }
		}
		if err := json.Unmarshal(w.Body.Bytes(), &page); err != nil || len(page.Changes) != 40 {
			t.Fatalf("payloads of %d: %d changes, %v", size, len(page.Changes), err)
		}
		for _, c := range page.Changes {
			if string(c.Payload) != string(payload) {
				t.Fatalf("payloads of %d: %.100s", size, c.Payload)
			}
		}
		if w.Header().Get("Content-Length") != strconv.Itoa(w.Body.Len()) {
			t.Errorf("Content-Length %s for %d bytes", w.Header().Get("Content-Length"), w.Body.Len())
		}
	}
}

func TestLargePiecesAreNotKeptInMemory(t *testing.T) {
	a := begun("")
	a.room(10 * chunkSize)
	a.text = append(a.text, make([]byte, 10*chunkSize)...)
	a.free()
	for range 100 {
		b := begun("")
		if cap(b.text) != chunkSize {
			t.Fatal("a huge piece came back")
		}
	}
}
