package basicauth

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"

	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/setting"
)

// moveTo is a change of OR3_PUBLIC_URL; without mail, unless the configuration has it.
func (in *instance) moveTo(publicURL string) {
	in.t.Helper()
	cfg := config{}
	for name, text := range in.env.Config.(config) {
		cfg[name] = text
	}
	cfg[setting.PublicURL] = publicURL
	in.env.Config = cfg
	in.restart()
}

// at is the browser of a device at another address of the server. A passkey of a domain above it can be used there.
func (d *authenticator) at(rpID, origin string) *authenticator {
	moved := *d
	moved.rp = virtualwebauthn.RelyingParty{ID: rpID, Name: factors.ProductName, Origin: origin}
	return &moved
}

func wantMethods(t *testing.T, a answer, methods, otherDomains string) answer {
	t.Helper()
	a.wantCode(t, 401, "second_factor_required")
	if got := a.data("methods"); got != methods {
		t.Errorf("methods %s, want %s", got, methods)
	}
	if got := a.data("otherDomains"); got != otherDomains {
		t.Errorf("other domains %s, want %s", got, otherDomains)
	}
	if has := a.data("publicKey") != "null"; has != strings.Contains(methods, "passkey") {
		t.Errorf("methods %s with options %s", methods, a.data("publicKey"))
	}
	return a
}

// What an account demands after a move: whatever else it has, or nothing if there is nothing else.
func TestAPasskeyOfAnEarlierDomainIsNotDemanded(t *testing.T) {
	const before, after = "https://old.example.org", "https://new.example.com"
	in := openTest(t, config{setting.PublicURL: before})
	owner := in.signedIn(ann)
	d := newAuthenticator(in).at("old.example.org", before)
	var added factorAdded
	d.register(owner, "phone").decode(t, &added)
	signIn := func() answer { return in.browser().post("sign-in", credentials(ann, password)) }
	wantMethods(t, signIn(), `["passkey","recovery_code"]`, "null")

	in.moveTo(after)
	// Its recovery codes stand in for it.
	a := wantMethods(t, signIn(), `["recovery_code"]`, `["old.example.org"]`)
	b := in.browser()
	b.post("second-factor", body("challenge", strings.Trim(a.data("challenge"), `"`), "recoveryCode", added.RecoveryCodes[0])).want(t, 200, `{"ok":true}`)
	if keys := in.factors(b).Passkeys; len(keys) != 1 || keys[0].OtherDomain != "old.example.org" {
		t.Errorf("passkeys %+v", keys)
	}
	b.get("account").wantStatus(t, 200)
	if !strings.Contains(b.get("account").text, `"otherDomain":"old.example.org"`) {
		t.Error("the account does not say where the passkey belongs")
	}
	// Nothing else asks for it either, and it is in no one's way.
	in.clock.advance(factors.ProofLifetime)
	if got := b.post("recovery-codes", "{}").wantCode(t, 403, "reauthentication_required").data("methods"); got != `["password"]` {
		t.Errorf("confirmed by %s", got)
	}
	b.post("reauthenticate", body("password", password)).want(t, 200, `{"ok":true}`)
	var options ceremonyOptions
	b.post("passkeys/register-options", "{}").decode(t, &options)
	if strings.Contains(string(options.PublicKey), d.id()) {
		t.Error("a new passkey must not be the one that cannot be used")
	}
	// Whatever an authenticator shows, it is not accepted at the new domain.
	for _, shown := range []*authenticator{d, d.at("old.example.org", after), d.at("new.example.com", before)} {
		shown.signIn(in.browser()).wantCode(t, 401, "invalid_credentials")
	}

	// An app is demanded.
	b.enrol()
	in.clock.advance(time.Minute)
	wantMethods(t, signIn(), `["totp","recovery_code"]`, `["old.example.org"]`)
	in.exec("DELETE FROM recovery_codes")
	wantMethods(t, signIn(), `["totp"]`, `["old.example.org"]`)
	in.exec("DELETE FROM totp")

	// Nothing is left: the password alone is enough, which is reported at once, in the trail and to the operator.
	b = in.browser()
	b.post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true,"otherDomains":["old.example.org"]}`)
	b.wantSignedIn()
	if got := in.events(ann); !slices.Contains(got, "passkeys_not_demanded old.example.org") {
		t.Errorf("events %q", got)
	}
	accounts, _, err := in.p.Operator.ListAccounts(t.Context(), "", 0)
	if err != nil || len(accounts) != 1 || accounts[0].SecondFactor || accounts[0].PasskeysElsewhere != 1 {
		t.Errorf("accounts %+v, %v", accounts, err)
	}
	b.post("recovery-codes", "{}").wantCode(t, 400, "invalid_request")
	in.restart()
	if want := `domain=new.example.com of=[old.example.org] passkeys=1 accounts=1 password_alone=1`; !strings.Contains(in.log.String(), want) {
		t.Errorf("the log lacks %q:\n%s", want, in.log)
	}

	// A new passkey is demanded like the first one, and brings codes again.
	added = factorAdded{}
	another := newAuthenticator(in).at("new.example.com", after)
	another.register(b, "new").decode(t, &added)
	if len(added.RecoveryCodes) != factors.RecoveryCodes {
		t.Errorf("%d recovery codes", len(added.RecoveryCodes))
	}
	a = wantMethods(t, signIn(), `["passkey","recovery_code"]`, `["old.example.org"]`)
	if options := a.data("publicKey"); strings.Contains(options, d.id()) || !strings.Contains(options, another.id()) {
		t.Errorf("options %s", options)
	}
	another.answerSecondFactor(in.browser()).want(t, 200, `{"ok":true}`)
	d.at("new.example.com", after).answerSecondFactor(in.browser()).wantCode(t, 401, "invalid_code")

	// Back at the old domain, the other one cannot be used.
	in.moveTo(before)
	a = wantMethods(t, signIn(), `["passkey","recovery_code"]`, `["new.example.com"]`)
	if options := a.data("publicKey"); !strings.Contains(options, d.id()) || strings.Contains(options, another.id()) {
		t.Errorf("options %s", options)
	}
	d.answerSecondFactor(in.browser()).want(t, 200, `{"ok":true}`)
	d.signIn(in.browser()).want(t, 200, `{"ok":true}`)

	// Either can be renamed and removed at both domains.
	b.post("passkeys/rename", body("id", another.id(), "name", "gone")).want(t, 200, `{"ok":true}`)
	b.post("passkeys/remove", body("id", another.id())).want(t, 200, `{"ok":true}`)
	wantMethods(t, signIn(), `["passkey","recovery_code"]`, "null")
}

// No host name in a request switches off a second factor: only the configuration does.
func TestOnlyTheConfiguredDomainPutsPasskeysOutOfUse(t *testing.T) {
	for _, public := range []string{"", "https://cloud.test"} {
		in := openTest(t, config{setting.PublicURL: public})
		d := newAuthenticator(in)
		d.register(in.signedIn(ann), "phone").wantStatus(t, 200)
		in.exec("DELETE FROM recovery_codes")
		for _, host := range []string{"cloud.test", "evil.test", "127.0.0.1:3000", "localhost", "a.cloud.test", ""} {
			b := in.browser()
			b.host, in.host.hostUnknown = host, host == ""
			a := b.post("sign-in", credentials(ann, password)).wantCode(t, 401, "second_factor_required")
			want := `["passkey"]`
			if public == "" && host != "cloud.test" && host != "a.cloud.test" {
				want = "[]"
			}
			if got := a.data("methods"); got != want || a.data("otherDomains") != "null" {
				t.Errorf("%q, asked at %q: methods %s, other domains %s", public, host, got, a.data("otherDomains"))
			}
		}
	}
}

func TestAMoveBelowTheOldDomainKeepsPasskeys(t *testing.T) {
	for _, c := range []struct {
		before, after string
		usable        bool
	}{
		{"https://example.org", "https://cloud.example.org", true},
		{"https://example.org", "https://a.cloud.example.org:8443", true},
		{"https://example.org:8443", "https://example.org", true},
		{"https://EXAMPLE.org", "https://example.ORG", true},
		{"https://cloud.example.org", "https://example.org", false},
		{"https://cloud.example.org", "https://chat.example.org", false},
		{"https://example.org", "https://notexample.org", false},
		{"https://example.org", "https://example.org.evil.test", false},
		{"http://localhost:3000", "http://or3.localhost:3000", false},
		{"http://localhost:3000", "https://cloud.example.org", false},
		{"http://or3.localhost:3000", "http://localhost:3000", false},
		{"https://example.org", "http://192.0.2.1:3000", false},
	} {
		in := openTest(t, config{setting.PublicURL: c.before})
		owner := in.signedIn(ann)
		host := in.p.opts.publicHost
		d := newAuthenticator(in).at(host, c.before)
		d.register(owner, "phone").wantStatus(t, 200)
		in.exec("DELETE FROM recovery_codes")
		in.moveTo(c.after)
		b := in.browser()
		if !c.usable {
			b.post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true,"otherDomains":["`+host+`"]}`)
			continue
		}
		a := wantMethods(t, b.post("sign-in", credentials(ann, password)), `["passkey"]`, "null")
		var options struct{ RPID string }
		if err := json.Unmarshal([]byte(a.data("publicKey")), &options); err != nil || options.RPID != host {
			t.Errorf("%s, then %s: %v for %q", c.before, c.after, err, options.RPID)
		}
		d.at(host, c.after).answerSecondFactor(b).want(t, 200, `{"ok":true}`)
		if host != in.p.opts.publicHost { // it is requested as a second factor only
			in.clock.advance(factors.ProofLifetime)
			if got := b.post("totp/enrol", "{}").wantCode(t, 403, "reauthentication_required").data("methods"); got != `["password"]` {
				t.Errorf("confirmed by %s", got)
			}
		}
		in.moveTo(c.before)
		d.signIn(in.browser()).want(t, 200, `{"ok":true}`)
	}
}

// It is not known where passkeys from before domains were stored belong: they stay demanded until they are used.
func TestAPasskeyOfAnUnknownDomainStaysDemanded(t *testing.T) {
	const before, after = "https://old.example.org", "https://new.example.com"
	in := openTest(t, config{setting.PublicURL: before})
	d := newAuthenticator(in).at("old.example.org", before)
	d.register(in.signedIn(ann), "phone").wantStatus(t, 200)
	in.exec("DELETE FROM recovery_codes")
	in.exec("UPDATE passkeys SET rp_id = NULL")
	in.moveTo(after)
	wantMethods(t, in.browser().post("sign-in", credentials(ann, password)), `["passkey"]`, "null")
	in.moveTo(before)
	d.answerSecondFactor(in.browser()).want(t, 200, `{"ok":true}`)
	if n := in.rows("SELECT COUNT(*) FROM passkeys WHERE rp_id = 'old.example.org'"); n != 1 {
		t.Error("a passkey that was used has no domain")
	}
	in.moveTo(after)
	in.browser().post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true,"otherDomains":["old.example.org"]}`)
}

// The owner is told by mail that the password alone was enough, once a day.
func TestTheOwnerIsToldOfPasskeysThatAreNotDemanded(t *testing.T) {
	in, server := openWithMail(t)
	owner := in.signedIn(ann)
	d := newAuthenticator(in).at("cloud.example.test", "https://cloud.example.test")
	d.register(owner, "phone").wantStatus(t, 200)
	in.exec("DELETE FROM recovery_codes")
	in.waitEmpty()
	for server.Pending() > 0 {
		server.Next()
	}
	in.moveTo("https://new.example.com")
	signIn := func() { in.browser().post("sign-in", credentials(ann, password)).wantStatus(t, 200) }
	signIn()
	m := server.Next()
	if got := m.Header(t, "Subject"); got != "Your passkeys are no longer asked for" || !strings.Contains(m.Part(t, "text/plain"), "Passkeys for: cloud.example.test") {
		t.Errorf("%q\n%s", got, m.Part(t, "text/plain"))
	}
	signIn()
	in.waitEmpty()
	if n := server.Pending(); n != 0 {
		t.Errorf("%d more letters on the same day", n)
	}
	in.clock.advance(guard.LongestWindow + time.Second)
	signIn()
	if got := server.Next().Header(t, "Subject"); got != "Your passkeys are no longer asked for" {
		t.Errorf("subject %q", got)
	}
}
