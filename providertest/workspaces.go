package providertest

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// WorkspaceBackend is a new, empty workspace store.
type WorkspaceBackend struct {
	Workspaces or3cloud.AuthWorkspaceStore
	// Advance moves the store's clock.
	Advance func(time.Duration)
}

// TestWorkspaceStore checks what or3cloud.AuthWorkspaceStore promises, and WorkspaceAccessStore, MemberManager,
// WorkspaceDirectory, InviteStore, UserRemover and what administration needs if the store has them.
func TestWorkspaceStore(t *testing.T, open func(t *testing.T) WorkspaceBackend) {
	run := func(name string, f func(t *testing.T, b *workspaceBench)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, &workspaceBench{WorkspaceBackend: open(t), t: t, ctx: t.Context()})
		})
	}
	run("Users", testUsers)
	run("OneUserForParallelSignIns", testParallelSignIns)
	run("DefaultWorkspace", testDefaultWorkspace)
	run("CreateListUpdate", testCreateListUpdate)
	run("SetActive", testSetActive)
	run("Remove", testRemove)
	run("RemoveTheLast", testRemoveTheLast)
	run("RemoveRehomesAllMembers", testRemoveRehomes)
	run("Strangers", testStrangers)
	run("TooManyWorkspaces", testTooManyWorkspaces)
	run("Members", testMembers)
	run("LastOwner", testLastOwner)
	run("MemberManager", testMemberManager)
	run("ParallelOwnersLeave", testParallelOwnersLeave)
	run("RoleChanger", testRoleChanger)
	run("AnOwnerStays", testAnOwnerStays)
	run("TooManyInvites", testTooManyInvites)
	run("Directory", testDirectory)
	run("Invite", testInvite)
	run("InviteRefusals", testInviteRefusals)
	run("InviteList", testInviteList)
	run("OneInviteForParallelGuests", testInviteRace)
	run("InvitesOfKnownUsers", testInviteKnown)
	run("IdentitiesOfAUser", testIdentities)
	run("UserRemoval", testUserRemoval)
	run("RemovalOfStrangers", testRemovalOfStrangers)
	run("RemovalOfAGuest", testRemovalOfAGuest)
	run("AllWorkspaces", testAllWorkspaces)
	run("RestoreOfTheRemoved", testRestoreOfTheRemoved)
	run("WorkspaceIDs", testWorkspaceIDs)
	run("UserSearch", testUserSearch)
	run("Settings", testSettings)
	run("ComparedSettings", testComparedSettings)
	run("DeploymentAdmins", testDeploymentAdmins)
	run("Founders", testFounders)
}

type workspaceBench struct {
	WorkspaceBackend
	t   *testing.T
	ctx context.Context
}

func (b *workspaceBench) user(name string) string {
	b.t.Helper()
	return must(b.Workspaces.GetOrCreateUser(b.ctx, identity(name)))(b.t)
}

func identity(name string) or3cloud.ExternalIdentity {
	return or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: name, Email: name + "@example.test"}
}

func (b *workspaceBench) active(user string) or3cloud.Workspace {
	b.t.Helper()
	return must(b.Workspaces.GetOrCreateDefaultWorkspace(b.ctx, user))(b.t)
}

func (b *workspaceBench) create(user, name string) string {
	b.t.Helper()
	b.Advance(time.Second)
	return must(b.Workspaces.CreateWorkspace(b.ctx, user, name, ""))(b.t)
}

func (b *workspaceBench) role(user, ws string) or3cloud.Role {
	b.t.Helper()
	return must(b.Workspaces.GetWorkspaceRole(b.ctx, user, ws))(b.t)
}

func (b *workspaceBench) access() or3cloud.WorkspaceAccessStore {
	a, ok := b.Workspaces.(or3cloud.WorkspaceAccessStore)
	if !ok {
		b.t.Skip("no WorkspaceAccessStore")
	}
	return a
}

func wantCode(t *testing.T, what string, err error, want or3cloud.Code) {
	t.Helper()
	if got := or3cloud.CodeOf(err); got != want {
		t.Errorf("%s: %v, want code %q", what, err, want)
	}
}

func testUsers(t *testing.T, b *workspaceBench) {
	if id := must(b.Workspaces.GetUser(b.ctx, identity("ann")))(t); id != "" {
		t.Errorf("unknown identity has user %q", id)
	}
	ann := b.user("ann")
	if ann == "" || ann != b.user("ann") || ann != must(b.Workspaces.GetUser(b.ctx, identity("ann")))(t) {
		t.Error("one identity must stay one user")
	}
	if ann == b.user("bob") {
		t.Error("two identities became one user")
	}
	// The e-mail address never identifies: it is not verified (contract, auth Pitfall 14).
	twin := identity("ann")
	twin.Provider = "other"
	if ann == must(b.Workspaces.GetOrCreateUser(b.ctx, twin))(t) {
		t.Error("another provider's identity with the same e-mail became the same user")
	}
}

func testParallelSignIns(t *testing.T, b *workspaceBench) {
	ids, spaces := make([]string, 16), make([]string, 16)
	var created atomic.Int32
	parallel(16, func(i int) {
		id, err := b.Workspaces.GetOrCreateUser(b.ctx, identity("ann"))
		if err != nil {
			t.Error(err)
			return
		}
		ws, err := b.Workspaces.GetOrCreateDefaultWorkspace(b.ctx, id)
		if err != nil {
			t.Error(err)
		}
		if ids[i], spaces[i] = id, ws.ID; ws.Created {
			created.Add(1)
		}
	})
	if n := created.Load(); n != 1 {
		t.Errorf("%d sign-ins have made the workspace, want 1", n)
	}
	if len(slices.Compact(slices.Sorted(slices.Values(ids)))) != 1 || len(slices.Compact(slices.Sorted(slices.Values(spaces)))) != 1 {
		t.Errorf("parallel sign-ins made users %v with workspaces %v", ids, spaces)
	}
}

func testDefaultWorkspace(t *testing.T, b *workspaceBench) {
	ann := b.user("ann")
	ws := b.active(ann)
	if ws.ID == "" || ws.Name != "My Workspace" || ws.Role != or3cloud.RoleOwner || !ws.Active || !ws.Created || ws.CreatedAt.IsZero() {
		t.Errorf("default workspace %+v", ws)
	}
	if again := b.active(ann); again.ID != ws.ID || again.Created {
		t.Errorf("a second call gave %+v", again)
	}
	_, err := b.Workspaces.GetOrCreateDefaultWorkspace(b.ctx, "nobody")
	wantCode(t, "unknown user", err, or3cloud.CodeNotFound)
}

func testCreateListUpdate(t *testing.T, b *workspaceBench) {
	ann := b.user("ann")
	first := b.active(ann).ID
	second := b.create(ann, "Second")
	if b.active(ann).ID != first {
		t.Error("creating a workspace must not switch to it")
	}
	if err := b.Workspaces.UpdateWorkspace(b.ctx, ann, second, "Renamed", "About"); err != nil {
		t.Fatal(err)
	}
	list := must(b.Workspaces.ListUserWorkspaces(b.ctx, ann))(t)
	if len(list) != 2 || list[0].ID != second || list[0].Name != "Renamed" || list[0].Description != "About" || list[0].Active ||
		list[0].Role != or3cloud.RoleOwner || list[1].ID != first || !list[1].Active || !list[0].CreatedAt.After(list[1].CreatedAt) {
		t.Errorf("list %+v", list)
	}
	if err := b.Workspaces.UpdateWorkspace(b.ctx, ann, first, "Home", ""); err != nil || b.active(ann).Name != "Home" {
		t.Errorf("the new name must show at once: %v, %+v", err, b.active(ann))
	}
}

func testSetActive(t *testing.T, b *workspaceBench) {
	ann := b.user("ann")
	b.active(ann)
	second := b.create(ann, "Second")
	if err := b.Workspaces.SetActiveWorkspace(b.ctx, ann, second); err != nil {
		t.Fatal(err)
	}
	// The very next session must show it (contract, workspaces-and-admin §1).
	if ws := b.active(ann); ws.ID != second || ws.Name != "Second" {
		t.Errorf("active is %+v", ws)
	}
}

func testRemove(t *testing.T, b *workspaceBench) {
	ann := b.user("ann")
	first := b.active(ann).ID
	second := b.create(ann, "Second")
	if err := b.Workspaces.SetActiveWorkspace(b.ctx, ann, second); err != nil {
		t.Fatal(err)
	}
	if err := b.Workspaces.RemoveWorkspace(b.ctx, ann, second); err != nil {
		t.Fatal(err)
	}
	if ws := b.active(ann); ws.ID != first {
		t.Errorf("active is %+v after removing the active one", ws)
	}
	if r := b.role(ann, second); r != "" {
		t.Errorf("role %q in a deleted workspace", r)
	}
	if list := must(b.Workspaces.ListUserWorkspaces(b.ctx, ann))(t); len(list) != 1 {
		t.Errorf("list %+v", list)
	}
	wantCode(t, "remove again", b.Workspaces.RemoveWorkspace(b.ctx, ann, second), or3cloud.CodeNotFound)
	wantCode(t, "activate", b.Workspaces.SetActiveWorkspace(b.ctx, ann, second), or3cloud.CodeNotFound)
	wantCode(t, "rename", b.Workspaces.UpdateWorkspace(b.ctx, ann, second, "x", ""), or3cloud.CodeNotFound)
}

func testRemoveTheLast(t *testing.T, b *workspaceBench) {
	ann := b.user("ann")
	only := b.active(ann).ID
	if err := b.Workspaces.RemoveWorkspace(b.ctx, ann, only); err != nil {
		t.Fatal(err)
	}
	if ws := b.active(ann); ws.ID == only || ws.Role != or3cloud.RoleOwner {
		t.Errorf("after removing the last workspace: %+v", ws)
	}
}

func testRemoveRehomes(t *testing.T, b *workspaceBench) {
	access := b.access()
	ann, bob := b.user("ann"), b.user("bob")
	b.active(ann)
	home := b.active(bob).ID
	shared := b.create(ann, "Shared")
	if err := access.SetMemberRole(b.ctx, shared, bob, or3cloud.RoleEditor); err != nil {
		t.Fatal(err)
	}
	if err := b.Workspaces.SetActiveWorkspace(b.ctx, bob, shared); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "an editor removes", b.Workspaces.RemoveWorkspace(b.ctx, bob, shared), or3cloud.CodeForbidden)
	if err := b.Workspaces.RemoveWorkspace(b.ctx, ann, shared); err != nil {
		t.Fatal(err)
	}
	if ws := b.active(bob); ws.ID != home {
		t.Errorf("the other member is in %+v", ws)
	}
}

// testStrangers makes sure that a stranger learns nothing: an existing and an unknown workspace look alike.
func testStrangers(t *testing.T, b *workspaceBench) {
	ann, eve := b.user("ann"), b.user("eve")
	ws := b.active(ann).ID
	b.active(eve)
	for _, id := range []string{ws, "no-such-workspace"} {
		if r := b.role(eve, id); r != "" {
			t.Errorf("role %q in %s", r, id)
		}
		wantCode(t, "rename "+id, b.Workspaces.UpdateWorkspace(b.ctx, eve, id, "stolen", ""), or3cloud.CodeForbidden)
		wantCode(t, "remove "+id, b.Workspaces.RemoveWorkspace(b.ctx, eve, id), or3cloud.CodeForbidden)
		wantCode(t, "activate "+id, b.Workspaces.SetActiveWorkspace(b.ctx, eve, id), or3cloud.CodeForbidden)
	}
	if got := b.active(ann); got.Name != "My Workspace" {
		t.Errorf("a stranger changed it: %+v", got)
	}
}

func testMembers(t *testing.T, b *workspaceBench) {
	access := b.access()
	ann, bob := b.user("ann"), b.user("bob")
	ws := b.active(ann).ID
	for _, role := range []or3cloud.Role{or3cloud.RoleViewer, or3cloud.RoleEditor, or3cloud.RoleOwner} {
		b.Advance(time.Second)
		if err := access.SetMemberRole(b.ctx, ws, bob, role); err != nil {
			t.Fatal(err)
		}
		if got := b.role(bob, ws); got != role {
			t.Errorf("role %q, want %q at once", got, role)
		}
	}
	list := must(access.ListMembers(b.ctx, ws))(t)
	if len(list) != 2 || list[0].UserID != ann || list[1] != (or3cloud.Member{UserID: bob, Email: "bob@example.test", Role: or3cloud.RoleOwner}) {
		t.Errorf("members %+v", list)
	}
	if err := access.SetMemberRole(b.ctx, ws, bob, or3cloud.RoleViewer); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "a viewer renames", b.Workspaces.UpdateWorkspace(b.ctx, bob, ws, "x", ""), or3cloud.CodeForbidden)
	if err := b.Workspaces.SetActiveWorkspace(b.ctx, bob, ws); err != nil {
		t.Fatal(err)
	}
	for range 2 { // removing twice is not an error
		if err := access.RemoveMember(b.ctx, ws, bob); err != nil {
			t.Fatal(err)
		}
	}
	if b.role(bob, ws) != "" || b.active(bob).ID == ws {
		t.Error("a removed member still has the workspace")
	}
	wantCode(t, "unknown user", access.SetMemberRole(b.ctx, ws, "nobody", or3cloud.RoleViewer), or3cloud.CodeNotFound)
	wantCode(t, "unknown workspace", access.SetMemberRole(b.ctx, "nowhere", bob, or3cloud.RoleViewer), or3cloud.CodeNotFound)
	wantCode(t, "unknown role", access.SetMemberRole(b.ctx, ws, bob, "king"), or3cloud.CodeInvalid)
}

func testLastOwner(t *testing.T, b *workspaceBench) {
	access := b.access()
	ann, bob := b.user("ann"), b.user("bob")
	ws := b.active(ann).ID
	if err := access.SetMemberRole(b.ctx, ws, bob, or3cloud.RoleEditor); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "demote the last owner", access.SetMemberRole(b.ctx, ws, ann, or3cloud.RoleViewer), or3cloud.CodeConflict)
	wantCode(t, "remove the last owner", access.RemoveMember(b.ctx, ws, ann), or3cloud.CodeConflict)
	if err := access.SetMemberRole(b.ctx, ws, bob, or3cloud.RoleOwner); err != nil {
		t.Fatal(err)
	}
	if err := access.RemoveMember(b.ctx, ws, ann); err != nil {
		t.Errorf("one of two owners leaves: %v", err)
	}
}

// testTooManyWorkspaces creates as many as one user may have. Deleting one frees nothing at once: its content is still
// there. No one is left without a workspace.
func testTooManyWorkspaces(t *testing.T, b *workspaceBench) {
	ann, bob := b.user("ann"), b.user("bob")
	b.active(ann)
	var made []string
	var refused error
	for range 1000 {
		id, err := b.Workspaces.CreateWorkspace(b.ctx, ann, "Another", "")
		if refused = err; err != nil {
			break
		}
		made = append(made, id)
	}
	var e *or3cloud.Error
	if !errors.As(refused, &e) || e.Code != or3cloud.CodeRateLimited || e.RetryAfter <= 0 {
		t.Fatalf("%d workspaces, then %v; want a refusal that says when to try again", len(made), refused)
	}
	b.create(bob, "Of someone else")
	for range 3 {
		if err := b.Workspaces.RemoveWorkspace(b.ctx, ann, made[0]); err != nil {
			t.Fatal(err)
		}
		made = made[1:]
		if _, err := b.Workspaces.CreateWorkspace(b.ctx, ann, "Another", ""); or3cloud.CodeOf(err) != or3cloud.CodeRateLimited {
			t.Fatalf("a deleted workspace gave its room back at once: %v", err)
		}
	}
	for _, id := range made {
		if err := b.Workspaces.RemoveWorkspace(b.ctx, ann, id); err != nil {
			t.Fatal(err)
		}
	}
	last := b.active(ann).ID
	wantCode(t, "deleting the last one", b.Workspaces.RemoveWorkspace(b.ctx, ann, last), or3cloud.CodeRateLimited)
	if got := b.active(ann).ID; got != last {
		t.Errorf("the refused deletion moved the user to %s", got)
	}
	b.Advance(1000 * day)
	b.create(ann, "Much later")
	if err := b.Workspaces.RemoveWorkspace(b.ctx, ann, last); err != nil {
		t.Error(err)
	}
}
