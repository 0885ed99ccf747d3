package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"sync"
	"testing"

	"or3.chat/cloud/internal/recorded"
)

// The ids that the corpus was recorded with. The account that replays it has others of the same length.
const (
	corpusWorkspace = "4f721155-29b0-4f1c-8915-14d32ca815ec"
	corpusUser      = "7802a057-cde8-4c18-b004-7936cddc25ca"
)

// corpusFor returns the recorded pushes for a workspace and user: the two ids are replaced byte for byte, everything
// else is as the clients sent it. Ops are the contents, in order.
func corpusFor(t testing.TB, s *session) (bodies [][]byte, ops []op) {
	t.Helper()
	for _, text := range recorded.Pushes(t) {
		text = bytes.ReplaceAll(text, []byte(corpusWorkspace), []byte(s.Workspace.ID))
		text = bytes.ReplaceAll(text, []byte(corpusUser), []byte(s.User.ID))
		var body pushBody
		if err := json.Unmarshal(text, &body); err != nil {
			t.Fatal(err)
		}
		bodies = append(bodies, text)
		ops = append(ops, body.Ops...)
	}
	if len(bodies) != 825 || len(ops) != 3327 {
		t.Fatalf("the corpus has %d bodies and %d ops", len(bodies), len(ops))
	}
	return bodies, ops
}

// TestCorpus pushes the whole recorded corpus as one device of an account and pulls it on another.
func TestCorpus(t *testing.T) {
	t.Parallel()
	srv := startServer(t, withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", generousLimits))
	a, b := newDevice(t, srv, "A"), newDevice(t, srv, "B")
	s := a.register("corpus@example.test")
	b.signIn("corpus@example.test")
	workspace := s.Workspace.ID
	bodies, _ := corpusFor(t, s)

	l := newLedger()
	versions := map[string]int64{}
	for n, body := range bodies {
		var sent pushBody
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Fatal(err)
		}
		out := a.pushText(body)
		if len(out.Results) != len(sent.Ops) {
			t.Fatalf("body %d: %d results for %d ops", n, len(out.Results), len(sent.Ops))
		}
		for i, o := range sent.Ops {
			e, _ := l.add(o)
			r := out.Results[i]
			if !r.Success || r.OpID != o.Stamp.OpID || r.ServerVersion != e.version || r.Replayed {
				t.Fatalf("body %d op %d: %+v, want success with version %d", n, i, r, e.version)
			}
			versions[r.OpID] = r.ServerVersion
		}
		if out.ServerVersion != l.version() {
			t.Fatalf("body %d: counter %d, want %d", n, out.ServerVersion, l.version())
		}
	}

	t.Run("pulled on the other device", func(t *testing.T) { checkPulled(t, b, workspace, l) })
	t.Run("pushed a second time", func(t *testing.T) {
		for n, body := range bodies {
			out := a.pushText(body)
			for _, r := range out.Results {
				if !r.Success || !r.Replayed || r.ServerVersion != versions[r.OpID] {
					t.Fatalf("body %d: %+v, want a replay of version %d", n, r, versions[r.OpID])
				}
			}
			if out.ServerVersion != l.version() {
				t.Fatalf("body %d: the counter moved to %d", n, out.ServerVersion)
			}
		}
		checkPulled(t, b, workspace, l)
	})
	for _, size := range []int{7, 300, 1000} {
		t.Run(fmt.Sprintf("devices that join with pages of %d", size), func(t *testing.T) { checkFreshDevices(t, b, workspace, l, size) })
	}
	t.Run("after a greedy collection", func(t *testing.T) {
		// Every device has seen everything, and the owner asks for a retention of one second, as a caller may.
		for _, id := range []string{"eaaaab7d", "f7aeff85", "2364876c"} {
			if r := b.post("/api/sync/update-cursor", obj{"scope": scope{workspace}, "deviceId": id, "version": l.version()}); r.status != 200 {
				t.Fatal(r)
			}
		}
		for _, path := range []string{"/api/sync/gc-tombstones", "/api/sync/gc-change-log"} {
			if r := b.post(path, obj{"scope": scope{workspace}, "retentionSeconds": 1}); r.status != 204 {
				t.Fatal(r)
			}
		}
		checkPulled(t, b, workspace, l)
		checkFreshDevices(t, b, workspace, l, 300)
	})
	t.Run("after a restart", func(t *testing.T) {
		srv.stop()
		srv.start()
		checkPulled(t, b, workspace, l)
	})
}

// checkPulled pulls a whole workspace and requires exactly the winners of the ledger: in the order of their versions,
// with the stamps and the very bytes that were pushed. Lone surrogates are among them.
func checkPulled(t *testing.T, d *device, workspace string, l *ledger) {
	t.Helper()
	want := l.changes(0, len(l.entries))
	var got []change
	if end := d.pullAll(workspace, 0, 1000, func(page pulled) { got = append(got, page.Changes...) }); end != l.version() {
		t.Errorf("the last cursor is %d, want %d", end, l.version())
	}
	if len(got) != len(want) {
		t.Fatalf("%d changes, want %d", len(got), len(want))
	}
	for i, w := range want {
		g := got[i]
		if g.ServerVersion != w.version || g.TableName != w.TableName || g.PK != w.PK || g.Op != w.Operation || g.Stamp != w.Stamp {
			t.Fatalf("change %d is %+v, want %+v", i, g, w)
		}
		if !bytes.Equal(g.Payload, w.Payload) {
			t.Fatalf("the payload of version %d changed:\n%.300s\nwas\n%.300s", w.version, g.Payload, w.Payload)
		}
	}
}

// TestCorpusFromThreeDevices pushes the corpus from three devices at once, which all retry every third push. The
// server orders the pushes as it likes; all devices must still end with the same rows.
func TestCorpusFromThreeDevices(t *testing.T) {
	t.Parallel()
	srv := startServer(t, withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", generousLimits))
	a := newDevice(t, srv, "A")
	s := a.register("three@example.test")
	workspace := s.Workspace.ID
	bodies, ops := corpusFor(t, s)

	// As recorded, each device's pushes stay in order; a notification is only deleted by the device that made it.
	byDevice := map[string][][]byte{}
	for _, body := range bodies {
		var sent pushBody
		if err := json.Unmarshal(body, &sent); err != nil {
			t.Fatal(err)
		}
		id := sent.Ops[0].Stamp.DeviceID
		byDevice[id] = append(byDevice[id], body)
	}
	if len(byDevice) != 3 {
		t.Fatalf("the corpus comes from %d devices", len(byDevice))
	}
	var mu sync.Mutex
	versions := map[string]int64{}
	refused := map[string]string{}
	var wg sync.WaitGroup
	for id, own := range byDevice {
		d := newDevice(t, srv, id)
		d.signIn("three@example.test")
		wg.Go(func() {
			for n, body := range own {
				repeat := 1
				if n%3 == 0 {
					repeat = 2
				}
				for range repeat {
					r, err := d.send(t.Context(), "POST", "/api/sync/push", body, jsonHeader)
					if err != nil || r.status != 200 {
						t.Errorf("device %s, push %d: %v %v", id, n, err, r)
						return
					}
					var out pushed
					if err := json.Unmarshal(r.body, &out); err != nil {
						t.Error(err)
						return
					}
					mu.Lock()
					for _, res := range out.Results {
						if old := versions[res.OpID]; old != 0 && old != res.ServerVersion {
							t.Errorf("op %s got versions %d and %d", res.OpID, old, res.ServerVersion)
						}
						if res.Success {
							versions[res.OpID] = res.ServerVersion
							delete(refused, res.OpID)
						} else {
							refused[res.OpID] = res.Error
						}
					}
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()
	if t.Failed() {
		return
	}
	// A hard delete of another device's notification that arrives before the notification itself is refused (sync
	// §10.4).
	accepted := map[int64]op{}
	for _, o := range ops {
		if v := versions[o.Stamp.OpID]; v != 0 {
			accepted[v] = o
		} else if o.TableName != "notifications" || o.Operation != "delete" {
			t.Errorf("op %s on %s was refused: %s", o.Stamp.OpID, o.TableName, refused[o.Stamp.OpID])
		}
	}
	l := newLedger()
	for v := int64(1); v <= int64(len(accepted)); v++ {
		o, ok := accepted[v]
		if !ok {
			t.Fatalf("version %d is missing among %d", v, len(accepted))
		}
		l.add(o)
	}
	checkPulled(t, a, workspace, l)
	checkFreshDevices(t, a, workspace, l, 300)
}
