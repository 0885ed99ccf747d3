package e2e

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// TestTwoTabsPushTheSameOps pushes one outbox from several tabs at the same moment, as two tabs of one browser do: each
// op gets one version, whichever tab sends it (contract, sync §4.1).
func TestTwoTabsPushTheSameOps(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	d := newDevice(t, srv, "A")
	workspace := d.register("tabs@example.test").Workspace.ID
	l := newLedger()
	for range 20 {
		ops := []op{newOp("a", "1"), newOp("b", "2"), newOp("c", "3")}
		for i := range ops {
			ops[i].Stamp.Clock = l.version() + 1
		}
		text := encode(t, pushBody{scope{workspace}, ops})
		answers := make([]pushed, 4)
		var wg sync.WaitGroup
		for i := range answers {
			tab := d.twin()
			wg.Go(func() {
				r, err := tab.send(t.Context(), "POST", "/api/sync/push", text, jsonHeader)
				if err != nil || r.status != 200 || json.Unmarshal(r.body, &answers[i]) != nil {
					t.Errorf("tab %d: %v %v", i, err, r)
				}
			})
		}
		wg.Wait()
		first := 0
		for i, o := range ops {
			e, _ := l.add(o)
			for _, a := range answers {
				if len(a.Results) != len(ops) {
					t.Fatalf("%d results", len(a.Results))
				}
				if got := a.Results[i]; !got.Success || got.ServerVersion != e.version {
					t.Fatalf("op %d: %+v, want version %d", i, got, e.version)
				}
				if !a.Results[i].Replayed {
					first++
				}
			}
		}
		if first != len(ops) {
			t.Errorf("%d results are not replays, want %d", first, len(ops))
		}
	}
	checkPulled(t, d, workspace, l)
}

// TestOpIDsBelongToTheirWorkspace uses one op id in two workspaces: the second is a new op, not a replay (contract,
// sync Pitfall 1).
func TestOpIDsBelongToTheirWorkspace(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	a, b := newDevice(t, srv, "A"), newDevice(t, srv, "B")
	mine, yours := a.register("mine@example.test").Workspace.ID, b.register("yours@example.test").Workspace.ID
	o := newOp("theme", "mine")
	a.push(mine, o)
	other := newOp("theme", "yours")
	other.Stamp.OpID = o.Stamp.OpID
	if got := b.push(yours, other).Results[0]; !got.Success || got.Replayed || got.ServerVersion != 1 {
		t.Errorf("the op of the other workspace: %+v", got)
	}
	for _, c := range []struct {
		device    *device
		workspace string
		want      op
	}{{a, mine, o}, {b, yours, other}} {
		l := newLedger()
		l.add(c.want)
		checkPulled(t, c.device, c.workspace, l)
	}
}

// TestRemovedMemberLosesAccessAtOnce deletes a workspace under a device that is working in it. The next request is
// refused; there is no cache that would admit it for another minute (contract, auth §2.2).
func TestRemovedMemberLosesAccessAtOnce(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	a := newDevice(t, srv, "A")
	workspace := a.register("removed@example.test").Workspace.ID
	b := a.twin()
	b.push(workspace, newOp("theme", "dark"))
	content := []byte("file")
	b.upload(workspace, content, png)
	url := b.presignDownload(workspace, hashOf(content)).URL
	if r := a.call("DELETE", "/api/workspaces/"+workspace, nil); r.status != 200 {
		t.Fatal(r)
	}
	for path, body := range map[string]any{
		"/api/sync/pull":                obj{"scope": scope{workspace}, "cursor": 0, "limit": 1},
		"/api/sync/push":                obj{"scope": scope{workspace}, "ops": []op{newOp("x", "x")}},
		"/api/storage/presign-download": obj{"workspace_id": workspace, "hash": hashOf(content)},
	} {
		if r := b.post(path, body); r.status != 403 || r.message() != "Forbidden" {
			t.Errorf("%s: %s", path, r)
		}
	}
	if r := b.do("GET", url, nil, nil); r.status != 403 {
		t.Errorf("a URL from before: %s", r)
	}
	if s := b.mustSession(); s.Workspace.ID == workspace || s.Workspace.ID == "" {
		t.Errorf("the session is still in %q", s.Workspace.ID)
	}
}

// TestShutdownLetsTransfersFinish stops the server half-way through an upload: the upload succeeds, requests that come
// in the meantime are told to try again, and the process exits with success.
func TestShutdownLetsTransfersFinish(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	d := newDevice(t, srv, "A")
	workspace := d.register("drain@example.test").Workspace.ID
	content := blobFor("drain", 1<<20)
	to := d.presignUpload(workspace, content, png)

	body, feed := io.Pipe()
	type outcome struct {
		status int
		err    error
	}
	done := make(chan outcome, 1)
	uploading := d.twin()
	go func() {
		req, err := http.NewRequestWithContext(t.Context(), "PUT", srv.url+to.URL, body)
		if err != nil {
			done <- outcome{err: err}
			return
		}
		req.ContentLength = int64(len(content))
		req.Header.Set("Content-Type", png)
		req.Header.Set("Cookie", uploading.jar.header(req.URL.Path))
		res, err := uploading.http.Do(req)
		if err != nil {
			done <- outcome{err: err}
			return
		}
		res.Body.Close()
		done <- outcome{status: res.StatusCode}
	}()
	if _, err := feed.Write(content[:512<<10]); err != nil {
		t.Fatal(err)
	}
	patience.Until(t, "the upload has begun and has its unfinished file", func() bool { return len(blobs(srv)) > 0 })
	srv.terminate()
	patience.Until(t, "the shutdown has begun: requests are asked to come again", func() bool {
		r, err := d.send(t.Context(), "GET", "/api/auth/session", nil, nil)
		if err != nil {
			t.Fatalf("the port is closed during the shutdown: %v", err)
		}
		if r.status != 200 && r.status != 503 {
			t.Fatalf("during the shutdown: %s", r)
		}
		return r.status == 503 && r.header.Get("Retry-After") != ""
	})
	if _, err := feed.Write(content[512<<10:]); err != nil {
		t.Fatal(err)
	}
	feed.Close()
	if got := <-done; got.status != 200 {
		t.Errorf("the upload under way: %+v", got)
	}
	if code := srv.waitExit(); code != 0 {
		t.Errorf("exit code %d", code)
	}
	srv.start()
	if r := d.post("/api/storage/commit", commitBody(workspace, content, to.StorageID, png)); r.status != 200 {
		t.Fatalf("commit: %s", r)
	}
	d.download(workspace, content)
}

// TestLargeButHonest pushes what real clients push at most: fifty messages at the client's own limit in one body, and a
// document of several megabytes. Caps that refuse them would lose edits (contract, sync §10.1).
func TestLargeButHonest(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	d := newDevice(t, srv, "A")
	workspace := d.register("large@example.test").Workspace.ID
	l := newLedger()
	var batch []op
	for i := range 50 {
		batch = append(batch, newOp("big"+string(rune('A'+i)), strings.Repeat("x", 60<<10)))
	}
	for _, ops := range [][]op{batch, {newOp("document", strings.Repeat("\u2028 text ", 300_000))}} {
		out := d.push(workspace, ops...)
		for i, o := range ops {
			e, _ := l.add(o)
			if got := out.Results[i]; !got.Success || got.ServerVersion != e.version {
				t.Fatalf("op %d of %d bytes: %+v", i, len(o.Payload), got)
			}
		}
	}
	checkPulled(t, d, workspace, l)
	checkFreshDevices(t, d, workspace, l, 1000)
}
