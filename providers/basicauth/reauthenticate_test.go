package basicauth

import (
	"testing"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
)

func TestReauthentication(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	d := newAuthenticator(in)
	d.register(b, "key").wantStatus(t, 200)
	for name, prove := range map[string]func() answer{
		"password": func() answer { return b.post("reauthenticate", body("password", password)) },
		"passkey":  func() answer { return d.reauthenticate(b) },
	} {
		t.Run(name, func(t *testing.T) {
			in.clock.advance(factors.ProofLifetime)
			b.post("recovery-codes", "{}").wantCode(t, 403, "reauthentication_required")
			prove().want(t, 200, `{"ok":true}`)
			in.clock.advance(factors.ProofLifetime - time.Second)
			b.post("recovery-codes", "{}").wantStatus(t, 200)
			in.clock.advance(time.Second)
			b.post("recovery-codes", "{}").wantCode(t, 403, "reauthentication_required")
		})
	}
}

func TestAProofChangesTheTokens(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	thief := b.copy()
	access, refresh := b.value(sessions.AccessCookie), b.value(sessions.RefreshCookie)
	in.clock.advance(time.Second)
	b.post("reauthenticate", body("password", password)).want(t, 200, `{"ok":true}`)
	if b.value(sessions.AccessCookie) == access || b.value(sessions.RefreshCookie) == refresh {
		t.Error("the browser has the tokens of before")
	}
	b.wantSignedIn()
	in.clock.advance(in.p.opts.accessTTL + in.p.opts.grace)
	thief.wantSignedOut()
}

func TestRefusedReauthentication(t *testing.T) {
	in := openTest(t, nil)
	b, other := in.signedIn(ann), in.signedIn("bob@example.test")
	foreign := newAuthenticator(in)
	foreign.register(other, "key").wantStatus(t, 200)
	in.clock.advance(factors.ProofLifetime)
	b.post("reauthenticate", body("password", "wrong")).wantCode(t, 401, "invalid_credentials").wantCookiesKept(t)
	foreign.reauthenticate(b).wantCode(t, 401, "invalid_credentials").wantCookiesKept(t)
	for _, text := range []string{"{}", "{", `{"password":5}`, `{"password":""}`, `{"challenge":"x"}`, `{"challenge":"x","credential":"y"}`} {
		b.post("reauthenticate", text).wantCode(t, 400, "invalid_request").wantCookiesKept(t)
	}
	b.post("reauthenticate", `{"challenge":"x","credential":{}}`).wantCode(t, 400, "invalid_token")
	b.post("recovery-codes", "{}").wantCode(t, 403, "reauthentication_required")
	b.wantSignedIn()
	// A proof is for the session that gave it.
	second := in.browser()
	second.post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
	in.clock.advance(factors.ProofLifetime)
	second.post("reauthenticate", body("password", password)).want(t, 200, `{"ok":true}`)
	b.post("totp/enrol", "{}").wantCode(t, 403, "reauthentication_required")
	second.post("totp/enrol", "{}").wantStatus(t, 200)
}

func TestReauthenticationIsLimitedLikeSignIn(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	for range factors.SignInLimit {
		b.post("reauthenticate", "{}").wantCode(t, 400, "invalid_request")
	}
	b.post("reauthenticate", body("password", password)).wantStatus(t, 429).wantCookiesKept(t)
}
