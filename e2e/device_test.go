package e2e

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"

	"or3.chat/cloud/internal/patience"
)

// device is one browser profile or one API client: an HTTP client with its own cookies.
type device struct {
	t    testing.TB
	srv  *server
	name string
	jar  *jar
	http *http.Client
}

// newDevice returns a device without cookies.
func newDevice(t testing.TB, srv *server, name string) *device {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	transport.MaxIdleConnsPerHost = 16
	t.Cleanup(transport.CloseIdleConnections)
	return &device{t: t, srv: srv, name: name, jar: &jar{}, http: &http.Client{
		Transport:     srv.secrets.Transport(transport),
		Timeout:       patience.Limit,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// reply is an answer, read to its end.
type reply struct {
	status int
	header http.Header
	body   []byte
}

// decode reads the body as JSON into v.
func (r *reply) decode(t testing.TB, v any) {
	t.Helper()
	if err := json.Unmarshal(r.body, v); err != nil {
		t.Fatalf("answer %d is not JSON: %v\n%.500s", r.status, err, r.body)
	}
}

// message returns the text of an error answer.
func (r *reply) message() string {
	var b struct {
		Message string `json:"message"`
	}
	_ = json.Unmarshal(r.body, &b)
	return b.Message
}

func (r *reply) String() string { return fmt.Sprintf("%d %.600s", r.status, r.body) }

// send sends one request and returns the answer or the network's error. It keeps the cookies of the answer.
func (d *device) send(ctx context.Context, method, path string, body []byte, header http.Header) (*reply, error) {
	var reader io.Reader
	if body != nil {
		reader = bytes.NewReader(body)
	}
	req, err := http.NewRequestWithContext(ctx, method, d.srv.url+path, reader)
	if err != nil {
		return nil, err
	}
	for name, values := range header {
		req.Header[http.CanonicalHeaderKey(name)] = values
	}
	// A Cookie header in the arguments, even without a value, takes the place of the jar's.
	if _, own := header["Cookie"]; !own {
		if cookies := d.jar.header(req.URL.Path); cookies != "" {
			req.Header.Set("Cookie", cookies)
		}
	}
	res, err := d.http.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return nil, err
	}
	d.jar.keep(res)
	return &reply{status: res.StatusCode, header: res.Header, body: text}, nil
}

// do is send for tests in which the network never fails.
func (d *device) do(method, path string, body []byte, header http.Header) *reply {
	d.t.Helper()
	r, err := d.send(context.Background(), method, path, body, header)
	if err != nil {
		d.t.Fatalf("%s %s: %v", method, path, err)
	}
	return r
}

var jsonHeader = http.Header{"Content-Type": {"application/json"}}

// post sends a JSON body: text as it is, anything else encoded.
func (d *device) post(path string, body any) *reply {
	d.t.Helper()
	return d.call("POST", path, body)
}

// call sends a request with a JSON body, or without one if body is nil.
func (d *device) call(method, path string, body any) *reply {
	d.t.Helper()
	text := encode(d.t, body)
	if text == nil {
		return d.do(method, path, nil, nil)
	}
	return d.do(method, path, text, jsonHeader)
}

// encode turns a request body into bytes; strings and byte slices are taken as they are.
func encode(t testing.TB, body any) []byte {
	t.Helper()
	switch b := body.(type) {
	case nil:
		return nil
	case []byte:
		return b
	case string:
		return []byte(b)
	}
	text, err := json.Marshal(body)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// obj is a JSON object that is being built.
type obj = map[string]any

// password is the one that helpers register and sign in with.
const password = "Correct-Horse-7-battery"

// register creates an account and leaves the device signed in to it.
func (d *device) register(email string) *session {
	d.t.Helper()
	r := d.post("/api/basic-auth/register", obj{"email": email, "password": password, "confirmPassword": password})
	if r.status != 200 {
		d.t.Fatalf("register %s: %s", email, r)
	}
	return d.mustSession()
}

// signIn signs the device in to an existing account.
func (d *device) signIn(email string) *session {
	d.t.Helper()
	if r := d.post("/api/basic-auth/sign-in", obj{"email": email, "password": password}); r.status != 200 {
		d.t.Fatalf("sign in as %s: %s", email, r)
	}
	return d.mustSession()
}

// session is the answer of GET /api/auth/session.
type session struct {
	Authenticated bool `json:"authenticated"`
	User          struct {
		ID    string `json:"id"`
		Email string `json:"email"`
	} `json:"user"`
	Workspace struct {
		ID   string `json:"id"`
		Name string `json:"name"`
	} `json:"workspace"`
	Role string `json:"role"`
}

// session returns the device's session, or nil when it is signed out.
func (d *device) session() *session {
	d.t.Helper()
	r := d.call("GET", "/api/auth/session", nil)
	if r.status != 200 {
		d.t.Fatalf("session: %s", r)
	}
	var b struct {
		Session *session `json:"session"`
	}
	r.decode(d.t, &b)
	return b.Session
}

func (d *device) mustSession() *session {
	d.t.Helper()
	s := d.session()
	if s == nil {
		d.t.Fatalf("device %s is not signed in", d.name)
	}
	return s
}

// stamp is the stamp of an op on the wire.
type stamp struct {
	DeviceID string `json:"deviceId"`
	OpID     string `json:"opId"`
	HLC      string `json:"hlc"`
	Clock    int64  `json:"clock"`
}

// less is the order in which ops win: clock, then hlc, then op id.
func (a stamp) less(b stamp) bool {
	switch {
	case a.Clock != b.Clock:
		return a.Clock < b.Clock
	case a.HLC != b.HLC:
		return a.HLC < b.HLC
	}
	return a.OpID < b.OpID
}

// op is one entry of a push.
type op struct {
	ID        string          `json:"id"`
	TableName string          `json:"tableName"`
	Operation string          `json:"operation"`
	PK        string          `json:"pk"`
	Payload   json.RawMessage `json:"payload,omitempty"`
	Stamp     stamp           `json:"stamp"`
	CreatedAt int64           `json:"createdAt"`
	Attempts  int             `json:"attempts"`
	Status    string          `json:"status"`
}

// scope names a workspace in a sync request.
type scope struct {
	WorkspaceID string `json:"workspaceId"`
}

// pushBody is the body of POST /api/sync/push.
type pushBody struct {
	Scope scope `json:"scope"`
	Ops   []op  `json:"ops"`
}

// result is the outcome of one op.
type result struct {
	OpID          string          `json:"opId"`
	Success       bool            `json:"success"`
	ServerVersion int64           `json:"serverVersion"`
	Applied       *bool           `json:"applied"`
	Replayed      bool            `json:"replayed"`
	Winner        json.RawMessage `json:"winner"`
	Error         string          `json:"error"`
	ErrorCode     string          `json:"errorCode"`
}

// pushed is the answer of a push.
type pushed struct {
	Results       []result `json:"results"`
	ServerVersion int64    `json:"serverVersion"`
}

// push sends ops and requires a 200.
func (d *device) push(workspace string, ops ...op) pushed {
	d.t.Helper()
	if ops == nil {
		ops = []op{}
	}
	return d.pushText(encode(d.t, pushBody{scope{workspace}, ops}))
}

// pushText sends the text of a push and requires a 200 with one result per op.
func (d *device) pushText(text []byte) pushed {
	d.t.Helper()
	r := d.do("POST", "/api/sync/push", text, jsonHeader)
	if r.status != 200 {
		d.t.Fatalf("push: %s", r)
	}
	var out pushed
	r.decode(d.t, &out)
	return out
}

// change is one entry of a pull.
type change struct {
	ServerVersion int64           `json:"serverVersion"`
	TableName     string          `json:"tableName"`
	PK            string          `json:"pk"`
	Op            string          `json:"op"`
	Payload       json.RawMessage `json:"payload"`
	Stamp         stamp           `json:"stamp"`
}

// pulled is the answer of a pull.
type pulled struct {
	Changes               []change `json:"changes"`
	NextCursor            int64    `json:"nextCursor"`
	HasMore               bool     `json:"hasMore"`
	OldestRetainedVersion *int64   `json:"oldestRetainedVersion"`
	RequiresSnapshot      *bool    `json:"requiresSnapshot"`
}

var allTables = []string{"threads", "messages", "projects", "posts", "kv", "file_meta", "notifications"}

// pull fetches one page, as the client does, and checks what every client requires of a page.
func (d *device) pull(workspace string, cursor int64, limit int) pulled {
	d.t.Helper()
	r := d.post("/api/sync/pull", obj{"scope": scope{workspace}, "cursor": cursor, "limit": limit, "tables": allTables})
	if r.status != 200 {
		d.t.Fatalf("pull: %s", r)
	}
	var page pulled
	r.decode(d.t, &page)
	if len(page.Changes) > limit {
		d.t.Errorf("a page of %d changes for a limit of %d", len(page.Changes), limit)
	}
	last := cursor
	for _, c := range page.Changes {
		if c.ServerVersion <= last {
			d.t.Errorf("version %d follows %d", c.ServerVersion, last)
		}
		last = c.ServerVersion
	}
	if page.NextCursor < last || page.HasMore && page.NextCursor <= cursor {
		d.t.Errorf("next cursor %d (more: %v) after cursor %d and version %d", page.NextCursor, page.HasMore, cursor, last)
	}
	if page.OldestRetainedVersion == nil || page.RequiresSnapshot == nil {
		d.t.Errorf("the retention fields are missing: %.300s", r.body)
	} else if *page.RequiresSnapshot {
		d.t.Errorf("cursor %d is told to take a snapshot", cursor)
	}
	return page
}

// pullAll pulls page by page until there is no more and hands each page to visit.
func (d *device) pullAll(workspace string, cursor int64, limit int, visit func(pulled)) int64 {
	d.t.Helper()
	for {
		page := d.pull(workspace, cursor, limit)
		visit(page)
		if page.NextCursor < cursor || page.HasMore && page.NextCursor == cursor {
			d.t.Fatalf("the cursor does not advance from %d", cursor)
		}
		cursor = page.NextCursor
		if !page.HasMore {
			return cursor
		}
	}
}

// snapshotItem is one record of a snapshot.
type snapshotItem struct {
	Kind            string          `json:"kind"`
	TableName       string          `json:"tableName"`
	PK              string          `json:"pk"`
	Payload         json.RawMessage `json:"payload"`
	Revision        stamp           `json:"revision"`
	ServerDeletedAt *int64          `json:"serverDeletedAt"`
}

// snapshotPage is the answer of POST /api/sync/snapshot.
type snapshotPage struct {
	WorkspaceID   string         `json:"workspaceId"`
	SnapshotID    string         `json:"snapshotId"`
	HighWatermark int64          `json:"highWatermark"`
	Items         []snapshotItem `json:"items"`
	NextPageToken *string        `json:"nextPageToken"`
}

// presigned is the answer of the presign calls.
type presigned struct {
	URL       string            `json:"url"`
	ExpiresAt int64             `json:"expiresAt"`
	Method    string            `json:"method"`
	StorageID string            `json:"storageId"`
	IntentID  string            `json:"intentId"`
	Headers   map[string]string `json:"headers"`
}

// hashOf returns the name of a blob.
func hashOf(content []byte) string {
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// presignUpload requests an upload URL and requires one.
func (d *device) presignUpload(workspace string, content []byte, mime string) presigned {
	d.t.Helper()
	r := d.post("/api/storage/presign-upload", obj{"workspace_id": workspace, "hash": hashOf(content), "mime_type": mime, "size_bytes": len(content)})
	if r.status != 200 {
		d.t.Fatalf("presign-upload: %s", r)
	}
	var p presigned
	r.decode(d.t, &p)
	return p
}

// presignDownload requests a download URL and requires one.
func (d *device) presignDownload(workspace, hash string) presigned {
	d.t.Helper()
	r := d.post("/api/storage/presign-download", obj{"workspace_id": workspace, "hash": hash})
	if r.status != 200 {
		d.t.Fatalf("presign-download: %s", r)
	}
	var p presigned
	r.decode(d.t, &p)
	return p
}

// put sends the bytes of a blob to an upload URL.
func (d *device) put(url string, content []byte, mime string) *reply {
	d.t.Helper()
	return d.do("PUT", url, content, http.Header{"Content-Type": {mime}})
}

// commitBody is the body of POST /api/storage/commit.
func commitBody(workspace string, content []byte, storageID, mime string) obj {
	return obj{"workspace_id": workspace, "hash": hashOf(content), "storage_id": storageID, "storage_provider_id": "fs",
		"mime_type": mime, "size_bytes": len(content), "name": "file", "kind": "image"}
}

// upload takes a blob all the way: presign, transfer, commit. It returns the storage id.
func (d *device) upload(workspace string, content []byte, mime string) string {
	d.t.Helper()
	p := d.presignUpload(workspace, content, mime)
	if r := d.put(p.URL, content, mime); r.status != 200 {
		d.t.Fatalf("upload: %s", r)
	}
	if r := d.post("/api/storage/commit", commitBody(workspace, content, p.StorageID, mime)); r.status != 200 {
		d.t.Fatalf("commit: %s", r)
	}
	return p.StorageID
}

// download fetches a blob and checks its bytes.
func (d *device) download(workspace string, content []byte) *reply {
	d.t.Helper()
	r := d.do("GET", d.presignDownload(workspace, hashOf(content)).URL, nil, nil)
	if r.status != 200 || !bytes.Equal(r.body, content) {
		d.t.Fatalf("download of %s: status %d, %d bytes", hashOf(content), r.status, len(r.body))
	}
	return r
}

// jar keeps cookies like a browser that treats this machine as secure: by name and path, without regard to the Secure
// attribute, which the tests check themselves.
type jar struct {
	cookies []*http.Cookie
}

// keep stores the cookies of an answer; a Max-Age of zero removes one.
func (j *jar) keep(res *http.Response) {
	for _, c := range res.Cookies() {
		if c.Path == "" {
			c.Path = "/"
		}
		j.cookies = slices.DeleteFunc(j.cookies, func(o *http.Cookie) bool { return o.Name == c.Name && o.Path == c.Path })
		if c.MaxAge >= 0 {
			j.cookies = append(j.cookies, c)
		}
	}
}

// drop forgets a cookie, as a browser does when its Max-Age is over.
func (j *jar) drop(name string) {
	j.cookies = slices.DeleteFunc(j.cookies, func(c *http.Cookie) bool { return c.Name == name })
}

// get returns the value of a cookie, or "".
func (j *jar) get(name string) string {
	for _, c := range j.cookies {
		if c.Name == name {
			return c.Value
		}
	}
	return ""
}

// header returns the Cookie header for a path, longer paths first.
func (j *jar) header(path string) string {
	sent := slices.Clone(j.cookies)
	sent = slices.DeleteFunc(sent, func(c *http.Cookie) bool {
		return path != c.Path && !strings.HasPrefix(path, strings.TrimSuffix(c.Path, "/")+"/")
	})
	slices.SortStableFunc(sent, func(a, b *http.Cookie) int { return len(b.Path) - len(a.Path) })
	pairs := make([]string, len(sent))
	for i, c := range sent {
		pairs[i] = c.Name + "=" + c.Value
	}
	return strings.Join(pairs, "; ")
}
