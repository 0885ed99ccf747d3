package providertest

import (
	"cmp"
	"errors"
	"strconv"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

func (b *workspaceBench) invites() or3cloud.InviteStore {
	s, ok := b.Workspaces.(or3cloud.InviteStore)
	if !ok {
		b.t.Skip("no InviteStore")
	}
	return s
}

// now is the store's time.
func (b *workspaceBench) now() time.Time {
	b.t.Helper()
	b.create(b.user("clock"), "Clock")
	return must(b.Workspaces.ListUserWorkspaces(b.ctx, b.user("clock")))(b.t)[0].CreatedAt
}

// tokenHash is a hash in the form of the real ones, which are SHA-256.
func tokenHash(name string) string { return name + strings.Repeat("0", 64-len(name)) }

// invite invites name@example.test to a workspace for an hour.
func (b *workspaceBench) invite(ws, name string, role or3cloud.Role) (id string) {
	b.t.Helper()
	now := b.now()
	return must(b.invites().CreateInvite(b.ctx, or3cloud.Invite{
		WorkspaceID: ws, Email: strings.ToUpper(name) + "@example.test", Role: role, InvitedByUserID: b.user("host"),
		TokenHash: tokenHash(name), ExpiresAt: now.Add(time.Hour),
	}))(b.t)
}

// describe checks that the details of an invite are returned only with a good one; a store need not have any.
func (b *workspaceBench) describe(ws, name, email string, want or3cloud.InviteRefusal) (d or3cloud.InviteDetails, ok bool) {
	b.t.Helper()
	describer, ok := b.Workspaces.(or3cloud.InviteDescriber)
	if !ok {
		return d, false
	}
	d, got, err := describer.DescribeInvite(b.ctx, ws, email, tokenHash(name))
	if got != want || err != nil || (want == "") == (d == or3cloud.InviteDetails{}) {
		b.t.Errorf("describe the invite of %s for %s: %+v, %q, %v; want %q", name, email, d, got, err, want)
	}
	return d, true
}

func (b *workspaceBench) wantRefusal(ws, name, email string, want or3cloud.InviteRefusal) {
	b.t.Helper()
	if _, got, err := b.invites().ValidateInvite(b.ctx, ws, email, tokenHash(name)); got != want || err != nil {
		b.t.Errorf("validate the invite of %s for %s: %q, %v; want %q", name, email, got, err, want)
	}
	b.describe(ws, name, email, want)
	stranger := or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "refused", Email: email}
	user, got, err := b.invites().AcceptInvite(b.ctx, stranger, ws, tokenHash(name))
	if user != "" || got != want || err != nil {
		b.t.Errorf("accept the invite of %s for %s: %q, %q, %v; want %q", name, email, user, got, err, want)
	}
	if left := must(b.Workspaces.GetUser(b.ctx, stranger))(b.t); left != "" {
		b.t.Errorf("a refused invite has made the user %q", left)
	}
}

func testInvite(t *testing.T, b *workspaceBench) {
	b.invites()
	host := b.user("host")
	ws := b.create(host, "Shared")
	id := b.invite(ws, "guest", or3cloud.RoleEditor)
	if role, refusal, err := b.invites().ValidateInvite(b.ctx, ws, "Guest@example.test", tokenHash("guest")); role != or3cloud.RoleEditor || refusal != "" || err != nil {
		t.Errorf("%q, %q, %v", role, refusal, err)
	}
	if d, ok := b.describe(ws, "guest", "guest@example.test", ""); ok {
		named := d.Email == "guest@example.test" && d.Role == or3cloud.RoleEditor && d.WorkspaceName == "Shared" && !d.ExpiresAt.IsZero()
		if who := identity("host"); !named || d.InvitedBy != cmp.Or(who.DisplayName, who.Email) {
			t.Errorf("details %+v", d)
		}
	}
	if user := must(b.Workspaces.GetUser(b.ctx, identity("guest")))(t); user != "" {
		t.Errorf("validation has made the user %q", user)
	}
	guest, refusal, err := b.invites().AcceptInvite(b.ctx, identity("guest"), ws, tokenHash("guest"))
	if refusal != "" || err != nil {
		t.Fatalf("%q, %v", refusal, err)
	}
	if known := must(b.Workspaces.GetUser(b.ctx, identity("guest")))(t); known != guest {
		t.Errorf("the user is %q, not %q", known, guest)
	}
	if active := b.active(guest); active.ID != ws || active.Role != or3cloud.RoleEditor {
		t.Errorf("the guest begins in %+v", active)
	}
	// Pages send several requests at once; the invite is not used up for the person who has already accepted it.
	again, refusal, err := b.invites().AcceptInvite(b.ctx, identity("guest"), ws, tokenHash("guest"))
	if again != guest || refusal != "" || err != nil {
		t.Errorf("%q, %q, %v", again, refusal, err)
	}
	b.wantRefusal(ws, "guest", "guest@example.test", or3cloud.InviteAlreadyUsed)
	wantCode(t, "revoke what was accepted", b.invites().RevokeInvite(b.ctx, ws, id), "")
	list := must(b.invites().ListInvites(b.ctx, ws, "", 0))(t)
	if len(list) != 1 {
		t.Fatalf("%d invites", len(list))
	}
	in := list[0]
	if in.ID != id || in.WorkspaceID != ws || in.Email != "guest@example.test" || in.Role != or3cloud.RoleEditor || in.Status != or3cloud.InviteAccepted ||
		in.InvitedByUserID != host || in.AcceptedUserID != guest || in.TokenHash != tokenHash("guest") || in.AcceptedAt.IsZero() || !in.RevokedAt.IsZero() {
		t.Errorf("%+v", in)
	}
}

func testInviteRefusals(t *testing.T, b *workspaceBench) {
	store := b.invites()
	host := b.user("host")
	ws, other := b.create(host, "Shared"), b.create(host, "Other")
	b.invite(ws, "guest", or3cloud.RoleViewer)
	b.wantRefusal(ws, "unknown", "guest@example.test", or3cloud.InviteNotFound)
	b.wantRefusal(other, "guest", "guest@example.test", or3cloud.InviteNotFound)
	b.wantRefusal(ws, "guest", "else@example.test", or3cloud.InviteEmailMismatch)
	b.wantRefusal(ws, "guest", "", or3cloud.InviteEmailMismatch)

	revoked := b.invite(ws, "revoked", or3cloud.RoleViewer)
	wantCode(t, "revoke", store.RevokeInvite(b.ctx, ws, revoked), "")
	b.wantRefusal(ws, "revoked", "revoked@example.test", or3cloud.InviteWasRevoked)
	wantCode(t, "revoke in another workspace", store.RevokeInvite(b.ctx, other, revoked), or3cloud.CodeNotFound)
	wantCode(t, "revoke nothing", store.RevokeInvite(b.ctx, ws, "nothing"), or3cloud.CodeNotFound)

	b.Advance(2 * time.Hour)
	b.wantRefusal(ws, "guest", "guest@example.test", or3cloud.InviteHasExpired)
	b.wantRefusal(ws, "revoked", "revoked@example.test", or3cloud.InviteWasRevoked)
	b.invite(ws, "fresh", or3cloud.RoleViewer)
	for status, want := range map[or3cloud.InviteStatus]string{
		or3cloud.InvitePending: "fresh@example.test", or3cloud.InviteExpired: "guest@example.test", or3cloud.InviteRevoked: "revoked@example.test",
	} {
		if list := must(store.ListInvites(b.ctx, ws, status, 0))(t); len(list) != 1 || list[0].Email != want || list[0].Status != status {
			t.Errorf("%s: %+v", status, list)
		}
	}

	_, err := store.CreateInvite(b.ctx, or3cloud.Invite{WorkspaceID: "nothing", Email: "a@example.test", Role: or3cloud.RoleViewer, TokenHash: tokenHash("a")})
	wantCode(t, "invite to nothing", err, or3cloud.CodeNotFound)
	_, err = store.CreateInvite(b.ctx, or3cloud.Invite{WorkspaceID: ws, Email: "a@example.test", Role: "king", TokenHash: tokenHash("a")})
	wantCode(t, "invite as king", err, or3cloud.CodeInvalid)
	_, err = store.CreateInvite(b.ctx, or3cloud.Invite{
		WorkspaceID: ws, Email: "fresh@example.test", Role: or3cloud.RoleOwner, TokenHash: tokenHash("fresh"), ExpiresAt: b.now().Add(time.Hour),
	})
	if !errors.Is(err, or3cloud.ErrInviteExists) {
		t.Errorf("two invites with a token: %v", err)
	}
	wantCode(t, "remove the workspace", b.Workspaces.RemoveWorkspace(b.ctx, host, ws), "")
	b.wantRefusal(ws, "fresh", "fresh@example.test", or3cloud.InviteNotFound)
}

func testInviteList(t *testing.T, b *workspaceBench) {
	store := b.invites()
	ws := b.create(b.user("host"), "Shared")
	for i := range 3 {
		b.invite(ws, "guest"+strconv.Itoa(i), or3cloud.RoleViewer)
	}
	for limit, want := range map[int]int{0: 3, -5: 1, 1: 1, 2: 2, 1000: 3} {
		list := must(store.ListInvites(b.ctx, ws, "", limit))(t)
		if len(list) != want || list[0].Email != "guest2@example.test" {
			t.Errorf("limit %d: %+v", limit, list)
		}
	}
}

// testInviteRace lets many identities accept one invite at once, which is possible where addresses are not verified.
func testInviteRace(t *testing.T, b *workspaceBench) {
	store := b.invites()
	ws := b.create(b.user("host"), "Shared")
	b.invite(ws, "guest", or3cloud.RoleViewer)
	const n = 16
	users := make([]string, n)
	claimant := func(i int) or3cloud.ExternalIdentity {
		return or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: strconv.Itoa(i), Email: "guest@example.test"}
	}
	parallel(n, func(i int) {
		user, refusal, err := store.AcceptInvite(b.ctx, claimant(i), ws, tokenHash("guest"))
		if err != nil || (user == "") != (refusal == or3cloud.InviteAlreadyUsed) {
			t.Errorf("%d: %q, %q, %v", i, user, refusal, err)
		}
		users[i] = user
	})
	winners := 0
	for i, user := range users {
		if user != "" {
			winners++
		}
		if known := must(b.Workspaces.GetUser(b.ctx, claimant(i)))(t); known != user {
			t.Errorf("%d: accepted as %q, known as %q", i, user, known)
		}
	}
	if winners != 1 {
		t.Errorf("%d have accepted the invite", winners)
	}
}

// testInviteKnown accepts invites as users who already exist; for one of them that would leave a workspace without its
// owner.
func testInviteKnown(t *testing.T, b *workspaceBench) {
	store := b.invites()
	host, member := b.user("host"), b.user("member")
	ws := b.create(host, "Shared")
	b.active(member)
	b.invite(ws, "member", or3cloud.RoleViewer)
	user, refusal, err := store.AcceptInvite(b.ctx, identity("member"), ws, tokenHash("member"))
	if user != member || refusal != "" || err != nil || b.role(member, ws) != or3cloud.RoleViewer || b.active(member).ID != ws {
		t.Errorf("%q, %q, %v: %q in %+v", user, refusal, err, b.role(member, ws), b.active(member))
	}
	b.invite(ws, "host", or3cloud.RoleViewer)
	_, _, err = store.AcceptInvite(b.ctx, identity("host"), ws, tokenHash("host"))
	wantCode(t, "the last owner becomes a viewer", err, or3cloud.CodeConflict)
	if role := b.role(host, ws); role != or3cloud.RoleOwner {
		t.Errorf("the host is %q", role)
	}
	b.invite(ws, "third", or3cloud.RoleViewer) // the store still works
}
