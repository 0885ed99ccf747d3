package basicauth

import (
	"crypto/ecdsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/descope/virtualwebauthn"
	"github.com/go-webauthn/webauthn/webauthn"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/setting"
)

// authenticator is a device with one passkey, and the browser that it is used with.
type authenticator struct {
	in   *instance
	rp   virtualwebauthn.RelyingParty
	auth virtualwebauthn.Authenticator
	key  virtualwebauthn.Credential
	// silent is an authenticator that does not count, like those that synchronise.
	silent bool
}

func newAuthenticator(in *instance) *authenticator {
	return &authenticator{
		in: in, rp: virtualwebauthn.RelyingParty{ID: "cloud.test", Name: factors.ProductName, Origin: "https://cloud.test"},
		auth: virtualwebauthn.NewAuthenticator(), key: newKey(),
	}
}

// newKey makes a key on P-256. The library writes coordinates without their leading zeros, which is not a valid
// encoding of a point, so keys that have some are skipped.
func newKey() virtualwebauthn.Credential {
	for {
		key := virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeEC2)
		parsed, err := x509.ParsePKCS8PrivateKey(key.Key.Data)
		if err != nil {
			panic(err)
		}
		point, err := parsed.(*ecdsa.PrivateKey).PublicKey.Bytes() // 4, x, y
		if err != nil {
			panic(err)
		}
		if point[1] != 0 && point[33] != 0 {
			return key
		}
	}
}

func (d *authenticator) id() string { return base64.RawURLEncoding.EncodeToString(d.key.ID) }

// ceremonyOptions are the options with which a ceremony begins.
type ceremonyOptions struct {
	Challenge string
	PublicKey json.RawMessage
}

func finish(challenge, credential string, members ...string) string {
	text := `{"challenge":"` + challenge + `","credential":` + credential
	for i := 0; i < len(members); i += 2 {
		text += `,"` + members[i] + `":"` + members[i+1] + `"`
	}
	return text + "}"
}

// create makes the passkey.
func (d *authenticator) create(options json.RawMessage) string {
	d.in.t.Helper()
	parsed, err := virtualwebauthn.ParseAttestationOptions(string(options))
	if err != nil {
		d.in.t.Fatal(err)
	}
	if d.auth.Options.UserHandle == nil {
		d.auth.Options.UserHandle = []byte(parsed.UserID)
	}
	return virtualwebauthn.CreateAttestationResponse(d.rp, d.auth, d.key, *parsed)
}

func (d *authenticator) register(b *browser, name string) answer {
	d.in.t.Helper()
	var options ceremonyOptions
	b.post("passkeys/register-options", "{}").decode(d.in.t, &options)
	return b.post("passkeys/register", finish(options.Challenge, d.create(options.PublicKey), "name", name))
}

// sign answers a challenge with the passkey.
func (d *authenticator) sign(options json.RawMessage) string {
	d.in.t.Helper()
	parsed, err := virtualwebauthn.ParseAssertionOptions(string(options))
	if err != nil {
		d.in.t.Fatal(err)
	}
	if !d.silent {
		d.key.Counter++
	}
	return virtualwebauthn.CreateAssertionResponse(d.rp, d.auth, d.key, *parsed)
}

// options begins a ceremony without an account.
func (b *browser) options() ceremonyOptions {
	b.in.t.Helper()
	var options ceremonyOptions
	b.post("passkeys/sign-in-options", "{}").decode(b.in.t, &options)
	return options
}

func (d *authenticator) signIn(b *browser) answer {
	d.in.t.Helper()
	options := b.options()
	return b.post("passkeys/sign-in", finish(options.Challenge, d.sign(options.PublicKey)))
}

func (d *authenticator) reauthenticate(b *browser) answer {
	d.in.t.Helper()
	options := b.options()
	return b.post("reauthenticate", finish(options.Challenge, d.sign(options.PublicKey)))
}

// answerSecondFactor signs in with the password and then the passkey.
func (d *authenticator) answerSecondFactor(b *browser) answer {
	d.in.t.Helper()
	a := b.post("sign-in", credentials(ann, password)).wantCode(d.in.t, 401, "second_factor_required")
	return b.post("second-factor", finish(strings.Trim(a.data("challenge"), `"`), d.sign(json.RawMessage(a.data("publicKey")))))
}

func TestPasskeySignsInAlone(t *testing.T) {
	in := openTest(t, nil)
	owner := in.signedIn(ann)
	d := newAuthenticator(in)
	var added factorAdded
	d.register(owner, "  My phone ").decode(t, &added)
	if len(added.RecoveryCodes) != factors.RecoveryCodes {
		t.Errorf("%d recovery codes", len(added.RecoveryCodes))
	}
	made := factors.PasskeyAnswer{ID: d.id(), Name: "My phone", CreatedAt: in.clock.now()}
	if *added.Passkey != made || !slices.Equal(in.factors(owner).Passkeys, []factors.PasskeyAnswer{made}) {
		t.Errorf("%+v", added.Passkey)
	}
	in.clock.advance(time.Hour)
	in.restart()
	b := in.browser()
	d.signIn(b).want(t, 200, `{"ok":true}`)
	if s := b.wantSignedIn(); s.Email != ann || s.UserID != owner.wantSignedIn().UserID {
		t.Errorf("%+v", s)
	}
	if at := in.factors(b).Passkeys[0].LastUsedAt; at == nil || !at.Equal(in.clock.now()) {
		t.Errorf("last used %v", at)
	}
	if got := in.events(ann); !slices.Contains(got, "signed_in passkey") {
		t.Errorf("events %q", got)
	}
	b.post("totp/enrol", "{}").wantStatus(t, 200) // it was a proof, too
}

func TestPasskeyAsSecondFactor(t *testing.T) {
	in := openTest(t, nil)
	d, other := newAuthenticator(in), newAuthenticator(in)
	owner := in.signedIn(ann)
	d.register(owner, "one").wantStatus(t, 200)
	other.register(owner, "two").wantStatus(t, 200)
	b := in.browser()
	a := b.post("sign-in", credentials(ann, password)).wantCode(t, 401, "second_factor_required")
	if got := a.data("methods"); got != `["passkey","recovery_code"]` {
		t.Errorf("methods %s", got)
	}
	var options struct {
		RPID             string
		UserVerification string
		AllowCredentials []struct{ ID string }
	}
	if err := json.Unmarshal([]byte(a.data("publicKey")), &options); err != nil {
		t.Fatal(err)
	}
	if options.RPID != "cloud.test" || options.UserVerification != "required" || len(options.AllowCredentials) != 2 || options.AllowCredentials[0].ID != d.id() && options.AllowCredentials[1].ID != d.id() {
		t.Errorf("options %+v", options)
	}
	d.answerSecondFactor(b).want(t, 200, `{"ok":true}`)
	b.wantSignedIn()
	other.answerSecondFactor(in.browser()).want(t, 200, `{"ok":true}`)
}

func TestRegistrationOptions(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	d := newAuthenticator(in)
	d.register(b, "one").wantStatus(t, 200)
	var options ceremonyOptions
	b.post("passkeys/register-options", "{}").decode(t, &options)
	var got struct {
		RP                     struct{ ID, Name string }
		User                   struct{ ID, Name, DisplayName string }
		Challenge, Attestation string
		ExcludeCredentials     []struct{ ID, Type string }
		AuthenticatorSelection struct {
			ResidentKey, UserVerification string
			RequireResidentKey            bool
		}
	}
	if err := json.Unmarshal(options.PublicKey, &got); err != nil {
		t.Fatal(err)
	}
	handle := base64.RawURLEncoding.EncodeToString([]byte(b.wantSignedIn().UserID))
	if got.RP.ID != "cloud.test" || got.RP.Name != factors.ProductName || got.User.ID != handle || got.User.Name != ann || got.User.DisplayName != "Ann" {
		t.Errorf("%+v", got)
	}
	if got.Attestation != "none" || len(got.Challenge) < 22 || len(got.ExcludeCredentials) != 1 || got.ExcludeCredentials[0].ID != d.id() {
		t.Errorf("%+v", got)
	}
	if s := got.AuthenticatorSelection; s.ResidentKey != "required" || !s.RequireResidentKey || s.UserVerification != "required" {
		t.Errorf("%+v", s)
	}
}

func TestRefusedRegistrations(t *testing.T) {
	for name, c := range map[string]struct {
		prepare func(*authenticator)
		code    string
	}{
		"good":                          {func(*authenticator) {}, ""},
		"wrong origin":                  {func(d *authenticator) { d.rp.Origin = "https://evil.test" }, "invalid_request"},
		"wrong port":                    {func(d *authenticator) { d.rp.Origin = "https://cloud.test:8443" }, "invalid_request"},
		"plain HTTP":                    {func(d *authenticator) { d.rp.Origin = "http://cloud.test" }, "invalid_request"},
		"a subdomain":                   {func(d *authenticator) { d.rp.Origin = "https://a.cloud.test" }, "invalid_request"},
		"wrong relying party":           {func(d *authenticator) { d.rp.ID = "evil.test" }, "invalid_request"},
		"person not verified":           {func(d *authenticator) { d.auth.Options.UserNotVerified = true }, "invalid_request"},
		"no one present":                {func(d *authenticator) { d.auth.Options.UserNotPresent = true }, "invalid_request"},
		"backed up but not to be so":    {func(d *authenticator) { d.auth.Options.BackupState = true }, "invalid_request"},
		"synchronised":                  {func(d *authenticator) { d.auth.Options.BackupState, d.auth.Options.BackupEligible = true, true }, ""},
		"a key of another kind (RSA)":   {func(d *authenticator) { d.key = virtualwebauthn.NewCredential(virtualwebauthn.KeyTypeRSA) }, ""},
		"a credential id that is empty": {func(d *authenticator) { d.key.ID = nil }, "invalid_request"},
	} {
		t.Run(name, func(t *testing.T) {
			in := openTest(t, nil)
			b := in.signedIn(ann)
			d := newAuthenticator(in)
			c.prepare(d)
			a := d.register(b, "key")
			if c.code == "" {
				a.wantStatus(t, 200)
				d.signIn(in.browser()).want(t, 200, `{"ok":true}`)
				return
			}
			a.wantCode(t, 400, c.code)
			if f := in.factors(b); f.Any() || f.RecoveryCodesLeft != 0 {
				t.Errorf("%+v", f)
			}
		})
	}
}

func TestRegistrationCeremonyIsSingleUse(t *testing.T) {
	in := openTest(t, nil)
	b, other := in.signedIn(ann), in.signedIn("bob@example.test")
	begin := func() (options ceremonyOptions) {
		b.post("passkeys/register-options", "{}").decode(t, &options)
		return options
	}
	d := newAuthenticator(in)
	options := begin()
	answered := finish(options.Challenge, d.create(options.PublicKey), "name", "key")
	other.post("passkeys/register", answered).wantCode(t, 400, "invalid_token")
	b.post("passkeys/register", answered).wantStatus(t, 200)
	b.post("passkeys/register", answered).wantCode(t, 400, "invalid_token")
	d.register(b, "again").wantCode(t, 409, "passkey_exists")
	other.post("passkeys/register-options", "{}").decode(t, &options)
	d.auth.Options.UserHandle = nil
	other.post("passkeys/register", finish(options.Challenge, d.create(options.PublicKey), "name", "taken")).wantCode(t, 409, "passkey_exists")

	// A failed attempt ends it too.
	options = begin()
	d = newAuthenticator(in)
	d.rp.Origin = "https://evil.test"
	b.post("passkeys/register", finish(options.Challenge, d.create(options.PublicKey), "name", "key")).wantCode(t, 400, "invalid_request")
	d.rp.Origin = "https://cloud.test"
	b.post("passkeys/register", finish(options.Challenge, d.create(options.PublicKey), "name", "key")).wantCode(t, 400, "invalid_token")

	// And the answer to one is not an answer to the other.
	first, second := begin(), begin()
	b.post("passkeys/register", finish(second.Challenge, d.create(first.PublicKey), "name", "key")).wantCode(t, 400, "invalid_request")

	options = begin()
	in.clock.advance(5 * time.Minute)
	b.post("passkeys/register", finish(options.Challenge, d.create(options.PublicKey), "name", "key")).wantCode(t, 400, "invalid_token")
}

func TestPasskeyNames(t *testing.T) {
	in := openTest(t, nil)
	b, other := in.signedIn(ann), in.signedIn("bob@example.test")
	d := newAuthenticator(in)
	d.register(b, "  ").wantCode(t, 400, "invalid_request")
	d.register(b, strings.Repeat("x", form.MaxPasskeyName+1)).wantCode(t, 400, "invalid_request")
	d.register(b, strings.Repeat("x", form.MaxPasskeyName)).wantStatus(t, 200)
	for _, name := range []string{"", " ", strings.Repeat("x", form.MaxPasskeyName+1)} {
		b.post("passkeys/rename", body("id", d.id(), "name", name)).wantCode(t, 400, "invalid_request")
	}
	b.post("passkeys/rename", body("name", "x")).wantCode(t, 400, "invalid_request")
	b.post("passkeys/rename", body("id", d.id(), "name", " Büro ")).want(t, 200, `{"ok":true}`)
	if got := in.factors(b).Passkeys[0].Name; got != "Büro" {
		t.Errorf("name %q", got)
	}
	other.post("passkeys/rename", body("id", d.id(), "name", "mine")).wantCode(t, 404, "not_found")
	other.post("passkeys/remove", body("id", d.id())).wantCode(t, 404, "not_found")
	b.post("passkeys/remove", body("id", "unknown")).wantCode(t, 404, "not_found")
	b.post("passkeys/remove", "{}").wantCode(t, 400, "invalid_request")
	b.post("passkeys/remove", body("id", d.id())).want(t, 200, `{"ok":true}`)
	b.post("passkeys/remove", body("id", d.id())).wantCode(t, 404, "not_found")
}

// What an authenticator says is believed only if all of it is right, on each of the three ways to use it.
func TestRefusedPasskeys(t *testing.T) {
	asked := map[string]func(*authenticator, *browser) answer{
		"alone":            func(d *authenticator, b *browser) answer { return d.signIn(b) },
		"second factor":    func(d *authenticator, b *browser) answer { return d.answerSecondFactor(b) },
		"reauthentication": func(d *authenticator, b *browser) answer { return d.reauthenticate(b) },
	}
	refused := map[string]func(in *instance, d *authenticator, owner *browser){
		"wrong origin":        func(_ *instance, d *authenticator, _ *browser) { d.rp.Origin = "https://evil.test" },
		"plain HTTP":          func(_ *instance, d *authenticator, _ *browser) { d.rp.Origin = "http://cloud.test" },
		"wrong relying party": func(_ *instance, d *authenticator, _ *browser) { d.rp.ID = "evil.test" },
		"person not verified": func(_ *instance, d *authenticator, _ *browser) { d.auth.Options.UserNotVerified = true },
		"no one present":      func(_ *instance, d *authenticator, _ *browser) { d.auth.Options.UserNotPresent = true },
		"another key with the id": func(_ *instance, d *authenticator, _ *browser) {
			id := d.key.ID
			d.key = newKey()
			d.key.ID = id
		},
		"unknown id": func(_ *instance, d *authenticator, _ *browser) { d.key.ID = []byte("unknown") },
		"handle of another account": func(in *instance, d *authenticator, _ *browser) {
			d.auth.Options.UserHandle = []byte(in.signedIn("bob@example.test").wantSignedIn().UserID)
		},
		"passkey of another account": func(in *instance, d *authenticator, _ *browser) {
			other := newAuthenticator(in)
			other.register(in.signedIn("bob@example.test"), "bob's").wantStatus(in.t, 200)
			other.auth.Options.UserHandle = d.auth.Options.UserHandle
			d.key, d.auth = other.key, other.auth
		},
		"removed": func(in *instance, d *authenticator, owner *browser) {
			owner.post("passkeys/remove", body("id", d.id())).want(in.t, 200, `{"ok":true}`)
			newAuthenticator(in).register(owner, "another").wantStatus(in.t, 200)
		},
		"copy of the authenticator": func(in *instance, d *authenticator, _ *browser) {
			copied := *d
			d.signIn(in.browser()).wantStatus(in.t, 200)
			d.signIn(in.browser()).wantStatus(in.t, 200)
			*d = copied
		},
		"counter back at zero": func(_ *instance, d *authenticator, _ *browser) { d.key.Counter, d.silent = 0, true },
		"can be backed up now": func(_ *instance, d *authenticator, _ *browser) { d.auth.Options.BackupEligible = true },
	}
	for way, ask := range asked {
		for name, prepare := range refused {
			t.Run(way+"/"+name, func(t *testing.T) {
				in := openTest(t, nil)
				owner := in.signedIn(ann)
				d := newAuthenticator(in)
				d.key.Counter = 10
				d.register(owner, "key").wantStatus(t, 200)
				ask(d, owner).want(t, 200, `{"ok":true}`)
				prepare(in, d, owner)
				b := in.browser()
				want := "invalid_credentials"
				switch way {
				case "second factor":
					want = "invalid_code"
				case "reauthentication":
					b = owner
				}
				ask(d, b).wantCode(t, 401, want).wantCookiesKept(t)
			})
		}
	}
}

func TestMalformedCredentials(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	d := newAuthenticator(in)
	d.register(b, "key").wantStatus(t, 200)
	for _, text := range []string{`{}`, `{"id":"AA","rawId":"AA","type":"public-key","response":{}}`, `{"id":5}`, `{"id":"AA","rawId":"AA","type":"public-key","response":{"clientDataJSON":"e30","authenticatorData":"AA","signature":"AA"}}`} {
		in.clock.advance(time.Minute)
		b.post("passkeys/sign-in", finish(b.options().Challenge, text)).wantCode(t, 401, "invalid_credentials").wantCookiesKept(t)
		var options ceremonyOptions
		b.post("passkeys/register-options", "{}").decode(t, &options)
		b.post("passkeys/register", finish(options.Challenge, text, "name", "x")).wantCode(t, 400, "invalid_request")
	}
	for _, text := range []string{"{}", `{"challenge":"x"}`, `{"challenge":5,"credential":{}}`, `{"challenge":"x","credential":[]}`} {
		b.post("passkeys/sign-in", text).wantCode(t, 400, "invalid_request")
	}
}

func TestSignInCeremonyIsSingleUse(t *testing.T) {
	in := openTest(t, nil)
	d := newAuthenticator(in)
	d.register(in.signedIn(ann), "key").wantStatus(t, 200)
	b := in.browser()
	options := b.options()
	signed := finish(options.Challenge, d.sign(options.PublicKey))
	in.restart()
	b.post("passkeys/sign-in", signed).want(t, 200, `{"ok":true}`)
	in.browser().post("passkeys/sign-in", signed).wantCode(t, 400, "invalid_token")
	// The signature of one ceremony is not valid for another.
	first, second := b.options(), b.options()
	b.post("passkeys/sign-in", finish(second.Challenge, d.sign(first.PublicKey))).wantCode(t, 401, "invalid_credentials")
	// A failed attempt ends it too.
	b.post("passkeys/sign-in", finish(second.Challenge, d.sign(second.PublicKey))).wantCode(t, 400, "invalid_token")
	expired := b.options()
	in.clock.advance(5 * time.Minute)
	b.post("passkeys/sign-in", finish(expired.Challenge, d.sign(expired.PublicKey))).wantCode(t, 400, "invalid_token")
}

// The options are made before anyone has said who they are, so they are the same with and without accounts and
// passkeys.
func TestSignInOptionsTellNothing(t *testing.T) {
	in := openTest(t, nil)
	before := shape(t, in.browser().options())
	d := newAuthenticator(in)
	d.register(in.signedIn(ann), "key").wantStatus(t, 200)
	if after := shape(t, in.browser().options()); after != before {
		t.Errorf("%s became %s", before, after)
	}
	if strings.Contains(before, "allowCredentials") || !strings.Contains(before, `"userVerification":"required"`) {
		t.Errorf("options %s", before)
	}
}

// shape is the JSON text of options without their random parts.
func shape(t *testing.T, o ceremonyOptions) string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal(o.PublicKey, &members); err != nil {
		t.Fatal(err)
	}
	if challenge, _ := members["challenge"].(string); len(challenge) != 43 {
		t.Errorf("challenge %q", challenge)
	}
	delete(members, "challenge")
	text, _ := json.Marshal(members)
	return string(text)
}

func TestPasskeyOfADisabledAccount(t *testing.T) {
	in := openTest(t, nil)
	d := newAuthenticator(in)
	d.register(in.signedIn(ann), "key").wantStatus(t, 200)
	in.setDisabled(ann, true)
	b := in.browser()
	d.signIn(b).wantCode(t, 403, "account_disabled").wantCookiesKept(t)
	b.wantSignedOut()
	in.setDisabled(ann, false)
	d.signIn(b).want(t, 200, `{"ok":true}`)
}

// Synchronised passkeys never count; a counter that stands still is logged, and one that falls is a second
// authenticator with the same key.
func TestSignatureCounters(t *testing.T) {
	for _, c := range []struct {
		name             string
		stored, shown    uint32
		accepted, noted  bool
		storedAfterwards uint32
	}{
		{"never counts", 0, 0, true, false, 0},
		{"begins to count", 0, 1, true, false, 1},
		{"rises", 7, 9, true, false, 9},
		{"stands still", 7, 7, true, true, 7},
		{"falls", 7, 6, false, true, 7},
		{"falls to zero", 7, 0, false, true, 7},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := openTest(t, nil)
			d := newAuthenticator(in)
			d.silent = true
			d.key.Counter = c.stored
			owner := in.signedIn(ann)
			d.register(owner, "key").wantStatus(t, 200)
			d.key.Counter = c.shown
			a := d.signIn(in.browser())
			if c.accepted {
				a.want(t, 200, `{"ok":true}`)
			} else {
				a.wantCode(t, 401, "invalid_credentials")
			}
			if got := slices.Contains(in.events(ann), "passkey_counter_regressed key"); got != c.noted {
				t.Errorf("noted: %v", got)
			}
			row, err := in.p.store.Read.Passkey(t.Context(), d.id())
			if err != nil {
				t.Fatal(err)
			}
			var kept webauthn.Credential
			if err := json.Unmarshal([]byte(row.Credential), &kept); err != nil {
				t.Fatal(err)
			}
			if kept.Authenticator.SignCount != c.storedAfterwards {
				t.Errorf("counter %d is kept, want %d", kept.Authenticator.SignCount, c.storedAfterwards)
			}
		})
	}
}

func TestTooManyPasskeys(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	owner := b.wantSignedIn().UserID
	for range factors.MaxPasskeys {
		newAuthenticator(in).register(b, "key").wantStatus(t, 200)
		in.clock.advance(5 * time.Second)
	}
	newAuthenticator(in).register(b, "one more").wantCode(t, 400, "invalid_request")
	if n, err := in.p.store.Read.CountPasskeys(t.Context(), db.CountPasskeysParams{AccountID: owner}); n != factors.MaxPasskeys || err != nil {
		t.Errorf("%d passkeys, %v", n, err)
	}
}

func TestWhereBrowsersKnowPasskeys(t *testing.T) {
	for _, c := range []struct {
		public, host string
		rpID         string
		origins      []string
	}{
		{"", "cloud.test", "cloud.test", []string{"https://cloud.test"}},
		{"", "Cloud.test:8443", "cloud.test", []string{"https://cloud.test:8443"}},
		{"", "localhost:3000", "localhost", []string{"https://localhost:3000", "http://localhost:3000"}},
		{"", "or3.localhost:3000", "or3.localhost", []string{"https://or3.localhost:3000", "http://or3.localhost:3000"}},
		{"", "127.0.0.1:3000", "", nil},
		{"", "192.0.2.1", "", nil},
		{"", "[::1]:3000", "", nil},
		{"", "", "", nil},
		{"", "bad host", "", nil},
		{"https://chat.example.org", "evil.test", "chat.example.org", []string{"https://chat.example.org"}},
		{"https://Chat.example.org:8443", "127.0.0.1", "chat.example.org", []string{"https://Chat.example.org:8443"}},
		{"http://localhost:3000", "cloud.test", "localhost", []string{"http://localhost:3000"}},
		{"http://192.0.2.1:3000", "cloud.test", "", nil},
	} {
		in := openTest(t, config{setting.PublicURL: c.public})
		r := &or3cloud.Request{Request: &http.Request{Host: c.host}}
		in.host.hostUnknown = c.host == ""
		rp := in.p.factors.RelyingParty(r)
		if (rp == nil) != (c.rpID == "") {
			t.Errorf("%q at %q: %v", c.public, c.host, rp)
			continue
		}
		if rp != nil && (rp.Config.RPID != c.rpID || !slices.Equal(rp.Config.RPOrigins, c.origins)) {
			t.Errorf("%q at %q: %q %q", c.public, c.host, rp.Config.RPID, rp.Config.RPOrigins)
		}
	}
}

// Where browsers support no passkeys, none are offered, and the other methods still work.
func TestWithoutPasskeys(t *testing.T) {
	in := openTest(t, nil)
	d := newAuthenticator(in)
	owner := in.signedIn(ann)
	var added factorAdded
	d.register(owner, "key").decode(t, &added)
	in.host.hostUnknown = true
	b := in.browser()
	b.post("passkeys/sign-in-options", "{}").wantCode(t, 400, "invalid_request")
	owner.post("passkeys/register-options", "{}").wantCode(t, 400, "invalid_request")
	a := b.post("sign-in", credentials(ann, password)).wantCode(t, 401, "second_factor_required")
	if a.data("methods") != `["recovery_code"]` || a.data("publicKey") != "null" {
		t.Errorf("methods %s", a.data("methods"))
	}
	b.post("second-factor", body("challenge", strings.Trim(a.data("challenge"), `"`), "recoveryCode", added.RecoveryCodes[0])).want(t, 200, `{"ok":true}`)
}

// The operator is told why: usually it is a server that is reached under another name than the configured one.
func TestRefusedPasskeysAreExplainedToTheOperator(t *testing.T) {
	in := openTest(t, nil)
	d := newAuthenticator(in)
	d.register(in.signedIn(ann), "key").wantStatus(t, 200)
	d.rp.Origin = "https://other.test"
	d.signIn(in.browser()).wantCode(t, 401, "invalid_credentials")
	for _, want := range []string{
		`msg="passkey refused" address=192.0.2.1 reason="Error validating origin" domain=cloud.test origins=[https://cloud.test]`,
		`msg="sign-in failed" address=192.0.2.1 email=…`,
	} {
		if !strings.Contains(in.log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, in.log)
		}
	}
}

// Unfinished ceremonies do not pile up.
func TestAbandonedCeremoniesAreForgotten(t *testing.T) {
	in := openTest(t, nil)
	b := in.browser()
	for range 3 {
		b.options()
	}
	in.clock.advance(5 * time.Minute)
	b.options()
	if n := in.rows("SELECT count(*) FROM one_time_tokens"); n != 1 {
		t.Errorf("%d ceremonies are kept", n)
	}
}
