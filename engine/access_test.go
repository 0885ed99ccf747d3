package engine

import (
	"testing"

	or3cloud "or3.chat/cloud"
)

// The person whom an administrator names becomes a member: identified by the account that has the address now, not by
// the user that once had it.
func TestUpsertMember(t *testing.T) {
	r := opened(t, "OR3_STORAGE_ENABLED=false")
	owner, ws := r.member(t)
	upsert := func(in memberUpsert) (string, error) {
		in.WorkspaceID, in.Role = ws, or3cloud.RoleEditor
		out, err := ask[userID](t.Context(), r.client, Caller{}, "access/upsert-member", in)
		return out.UserID, err
	}
	cookies := r.register(t, "bob@example.test")
	bob, err := ask[sessionAnswer](t.Context(), r.client, Caller{}, "auth/session", sessionRequest{cookieRequest(cookies)})
	if err != nil {
		t.Fatal(err)
	}
	// Someone whose first sign-in elsewhere had bob's address.
	former, err := r.store().GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "former", Email: "bob@example.test"})
	if err != nil {
		t.Fatal(err)
	}
	user, err := upsert(memberUpsert{EmailOrProviderID: " BOB@example.test"})
	if err != nil || user == former {
		t.Fatalf("%q, %v; want the account's user", user, err)
	}
	for name, in := range map[string]memberUpsert{
		"the account's id": {EmailOrProviderID: bob.Session.UserID}, "with its provider": {EmailOrProviderID: bob.Session.UserID, Provider: "basic-auth"},
		"the user's id": {EmailOrProviderID: user},
	} {
		if got, err := upsert(in); got != user || err != nil {
			t.Errorf("%s: %q, %v; want %q", name, got, err, user)
		}
	}
	if got, err := upsert(memberUpsert{EmailOrProviderID: "former", Provider: "test"}); got != former || err != nil {
		t.Errorf("another provider's user: %q, %v", got, err)
	}
	later, err := upsert(memberUpsert{EmailOrProviderID: "later", Provider: "test"})
	if err != nil {
		t.Fatal(err)
	}
	if got, err := r.store().GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "later"}); got != later || err != nil {
		t.Errorf("the user who signs in later is %q, %v; want %q", got, err, later)
	}
	for name, in := range map[string]memberUpsert{
		"an address without an account": {EmailOrProviderID: "eve@example.test"}, "no id": {EmailOrProviderID: "nothing"},
		"no account": {EmailOrProviderID: "nothing", Provider: "basic-auth"}, "an address at a provider": {EmailOrProviderID: "eve@example.test", Provider: "test"},
	} {
		if got, err := upsert(in); or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
			t.Errorf("%s: %q, %v; want 404", name, got, err)
		}
	}
	if _, err := upsert(memberUpsert{EmailOrProviderID: "ann", Provider: "test"}); or3cloud.CodeOf(err) != or3cloud.CodeConflict {
		t.Errorf("the last owner becomes an editor: %v", err)
	}
	if role, err := r.store().GetWorkspaceRole(t.Context(), owner, ws); role != or3cloud.RoleOwner || err != nil {
		t.Errorf("the owner is %q, %v", role, err)
	}
}

// Without accounts in the engine, an address that several users have had identifies no one.
func TestUpsertMemberOfAnotherAuth(t *testing.T) {
	r := opened(t, "AUTH_PROVIDER=nobody", "OR3_STORAGE_ENABLED=false")
	_, ws := r.member(t)
	for _, id := range []string{"1", "2"} {
		if _, err := r.store().GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: id, ProviderUserID: id, Email: "bob@example.test"}); err != nil {
			t.Fatal(err)
		}
	}
	in := memberUpsert{WorkspaceID: ws, EmailOrProviderID: "bob@example.test", Role: or3cloud.RoleViewer}
	if _, err := ask[userID](t.Context(), r.client, Caller{}, "access/upsert-member", in); or3cloud.CodeOf(err) != or3cloud.CodeConflict {
		t.Errorf("%v, want 409", err)
	}
}

// A workspace can be created for a user only.
func TestCreateWorkspaceForAnOwner(t *testing.T) {
	r := opened(t, "AUTH_PROVIDER=nobody", "OR3_STORAGE_ENABLED=false")
	user, _ := r.member(t)
	out, err := ask[workspaceID](t.Context(), r.client, Caller{}, "access/create-workspace", ownedWorkspace{Name: "Team", OwnerUserID: user})
	if err != nil {
		t.Fatal(err)
	}
	if role, err := r.store().GetWorkspaceRole(t.Context(), user, out.WorkspaceID); role != or3cloud.RoleOwner || err != nil {
		t.Errorf("%q, %v", role, err)
	}
	_, err = ask[workspaceID](t.Context(), r.client, Caller{}, "access/create-workspace", ownedWorkspace{Name: "Team", OwnerUserID: "nothing"})
	if or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
		t.Errorf("%v, want 404", err)
	}
}

// What a host reports about its runs is in the state, and goes no further.
func TestMaintenanceOfTheHost(t *testing.T) {
	r := opened(t, "AUTH_PROVIDER=nobody", "OR3_STORAGE_ENABLED=false", "OR3_SYNC_MAINTENANCE_SECONDS=0")
	note := func(name string, in maintenanceRun) or3cloud.MaintenanceState {
		t.Helper()
		if name != "" {
			if _, err := ask[nothing](t.Context(), r.client, Caller{}, "sync/"+name+"-maintenance-run", in); err != nil {
				t.Fatal(err)
			}
		}
		st, err := ask[or3cloud.MaintenanceState](t.Context(), r.client, Caller{}, "sync/maintenance-state", nothing{})
		if err != nil {
			t.Fatal(err)
		}
		return st
	}
	if st := note("", maintenanceRun{}); st.Enabled || st.State != "idle" {
		t.Errorf("before: %+v", st)
	}
	if st := note("begin", maintenanceRun{}); !st.Enabled || st.State != "running" {
		t.Errorf("under way: %+v", st)
	}
	if st := note("fail", maintenanceRun{Error: "secret"}); st.State != "failed" || st.LastError == "" || st.LastError == "secret" {
		t.Errorf("failed: %+v", st)
	}
	note("begin", maintenanceRun{})
	if st := note("complete", maintenanceRun{LastRun: 1_700_000_000_000}); st.State != "idle" || st.LastError != "" || st.LastRun != 1_700_000_000_000 {
		t.Errorf("complete: %+v", st)
	}
	note("begin", maintenanceRun{})
	r.advance(2 * 3_600_000_000_000)
	if st := note("", maintenanceRun{}); st.State != "failed" {
		t.Errorf("never ended: %+v", st)
	}
}
