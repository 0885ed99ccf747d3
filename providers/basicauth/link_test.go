package basicauth

import (
	"net/http"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/store"
	"or3.chat/cloud/setting"
)

// setupToken makes a setup link, as a start does, and returns its token.
func (in *instance) setupToken() string {
	in.t.Helper()
	f, err := in.Setup(in.t.Context())
	if err != nil {
		in.t.Fatal(err)
	}
	return strings.TrimPrefix(f, "setup=")
}

// wantLink checks the answer about a link.
func (in *instance) wantLink(kind, token, want string) answer {
	in.t.Helper()
	return in.browser().post("link", body("kind", kind, "token", token)).want(in.t, 200, want)
}

func TestASetupLinkSaysWhatItIsGoodFor(t *testing.T) {
	const valid, used, invalid = `{"state":"valid"}`, `{"state":"used"}`, `{"state":"invalid"}`
	for _, mode := range []string{"open", "invite_only", "disabled"} {
		t.Run(mode, func(t *testing.T) {
			in := openTest(t, config{setting.RegistrationMode: mode})
			stale, token := in.setupToken(), in.setupToken()
			for _, wrong := range []string{stale, token[:len(token)-1], token + "A", "wrong", "a.b", strings.Repeat("x", form.MaxToken)} {
				in.wantLink("setup", wrong, invalid)
			}
			in.wantLink("setup", token, valid)
			in.wantLink("setup", token, valid) // looking uses nothing up
			in.browser().post("register", withInvite("ann@example.test", token)).want(t, 200, `{"ok":true}`)
			in.wantLink("setup", token, used)
			in.wantLink("setup", "wrong", used)
		})
	}
}

func TestASetupLinkOutlivesARegistrationOfAnotherWhileRegistrationIsOpen(t *testing.T) {
	in := openTest(t, nil)
	token := in.setupToken()
	if b := in.signedIn("first@example.test"); b.wantSignedIn().Admitted {
		t.Error("the first user to register is the operator's")
	}
	in.wantLink("setup", token, `{"state":"valid"}`)
	b := in.browser()
	b.post("register", withInvite("ann@example.test", token)).want(t, 200, `{"ok":true}`)
	if !b.wantSignedIn().Admitted {
		t.Error("the setup link does not make the operator's account")
	}
	in.wantLink("setup", token, `{"state":"used"}`)
}

func TestAWrongSetupLinkMakesNoAccount(t *testing.T) {
	in := openTest(t, nil)
	stale, token := in.setupToken(), in.setupToken()
	for _, wrong := range []string{stale, token[1:], "wrong"} {
		in.browser().post("register", withInvite("ann@example.test", wrong)).wantRefusal(t, 403, "setup_invalid", "")
	}
	in.browser().post("register", registration("first@example.test")).want(t, 200, `{"ok":true}`)
	in.browser().post("register", withInvite("ann@example.test", stale)).wantRefusal(t, 403, "setup_invalid", "")

	// Anything that is not a setup token follows the contract: it is ignored while registration is open (auth §9).
	for email, token := range map[string]string{"bob@example.test": "an.invite", "carl@example.test": "half-an-invite"} {
		b := in.browser()
		b.post("register", withInvite(email, token)).want(t, 200, `{"ok":true}`)
		if b.wantSignedIn().Admitted {
			t.Errorf("%q admits", token)
		}
	}
}

func TestAnInviteForTheFirstAccountIsIgnoredWhileRegistrationIsOpen(t *testing.T) {
	in := openTest(t, nil)
	in.browser().post("register", withInvite("ann@example.test", "an.invite")).want(t, 200, `{"ok":true}`)
}

func TestAnInviteTellsItsHolderWhatItIsFor(t *testing.T) {
	in := openTest(t, config{setting.RegistrationMode: "invite_only"})
	in.host.invites = map[string]string{"for-ann": "ann@example.test"}
	in.host.expires = in.p.now().Add(time.Hour)
	in.host.refusals = map[string]or3cloud.InviteRefusal{
		"accepted": or3cloud.InviteAlreadyUsed, "withdrawn": or3cloud.InviteWasRevoked, "overdue": or3cloud.InviteHasExpired,
	}
	b := in.browser()
	a := b.post("link", body("kind", "invite", "token", "for-ann")).want(t, 200, `{"state":"valid","email":"ann@example.test","role":"editor",`+
		`"workspace":"House","invitedBy":"Olga","expiresAt":"`+in.host.expires.UTC().Format(time.RFC3339Nano)+`"}`)
	want := "or3_invite_token=for-ann; Path=/; Max-Age=3600; HttpOnly; SameSite=Lax"
	if got := a.header.Get("Set-Cookie"); got != want {
		t.Errorf("cookie %q, want %q", got, want)
	}
	for token, want := range map[string]string{
		"accepted": `{"state":"used"}`, "withdrawn": `{"state":"revoked"}`, "overdue": `{"state":"expired"}`, "made-up": `{"state":"invalid"}`,
	} {
		if a := in.wantLink("invite", token, want); a.header.Get("Set-Cookie") != "" {
			t.Errorf("%s: a cookie is set", token)
		}
	}
	in.host.invites = nil
	in.browser().post("link", body("kind", "invite", "token", "for-ann")).want(t, 503, "Invite-only registration is temporarily unavailable.")

	for _, mode := range []string{"open", "disabled"} {
		openTest(t, config{setting.RegistrationMode: mode}).wantLink("invite", "for-ann", `{"state":"ignored"}`)
	}
}

func TestLinksOfMailSayWhatTheyAreGoodFor(t *testing.T) {
	const valid, invalid = `{"state":"valid"}`, `{"state":"invalid"}`
	in := openTest(t, nil)
	ann := in.signedIn("ann@example.test").actor()
	issue := func(kind onetime.Kind, session string) (token string) {
		err := in.p.store.Tx(t.Context(), func(q store.Queries) (err error) {
			token, _, err = in.p.onetime.Issue(t.Context(), q, kind, ann.Account(), session, accounts.EmailChange{Email: "new@example.test"})
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return token
	}
	reset, email, step := issue(onetime.Reset, ""), issue(onetime.Email, ann.SessionID), issue(onetime.SecondFactor, "")
	in.wantLink("reset", reset, valid)
	in.wantLink("confirm-email", email, valid)
	for _, other := range []string{email, step, "made-up"} {
		in.wantLink("reset", other, invalid)
	}
	in.wantLink("confirm-email", reset, invalid)

	in.browser().post("email/confirm", body("token", email)).want(t, 200, `{"email":"new@example.test","ok":true}`)
	in.wantLink("confirm-email", email, invalid)
	in.wantLink("reset", reset, invalid) // it was sent to the old address

	reset = issue(onetime.Reset, "")
	in.browser().post("reset-password", newPassword(reset, "a brand new secret")).want(t, 200, `{"ok":true}`)
	in.wantLink("reset", reset, invalid)

	ann = in.signedIn("anna@example.test").actor()
	reset = issue(onetime.Reset, "")
	in.wantLink("reset", reset, valid)
	in.clock.advance(onetime.Reset.Lifetime())
	in.wantLink("reset", reset, invalid)
}

func TestALinkIsLookedAtByTokenAlone(t *testing.T) {
	in := openTest(t, nil)
	for _, text := range []string{
		`{}`, `{"kind":"setup"}`, `{"token":"x"}`, `{"kind":"other","token":"x"}`, `{"kind":"setup","token":""}`, `{"kind":["setup"],"token":"x"}`,
		`{"kind":"setup","token":"` + strings.Repeat("x", form.MaxToken+1) + `"}`, `[]`,
	} {
		in.browser().post("link", text).wantRefusal(t, 400, "invalid_request", "")
	}
	in.clock.advance(time.Minute)
	b := in.browser()
	for range linkLimit {
		b.post("link", body("kind", "setup", "token", "x")).want(t, 200, `{"state":"invalid"}`)
	}
	if a := b.post("link", body("kind", "setup", "token", "x")); a.status != http.StatusTooManyRequests {
		t.Errorf("%d %s", a.status, a.text)
	}
}
