package fs

import (
	"crypto/rand"
	"encoding/json"
	"errors"
	"log/slog"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/datadir"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/volume"
	"or3.chat/cloud/providertest"
)

func testEnv(t *testing.T, cfg settings) or3cloud.Env {
	t.Helper()
	dir, err := datadir.Open(t.TempDir(), datadir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { dir.Close() })
	return or3cloud.Env{
		Config: cfg, DataDir: dir.Path(), Stores: dir, Log: slog.New(slog.DiscardHandler), Now: time.Now, Rand: rand.Reader,
		Secret: func(string) (string, error) { return strings.Repeat("s", or3cloud.MinKeyLength), nil },
		Host:   host{}, References: providertest.NewReferences(time.Now),
	}
}

func mustOpen(t *testing.T, env or3cloud.Env) *or3cloud.Instance {
	t.Helper()
	inst, err := provider(t).Open(t.Context(), env)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { inst.Close() })
	return inst
}

func TestCheck(t *testing.T) {
	for _, tc := range []struct {
		name   string
		cfg    settings
		strict bool
		want   []string
	}{
		{"nothing set", settings{}, false, nil},
		{"nothing set, strict", settings{}, true, []string{settingSecret}},
		{"strict", settings{settingSecret: "x"}, true, nil},
		{"absolute root", settings{settingRoot: filepath.Join(os.TempDir(), "x")}, false, nil},
		{"relative root", settings{settingRoot: "./blobs"}, false, []string{settingRoot}},
		{"everything", settings{settingRoot: "blobs"}, true, []string{settingRoot, settingSecret}},
	} {
		var got []string
		for _, p := range provider(t).Problems(tc.cfg, tc.strict) {
			got = append(got, p.Variable)
			if p.Fault == "" || p.Fix == "" {
				t.Errorf("%s: %+v", tc.name, p)
			}
		}
		if strings.Join(got, " ") != strings.Join(tc.want, " ") {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}

func TestSettingsExplainThemselves(t *testing.T) {
	for _, s := range provider(t).Settings {
		if s.Help == "" || strings.Contains(s.Name, "SECRET") != s.Secret {
			t.Errorf("%+v", s)
		}
	}
}

func TestDefaultRootIsInTheDataDirectory(t *testing.T) {
	env := testEnv(t, defaults())
	mustOpen(t, env)
	for _, dir := range []string{"blobs", "blobs/workspaces", "blobs/trash"} {
		if info, err := os.Stat(filepath.Join(env.DataDir, dir)); err != nil || info.Mode().Perm() != volume.DirMode {
			t.Errorf("%s: %v %v", dir, info, err)
		}
	}
}

func TestValidityOutOfRangeFallsBackToTheDefault(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"1": time.Second, "3600": time.Hour, "0": defaultTTL * time.Second, "-5": defaultTTL * time.Second, "3601": defaultTTL * time.Second,
	} {
		cfg := defaults()
		cfg[settingTTL] = text
		inst := mustOpen(t, testEnv(t, cfg))
		if got := inst.Storage.(*Storage).ttl; got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestOpenRefusesARelativeRoot(t *testing.T) {
	cfg := defaults()
	cfg[settingRoot] = "blobs"
	if _, err := provider(t).Open(t.Context(), testEnv(t, cfg)); err == nil {
		t.Error("opened")
	}
	if _, err := os.Stat("blobs"); err == nil {
		t.Error("made a directory")
	}
}

func TestSecretsThatCannotBeReadStopTheStart(t *testing.T) {
	env := testEnv(t, defaults())
	broken := errors.New("unreadable")
	env.Secret = func(string) (string, error) { return "", broken }
	if _, err := provider(t).Open(t.Context(), env); !errors.Is(err, broken) {
		t.Error(err)
	}
}

// TestStoreOfAnEarlierVersionIsTakenOver: its identity is a random id, remembered in the data directory, and it is
// changed to that of the instance. A store with another id at the remembered path is not the one that was there.
func TestStoreOfAnEarlierVersionIsTakenOver(t *testing.T) {
	const id = "447fcb73d0b7d79617d17de6a576c98b"
	for inStore, fits := range map[string]bool{id: true, "547fcb73d0b7d79617d17de6a576c98b": false} {
		env := testEnv(t, defaults())
		root, remembered := filepath.Join(env.DataDir, "blobs"), filepath.Join(env.DataDir, knownRootFile)
		known, err := json.Marshal(knownRoot{Root: root, ID: id})
		if err := errors.Join(err, os.Mkdir(root, volume.DirMode), os.WriteFile(remembered, known, 0o600),
			os.WriteFile(filepath.Join(root, volume.IdentityFile), []byte(inStore+"\n"), 0o600)); err != nil {
			t.Fatal(err)
		}
		if !fits {
			if _, err := provider(t).Open(t.Context(), env); !errors.Is(err, volume.ErrForeign) {
				t.Errorf("opened a foreign store: %v", err)
			}
			continue
		}
		mustOpen(t, env).Close()
		got, err := os.ReadFile(filepath.Join(root, volume.IdentityFile))
		if want := env.Stores.(*datadir.Dir).ID(); err != nil || strings.TrimSpace(string(got)) != want {
			t.Errorf("the store has the identity %q: %v", got, err)
		}
		if _, err := os.Stat(remembered); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the old mark is still there: %v", err)
		}
		mustOpen(t, env)
	}
}

// TestMissingMountStopsTheStart: an empty mount point is not an empty store.
func TestMissingMountStopsTheStart(t *testing.T) {
	env := testEnv(t, defaults())
	mustOpen(t, env).Close()
	root := filepath.Join(env.DataDir, "blobs")
	if err := os.Rename(root, root+"-elsewhere"); err != nil {
		t.Fatal(err)
	}
	if _, err := provider(t).Open(t.Context(), env); !errors.Is(err, volume.ErrForeign) {
		t.Fatalf("opened an empty directory as the store: %v", err)
	}
	if _, err := os.Stat(filepath.Join(root, volume.IdentityFile)); err == nil {
		t.Error("the mount point got an identity")
	}
	os.Remove(root)
	if err := os.Rename(root+"-elsewhere", root); err != nil {
		t.Fatal(err)
	}
	mustOpen(t, env)
}

func TestMovedStoreIsAccepted(t *testing.T) {
	env := testEnv(t, defaults())
	mustOpen(t, env).Close()
	moved := filepath.Join(t.TempDir(), "moved")
	if err := os.Rename(filepath.Join(env.DataDir, "blobs"), moved); err != nil {
		t.Fatal(err)
	}
	cfg := defaults()
	cfg[settingRoot] = moved
	env.Config = cfg
	mustOpen(t, env).Close()
	mustOpen(t, env)
}

// TestPresignedURLs compares with the captured exchanges of storage-api.json and file-upload-download.json.
func TestPresignedURLs(t *testing.T) {
	r := newRig(t)
	up, err := r.PresignUpload(t.Context(), or3cloud.PresignUploadRequest{
		WorkspaceID: "ws", UserID: "u", Hash: hashOf("content"), MIMEType: "image/png", SizeBytes: 7, ExpiresIn: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	r.store("content")
	down, err := r.PresignDownload(t.Context(), or3cloud.PresignDownloadRequest{
		WorkspaceID: "ws", UserID: "u", Hash: hashOf("content"), ExpiresIn: time.Hour,
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		p            or3cloud.Presigned
		method, path string
	}{{up, "PUT", "/api/storage/fs/upload"}, {down, "GET", "/api/storage/fs/download"}} {
		u, err := url.Parse(tc.p.URL)
		if err != nil || u.Path != tc.path || u.Host != "" || len(u.Query()) != 1 || u.Query().Get("token") == "" {
			t.Errorf("url of another shape: %v", err)
		}
		if tc.p.Method != tc.method || tc.p.StorageID != "ws:"+string(hashOf("content")) || tc.p.Headers != nil {
			t.Errorf("%s %s %v", tc.p.Method, tc.p.StorageID, tc.p.Headers)
		}
		if !tc.p.ExpiresAt.Equal(r.clock.Now().Add(r.ttl)) {
			t.Errorf("expires at %v", tc.p.ExpiresAt)
		}
	}
}

func TestPresignRefusesWhatAnUploadCouldNotMean(t *testing.T) {
	r := newRig(t)
	good := or3cloud.PresignUploadRequest{WorkspaceID: "ws", UserID: "u", Hash: hashOf("x"), MIMEType: "image/png", SizeBytes: 1}
	for name, change := range map[string]func(*or3cloud.PresignUploadRequest){
		"negative size": func(in *or3cloud.PresignUploadRequest) { in.SizeBytes = -1 },
		"endless type":  func(in *or3cloud.PresignUploadRequest) { in.MIMEType = strings.Repeat("x", 5000) },
		"device name":   func(in *or3cloud.PresignUploadRequest) { in.WorkspaceID = "nul" },
	} {
		in := good
		change(&in)
		if _, err := r.PresignUpload(t.Context(), in); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestCommitErrors(t *testing.T) {
	r := newRig(t)
	for _, tc := range []struct {
		workspace string
		hash      or3cloud.BlobHash
		code      or3cloud.Code
		message   string
	}{
		{"", hashOf("x"), or3cloud.CodeInvalid, "Invalid commit input"},
		{"ws", "", or3cloud.CodeInvalid, "Invalid commit input"},
		{"../x", hashOf("x"), or3cloud.CodeInvalid, "Invalid path parameters"},
		{"ws", "../x", or3cloud.CodeInvalid, "Invalid path parameters"},
		{"ws", hashOf("x"), or3cloud.CodeNotFound, "Uploaded file not found"},
	} {
		_, err := r.Commit(t.Context(), or3cloud.CommitRequest{WorkspaceID: tc.workspace, Hash: tc.hash})
		var known *or3cloud.Error
		if !errors.As(err, &known) || known.Code != tc.code || known.Message != tc.message {
			t.Errorf("%q %q: %v", tc.workspace, tc.hash, err)
		}
	}
	if files := r.files(); len(files) != 0 {
		t.Errorf("left %v", files)
	}
}

// TestBlobsOfTheNpmPackageAreAdopted: the files of a real installation, used where they are.
func TestBlobsOfTheNpmPackageAreAdopted(t *testing.T) {
	r := newRig(t)
	if err := os.CopyFS(r.dir, os.DirFS("testdata/blobs")); err != nil {
		t.Fatal(err)
	}
	sidecars, err := filepath.Glob(filepath.Join("testdata", "blobs", "workspaces", "*", "*"+layout.SidecarSuffix))
	if err != nil || len(sidecars) != 3 {
		t.Fatal(sidecars, err)
	}
	before := r.files()
	for _, sidecar := range sidecars {
		want, err := os.ReadFile(strings.TrimSuffix(sidecar, layout.SidecarSuffix))
		if err != nil {
			t.Fatal(err)
		}
		var meta copies.Record
		if b, err := os.ReadFile(sidecar); err != nil || json.Unmarshal(b, &meta) != nil {
			t.Fatal(err)
		}
		down, err := r.PresignDownload(t.Context(), or3cloud.PresignDownloadRequest{
			WorkspaceID: meta.WorkspaceID, UserID: "u", Hash: or3cloud.BlobHash(meta.Hash),
		})
		if err != nil {
			t.Fatal(err)
		}
		c := downloadClaims(r, "")
		c.Workspace, c.Hash = meta.WorkspaceID, meta.Hash
		if rec := r.get(c); rec.Code != 200 || rec.Body.String() != string(want) || down.StorageID != meta.WorkspaceID+":"+meta.Hash {
			t.Errorf("%s: %d", sidecar, rec.Code)
		}
	}
	if after := r.files(); strings.Join(after, " ") != strings.Join(before, " ") {
		t.Errorf("reading changed the store: %v", after)
	}

	// They take part in everything else like blobs of our own.
	k, _, _, _ := layout.ParseName(filepath.Base(filepath.Dir(sidecars[0])), strings.TrimSuffix(filepath.Base(sidecars[0]), layout.SidecarSuffix))
	r.refs.Add(k.Workspace, k.Hash)
	r.clock.Advance(2 * providertest.StorageRetention)
	collect := func() {
		t.Helper()
		if _, err := r.GC(t.Context(), or3cloud.StorageGCRequest{WorkspaceID: k.Workspace}); err != nil {
			t.Fatal(err)
		}
	}
	collect()
	if _, err := os.Stat(filepath.Join(r.dir, k.Live(""))); err != nil {
		t.Errorf("a referenced blob was moved: %v", err)
	}
	r.refs.Remove(k.Workspace, k.Hash)
	r.clock.Advance(2 * providertest.StorageRetention)
	collect()
	if _, err := os.Stat(filepath.Join(r.dir, k.Trash(""))); err != nil {
		t.Errorf("an unreferenced blob was not retired: %v", err)
	}
	if _, err := r.Commit(t.Context(), or3cloud.CommitRequest{WorkspaceID: k.Workspace, Hash: k.Hash, MIMEType: "image/png"}); err != nil {
		t.Fatal(err)
	}
	rec, err := r.copies.Read(k)
	if err != nil || rec.Generation == "" || rec.MIMEType != "image/png" || rec.SizeBytes == 0 {
		t.Errorf("taken back as %+v, %v", rec, err)
	}
}

func TestAdmin(t *testing.T) {
	env := testEnv(t, defaults())
	env.Secret = func(string) (string, error) { return "short", nil }
	env.References = nil
	a := mustOpen(t, env).Admin[or3cloud.ProviderStorage]
	status, err := a.GetStatus(t.Context())
	if err != nil || len(status.Warnings) != 2 || len(status.Actions) != 1 || status.Actions[0].ID != "storage.gc" {
		t.Errorf("%+v, %v", status, err)
	}
	if b, _ := json.Marshal(status); strings.Contains(string(b), "short\"") {
		t.Errorf("the secret shows: %s", b)
	}
	runner := a.(or3cloud.AdminActionRunner)
	for _, tc := range []struct{ workspace, action, want string }{
		{"ws", "storage.format", "Unknown action"}, {"", "storage.gc", "Workspace not resolved"},
	} {
		_, err := runner.RunAction(t.Context(), tc.workspace, tc.action, nil)
		var known *or3cloud.Error
		if !errors.As(err, &known) || known.Message != tc.want || known.Code != or3cloud.CodeInvalid {
			t.Errorf("%+v: %v", tc, err)
		}
	}
	report, err := runner.RunAction(t.Context(), "ws", "storage.gc", nil)
	if b, _ := json.Marshal(report); err != nil ||
		string(b) != `{"deleted_count":0,"scanned_count":0,"status":"disabled","reason":"canonical_reference_state_required"}` {
		t.Errorf("%s, %v", b, err)
	}
}

func TestPayloadRetention(t *testing.T) {
	for text, want := range map[string]time.Duration{
		`{}`: 0, `{"retentionSeconds":5}`: 5 * time.Second, `{"retentionDays":2}`: 48 * time.Hour,
		`{"retentionSeconds":5,"retentionDays":2}`: 5 * time.Second, `{"retentionSeconds":-1,"retentionDays":2}`: 48 * time.Hour,
		`{"retentionSeconds":"5"}`: 0, `{"retentionSeconds":1e300}`: maxRetentionSeconds * time.Second,
		`{"retentionDays":1e300}`: maxRetentionSeconds * time.Second,
	} {
		var payload map[string]any
		if err := json.Unmarshal([]byte(text), &payload); err != nil {
			t.Fatal(err)
		}
		if got := payloadRetention(payload); got != want {
			t.Errorf("%s: %v", text, got)
		}
	}
}

func TestStores(t *testing.T) {
	providertest.TestStores(t, func(t *testing.T) providertest.StoreBackend {
		env := testEnv(t, defaults())
		return providertest.StoreBackend{Place: filepath.Join(env.DataDir, "blobs"), Open: func(stores or3cloud.Stores) (func() error, error) {
			env.Stores = stores
			inst, err := provider(t).Open(t.Context(), env)
			if err != nil {
				return nil, err
			}
			return inst.Close, nil
		}}
	})
}
