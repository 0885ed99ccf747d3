package providertest

import (
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// testMembershipOfWrites checks that a write that was permitted when it was sent, and waited, is refused if it no
// longer is: the caller checks once, the transaction checks again.
func testMembershipOfWrites(t *testing.T, b *syncBench) {
	owner, guest := b.user, must(b.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "guest"}))(t)
	access, ok := b.Workspaces.(or3cloud.WorkspaceAccessStore)
	if !ok {
		t.Skip("no WorkspaceAccessStore")
	}
	intents, _ := b.Sync.(or3cloud.UploadIntents)
	n := 0
	check := func(name, user string, write, read bool) {
		t.Helper()
		n++
		want := func(what string, allowed bool, err error) {
			t.Helper()
			if allowed && err != nil || !allowed && or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
				t.Errorf("%s: %s: %v, want it allowed: %t", name, what, err, allowed)
			}
		}
		_, err := b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: user, Ops: []or3cloud.Op{b.put(name, 1)}})
		want("push", write, err)
		want("cursor", read, b.Sync.UpdateCursor(b.ctx, or3cloud.CursorUpdate{Scope: b.scope(), UserID: user, DeviceID: name, Version: 1}))
		if intents == nil {
			return
		}
		in := or3cloud.UploadIntent{
			ID: name, WorkspaceID: b.ws, UserID: user, Hash: numberedHash(n), SizeBytes: 1, ExpiresAt: time.Now().Add(time.Hour),
		}
		want("reserve", write, intents.ReserveUploadIntent(b.ctx, in))
		want("consume", write, intents.ConsumeUploadIntent(b.ctx, in))
	}
	check("never a member", guest, false, false)
	b.join(guest, or3cloud.RoleEditor)
	check("editor", guest, true, true)
	b.join(guest, or3cloud.RoleViewer)
	check("viewer", guest, false, true)
	b.join(guest, or3cloud.RoleOwner)
	if err := access.RemoveMember(b.ctx, b.ws, guest); err != nil {
		t.Fatal(err)
	}
	check("removed member", guest, false, false)
	if changes, _ := b.pull(0, 100); len(changes) != 1 || changes[0].PK != "editor" {
		t.Errorf("refused pushes have left %+v", changes)
	}
	b.join(guest, or3cloud.RoleOwner)
	if err := b.Workspaces.RemoveWorkspace(b.ctx, guest, b.ws); err != nil {
		t.Fatal(err)
	}
	check("deleted workspace", owner, false, false)
	if _, err := b.Workspaces.CreateWorkspace(b.ctx, "no such user", "x", ""); or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
		t.Errorf("a workspace of a user that is gone: %v", err)
	}
}
