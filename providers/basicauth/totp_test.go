package basicauth

import (
	"crypto/rand"
	"net/url"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/factors"
)

func TestEnrolmentTellsAppsWhatTheyNeed(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	var enrolled struct{ Secret, URI string }
	b.post("totp/enrol", "{}").decode(t, &enrolled)
	u, err := url.Parse(enrolled.URI)
	if err != nil {
		t.Fatal(err)
	}
	q := u.Query()
	if u.Scheme != "otpauth" || u.Host != "totp" || u.Path != "/OR3 Cloud:"+ann || q.Get("issuer") != "OR3 Cloud" ||
		q.Get("secret") != enrolled.Secret || q.Get("digits") != "6" || q.Get("period") != "30" || q.Get("algorithm") != "SHA1" {
		t.Errorf("uri %s", enrolled.URI)
	}
	if secret, err := factors.TOTPEncoding.DecodeString(enrolled.Secret); err != nil || len(secret) != factors.TOTPSecretBytes {
		t.Errorf("secret of %d bytes, %v", len(secret), err)
	}
	// Nothing is demanded until the app has shown that it works.
	in.browser().post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
}

func TestConfirmation(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	b.post("totp/confirm", body("code", "123456")).wantCode(t, 400, "invalid_token")
	var first, second struct{ Secret string }
	b.post("totp/enrol", "{}").decode(t, &first)
	b.post("totp/enrol", "{}").decode(t, &second)
	b.post("totp/confirm", body("code", app{in, first.Secret}.code(0))).wantCode(t, 401, "invalid_code").wantCookiesKept(t)
	b.post("totp/confirm", "{}").wantCode(t, 400, "invalid_request")
	if in.factors(b).Any() {
		t.Error("a wrong code has set the app up")
	}
	phone := app{in, second.Secret}
	var added factorAdded
	b.post("totp/confirm", body("code", phone.code(0))).decode(t, &added)
	if len(added.RecoveryCodes) != factors.RecoveryCodes {
		t.Errorf("%d recovery codes", len(added.RecoveryCodes))
	}
	if f := in.factors(b); !f.TOTP.Enabled || !f.TOTP.EnabledAt.Equal(in.clock.now()) || f.RecoveryCodesLeft != factors.RecoveryCodes {
		t.Errorf("%+v", f)
	}
	b.post("totp/enrol", "{}").wantCode(t, 409, "already_enabled")
	b.post("totp/confirm", body("code", phone.next())).wantCode(t, 409, "already_enabled")
	// The code of the confirmation is used up.
	other := in.browser()
	in.clock.advance(-factors.TOTPPeriod * time.Second)
	other.post("second-factor", body("challenge", other.challenge(ann), "code", phone.code(0))).wantCode(t, 401, "invalid_code")
}

func TestRemovalOfTheApp(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	b.post("totp/remove", "{}").want(t, 200, `{"ok":true}`)
	phone, _ := b.enrol()
	b.post("totp/remove", "{}").want(t, 200, `{"ok":true}`)
	if f := in.factors(b); f.Any() || f.RecoveryCodesLeft != 0 {
		t.Errorf("%+v", f)
	}
	in.browser().post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
	again, _ := b.enrol()
	if again.secret == phone.secret {
		t.Error("the secret is the old one")
	}
}

// A phone's clock may be half a minute off, and each code counts once: after it, neither it nor earlier ones do.
func TestWindowOfCodes(t *testing.T) {
	const period = factors.TOTPPeriod * time.Second
	for _, c := range []struct {
		name  string
		codes []time.Duration // how far from now the codes are
		want  string          // one letter for each: y or n
	}{
		{"now", []time.Duration{0}, "y"},
		{"one step late", []time.Duration{-period}, "y"},
		{"one step early", []time.Duration{period}, "y"},
		{"two steps late", []time.Duration{-2 * period}, "n"},
		{"two steps early", []time.Duration{2 * period}, "n"},
		{"twice", []time.Duration{0, 0}, "yn"},
		{"rising", []time.Duration{-period, 0, period}, "yyy"},
		{"falling", []time.Duration{period, 0, -period}, "ynn"},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := openTest(t, nil)
			phone, _ := in.signedIn(ann).enrol()
			in.clock.advance(10 * period)
			var got strings.Builder
			for _, distance := range c.codes {
				b := in.browser()
				a := b.post("second-factor", body("challenge", b.challenge(ann), "code", phone.code(distance)))
				if a.status == 200 {
					got.WriteByte('y')
				} else {
					a.wantCode(t, 401, "invalid_code")
					got.WriteByte('n')
				}
			}
			if got.String() != c.want {
				t.Errorf("%s, want %s", &got, c.want)
			}
		})
	}
}

func TestSecretsOfAppsAreSealed(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	phone, _ := b.enrol()
	row, err := in.p.store.Read.TOTP(t.Context(), b.wantSignedIn().UserID)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := factors.TOTPEncoding.DecodeString(phone.secret)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(row.Secret), string(secret)) || strings.Contains(string(row.Secret), phone.secret) {
		t.Error("the secret can be read")
	}
	secrets, err := readSecrets(in.env)
	if err != nil {
		t.Fatal(err)
	}
	sealer, err := secrets.sealer(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sealer.Open(row.Secret, factors.TOTPPlace(row.AccountID)); err != nil {
		t.Error(err)
	}
	if _, err := sealer.Open(row.Secret, factors.TOTPPlace("another account")); err == nil {
		t.Error("the secret can be moved to another account")
	}
}

// A secret that was sealed with the previous key is read, and sealed with the current one, so that the old one can be
// dropped.
func TestSecretsOfAppsOutliveAChangeOfTheKey(t *testing.T) {
	const first, second, third = "the first key, long enough for it", "the second key, long enough for it", "the third key, long enough for it"
	cfg := config{settingRefreshSecret: first}
	in := openTest(t, cfg)
	phone, _ := in.signedIn(ann).enrol()
	for _, step := range []struct {
		key, previous string
		status        int
	}{
		{first, "", 200},
		{second, first, 200},
		{second, "", 200}, // the first key is gone, because the previous code has moved the secret to the second one
		{third, "", 503},  // no key opens the secret: an operator's mistake, and not a wrong code
		{third, second, 200},
		{third, "", 200},
	} {
		cfg[settingRefreshSecret], cfg[settingRefreshPrevious] = step.key, step.previous
		in.restart()
		b := in.browser()
		b.post("second-factor", body("challenge", b.challenge(ann), "code", phone.next())).wantStatus(t, step.status)
	}
}
