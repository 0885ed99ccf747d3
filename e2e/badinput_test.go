package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/uuid"
)

// newOp returns a valid put of a kv row.
func newOp(name, value string) op {
	pk := "kv:" + name
	payload, err := json.Marshal(obj{"id": pk, "name": name, "value": value, "deleted": false, "created_at": 1771000000, "updated_at": 1771000000, "clock": 1})
	if err != nil {
		panic(err)
	}
	return op{ID: uuid.NewString(), TableName: "kv", Operation: "put", PK: pk, Payload: payload, CreatedAt: 1771000000000, Status: "pending",
		Stamp: stamp{DeviceID: "1a2b3c4d", OpID: uuid.NewString(), HLC: "0mll3o9og:000:1a2b3c4d", Clock: 1}}
}

// badOps are ops that must be refused alone, with the error code that tells the client so.
func badOps() map[string]struct {
	code string
	op   op
} {
	type bad = struct {
		code string
		op   op
	}
	change := func(code string, edit func(*op)) bad {
		o := newOp("bad"+uuid.NewString(), "x")
		edit(&o)
		return bad{code, o}
	}
	return map[string]bad{
		"unknown table":        change("VALIDATION_ERROR", func(o *op) { o.TableName = "secrets" }),
		"no table":             change("VALIDATION_ERROR", func(o *op) { o.TableName = "" }),
		"unknown operation":    change("VALIDATION_ERROR", func(o *op) { o.Operation = "merge" }),
		"blank pk":             change("VALIDATION_ERROR", func(o *op) { o.PK = "" }),
		"long pk":              change("VALIDATION_ERROR", func(o *op) { o.PK = strings.Repeat("k", 5000) }),
		"op id is not a UUID":  change("VALIDATION_ERROR", func(o *op) { o.Stamp.OpID = "../../etc/passwd" }),
		"negative clock":       change("VALIDATION_ERROR", func(o *op) { o.Stamp.Clock = -1 }),
		"clock above the safe": change("VALIDATION_ERROR", func(o *op) { o.Stamp.Clock = 1 << 53 }),
		"no hlc":               change("VALIDATION_ERROR", func(o *op) { o.Stamp.HLC = "" }),
		"put without payload":  change("VALIDATION_ERROR", func(o *op) { o.Payload = nil }),
		"payload is null":      change("VALIDATION_ERROR", func(o *op) { o.Payload = json.RawMessage(`null`) }),
		"payload is a list":    change("VALIDATION_ERROR", func(o *op) { o.Payload = json.RawMessage(`[]`) }),
		"payload is text":      change("VALIDATION_ERROR", func(o *op) { o.Payload = json.RawMessage(`"x"`) }),
		"no name": change("VALIDATION_ERROR", func(o *op) {
			o.Payload = json.RawMessage(`{"id":"` + o.PK + `","created_at":1,"updated_at":1,"clock":1}`)
		}),
		"name of a wrong type": change("VALIDATION_ERROR", func(o *op) {
			o.Payload = json.RawMessage(`{"id":"` + o.PK + `","name":7,"created_at":1,"updated_at":1,"clock":1}`)
		}),
		"id of another row": change("VALIDATION_ERROR", func(o *op) {
			o.Payload = json.RawMessage(`{"id":"other","name":"n","created_at":1,"updated_at":1,"clock":1}`)
		}),
		"a name that is taken": change("VALIDATION_ERROR", func(o *op) {
			o.Payload = json.RawMessage(`{"id":"` + o.PK + `","name":"good","created_at":1,"updated_at":1,"clock":1}`)
		}),
		"delete with a list": change("VALIDATION_ERROR", func(o *op) { o.Operation, o.Payload = "delete", json.RawMessage(`[]`) }),
		"payload of 5 MB": change("OVERSIZED", func(o *op) {
			o.Payload = json.RawMessage(`{"id":"` + o.PK + `","name":"big","value":"` + strings.Repeat("x", 5_000_000) + `","created_at":1,"updated_at":1,"clock":1}`)
		}),
		"someone else's notification": change("UNAUTHORIZED", func(o *op) {
			o.TableName = "notifications"
			o.Payload = json.RawMessage(`{"id":"` + o.PK + `","user_id":"` + uuid.NewString() + `","type":"t","title":"t","deleted":false,"created_at":1,"updated_at":1,"clock":1}`)
		}),
	}
}

// TestBadOpsAmongGoodOnes pushes every kind of unfit op between two good ones: the good ones succeed with versions that
// leave no gap, the bad one is refused with its code, and nothing of it is ever seen.
func TestBadOpsAmongGoodOnes(t *testing.T) {
	t.Parallel()
	srv := startServer(t, withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", generousLimits))
	d := newDevice(t, srv, "A")
	workspace := d.register("ops@example.test").Workspace.ID
	l := newLedger()
	good := newOp("good", "x")
	d.push(workspace, good)
	l.add(good)
	bads := badOps()
	for _, name := range slices.Sorted(maps.Keys(bads)) {
		bad := bads[name]
		t.Run(name, func(t *testing.T) {
			before, after := newOp("before"+uuid.NewString(), "x"), newOp("after"+uuid.NewString(), "x")
			body := obj{"scope": scope{workspace}, "ops": []op{before, bad.op, after}}
			r := d.post("/api/sync/push", body)
			if r.status != 200 {
				t.Fatalf("the batch was refused: %s", r)
			}
			var out pushed
			r.decode(t, &out)
			if len(out.Results) != 3 {
				t.Fatalf("%d results", len(out.Results))
			}
			for i, o := range []op{before, after} {
				e, _ := l.add(o)
				if got := out.Results[2*i]; !got.Success || got.ServerVersion != e.version || got.OpID != o.Stamp.OpID {
					t.Errorf("neighbour %d: %+v, want version %d", i, got, e.version)
				}
			}
			if got := out.Results[1]; got.Success || got.ErrorCode != bad.code || got.Error == "" || got.ServerVersion != 0 {
				t.Errorf("the bad op: %+v, want %s", got, bad.code)
			}
			if out.ServerVersion != l.version() {
				t.Errorf("counter %d, want %d", out.ServerVersion, l.version())
			}
		})
	}
	t.Run("an op id that is used again for something else", func(t *testing.T) {
		reused := newOp("reused", "x")
		reused.Stamp.OpID = good.Stamp.OpID
		out := d.push(workspace, reused)
		if got := out.Results[0]; got.Success && (!got.Replayed || got.ServerVersion != 1) {
			t.Errorf("%+v", got)
		}
	})
	checkPulled(t, d, workspace, l)
	checkFreshDevices(t, d, workspace, l, 7)
}

// TestBadInputLeavesNothingBehind sends bodies and tokens of every bad kind. Afterwards the databases have as many rows
// as before, and the disk as many files.
func TestBadInputLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	srv := startServer(t, withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", generousLimits))
	d, other := newDevice(t, srv, "A"), newDevice(t, srv, "B")
	s := d.register("nothing@example.test")
	foreign := other.register("other@example.test")
	workspace := s.Workspace.ID
	content := blobFor("nothing", 1000)
	d.upload(workspace, content, png)
	d.push(workspace, newOp("good", "x"))
	p := d.presignUpload(workspace, blobFor("never", 1000), png)
	before := rowsOf(srv)
	files := blobs(srv)
	srv.start()

	ok := func(text string) string {
		return strings.NewReplacer("$OWN", workspace, "$FOREIGN", foreign.Workspace.ID).Replace(text)
	}
	paths := []string{
		"/api/sync/push", "/api/sync/pull", "/api/sync/update-cursor", "/api/sync/snapshot", "/api/sync/gc-tombstones", "/api/sync/gc-change-log",
		"/api/storage/presign-upload", "/api/storage/presign-download", "/api/storage/commit", "/api/storage/gc/run",
		"/api/workspaces", "/api/workspaces/active",
	}
	accounts := []string{"/api/basic-auth/sign-in", "/api/basic-auth/register", "/api/basic-auth/change-password"}
	bodies := []string{
		``, ` `, `null`, `true`, `7`, `"x"`, `[]`, `{}`, `{`, `{"scope"`, `{"scope":}`, "\x00", "\xff\xfe", `{"a":1}{"b":2}`,
		strings.Repeat(`[`, 20_000), `{"scope":` + strings.Repeat(`{"a":`, 20_000), `{"scope":[],"ops":"x","cursor":{},"limit":null}`,
		`{"scope":{"workspaceId":""},"ops":[],"cursor":0,"limit":1,"deviceId":"d","version":1,"retentionSeconds":1,"pageSize":1}`,
		`{"scope":{"workspaceId":" \t"},"ops":[],"cursor":0,"limit":1,"deviceId":"d","version":1,"retentionSeconds":1,"pageSize":1}`,
		ok(`{"scope":{"workspaceId":"$FOREIGN"},"ops":[],"cursor":0,"limit":1,"deviceId":"d","version":1,"retentionSeconds":1,"pageSize":1}`),
		ok(`{"scope":{"workspaceId":["$OWN"]},"ops":[],"cursor":0,"limit":1,"deviceId":"d","version":1,"retentionSeconds":1,"pageSize":1}`),
		ok(`{"id":"$FOREIGN"}`), `{"id":""}`, `{"id":" "}`, `{"name":"  "}`, `{"name":{"a":1}}`, `{"email":["a@example.test"],"password":{}}`,
	}
	transfers := []string{
		ok(`{"workspace_id":"$FOREIGN","hash":"` + hashOf(content) + `","mime_type":"image/png","size_bytes":1000,"storage_id":"x","storage_provider_id":"fs","name":"n","kind":"image"}`),
		ok(`{"workspace_id":"","hash":"` + hashOf(content) + `","mime_type":"image/png","size_bytes":1000,"storage_id":"x","storage_provider_id":"fs","name":"n","kind":"image"}`),
		ok(`{"workspace_id":"$OWN","hash":"../../../etc/passwd","mime_type":"image/png","size_bytes":1000,"storage_id":"x","storage_provider_id":"fs","name":"n","kind":"image"}`),
		ok(`{"workspace_id":"../$OWN","hash":"` + hashOf(content) + `","mime_type":"image/png","size_bytes":1000,"storage_id":"x","storage_provider_id":"fs","name":"n","kind":"image"}`),
	}
	refuse := func(d *device, path, body string) {
		t.Helper()
		if r := d.do("POST", path, []byte(body), jsonHeader); r.status < 400 || r.status >= 500 {
			t.Errorf("POST %s %.80q: %s", path, body, r)
		}
	}
	for _, body := range bodies {
		for _, path := range paths {
			refuse(d, path, body)
		}
		for _, path := range accounts {
			refuse(newDevice(t, srv, visitor), path, body) // after the first twenty the answer is 429
		}
	}
	for _, body := range transfers {
		for _, path := range paths {
			if strings.HasPrefix(path, "/api/storage/") {
				refuse(d, path, body)
			}
		}
	}
	for _, c := range []struct {
		path string
		size int
		want int
	}{
		{"/api/sync/pull", 1 << 20, 413}, {"/api/sync/update-cursor", 1 << 20, 413}, {"/api/storage/commit", 1 << 20, 413},
		{"/api/workspaces", 1 << 20, 413}, {"/api/storage/presign-upload", 1 << 20, 413}, {"/api/sync/push", 80 << 20, 413},
	} {
		body := append([]byte(ok(`{"scope":{"workspaceId":"$OWN"},"padding":"`)), bytes.Repeat([]byte("x"), c.size)...)
		r, err := d.send(t.Context(), "POST", c.path, append(body, `"}`...), jsonHeader)
		// A server may also close the connection on a sender that does not stop.
		if err == nil && r.status != c.want {
			t.Errorf("POST %s with %d bytes: %s", c.path, c.size, r)
		}
	}
	for _, path := range []string{
		"/api/storage/fs/upload?token=", "/api/storage/fs/upload?token=a.b.c", "/api/storage/fs/upload?token=../../x", flip(p.URL),
		"/api/storage/fs/upload/../../../../etc/passwd", "/api/storage/fs/..%2f..%2fetc%2fpasswd", "/api/workspaces/..%2f..", "/api/workspaces/%00",
	} {
		for _, method := range []string{"PUT", "PATCH", "DELETE"} {
			if r := d.do(method, path, content, nil); r.status < 400 || r.status >= 500 {
				t.Errorf("%s %s: %s", method, path, r)
			}
		}
	}
	if r := other.put(p.URL, blobFor("never", 1000), png); r.status != 403 {
		t.Errorf("a foreign token: %s", r)
	}

	after := rowsOf(srv)
	for _, table := range slices.Sorted(maps.Keys(after)) {
		more := after[table] - before[table]
		// Limits exist to remember attempts, and they forget them with time.
		if more == 0 || table == "auth.rate_windows" || table == "sync.rate_windows" && more < 0 {
			continue
		}
		t.Errorf("%s has %d rows, before %d", table, after[table], before[table])
	}
	if left := blobs(srv); !maps.Equal(left, files) {
		t.Errorf("files %v, before %v", left, files)
	}
}

// rowsOf stops a server and counts the rows of its databases.
func rowsOf(s *server) map[string]int {
	s.t.Helper()
	s.stop()
	all := map[string]int{}
	for _, name := range []string{"sync", "auth"} {
		for table, n := range rowCounts(s.t, s.database(name)) {
			all[fmt.Sprintf("%s.%s", name, table)] = n
		}
	}
	return all
}
