package basicauth

import (
	"strings"
	"testing"

	"or3.chat/cloud/setting"
)

func TestRegistrationByInvite(t *testing.T) {
	in := openTest(t, config{setting.RegistrationMode: "invite_only"})
	in.host.invites = map[string]string{"for-ann": "ann@example.test"}
	b := in.browser()
	b.post("register", registration("ann@example.test")).wantRefusal(t, 403, "invite_required", "")
	b.post("register", withInvite("ann@example.test", "made-up")).wantRefusal(t, 403, "invite_invalid", "")
	b.post("register", withInvite("bob@example.test", "for-ann")).wantRefusal(t, 403, "invite_invalid", "")
	b.post("register", strings.ReplaceAll(withInvite("ann@example.test", "for-ann"), password, "password")).
		wantRefusal(t, 400, "password_too_common", "password")
	if b.value("or3_invite_token") != "" {
		t.Error("a refusal leaves the invite with the browser")
	}

	a := b.post("register", withInvite("Ann@example.test", "for-ann")).want(t, 200, `{"ok":true}`)
	want := "or3_invite_token=for-ann; Path=/; Max-Age=600; HttpOnly; SameSite=Lax"
	if got := a.header.Values("Set-Cookie"); len(got) != 4 || got[3] != want {
		t.Errorf("cookies %q, want %q among them", got, want)
	}
	if s := b.wantSignedIn(); s.Admitted {
		t.Error("an invite admits by itself, without its membership")
	}
	in.browser().post("register", withInvite("ann@example.test", "for-ann")).want(t, 401, "Invalid credentials").wantCookiesCleared(t)
}

func TestInvitesThatCannotBeReadAreAPassingFault(t *testing.T) {
	in := openTest(t, config{setting.RegistrationMode: "invite_only"})
	in.browser().post("register", withInvite("ann@example.test", "for-ann")).
		want(t, 503, "Invite-only registration is temporarily unavailable.").wantCookiesKept(t)
}

func TestTheSetupLinkLeavesNoInviteBehind(t *testing.T) {
	in := openTest(t, config{setting.RegistrationMode: "invite_only"})
	f, err := in.Setup(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	b := in.browser()
	b.post("register", withInvite("ann@example.test", strings.TrimPrefix(f, "setup="))).want(t, 200, `{"ok":true}`)
	if b.value("or3_invite_token") != "" || !b.wantSignedIn().Admitted {
		t.Error("the setup link is taken for an invite")
	}
}

func TestRegistrationsStandInTheTrail(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn("ann@example.test")
	in.wantEvents("registered")
}

// wantEvents checks the kinds of all events, oldest first.
func (in *instance) wantEvents(kinds ...string) {
	in.t.Helper()
	var all string
	err := in.p.store.File.Read.QueryRow("SELECT coalesce(group_concat(kind, ' ' ORDER BY id), '') FROM security_events").Scan(&all)
	if err != nil || all != strings.Join(kinds, " ") {
		in.t.Errorf("events %q, %v; want %q", all, err, kinds)
	}
}
