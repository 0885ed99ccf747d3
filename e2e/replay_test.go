package e2e

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/uuid"

	"or3.chat/cloud/internal/openapi"
)

// apiClient is the device name of the plain HTTP client in recordings. It acts for several accounts.
const apiClient = "api-client"

// replay sends the requests of one recording to a live server and compares the answers.
type replay struct {
	t   *testing.T
	srv *server
	rec *recording
	// devices are the browsers by name; the API client has one per account, so that it never mixes up cookies.
	devices map[string]*device
	// account is whom the API client acts for.
	account string
	// ids maps recorded ids, hashes and the like to live ones.
	ids idMap
	// passwords holds the passwords of each account, the valid one last.
	passwords map[string][]string
	// ledgers is what the log of each live workspace must hold; deleted workspaces are in gone.
	ledgers map[string]*ledger
	gone    map[string]bool
	// names are the present names of live workspaces that were renamed.
	names map[string]string
	// owner is the account that a workspace was first seen with.
	owner map[string]string
	// signedIn is the last recorded signed-in session of each device.
	signedIn map[string]json.RawMessage
	// tokens are the last transfer tokens by direction; "" while the last presign was refused.
	tokens map[string]string
	// views are the replicas that devices build from what they pull.
	views views
	// accessDropped says that the access cookie of the browser has run out.
	accessDropped bool
}

// steps says what a marker of a recording asks the test to do; markers that are not listed only describe.
var steps = map[string]func(*replay){
	"access cookie expires (browser drops it at Max-Age)": func(r *replay) {
		r.devices["A"].jar.drop("or3_access")
		r.accessDropped = true
	},
}

// actors says whom the API client acts for where the recording does not tell. Otherwise it acts for the account that
// it registered or signed in to last, or that the recorded session names. Keys are positions in the file.
var actors = map[string]map[int]string{
	"auth-gating": {27: "intruder-206efb7a@example.test", 36: "intruder-206efb7a@example.test"},
	"storage-api": {5: "stor-f5232f07@example.test", 15: "storx-1974c630@example.test", 16: "stor-f5232f07@example.test",
		21: "storx-1974c630@example.test", 23: "stor-f5232f07@example.test"},
	"viewer-readonly": {28: "viewer-7bdb9a39@example.test", 52: "own-caf40caa@example.test"},
}

// TestCapturedTraffic replays every recorded scenario against the program and compares the answers field by field.
// What must differ from the recording is listed in deviations, each with its reason.
func TestCapturedTraffic(t *testing.T) {
	names := recordings(t)
	used := &tally{}
	done := &tally{}
	t.Run("scenario", func(t *testing.T) {
		for _, name := range names {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				replayScenario(t, name, used)
				done.add(name)
			})
		}
	})
	if len(done.counts) == len(names) {
		for _, d := range deviations {
			if used.counts[d.name] == 0 {
				t.Errorf("the deviation %q is never needed", d.name)
			}
		}
	}
}

func replayScenario(t *testing.T, name string, used *tally) {
	rec := readRecording(t, name)
	r := &replay{t: t, rec: rec, devices: map[string]*device{}, passwords: map[string][]string{}, ledgers: map[string]*ledger{},
		gone: map[string]bool{}, names: map[string]string{}, owner: map[string]string{}, signedIn: map[string]json.RawMessage{}, tokens: map[string]string{}, views: views{}}
	settings := production(t)
	settings = append(settings, withEnv("OR3_RATE_LIMIT_OVERRIDES_JSON", generousLimits))
	settings = append(settings, withAdmin()...)
	if email := r.bootstrapAccount(); email != "" {
		r.passwords[email] = []string{password}
		settings = append(settings, withEnv("OR3_BASIC_AUTH_BOOTSTRAP_EMAIL", email), withEnv("OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD", password))
	}
	r.srv = startServer(t, settings...)
	r.prepareBlobs()
	for i := range rec.Exchanges {
		e := &rec.Exchanges[i]
		if e.Step != "" {
			if do := steps[e.Step]; do != nil {
				do(r)
			}
			continue
		}
		r.exchange(e, used)
	}
	r.checkEnd()
	r.checkSilence()
}

// production sets the environment of a production installation, in which cookies are Secure as in the recordings.
func production(t testing.TB) []setup {
	secret := func(n byte) string { return strings.Repeat(hex.EncodeToString([]byte{n}), 32) }
	return []setup{
		withEnv("NODE_ENV", "production"), withEnv("OR3_FORCE_HTTPS", "false"),
		withEnv("OR3_BASIC_AUTH_JWT_SECRET", secret(1)), withEnv("OR3_BASIC_AUTH_REFRESH_SECRET", secret(2)),
		withEnv("OR3_STORAGE_FS_TOKEN_SECRET", secret(3)), withEnv("OR3_ADMIN_JWT_SECRET", secret(4)),
		func(s *server) {
			s.env["OR3_SQLITE_DB_PATH"] = s.data + "/or3-sync.sqlite"
			s.env["OR3_STORAGE_FS_ROOT"] = s.data + "/blobs"
			if err := os.MkdirAll(s.data, 0o700); err != nil { // production makes none by itself
				t.Fatal(err)
			}
		},
	}
}

// bootstrapAccount returns the account that signs in without ever having registered.
func (r *replay) bootstrapAccount() string {
	registered := map[string]bool{}
	for i := range r.rec.Exchanges {
		e := &r.rec.Exchanges[i]
		switch {
		case e.route() == "/api/basic-auth/register":
			registered[emailIn(e.Request.Body)] = true
		case e.route() == "/api/basic-auth/sign-in" && e.Response.Status == 200 && !registered[emailIn(e.Request.Body)]:
			return emailIn(e.Request.Body)
		}
	}
	return ""
}

func emailIn(body json.RawMessage) string {
	var b struct {
		Email string `json:"email"`
	}
	_ = json.Unmarshal(body, &b)
	return b.Email
}

// prepareBlobs gives every uploaded file of the recording content of its size. The recorded bytes are not known, so
// the hash of the new ones takes the place of the recorded hash everywhere.
func (r *replay) prepareBlobs() {
	for i := range r.rec.Exchanges {
		e := &r.rec.Exchanges[i]
		var b struct {
			Hash string `json:"hash"`
			Size int    `json:"size_bytes"`
		}
		if e.route() != "/api/storage/presign-upload" || e.Response.Status != 200 || json.Unmarshal(e.Request.Body, &b) != nil {
			continue
		}
		recorded := strings.TrimPrefix(b.Hash, "sha256:")
		r.ids.bind(recorded, strings.TrimPrefix(hashOf(blobFor(recorded, b.Size)), "sha256:"))
	}
}

// blobFor returns the content that stands for recorded bytes.
func blobFor(recordedDigest string, size int) []byte {
	var seed [32]byte
	copy(seed[:], recordedDigest)
	content := make([]byte, size)
	_, _ = rand.NewChaCha8(seed).Read(content)
	return content
}

// exchange replays one request.
func (r *replay) exchange(e *exchange, used *tally) {
	want := r.expect(e)
	var reasons []string
	for i := range deviations {
		if d := &deviations[i]; d.applies(r, e) {
			used.add(d.name)
			reasons = append(reasons, d.name+": "+d.why)
			d.change(r, e, want)
		}
	}
	if want.skip {
		return
	}
	if want.operator != nil {
		want.operator()
		return
	}
	d := r.device(e)
	got := d.do(e.Request.Method, r.live(e.Request.Path), r.body(e), r.requestHeader(e, d))
	r.note(e, got)
	for _, problem := range r.compare(e, want, got) {
		r.t.Errorf("%s: %s", e, problem)
	}
	if err := r.described(e, got); err != nil {
		r.t.Errorf("%s: the answer is not as %s says: %v", e, openapi.File, err)
	}
	if r.t.Failed() {
		r.t.Logf("recorded %d %.1500s\nchanged by %q", e.Response.Status, e.Response.Body, reasons)
		r.t.Fatalf("got %d %.1500s", got.status, got.body)
	}
}

// described compares an answer with the description of the API.
func (r *replay) described(e *exchange, got *reply) error {
	doc, err := openapi.Read()
	if err != nil {
		return err
	}
	op := doc.Find(e.Request.Method, e.route())
	switch {
	case op != nil:
		return op.CheckAnswer(got.status, got.header.Get("Content-Type"), got.body, false)
	case got.status != http.StatusNotFound:
		return errors.New("the route is not there")
	}
	return nil
}

// device returns the device that an exchange belongs to.
func (r *replay) device(e *exchange) *device {
	name := e.Device
	if name == apiClient {
		if who := r.speaker(e); who != "" {
			r.account = who
		}
		if ofAdmin(e) && !e.Request.Headers.sent("or3_access") { // the super administrator in a browser of their own
			name += ":" + adminName
		} else {
			name += ":" + r.account
		}
	}
	if r.devices[name] == nil {
		r.devices[name] = newDevice(r.t, r.srv, name)
	}
	return r.devices[name]
}

// speaker returns the account that the API client acts for, if the exchange tells.
func (r *replay) speaker(e *exchange) string {
	if who := actors[r.rec.Scenario][e.index]; who != "" {
		return who
	}
	switch e.route() {
	case "/api/basic-auth/register", "/api/basic-auth/sign-in":
		return emailIn(e.Request.Body)
	case "/api/auth/session":
		return recordedSession(e).User.Email
	}
	return ""
}

func recordedSession(e *exchange) session {
	var b struct{ Session session }
	_ = json.Unmarshal(e.Response.Body, &b)
	return b.Session
}

// recordedMessage returns the text of a recorded error.
func recordedMessage(e *exchange) string {
	var b struct{ Message string }
	_ = json.Unmarshal(e.Response.Body, &b)
	return b.Message
}

// requestHeader returns the recorded request headers for the live server. A browser that had no session cookie at that
// moment of the recording sends none here either: requests that overlapped then are sent one after the other now.
func (r *replay) requestHeader(e *exchange, d *device) http.Header {
	h := http.Header{}
	for name, value := range e.Request.Headers.text {
		if name != "content-length" {
			h.Set(name, r.live(value))
		}
	}
	if e.route() == streamRoute {
		h.Set("X-Or3-Openrouter-Key", "sk-or-v1-not-recorded")
	}
	signedOut := !e.Request.Headers.sent("or3_access") && !r.accessDropped
	if signedOut && d.jar.get("or3_access") != "" {
		h["Cookie"] = nil
	}
	return h
}

// body returns the recorded body with live ids, passwords and bytes.
func (r *replay) body(e *exchange) []byte {
	raw := e.Request.Body
	if len(raw) == 0 || string(raw) == "null" {
		return nil
	}
	if e.route() == "/api/storage/fs/upload" {
		return r.blob(e)
	}
	text := r.live(string(raw))
	if e.route() == "/api/admin/auth/login" {
		return []byte(strings.ReplaceAll(text, "<password>", map[bool]string{true: adminPassword, false: "Wrong-Horse-1-battery"}[e.Response.Status == 200]))
	}
	if strings.HasPrefix(e.route(), "/api/basic-auth/") {
		text = r.withPasswords(e, text)
	}
	return []byte(text)
}

// blob returns the bytes of an upload: the prepared content if the recorded bytes were right, others if not.
func (r *replay) blob(e *exchange) []byte {
	var b binaryBody
	if json.Unmarshal(e.Request.Body, &b) != nil {
		// Bytes that went out as text were recorded as text, beyond recognition; their type is refused anyway.
		return []byte("not the recorded bytes")
	}
	return blobFor(b.SHA256, b.Bytes)
}

// withPasswords puts passwords where the recording has marks.
func (r *replay) withPasswords(e *exchange, text string) string {
	email := emailIn(e.Request.Body)
	if email == "" {
		email = r.sessionEmail(e.Device)
	}
	known := r.passwords[email]
	accepted := e.Response.Status == 200
	current, next := "Wrong-Horse-1-battery", fmt.Sprintf("Next-Horse-%d-battery", len(known))
	switch {
	case e.route() == "/api/basic-auth/register" && accepted:
		current = password
		r.passwords[email] = append(known, current)
	case accepted && len(known) > 0:
		current = known[len(known)-1]
	case len(known) > 1: // a refused sign-in after a change tries the old password
		current = known[0]
	}
	if e.route() == "/api/basic-auth/change-password" && accepted {
		r.passwords[email] = append(known, next)
	}
	return strings.NewReplacer("<password>", current, "<confirmPassword>", current, "<currentPassword>", current,
		"<newPassword>", next, "<confirmNewPassword>", next).Replace(text)
}

// sessionEmail returns the account that a browser is signed in to.
func (r *replay) sessionEmail(name string) string {
	var s session
	_ = json.Unmarshal(r.signedIn[name], &s)
	return s.User.Email
}

// live turns recorded text into text for the live server.
func (r *replay) live(text string) string {
	text = strings.ReplaceAll(text, "<host>", strings.TrimPrefix(r.srv.url, "http://"))
	for _, direction := range []string{"upload", "download"} {
		token := r.tokens[direction]
		if token == "" {
			token = "not.a.token"
		}
		text = strings.ReplaceAll(text, "/"+direction+"?token=<token>", "/"+direction+"?token="+token)
	}
	return r.ids.apply(text)
}

// note keeps what later exchanges need to know of a live answer.
func (r *replay) note(e *exchange, got *reply) {
	switch e.route() {
	case "/api/auth/session":
		if s := recordedSession(e); s.Authenticated {
			var live struct{ Session session }
			if json.Unmarshal(got.body, &live) == nil && live.Session.Authenticated {
				r.ids.bind(s.Workspace.ID, live.Session.Workspace.ID)
				if r.owner[live.Session.Workspace.ID] == "" {
					r.owner[live.Session.Workspace.ID] = s.User.Email
				}
			}
			var raw struct{ Session json.RawMessage }
			_ = json.Unmarshal(e.Response.Body, &raw)
			r.signedIn[e.Device] = raw.Session
		}
	case "/api/storage/presign-upload", "/api/storage/presign-download":
		direction := strings.TrimPrefix(e.route(), "/api/storage/presign-")
		var p presigned
		_ = json.Unmarshal(got.body, &p)
		_, r.tokens[direction], _ = strings.Cut(p.URL, "token=")
	case "/api/sync/pull":
		if got.status == 200 {
			var page pulled
			got.decode(r.t, &page)
			r.views.apply(e.Device, r.scope(e), r.cursor(e), page)
		}
	}
	switch id := strings.TrimPrefix(r.live(e.Request.Path), "/api/workspaces/"); {
	case got.status != 200:
	case e.Request.Method == "DELETE":
		r.gone[id] = true
	case e.Request.Method == "PATCH":
		var b struct{ Name string }
		_ = json.Unmarshal(e.Request.Body, &b)
		r.names[id] = strings.TrimSpace(b.Name)
	}
}

// scope returns the live workspace of a sync request.
func (r *replay) scope(e *exchange) string {
	var b struct{ Scope scope }
	_ = json.Unmarshal(e.Request.Body, &b)
	return r.live(b.Scope.WorkspaceID)
}

func (r *replay) cursor(e *exchange) int64 {
	var b struct{ Cursor int64 }
	_ = json.Unmarshal(e.Request.Body, &b)
	return b.Cursor
}

// ledger returns the ledger of a live workspace.
func (r *replay) ledger(workspace string) *ledger {
	if r.ledgers[workspace] == nil {
		r.ledgers[workspace] = newLedger()
	}
	return r.ledgers[workspace]
}

// checkEnd asks how the scenario ended. Whatever the TypeScript server did: here all devices hold the same rows, and
// so does a device that joins now.
func (r *replay) checkEnd() {
	for workspace, l := range r.ledgers {
		if r.gone[workspace] || r.owner[workspace] == "" {
			continue
		}
		d := newDevice(r.t, r.srv, "fresh")
		email := r.owner[workspace]
		known := r.passwords[email]
		if got := d.post("/api/basic-auth/sign-in", obj{"email": email, "password": known[len(known)-1]}); got.status != 200 {
			r.t.Fatalf("sign in as the owner of %s: %s", workspace, got)
		}
		checkFreshDevices(r.t, d, workspace, l, 300)
		r.views.checkConverged(r.t, d, workspace, l)
	}
}

// checkSilence looks for what must never be in a log: passwords, cookies, tokens, whole addresses, payloads.
func (r *replay) checkSilence() {
	secrets := map[string]string{"an upload token": r.tokens["upload"], "a download token": r.tokens["download"]}
	for email, known := range r.passwords {
		secrets["the address "+email] = email
		for _, p := range known {
			secrets["a password"] = p
		}
	}
	for name, d := range r.devices {
		for _, c := range d.jar.cookies {
			secrets["cookie "+c.Name+" of "+name] = c.Value
		}
	}
	for _, l := range r.ledgers {
		for _, e := range l.entries {
			if len(e.Payload) > 40 {
				secrets["payload of "+e.PK] = string(e.Payload[:40])
			}
		}
	}
	log := r.srv.logs.String()
	for what, text := range secrets {
		if text != "" && strings.Contains(log, text) {
			r.t.Errorf("the log holds %s", what)
		}
	}
}

// expected is what a live answer must be: the recorded one, changed by deviations.
type expected struct {
	status  int
	header  map[string]string
	cookies []recordedCookie
	// body is decoded JSON; nil means that there is none.
	body any
	// bytes, if set, is a binary body.
	bytes []byte
	// alike compares the body by its form alone.
	alike bool
	// skip leaves the exchange out; operator replaces it by something that the operator does.
	skip     bool
	operator func()
}

// expect turns the recorded answer into one for live ids and keeps the ledger.
func (r *replay) expect(e *exchange) *expected {
	want := &expected{status: e.Response.Status, header: maps.Clone(e.Response.Headers.text), cookies: slices.Clone(e.Response.Headers.setCookie)}
	for name, value := range want.header {
		want.header[name] = r.live(value)
	}
	var b binaryBody
	if json.Unmarshal(e.Response.Body, &b) == nil && b.Binary {
		want.bytes = blobFor(b.SHA256, b.Bytes)
		return want
	}
	want.body = r.decoded(e.Response.Body)
	if strings.HasPrefix(e.route(), "/api/storage/presign-") && e.Response.Status == 200 {
		want.body = parseJSON(r.ids.apply(string(e.Response.Body))) // a token is being made here; see compareJSON
	}
	return want
}

// decoded parses recorded JSON for comparison with live JSON.
func (r *replay) decoded(raw json.RawMessage) any { return parseJSON(r.live(string(raw))) }

// parseJSON decodes JSON with numbers as they are written. Text that is not JSON comes back as a Go string.
func parseJSON(text string) any {
	if text == "" {
		return nil
	}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		return text
	}
	return v
}

// asJSON turns a Go value into decoded JSON.
func asJSON(v any) any {
	text, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return parseJSON(string(text))
}

// comparedHeaders are the headers that clients and proxies act on. Those of the second list must also be absent when
// the recording lacks them. The reason phrase is not compared: Go sends the standard one, and HTTP/2 has none.
var (
	comparedHeaders = []string{"content-type", "cache-control", "pragma", "access-control-allow-origin", "vary", "x-content-type-options",
		"x-frame-options", "referrer-policy", "content-security-policy", "x-ratelimit-limit", "x-ratelimit-remaining", "retry-after"}
	exclusiveHeaders = []string{"access-control-allow-origin", "access-control-allow-credentials", "x-ratelimit-limit", "x-ratelimit-remaining",
		"retry-after", "pragma"}
)

// compare lists how a live answer differs from the expected one.
func (r *replay) compare(e *exchange, want *expected, got *reply) []string {
	var problems []string
	report := func(format string, args ...any) { problems = append(problems, fmt.Sprintf(format, args...)) }
	if got.status != want.status {
		report("status %d, want %d", got.status, want.status)
		return problems
	}
	for _, name := range comparedHeaders {
		w, recorded := want.header[name]
		g := got.header.Get(name)
		switch {
		case !recorded:
			if g != "" && slices.Contains(exclusiveHeaders, name) {
				report("unexpected header %s: %s", name, g)
			}
		case strings.HasPrefix(name, "x-ratelimit-"):
			if problem := limitProblem(e, name, w, g); problem != "" {
				report("%s", problem)
			}
		case g != w:
			report("header %s: %q, want %q", name, g, w)
		}
	}
	problems = append(problems, compareCookies(want.cookies, got.header)...)
	switch {
	case want.bytes != nil:
		if !bytes.Equal(got.body, want.bytes) {
			report("%d bytes, want %d others", len(got.body), len(want.bytes))
		}
	default:
		body := parseJSON(string(got.body))
		if e.Request.Method == "GET" && e.route() == "/api/workspaces" && got.status == 200 {
			problems = append(problems, sortWorkspaces(body)...)
			sortWorkspaces(want.body)
		}
		if want.alike {
			return append(problems, compareForm("", want.body, body)...)
		}
		problems = append(problems, r.compareJSON(e, "", want.body, body)...)
	}
	return problems
}

// sortWorkspaces checks that a workspace list has the newest first and orders it by id: the order of those that were
// made in the same second is open.
func sortWorkspaces(body any) (problems []string) {
	list, _ := body.(map[string]any)["workspaces"].([]any)
	member := func(w any, name string) string { return fmt.Sprint(w.(map[string]any)[name]) }
	if !slices.IsSortedFunc(list, func(a, b any) int { return strings.Compare(member(b, "createdAt"), member(a, "createdAt")) }) {
		problems = append(problems, "the newest workspace does not come first")
	}
	slices.SortFunc(list, func(a, b any) int { return strings.Compare(member(a, "id"), member(b, "id")) })
	return problems
}

// limitProblem compares the rate-limit headers. How much remains depends on what else has run; it must be a number.
// The limits of basic-auth are fixed by the contract, the others may be larger than recorded.
func limitProblem(e *exchange, name, want, got string) string {
	g, err := strconv.ParseInt(got, 10, 64)
	if err != nil || g < 0 {
		return fmt.Sprintf("header %s: %q is not a count", name, got)
	}
	if name != "x-ratelimit-limit" {
		return ""
	}
	w, _ := strconv.ParseInt(want, 10, 64)
	if fixed := strings.HasPrefix(e.route(), "/api/basic-auth/"); fixed && g != w || g < w {
		return fmt.Sprintf("header %s: %d, want %d", name, g, w)
	}
	return ""
}

// compareCookies compares names, attributes and whether the value is empty.
func compareCookies(want []recordedCookie, header http.Header) []string {
	describe := func(name string, empty bool, attributes []string) string {
		return fmt.Sprintf("%s (empty: %v) %v", name, empty, slices.Sorted(slices.Values(attributes)))
	}
	var w, g []string
	for _, c := range want {
		w = append(w, describe(c.Name, c.Value == "", c.Attributes))
	}
	for _, line := range header.Values("Set-Cookie") {
		parts := strings.Split(line, "; ")
		name, value, _ := strings.Cut(parts[0], "=")
		g = append(g, describe(name, value == "", parts[1:]))
	}
	slices.Sort(w)
	slices.Sort(g)
	if !slices.Equal(w, g) {
		return []string{fmt.Sprintf("cookies\n  %q, want\n  %q", g, w)}
	}
	return nil
}

var isoTime = regexp.MustCompile(`^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z$`)

// leaves are the values that a recording cannot foretell, by path; each has a check of its own.
var leaves = map[string]func(got any) string{
	".session.expiresAt": func(got any) string {
		s, _ := got.(string)
		at, err := time.Parse(time.RFC3339, s)
		if !isoTime.MatchString(s) || err != nil || at.Before(time.Now()) {
			return "is not a future time in ISO 8601 with milliseconds"
		}
		return ""
	},
	".timestamp": func(got any) string {
		if s, _ := got.(string); !isoTime.MatchString(s) {
			return "is not an ISO 8601 time with milliseconds"
		}
		return ""
	},
	".intentId": func(got any) string {
		if s, _ := got.(string); uuid.Validate(s) != nil {
			return "is not a UUID"
		}
		return ""
	},
	".uptime": func(got any) string {
		if n, ok := got.(json.Number); !ok || strings.HasPrefix(string(n), "-") {
			return "is not a duration"
		}
		return ""
	},
	".expiresAt": func(got any) string {
		n, _ := got.(json.Number)
		if ms, err := n.Int64(); err != nil || ms < time.Now().UnixMilli() {
			return "is not a future time in milliseconds"
		}
		return ""
	},
	".createdAt": milliseconds, ".admins[].createdAt": milliseconds,
	".workspaces[].createdAt": func(got any) string {
		n, _ := got.(json.Number)
		if _, err := n.Int64(); err != nil {
			return "is not a time"
		}
		return ""
	},
	".oldestRetainedVersion": func(got any) string {
		n, _ := got.(json.Number)
		if v, err := n.Int64(); err != nil || v < 0 {
			return "is not a version"
		}
		return ""
	},
	".results[].winner.serverDeletedAt": func(got any) string {
		n, _ := got.(json.Number)
		if v, err := n.Int64(); err != nil || v < 0 {
			return "is not a time"
		}
		return ""
	},
}

// milliseconds is the check of a time of the administration, which its pages take for one in milliseconds
// (workspaces-and-admin §5).
func milliseconds(got any) string {
	n, _ := got.(json.Number)
	if ms, err := n.Int64(); err != nil || ms < 1e12 {
		return "is not a time in milliseconds"
	}
	return ""
}

// idPaths are where the server names something that it has just made.
var idPaths = map[string]bool{
	".session.providerUserId": true, ".session.user.id": true, ".session.workspace.id": true, ".workspaces[].id": true, ".id": true,
}

// compareJSON lists the differences between two decoded JSON values.
func (r *replay) compareJSON(e *exchange, path string, want, got any) []string {
	if check := leaves[path]; check != nil {
		if problem := check(got); problem != "" {
			return []string{fmt.Sprintf("%s: %v %s", path, got, problem)}
		}
		return nil
	}
	switch w := want.(type) {
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: %T instead of an object", path, got)}
		}
		var problems []string
		for _, name := range slices.Sorted(maps.Keys(w)) {
			if _, ok := g[name]; !ok {
				problems = append(problems, fmt.Sprintf("%s.%s is missing", path, name))
				continue
			}
			problems = append(problems, r.compareJSON(e, path+"."+name, w[name], g[name])...)
		}
		for name := range g {
			if _, ok := w[name]; !ok {
				problems = append(problems, fmt.Sprintf("%s.%s is not in the recording: %v", path, name, g[name]))
			}
		}
		return problems
	case []any:
		g, ok := got.([]any)
		if !ok || len(g) != len(w) {
			return []string{fmt.Sprintf("%s: %d entries, want %d", path, len(g), len(w))}
		}
		var problems []string
		for i := range w {
			problems = append(problems, r.compareJSON(e, path+"[]", w[i], g[i])...)
		}
		return problems
	case string:
		g, ok := got.(string)
		if ok && idPaths[path] && r.ids.bind(w, g) {
			return nil
		}
		if ok && strings.Contains(w, "<token>") {
			before, after, _ := strings.Cut(w, "<token>")
			ok = strings.HasPrefix(g, before) && strings.HasSuffix(g, after) && len(g) > len(before)+len(after)
			if !ok {
				return []string{fmt.Sprintf("%s: %q, want %q", path, g, w)}
			}
			return nil
		}
	}
	if !reflect.DeepEqual(want, got) {
		return []string{fmt.Sprintf("%s: %v, want %v", path, got, want)}
	}
	return nil
}

// compareForm lists what a live body lacks of the form of a recorded one: the members of its objects, in their kinds.
// What a recorded list has in it all entries of the live one must have.
func compareForm(path string, want, got any) (problems []string) {
	switch w := want.(type) {
	case nil:
		return nil
	case map[string]any:
		g, ok := got.(map[string]any)
		if !ok {
			return []string{fmt.Sprintf("%s: %T instead of an object", path, got)}
		}
		for _, name := range slices.Sorted(maps.Keys(w)) {
			if _, ok := g[name]; !ok {
				problems = append(problems, fmt.Sprintf("%s.%s is missing", path, name))
				continue
			}
			problems = append(problems, compareForm(path+"."+name, w[name], g[name])...)
		}
		return problems
	case []any:
		g, ok := got.([]any)
		if !ok {
			return []string{fmt.Sprintf("%s: %T instead of a list", path, got)}
		}
		for i := range g {
			if len(w) > 0 {
				problems = append(problems, compareForm(path+"[]", w[0], g[i])...)
			}
		}
		return problems
	}
	if reflect.TypeOf(want) != reflect.TypeOf(got) {
		return []string{fmt.Sprintf("%s: %T, want %T", path, got, want)}
	}
	return nil
}

// idMap maps recorded names to live ones, one to one.
type idMap struct {
	live     map[string]string
	recorded map[string]string
	replacer *strings.Replacer
}

// bind ties a recorded name to a live one. It reports whether the two belong together, now or since earlier.
func (m *idMap) bind(recorded, live string) bool {
	if m.live == nil {
		m.live, m.recorded = map[string]string{}, map[string]string{}
	}
	if recorded == live {
		return m.recorded[live] != "" // an id that apply has already translated
	}
	if old, ok := m.live[recorded]; ok {
		return old == live
	}
	if recorded == "" || live == "" || m.recorded[live] != "" || m.recorded[recorded] != "" {
		return false
	}
	m.live[recorded], m.recorded[live] = live, recorded
	m.replacer = nil
	return true
}

// apply replaces all recorded names in a text.
func (m *idMap) apply(text string) string {
	if m.replacer == nil {
		var pairs []string
		for recorded, live := range m.live {
			pairs = append(pairs, recorded, live)
		}
		m.replacer = strings.NewReplacer(pairs...)
	}
	return m.replacer.Replace(text)
}
