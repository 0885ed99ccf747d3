package fs

import (
	"context"
	"crypto/md5"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	iofs "io/fs"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/signed"
	"or3.chat/cloud/providers/fs/internal/copies"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/volume"
	"or3.chat/cloud/providertest"
)

// rig is a Storage on a real directory, with a disk that can fail, a clock, reference state and a host with users. What
// the Storage is made of can be exchanged while it is in use: the disk, the reference claimer, the time, the log.
type rig struct {
	*Storage
	t     testing.TB
	dir   string
	disk  *faultDisk
	clock *providertest.Clock
	refs  *providertest.References

	mounted *mounted
	claims  *claims
	now     func() time.Time
	written *sink
	isFull  bool
}

// mounted, claims and sink pass everything on to what is in them.
type (
	mounted struct{ volume.Disk }
	claims  struct{ or3cloud.ReferenceClaimer }
	sink    struct{ io.Writer }
)

// newRig returns a rig whose Storage has the usual options with some changes.
func newRig(t testing.TB, change ...func(*Options)) *rig {
	t.Helper()
	clock := providertest.NewClock(time.Now().Truncate(time.Millisecond))
	r := &rig{t: t, dir: t.TempDir(), clock: clock, refs: providertest.NewReferences(clock.Now)}
	r.restart(change...)
	return r
}

// restart reopens the directory, as after a crash: what was in memory is gone.
func (r *rig) restart(change ...func(*Options)) {
	r.t.Helper()
	if r.Storage != nil {
		r.Storage.Close()
	}
	disk, err := volume.Open(r.dir)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() { disk.Close() })
	env := or3cloud.Env{DataDir: r.dir, Rand: rand.Reader}
	found, err := find(r.dir, env)
	if err != nil {
		r.t.Fatal(err)
	}
	admission, err := admit(found, env)
	if err != nil {
		r.t.Fatal(err)
	}
	identity, err := identify(disk, found, admission, env)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, dir := range []string{layout.Workspaces, layout.Trash} {
		if err := disk.Mkdir(dir); err != nil {
			r.t.Fatal(err)
		}
	}
	signer, err := signed.New(tokenPurpose, r.clock.Now, 1000*time.Hour, "secret")
	if err != nil {
		r.t.Fatal(err)
	}
	r.disk = &faultDisk{Disk: disk}
	r.mounted, r.claims, r.now, r.written, r.isFull = &mounted{r.disk}, &claims{r.refs}, r.clock.Now, &sink{io.Discard}, false
	o := Options{
		Disk: r.mounted, Identity: identity, Signer: signer, TTL: 15 * time.Minute, Retention: providertest.StorageRetention,
		TrashGrace: trashGrace, Host: host{}, References: r.claims, Rand: rand.Reader,
		Now: func() time.Time { return r.now() }, Full: func() bool { return r.isFull }, Log: slog.New(slog.NewTextHandler(r.written, nil)),
	}
	for _, c := range change {
		c(&o)
	}
	r.Storage = New(o)
}

// host knows a user from the header X-User. A user's role is part of the workspace's name: "ws-viewer" has viewers,
// everything else editors, and "foreign" has no members.
type host struct{ providertest.OneUserHost }

func (host) Session(r *http.Request) (*or3cloud.SessionContext, error) {
	switch user := r.Header.Get("X-User"); user {
	case "":
		return &or3cloud.SessionContext{}, nil
	case "broken":
		return nil, or3cloud.Unavailable(nil, "Session store unavailable", time.Second)
	default:
		return &or3cloud.SessionContext{Authenticated: true, User: or3cloud.SessionUser{ID: user}}, nil
	}
}

func (h host) Authorize(r *http.Request, p or3cloud.Permission, workspace string) (*or3cloud.SessionContext, error) {
	s, err := h.Session(r)
	if err != nil {
		return nil, err
	}
	s.Workspace.ID, s.Role = workspace, or3cloud.RoleEditor
	switch workspace {
	case "ws-viewer":
		s.Role = or3cloud.RoleViewer
	case "foreign":
		s.Role = ""
	}
	return s, or3cloud.Can(s, p, or3cloud.WorkspaceResource(workspace)).Err()
}

func hashOf(content string) or3cloud.BlobHash {
	sum := sha256.Sum256([]byte(content))
	return or3cloud.BlobHash("sha256:" + hex.EncodeToString(sum[:]))
}

func md5Of(content string) or3cloud.BlobHash {
	sum := md5.Sum([]byte(content))
	return or3cloud.BlobHash("md5:" + hex.EncodeToString(sum[:]))
}

func keyOf(content string) layout.Key { return layout.Key{Workspace: "ws", Hash: hashOf(content)} }

// uploadClaims are the claims of a good upload of content by user "u".
func uploadClaims(r *rig, content string) signed.Claims {
	return signed.Claims{
		Operation: opUpload, Workspace: "ws", User: "u", Hash: string(hashOf(content)), Size: int64(len(content)),
		MIME: "image/png", Expires: r.clock.Now().Add(time.Minute),
	}
}

func downloadClaims(r *rig, content string) signed.Claims {
	c := uploadClaims(r, content)
	c.Operation, c.Size, c.MIME = opDownload, 0, ""
	return c
}

func (r *rig) target(path string, c signed.Claims) string {
	r.t.Helper()
	token, err := r.signer.Sign(c)
	if err != nil {
		r.t.Fatal(err)
	}
	return path + "?token=" + token
}

func (r *rig) do(req *http.Request) *httptest.ResponseRecorder {
	rec := httptest.NewRecorder()
	providertest.ServeRoutes(r.Routes()).ServeHTTP(rec, req)
	return rec
}

func (r *rig) put(c signed.Claims, body io.Reader) *httptest.ResponseRecorder {
	req := httptest.NewRequest("PUT", r.target(uploadPath, c), body)
	req.Header.Set("X-User", "u")
	req.Header.Set("Content-Type", "image/png")
	return r.do(req)
}

func (r *rig) upload(content string) int {
	return r.put(uploadClaims(r, content), strings.NewReader(content)).Code
}

func (r *rig) get(c signed.Claims, header ...string) *httptest.ResponseRecorder {
	req := httptest.NewRequest("GET", r.target(downloadPath, c), nil)
	req.Header.Set("X-User", "u")
	for i := 0; i < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	return r.do(req)
}

func (r *rig) commit(content string) error {
	_, err := r.Commit(context.Background(), or3cloud.CommitRequest{WorkspaceID: "ws", Hash: hashOf(content), MIMEType: "image/png"})
	return err
}

// store uploads and commits.
func (r *rig) store(content string) {
	r.t.Helper()
	if code := r.upload(content); code != 200 {
		r.t.Fatalf("upload: %d", code)
	}
	if err := r.commit(content); err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) presignDownload(content string) error {
	_, err := r.PresignDownload(context.Background(), or3cloud.PresignDownloadRequest{
		WorkspaceID: "ws", UserID: "u", Hash: hashOf(content),
	})
	return err
}

func (r *rig) gc() (or3cloud.StorageGCReport, error) {
	return r.GC(context.Background(), or3cloud.StorageGCRequest{WorkspaceID: "ws"})
}

func (r *rig) mustGC() or3cloud.StorageGCReport {
	r.t.Helper()
	report, err := r.gc()
	if err != nil {
		r.t.Fatal(err)
	}
	return report
}

// files lists all regular files of the store but the identity's, relative and sorted.
func (r *rig) files() []string {
	r.t.Helper()
	var out []string
	err := filepath.WalkDir(r.dir, func(p string, d iofs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && d.Name() != volume.IdentityFile && d.Name() != knownRootFile {
			rel, _ := filepath.Rel(r.dir, p)
			out = append(out, filepath.ToSlash(rel))
		}
		return err
	})
	if err != nil {
		r.t.Fatal(err)
	}
	slices.Sort(out)
	return out
}

func (r *rig) record(content string) copies.Record {
	r.t.Helper()
	rec, err := copies.ReadRecord(r.disk.Disk, keyOf(content))
	if err != nil {
		r.t.Fatal(err)
	}
	return rec
}

// path is where the bytes of a stored content are.
func (r *rig) path(content string) string {
	return filepath.Join(r.dir, filepath.FromSlash(keyOf(content).Live(r.record(content).Generation)))
}

func message(rec *httptest.ResponseRecorder) string {
	var body struct {
		Message string `json:"message"`
	}
	json.Unmarshal(rec.Body.Bytes(), &body)
	return body.Message
}

// faultDisk is a Disk whose operations can be made to fail. fault is called before each operation that changes
// something, and before opens; write may shorten or fail a write.
type faultDisk struct {
	volume.Disk
	fault func(op, name string) error
	write func(p []byte) (int, error)
	// lazy skips the real fsync, for tests that explore many states.
	lazy bool
}

func (d *faultDisk) ask(op, name string) error {
	if d.fault == nil {
		return nil
	}
	return d.fault(op, name)
}

func (d *faultDisk) Mkdir(dir string) error {
	if err := d.ask("mkdir", dir); err != nil {
		return err
	}
	return d.Disk.Mkdir(dir)
}

func (d *faultDisk) Create(name string) (volume.File, error) {
	if err := d.ask("create", name); err != nil {
		return nil, err
	}
	f, err := d.Disk.Create(name)
	if err != nil {
		return nil, err
	}
	return &faultFile{f, d, name}, nil
}

func (d *faultDisk) Open(name string) (volume.File, error) {
	if err := d.ask("open", name); err != nil {
		return nil, err
	}
	return d.Disk.Open(name)
}

func (d *faultDisk) Rename(oldname, newname string) error {
	if err := d.ask("rename", newname); err != nil {
		return err
	}
	return d.Disk.Rename(oldname, newname)
}

func (d *faultDisk) Link(oldname, newname string) error {
	if err := d.ask("link", newname); err != nil {
		return err
	}
	return d.Disk.Link(oldname, newname)
}

func (d *faultDisk) Remove(name string) error {
	if err := d.ask("remove", name); err != nil {
		return err
	}
	return d.Disk.Remove(name)
}

func (d *faultDisk) SyncDir(dir string) error {
	if err := d.ask("syncdir", dir); err != nil || d.lazy {
		return err
	}
	return d.Disk.SyncDir(dir)
}

type faultFile struct {
	volume.File
	disk *faultDisk
	name string
}

func (f *faultFile) Write(p []byte) (int, error) {
	if err := f.disk.ask("write", f.name); err != nil {
		return 0, err
	}
	if f.disk.write != nil {
		return f.disk.write(p)
	}
	return f.File.Write(p)
}

func (f *faultFile) Sync() error {
	if err := f.disk.ask("sync", f.name); err != nil || f.disk.lazy {
		return err
	}
	return f.File.Sync()
}

// writeFile puts a file into the store without the provider.
func (r *rig) writeFile(name, content string) {
	r.t.Helper()
	full := filepath.Join(r.dir, filepath.FromSlash(name))
	if err := os.MkdirAll(filepath.Dir(full), 0o700); err != nil {
		r.t.Fatal(err)
	}
	if err := os.WriteFile(full, []byte(content), 0o600); err != nil {
		r.t.Fatal(err)
	}
}

// newPipe returns a request body and the end that feeds it.
func newPipe() (io.Reader, *io.PipeWriter) {
	out, in := io.Pipe()
	return struct{ io.Reader }{out}, in
}

// newBody returns a request body whose length is not known in advance.
func newBody(content string) io.Reader { return struct{ io.Reader }{strings.NewReader(content)} }
