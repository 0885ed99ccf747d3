package e2e

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// checkReport is the answer of "or3-cloud fsck --json".
type checkReport struct {
	OK                                     bool
	Files, Bytes, Rows                     int64
	Missing, Corrupt, Unreadable, Orphaned int
	Findings                               []struct {
		Kind, WorkspaceID, Hash string
		Quarantined             bool
	}
}

// command prepares a command of the program for the server's data directory.
func (s *server) command(args ...string) *exec.Cmd {
	cmd := exec.Command(s.bin, append(args, "--data", s.data)...)
	cmd.Dir = s.env["HOME"]
	for _, name := range slices.Sorted(maps.Keys(s.env)) {
		cmd.Env = append(cmd.Env, name+"="+s.env[name])
	}
	return cmd
}

// fsck runs "or3-cloud fsck --json" and returns the exit code and the report.
func (s *server) fsck(args ...string) (int, checkReport) {
	s.t.Helper()
	cmd := s.command(append([]string{"fsck", "--json"}, args...)...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil && !errors.As(err, new(*exec.ExitError)) {
		s.t.Fatal(err)
	}
	var report checkReport
	if err := json.Unmarshal(out, &report); err != nil {
		s.t.Fatalf("fsck: %v\n%s\n%s", err, out, &stderr)
	}
	return cmd.ProcessState.ExitCode(), report
}

// fileRow is the file_meta row of a blob.
func fileRow(content []byte, storageID string) op {
	o := newOp("file_meta", hashOf(content))
	o.TableName, o.PK = "file_meta", hashOf(content)
	row := obj{"hash": o.PK, "name": "file.png", "kind": "image", "mime_type": png, "size_bytes": len(content), "ref_count": 1,
		"deleted": false, "clock": 1, "created_at": 1771000000, "updated_at": 1771000000, "hlc": o.Stamp.HLC}
	if storageID != "" {
		row["storage_id"], row["storage_provider_id"] = storageID, "fs"
	}
	o.Payload, _ = json.Marshal(row) // plain values cannot fail
	return o
}

// blobFile is where the bytes of a blob are.
func (s *server) blobFile(workspace string, content []byte) string {
	s.t.Helper()
	pattern := filepath.Join(s.data, "blobs", "workspaces", workspace, strings.Replace(hashOf(content), ":", "_", 1)+".*")
	names, err := filepath.Glob(pattern)
	if err != nil {
		s.t.Fatal(err)
	}
	for _, name := range names {
		if ext := filepath.Ext(name); ext != ".sums" && ext != ".json" {
			return name
		}
	}
	s.t.Fatalf("no blob among %v", names)
	return ""
}

// TestFsck damages a store and checks that everything is found, with and without a server, and what happens to a file
// in quarantine.
func TestFsck(t *testing.T) {
	t.Parallel()
	srv := startServer(t, withEnv("OR3_LOG_FORMAT", "text")) // damage is logged as an error, rightly
	d := newDevice(t, srv, "A")
	workspace := d.register("fsck@example.test").Workspace.ID
	sound, corrupt, missing, orphan, pending := blobFor("sound", 200_000), blobFor("corrupt", 200_000), blobFor("missing", 1000), blobFor("orphan", 1000), blobFor("pending", 10)
	for _, content := range [][]byte{sound, corrupt, missing} {
		d.push(workspace, fileRow(content, d.upload(workspace, content, png)))
	}
	d.upload(workspace, orphan, png)
	d.push(workspace, fileRow(pending, "")) // another device has it and has not uploaded it yet
	code, report := srv.fsck()
	if code != 0 || !report.OK || report.Files != 4 || report.Orphaned != 1 || report.Bytes != 402_000 || report.Rows < 4 {
		t.Fatalf("a sound store: exit code %d, %+v", code, report)
	}

	damaged, err := os.ReadFile(srv.blobFile(workspace, corrupt))
	if err != nil {
		t.Fatal(err)
	}
	damaged[100_000] ^= 1
	if err := os.WriteFile(srv.blobFile(workspace, corrupt), damaged, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(srv.blobFile(workspace, missing)); err != nil {
		t.Fatal(err)
	}
	want := func(where string, code int, r checkReport) {
		t.Helper()
		if code != 1 || r.OK || r.Missing != 1 || r.Corrupt != 1 || r.Unreadable != 0 || r.Orphaned != 1 {
			t.Fatalf("%s: exit code %d, %+v", where, code, r)
		}
		for _, f := range r.Findings {
			hash := map[string]string{"missing": hashOf(missing), "corrupt": hashOf(corrupt), "orphaned": hashOf(orphan)}[f.Kind]
			if f.Hash != hash || f.WorkspaceID != workspace {
				t.Errorf("%s: %+v", where, f)
			}
		}
	}
	code, report = srv.fsck()
	want("with a server", code, report)
	code, report = srv.fsck("--workspace", workspace)
	want("of one workspace", code, report)
	another := newDevice(t, srv, "B").register("another@example.test").Workspace.ID
	if code, report = srv.fsck("--workspace", another); code != 0 || report.Files+report.Rows != 0 {
		t.Errorf("of another workspace: exit code %d, %+v", code, report)
	}
	if out, err := srv.command("fsck", "--workspace", "nowhere").CombinedOutput(); err == nil || !strings.Contains(string(out), `no workspace with the id or the name "nowhere"`) {
		t.Errorf("of no workspace: %v %s", err, out)
	}
	srv.stop()
	code, report = srv.fsck()
	want("without a server", code, report)
	srv.start()

	// A file in quarantine is missing from then on.
	if code, report = srv.fsck("--quarantine"); code != 1 || report.Corrupt != 1 || report.Missing != 2 {
		t.Errorf("with quarantine: exit code %d, %+v", code, report)
	}
	if !slices.ContainsFunc(slices.Sorted(maps.Keys(srv.files())), func(name string) bool { return strings.HasPrefix(name, "blobs/quarantine/"+workspace) }) {
		t.Errorf("nothing is in quarantine: %v", srv.files())
	}
	if r := d.post("/api/storage/presign-download", obj{"workspace_id": workspace, "hash": hashOf(corrupt)}); r.status != 503 {
		t.Errorf("a file in quarantine is called %s", r)
	}
	d.upload(workspace, corrupt, png)
	d.upload(workspace, missing, png)
	d.download(workspace, corrupt)
	if code, report = srv.fsck(); code != 0 || report.Files != 4 {
		t.Errorf("after everything was uploaded again: exit code %d, %+v", code, report)
	}
	var health struct {
		Providers struct {
			Storage struct{ Integrity *struct{ Enabled bool } }
		}
	}
	if r := d.do("GET", "/api/health?deep=true", nil, nil); r.status == 200 {
		r.decode(t, &health)
	}
	if i := health.Providers.Storage.Integrity; i == nil || !i.Enabled {
		t.Error("deep health does not tell of the files")
	}
}

// TestFsckGoesOn interrupts a check and lets the next one finish it.
func TestFsckGoesOn(t *testing.T) {
	t.Parallel()
	srv := startServer(t)
	d := newDevice(t, srv, "A")
	workspace := d.register("resume@example.test").Workspace.ID
	const blobs, size = 12, 1 << 20
	for i := range blobs {
		d.upload(workspace, blobFor(string(rune('a'+i)), size), png)
	}
	cmd := srv.command("fsck", "--rate", "1")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	position := filepath.Join(srv.data, "fsck.json")
	patience.Until(t, "a position that is kept", func() bool {
		_, err := os.Stat(position)
		return err == nil
	})
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(stderr.String(), "interrupted") {
		t.Fatalf("interrupted: %v, %s", err, &stderr)
	}
	var kept struct{ Files, Bytes int64 }
	text, err := os.ReadFile(position)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &kept); err != nil || kept.Files == 0 || kept.Files == blobs {
		t.Fatalf("kept %s, %v", text, err)
	}
	srv.stop()
	srv.start()
	cmd = srv.command("fsck", "--json")
	stderr.Reset()
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	var report checkReport
	if err != nil || json.Unmarshal(out, &report) != nil || report.Files != blobs || report.Bytes != blobs*size {
		t.Errorf("the second run: %v, %s", err, out)
	}
	if !strings.Contains(stderr.String(), "Continuing the interrupted check") {
		t.Errorf("the second run says %s", &stderr)
	}
	if _, err := os.Stat(position); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the position of a complete check is kept: %v", err)
	}
}
