package providertest

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	or3cloud "or3.chat/cloud"
)

// testAllWorkspaces searches, describes, deletes and restores workspaces as an operator does.
func testAllWorkspaces(t *testing.T, b *workspaceBench) {
	admin, ok := b.Workspaces.(or3cloud.WorkspaceAdministrator)
	if !ok {
		t.Skip("no WorkspaceAdministrator")
	}
	ann, bob := b.user("ann"), b.user("bob")
	first, second := b.create(ann, "Ärzte 100%"), b.create(bob, "Family")
	wantCode(t, "describe it", b.Workspaces.UpdateWorkspace(b.ctx, bob, second, "Family", "of ÄRZTE"), "")
	third := b.create(bob, "Old")
	wantCode(t, "share", b.access().SetMemberRole(b.ctx, first, bob, or3cloud.RoleViewer), "")
	wantCode(t, "delete", admin.SoftDeleteWorkspace(b.ctx, third), "")
	wantCode(t, "delete again", admin.SoftDeleteWorkspace(b.ctx, third), "")
	if b.role(bob, third) != "" {
		t.Error("a deleted workspace has members")
	}
	for _, tc := range []struct {
		in    or3cloud.WorkspaceSearch
		want  []string
		total int
	}{
		{or3cloud.WorkspaceSearch{Limit: 10}, []string{second, first}, 2},
		{or3cloud.WorkspaceSearch{Limit: 10, IncludeDeleted: true}, []string{third, second, first}, 3},
		{or3cloud.WorkspaceSearch{Limit: 1, IncludeDeleted: true}, []string{third}, 3},
		{or3cloud.WorkspaceSearch{Limit: 1, Offset: 1, IncludeDeleted: true}, []string{second}, 3},
		{or3cloud.WorkspaceSearch{Limit: 5, Offset: 5, IncludeDeleted: true}, nil, 3},
		{or3cloud.WorkspaceSearch{Limit: 10, Text: "ärzte"}, []string{second, first}, 2},
		{or3cloud.WorkspaceSearch{Limit: 10, Text: "0%"}, []string{first}, 1},
		{or3cloud.WorkspaceSearch{Limit: 10, Text: "%"}, []string{first}, 1},
		{or3cloud.WorkspaceSearch{Limit: 10, Text: "old"}, nil, 0},
	} {
		page, total, err := admin.SearchWorkspaces(b.ctx, tc.in)
		var got []string
		for _, ws := range page {
			got = append(got, ws.ID)
		}
		if err != nil || total != tc.total || !slices.Equal(got, tc.want) {
			t.Errorf("%+v: %v of %d, %v; want %v of %d", tc.in, got, total, err, tc.want, tc.total)
		}
	}
	got := must(admin.DescribeWorkspace(b.ctx, first))(t)
	want := or3cloud.WorkspaceSummary{ID: first, Name: "Ärzte 100%", CreatedAt: got.CreatedAt, Members: 2, Owner: "ann@example.test", OwnerUserID: ann}
	if diff := cmp.Diff(want, got); diff != "" || got.CreatedAt.IsZero() {
		t.Errorf("-want +got:\n%s", diff)
	}
	if got := must(admin.DescribeWorkspace(b.ctx, third))(t); got.DeletedAt.Before(got.CreatedAt) || got.Description != "" {
		t.Errorf("%+v", got)
	}
	wantCode(t, "restore", admin.RestoreWorkspace(b.ctx, third), "")
	wantCode(t, "restore again", admin.RestoreWorkspace(b.ctx, third), "")
	if got := must(admin.DescribeWorkspace(b.ctx, third))(t); !got.DeletedAt.IsZero() || b.role(bob, third) != or3cloud.RoleOwner {
		t.Errorf("restored: %+v", got)
	}
	for name, err := range map[string]error{
		"describe": errOf(admin.DescribeWorkspace(b.ctx, "nothing")), "delete": admin.SoftDeleteWorkspace(b.ctx, "nothing"),
		"restore": admin.RestoreWorkspace(b.ctx, "nothing"),
	} {
		wantCode(t, name+" what never was", err, or3cloud.CodeNotFound)
	}
}

// testRestoreOfTheRemoved removes the only owner of a deleted workspace: no one can restore the content.
func testRestoreOfTheRemoved(t *testing.T, b *workspaceBench) {
	admin, ok := b.Workspaces.(or3cloud.WorkspaceAdministrator)
	remover, too := b.Workspaces.(or3cloud.UserRemover)
	if !ok || !too {
		t.Skip("no WorkspaceAdministrator or no UserRemover")
	}
	ws := b.create(b.user("ann"), "Private")
	wantCode(t, "share", b.access().SetMemberRole(b.ctx, ws, b.user("bob"), or3cloud.RoleViewer), "")
	wantCode(t, "delete", admin.SoftDeleteWorkspace(b.ctx, ws), "")
	wantCode(t, "remove", remover.RemoveUser(b.ctx, identity("ann")), "")
	wantCode(t, "restore", admin.RestoreWorkspace(b.ctx, ws), or3cloud.CodeConflict)
}

// testWorkspaceIDs goes through all workspaces in pages.
func testWorkspaceIDs(t *testing.T, b *workspaceBench) {
	lister, ok := b.Workspaces.(or3cloud.WorkspaceLister)
	if !ok {
		t.Skip("no WorkspaceLister")
	}
	ann := b.user("ann")
	var want []string
	for i := range 5 {
		want = append(want, b.create(ann, fmt.Sprint("w", i)))
	}
	wantCode(t, "delete", b.Workspaces.RemoveWorkspace(b.ctx, ann, want[2]), "")
	want = slices.Delete(want, 2, 3)
	var got []string
	for after := ""; ; after = got[len(got)-1] {
		page := must(lister.ListWorkspaceIDs(b.ctx, after, 3))(t)
		if len(page) == 0 {
			break
		}
		got = append(got, page...)
	}
	if !slices.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
	if page := must(lister.ListWorkspaceIDs(b.ctx, "nothing", 3))(t); len(page) != 0 {
		t.Errorf("after what never was: %v", page)
	}
}

// testUserSearch searches for users by address, name and id, and for the user whom an operator means.
func testUserSearch(t *testing.T, b *workspaceBench) {
	directory, ok := b.Workspaces.(or3cloud.UserDirectory)
	if !ok {
		t.Skip("no UserDirectory")
	}
	add := func(provider, id, email, name string) string {
		return must(b.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: provider, ProviderUserID: id, Email: email, DisplayName: name}))(t)
	}
	ann, bob := add("p", "1", "Ann@Example.test", "Ångström"), add("q", "2", "bob@example.test", "Bob_50%")
	twin := add("q", "1", "ann@example.test", "")
	search := func(text string, limit int) (ids []string) {
		for _, u := range must(directory.SearchUsers(b.ctx, text, limit))(t) {
			ids = append(ids, u.ID)
		}
		slices.Sort(ids)
		return ids
	}
	sorted := func(ids ...string) []string { slices.Sort(ids); return ids }
	for text, want := range map[string][]string{
		"ANN@": sorted(ann, twin), "ångs": {ann}, "_50": {bob}, "%": {bob}, bob[:20]: {bob}, "nobody": nil,
	} {
		if got := search(text, 10); !slices.Equal(got, want) {
			t.Errorf("%q finds %v, want %v", text, got, want)
		}
	}
	if got := search("example", 2); len(got) != 2 {
		t.Errorf("%v, want two", got)
	}
	if found := must(directory.SearchUsers(b.ctx, "ångs", 1))(t); found[0].Email != "Ann@Example.test" || found[0].DisplayName != "Ångström" {
		t.Errorf("%+v", found)
	}
	finder, ok := b.Workspaces.(or3cloud.UserFinder)
	if !ok {
		return
	}
	for _, tc := range []struct {
		name, provider string
		want           []string
	}{
		{"BOB@example.test", "", []string{bob}}, {"ann@example.test", "p", sorted(ann, twin)}, {"1", "p", []string{ann}}, {"1", "q", []string{twin}},
		{"1", "", sorted(ann, twin)}, {bob, "", []string{bob}}, {bob, "q", nil}, {"nobody", "", nil}, {"ob@example.test", "", nil},
	} {
		var got []string
		for _, u := range must(finder.UsersNamed(b.ctx, tc.name, tc.provider))(t) {
			got = append(got, u.ID)
		}
		slices.Sort(got)
		if !slices.Equal(got, tc.want) {
			t.Errorf("%q at %q is %v, want %v", tc.name, tc.provider, got, tc.want)
		}
	}
}

// testSettings stores settings of a workspace, up to their limits.
func testSettings(t *testing.T, b *workspaceBench) {
	settings, ok := b.Workspaces.(or3cloud.WorkspaceSettings)
	if !ok {
		t.Skip("no WorkspaceSettings")
	}
	ann := b.user("ann")
	ws, other := b.active(ann).ID, b.create(ann, "Other")
	want := func(ws, key, value string, found bool) {
		t.Helper()
		got, there, err := settings.WorkspaceSetting(b.ctx, ws, key)
		if err != nil || got != value || there != found {
			t.Errorf("%s: %q %t %v, want %q %t", key, got, there, err, value, found)
		}
	}
	want(ws, "plugins.enabled", "", false)
	want("nothing", "plugins.enabled", "", false)
	for _, value := range []string{`["a"]`, "", "ä\x00😀"} {
		wantCode(t, "set", settings.SetWorkspaceSetting(b.ctx, ws, "plugins.enabled", value), "")
		want(ws, "plugins.enabled", value, true)
	}
	want(other, "plugins.enabled", "", false)
	for name, err := range map[string]error{
		"no name":      settings.SetWorkspaceSetting(b.ctx, ws, "", "v"),
		"a long name":  settings.SetWorkspaceSetting(b.ctx, ws, strings.Repeat("k", or3cloud.MaxSettingKey+1), "v"),
		"a long value": settings.SetWorkspaceSetting(b.ctx, ws, "k", strings.Repeat("v", or3cloud.MaxSettingValue+1)),
	} {
		wantCode(t, name, err, or3cloud.CodeInvalid)
	}
	for i := range or3cloud.MaxSettings - 1 {
		wantCode(t, "set", settings.SetWorkspaceSetting(b.ctx, ws, fmt.Sprint("k", i), strings.Repeat("v", 10)), "")
	}
	wantCode(t, "one more", settings.SetWorkspaceSetting(b.ctx, ws, "more", "v"), or3cloud.CodeInvalid)
	wantCode(t, "one that is there", settings.SetWorkspaceSetting(b.ctx, ws, "k1", "changed"), "")
	wantCode(t, "another workspace", settings.SetWorkspaceSetting(b.ctx, other, "more", "v"), "")
	wantCode(t, "delete", b.Workspaces.RemoveWorkspace(b.ctx, ann, other), "")
	wantCode(t, "a deleted workspace", settings.SetWorkspaceSetting(b.ctx, other, "more", "v"), or3cloud.CodeNotFound)
	wantCode(t, "what never was", settings.SetWorkspaceSetting(b.ctx, "nothing", "more", "v"), or3cloud.CodeNotFound)
}

// testComparedSettings changes settings on the condition that no one else has.
func testComparedSettings(t *testing.T, b *workspaceBench) {
	settings, ok := b.Workspaces.(or3cloud.WorkspaceSettingsComparer)
	if !ok {
		t.Skip("no WorkspaceSettingsComparer")
	}
	ann := b.user("ann")
	ws, other := b.active(ann).ID, b.create(ann, "Other")
	set := func(expected *string, value string, want bool) {
		t.Helper()
		done, err := settings.CompareAndSetWorkspaceSetting(b.ctx, ws, "k", expected, value)
		if err != nil || done != want {
			t.Errorf("%t, %v; want %t", done, err, want)
		}
	}
	text := func(s string) *string { return &s }
	set(text(""), "a", false) // an empty value is a value
	set(nil, "", true)
	set(nil, "a", false)
	set(text("a"), "a", false)
	set(text(""), "a", true)
	set(text("a"), "a", true)
	if got, found, err := settings.WorkspaceSetting(b.ctx, ws, "k"); got != "a" || !found || err != nil {
		t.Errorf("%q %t %v", got, found, err)
	}
	for name, in := range map[string]struct {
		ws, key, value string
		want           or3cloud.Code
	}{
		"no name": {ws, "", "v", or3cloud.CodeInvalid}, "a long value": {ws, "k", strings.Repeat("v", or3cloud.MaxSettingValue+1), or3cloud.CodeInvalid},
		"what never was": {"nothing", "k", "v", or3cloud.CodeNotFound},
	} {
		done, err := settings.CompareAndSetWorkspaceSetting(b.ctx, in.ws, in.key, nil, in.value)
		wantCode(t, name, err, in.want)
		if done {
			t.Errorf("%s is done", name)
		}
	}
	wantCode(t, "delete", b.Workspaces.RemoveWorkspace(b.ctx, ann, other), "")
	_, err := settings.CompareAndSetWorkspaceSetting(b.ctx, other, "k", nil, "v")
	wantCode(t, "a deleted workspace", err, or3cloud.CodeNotFound)

	// Each increment of several concurrent counters counts.
	const sides, each = 4, 10
	parallel(sides, func(int) {
		for counted := 0; counted < each; {
			present, found, err := settings.WorkspaceSetting(b.ctx, ws, "count")
			if err != nil {
				t.Error(err)
				return
			}
			var expected *string
			if found {
				expected = &present
			}
			done, err := settings.CompareAndSetWorkspaceSetting(b.ctx, ws, "count", expected, present+"x")
			if err != nil {
				t.Error(err)
				return
			}
			if done {
				counted++
			}
		}
	})
	if got, _, err := settings.WorkspaceSetting(b.ctx, ws, "count"); len(got) != sides*each || err != nil {
		t.Errorf("%d of %d are counted, %v", len(got), sides*each, err)
	}
}

// testDeploymentAdmins grants and revokes the administration of the deployment.
func testDeploymentAdmins(t *testing.T, b *workspaceBench) {
	admins, ok := b.Workspaces.(or3cloud.DeploymentAdminStore)
	if !ok {
		t.Skip("no DeploymentAdminStore")
	}
	checker, ok := b.Workspaces.(or3cloud.DeploymentAdminChecker)
	if !ok {
		t.Fatal("grants that are not looked at")
	}
	ann, bob := b.user("ann"), b.user("bob")
	is := func(name, user string, want bool) {
		t.Helper()
		granted, err := admins.IsDeploymentAdmin(b.ctx, user)
		checked, cerr := checker.CheckDeploymentAdmin(b.ctx, name, "test")
		if errors.Join(err, cerr) != nil || granted != want || checked != want {
			t.Errorf("%s: %t, %t, %v, %v; want %t", name, granted, checked, err, cerr, want)
		}
	}
	is("ann", ann, false)
	wantCode(t, "grant", admins.GrantDeploymentAdmin(b.ctx, ann, "the operator"), "")
	is("ann", ann, true)
	b.Advance(time.Second)
	wantCode(t, "grant", admins.GrantDeploymentAdmin(b.ctx, bob, ann), "")
	wantCode(t, "grant again", admins.GrantDeploymentAdmin(b.ctx, ann, bob), "")
	all := must(admins.ListDeploymentAdmins(b.ctx))(t)
	if len(all) != 2 || all[0].ID != ann || all[0].Email != "ann@example.test" || all[1].ID != bob || !all[0].GrantedAt.Before(all[1].GrantedAt) {
		t.Errorf("%+v", all)
	}
	if other := must(checker.CheckDeploymentAdmin(b.ctx, "ann", "elsewhere"))(t); other {
		t.Error("another provider's ann is an admin")
	}
	wantCode(t, "revoke", admins.RevokeDeploymentAdmin(b.ctx, bob), "")
	wantCode(t, "revoke again", admins.RevokeDeploymentAdmin(b.ctx, bob), "")
	is("bob", bob, false)
	wantCode(t, "a grant to no one", admins.GrantDeploymentAdmin(b.ctx, "nothing", ann), or3cloud.CodeNotFound)
	remover, ok := b.Workspaces.(or3cloud.UserRemover)
	if !ok {
		return
	}
	wantCode(t, "grant", admins.GrantDeploymentAdmin(b.ctx, bob, ann), "")
	wantCode(t, "remove", remover.RemoveUser(b.ctx, identity("ann")), "")
	is("ann", ann, false)
	if all := must(admins.ListDeploymentAdmins(b.ctx))(t); len(all) != 1 || all[0].ID != bob {
		t.Errorf("after the removal: %+v", all)
	}
}

// testFounders creates the users of founders, who then administer the deployment.
func testFounders(t *testing.T, b *workspaceBench) {
	admins, ok := b.Workspaces.(or3cloud.DeploymentAdminStore)
	if !ok {
		t.Skip("no DeploymentAdminStore")
	}
	founder := func(name string) or3cloud.ExternalIdentity {
		id := identity(name)
		id.Founder = true
		return id
	}
	want := func(when string, users ...string) {
		t.Helper()
		var got []string
		for _, a := range must(admins.ListDeploymentAdmins(b.ctx))(t) {
			got = append(got, a.ID)
		}
		if !slices.Equal(got, users) {
			t.Errorf("%s: %q are admins, want %q", when, got, users)
		}
	}
	bob := b.user("bob")
	must(b.Workspaces.GetOrCreateUser(b.ctx, founder("bob")))(t)
	want("who was there before")
	// Concurrent requests agree on one user and one grant.
	var wait sync.WaitGroup
	made := make([]string, 8)
	for i := range made {
		wait.Go(func() { made[i], _ = b.Workspaces.GetOrCreateUser(b.ctx, founder("ann")) })
	}
	wait.Wait()
	ann := made[0]
	if slices.ContainsFunc(made, func(id string) bool { return id == "" || id != ann }) {
		t.Fatalf("users %q", made)
	}
	want("made", ann)
	wantCode(t, "revoke", admins.RevokeDeploymentAdmin(b.ctx, ann), "")
	must(b.Workspaces.GetOrCreateUser(b.ctx, founder("ann")))(t)
	want("asked for again")
	if remover, ok := b.Workspaces.(or3cloud.UserRemover); ok {
		wantCode(t, "remove", remover.RemoveUser(b.ctx, identity("ann")), "")
		must(b.Workspaces.GetOrCreateUser(b.ctx, founder("ann")))(t)
		want("made again after a revocation and a removal")
	}
	carl := must(b.Workspaces.GetOrCreateUser(b.ctx, founder("carl")))(t)
	want("another founder", carl)

	invites, ok := b.Workspaces.(or3cloud.InviteStore)
	if !ok {
		return
	}
	ws := must(b.Workspaces.CreateWorkspace(b.ctx, bob, "w", ""))(t)
	must(invites.CreateInvite(b.ctx, or3cloud.Invite{
		WorkspaceID: ws, Email: identity("dora").Email, Role: or3cloud.RoleEditor, TokenHash: strings.Repeat("d", 64), ExpiresAt: b.now().Add(time.Hour),
	}))(t)
	b.Advance(time.Second)
	dora, refusal, err := invites.AcceptInvite(b.ctx, founder("dora"), ws, strings.Repeat("d", 64))
	if err != nil || refusal != "" {
		t.Fatal(refusal, err)
	}
	want("made with an invite", carl, dora)
}
