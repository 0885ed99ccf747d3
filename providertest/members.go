package providertest

import (
	"strings"
	"sync/atomic"
	"testing"

	or3cloud "or3.chat/cloud"
)

// testMemberManager asks for every change of members on behalf of everybody: who may is decided by the role of the moment.
func testMemberManager(t *testing.T, b *workspaceBench) {
	access := b.access()
	manager, ok := b.Workspaces.(or3cloud.MemberManager)
	if !ok {
		t.Skip("no MemberManager")
	}
	ann, bob, eve := b.user("ann"), b.user("bob"), b.user("eve")
	ws := b.active(ann).ID
	b.active(eve)
	wantCode(t, "join", access.SetMemberRole(b.ctx, ws, bob, or3cloud.RoleViewer), "")
	for name, by := range map[string]string{"a viewer": bob, "a stranger": eve, "no one": ""} {
		wantCode(t, name+" changes a role", manager.ChangeMemberRole(b.ctx, by, ws, bob, or3cloud.RoleOwner), or3cloud.CodeForbidden)
		wantCode(t, name+" removes the owner", manager.DismissMember(b.ctx, by, ws, ann), or3cloud.CodeForbidden)
		wantCode(t, name+" revokes an invite", manager.WithdrawInvite(b.ctx, by, ws, "any"), or3cloud.CodeForbidden)
	}
	wantCode(t, "an owner adds a stranger", manager.ChangeMemberRole(b.ctx, ann, ws, eve, or3cloud.RoleViewer), or3cloud.CodeNotFound)
	wantCode(t, "an owner removes a stranger", manager.DismissMember(b.ctx, ann, ws, eve), or3cloud.CodeNotFound)
	wantCode(t, "an unknown role", manager.ChangeMemberRole(b.ctx, ann, ws, bob, "king"), or3cloud.CodeInvalid)
	wantCode(t, "an unknown workspace", manager.DismissMember(b.ctx, ann, "nowhere", bob), or3cloud.CodeNotFound)
	wantCode(t, "an unknown invite", manager.WithdrawInvite(b.ctx, ann, ws, "nothing"), or3cloud.CodeNotFound)
	wantCode(t, "the last owner steps down", manager.ChangeMemberRole(b.ctx, ann, ws, ann, or3cloud.RoleEditor), or3cloud.CodeConflict)
	wantCode(t, "the last owner leaves", manager.DismissMember(b.ctx, ann, ws, ann), or3cloud.CodeConflict)

	wantCode(t, "another owner", manager.ChangeMemberRole(b.ctx, ann, ws, bob, or3cloud.RoleOwner), "")
	wantCode(t, "steps down", manager.ChangeMemberRole(b.ctx, ann, ws, ann, or3cloud.RoleEditor), "")
	wantCode(t, "a former owner", manager.DismissMember(b.ctx, ann, ws, bob), or3cloud.CodeForbidden)
	wantCode(t, "leaves", manager.DismissMember(b.ctx, ann, ws, ann), "")
	if b.role(ann, ws) != "" || b.active(ann).ID == ws || b.role(bob, ws) != or3cloud.RoleOwner {
		t.Error("the former member still has the workspace, or the new owner has not")
	}
}

// testParallelOwnersLeave lets both owners of a workspace leave at once: one stays.
func testParallelOwnersLeave(t *testing.T, b *workspaceBench) {
	access := b.access()
	manager, ok := b.Workspaces.(or3cloud.MemberManager)
	if !ok {
		t.Skip("no MemberManager")
	}
	owners := []string{b.user("ann"), b.user("bob")}
	ws := b.active(owners[0]).ID
	wantCode(t, "join", access.SetMemberRole(b.ctx, ws, owners[1], or3cloud.RoleOwner), "")
	var left, stayed atomic.Int64
	parallel(len(owners), func(i int) {
		switch err := manager.DismissMember(b.ctx, owners[i], ws, owners[i]); or3cloud.CodeOf(err) {
		case "":
			left.Add(1)
		case or3cloud.CodeConflict:
			stayed.Add(1)
		default:
			t.Error(err)
		}
	})
	if left.Load() != 1 || stayed.Load() != 1 {
		t.Errorf("%d left and %d stayed, want one each", left.Load(), stayed.Load())
	}
}

// testTooManyInvites fills the invites of a workspace. What is no good any more gives way to what is new.
func testTooManyInvites(t *testing.T, b *workspaceBench) {
	store, ok := b.Workspaces.(or3cloud.InviteStore)
	if !ok {
		t.Skip("no InviteStore")
	}
	ws := b.active(b.user("ann")).ID
	expires := b.now().Add(day)
	var ids []string
	create := func(n int) error {
		id, err := store.CreateInvite(b.ctx, or3cloud.Invite{
			WorkspaceID: ws, Email: "bob@example.test", Role: or3cloud.RoleViewer,
			TokenHash: string(numberedHash(n)), ExpiresAt: expires,
		})
		ids = append(ids, id)
		return err
	}
	const most = 10_000
	var refused error
	n := 0
	for refused == nil && n < most {
		refused = create(n)
		n++
	}
	wantCode(t, "more invites than a workspace keeps", refused, or3cloud.CodeConflict)
	wantCode(t, "revoke", store.RevokeInvite(b.ctx, ws, ids[0]), "")
	wantCode(t, "room for one", create(n), "")
	if err := create(n + 1); err == nil || !strings.Contains(err.Error(), "revoke") {
		t.Errorf("full again: %v", err)
	}
}
