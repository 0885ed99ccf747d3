package e2e

import (
	"fmt"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
)

// probe is one row of the contract matrix: a caller, a request and the answer.
type probe struct {
	who, method, path string
	// body is the text of the request. In path and body, $OWN is the owner's workspace, $SHARED one in which the viewer
	// may read, $GONE one that the owner has deleted, $FOREIGN one of someone else, $HASH a blob that is stored in
	// $SHARED and $ABSENT one that is not.
	body   string
	status int
	// text is the message of an error, or a part of the body of a success.
	text string
	// mime replaces application/json.
	mime string
}

// The callers.
const (
	visitor  = "visitor"
	owner    = "owner"
	viewer   = "viewer"
	stranger = "stranger"
)

// matrix has a row for each way in which a base endpoint can answer: success, unauthenticated, forbidden, invalid
// body, unknown workspace. Rate limits have a test of their own.
var matrix = []probe{
	// Health and what does not exist.
	{who: visitor, method: "GET", path: "/api/health", status: 200, text: `"status":"ok"`},
	{who: visitor, method: "GET", path: "/api/health?deep=true", status: 200, text: `"providers"`},
	{who: visitor, method: "POST", path: "/api/health", status: 404, text: "Page not found: /api/health"},
	{who: owner, method: "GET", path: "/api/nothing", status: 404, text: "Page not found: /api/nothing"},
	{who: owner, method: "GET", path: "/api/sync/push", status: 404, text: "Page not found: /api/sync/push"},
	{who: owner, method: "PUT", path: "/api/workspaces", status: 404, text: "Page not found: /api/workspaces"},
	{who: owner, method: "GET", path: "/api/admin/auth/session", status: 404, text: "Page not found: /api/admin/auth/session"},

	// Session.
	{who: visitor, method: "GET", path: "/api/auth/session", status: 200, text: `{"session":null,`},
	{who: owner, method: "GET", path: "/api/auth/session", status: 200, text: `"role":"owner"`},
	{who: viewer, method: "GET", path: "/api/auth/session", status: 200, text: `"authenticated":true`},

	// Basic auth.
	{who: visitor, method: "POST", path: "/api/basic-auth/sign-in", body: `{}`, status: 400, text: "Invalid request"},
	{who: visitor, method: "POST", path: "/api/basic-auth/sign-in", body: `[]`, status: 400, text: "Invalid request"},
	{who: visitor, method: "POST", path: "/api/basic-auth/sign-in", body: ``, status: 400, text: "Invalid request"},
	{who: visitor, method: "POST", path: "/api/basic-auth/sign-in", body: `{"email":`, status: 400, text: "Invalid request"},
	{who: visitor, method: "POST", path: "/api/basic-auth/sign-in", body: `{"email":"a@example.test","password":7}`, status: 400, text: "Invalid request"},
	{who: visitor, method: "POST", path: "/api/basic-auth/sign-in", body: `{"email":" a@example.test","password":"x"}`, status: 400, text: "Invalid request"},
	{who: visitor, method: "POST", path: "/api/basic-auth/sign-in", body: `{"email":"a@example.test","password":""}`, status: 400, text: "Invalid request"},
	{who: visitor, method: "POST", path: "/api/basic-auth/sign-in", body: `{"email":"nobody@example.test","password":"x"}`, status: 401, text: "Invalid credentials"},
	{who: visitor, method: "POST", path: "/api/basic-auth/sign-in", body: `{"email":"owner@example.test","password":"x"}`, status: 401, text: "Invalid credentials"},
	{who: visitor, method: "POST", path: "/api/basic-auth/register", body: `{"email":"new@example.test","password":"short"}`, status: 400},
	{who: visitor, method: "POST", path: "/api/basic-auth/register", body: `{"email":"no address","password":"long enough 1","confirmPassword":"long enough 1"}`, status: 400},
	{who: visitor, method: "POST", path: "/api/basic-auth/register", body: `{"email":"new@example.test","password":"long enough 1","confirmPassword":"long enough 2"}`, status: 400},
	{who: visitor, method: "POST", path: "/api/basic-auth/register", body: `{"email":"new@example.test","password":"long enough 1","confirmPassword":"long enough 1","displayName":null}`, status: 400},
	{who: visitor, method: "POST", path: "/api/basic-auth/register", body: `{"email":"new@example.test","password":"long enough 1","confirmPassword":"long enough 1","displayName":"  "}`, status: 400},
	{who: visitor, method: "POST", path: "/api/basic-auth/register", body: `{"email":"owner@example.test","password":"long enough 1","confirmPassword":"long enough 1"}`, status: 401, text: "Invalid credentials"},
	{who: visitor, method: "POST", path: "/api/basic-auth/refresh", status: 401, text: "Session expired"},
	{who: visitor, method: "POST", path: "/api/basic-auth/refresh?silent=1", status: 200, text: `{"ok":false}`},
	{who: visitor, method: "POST", path: "/api/basic-auth/refresh?silent=true", status: 200, text: `{"ok":false}`},
	{who: owner, method: "POST", path: "/api/basic-auth/refresh", status: 200, text: `{"ok":true}`},
	{who: visitor, method: "POST", path: "/api/basic-auth/sign-out", status: 200, text: `{"ok":true}`},
	{who: visitor, method: "POST", path: "/api/basic-auth/change-password", body: `{}`, status: 401, text: "Session expired"},
	{who: owner, method: "POST", path: "/api/basic-auth/change-password", body: `{}`, status: 400, text: "Invalid request"},
	{who: owner, method: "POST", path: "/api/basic-auth/change-password", body: `{"currentPassword":"x","newPassword":"1234567","confirmNewPassword":"1234567"}`, status: 400},
	{who: owner, method: "POST", path: "/api/basic-auth/change-password", body: `{"currentPassword":"x","newPassword":"long enough 1","confirmNewPassword":"long enough 2"}`, status: 400},
	{who: owner, method: "POST", path: "/api/basic-auth/change-password", body: `{"currentPassword":"x","newPassword":"long enough 1","confirmNewPassword":"long enough 1"}`, status: 401, text: "Invalid credentials"},

	// Workspaces.
	{who: visitor, method: "GET", path: "/api/workspaces", status: 401, text: "Unauthorized"},
	{who: owner, method: "GET", path: "/api/workspaces", status: 200, text: `"isActive":true`},
	{who: visitor, method: "POST", path: "/api/workspaces", body: `{"name":"x"}`, status: 401, text: "Unauthorized"},
	{who: owner, method: "POST", path: "/api/workspaces", body: `{"name":"x","description":null}`, status: 200, text: `{"id":"`},
	{who: owner, method: "POST", path: "/api/workspaces", status: 400, text: "Workspace name is required"},
	{who: owner, method: "POST", path: "/api/workspaces", body: `{`, status: 400, text: "Invalid JSON body"},
	{who: owner, method: "POST", path: "/api/workspaces", body: `null`, status: 400, text: "Workspace name is required"},
	{who: owner, method: "POST", path: "/api/workspaces", body: `{"name":null}`, status: 400, text: "Workspace name is required"},
	{who: owner, method: "POST", path: "/api/workspaces", body: `{"name":7}`, status: 400},
	{who: owner, method: "POST", path: "/api/workspaces", body: `{"name":"x","description":7}`, status: 400},
	{who: owner, method: "POST", path: "/api/workspaces", body: `{"name":"` + strings.Repeat("x", 101) + `"}`, status: 400, text: "Workspace name must be under 100 characters"},
	{who: owner, method: "POST", path: "/api/workspaces", body: `{"name":"x","description":"` + strings.Repeat("x", 1001) + `"}`, status: 400, text: "Description must be under 1000 characters"},
	{who: visitor, method: "PATCH", path: "/api/workspaces/$OWN", body: `{"name":"x"}`, status: 401, text: "Unauthorized"},
	{who: owner, method: "PATCH", path: "/api/workspaces/$OWN", body: `{"name":"x"}`, status: 200, text: `{"ok":true}`},
	{who: owner, method: "PATCH", path: "/api/workspaces/$OWN", body: `{}`, status: 400, text: "Workspace name is required"},
	{who: viewer, method: "PATCH", path: "/api/workspaces/$SHARED", body: `{"name":"x"}`, status: 403, text: "Forbidden"},
	{who: owner, method: "PATCH", path: "/api/workspaces/$FOREIGN", body: `{"name":"x"}`, status: 403, text: "Forbidden"},
	{who: owner, method: "PATCH", path: "/api/workspaces/unknown", body: `{"name":"x"}`, status: 403, text: "Forbidden"},
	{who: visitor, method: "DELETE", path: "/api/workspaces/$OWN", status: 401, text: "Unauthorized"},
	{who: viewer, method: "DELETE", path: "/api/workspaces/$SHARED", status: 403, text: "Forbidden"},
	{who: owner, method: "DELETE", path: "/api/workspaces/$FOREIGN", status: 403, text: "Forbidden"},
	{who: owner, method: "DELETE", path: "/api/workspaces/unknown", status: 403, text: "Forbidden"},
	{who: visitor, method: "POST", path: "/api/workspaces/active", body: `{"id":"$OWN"}`, status: 401, text: "Unauthorized"},
	{who: owner, method: "POST", path: "/api/workspaces/active", body: `{"id":"$OWN"}`, status: 200, text: `{"ok":true}`},
	{who: owner, method: "POST", path: "/api/workspaces/active", body: `{}`, status: 400, text: "Workspace id is required"},
	{who: owner, method: "POST", path: "/api/workspaces/active", body: `{"id":7}`, status: 400},
	{who: owner, method: "POST", path: "/api/workspaces/active", body: `{"id":"$FOREIGN"}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/workspaces/active", body: `{"id":"unknown"}`, status: 403, text: "Forbidden"},

	// Push.
	{who: visitor, method: "POST", path: "/api/sync/push", body: `{"scope":{"workspaceId":"$OWN"},"ops":[]}`, status: 401, text: "Unauthorized"},
	{who: owner, method: "POST", path: "/api/sync/push", body: `{"scope":{"workspaceId":"$OWN"},"ops":[]}`, status: 200, text: `{"results":[],"serverVersion":0}`},
	{who: owner, method: "POST", path: "/api/sync/push", body: `{"scope":{"workspaceId":"$OWN","projectId":"p"},"ops":[],"somethingNew":{"a":1}}`, status: 200},
	{who: viewer, method: "POST", path: "/api/sync/push", body: `{"scope":{"workspaceId":"$SHARED"},"ops":[]}`, status: 403, text: "Forbidden"},
	{who: stranger, method: "POST", path: "/api/sync/push", body: `{"scope":{"workspaceId":"$OWN"},"ops":[]}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/sync/push", body: `{"scope":{"workspaceId":"unknown"},"ops":[]}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/sync/push", body: `{"scope":{"workspaceId":"$GONE"},"ops":[]}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/sync/push", body: `{"scope":{"workspaceId":""},"ops":[]}`, status: 400, text: "Invalid push request"},
	{who: owner, method: "POST", path: "/api/sync/push", body: `{"scope":{"workspaceId":"  "},"ops":[]}`, status: 400, text: "Invalid push request"},
	{who: visitor, method: "POST", path: "/api/sync/push", body: `{"scope":{},"ops":[]}`, status: 400, text: "Invalid push request"},
	{who: owner, method: "POST", path: "/api/sync/push", body: `{"scope":{"workspaceId":7},"ops":[]}`, status: 400, text: "Invalid push request"},
	{who: owner, method: "POST", path: "/api/sync/push", body: `{"scope":{"workspaceId":"$OWN"}}`, status: 400, text: "Invalid push request"},
	{who: owner, method: "POST", path: "/api/sync/push", body: `{"scope":{"workspaceId":"$OWN"},"ops":{}}`, status: 400, text: "Invalid push request"},
	{who: owner, method: "POST", path: "/api/sync/push", body: `{"ops":[]}`, status: 400, text: "Invalid push request"},
	{who: owner, method: "POST", path: "/api/sync/push", body: `null`, status: 400, text: "Invalid push request"},
	{who: owner, method: "POST", path: "/api/sync/push", body: ``, status: 400, text: "Invalid push request"},
	{who: owner, method: "POST", path: "/api/sync/push", body: `{"scope":{"workspaceId":"$OWN"},"ops":[}`, status: 400, text: "Invalid JSON body"},
	{who: owner, method: "POST", path: "/api/sync/push", body: `{"scope":`, status: 400, mime: "text/plain", text: "Invalid push request"},

	// Pull.
	{who: visitor, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$OWN"},"cursor":0,"limit":300}`, status: 401, text: "Unauthorized"},
	{who: owner, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$OWN"},"cursor":0,"limit":300}`, status: 200, text: `"hasMore":false`},
	{who: owner, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$OWN"},"cursor":77,"limit":1}`, status: 200, text: `"nextCursor":77`},
	{who: viewer, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$SHARED"},"cursor":0,"limit":300}`, status: 200, text: `"changes":[`},
	{who: stranger, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$OWN"},"cursor":0,"limit":300}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"unknown"},"cursor":0,"limit":300}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$GONE"},"cursor":0,"limit":300}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":" "},"cursor":0,"limit":300}`, status: 400, text: "Invalid pull request"},
	{who: visitor, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$OWN"},"cursor":-1,"limit":300}`, status: 400, text: "Invalid pull request"},
	{who: owner, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$OWN"},"cursor":0.5,"limit":300}`, status: 400, text: "Invalid pull request"},
	{who: owner, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$OWN"},"cursor":9007199254740992,"limit":300}`, status: 400, text: "Invalid pull request"},
	{who: owner, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$OWN"},"cursor":"0","limit":300}`, status: 400, text: "Invalid pull request"},
	{who: owner, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$OWN"},"cursor":0,"limit":0}`, status: 400, text: "Invalid pull request"},
	{who: owner, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$OWN"},"cursor":0,"limit":1001}`, status: 400, text: "Invalid pull request"},
	{who: owner, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$OWN"},"cursor":0}`, status: 400, text: "Invalid pull request"},
	{who: owner, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$OWN"},"cursor":0,"limit":1,"tables":"kv"}`, status: 400, text: "Invalid pull request"},
	{who: owner, method: "POST", path: "/api/sync/pull", body: `{"scope":{"workspaceId":"$OWN"},"cursor":0,"limit":1,"tables":[7]}`, status: 400, text: "Invalid pull request"},
	{who: owner, method: "POST", path: "/api/sync/pull", body: `[1`, status: 400, text: "Invalid JSON body"},

	// Device cursors: lenient in everything but types.
	{who: visitor, method: "POST", path: "/api/sync/update-cursor", body: `{"scope":{"workspaceId":"$OWN"},"deviceId":"d","version":1}`, status: 401, text: "Unauthorized"},
	{who: owner, method: "POST", path: "/api/sync/update-cursor", body: `{"scope":{"workspaceId":"$OWN"},"deviceId":"d","version":1}`, status: 200, text: `{"ok":true}`},
	{who: owner, method: "POST", path: "/api/sync/update-cursor", body: `{"scope":{"workspaceId":"$OWN"},"deviceId":"d","version":0}`, status: 200, text: `{"ok":true}`},
	{who: owner, method: "POST", path: "/api/sync/update-cursor", body: `{"scope":{"workspaceId":"$OWN"},"deviceId":"","version":999999}`, status: 200, text: `{"ok":true}`},
	{who: viewer, method: "POST", path: "/api/sync/update-cursor", body: `{"scope":{"workspaceId":"$SHARED"},"deviceId":"d","version":1}`, status: 200, text: `{"ok":true}`},
	{who: stranger, method: "POST", path: "/api/sync/update-cursor", body: `{"scope":{"workspaceId":"$OWN"},"deviceId":"d","version":1}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/sync/update-cursor", body: `{"scope":{"workspaceId":"unknown"},"deviceId":"d","version":1}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/sync/update-cursor", body: `{"scope":{"workspaceId":""},"deviceId":"d","version":1}`, status: 400, text: "Invalid cursor request"},
	{who: visitor, method: "POST", path: "/api/sync/update-cursor", body: `{"scope":{"workspaceId":"$OWN"},"deviceId":"d","version":-1}`, status: 400, text: "Invalid cursor request"},
	{who: owner, method: "POST", path: "/api/sync/update-cursor", body: `{"scope":{"workspaceId":"$OWN"},"deviceId":7,"version":1}`, status: 400, text: "Invalid cursor request"},
	{who: owner, method: "POST", path: "/api/sync/update-cursor", body: `{"scope":{"workspaceId":"$OWN"},"version":1}`, status: 400, text: "Invalid cursor request"},
	{who: owner, method: "POST", path: "/api/sync/update-cursor", body: `nope`, status: 400, text: "Invalid JSON body"},

	// Collection.
	{who: visitor, method: "POST", path: "/api/sync/gc-tombstones", body: `{"scope":{"workspaceId":"$OWN"},"retentionSeconds":2592000}`, status: 401, text: "Unauthorized"},
	{who: owner, method: "POST", path: "/api/sync/gc-tombstones", body: `{"scope":{"workspaceId":"$OWN"},"retentionSeconds":2592000}`, status: 204},
	{who: viewer, method: "POST", path: "/api/sync/gc-tombstones", body: `{"scope":{"workspaceId":"$SHARED"},"retentionSeconds":2592000}`, status: 403, text: "Forbidden"},
	{who: stranger, method: "POST", path: "/api/sync/gc-tombstones", body: `{"scope":{"workspaceId":"$OWN"},"retentionSeconds":2592000}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/sync/gc-tombstones", body: `{"scope":{"workspaceId":"unknown"},"retentionSeconds":2592000}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/sync/gc-tombstones", body: `{"scope":{"workspaceId":""},"retentionSeconds":2592000}`, status: 400, text: "Invalid GC request"},
	{who: owner, method: "POST", path: "/api/sync/gc-tombstones", body: `{"scope":{"workspaceId":"$OWN"},"retentionSeconds":0}`, status: 400, text: "Invalid GC request"},
	{who: owner, method: "POST", path: "/api/sync/gc-tombstones", body: `{"scope":{"workspaceId":"$OWN"}}`, status: 400, text: "Invalid GC request"},
	{who: visitor, method: "POST", path: "/api/sync/gc-change-log", body: `{"scope":{"workspaceId":"$OWN"},"retentionSeconds":1}`, status: 401, text: "Unauthorized"},
	{who: owner, method: "POST", path: "/api/sync/gc-change-log", body: `{"scope":{"workspaceId":"$OWN"},"retentionSeconds":1}`, status: 204},
	{who: viewer, method: "POST", path: "/api/sync/gc-change-log", body: `{"scope":{"workspaceId":"$SHARED"},"retentionSeconds":1}`, status: 403, text: "Forbidden"},
	{who: stranger, method: "POST", path: "/api/sync/gc-change-log", body: `{"scope":{"workspaceId":"$OWN"},"retentionSeconds":1}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/sync/gc-change-log", body: `{"scope":{"workspaceId":"unknown"},"retentionSeconds":1}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/sync/gc-change-log", body: `{"scope":{"workspaceId":"$OWN"},"retentionSeconds":"1"}`, status: 400, text: "Invalid GC request"},
	{who: owner, method: "POST", path: "/api/sync/gc-change-log", body: `{"scope":{"workspaceId":"$OWN"},"retentionSeconds":1.5}`, status: 400, text: "Invalid GC request"},

	// Snapshot.
	{who: visitor, method: "POST", path: "/api/sync/snapshot", body: `{"scope":{"workspaceId":"$OWN"},"pageSize":300}`, status: 401, text: "Unauthorized"},
	{who: owner, method: "POST", path: "/api/sync/snapshot", body: `{"scope":{"workspaceId":"$OWN"},"pageSize":300}`, status: 200, text: `"nextPageToken":null`},
	{who: viewer, method: "POST", path: "/api/sync/snapshot", body: `{"scope":{"workspaceId":"$SHARED"},"pageSize":300}`, status: 200, text: `"items":[`},
	{who: stranger, method: "POST", path: "/api/sync/snapshot", body: `{"scope":{"workspaceId":"$OWN"},"pageSize":300}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/sync/snapshot", body: `{"scope":{"workspaceId":"unknown"},"pageSize":300}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/sync/snapshot", body: `{"scope":{"workspaceId":""},"pageSize":300}`, status: 400, text: "Invalid snapshot request"},
	{who: owner, method: "POST", path: "/api/sync/snapshot", body: `{"scope":{"workspaceId":"$OWN"},"pageSize":0}`, status: 400, text: "Invalid snapshot request"},
	{who: owner, method: "POST", path: "/api/sync/snapshot", body: `{"scope":{"workspaceId":"$OWN"},"pageSize":1001}`, status: 400, text: "Invalid snapshot request"},
	{who: owner, method: "POST", path: "/api/sync/snapshot", body: `{"scope":{"workspaceId":"$OWN"},"pageSize":300,"pageToken":"made up"}`, status: 400, text: "Invalid snapshot page token"},
	{who: owner, method: "POST", path: "/api/sync/snapshot", body: `{"scope":{"workspaceId":"$OWN"},"pageSize":300,"pageToken":7}`, status: 400, text: "Invalid snapshot request"},
	{who: owner, method: "POST", path: "/api/sync/snapshot", body: `{"scope":{"workspaceId":"$OWN"},"pageSize":300,"tables":["secrets"]}`, status: 400, text: "Invalid snapshot table: secrets"},

	// Storage.
	{who: visitor, method: "POST", path: "/api/storage/presign-upload", body: `{"workspace_id":"$OWN","hash":"$HASH","mime_type":"image/png","size_bytes":3}`, status: 401, text: "Unauthorized"},
	{who: owner, method: "POST", path: "/api/storage/presign-upload", body: `{"workspace_id":"$OWN","hash":"$HASH","mime_type":"image/png","size_bytes":3,"expires_in_ms":3600000}`, status: 200, text: `"method":"PUT"`},
	{who: viewer, method: "POST", path: "/api/storage/presign-upload", body: `{"workspace_id":"$SHARED","hash":"$HASH","mime_type":"image/png","size_bytes":3}`, status: 403, text: "Forbidden"},
	{who: stranger, method: "POST", path: "/api/storage/presign-upload", body: `{"workspace_id":"$OWN","hash":"$HASH","mime_type":"image/png","size_bytes":3}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/storage/presign-upload", body: `{"workspace_id":"unknown","hash":"$HASH","mime_type":"image/png","size_bytes":3}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/storage/presign-upload", body: `{"workspace_id":"$GONE","hash":"$HASH","mime_type":"image/png","size_bytes":3}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/storage/presign-upload", body: `{"workspace_id":"","hash":"$HASH","mime_type":"image/png","size_bytes":3}`, status: 400, text: "Invalid request"},
	{who: visitor, method: "POST", path: "/api/storage/presign-upload", body: `{"hash":"$HASH","mime_type":"image/png","size_bytes":3}`, status: 400, text: "Invalid request"},
	{who: owner, method: "POST", path: "/api/storage/presign-upload", body: `{"workspace_id":"$OWN","hash":"nope","mime_type":"image/png","size_bytes":3}`, status: 400, text: "Invalid request"},
	{who: owner, method: "POST", path: "/api/storage/presign-upload", body: `{"workspace_id":"$OWN","hash":"$HASH","mime_type":"image/png","size_bytes":"3"}`, status: 400, text: "Invalid request"},
	{who: owner, method: "POST", path: "/api/storage/presign-upload", body: `{"workspace_id":"$OWN","hash":"$HASH","mime_type":"image/png","size_bytes":-3}`, status: 400, text: "Invalid request"},
	{who: owner, method: "POST", path: "/api/storage/presign-upload", body: `{"workspace_id":"$OWN","hash":"$HASH","mime_type":"image/png","size_bytes":3,"expires_in_ms":0}`, status: 400, text: "Invalid request"},
	{who: owner, method: "POST", path: "/api/storage/presign-upload", body: `{"workspace_id":"$OWN","hash":"$HASH","mime_type":"image/png","size_bytes":3,"disposition":"both"}`, status: 400, text: "Invalid request"},
	{who: owner, method: "POST", path: "/api/storage/presign-upload", body: `{"workspace_id":"$OWN","hash":"$HASH","mime_type":"text/html","size_bytes":3}`, status: 415, text: "MIME type text/html not allowed"},
	{who: owner, method: "POST", path: "/api/storage/presign-upload", body: `{"workspace_id":"$OWN","hash":"$HASH","mime_type":"image/png","size_bytes":104857601}`, status: 413, text: "File size exceeds maximum of 104857600 bytes"},
	{who: visitor, method: "POST", path: "/api/storage/presign-download", body: `{"workspace_id":"$OWN","hash":"$HASH"}`, status: 401, text: "Unauthorized"},
	{who: owner, method: "POST", path: "/api/storage/presign-download", body: `{"workspace_id":"$SHARED","hash":"$HASH"}`, status: 200, text: `"method":"GET"`},
	{who: viewer, method: "POST", path: "/api/storage/presign-download", body: `{"workspace_id":"$SHARED","hash":"$HASH"}`, status: 200, text: `"expiresAt"`},
	{who: stranger, method: "POST", path: "/api/storage/presign-download", body: `{"workspace_id":"$SHARED","hash":"$HASH"}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/storage/presign-download", body: `{"workspace_id":"unknown","hash":"$HASH"}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/storage/presign-download", body: `{"workspace_id":"$OWN","hash":"$HASH"}`, status: 404, text: "File not found"},
	{who: owner, method: "POST", path: "/api/storage/presign-download", body: `{"workspace_id":"$SHARED","hash":"$ABSENT"}`, status: 404, text: "File not found"},
	{who: owner, method: "POST", path: "/api/storage/presign-download", body: `{"workspace_id":"  ","hash":"$HASH"}`, status: 400, text: "Invalid request"},
	{who: owner, method: "POST", path: "/api/storage/presign-download", body: `{"workspace_id":"$OWN"}`, status: 400, text: "Invalid request"},
	{who: visitor, method: "POST", path: "/api/storage/commit", body: commitText("$SHARED", "image"), status: 401, text: "Unauthorized"},
	{who: owner, method: "POST", path: "/api/storage/commit", body: commitText("$SHARED", "image"), status: 200, text: `{"ok":true}`},
	{who: viewer, method: "POST", path: "/api/storage/commit", body: commitText("$SHARED", "image"), status: 403, text: "Forbidden"},
	{who: stranger, method: "POST", path: "/api/storage/commit", body: commitText("$SHARED", "image"), status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/storage/commit", body: commitText("unknown", "image"), status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/storage/commit", body: commitText("$OWN", "image"), status: 404, text: "Uploaded file not found"},
	{who: owner, method: "POST", path: "/api/storage/commit", body: commitText("", "image"), status: 400, text: "Invalid request"},
	{who: owner, method: "POST", path: "/api/storage/commit", body: commitText("$SHARED", "video"), status: 400, text: "Invalid request"},
	{who: owner, method: "POST", path: "/api/storage/commit", body: `{"workspace_id":"$SHARED","hash":"$HASH"}`, status: 400, text: "Invalid request"},
	{who: visitor, method: "POST", path: "/api/storage/gc/run", body: `{"workspace_id":"$OWN"}`, status: 401, text: "Unauthorized"},
	{who: owner, method: "POST", path: "/api/storage/gc/run", body: `{"workspace_id":"$OWN"}`, status: 403, text: "Forbidden"},
	{who: owner, method: "POST", path: "/api/storage/gc/run", body: `{"workspace_id":""}`, status: 400, text: "Invalid request"},
	{who: owner, method: "POST", path: "/api/storage/gc/run", body: `{"workspace_id":"$OWN","retention_seconds":"x"}`, status: 400, text: "Invalid request"},
	{who: visitor, method: "PUT", path: "/api/storage/fs/upload", status: 400, text: "Missing token"},
	{who: visitor, method: "PUT", path: "/api/storage/fs/upload?token=x", status: 403, text: "Invalid or expired token"},
	{who: visitor, method: "GET", path: "/api/storage/fs/download", status: 400, text: "Missing token"},
	{who: owner, method: "GET", path: "/api/storage/fs/download?token=x", status: 403, text: "Invalid or expired token"},
}

// commitText is the body of a commit of $HASH.
func commitText(workspace, kind string) string {
	return `{"workspace_id":"` + workspace + `","hash":"$HASH","storage_id":"x","storage_provider_id":"fs","mime_type":"image/png","size_bytes":3,"name":"n","kind":"` + kind + `"}`
}

// neverInAnswers is what no answer may contain: traces of how the server is made and where it runs.
var neverInAnswers = []string{"sqlite3", "SQLITE", "SELECT ", "INSERT ", "constraint", "panic", "goroutine", ".go:", "/tmp/", "no such file", "or3cloud", "jsontext"}

// TestContractMatrix requests every kind of answer from every base endpoint.
func TestContractMatrix(t *testing.T) {
	t.Parallel()
	srv := startServer(t, withEnv("OR3_TRUST_PROXY", "true"))
	own := newDevice(t, srv, owner)
	first := own.register("owner@example.test")
	see := newDevice(t, srv, viewer)
	member := see.register("viewer@example.test").User.ID
	other := newDevice(t, srv, stranger)
	other.register("stranger@example.test")

	made := func(d *device, name string) string {
		var b struct{ ID string }
		d.post("/api/workspaces", obj{"name": name}).decode(t, &b)
		return b.ID
	}
	gone := made(own, "gone")
	if r := own.call("DELETE", "/api/workspaces/"+gone, nil); r.status != 200 {
		t.Fatal(r)
	}
	shared := made(own, "shared")
	foreign := made(other, "foreign")
	content := []byte("png")
	own.upload(shared, content, png)
	srv.stop()
	setRole(t, srv, shared, member, or3cloud.RoleViewer)
	srv.start()

	fill := strings.NewReplacer("$OWN", first.Workspace.ID, "$SHARED", shared, "$GONE", gone, "$FOREIGN", foreign,
		"$HASH", hashOf(content), "$ABSENT", hashOf([]byte("absent")))
	devices := map[string]*device{owner: own, viewer: see, stranger: other}
	for i, p := range matrix {
		t.Run(fmt.Sprintf("%s %s %s %d", p.who, p.method, strings.TrimPrefix(p.path, "/api/"), p.status), func(t *testing.T) {
			d := devices[p.who]
			if d == nil {
				d = newDevice(t, srv, visitor)
			}
			header := probeHeader(p, i, srv)
			var body []byte
			if p.body != "" || p.method == "POST" {
				body = []byte(fill.Replace(p.body))
			}
			r := d.do(p.method, fill.Replace(p.path), body, header)
			if r.status != p.status {
				t.Fatalf("got %s, want %d %s\nrequest %s", r, p.status, p.text, body)
			}
			for _, trace := range neverInAnswers {
				if strings.Contains(string(r.body), trace) {
					t.Errorf("the answer says %q: %s", trace, r)
				}
			}
			if p.status < 400 {
				if !strings.Contains(string(r.body), p.text) {
					t.Errorf("got %s, want %s in it", r, p.text)
				}
				return
			}
			checkErrorBody(t, r, p.status, fill.Replace(p.text))
		})
	}
}
