package providertest

import (
	"math/rand/v2"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	or3cloud "or3.chat/cloud"
)

// testMemberManager requests every change of members on behalf of everyone: the current role decides who may.
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
		wantCode(t, name+" adds a member", manager.AdmitMember(b.ctx, by, ws, eve, or3cloud.RoleOwner), or3cloud.CodeForbidden)
		wantCode(t, name+" changes a role", manager.ChangeMemberRole(b.ctx, by, ws, bob, or3cloud.RoleOwner), or3cloud.CodeForbidden)
		wantCode(t, name+" removes the owner", manager.DismissMember(b.ctx, by, ws, ann), or3cloud.CodeForbidden)
		wantCode(t, name+" revokes an invite", manager.WithdrawInvite(b.ctx, by, ws, "any"), or3cloud.CodeForbidden)
	}
	wantCode(t, "an owner adds a stranger", manager.ChangeMemberRole(b.ctx, ann, ws, eve, or3cloud.RoleViewer), or3cloud.CodeNotFound)
	wantCode(t, "an owner adds no one", manager.AdmitMember(b.ctx, ann, ws, "nothing", or3cloud.RoleViewer), or3cloud.CodeNotFound)
	wantCode(t, "an owner adds someone as what there is not", manager.AdmitMember(b.ctx, ann, ws, eve, "king"), or3cloud.CodeInvalid)
	wantCode(t, "an owner adds someone to what never was", manager.AdmitMember(b.ctx, ann, "nowhere", eve, or3cloud.RoleViewer), or3cloud.CodeNotFound)
	wantCode(t, "the last owner adds themselves as less", manager.AdmitMember(b.ctx, ann, ws, ann, or3cloud.RoleViewer), or3cloud.CodeConflict)
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
	wantCode(t, "add", manager.AdmitMember(b.ctx, bob, ws, eve, or3cloud.RoleEditor), "")
	wantCode(t, "add again", manager.AdmitMember(b.ctx, bob, ws, eve, or3cloud.RoleViewer), "")
	if got := b.role(eve, ws); got != or3cloud.RoleViewer {
		t.Errorf("the added member is %q", got)
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

// testRoleChanger changes roles for an operator, of members only.
func testRoleChanger(t *testing.T, b *workspaceBench) {
	changer, ok := b.Workspaces.(or3cloud.RoleChanger)
	if !ok {
		t.Skip("no RoleChanger")
	}
	ann, bob := b.user("ann"), b.user("bob")
	ws := b.active(ann).ID
	wantCode(t, "a stranger", changer.ChangeRole(b.ctx, ws, bob, or3cloud.RoleOwner), or3cloud.CodeNotFound)
	wantCode(t, "join", b.access().SetMemberRole(b.ctx, ws, bob, or3cloud.RoleViewer), "")
	wantCode(t, "an unknown role", changer.ChangeRole(b.ctx, ws, bob, "king"), or3cloud.CodeInvalid)
	wantCode(t, "what never was", changer.ChangeRole(b.ctx, "nowhere", bob, or3cloud.RoleOwner), or3cloud.CodeNotFound)
	wantCode(t, "the last owner", changer.ChangeRole(b.ctx, ws, ann, or3cloud.RoleViewer), or3cloud.CodeConflict)
	wantCode(t, "another owner", changer.ChangeRole(b.ctx, ws, bob, or3cloud.RoleOwner), "")
	wantCode(t, "the former one", changer.ChangeRole(b.ctx, ws, ann, or3cloud.RoleViewer), "")
	if b.role(ann, ws) != or3cloud.RoleViewer || b.role(bob, ws) != or3cloud.RoleOwner {
		t.Errorf("%q and %q", b.role(ann, ws), b.role(bob, ws))
	}
}

// testAnOwnerStays changes the members of a workspace at random, from all sides at once. Every read sees an owner.
func testAnOwnerStays(t *testing.T, b *workspaceBench) {
	access := b.access()
	manager, managed := b.Workspaces.(or3cloud.MemberManager)
	changer, changes := b.Workspaces.(or3cloud.RoleChanger)
	if !managed || !changes {
		t.Skip("no MemberManager or no RoleChanger")
	}
	users := []string{b.user("ann"), b.user("bob"), b.user("eve")}
	ws := b.active(users[0]).ID
	roles := []or3cloud.Role{or3cloud.RoleOwner, or3cloud.RoleEditor, or3cloud.RoleViewer}
	owned := func() bool {
		members, err := access.ListMembers(b.ctx, ws)
		if err != nil {
			t.Error(err)
		}
		return slices.ContainsFunc(members, func(m or3cloud.Member) bool { return m.Role == or3cloud.RoleOwner })
	}
	const sides, steps = 4, 40
	parallel(sides, func(side int) {
		random := rand.New(rand.NewPCG(uint64(side), steps))
		for range steps {
			by, user, role := users[random.IntN(len(users))], users[random.IntN(len(users))], roles[random.IntN(len(roles))]
			var err error
			switch random.IntN(6) {
			case 0:
				err = access.SetMemberRole(b.ctx, ws, user, role)
			case 1:
				err = access.RemoveMember(b.ctx, ws, user)
			case 2:
				err = manager.AdmitMember(b.ctx, by, ws, user, role)
			case 3:
				err = manager.ChangeMemberRole(b.ctx, by, ws, user, role)
			case 4:
				err = manager.DismissMember(b.ctx, by, ws, user)
			default:
				err = changer.ChangeRole(b.ctx, ws, user, role)
			}
			switch or3cloud.CodeOf(err) {
			case "", or3cloud.CodeConflict, or3cloud.CodeForbidden, or3cloud.CodeNotFound:
			default:
				t.Error(err)
			}
			if !owned() {
				t.Error("no owner is left")
				return
			}
		}
	})
}

// testTooManyInvites fills the invites of a workspace. Invites that are no longer valid make way for new ones.
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
