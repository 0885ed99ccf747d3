package engine

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	tokens "or3.chat/cloud/internal/invite"
	"or3.chat/cloud/setting"
)

// A person who registers with an invite is a member of its workspace when the host first resolves the session, also on
// a host that knows nothing of invites.
func TestInvitesAreDelivered(t *testing.T) {
	secret, err := madeSecret(setting.InviteSecret)
	if err != nil {
		t.Fatal(err)
	}
	r := opened(t, "OR3_AUTH_REGISTRATION_MODE=invite_only", "OR3_STORAGE_ENABLED=false")
	_, ws := r.member(t)
	invited := func(email string) (token, id string) {
		t.Helper()
		expires := time.Now().Add(time.Hour)
		token, err := tokens.Sign(secret, tokens.Token{WorkspaceID: ws, Email: email, Expires: expires})
		if err != nil {
			t.Fatal(err)
		}
		out, err := ask[inviteID](t.Context(), r.client, Caller{}, "workspaces/create-invite", newInvite{
			WorkspaceID: ws, Email: email, Role: or3cloud.RoleEditor, ExpiresAt: expires.Unix(), TokenHash: tokens.Hash(token),
		})
		if err != nil {
			t.Fatal(err)
		}
		return token, out.InviteID
	}
	register := func(email, token string) []*http.Cookie {
		t.Helper()
		res := r.relayed(t, Caller{ClientIP: "192.0.2.1", Host: "chat.example.test"}, "POST", "/api/basic-auth/register",
			fmt.Sprintf(`{"email":%q,"password":"correct horse","confirmPassword":"correct horse","inviteToken":%q}`, email, token), nil)
		if res.StatusCode != http.StatusOK {
			text, _ := io.ReadAll(res.Body)
			t.Fatalf("%s %s", res.Status, text)
		}
		var kept []*http.Cookie
		for _, c := range res.Cookies() {
			if c.MaxAge >= 0 {
				kept = append(kept, c)
			}
		}
		return kept
	}
	// session resolves the session as a host does, creates the user as early hosts do, and returns the role in the
	// workspace.
	session := func(cookies []*http.Cookie) (out sessionAnswer, role or3cloud.Role) {
		t.Helper()
		out, err := ask[sessionAnswer](t.Context(), r.client, Caller{}, "auth/session", sessionRequest{cookieRequest(cookies)})
		if err != nil || out.Session == nil {
			t.Fatal(out, err)
		}
		user, err := r.store().GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{
			Provider: out.Session.Provider, ProviderUserID: out.Session.UserID, Email: out.Session.Email,
		})
		if err != nil {
			t.Fatal(err)
		}
		if role, err = r.store().GetWorkspaceRole(t.Context(), user, ws); err != nil {
			t.Fatal(err)
		}
		return out, role
	}

	token, _ := invited("bob@example.test")
	cookies := register("bob@example.test", token)
	out, role := session(cookies)
	if role != or3cloud.RoleEditor || len(out.SetCookies) != 1 || out.ReusableUntil != 0 {
		t.Errorf("%q, %+v; want an editor whose invite is taken away", role, out)
	}
	if out, role = session(cookies); role != or3cloud.RoleEditor || len(out.SetCookies) != 0 {
		t.Errorf("the second time: %q, %+v", role, out)
	}

	// An invite that is no longer valid admits no one, and the host decides what follows.
	token, id := invited("eve@example.test")
	cookies = register("eve@example.test", token)
	if _, err := ask[nothing](t.Context(), r.client, Caller{}, "workspaces/revoke-invite", inviteOfWorkspace{WorkspaceID: ws, InviteID: id}); err != nil {
		t.Fatal(err)
	}
	if out, role = session(cookies); role != "" || len(out.SetCookies) != 0 {
		t.Errorf("a revoked invite: %q, %+v", role, out)
	}
}

// The account of a founder has its user, who administers the deployment, when the host first resolves the session.
func TestFoundersAreDelivered(t *testing.T) {
	r := opened(t, "OR3_AUTH_REGISTRATION_MODE=disabled", "OR3_STORAGE_ENABLED=false",
		"OR3_BASIC_AUTH_BOOTSTRAP_EMAIL=ann@example.test", "OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD=correct horse battery")
	res := r.relayed(t, Caller{ClientIP: "192.0.2.1", Host: "chat.example.test"}, "POST", "/api/basic-auth/sign-in",
		`{"email":"ann@example.test","password":"correct horse battery"}`, nil)
	if res.StatusCode != http.StatusOK {
		t.Fatal(res.Status)
	}
	for range 2 {
		out, err := ask[sessionAnswer](t.Context(), r.client, Caller{}, "auth/session", sessionRequest{cookieRequest(res.Cookies())})
		if err != nil || out.Session == nil {
			t.Fatal(out, err)
		}
		admin, err := r.store().CheckDeploymentAdmin(t.Context(), out.Session.UserID, out.Session.Provider)
		if err != nil || !admin {
			t.Errorf("the founder is an administrator: %t, %v", admin, err)
		}
	}
}

// Where another provider keeps the users, a founder is signed in like everyone else.
func TestFoundersWhoseUsersAreKeptElsewhere(t *testing.T) {
	r := opened(t, "OR3_SYNC_PROVIDER=convex", "NUXT_PUBLIC_STORAGE_PROVIDER=convex",
		"OR3_BASIC_AUTH_BOOTSTRAP_EMAIL=ann@example.test", "OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD=correct horse battery")
	res := r.relayed(t, Caller{ClientIP: "192.0.2.1", Host: "chat.example.test"}, "POST", "/api/basic-auth/sign-in",
		`{"email":"ann@example.test","password":"correct horse battery"}`, nil)
	out, err := ask[sessionAnswer](t.Context(), r.client, Caller{}, "auth/session", sessionRequest{cookieRequest(res.Cookies())})
	if err != nil || out.Session == nil || out.Session.Email != "ann@example.test" {
		t.Errorf("%+v, %v", out.Session, err)
	}
}

// An account without the second factor that is demanded is identified to the host, but can do nothing here.
func TestADemandedFactorClosesTheEngine(t *testing.T) {
	r := opened(t, "OR3_STORAGE_ENABLED=false", "OR3_BASIC_AUTH_REQUIRE_SECOND_FACTOR=all", "OR3_BASIC_AUTH_SECOND_FACTOR_GRACE_DAYS=0")
	out, err := ask[sessionAnswer](t.Context(), r.client, Caller{}, "auth/session", sessionRequest{cookieRequest(r.register(t, "ann@example.test"))})
	if err != nil || out.Session == nil {
		t.Fatal(out, err)
	}
	s := out.Session
	user, err := r.store().GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: s.Provider, ProviderUserID: s.UserID})
	if err != nil {
		t.Fatal(err)
	}
	ws, err := r.store().GetOrCreateDefaultWorkspace(t.Context(), user)
	if err != nil {
		t.Fatal(err)
	}
	caller := Caller{User: &User{ID: user, Provider: s.Provider, ProviderUserID: s.UserID, SessionID: s.SessionID}}
	pull := object{"scope": object{"workspaceId": ws.ID}, "cursor": 0, "limit": 10}
	if _, err := ask[object](t.Context(), r.client, caller, "sync/pull", pull); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
		t.Errorf("sync: %v", err)
	}
	if err := r.instance.Operate(func(op instance.Operator) error {
		_, err := op.Accounts.(or3cloud.SecondFactorExcuser).ExcuseSecondFactor(t.Context(), "ann@example.test", time.Hour)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	if _, err := ask[object](t.Context(), r.client, caller, "sync/pull", pull); err != nil {
		t.Errorf("sync of someone who is excused: %v", err)
	}
}
