package basicauth

import (
	"encoding/json"
	"strings"
	"testing"

	"or3.chat/cloud/providers/basicauth/internal/sessions"
)

// What belongs to someone else is out of reach, even for a user who knows its id or has begun something with it.
func TestWhatBelongsToOthersIsOutOfReach(t *testing.T) {
	in := openTest(t, nil)
	owner, eve := in.signedIn(ann), in.at("198.51.100.1")
	eve.post("register", registration("eve@example.test")).want(t, 200, `{"ok":true}`)
	hers, eves := newAuthenticator(in), newAuthenticator(in)
	hers.register(owner, "hers").wantStatus(t, 200)
	eves.register(eve, "eve's").wantStatus(t, 200)

	session := in.p.sessions.Access.Verify(owner.value(sessions.AccessCookie)).SessionID
	eve.post("sessions/revoke", body("id", session)).wantCode(t, 404, "not_found")
	eve.post("passkeys/rename", body("id", hers.id(), "name", "mine")).wantCode(t, 404, "not_found")
	eve.post("passkeys/remove", body("id", hers.id())).wantCode(t, 404, "not_found")

	// One person cannot finish a ceremony that the other began.
	var options ceremonyOptions
	owner.post("passkeys/register-options", "{}").decode(t, &options)
	third := newAuthenticator(in)
	eve.post("passkeys/register", finish(options.Challenge, third.create(options.PublicKey), "name", "x")).wantCode(t, 400, "invalid_token")

	// Eve knows Ann's password and has a passkey, but not one of Ann's.
	stranger := in.at("198.51.100.1")
	a := stranger.post("sign-in", credentials(ann, password)).wantCode(t, 401, "second_factor_required")
	challenge := strings.Trim(a.data("challenge"), `"`)
	forged := eves.sign(json.RawMessage(a.data("publicKey")))
	stranger.post("second-factor", finish(challenge, forged)).wantCode(t, 401, "invalid_code")
	stranger.wantSignedOut()
	signIn := eve.options()
	owner.post("reauthenticate", finish(signIn.Challenge, eves.sign(signIn.PublicKey))).wantCode(t, 401, "invalid_credentials")

	owner.drop(sessions.AccessCookie)
	owner.wantSignedIn()
	if keys := in.factors(owner).Passkeys; len(keys) != 1 || keys[0].Name != "hers" {
		t.Errorf("Ann's passkeys: %+v", keys)
	}
	if keys := in.factors(eve).Passkeys; len(keys) != 1 {
		t.Errorf("Eve's passkeys: %+v", keys)
	}
}
