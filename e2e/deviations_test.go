package e2e

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// deviation is a difference from the TypeScript server that the contract requires.
type deviation struct {
	name string
	// why names the rule.
	why     string
	applies func(*replay, *exchange) bool
	change  func(*replay, *exchange, *expected)
}

// deviations are all differences between the recordings and this server, in the order in which they are applied. Every
// one is needed by some recording; the test says so when that ends.
var deviations = []deviation{
	{
		name: "what administrators see is of another deployment",
		why:  "users, workspaces, settings and providers are those of this server; their form is the recorded one",
		applies: func(_ *replay, e *exchange) bool {
			return e.Response.Status == 200 && slices.Contains(ofDeployment, e.route())
		},
		change: func(_ *replay, e *exchange, want *expected) {
			want.alike = true
			forget(want.body, "$trimmed_from", "details", "warnings", "actions")
		},
	},
	{
		name:    "refusals of pages are not kept",
		why:     "they depend on who asks, so no cache may keep them",
		applies: func(_ *replay, e *exchange) bool { return recordedMessage(e) == "Forbidden: Missing admin intent" },
		change:  func(_ *replay, _ *exchange, want *expected) { want.header["cache-control"] = "no-store" },
	},
	{
		name: "the first account administers",
		why:  "the person who sets up a deployment is its first administrator (docs/administration.md)",
		applies: func(r *replay, e *exchange) bool {
			first := r.bootstrapAccount()
			return first != "" && recordedSession(e).User.Email == first
		},
		change: func(_ *replay, _ *exchange, want *expected) {
			want.body.(map[string]any)["session"].(map[string]any)["deploymentAdmin"] = true
		},
	},
	{
		name: "administrators make no workspace",
		why:  "the recorded server takes no owner that it knows (workspaces-and-admin Pitfall 4); here it would make one that later answers show",
		applies: func(_ *replay, e *exchange) bool {
			return e.Request.Method == "POST" && e.route() == "/api/admin/workspaces"
		},
		change: func(_ *replay, _ *exchange, want *expected) { want.skip = true },
	},
	{
		name:    "administrators delete workspaces",
		why:     "the path that the pages call is not served by the recorded server (workspaces-and-admin Pitfall 3)",
		applies: func(_ *replay, e *exchange) bool { return strings.HasSuffix(e.route(), "/soft-delete") },
		change: func(_ *replay, _ *exchange, want *expected) {
			want.succeed(200, asJSON(obj{"success": true}), "access-control-allow-origin", "vary")
			want.cookies = nil
		},
	},
	{
		name: "what is deleted is not deleted again",
		why:  "here the administrator has deleted the workspace of the recording",
		applies: func(r *replay, e *exchange) bool {
			return r.rec.Scenario == "admin-workspaces" && e.Request.Method == "DELETE"
		},
		change: func(r *replay, e *exchange, want *expected) { want.fail(r, e, 403, "Forbidden") },
	},
	{
		name:    "no model is asked",
		why:     "the server asks no model; the user's own key, which the recording leaves out, makes it a 404, after which the browser asks (client-behaviour §10)",
		applies: func(r *replay, e *exchange) bool { return e.route() == streamRoute },
		change: func(r *replay, e *exchange, want *expected) {
			want.succeed(404, asJSON(obj{
				"error": obj{"message": "This server does not fetch answers with a key of its own. Connect your own OpenRouter account to chat.",
					"code": "ERR_AUTH", "source": "provider"},
				"code": "background_streaming_disabled",
			}), "access-control-allow-origin", "vary")
			maps.Copy(want.header, map[string]string{"content-type": "application/json", "cache-control": "no-store"})
		},
	},
	{
		name:    "page cookie",
		why:     "the recorded 404 came from the page renderer, which sets a theme cookie; an API has none",
		applies: func(r *replay, e *exchange) bool { return e.Response.Status == 404 },
		change: func(r *replay, e *exchange, want *expected) {
			want.cookies = slices.DeleteFunc(want.cookies, func(c recordedCookie) bool {
				return !strings.HasPrefix(c.Name, "or3_access") && !strings.HasPrefix(c.Name, "or3_refresh")
			})
		},
	},
	{
		name:    "Vary: Accept-Encoding",
		why:     "a trace of the recording's front end; this server compresses nothing here",
		applies: func(r *replay, e *exchange) bool { return e.Response.Headers.text["vary"] == "Accept-Encoding" },
		change:  func(r *replay, e *exchange, want *expected) { delete(want.header, "vary") },
	},
	{
		name: "refused upload requests are 400",
		why:  "an invalid hash is the client's fault: the contract's 4xx instead of 500 (storage §7.3, workspaces-and-admin §1)",
		applies: func(r *replay, e *exchange) bool {
			return e.Response.Status == 500 && strings.HasPrefix(e.route(), "/api/storage/")
		},
		change: func(r *replay, e *exchange, want *expected) { want.fail(r, e, 400, "Invalid request") },
	},
	{
		name: "refusals of accounts carry a code",
		why:  "account pages show words of their own and put them under the right field (docs/accounts-api.md); clients read the texts, which stay",
		applies: func(r *replay, e *exchange) bool {
			return accountCodes[recordedMessage(e)] != "" && strings.HasPrefix(e.route(), "/api/basic-auth/")
		},
		change: func(r *replay, e *exchange, want *expected) {
			want.body.(map[string]any)["data"] = obj{"code": accountCodes[recordedMessage(e)]}
		},
	},
	{
		name: "foreign workspaces are 403",
		why:  "store errors carry their status instead of 500 (workspaces-and-admin §1)",
		applies: func(r *replay, e *exchange) bool {
			return e.Response.Status == 500 && strings.HasPrefix(e.route(), "/api/workspaces")
		},
		change: func(r *replay, e *exchange, want *expected) { want.fail(r, e, 403, "Forbidden") },
	},
	{
		name:    "no 429 for collection",
		why:     "recorded minutes are replayed in seconds, with the limits lifted (storage and sync limits have a test of their own)",
		applies: func(r *replay, e *exchange) bool { return e.Response.Status == 429 },
		change: func(r *replay, e *exchange, want *expected) {
			want.succeed(204, nil, "access-control-allow-origin", "vary")
		},
	},
	{
		name: "membership, not the active workspace",
		why:  "a device may go on in a live workspace that another device has switched away from (auth Pitfall 12)",
		applies: func(r *replay, e *exchange) bool {
			return e.Response.Status == 403 && e.Device != apiClient && e.route() == "/api/sync/pull" && !r.gone[r.scope(e)]
		},
		change: func(r *replay, e *exchange, want *expected) { want.pull(r, e) },
	},
	{
		name: "rotation in place",
		why:  "an access token that has run out is replaced on the request that shows it (auth §8.2, Pitfall 2)",
		applies: func(r *replay, e *exchange) bool {
			return r.accessDropped && e.route() == "/api/sync/pull" && e.Response.Status == 401
		},
		change: func(r *replay, e *exchange, want *expected) {
			want.pull(r, e)
			want.cookies = r.issued()
			want.widenRefresh()
		},
	},
	{
		name: "still signed in",
		why:  "with rotation in place the session does not end (auth Pitfall 2)",
		applies: func(r *replay, e *exchange) bool {
			return r.accessDropped && e.route() == "/api/auth/session" && !recordedSession(e).Authenticated
		},
		change: func(r *replay, e *exchange, want *expected) {
			want.body = obj{"session": r.decoded(r.signedIn[e.Device])}
		},
	},
	{
		name: "no stale names",
		why:  "sessions are resolved afresh; the recorded server kept them for a minute (auth §2.2)",
		applies: func(r *replay, e *exchange) bool {
			s := recordedSession(e)
			name := r.names[r.live(s.Workspace.ID)]
			return s.Authenticated && name != "" && name != s.Workspace.Name
		},
		change: func(r *replay, e *exchange, want *expected) {
			workspace := want.body.(map[string]any)["session"].(map[string]any)["workspace"].(map[string]any)
			workspace["name"] = r.names[workspace["id"].(string)]
		},
	},
	{
		name: "refreshes of one page agree",
		why:  "parallel refreshes are not theft: all get the successor and no cookie is cleared (auth §8.5)",
		applies: func(r *replay, e *exchange) bool {
			return r.accessDropped && e.route() == "/api/basic-auth/refresh" && len(e.Response.Headers.setCookie) > 0 && e.Response.Headers.setCookie[0].Value == ""
		},
		change: func(r *replay, e *exchange, want *expected) {
			want.body, want.cookies = obj{"ok": true}, r.issued()
		},
	},
	{
		name: "refresh cookie reaches /api",
		why:  "rotation in place needs it (auth §8.1, Pitfall 2); the old path is cleared along with it",
		applies: func(r *replay, e *exchange) bool {
			return len(e.Response.Headers.setCookie) > 0 && !ofAdmin(e)
		},
		change: func(r *replay, e *exchange, want *expected) { want.widenRefresh() },
	},
	{
		name: "no token in error answers",
		why:  "an error echoes the URL of the request; the token in it must not travel further (security-middleware Pitfall 5)",
		applies: func(r *replay, e *exchange) bool {
			return strings.Contains(e.Request.Path, "token=") && e.Response.Status >= 400
		},
		change: func(r *replay, e *exchange, want *expected) {
			_, query, _ := strings.Cut(r.live(e.Request.Path), "?")
			want.body = redact(want.body, query)
		},
	},
	{
		name: "uploads have an intent",
		why:  "room is promised before the bytes are sent; base clients ignore the id (storage §8)",
		applies: func(r *replay, e *exchange) bool {
			return e.route() == "/api/storage/presign-upload" && e.Response.Status == 200
		},
		change: func(r *replay, e *exchange, want *expected) { want.body.(map[string]any)["intentId"] = "" },
	},
	{
		name: "the row says how a file is served",
		why:  "the answer tells which disposition the live row allows (storage §3)",
		applies: func(r *replay, e *exchange) bool {
			return e.route() == "/api/storage/presign-download" && e.Response.Status == 200 && r.hasLiveRow(e)
		},
		change: func(r *replay, e *exchange, want *expected) { want.body.(map[string]any)["disposition"] = "inline" },
	},
	{
		name:    "absent blobs show at presign",
		why:     "a 404 on the URL makes clients delete the file for everyone (storage Pitfall 2)",
		applies: func(r *replay, e *exchange) bool { return r.absentBlob(e) },
		change:  func(r *replay, e *exchange, want *expected) { want.fail(r, e, 404, "File not found") },
	},
	{
		name: "no URL, no download",
		why:  "the request that follows the refused presign cannot be made",
		applies: func(r *replay, e *exchange) bool {
			return e.route() == "/api/storage/fs/download" && e.Response.Status == 404
		},
		change: func(r *replay, e *exchange, want *expected) { want.skip = true },
	},
	{
		name: "downloads are described",
		why:  "length, type and disposition of a download are known and sent (storage §7.5)",
		applies: func(r *replay, e *exchange) bool {
			return e.route() == "/api/storage/fs/download" && e.Response.Status == 200
		},
		change: func(r *replay, e *exchange, want *expected) {
			maps.Copy(want.header, map[string]string{"cache-control": "private, no-store", "x-content-type-options": "nosniff"})
			digest, _, _ := strings.Cut(r.lastDownload(e), "/")
			want.bytes = blobFor(digest, len(want.bytes))
		},
	},
	{
		name:    "push results of newer clients",
		why:     "applied and winner come with every result, replayed with repeated ones, the counter with every batch (sync §10.3)",
		applies: func(r *replay, e *exchange) bool { return e.route() == "/api/sync/push" && e.Response.Status == 200 },
		change:  func(r *replay, e *exchange, want *expected) { want.push(r, e) },
	},
	{
		name: "only winners are pulled",
		why:  "a base client that sees a loser after its winner in one page keeps the loser (sync §5)",
		applies: func(r *replay, e *exchange) bool {
			return e.route() == "/api/sync/pull" && e.Response.Status == 200 && r.hidesLosers(e)
		},
		change: func(r *replay, e *exchange, want *expected) {
			body := want.body.(map[string]any)
			l := r.ledger(r.scope(e))
			body["changes"] = slices.DeleteFunc(body["changes"].([]any), func(c any) bool { return !l.wins(versionOf(c)) })
		},
	},
	{
		name:    "retention fields",
		why:     "the newest client rejects pages without them (sync §10.6)",
		applies: func(r *replay, e *exchange) bool { return e.route() == "/api/sync/pull" && e.Response.Status == 200 },
		change: func(r *replay, e *exchange, want *expected) {
			maps.Copy(want.body.(map[string]any), retention())
		},
	},
	{
		name:    "session fields of newer clients",
		why:     "the newest client shows Files, Trash and Projects only with them, at the top level; base clients ignore unknown names (auth §4)",
		applies: func(r *replay, e *exchange) bool { return e.route() == "/api/auth/session" && e.Response.Status == 200 },
		change: func(r *replay, e *exchange, want *expected) {
			body := want.body.(map[string]any)
			session, signedIn := body["session"].(map[string]any)
			body["appAccessAllowed"] = signedIn
			if signedIn {
				session["entitlements"] = []any{}
				body["workspaceItemCapability"] = "v1"
			}
		},
	},
}

// ofAdmin reports whether a request is for the administration.
func ofAdmin(e *exchange) bool { return strings.HasPrefix(e.route(), "/api/admin/") }

// ofDeployment are the endpoints whose answers show a whole deployment.
var ofDeployment = []string{
	"/api/admin/workspaces", "/api/admin/system/status", "/api/admin/system/config", "/api/admin/system/config/enriched", "/api/admin/themes-page",
	"/api/admin/search-users",
}

// forget removes members from a decoded value, wherever they are.
func forget(v any, names ...string) {
	switch v := v.(type) {
	case map[string]any:
		for _, name := range names {
			delete(v, name)
		}
		for _, member := range v {
			forget(member, names...)
		}
	case []any:
		for _, entry := range v {
			forget(entry, names...)
		}
	}
}

const streamRoute = "/api/openrouter/stream"

// errorHeaders are the security headers of every error answer.
var errorHeaders = map[string]string{
	"content-type": "application/json", "x-content-type-options": "nosniff", "x-frame-options": "DENY", "referrer-policy": "no-referrer",
	"content-security-policy": "script-src 'none'; frame-ancestors 'none';",
}

// fail makes the answer an error.
func (want *expected) fail(r *replay, e *exchange, status int, text string) {
	want.status, want.bytes, want.cookies = status, nil, nil
	for _, name := range []string{"x-ratelimit-limit", "x-ratelimit-remaining"} {
		delete(want.header, name)
	}
	maps.Copy(want.header, errorHeaders)
	if want.header["cache-control"] == "" || status == 404 {
		want.header["cache-control"] = "no-cache"
	}
	want.body = asJSON(obj{"error": true, "url": r.srv.url + r.live(e.Request.Path), "statusCode": status, "statusMessage": text, "message": text})
}

// succeed makes the answer a success that keeps only the named headers.
func (want *expected) succeed(status int, body any, keep ...string) {
	want.status, want.body = status, body
	maps.DeleteFunc(want.header, func(name, _ string) bool { return !slices.Contains(keep, name) })
}

// pull makes the answer the page that the ledger gives.
func (want *expected) pull(r *replay, e *exchange) {
	l := r.ledger(r.scope(e))
	cursor := r.cursor(e)
	changes := []any{}
	for _, entry := range l.changes(cursor, 300) {
		changes = append(changes, asJSON(entry.wire()))
	}
	body := asJSON(obj{"nextCursor": max(cursor, l.version()), "hasMore": false}).(map[string]any)
	body["changes"] = changes
	maps.Copy(body, retention())
	want.succeed(200, body, "access-control-allow-origin", "vary", "cache-control", "pragma")
	maps.Copy(want.header, map[string]string{"content-type": "application/json", "x-ratelimit-limit": "120", "x-ratelimit-remaining": "0"})
}

// retention are the two fields that say that nothing was dropped.
func retention() map[string]any { return obj{"oldestRetainedVersion": nil, "requiresSnapshot": false} }

// push adds the members of newer clients to the results of a push and keeps the ledger.
func (want *expected) push(r *replay, e *exchange) {
	var body pushBody
	if err := json.Unmarshal([]byte(r.live(string(e.Request.Body))), &body); err != nil {
		r.t.Fatal(err)
	}
	l := r.ledger(body.Scope.WorkspaceID)
	results := want.body.(map[string]any)["results"].([]any)
	for i, o := range body.Ops {
		entry, replayed := l.add(o)
		res := results[i].(map[string]any)
		if replayed {
			res["replayed"] = true
		}
		winner := l.winner(o)
		res["applied"] = winner.version == entry.version
		if winner.version == entry.version {
			continue
		}
		revision := obj{"clock": winner.Stamp.Clock, "hlc": winner.Stamp.HLC, "opId": winner.Stamp.OpID}
		if winner.Operation == "delete" {
			res["winner"] = asJSON(obj{"kind": "delete", "revision": revision, "serverDeletedAt": 0})
			continue
		}
		res["payload"] = asJSON(winner.Payload)
		res["winner"] = asJSON(obj{"kind": "put", "payload": winner.Payload, "revision": revision})
	}
}

// issued are the cookies of an answer that signs in.
func (r *replay) issued() []recordedCookie {
	for i := range r.rec.Exchanges {
		h := r.rec.Exchanges[i].Response.Headers
		if len(h.setCookie) > 0 && h.setCookie[0].Value != "" && !ofAdmin(&r.rec.Exchanges[i]) {
			return slices.Clone(h.setCookie)
		}
	}
	r.t.Fatal("no one signs in in this recording")
	return nil
}

// widenRefresh moves the refresh cookie to /api and clears the one on the recorded path.
func (want *expected) widenRefresh() {
	for i, c := range want.cookies {
		if c.Name != "or3_refresh" {
			continue
		}
		attributes := slices.Clone(c.Attributes)
		attributes[slices.Index(attributes, "Path=/api/basic-auth")] = "Path=/api"
		want.cookies[i].Attributes = attributes
		legacy := slices.Clone(c.Attributes)
		for j := range legacy {
			if strings.HasPrefix(legacy[j], "Max-Age=") {
				legacy[j] = "Max-Age=0"
			}
		}
		want.cookies = append(want.cookies, recordedCookie{Name: c.Name, Attributes: legacy})
	}
}

// hidesLosers reports whether a recorded page holds entries that are not the winners of their records.
func (r *replay) hidesLosers(e *exchange) bool {
	l := r.ledger(r.scope(e))
	var page pulled
	_ = json.Unmarshal(e.Response.Body, &page)
	return slices.ContainsFunc(page.Changes, func(c change) bool { return !l.wins(c.ServerVersion) })
}

// redact replaces a query that holds a token in all texts of a decoded answer.
func redact(v any, query string) any {
	switch v := v.(type) {
	case string:
		return strings.ReplaceAll(v, query, "token=redacted")
	case map[string]any:
		for name := range v {
			v[name] = redact(v[name], query)
		}
	}
	return v
}

// versionOf returns the version of a decoded change.
func versionOf(c any) int64 {
	n, _ := c.(map[string]any)["serverVersion"].(json.Number).Int64()
	return n
}

// absentBlob reports whether a presigned download is for a blob that was never uploaded.
func (r *replay) absentBlob(e *exchange) bool {
	if e.route() != "/api/storage/presign-download" || e.Response.Status != 200 {
		return false
	}
	var b struct{ Hash string }
	_ = json.Unmarshal(e.Request.Body, &b)
	return r.live(b.Hash) == b.Hash
}

// hasLiveRow reports whether the file of a presigned download has a live row.
func (r *replay) hasLiveRow(e *exchange) bool {
	var b struct {
		WorkspaceID string `json:"workspace_id"`
		Hash        string
	}
	_ = json.Unmarshal(e.Request.Body, &b)
	_, ok := r.ledger(r.live(b.WorkspaceID)).live()[record{"file_meta", r.live(b.Hash)}]
	return ok
}

// lastDownload returns the recorded digest of the last blob that was presigned for download before an exchange.
func (r *replay) lastDownload(e *exchange) string {
	digest := ""
	for i := range r.rec.Exchanges {
		if o := &r.rec.Exchanges[i]; o == e {
			break
		} else if o.route() == "/api/storage/presign-download" {
			var b struct{ Hash string }
			_ = json.Unmarshal(o.Request.Body, &b)
			digest = strings.TrimPrefix(b.Hash, "sha256:")
		}
	}
	return digest
}

// accountCodes are the codes of the recorded refusals of accounts, by text.
var accountCodes = map[string]string{"Invalid credentials": "invalid_credentials", "Session expired": "session_expired"}
