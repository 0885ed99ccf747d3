package host

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/patience"
)

// acts sends what a page of the administration sends; the answer must have a status and contain a text. It returns the
// answer.
func (p *person) acts(status int, text, method, path, body string) string {
	p.t.Helper()
	req, err := http.NewRequestWithContext(p.t.Context(), method, p.url+path, strings.NewReader(body))
	if err != nil {
		p.t.Fatal(err)
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "Origin": p.url, "X-Or3-Admin-Intent": "admin"} {
		req.Header.Set(name, value)
	}
	res, err := p.client.Do(req)
	if err != nil {
		p.t.Fatal(err)
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != status || !strings.Contains(string(got), text) {
		p.t.Errorf("%s %s %.200s: %d %s %v; want %d %s", method, path, body, res.StatusCode, got, err, status, text)
	}
	if cache := res.Header.Get("Cache-Control"); status == 200 && cache != "no-store" {
		p.t.Errorf("%s %s may be kept: %q", method, path, cache)
	}
	return string(got)
}

// reads is acts for a GET whose answer is decoded.
func (p *person) reads(path string, into any) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.acts(200, "", "GET", path, "")), into); err != nil {
		p.t.Fatal(err)
	}
}

// withAdministrator starts a host with a super administrator and no limits.
func withAdministrator(t *testing.T, environ ...string) (r *real, admin *person) {
	t.Helper()
	r = startReal(t, eventsapi.Bounds{}, nil, slices.Concat([]string{"DISABLE_RATE_LIMIT=1"}, superAdmin, environ)...)
	return r, r.visitor(t).administer()
}

// listedWorkspace is a workspace in an answer.
type listedWorkspace struct {
	ID, Name, Description, OwnerUserID, OwnerEmail string
	CreatedAt, DeletedAt                           int64
	Deleted                                        bool
	MemberCount                                    int
	Members                                        []struct{ UserID, Email, Role string }
	Storage                                        *struct{ Bytes, Files, ReservedBytes, ReservedFiles int64 }
}

func TestAllWorkspacesAreAdministered(t *testing.T) {
	r, admin := withAdministrator(t)
	ann, bob := r.register(t, "ann@example.test"), r.register(t, "bob@example.test")
	const all = "/api/admin/workspaces"
	for body, want := range map[string]string{
		``: "Workspace name is required", `{}`: "Workspace name is required", `{"name":null}`: "Workspace name is required",
		`{"name":" "}`: "Workspace name is required", `{"name":7}`: "Workspace name is required",
		fmt.Sprintf(`{"name":%q}`, strings.Repeat("n", 101)):                    "Workspace name must be under 100 characters",
		fmt.Sprintf(`{"name":"n","description":%q}`, strings.Repeat("d", 1001)): "Description must be under 1000 characters",
		`{"name":"n"}`: "Valid owner user ID is required",
		`{"name":"n","description":null,"ownerUserId":" "}`:                                "Valid owner user ID is required",
		fmt.Sprintf(`{"name":%q,"ownerUserId":%q}`, " "+strings.Repeat("🙂", 51), ann.user): "Workspace name must be under 100 characters",
	} {
		admin.acts(400, want, "POST", all, body)
	}
	admin.acts(404, "Owner user not found", "POST", all, `{"name":"n","ownerUserId":"users:nothing"}`)
	var made struct{ WorkspaceID string }
	if err := json.Unmarshal([]byte(admin.acts(200, "", "POST", all, fmt.Sprintf(`{"name":" Team ","description":"of Ärzte","ownerUserId":%q}`, ann.user))), &made); err != nil {
		t.Fatal(err)
	}
	ann.want(200, made.WorkspaceID, "GET", "/api/workspaces", "")

	var page struct {
		Items []listedWorkspace
		Total int
	}
	for query, want := range map[string]struct {
		total int
		names string
	}{
		"": {3, "Team, My Workspace, My Workspace"}, "?page=1&perPage=1": {3, "Team"}, "?page=2&perPage=2": {3, "My Workspace"},
		"?page=9": {3, ""}, "?search=%C3%84RZTE": {1, "Team"}, "?search=nothing": {0, ""}, "?includeDeleted=true": {3, "Team, My Workspace, My Workspace"},
		"?page=0&perPage=0": {3, "Team"}, "?page=-7&perPage=99999999999999999999": {3, "Team, My Workspace, My Workspace"},
	} {
		admin.reads(all+query, &page)
		var names []string
		for _, ws := range page.Items {
			names = append(names, ws.Name)
		}
		if got := strings.Join(names, ", "); page.Total != want.total || got != want.names {
			t.Errorf("%s: %d, %s; want %+v", query, page.Total, got, want)
		}
	}
	admin.acts(400, "Invalid query", "GET", all+"?page=two", "")
	admin.acts(400, "Invalid query", "GET", all+"?perPage=1.5", "")

	one := all + "/" + made.WorkspaceID
	var ws listedWorkspace
	admin.reads(one, &ws)
	directory := r.instance.Providers().Workspaces.(or3cloud.WorkspaceAdministrator)
	stored, err := directory.DescribeWorkspace(t.Context(), made.WorkspaceID)
	if err != nil {
		t.Fatal(err)
	}
	if ws.CreatedAt != stored.CreatedAt.UnixMilli() || ws.Name != "Team" || ws.Description != "of Ärzte" || ws.OwnerUserID != ann.user || ws.OwnerEmail != "ann@example.test" ||
		ws.Deleted || ws.DeletedAt != 0 || ws.MemberCount != 1 || len(ws.Members) != 1 || ws.Members[0].Role != "owner" {
		t.Errorf("%+v", ws)
	}
	admin.acts(404, "Workspace not found", "GET", all+"/nothing", "")
	admin.acts(400, "Workspace ID is required", "GET", all+"/%20", "")
	hash, ok := or3cloud.ParseBlobHash("sha256:" + strings.Repeat("a", 64))
	if !ok {
		t.Fatal("no hash")
	}
	if err := instance.Ability[or3cloud.UploadIntents](r.instance.Providers(), or3cloud.ProviderSync).ReserveUploadIntent(t.Context(), or3cloud.UploadIntent{
		ID: "promised", WorkspaceID: made.WorkspaceID, UserID: ann.user, Hash: hash, SizeBytes: 700, ExpiresAt: r.instance.Options().Now().Add(time.Hour),
	}); err != nil {
		t.Fatal(err)
	}
	if ws.Storage != nil {
		t.Errorf("what the contract does not know: %+v", ws.Storage)
	}
	if admin.reads("/api/or3/admin/workspaces/"+made.WorkspaceID, &ws); ws.Storage == nil || ws.Storage.ReservedBytes != 700 || ws.Storage.ReservedFiles != 1 || ws.Storage.Bytes != 0 || ws.Storage.Files != 0 {
		t.Errorf("what is stored: %+v", ws.Storage)
	}

	// A change shows in the next list.
	for range 2 {
		admin.acts(200, `{"success":true}`, "POST", one+"/soft-delete", `{}`)
	}
	if admin.reads(all, &page); page.Total != 2 {
		t.Errorf("after the deletion: %+v", page)
	}
	admin.reads(one, &ws)
	if !ws.Deleted || ws.DeletedAt < ws.CreatedAt {
		t.Errorf("deleted: %+v", ws)
	}
	ann.want(403, "", "POST", "/api/workspaces/active", fmt.Sprintf(`{"id":%q}`, made.WorkspaceID))
	admin.acts(404, "Workspace not found", "POST", "/api/admin/workspace/guest-access/set", fmt.Sprintf(`{"enabled":true,"workspaceId":%q}`, made.WorkspaceID))
	for range 2 {
		admin.acts(200, `{"success":true}`, "POST", one+"/restore", `{}`)
	}
	ann.want(200, "", "POST", "/api/workspaces/active", fmt.Sprintf(`{"id":%q}`, made.WorkspaceID))
	for _, verb := range []string{"soft-delete", "restore"} {
		admin.acts(404, "Workspace not found", "POST", all+"/nothing/"+verb, `{}`)
		admin.acts(400, "Workspace ID is required", "POST", all+"/"+verb, `{}`)
		admin.acts(400, "Workspace ID is required", "POST", all+"/%20/"+verb, `{}`)
	}

	// A workspace whose owners were removed stays deleted.
	admin.acts(200, "", "POST", all+"/"+bob.workspace+"/soft-delete", `{}`)
	remover := r.instance.Providers().Workspaces.(or3cloud.UserRemover)
	lister := r.instance.Providers().Workspaces.(or3cloud.IdentityLister)
	ids, err := lister.IdentitiesOf(t.Context(), bob.user)
	if err != nil || len(ids) != 1 {
		t.Fatal(ids, err)
	}
	if err := remover.RemoveUser(t.Context(), ids[0]); err != nil {
		t.Fatal(err)
	}
	admin.acts(409, "The owners of this workspace were removed", "POST", all+"/"+bob.workspace+"/restore", `{}`)
}

func TestMembersAreAdministered(t *testing.T) {
	r, admin := withAdministrator(t)
	ann, bob, eve := r.register(t, "ann@example.test"), r.register(t, "bob@example.test"), r.register(t, "eve@example.test")
	r.grant(t, ann, true)
	r.grant(t, eve, true)
	const members = "/api/admin/workspace/members/"
	in := func(format string, args ...any) string {
		return fmt.Sprintf(`{"workspaceId":%q,`, ann.workspace) + fmt.Sprintf(format, args...) + "}"
	}

	// Which workspace is meant: the one that is named, or the active one of the user who is also signed in.
	admin.acts(400, "Workspace not resolved", "GET", "/api/admin/workspace", "")
	admin.acts(400, "Workspace not resolved", "POST", members+"remove", `{"userId":"x"}`)
	admin.acts(404, "Workspace not found", "GET", "/api/admin/workspace?workspaceId=nothing", "")
	const shown = `{"workspace":{"id":%q,"name":"My Workspace"},"role":"owner","members":[{"userId":%q,"email":%q,"role":"owner"}],"enabledPlugins":[],"guestAccessEnabled":false}`
	admin.acts(200, fmt.Sprintf(shown, ann.workspace, ann.user, "ann@example.test"), "GET", "/api/admin/workspace?workspaceId="+ann.workspace, "")
	ann.acts(200, fmt.Sprintf(shown, ann.workspace, ann.user, "ann@example.test"), "GET", "/api/admin/workspace", "")
	eve.acts(403, "Forbidden", "GET", "/api/admin/workspace?workspaceId="+ann.workspace, "")
	bob.acts(401, "Unauthorized", "GET", "/api/admin/workspace", "")

	for path, bodies := range map[string][]string{
		"upsert":   {`{}`, `[]`, ``, in(`"emailOrProviderId":" ","role":"viewer"`), in(`"emailOrProviderId":"x","role":"king"`), in(`"emailOrProviderId":"x"`)},
		"set-role": {`{}`, in(`"userId":"","role":"viewer"`), in(`"userId":"x","role":"king"`), in(`"userId":7,"role":"viewer"`)},
		"remove":   {`{}`, in(`"userId":" "`)},
	} {
		for _, body := range bodies {
			admin.acts(400, "Invalid request", "POST", members+path, body)
			ann.acts(400, "Invalid request", "POST", members+path, body)
		}
	}
	users := r.users(t)
	for _, p := range []*person{admin, ann} {
		for name, provider := range map[string]string{"nobody@example.test": "", "nothing": "", "later": "clerk", "none": "basic-auth"} {
			p.acts(404, "User not found. Send an invite", "POST", members+"upsert", in(`"emailOrProviderId":%q,"role":"viewer","provider":%q`, name, provider))
		}
		p.acts(404, "Member not found", "POST", members+"set-role", in(`"userId":%q,"role":"viewer"`, bob.user))
		p.acts(404, "Member not found", "POST", members+"remove", in(`"userId":%q`, bob.user))
		for _, name := range []string{" BOB@example.test ", bob.user} {
			p.acts(200, `{"ok":true}`, "POST", members+"upsert", in(`"emailOrProviderId":%q,"role":"viewer"`, name))
		}
		r.hasRole(t, bob, ann.workspace, or3cloud.RoleViewer)
		p.acts(200, `{"ok":true}`, "POST", members+"set-role", in(`"userId":%q,"role":"editor"`, bob.user))
		bob.want(200, "", "POST", "/api/sync/push", fmt.Sprintf(`{"scope":{"workspaceId":%q},"ops":[%s]}`, ann.workspace, kvOp(1, 1)))
		for path, body := range map[string]string{
			"upsert": in(`"emailOrProviderId":"ann@example.test","role":"editor"`), "set-role": in(`"userId":%q,"role":"viewer"`, ann.user), "remove": in(`"userId":%q`, ann.user),
		} {
			p.acts(409, "A workspace needs an owner", "POST", members+path, body)
		}
		p.acts(200, `{"ok":true}`, "POST", members+"remove", in(`"userId":%q`, bob.user))
		bob.want(403, "", "POST", "/api/sync/pull", fmt.Sprintf(`{"scope":{"workspaceId":%q},"cursor":0,"limit":1}`, ann.workspace))
	}
	if after := r.users(t); after != users {
		t.Errorf("%d users, and %d before names that no one has", after, users)
	}
	for path, body := range map[string]string{
		"upsert": in(`"emailOrProviderId":"eve@example.test","role":"owner"`), "set-role": in(`"userId":%q,"role":"viewer"`, ann.user), "remove": in(`"userId":%q`, ann.user),
	} {
		eve.acts(403, "Forbidden", "POST", members+path, body)
		bob.acts(401, "Unauthorized", "POST", members+path, body)
	}
	ann.acts(409, "Another workspace is now active", "POST", members+"upsert",
		fmt.Sprintf(`{"expectedWorkspaceId":%q,"emailOrProviderId":"eve@example.test","role":"owner"}`, eve.workspace))
	r.hasRole(t, eve, ann.workspace, "")
}

// The trail says who has done what to whom, including what was refused.
func TestTheTrailNamesWorkspacesAndUsers(t *testing.T) {
	r, admin := withAdministrator(t)
	ann, bob := r.register(t, "ann@example.test"), r.register(t, "bob@example.test")
	r.grant(t, ann, true)
	in := func(members string) string { return fmt.Sprintf(`{"workspaceId":%q,%s}`, ann.workspace, members) }
	for _, c := range []struct {
		by         *person
		path, body string
		status     int
	}{
		{admin, "workspaces", fmt.Sprintf(`{"name":"Team","ownerUserId":%q}`, bob.user), 200},
		{admin, "workspaces/" + bob.workspace + "/soft-delete", `{}`, 200},
		{admin, "workspaces/" + bob.workspace + "/restore", `{}`, 200},
		{ann, "workspace/members/upsert", in(`"emailOrProviderId":"bob@example.test","role":"viewer"`), 200},
		{ann, "workspace/members/set-role", in(fmt.Sprintf(`"userId":%q,"role":"viewer"`, ann.user)), 409},
		{admin, "workspace/members/remove", in(fmt.Sprintf(`"userId":%q`, bob.user)), 200},
		{admin, "workspace/guest-access/set", in(`"enabled":true`), 200},
		{admin, "workspace/invites/revoke", in(`"inviteId":"none"`), 404},
		{ann, "plugins/workspace-enable", in(`"pluginId":"a","enabled":true`), 200},
		{admin, "plugins/workspace-settings", in(`"pluginId":"a","settings":{}`), 200},
		{admin, "admin-users/grant", fmt.Sprintf(`{"userId":%q}`, bob.user), 200},
		{ann, "admin-users/revoke", fmt.Sprintf(`{"userId":%q}`, bob.user), 403},
	} {
		c.by.acts(c.status, "", "POST", "/api/admin/"+c.path, c.body)
	}
	want := []string{
		"workspace.create super_admin /bob ", "workspace.soft_delete super_admin bob/ ", "workspace.restore super_admin bob/ ",
		"workspace.members.upsert deployment_admin ann/bob ", "workspace.members.set_role deployment_admin ann/ann conflict", "workspace.members.remove super_admin ann/bob ",
		"workspace.guest_access.set super_admin ann/ ", "workspace.invites.revoke super_admin ann/none not_found", "plugin.enable deployment_admin ann/a ",
		"plugin.settings super_admin ann/a ", "admin_user.grant super_admin /bob ", "admin_user.revoke deployment_admin / forbidden",
	}
	names := map[string]string{ann.workspace: "ann", bob.workspace: "bob", ann.user: "ann", bob.user: "bob"}
	var trail []string
	patience.Until(t, "all entries, of which refusals come behind the requests", func() bool {
		page, err := r.instance.Providers().Audit.List(t.Context(), audit.Query{})
		if err != nil {
			t.Fatal(err)
		}
		trail = nil
		for _, e := range page.Entries {
			target := names[e.Target.UserID] + e.Target.Object
			trail = append(trail, fmt.Sprintf("%s %s %s/%s %s", e.Action, e.Actor.Kind, names[e.Target.WorkspaceID], target, e.Refusal))
		}
		return !slices.ContainsFunc(want, func(entry string) bool { return !slices.Contains(trail, entry) })
	})
}

// hasRole checks a person's role in a workspace.
func (r *real) hasRole(t testing.TB, p *person, workspace string, want or3cloud.Role) {
	t.Helper()
	role, err := r.instance.Providers().Workspaces.GetWorkspaceRole(t.Context(), p.user, workspace)
	if err != nil || role != want {
		t.Errorf("%q, %v; want %q", role, err, want)
	}
}

// users counts the users of the workspace store.
func (r *real) users(t testing.TB) int {
	t.Helper()
	all, err := r.instance.Providers().Workspaces.(or3cloud.UserDirectory).SearchUsers(t.Context(), "", 1000)
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}

// What a workspace says about guests is stored and shown, and opens it to no one (contract, workspaces-and-admin
// Pitfall 10).
func TestGuestAccessOpensNothing(t *testing.T) {
	r, admin := withAdministrator(t)
	ann, eve, visitor := r.register(t, "ann@example.test"), r.register(t, "eve@example.test"), r.visitor(t)
	const set = "/api/admin/workspace/guest-access/set"
	for _, body := range []string{``, `{}`, `{"enabled":null}`, `{"enabled":"true"}`, `{"enabled":1}`} {
		admin.acts(400, "Invalid request", "POST", set, body)
	}
	type answer struct {
		status int
		text   string
	}
	scope := fmt.Sprintf(`{"scope":{"workspaceId":%q},"cursor":0,"limit":1,"pageSize":1,"ops":[%s],"deviceId":"d","version":1}`, ann.workspace, kvOp(1, 1))
	file := fmt.Sprintf(`{"workspace_id":%q,"hash":%q,"mime_type":"text/plain","size_bytes":3}`, ann.workspace, hashOf("new"))
	look := func() (seen []answer) {
		for _, p := range []*person{eve, visitor} {
			for _, route := range []string{
				"POST /api/sync/push " + scope, "POST /api/sync/pull " + scope, "POST /api/sync/snapshot " + scope, "POST /api/sync/update-cursor " + scope,
				"POST /api/storage/presign-upload " + file, "POST /api/storage/presign-download " + file, "GET /api/workspaces/members?workspaceId=" + ann.workspace + " ",
				fmt.Sprintf(`POST /api/workspaces/active {"id":%q}`, ann.workspace), "GET /api/sync/events?workspaceId=" + ann.workspace + " ",
				"GET /api/admin/workspace?workspaceId=" + ann.workspace + " ",
			} {
				part := strings.SplitN(route, " ", 3)
				res, text, err := p.send(t.Context(), part[0], part[1], part[2])
				if err != nil {
					t.Fatal(err)
				}
				if res.StatusCode != 401 && res.StatusCode != 403 {
					t.Errorf("%s: %d %s", route, res.StatusCode, text)
				}
				seen = append(seen, answer{res.StatusCode, string(text)})
			}
		}
		return seen
	}
	before := look()
	for _, enabled := range []bool{true, false, true} {
		admin.acts(200, `{"ok":true}`, "POST", set, fmt.Sprintf(`{"enabled":%t,"workspaceId":%q}`, enabled, ann.workspace))
		admin.acts(200, fmt.Sprintf(`"guestAccessEnabled":%t`, enabled), "GET", "/api/admin/workspace?workspaceId="+ann.workspace, "")
		if after := look(); !slices.Equal(before, after) {
			t.Errorf("guests: %t\n%v\n%v", enabled, before, after)
		}
	}
}

func TestInvitesAreAdministered(t *testing.T) {
	r, admin := withAdministrator(t, "OR3_AUTH_REGISTRATION_MODE=invite_only")
	ann := r.admitted(t, "ann@example.test")
	r.grant(t, ann, true)
	const invites = "/api/admin/workspace/invites/"
	in := func(format string, args ...any) string {
		return fmt.Sprintf(`{"workspaceId":%q,`, ann.workspace) + fmt.Sprintf(format, args...) + "}"
	}
	for _, p := range []*person{admin, ann} {
		for _, body := range []string{
			`{}`, ``, in(`"email":"bob"`), in(`"email":"bob@example.test, eve@example.test"`), in(`"email":"bob@example.test\u200b"`), in(`"email":"\u202abob@example.test"`), in(`"email":%q`, strings.Repeat("b", 310)+"@example.test"),
			in(`"email":"bob@example.test","role":"king"`), in(`"email":"bob@example.test","expiresInSeconds":59`), in(`"email":"bob@example.test","expiresInSeconds":2592001`),
			in(`"email":"bob@example.test","expiresInSeconds":0`), in(`"email":"bob@example.test","expiresInSeconds":"60"`), in(`"email":"bob@example.test","expiresInSeconds":60.5`),
		} {
			p.acts(400, "Invalid request", "POST", invites+"create", body)
		}
		for _, query := range []string{"limit=0", "limit=501", "limit=x", "limit=-1", "status=lost"} {
			p.acts(400, "Invalid query", "GET", invites+"list?workspaceId="+ann.workspace+"&"+query, "")
		}
		p.acts(400, "Invalid request", "POST", invites+"revoke", in(`"inviteId":""`))
		p.acts(404, "Invite not found", "POST", invites+"revoke", in(`"inviteId":"nothing"`))
		p.acts(409, "already uses this server", "POST", invites+"create", in(`"email":"ann@example.test"`))
	}
	admin.acts(403, "Workspace admin session required", "POST", invites+"create", `{"email":"bob@example.test"}`)
	admin.acts(400, "Workspace not resolved", "GET", invites+"list", "")

	var made struct {
		OK     bool
		Invite struct {
			ID, Email, Role, Token, InviteURL string
			ExpiresAt                         int64
		}
	}
	create := func(p *person, body string) {
		t.Helper()
		if err := json.Unmarshal([]byte(p.acts(200, "", "POST", invites+"create", body)), &made); err != nil || !made.OK || made.Invite.ID == "" {
			t.Fatalf("%+v, %v", made, err)
		}
	}
	create(admin, in(`"email":" Bob@Example.test"`))
	ends := made.Invite.ExpiresAt // in seven days, in seconds
	if made.Invite.Role != "viewer" || made.Invite.Email != "bob@example.test" {
		t.Errorf("%+v", made)
	}
	admin.acts(200, fmt.Sprintf(`{"invites":[{"id":%q,"email":"bob@example.test","role":"viewer","status":"pending","createdAt":`, made.Invite.ID),
		"GET", invites+"list?status=pending&limit=500&workspaceId="+ann.workspace, "")
	admin.acts(200, `{"ok":true}`, "POST", invites+"revoke", in(`"inviteId":%q`, made.Invite.ID))
	ann.acts(200, `"status":"revoked"`, "GET", invites+"list", "")
	ann.acts(200, `{"invites":[]}`, "GET", invites+"list?status=pending", "")

	// A second click, and another role: the token reveals neither, only when it ends.
	tokens := map[string]bool{}
	for _, role := range []string{"viewer", "viewer", "editor", "owner"} {
		create(admin, in(`"email":"dora@example.test","role":%q`, role))
		tokens[made.Invite.Token] = true
	}
	if len(tokens) != 4 {
		t.Errorf("%d tokens of 4 invites", len(tokens))
	}

	create(ann, `{"email":"carl@example.test","role":"editor","expiresInSeconds":2592000}`)
	if later := made.Invite.ExpiresAt - ends; ends > 1e11 || later < 23*24*60*60 {
		t.Errorf("an invite of a month ends %d s after one of a week", later)
	}
	if !strings.HasPrefix(made.Invite.InviteURL, "/?invite=") || strings.Contains(ann.acts(200, "", "GET", invites+"list", ""), made.Invite.Token) {
		t.Errorf("%+v", made)
	}
	carl := r.visitor(t)
	if _, _, err := carl.send(t.Context(), "GET", made.Invite.InviteURL, ""); err != nil { // the page, which keeps the token
		t.Fatal(err)
	}
	carl.do("POST", "/api/basic-auth/register", fmt.Sprintf(`{"email":"carl@example.test","password":"correct horse","confirmPassword":"correct horse","inviteToken":%q}`, made.Invite.Token), nil)
	carl.resolve()
	r.hasRole(t, carl, ann.workspace, or3cloud.RoleEditor)
	ann.acts(200, `"status":"accepted"`, "GET", invites+"list", "")
}

// admitted adds an account as the operator does, and signs in to it.
func (r *real) admitted(t testing.TB, email string) *person {
	t.Helper()
	err := r.instance.Operate(func(op instance.Operator) error {
		_, err := op.Accounts.AddAccount(t.Context(), email, "", "correct horse")
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	p := r.signIn(t, email, "correct horse")
	p.resolve()
	return p
}

// A server that cannot make invites says so, in the words of the contract.
func TestInvitesThatCannotBeMade(t *testing.T) {
	r, admin := withAdministrator(t)
	ann := r.register(t, "ann@example.test")
	admin.acts(409, `the registration mode is \"open\"`, "POST", "/api/admin/workspace/invites/create", fmt.Sprintf(`{"workspaceId":%q,"email":"bob@example.test"}`, ann.workspace))
}

func TestDeploymentAdministratorsAreAdministered(t *testing.T) {
	r, admin := withAdministrator(t)
	ann, bob := r.register(t, "ann@example.test"), r.register(t, "bob@example.test")
	const admins = "/api/admin/admin-users"
	admin.acts(200, `{"admins":[]}`, "GET", admins, "")
	for _, verb := range []string{"/grant", "/revoke"} {
		for _, body := range []string{``, `{}`, `{"userId":" "}`, `{"userId":7}`} {
			admin.acts(400, "User ID is required", "POST", admins+verb, body)
		}
	}
	admin.acts(404, "User not found", "POST", admins+"/grant", `{"userId":"nothing"}`)
	user := func(p *person) string { return fmt.Sprintf(`{"userId":%q}`, p.user) }
	ann.acts(401, "Unauthorized", "GET", "/api/admin/auth/session", "")
	for range 2 {
		admin.acts(200, `{"success":true}`, "POST", admins+"/grant", user(ann))
	}
	ann.acts(200, "workspace_admin", "GET", "/api/admin/auth/session", "")
	var list struct {
		Admins []struct {
			UserID, Email, DisplayName string
			CreatedAt                  int64
		}
	}
	admin.reads(admins, &list)
	granted, err := r.instance.Providers().Workspaces.(or3cloud.DeploymentAdminStore).ListDeploymentAdmins(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if len(list.Admins) != 1 || list.Admins[0].UserID != ann.user || list.Admins[0].Email != "ann@example.test" ||
		list.Admins[0].CreatedAt != granted[0].GrantedAt.UnixMilli() {
		t.Errorf("%+v", list)
	}
	// An administrator of a workspace makes no other administrators, and sees nothing of all users.
	for _, p := range []*person{ann} {
		p.acts(403, "Forbidden: Super admin access required", "GET", admins, "")
		p.acts(403, "Forbidden: Super admin access required", "POST", admins+"/grant", user(bob))
		p.acts(403, "Forbidden: Super admin access required", "POST", admins+"/revoke", user(p))
		p.acts(403, "Forbidden: Super admin access required", "GET", "/api/admin/search-users?q=a", "")
	}
	admin.acts(200, fmt.Sprintf(`[{"userId":%q,"email":"ann@example.test"`, ann.user), "GET", "/api/admin/search-users?q=ANN%40", "")
	var found []struct{ UserID string }
	for query, want := range map[string]int{"": 0, "?q=": 0, "?q=+": 0, "?q=nothing": 0, "?q=example": 2, "?q=example&limit=1": 1, "?q=example&limit=0": 1, "?q=example&limit=51": 2} {
		if admin.reads("/api/admin/search-users"+query, &found); len(found) != want || found == nil {
			t.Errorf("%q finds %v, want %d", query, found, want)
		}
	}
	admin.acts(400, "Invalid query", "GET", "/api/admin/search-users?q=a&limit=all", "")
	for range 2 { // the last one, too: there is a super administrator
		admin.acts(200, `{"success":true}`, "POST", admins+"/revoke", user(ann))
	}
	ann.acts(401, "Unauthorized", "GET", "/api/admin/auth/session", "")
}

// Where the environment names no super administrator, one of the deployment administrators stays, even if two revoke
// each other at once.
func TestTheLastDeploymentAdministratorStays(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil, "DISABLE_RATE_LIMIT=1")
	people := []*person{r.register(t, "ann@example.test"), r.register(t, "bob@example.test")}
	const revoke = "/api/or3/admin/admin-users/revoke"
	user := func(p *person) string { return fmt.Sprintf(`{"userId":%q}`, p.user) }
	r.grant(t, people[0], true)
	people[0].acts(409, "No administrator would be left", "POST", revoke, user(people[0]))
	people[0].acts(200, "", "POST", revoke, user(people[1])) // is not one

	for range 3 {
		var done sync.WaitGroup
		for i, p := range people {
			r.grant(t, p, true)
			other := people[1-i]
			done.Go(func() {
				if res, text, err := p.sendAs(other, revoke); err != nil || res.StatusCode >= 500 {
					t.Errorf("%v %s", err, text)
				}
			})
		}
		done.Wait()
		left, err := r.instance.Providers().Workspaces.(or3cloud.DeploymentAdminStore).ListDeploymentAdmins(t.Context())
		if err != nil || len(left) == 0 {
			t.Fatalf("%d administrators are left, %v", len(left), err)
		}
	}
	// One whose account is switched off cannot administer anything.
	r.grant(t, people[0], true)
	r.grant(t, people[1], true)
	err := r.instance.Operate(func(op instance.Operator) error {
		return op.Accounts.SetDisabled(t.Context(), "bob@example.test", true)
	})
	if err != nil {
		t.Fatal(err)
	}
	people[0].acts(409, "No administrator would be left", "POST", revoke, user(people[0]))
	people[0].acts(200, `{"success":true}`, "POST", revoke, user(people[1]))
}

// sendAs revokes a person's grant, from a page of the administration.
func (p *person) sendAs(whom *person, path string) (*http.Response, string, error) {
	req, err := http.NewRequestWithContext(p.t.Context(), "POST", p.url+path, strings.NewReader(fmt.Sprintf(`{"userId":%q}`, whom.user)))
	if err != nil {
		return nil, "", err
	}
	for name, value := range map[string]string{"Content-Type": "application/json", "Origin": p.url, "X-Or3-Admin-Intent": "admin"} {
		req.Header.Set(name, value)
	}
	res, err := p.client.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	return res, string(text), err
}

func TestPluginsOfAWorkspaceAreKept(t *testing.T) {
	r, admin := withAdministrator(t)
	ann, eve := r.register(t, "ann@example.test"), r.register(t, "eve@example.test")
	r.grant(t, ann, true)
	r.grant(t, eve, true)
	const enable, settings = "/api/admin/plugins/workspace-enable", "/api/admin/plugins/workspace-settings"
	admin.acts(400, "Workspace not resolved", "GET", "/api/admin/plugins-page", "")
	for _, path := range []string{"plugins-page?", "plugins/workspace-settings?pluginId=a&", "workspace?", "workspace/invites/list?"} {
		admin.acts(404, "Workspace not found", "GET", "/api/admin/"+path+"workspaceId=nothing", "")
	}
	ann.acts(200, `{"plugins":[],"role":"owner","enabledPlugins":[],"version":"none"}`, "GET", "/api/admin/plugins-page", "")
	for _, body := range []string{
		``, `{}`, `{"pluginId":"a"}`, `{"pluginId":"","enabled":true}`, `{"pluginId":" a","enabled":true}`, `{"pluginId":"a\u0000","enabled":true}`,
		fmt.Sprintf(`{"pluginId":%q,"enabled":true}`, strings.Repeat("p", 129)), `{"pluginId":"a","enabled":"yes"}`,
	} {
		ann.acts(400, "Invalid request", "POST", enable, body)
	}
	version := func(answer string) string {
		var said struct{ Version string }
		if err := json.Unmarshal([]byte(answer), &said); err != nil || said.Version == "" {
			t.Fatalf("%s: %v", answer, err)
		}
		return said.Version
	}
	first := version(ann.acts(200, `{"ok":true,"enabled":["core:tasks"],`, "POST", enable, `{"pluginId":"core:tasks","enabled":true,"version":"none"}`))
	ann.acts(200, `"enabled":["core:tasks"]`, "POST", enable, `{"pluginId":"core:tasks","enabled":true}`) // once
	ann.acts(200, `"enabled":["core:tasks","b"]`, "POST", enable, fmt.Sprintf(`{"pluginId":"b","enabled":true,"version":%q}`, first))
	for _, stale := range []string{first, "none", "x"} {
		ann.acts(409, "Another administrator has changed this", "POST", enable, fmt.Sprintf(`{"pluginId":"c","enabled":true,"version":%q}`, stale))
	}
	ann.acts(409, "Another workspace is now active", "POST", enable, fmt.Sprintf(`{"pluginId":"c","enabled":true,"expectedWorkspaceId":%q}`, eve.workspace))
	ann.acts(200, `"enabled":["b"]`, "POST", enable, fmt.Sprintf(`{"pluginId":"core:tasks","enabled":false,"expectedWorkspaceId":%q}`, ann.workspace))
	admin.acts(200, `"enabledPlugins":["b"]`, "GET", "/api/admin/workspace?workspaceId="+ann.workspace, "")
	eve.acts(403, "Forbidden", "POST", enable, fmt.Sprintf(`{"workspaceId":%q,"pluginId":"c","enabled":true}`, ann.workspace))

	// Clients that name no version do not overwrite each other's changes either.
	var all sync.WaitGroup
	const many = 12
	for i := range many {
		all.Go(func() {
			admin.acts(200, `{"ok":true`, "POST", enable, fmt.Sprintf(`{"workspaceId":%q,"pluginId":"p%d","enabled":true}`, ann.workspace, i))
		})
	}
	all.Wait()
	var page struct{ EnabledPlugins []string }
	if ann.reads("/api/admin/plugins-page", &page); len(page.EnabledPlugins) != many+1 {
		t.Errorf("%v", page)
	}

	ann.acts(400, "Invalid request", "GET", settings, "")
	ann.acts(200, `{"settings":{},"version":"none"}`, "GET", settings+"?pluginId=b", "")
	for body, want := range map[string]string{
		`{"settings":{}}`: "Invalid request", `{"pluginId":"b"}`: "Invalid settings", `{"pluginId":"b","settings":null}`: "Invalid settings",
		`{"pluginId":"b","settings":[1]}`: "Invalid settings", `{"pluginId":"b","settings":"x"}`: "Invalid settings", `{"pluginId":"b","settings":{"a":1,"a":2}}`: "Invalid settings",
		`{"pluginId":"b","settings":{"a":"\ud800"}}`:                                                       "Invalid settings",
		fmt.Sprintf(`{"pluginId":"b","settings":{"a":%q}}`, strings.Repeat("v", or3cloud.MaxSettingValue)): "Invalid settings",
	} {
		ann.acts(400, want, "POST", settings, body)
	}
	ann.acts(200, `{"settings":{},"version":"none"}`, "GET", settings+"?pluginId=b", "")
	second := version(ann.acts(200, `{"ok":true,`, "POST", settings, `{"pluginId":"b","settings":{ "a" : 1.50 , "ä":[true] },"version":"none"}`))
	ann.acts(200, fmt.Sprintf(`{"settings":{"a":1.50,"ä":[true]},"version":%q}`, second), "GET", settings+"?pluginId=b", "")
	ann.acts(409, "Another administrator has changed this", "POST", settings, `{"pluginId":"b","settings":{},"version":"none"}`)
	admin.acts(200, `{"ok":true,`, "POST", settings, fmt.Sprintf(`{"workspaceId":%q,"pluginId":"b","settings":{"a":2}}`, ann.workspace))
	ann.acts(409, "Another administrator has changed this", "POST", settings, fmt.Sprintf(`{"pluginId":"b","settings":{},"version":%q}`, second))
	ann.acts(200, `{"settings":{"a":2}`, "GET", settings+"?pluginId=b", "")
	eve.acts(200, `{"settings":{},"version":"none"}`, "GET", settings+"?pluginId=b", "") // in their own workspace

	// A list that cannot grow any more says so.
	store := r.instance.Providers().Workspaces.(or3cloud.WorkspaceSettings)
	full, err := json.Marshal([]string{strings.Repeat("x", or3cloud.MaxSettingValue-10)})
	if err != nil {
		t.Fatal(err)
	}
	for value, want := range map[string]int{string(full): 409, "no list": 200} {
		if err := store.SetWorkspaceSetting(t.Context(), ann.workspace, "plugins.enabled", value); err != nil {
			t.Fatal(err)
		}
		ann.acts(want, "", "POST", enable, `{"pluginId":"a-plugin","enabled":true}`)
	}
}

// Pages of plugins and themes are complete, and installing says why it is not possible, also after a large upload.
func TestNothingIsInstalled(t *testing.T) {
	_, admin := withAdministrator(t, "OR3_DEFAULT_THEME=retro")
	admin.acts(200, `{"themes":[],"role":"owner","defaultTheme":"retro"}`, "GET", "/api/admin/themes-page", "")
	admin.acts(200, `{"items":[]}`, "GET", "/api/admin/extensions", "")
	for _, body := range []string{``, `{"zipBase64":"UEs="}`, strings.Repeat("x", 3<<20)} {
		admin.acts(501, "This server runs no plugins", "POST", "/api/admin/extensions/install", body)
	}
	admin.acts(501, "This server runs no plugins", "POST", "/api/admin/extensions/uninstall", `{"id":"x","kind":"plugin"}`)
	admin.acts(404, "", "POST", "/api/admin/plugins/packages/x/promote", `{}`)
}
