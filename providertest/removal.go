package providertest

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	or3cloud "or3.chat/cloud"
)

func (b *workspaceBench) remover() or3cloud.UserRemover {
	r, ok := b.Workspaces.(or3cloud.UserRemover)
	if !ok {
		b.t.Skip("no UserRemover")
	}
	return r
}

// fates are what a removal would do, by the names of the workspaces.
func (b *workspaceBench) fates(name string) map[string]or3cloud.Fate {
	b.t.Helper()
	out := map[string]or3cloud.Fate{}
	for _, f := range must(b.remover().UserRemoval(b.ctx, identity(name)))(b.t) {
		out[f.Name] = f.Fate
	}
	return out
}

func testIdentities(t *testing.T, b *workspaceBench) {
	lister, ok := b.Workspaces.(or3cloud.IdentityLister)
	if !ok {
		t.Skip("no IdentityLister")
	}
	ann := b.user("ann")
	b.user("bob")
	want := []or3cloud.ExternalIdentity{{Provider: identity("ann").Provider, ProviderUserID: identity("ann").ProviderUserID}}
	if diff := cmp.Diff(want, must(lister.IdentitiesOf(b.ctx, ann))(t)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if none := must(lister.IdentitiesOf(b.ctx, "unknown"))(t); len(none) != 0 {
		t.Errorf("%+v", none)
	}
}

func testUserRemoval(t *testing.T, b *workspaceBench) {
	remover, access := b.remover(), b.access()
	ann, bob := b.user("ann"), b.user("bob")
	own, shared, guest := b.create(ann, "Own"), b.create(ann, "Shared"), b.create(bob, "Guest")
	wantCode(t, "share", access.SetMemberRole(b.ctx, shared, bob, or3cloud.RoleEditor), "")
	wantCode(t, "be a guest", access.SetMemberRole(b.ctx, guest, ann, or3cloud.RoleViewer), "")
	gone := b.create(ann, "Gone")
	wantCode(t, "delete", b.Workspaces.RemoveWorkspace(b.ctx, ann, gone), "")
	wantCode(t, "activate", b.Workspaces.SetActiveWorkspace(b.ctx, ann, own), "")

	want := map[string]or3cloud.Fate{"Own": or3cloud.FateDeleted, "Shared": or3cloud.FateBlocked, "Guest": or3cloud.FateLeft}
	if diff := cmp.Diff(want, b.fates("ann")); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	for _, f := range must(remover.UserRemoval(b.ctx, identity("ann")))(t) {
		if others := map[string]int{own: 0, shared: 1, guest: 1}[f.ID]; f.Members != others {
			t.Errorf("%s: %d others, want %d", f.Name, f.Members, others)
		}
		if until := f.FilesKeptUntil; !until.IsZero() && (f.Fate != or3cloud.FateDeleted || until.Before(b.now().Add(-time.Minute))) {
			t.Errorf("%s, %s: files are kept until %v", f.Name, f.Fate, until)
		}
	}

	// Nothing happens while someone would be left without an owner.
	wantCode(t, "remove the last owner", remover.RemoveUser(b.ctx, identity("ann")), or3cloud.CodeConflict)
	if b.user("ann") != ann || b.role(ann, own) != or3cloud.RoleOwner || b.role(ann, guest) != or3cloud.RoleViewer || b.active(ann).ID != own {
		t.Error("a refused removal has changed something")
	}

	wantCode(t, "another owner", access.SetMemberRole(b.ctx, shared, bob, or3cloud.RoleOwner), "")
	if fate := b.fates("ann")["Shared"]; fate != or3cloud.FateLeft {
		t.Errorf("with another owner: %q", fate)
	}
	wantCode(t, "remove", remover.RemoveUser(b.ctx, identity("ann")), "")
	for _, ws := range []string{own, shared, guest, gone} {
		if role := b.role(ann, ws); role != "" {
			t.Errorf("the removed user is still %q", role)
		}
	}
	if user := must(b.Workspaces.GetUser(b.ctx, identity("ann")))(t); user != "" {
		t.Errorf("the identity is still known as %q", user)
	}
	wantCode(t, "rename the deleted workspace", b.Workspaces.UpdateWorkspace(b.ctx, ann, own, "x", ""), or3cloud.CodeForbidden)
	if members := must(access.ListMembers(b.ctx, shared))(t); len(members) != 1 || members[0].UserID != bob {
		t.Errorf("the others are %+v", members)
	}
	if b.role(bob, shared) != or3cloud.RoleOwner || b.role(bob, guest) != or3cloud.RoleOwner {
		t.Error("someone else has lost a workspace")
	}
}

func testRemovalOfStrangers(t *testing.T, b *workspaceBench) {
	remover := b.remover()
	if fates := must(remover.UserRemoval(b.ctx, identity("nobody")))(t); len(fates) != 0 {
		t.Errorf("%+v", fates)
	}
	wantCode(t, "remove no one", remover.RemoveUser(b.ctx, identity("nobody")), "")

	// A person who comes back with the same identity is someone new.
	before := b.user("ann")
	ws := b.active(before).ID
	wantCode(t, "remove", remover.RemoveUser(b.ctx, identity("ann")), "")
	wantCode(t, "remove again", remover.RemoveUser(b.ctx, identity("ann")), "")
	after := b.user("ann")
	if after == before || b.active(after).ID == ws || b.role(after, ws) != "" {
		t.Errorf("%q came back as %q in %+v", before, after, b.active(after))
	}
}

// testRemovalOfAGuest removes someone who came with an invite: the invite must not work again.
func testRemovalOfAGuest(t *testing.T, b *workspaceBench) {
	remover, store := b.remover(), b.invites()
	ws := b.create(b.user("host"), "Shared")
	b.invite(ws, "guest", or3cloud.RoleViewer)
	if _, refusal, err := store.AcceptInvite(b.ctx, identity("guest"), ws, tokenHash("guest")); refusal != "" || err != nil {
		t.Fatalf("%q, %v", refusal, err)
	}
	wantCode(t, "remove", remover.RemoveUser(b.ctx, identity("guest")), "")
	if _, refusal, err := store.AcceptInvite(b.ctx, identity("guest"), ws, tokenHash("guest")); refusal == "" || err != nil {
		t.Errorf("the invite let the guest in again: %v", err)
	}
	// The host's own removal leaves no trace in the invites of a workspace that others keep.
	other := b.user("other")
	wantCode(t, "another owner", b.access().SetMemberRole(b.ctx, ws, other, or3cloud.RoleOwner), "")
	b.invite(ws, "late", or3cloud.RoleViewer)
	wantCode(t, "remove the host", remover.RemoveUser(b.ctx, identity("host")), "")
	for _, in := range must(store.ListInvites(b.ctx, ws, or3cloud.InvitePending, 0))(t) {
		if in.InvitedByUserID != "" {
			t.Errorf("%+v", in)
		}
	}
}

func testDirectory(t *testing.T, b *workspaceBench) {
	directory, ok := b.Workspaces.(or3cloud.WorkspaceDirectory)
	if !ok {
		t.Skip("no WorkspaceDirectory")
	}
	ann, bob := b.user("ann"), b.user("bob")
	first, second, other := b.create(ann, "Family"), b.create(bob, "Family"), b.create(bob, "Other")
	gone := b.create(bob, "Family")
	wantCode(t, "delete", b.Workspaces.RemoveWorkspace(b.ctx, bob, gone), "")
	wantCode(t, "share", b.access().SetMemberRole(b.ctx, first, bob, or3cloud.RoleOwner), "")
	for _, tc := range []struct {
		name  string
		limit int
		want  []string
	}{
		{"", 10, []string{first, second, other}}, {"Family", 10, []string{first, second}}, {"Family", 1, []string{first}},
		{other, 10, []string{other}}, {"family", 10, nil}, {gone, 10, nil},
	} {
		var got []string
		for _, ws := range must(directory.FindWorkspaces(b.ctx, tc.name, tc.limit))(t) {
			got = append(got, ws.ID)
		}
		if diff := cmp.Diff(tc.want, got); diff != "" {
			t.Errorf("%q: -want +got:\n%s", tc.name, diff)
		}
	}
	ws := must(directory.FindWorkspaces(b.ctx, first, 1))(t)[0]
	if ws.Name != "Family" || ws.Members != 2 || ws.Owner != "ann@example.test" || ws.CreatedAt.IsZero() || ws.CreatedAt.Location() != time.UTC {
		t.Errorf("%+v", ws)
	}
}
