package host

import (
	"bufio"
	"crypto/sha256"
	"database/sql"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ncruces/go-sqlite3/driver"
	"github.com/pquerna/otp/totp"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/instance"
)

// needs is what a route requires, and so what ends the right to it.
type needs int

const (
	anyone     needs = iota // may ask, without a session, too
	session                 // someone who is signed in
	reader                  // a member of the addressed workspace
	writer                  // a member who may write there
	admin                   // a deployment administrator
	adminOwner              // a deployment administrator who owns the addressed workspace
	super                   // the super administrator
)

// stalls has a request for every route of the running host that takes a body. Without a revocation, one after the other
// in this order, they are answered as want says, so that a refusal cannot be due to the request itself.
var stalls = []stall{
	{route: "POST /api/sync/push", needs: writer, want: 200, body: func(s *scene) string {
		return fmt.Sprintf(`{"scope":{"workspaceId":%q},"ops":[%s]}`, s.shared, kvOp(1, 1))
	}},
	{route: "POST /api/sync/push", needs: writer, want: 200, trickles: session, body: func(s *scene) string {
		return fmt.Sprintf(`{"scope":{"workspaceId":%q},"ops":[%s],"skipped":%q}`, s.shared, kvOp(2, 2), strings.Repeat("x", 1<<20))
	}},
	{route: "POST /api/sync/pull", needs: reader, want: 200, body: func(s *scene) string {
		return fmt.Sprintf(`{"scope":{"workspaceId":%q},"cursor":0,"limit":10}`, s.shared)
	}},
	{route: "POST /api/sync/snapshot", needs: reader, want: 200, body: func(s *scene) string {
		return fmt.Sprintf(`{"scope":{"workspaceId":%q},"pageSize":10}`, s.shared)
	}},
	{route: "POST /api/sync/update-cursor", needs: reader, want: 200, body: func(s *scene) string {
		return fmt.Sprintf(`{"scope":{"workspaceId":%q},"deviceId":"stalled","version":1}`, s.shared)
	}},
	{route: "POST /api/sync/gc-tombstones", needs: writer, want: 204, body: collection},
	{route: "POST /api/sync/gc-change-log", needs: writer, want: 204, body: collection},

	{route: "POST /api/storage/presign-upload", needs: writer, want: 200, body: func(s *scene) string {
		return fmt.Sprintf(`{"workspace_id":%q,"hash":%q,"mime_type":"text/plain","size_bytes":3}`, s.shared, hashOf("new"))
	}},
	{route: "POST /api/storage/presign-download", needs: reader, want: 200, body: func(s *scene) string {
		return fmt.Sprintf(`{"workspace_id":%q,"hash":%q}`, s.shared, hashOf(stored))
	}},
	{route: "POST /api/storage/commit", needs: writer, want: 200, body: func(s *scene) string {
		return fmt.Sprintf(`{"workspace_id":%q,"hash":%q,"storage_id":"x","storage_provider_id":"fs","mime_type":"text/plain","size_bytes":%d,"name":"a","kind":"file"}`,
			s.shared, hashOf(stored), len(stored))
	}},
	{route: "POST /api/storage/delete", needs: writer, want: 200, body: func(s *scene) string {
		return fmt.Sprintf(`{"workspace_id":%q,"hash":%q}`, s.shared, hashOf(stored))
	}},
	{route: "POST /api/storage/gc/run", needs: admin, want: 200, body: func(s *scene) string {
		return fmt.Sprintf(`{"workspace_id":%q}`, s.shared)
	}},
	{route: "PUT /api/storage/fs/upload", needs: writer, want: 200, trickles: writer, header: "Content-Type: text/plain\r\n",
		path: func(s *scene) string { return s.put }, body: func(*scene) string { return large }},
	{route: "POST /api/storage/resumable", needs: writer, want: 201, trickles: writer,
		header: fmt.Sprintf("Content-Type: application/offset+octet-stream\r\nTus-Resumable: 1.0.0\r\nUpload-Length: %d\r\n", len(large)),
		more:   func(s *scene) string { return "Upload-Metadata: " + s.metadata() + "\r\n" }, body: func(*scene) string { return large }},
	{route: "PATCH /api/storage/resumable/:id", needs: writer, want: 204, trickles: writer,
		header: "Content-Type: application/offset+octet-stream\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\n",
		path:   func(s *scene) string { return s.piece }, body: func(*scene) string { return large }},
	{route: "POST /api/storage/resumable/:id", needs: writer, want: 204, trickles: writer,
		header: "Content-Type: application/offset+octet-stream\r\nTus-Resumable: 1.0.0\r\nUpload-Offset: 0\r\nX-HTTP-Method-Override: PATCH\r\n",
		path:   func(s *scene) string { return s.otherPiece }, body: func(*scene) string { return large }},
	{route: "DELETE /api/storage/resumable/:id", needs: writer, want: 204, unread: true, header: "Tus-Resumable: 1.0.0\r\n",
		path: func(s *scene) string { return s.piece }},

	{route: "POST /api/workspaces", needs: session, want: 200, body: func(*scene) string { return `{"name":"a stalled one"}` }},
	{route: "PATCH /api/workspaces/:id", needs: writer, want: 200, path: sharedWorkspace, body: func(*scene) string { return `{"name":"a stalled name"}` }},
	{route: "POST /api/workspaces/members/set-role", needs: writer, want: 200, body: func(s *scene) string {
		return fmt.Sprintf(`{"workspaceId":%q,"userId":%q,"role":"owner"}`, s.shared, s.victim.user)
	}},
	{route: "POST /api/workspaces/members/remove", needs: writer, want: 404, body: func(s *scene) string {
		return fmt.Sprintf(`{"workspaceId":%q,"userId":"none"}`, s.shared)
	}},
	{route: "POST /api/workspaces/invites/revoke", needs: writer, want: 404, body: func(s *scene) string {
		return fmt.Sprintf(`{"workspaceId":%q,"inviteId":"none"}`, s.shared)
	}},
	{route: "POST /api/workspaces/active", needs: reader, want: 200, body: func(s *scene) string { return fmt.Sprintf(`{"id":%q}`, s.shared) }},

	{route: "POST /api/openrouter/stream", needs: session, want: 200, body: func(*scene) string { return `{"model":"a","stream":true}` }},
	{route: "POST /api/openrouter/stream", needs: session, want: 200, trickles: session, body: func(*scene) string {
		return `{"model":"a","stream":true,"messages":"` + large + `"}`
	}},
	{route: "POST /api/openrouter/stream", needs: writer, want: 200, body: func(s *scene) string { return wish(s.shared, 1, "") }},
	{route: "POST /api/openrouter/stream", needs: writer, want: 200, trickles: session, body: func(s *scene) string {
		return wish(s.shared, 2, `,"skipped":"`+strings.Repeat("x", 900<<10)+`"`)
	}},
	{route: "POST /api/jobs/:id/abort", needs: session, want: 200, path: func(*scene) string { return "/api/jobs/none/abort" }},
	{route: "POST /api/jobs/:id/client-tool/claim", needs: session, want: 404, path: func(*scene) string { return "/api/jobs/none/client-tool/claim" },
		body: func(*scene) string { return `{"callId":"c","deviceId":"d"}` }},
	{route: "POST /api/jobs/:id/client-tool/validate", needs: session, want: 404, path: func(*scene) string { return "/api/jobs/none/client-tool/validate" },
		body: func(*scene) string { return `{"callId":"c","claimToken":"t"}` }},
	{route: "POST /api/jobs/:id/client-tool/result", needs: session, want: 404, path: func(*scene) string { return "/api/jobs/none/client-tool/result" },
		body: func(*scene) string { return `{"callId":"c","claimToken":"t","result":"r"}` }},
	{route: "POST /api/jobs/:id/client-tool/result", needs: session, want: 404, trickles: session,
		path: func(*scene) string { return "/api/jobs/none/client-tool/result" },
		body: func(*scene) string { return `{"callId":"c","claimToken":"t","result":"` + large + `"}` }},
	{route: "POST /api/jobs/admission-abort", needs: session, want: 200, body: func(*scene) string { return `{"admissionId":"a stalled one"}` }},
	{route: "POST /api/webhooks", needs: session, want: 200, body: func(*scene) string {
		return `{"url":"http://127.0.0.1:1/","events":["thread.created"]}`
	}},
	{route: "PATCH /api/webhooks/:id", needs: reader, want: 200, path: func(s *scene) string { return s.hook }, body: func(*scene) string {
		return `{"label":"a stalled name"}`
	}},
	{route: "POST /api/webhooks/:id/toggle", needs: reader, want: 200, path: func(s *scene) string { return s.hook + "/toggle" }},
	{route: "POST /api/webhooks/:id/test", needs: reader, want: 200, path: func(s *scene) string { return s.hook + "/test" }},
	{route: "POST /api/webhooks/disable-all", needs: session, want: 200},
	{route: "DELETE /api/webhooks/:id", needs: reader, want: 200, path: func(s *scene) string { return s.hook }},

	{route: "POST /api/basic-auth/display-name", needs: session, want: 200, body: func(*scene) string { return `{"displayName":"Stalled"}` }},
	{route: "POST /api/basic-auth/email/cancel", needs: session, want: 200},
	{route: "POST /api/basic-auth/reauthenticate", needs: session, want: 200, body: func(*scene) string { return `{"password":"correct horse"}` }},
	{route: "POST /api/basic-auth/refresh", needs: session, want: 200},
	{route: "POST /api/basic-auth/totp/confirm", needs: session, want: 200, body: func(s *scene) string {
		code, err := totp.GenerateCode(s.secret, s.now())
		if err != nil {
			s.t.Fatal(err)
		}
		return fmt.Sprintf(`{"code":%q}`, code)
	}},
	{route: "POST /api/basic-auth/recovery-codes", needs: session, want: 200},
	{route: "POST /api/basic-auth/totp/enrol", needs: session, want: 409}, // confirmed above
	{route: "POST /api/basic-auth/totp/remove", needs: session, want: 200},
	{route: "POST /api/basic-auth/passkeys/register-options", needs: session, want: 200},
	{route: "POST /api/basic-auth/passkeys/register", needs: session, want: 400, body: func(*scene) string {
		return `{"name":"stalled","challenge":"none","credential":{}}` // basicauth has the ceremonies
	}},
	{route: "POST /api/basic-auth/passkeys/rename", needs: session, want: 404, body: func(*scene) string { return `{"id":"none","name":"stalled"}` }},
	{route: "POST /api/basic-auth/passkeys/remove", needs: session, want: 404, body: func(*scene) string { return `{"id":"none"}` }},
	{route: "POST /api/basic-auth/sessions/revoke", needs: session, want: 200, body: func(s *scene) string { return fmt.Sprintf(`{"id":%q}`, s.otherSession) }},
	{route: "POST /api/basic-auth/sessions/revoke-others", needs: session, want: 200},
	{route: "POST /api/basic-auth/email", needs: session, want: 200, body: func(*scene) string { return `{"email":"stalled@example.test"}` }},
	{route: "POST /api/basic-auth/change-password", needs: session, want: 200, body: func(*scene) string {
		return `{"currentPassword":"correct horse","newPassword":"a stalled password","confirmNewPassword":"a stalled password","keepSession":true}`
	}},
	{route: "DELETE /api/workspaces/:id", needs: writer, want: 200, path: sharedWorkspace},
	{route: "POST /api/basic-auth/delete-account", needs: session, want: 200, body: func(s *scene) string { return fmt.Sprintf(`{"email":%q}`, s.address()) }},

	// Requests that prove something else than a session: a password, a link, a second factor, a passkey.
	{route: "POST /api/basic-auth/sign-in"}, {route: "POST /api/basic-auth/sign-out"}, {route: "POST /api/basic-auth/register"},
	{route: "POST /api/basic-auth/forgot-password"}, {route: "POST /api/basic-auth/reset-password"}, {route: "POST /api/basic-auth/email/confirm"},
	{route: "POST /api/basic-auth/link"},
	{route: "POST /api/basic-auth/second-factor"}, {route: "POST /api/basic-auth/passkeys/sign-in-options"}, {route: "POST /api/basic-auth/passkeys/sign-in"},
}

// stall is a request whose body does not arrive at once.
type stall struct {
	route  string
	needs  needs
	want   int
	header string
	more   func(*scene) string
	path   func(*scene) string
	body   func(*scene) string
	// trickles says that the body is read in a stream, and what is known before its end, so that the stream ends when
	// that is revoked: of a push, which names its workspace in the body, only the sender.
	trickles needs
	// as is the sender; nil for the victim.
	as func(*scene) *person
	// unread says that the request is answered from its header alone.
	unread bool
}

const victim, stored = "victim@example.test", "stored content"

var large = strings.Repeat("a large file ", 30_000)

func hashOf(content string) string {
	sum := sha256.Sum256([]byte(content))
	return "sha256:" + hex.EncodeToString(sum[:])
}

func collection(s *scene) string {
	return fmt.Sprintf(`{"scope":{"workspaceId":%q},"retentionSeconds":1}`, s.shared)
}
func sharedWorkspace(s *scene) string { return "/api/workspaces/" + s.shared }

// scene is a host with a user who is about to lose their rights.
type scene struct {
	t *testing.T
	*real
	victim, other, owner *person
	super, otherSuper    *person // the super administrator in two browsers
	shared               string  // a workspace that owner and victim own
	spare                string  // another workspace of the owner
	otherSession         string  // of the victim, in another browser
	put                  string  // a signed URL
	piece, otherPiece    string  // uploads in pieces that have begun
	secret               string  // of an authenticator app that is not confirmed
	hook                 string  // the path of a webhook in the shared workspace
	adminHook            string  // the id of a webhook of administrators, which is switched off
	host                 string
}

func newScene(t *testing.T, environ ...string) *scene {
	environ = append(environ, "OR3_STORAGE_ALLOWED_MIME_TYPES=text/plain", "OR3_WEBHOOKS_BLOCK_PRIVATE_IPS=false", superAdmin[0], superAdmin[1],
		"OPENROUTER_API_KEY=sk-or-v1-for-all", "OR3_OPENROUTER_BASE_URL="+models(t, nil), "OR3_BACKGROUND_STREAMING_ENABLED=true")
	r := startReal(t, eventsapi.Bounds{}, nil, environ...)
	s := &scene{t: t, real: r, victim: r.register(t, victim), owner: r.register(t, "owner@example.test")}
	s.host = strings.Replace(strings.TrimPrefix(r.url, "http://"), "127.0.0.1", "localhost", 1)
	s.other = r.signIn(t, victim, "correct horse")
	r.keepAdminPassword(t)
	s.super, s.otherSuper = r.visitor(t).administer(), r.visitor(t).administer()
	r.grant(t, s.victim, true)
	s.shared = s.owner.workspace
	var spare struct{ ID string }
	s.owner.do("POST", "/api/workspaces", `{"name":"a spare one"}`, &spare)
	s.spare = spare.ID
	s.member(or3cloud.RoleOwner)
	var list struct {
		Sessions []struct {
			ID      string
			Current bool
		}
	}
	s.victim.do("GET", "/api/basic-auth/sessions", "", &list)
	s.otherSession = list.Sessions[1].ID
	var enrolled struct{ Secret string }
	s.victim.do("POST", "/api/basic-auth/totp/enrol", "", &enrolled)
	s.secret = enrolled.Secret
	own := s.victim.workspace
	s.victim.workspace = s.shared
	s.victim.upload(stored)
	var signed struct{ URL string }
	s.victim.do("POST", "/api/storage/presign-upload",
		fmt.Sprintf(`{"workspace_id":%q,"hash":%q,"mime_type":"text/plain","size_bytes":%d}`, s.shared, hashOf(large), len(large)), &signed)
	s.put = signed.URL
	s.piece, s.otherPiece = s.beginUpload(), s.beginUpload()
	activate := func(id string) { s.victim.do("POST", "/api/workspaces/active", fmt.Sprintf(`{"id":%q}`, id), nil) }
	activate(s.shared)
	var made struct{ Webhook struct{ ID string } }
	s.victim.do("POST", "/api/webhooks", `{"url":"http://127.0.0.1:1/","events":["thread.created"]}`, &made)
	s.hook, s.adminHook = "/api/webhooks/"+made.Webhook.ID, "stalled"
	hooks := instance.Ability[or3cloud.WebhookStore](r.instance.Providers(), or3cloud.ProviderSync)
	if _, err := hooks.CreateWebhook(t.Context(), or3cloud.Webhook{
		ID: s.adminHook, Scope: or3cloud.WebhookAdmin, URL: "http://127.0.0.1:1/", Events: []string{adminevent.UserCreated}, SealedSecret: []byte("s"),
	}, 1); err != nil {
		t.Fatal(err)
	}
	activate(own)
	return s
}

// beginUpload begins an upload in pieces of the large content, and returns where it is.
func (s *scene) beginUpload() string {
	s.t.Helper()
	q := s.begin(stall{route: "POST /api/storage/resumable", unread: true, header: fmt.Sprintf("Tus-Resumable: 1.0.0\r\nUpload-Length: %d\r\n", len(large)), more: func(s *scene) string {
		return "Upload-Metadata: " + s.metadata() + "\r\n"
	}})
	if q.early == nil || q.early.StatusCode != 201 {
		s.t.Fatalf("an upload in pieces: %+v", q.early)
	}
	return q.early.Header.Get("Location")
}

func (s *scene) member(role or3cloud.Role) {
	s.t.Helper()
	access := s.running.Load().sessions.store.(or3cloud.WorkspaceAccessStore)
	err := access.RemoveMember(s.t.Context(), s.shared, s.victim.user)
	if role != "" {
		err = access.SetMemberRole(s.t.Context(), s.shared, s.victim.user, role)
	}
	if err != nil {
		s.t.Fatal(err)
	}
}

func (s *scene) metadata() string {
	var parts []string
	for name, value := range map[string]string{
		"workspace_id": s.shared, "hash": hashOf(large), "mime_type": "text/plain", "name": "a", "kind": "file",
	} {
		parts = append(parts, name+" "+base64.StdEncoding.EncodeToString([]byte(value)))
	}
	return strings.Join(parts, ",")
}

// address is that of the victim.
func (s *scene) address() (address string) {
	err := s.instance.Operate(func(op instance.Operator) error {
		list, _, err := op.Accounts.ListAccounts(s.t.Context(), "", 1)
		address = list[0].Email
		return err
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return address
}

// stalled is a request under way whose body the host has begun to read.
type stalled struct {
	stall
	s      *scene
	conn   net.Conn
	rest   string
	early  *http.Response // the answer, if it did not wait for the body
	answer chan answered
}

type answered struct {
	*http.Response
	text []byte
	err  error
}

// begin sends a request and half of its body, once the host has asked for it.
func (s *scene) begin(c stall) *stalled {
	s.t.Helper()
	method, path, _ := strings.Cut(c.route, " ")
	if c.path != nil {
		path = c.path(s)
	}
	body := "{}"
	if c.body != nil {
		body = c.body(s)
	}
	more := c.header
	if more == "" {
		more = "Content-Type: application/json\r\n"
	}
	if c.more != nil {
		more += c.more(s)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(func() { conn.Close() })
	if c.unread {
		body = ""
	} else {
		more += "Expect: 100-continue\r\n"
	}
	at, err := url.Parse(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	sender := s.victim
	if c.as != nil {
		sender = c.as(s)
	}
	var cookies []string
	for _, cookie := range sender.client.Jar.Cookies(at) {
		cookies = append(cookies, cookie.Name+"="+cookie.Value)
	}
	_, err = fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nContent-Length: %d\r\n%s\r\n",
		method, path, s.host, strings.Join(cookies, "; "), len(body), more)
	if err != nil {
		s.t.Fatal(err)
	}
	q := &stalled{stall: c, s: s, conn: conn, rest: body[len(body)/2:], answer: make(chan answered, 1)}
	in, req := bufio.NewReader(conn), &http.Request{Method: method}
	first, err := http.ReadResponse(in, req)
	if err != nil {
		s.t.Fatalf("%s: %v", c.route, err)
	}
	if first.StatusCode != http.StatusContinue {
		q.early = first
		return q
	}
	if _, err := io.WriteString(conn, body[:len(body)/2]); err != nil {
		s.t.Fatal(err)
	}
	go func() {
		res, err := http.ReadResponse(in, req)
		if err != nil {
			q.answer <- answered{err: err}
			return
		}
		sender.client.Jar.SetCookies(at, res.Cookies())
		text, err := io.ReadAll(res.Body)
		q.answer <- answered{res, text, err}
	}()
	return q
}

// finish sends the rest of the body and returns the answer. A body that was cut off may not be read any more.
func (q *stalled) finish() answered {
	_, _ = io.WriteString(q.conn, q.rest)
	return <-q.answer
}

// state is everything that a request could change: the rows of both databases and the stored files. It excludes limits,
// which count refused requests as well, the trail, which names them, and uploads in progress, which belong to no one
// yet.
func (s *scene) state() string {
	s.t.Helper()
	var out strings.Builder
	err := filepath.WalkDir(s.instance.Options().DataDir, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || strings.Contains(path, "tmp-") || strings.HasPrefix(d.Name(), ".") {
			return ignoreAbsent(err)
		}
		if strings.HasSuffix(path, ".sqlite") {
			return dump(&out, path)
		}
		if !strings.Contains(path, ".sqlite-") {
			info, err := d.Info()
			if err == nil {
				fmt.Fprintln(&out, path, info.Size())
			}
			return ignoreAbsent(err)
		}
		return nil
	})
	if err != nil {
		s.t.Fatal(err)
	}
	return out.String()
}

func ignoreAbsent(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

func dump(out io.Writer, path string) error {
	db, err := driver.Open("file:" + path + "?mode=ro")
	if err != nil {
		return err
	}
	defer db.Close()
	tables, err := column(db, "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT IN ('rate_windows', 'audit', 'sqlite_sequence') ORDER BY name")
	if err != nil {
		return err
	}
	for _, table := range tables {
		columns, err := column(db, "SELECT group_concat('quote(' || name || ')', '||'' ''||') FROM pragma_table_info('"+table+"')")
		if err != nil {
			return err
		}
		rows, err := column(db, "SELECT "+columns[0]+" FROM "+table+" ORDER BY 1")
		if err != nil {
			return err
		}
		for _, row := range rows {
			fmt.Fprintln(out, table, row)
		}
	}
	return nil
}

func column(db *sql.DB, query string) (out []string, err error) {
	rows, err := db.Query(query)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			return nil, err
		}
		out = append(out, text)
	}
	return out, rows.Err()
}

// revocation is one way to end a right.
type revocation struct {
	ends []needs
	do   func(*scene) error
}

// revocations are the ways in which the right to a request ends while its body is on its way.
var revocations = map[string]revocation{
	"signed out": {[]needs{session, reader, writer, admin, adminOwner}, func(s *scene) error {
		s.victim.do("POST", "/api/basic-auth/sign-out", "", nil)
		return nil
	}},
	"password changed in another browser": {[]needs{session, reader, writer, admin, adminOwner}, func(s *scene) error {
		s.other.do("POST", "/api/basic-auth/change-password",
			`{"currentPassword":"correct horse","newPassword":"another long secret","confirmNewPassword":"another long secret","keepSession":true}`, nil)
		return nil
	}},
	"all others revoked": {[]needs{session, reader, writer, admin, adminOwner}, func(s *scene) error {
		s.other.do("POST", "/api/basic-auth/sessions/revoke-others", "", nil)
		return nil
	}},
	"account switched off": {[]needs{session, reader, writer, admin, adminOwner}, func(s *scene) error {
		return s.instance.Operate(func(op instance.Operator) error { return op.Accounts.SetDisabled(s.t.Context(), victim, true) })
	}},
	"all sessions revoked by the operator": {[]needs{session, reader, writer, admin, adminOwner}, func(s *scene) error {
		return s.instance.Operate(func(op instance.Operator) error {
			_, err := op.Accounts.RevokeSessions(s.t.Context(), victim, "")
			return err
		})
	}},
	"membership ended": {[]needs{reader, writer, adminOwner}, func(s *scene) error { s.member(""); return nil }},
	"viewer from now on": {[]needs{writer, adminOwner}, func(s *scene) error {
		s.member(or3cloud.RoleViewer)
		return nil
	}},
	"deployment administrator no more": {[]needs{admin, adminOwner}, func(s *scene) error {
		s.grant(s.t, s.victim, false)
		return nil
	}},
	"password of the super administrator changed in another browser": {[]needs{super}, func(s *scene) error {
		s.otherSuper.do("POST", "/api/admin/auth/change-password", fmt.Sprintf(`{"currentPassword":%q,"newPassword":"Another horse 2"}`, adminPassword), nil)
		return nil
	}},
	"workspace deleted": {[]needs{reader, writer, adminOwner}, func(s *scene) error {
		s.owner.do("DELETE", "/api/workspaces/"+s.shared, "", nil)
		return nil
	}},
}

func TestEveryRouteWithABodyHasAStall(t *testing.T) {
	s := newScene(t)
	known := map[string]bool{}
	for _, c := range allStalls() {
		known[c.route] = true
	}
	for _, route := range s.running.Load().router.Routes() {
		name := route.Method + " " + route.Path
		if !slices.Contains([]string{http.MethodGet, http.MethodHead, http.MethodOptions}, route.Method) && !known[name] {
			t.Errorf("%s has no row in stalls", name)
		}
		delete(known, name)
	}
	for name := range known {
		t.Errorf("no one serves %s", name)
	}
}

// Without a revocation the same requests succeed, even when their bodies come late.
func TestAStalledBodyAloneIsNotRefused(t *testing.T) {
	s := newScene(t)
	for _, c := range allStalls() {
		if c.needs == anyone {
			continue
		}
		q := s.begin(c)
		status, text := 0, []byte(nil)
		if c.unread != (q.early != nil) {
			t.Fatalf("%s: answered before its body: %t", c.route, q.early != nil)
		} else if c.unread {
			status = q.early.StatusCode
		} else if a := q.finish(); a.err != nil {
			t.Errorf("%s: %v", c.route, a.err)
		} else {
			status, text = a.StatusCode, a.text
		}
		if status != c.want {
			t.Errorf("%s: %d %s, want %d", c.route, status, text, c.want)
		}
	}
}

// A request whose head was sent while it was permitted, and whose body came later, is refused, whatever ended the
// permission, and nothing of it remains.
func TestADecisionDoesNotOutliveTheReadingOfABody(t *testing.T) {
	for name, revocation := range revocations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			var begun []*stalled
			for _, c := range allStalls() {
				if slices.Contains(revocation.ends, c.needs) && !c.unread {
					begun = append(begun, s.begin(c))
				}
			}
			if err := revocation.do(s); err != nil {
				t.Fatal(err)
			}
			before := s.state()
			for _, q := range begun {
				if q.early != nil {
					t.Errorf("%s: %d before its body has come", q.route, q.early.StatusCode)
					continue
				}
				a := q.finish()
				if a.err != nil {
					t.Errorf("%s: %v", q.route, a.err)
					continue
				}
				if a.StatusCode != 401 && a.StatusCode != 403 && (a.StatusCode != 404 || q.needs == session) {
					t.Errorf("%s: %d %s", q.route, a.StatusCode, a.text)
				}
			}
			if after := s.state(); after != before {
				t.Errorf("something has changed: %s", difference(before, after))
			}
			for _, c := range allStalls() { // those that nothing can stall
				if slices.Contains(revocation.ends, c.needs) && c.unread {
					if q := s.begin(c); q.early == nil || q.early.StatusCode < 401 || q.early.StatusCode > 404 {
						t.Errorf("%s: %+v", c.route, q.early)
					}
				}
			}
		})
	}
}

// The server does not wait for a body that can no longer lead to anything: it is cut off, though the rest of it never
// comes.
func TestATricklingBodyEndsWithItsPermission(t *testing.T) {
	for name, revocation := range revocations {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			var begun []*stalled
			for _, c := range stalls {
				if slices.Contains(revocation.ends, c.trickles) {
					begun = append(begun, s.begin(c))
				}
			}
			if err := revocation.do(s); err != nil {
				t.Fatal(err)
			}
			for _, q := range begun {
				if a := <-q.answer; a.err != nil || a.StatusCode != 401 && a.StatusCode != 403 {
					t.Errorf("%s: %+v", q.route, a)
				}
			}
		})
	}
}

// An honest client that takes long is not refused: not for an access token that expires on the way, which is renewed
// once and not presented again after the grace, nor for one that had expired before.
func TestALongBodyCostsOneRotationAtMost(t *testing.T) {
	for name, before := range map[string]time.Duration{"renewed at its beginning": 16 * time.Minute, "runs out on the way": 0} {
		for _, c := range stalls {
			if c.trickles == anyone || c.route == "PUT /api/storage/fs/upload" && before > 0 { // its URL lives no longer than that
				continue
			}
			t.Run(name+" "+c.route, func(t *testing.T) {
				s := newScene(t)
				s.ahead.Add(int64(before))
				q := s.begin(c)
				if q.early != nil {
					t.Fatalf("%+v", q.early)
				}
				s.ahead.Add(int64(16 * time.Minute))
				if a := q.finish(); a.err != nil || a.StatusCode != c.want {
					t.Errorf("%+v %s", a.Response, a.text)
				}
				s.victim.resolve()
				s.other.resolve() // a replay would have ended all sessions of the account
			})
		}
	}
}

// difference returns the lines that only one of two texts has.
func difference(before, after string) string {
	b, a := strings.Split(before, "\n"), strings.Split(after, "\n")
	var out []string
	for _, line := range b {
		if !slices.Contains(a, line) {
			out = append(out, "- "+line)
		}
	}
	for _, line := range a {
		if !slices.Contains(b, line) {
			out = append(out, "+ "+line)
		}
	}
	return strings.Join(out, "\n")
}
