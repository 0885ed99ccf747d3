package basicauth

import (
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/pquerna/otp/totp"
	"golang.org/x/crypto/bcrypt"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// decode reads the answer of an endpoint.
func (a answer) decode(t *testing.T, into any) {
	t.Helper()
	if a.status != 200 {
		t.Fatalf("answer %d %q %v", a.status, a.text, a.err)
	}
	if err := json.Unmarshal([]byte(a.text), into); err != nil {
		t.Fatal(err)
	}
}

// data returns a member of a refusal's data as JSON text.
func (a answer) data(name string) string {
	if a.err == nil {
		return ""
	}
	members, _ := a.err.Data.(map[string]any)
	text, _ := json.Marshal(members[name])
	return string(text)
}

// wantCode checks a refusal.
func (a answer) wantCode(t *testing.T, status int, code string) answer {
	t.Helper()
	if a.status != status || a.data("code") != `"`+code+`"` {
		t.Fatalf("answer %d %q %s, want %d %s", a.status, a.text, a.data("code"), status, code)
	}
	return a
}

// body writes a JSON object of strings.
func body(members ...string) string {
	object := map[string]string{}
	for i := 0; i < len(members); i += 2 {
		object[members[i]] = members[i+1]
	}
	text, _ := json.Marshal(object)
	return string(text)
}

// app is an authenticator app.
type app struct {
	in     *instance
	secret string
}

// code is what the app shows at this distance from now.
func (a app) code(distance time.Duration) string {
	code, err := totp.GenerateCode(a.secret, a.in.clock.now().Add(distance))
	if err != nil {
		a.in.t.Fatal(err)
	}
	return code
}

// next waits for the next code.
func (a app) next() string {
	a.in.clock.advance(factors.TOTPPeriod * time.Second)
	return a.code(0)
}

// enrol sets up an authenticator app and returns it, with the recovery codes if it is the first factor.
func (b *browser) enrol() (app, []string) {
	t := b.in.t
	t.Helper()
	var enrolled struct{ Secret, URI string }
	b.post("totp/enrol", "{}").decode(t, &enrolled)
	a := app{b.in, enrolled.Secret}
	var added factorAdded
	b.post("totp/confirm", body("code", a.code(0))).decode(t, &added)
	return a, added.RecoveryCodes
}

// challenge signs in with the password and returns the challenge of the second step.
func (b *browser) challenge(email string) string {
	b.in.t.Helper()
	a := b.post("sign-in", credentials(email, password)).wantCode(b.in.t, 401, "second_factor_required")
	a.wantCookiesKept(b.in.t)
	return strings.Trim(a.data("challenge"), `"`)
}

const ann = "ann@example.test"

func TestSignInWithAnAuthenticatorApp(t *testing.T) {
	in := openTest(t, nil)
	phone, _ := in.signedIn(ann).enrol()
	b := in.browser()
	a := b.post("sign-in", credentials(ann, password)).wantCode(t, 401, "second_factor_required")
	a.wantCookiesKept(t)
	if got := a.data("methods"); got != `["totp","recovery_code"]` {
		t.Errorf("methods %s", got)
	}
	if got := a.data("publicKey"); got != "null" {
		t.Errorf("a ceremony without passkeys: %s", got)
	}
	b.wantSignedOut()
	challenge := strings.Trim(a.data("challenge"), `"`)
	b.post("second-factor", body("challenge", challenge, "code", phone.next())).want(t, 200, `{"ok":true}`)
	if s := b.wantSignedIn(); s.Email != ann {
		t.Errorf("%+v", s)
	}
	b.post("second-factor", body("challenge", challenge, "code", phone.next())).wantCode(t, 400, "invalid_token")
}

// No proof that is a password alone opens a session of an account with a second factor.
func TestFactorIsDemandedOnEveryWayIn(t *testing.T) {
	const next = "a new and long password"
	signIn := func(password string) func(*instance, *browser) answer {
		return func(in *instance, _ *browser) answer {
			return in.browser().post("sign-in", credentials(ann, password))
		}
	}
	reset := func(in *instance, _ *browser) answer {
		in.resetPassword(ann, next)
		return in.browser().post("sign-in", credentials(ann, next))
	}
	factors := map[string]func(*browser){
		"app":     func(b *browser) { b.enrol() },
		"passkey": func(b *browser) { newAuthenticator(in(b)).register(b, "key").wantStatus(b.in.t, 200) },
		"app and passkey": func(b *browser) {
			b.enrol()
			newAuthenticator(in(b)).register(b, "key").wantStatus(b.in.t, 200)
		},
		"app, after the passkey was removed": func(b *browser) {
			b.enrol()
			d := newAuthenticator(in(b))
			d.register(b, "key").wantStatus(b.in.t, 200)
			b.post("passkeys/remove", body("id", d.id())).want(b.in.t, 200, `{"ok":true}`)
		},
		"no recovery codes left": func(b *browser) {
			b.enrol()
			if err := b.in.p.store.Write.DeleteRecoveryCodes(b.in.t.Context(), b.wantSignedIn().UserID); err != nil {
				b.in.t.Fatal(err)
			}
		},
	}
	ways := map[string]func(*instance, *browser) answer{
		"sign-in":                  signIn(password),
		"sign-in with a weak hash": func(in *instance, b *browser) answer { in.weakenHash(ann); return signIn(password)(in, b) },
		"sign-in after a restart":  func(in *instance, b *browser) answer { in.restart(); return signIn(password)(in, b) },
		"sign-in from a browser that has a session": func(_ *instance, b *browser) answer {
			b.drop(sessions.RefreshCookie)
			b.drop(sessions.AccessCookie)
			return b.post("sign-in", credentials(ann, password))
		},
		"sign-in after a reset": reset,
		"sign-in with a password that the operator has set": func(in *instance, b *browser) answer {
			if err := in.p.Operator.SetPassword(in.t.Context(), ann, next); err != nil {
				in.t.Fatal(err)
			}
			return signIn(next)(in, b)
		},
		"sign-in after the account was off": func(in *instance, b *browser) answer {
			for _, disabled := range []bool{true, false} {
				if err := in.p.Operator.SetDisabled(in.t.Context(), ann, disabled); err != nil {
					in.t.Fatal(err)
				}
			}
			return signIn(password)(in, b)
		},
		"sign-in after a change of the password": func(in *instance, b *browser) answer {
			b.post("change-password", body("currentPassword", password, "newPassword", next, "confirmNewPassword", next)).want(in.t, 200, `{"ok":true}`)
			return signIn(next)(in, b)
		},
	}
	check := func(name string, setUp func(*browser), enter func(*instance, *browser) answer) {
		t.Run(name, func(t *testing.T) {
			in := openTest(t, nil)
			b := in.signedIn(ann)
			setUp(b)
			enter(in, b).wantCode(t, 401, "second_factor_required").wantCookiesKept(t)
		})
	}
	for name, setUp := range factors {
		check(name, setUp, signIn(password))
	}
	for name, enter := range ways {
		check(name, factors["app"], enter)
	}
}

// in is for tables whose functions get a browser only.
func in(b *browser) *instance { return b.in }

func (a answer) wantStatus(t *testing.T, status int) answer {
	t.Helper()
	if a.status != status {
		t.Fatalf("answer %d %q %s, want %d", a.status, a.text, a.data("code"), status)
	}
	return a
}

// resetPassword follows a reset link.
func (in *instance) resetPassword(email, password string) {
	in.t.Helper()
	ctx := in.t.Context()
	a, err := in.p.store.Read.AccountByEmail(ctx, email)
	if err != nil {
		in.t.Fatal(err)
	}
	var fragment string
	err = in.p.store.Tx(ctx, func(q store.Queries) (err error) {
		fragment, _, err = in.p.accounts.ResetFragment(ctx, q, a)
		return err
	})
	if err != nil {
		in.t.Fatal(err)
	}
	b := in.browser()
	b.post("reset-password", body("token", strings.TrimPrefix(fragment, "reset="), "newPassword", password, "confirmNewPassword", password)).
		want(in.t, 200, `{"ok":true}`).wantCookiesKept(in.t)
	b.wantSignedOut()
}

// weakenHash gives an account a hash that is replaced at the next sign-in.
func (in *instance) weakenHash(email string) {
	in.t.Helper()
	hash, err := bcrypt.GenerateFromPassword([]byte(password), bcrypt.MinCost)
	if err != nil {
		in.t.Fatal(err)
	}
	_, err = in.p.store.File.Write.ExecContext(in.t.Context(), "UPDATE accounts SET password_hash = ? WHERE email = ?", string(hash), email)
	if err != nil {
		in.t.Fatal(err)
	}
}

// A page that keeps its session through a change of the password has already shown the factor.
func TestChangeOfPasswordKeepsAProvenSession(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	b.enrol()
	b.post("change-password", `{"currentPassword":"`+password+`","newPassword":"a new and long password","confirmNewPassword":"a new and long password","keepSession":true}`).
		want(t, 200, `{"ok":true}`)
	b.wantSignedIn()
}

func TestChallengeEnds(t *testing.T) {
	in := openTest(t, nil)
	owner := in.signedIn(ann)
	phone, codes := owner.enrol()
	for name, end := range map[string]func(challenge string){
		"after five minutes": func(string) { in.clock.advance(5 * time.Minute) },
		"by its use": func(challenge string) {
			in.browser().post("second-factor", body("challenge", challenge, "code", phone.next())).want(t, 200, `{"ok":true}`)
		},
		"by five wrong codes": func(challenge string) {
			for left := factors.MaxWrongCodes - 1; left >= 0; left-- {
				a := in.browser().post("second-factor", body("challenge", challenge, "code", "000")).wantCode(t, 401, "invalid_code")
				a.wantCookiesKept(t)
				if got := a.data("attemptsLeft"); got != string(rune('0'+left)) {
					t.Errorf("attempts left %s, want %d", got, left)
				}
			}
		},
		"by five wrong codes with a restart between them": func(challenge string) {
			for i := range factors.MaxWrongCodes {
				if i == 2 {
					in.restart()
				}
				in.browser().post("second-factor", body("challenge", challenge, "code", "000")).wantCode(t, 401, "invalid_code")
			}
		},
		"while the account is disabled": func(string) { in.setDisabled(ann, true) },
	} {
		t.Run(name, func(t *testing.T) {
			defer in.setDisabled(ann, false)
			in.clock.advance(time.Hour)
			challenge := in.browser().challenge(ann)
			end(challenge)
			b := in.browser()
			b.post("second-factor", body("challenge", challenge, "code", phone.next())).wantCode(t, 400, "invalid_token").wantCookiesKept(t)
			b.post("second-factor", body("challenge", challenge, "recoveryCode", codes[0])).wantCode(t, 400, "invalid_token")
		})
	}
	t.Run("by a change of the password", func(t *testing.T) {
		in.clock.advance(time.Hour)
		challenge := in.browser().challenge(ann)
		in.resetPassword(ann, "a new and long password")
		in.browser().post("second-factor", body("challenge", challenge, "code", phone.next())).wantCode(t, 400, "invalid_token")
	})
}

func (in *instance) setDisabled(email string, disabled bool) {
	in.t.Helper()
	var at any
	if disabled {
		at = in.clock.now().UnixMilli()
	}
	if _, err := in.p.store.File.Write.ExecContext(in.t.Context(), "UPDATE accounts SET disabled_at = ? WHERE email = ?", at, email); err != nil {
		in.t.Fatal(err)
	}
}

func TestChallengeSurvivesARestart(t *testing.T) {
	in := openTest(t, nil)
	phone, _ := in.signedIn(ann).enrol()
	b := in.browser()
	challenge := b.challenge(ann)
	in.restart()
	b.post("second-factor", body("challenge", challenge, "code", phone.next())).want(t, 200, `{"ok":true}`)
	b.wantSignedIn()
}

// Someone who knows the password can begin as many challenges as they like, but not guess six digits with them.
func TestWrongCodesOfAllChallengesAreLimited(t *testing.T) {
	in := openTest(t, nil)
	owner := in.signedIn(ann)
	phone, codes := owner.enrol()
	key := newAuthenticator(in)
	key.register(owner, "key").wantStatus(t, 200)
	guess := func() answer {
		in.clock.advance(10 * time.Second)
		b := in.browser()
		return b.post("second-factor", body("challenge", b.challenge(ann), "code", "000000"))
	}
	for range factors.WrongCodesPerHour {
		guess().wantCode(t, 401, "invalid_code")
	}
	if a := guess().wantCode(t, 429, "rate_limited"); a.err.RetryAfter <= 0 || a.err.RetryAfter > time.Hour {
		t.Errorf("retry after %v", a.err.RetryAfter)
	}
	b := in.browser()
	b.post("second-factor", body("challenge", b.challenge(ann), "code", phone.code(0))).wantCode(t, 429, "rate_limited")
	b.post("second-factor", body("challenge", b.challenge(ann), "recoveryCode", codes[0])).wantCode(t, 429, "rate_limited")
	// A passkey cannot be guessed, so its owner is not locked out.
	key.answerSecondFactor(b).want(t, 200, `{"ok":true}`)
	in.clock.advance(time.Hour)
	b.post("second-factor", body("challenge", b.challenge(ann), "code", phone.next())).want(t, 200, `{"ok":true}`)
}

func TestSecondFactorWantsOneProof(t *testing.T) {
	in := openTest(t, nil)
	_, codes := in.signedIn(ann).enrol()
	b := in.browser()
	challenge := b.challenge(ann)
	for _, text := range []string{
		"{}", "{", `{"challenge":"x"}`, `{"challenge":5,"code":"123456"}`, `{"code":"123456"}`, `{"challenge":"","code":"123456"}`,
		body("challenge", challenge), body("challenge", challenge, "code", "123456", "recoveryCode", codes[0]),
		body("challenge", challenge, "code", ""), body("challenge", challenge, "code", strings.Repeat("1", form.MaxCode+1)),
		body("challenge", challenge, "credential", "text"), `{"challenge":"` + challenge + `","code":123456}`,
		`{"challenge":"` + challenge + `","code":null,"recoveryCode":"` + codes[0] + `"}`,
	} {
		b.post("second-factor", text).wantCode(t, 400, "invalid_request").wantCookiesKept(t)
	}
	b.post("second-factor", body("challenge", "unknown", "code", "123456")).wantCode(t, 400, "invalid_token")
	// A ceremony that no passkey answers is a wrong attempt like any other.
	b.post("second-factor", `{"challenge":"`+challenge+`","credential":{}}`).wantCode(t, 401, "invalid_code")
	b.post("second-factor", body("challenge", challenge, "recoveryCode", codes[0])).want(t, 200, `{"ok":true}`)
}

// A challenge is for the second step only: tokens of other kinds are useless there, and it is useless elsewhere.
func TestChallengesAreNotInterchangeable(t *testing.T) {
	in := openTest(t, nil)
	owner := in.signedIn(ann)
	phone, _ := owner.enrol()
	b := in.browser()
	challenge := b.challenge(ann)
	b.post("reset-password", body("token", challenge, "newPassword", "a new and long password", "confirmNewPassword", "a new and long password")).wantCode(t, 400, "invalid_token")
	b.post("passkeys/sign-in", `{"challenge":"`+challenge+`","credential":{}}`).wantCode(t, 400, "invalid_token")
	var options struct{ Challenge string }
	b.post("passkeys/sign-in-options", "{}").decode(t, &options)
	b.post("second-factor", body("challenge", options.Challenge, "code", phone.next())).wantCode(t, 400, "invalid_token")
}

// Of parallel attempts with one code, exactly one gets in, whatever the challenge.
func TestParallelUsesOfOneCode(t *testing.T) {
	in := openTest(t, nil)
	phone, codes := in.signedIn(ann).enrol()
	in.clock.advance(factors.TOTPPeriod * time.Second)
	for name, prove := range map[string]func() (member, value string){
		"totp":          func() (string, string) { return "code", phone.code(0) },
		"recovery code": func() (string, string) { return "recoveryCode", codes[3] },
	} {
		t.Run(name, func(t *testing.T) {
			const attempts = 16
			member, value := prove()
			var all sync.WaitGroup
			var won, lost atomic.Int32
			b := in.browser()
			bodies := make([]string, attempts)
			for i := range bodies {
				other := in.browser()
				other.address = "192.0.2." + string(rune('1'+i%9))
				bodies[i] = body("challenge", other.challenge(ann), member, value)
			}
			for i := range attempts {
				all.Go(func() {
					other := b.copy()
					other.address = "198.51.100." + string(rune('1'+i%9))
					switch a := other.post("second-factor", bodies[i]); {
					case a.status == 200:
						won.Add(1)
					case a.data("code") == `"invalid_code"`:
						lost.Add(1)
					}
				})
			}
			all.Wait()
			if won.Load() != 1 || lost.Load() != attempts-1 {
				t.Errorf("%d got in and %d were refused", won.Load(), lost.Load())
			}
			in.clock.advance(time.Hour)
		})
	}
}

// Parallel wrong attempts get no more tries than the limit.
func TestParallelWrongCodesAreCounted(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn(ann).enrol()
	challenge := in.browser().challenge(ann)
	var all sync.WaitGroup
	var wrong, dead atomic.Int32
	for range 16 {
		all.Go(func() {
			switch a := in.browser().post("second-factor", body("challenge", challenge, "code", "000")); a.data("code") {
			case `"invalid_code"`:
				wrong.Add(1)
			case `"invalid_token"`:
				dead.Add(1)
			}
		})
	}
	all.Wait()
	if wrong.Load() != factors.MaxWrongCodes || dead.Load() != 16-factors.MaxWrongCodes {
		t.Errorf("%d were tried, %d came too late", wrong.Load(), dead.Load())
	}
}

func TestWrongCodesAreToldToOperatorAndOwner(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	b.enrol()
	other := in.browser()
	other.post("second-factor", body("challenge", other.challenge(ann), "code", "000000")).wantCode(t, 401, "invalid_code")
	if want := `level=WARN msg="sign-in failed" address=192.0.2.1 email=a…@example.test`; !strings.Contains(in.log.String(), want) {
		t.Errorf("the log lacks %q:\n%s", want, in.log)
	}
	if got := in.events(ann); !slices.Contains(got, "sign_in_failed second factor") {
		t.Errorf("events %q", got)
	}
}

// events are kind and detail of the events of an account, oldest first.
func (in *instance) events(email string) []string {
	in.t.Helper()
	rows, err := in.p.store.File.Read.QueryContext(in.t.Context(),
		"SELECT trim(e.kind || ' ' || coalesce(e.detail, '')) FROM security_events e JOIN accounts a ON a.id = e.account_id WHERE a.email = ? ORDER BY e.id", email)
	if err != nil {
		in.t.Fatal(err)
	}
	defer rows.Close()
	var out []string
	for rows.Next() {
		var text string
		if err := rows.Scan(&text); err != nil {
			in.t.Fatal(err)
		}
		out = append(out, text)
	}
	return out
}

func TestEveryChangeOfAFactorIsRecorded(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	d := newAuthenticator(in)
	d.register(b, "my key").wantStatus(t, 200)
	b.enrol()
	var renewed struct{ RecoveryCodes []string }
	b.post("recovery-codes", "{}").decode(t, &renewed)
	other := in.browser()
	other.post("second-factor", body("challenge", other.challenge(ann), "recoveryCode", renewed.RecoveryCodes[0])).want(t, 200, `{"ok":true}`)
	b.post("totp/remove", "{}").want(t, 200, `{"ok":true}`)
	b.post("passkeys/remove", body("id", d.id())).want(t, 200, `{"ok":true}`)
	in.resetFactors(ann)
	want := []string{"passkey_added my key", "totp_enabled", "recovery_codes_renewed", "recovery_code_used", "signed_in recovery_code", "totp_removed", "passkey_removed my key", "factors_reset"}
	got := slices.DeleteFunc(in.events(ann), func(e string) bool { return e == "registered" || strings.HasPrefix(e, "signed_in password") })
	if !slices.Equal(got, want) {
		t.Errorf("events %q, want %q", got, want)
	}
}

func (in *instance) resetFactors(email string) {
	in.t.Helper()
	ctx := in.t.Context()
	a, err := in.p.store.Read.AccountByEmail(ctx, email)
	if err != nil {
		in.t.Fatal(err)
	}
	if err := in.p.store.Tx(ctx, func(q store.Queries) error { return in.p.factors.Reset(ctx, q, a.ID) }); err != nil {
		in.t.Fatal(err)
	}
}

func TestResetOfAllFactors(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	phone, codes := b.enrol()
	d := newAuthenticator(in)
	d.register(b, "key").wantStatus(t, 200)
	challenge := in.browser().challenge(ann)
	in.resetFactors(ann)
	in.browser().post("second-factor", body("challenge", challenge, "code", phone.next())).wantCode(t, 401, "invalid_code")
	in.browser().post("second-factor", body("challenge", challenge, "recoveryCode", codes[0])).wantCode(t, 401, "invalid_code")
	d.signIn(in.browser()).wantCode(t, 401, "invalid_credentials")
	in.browser().post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
}

// Changes of a factor, and only those, need a proof from the last ten minutes.
func TestChangesOfFactorsWantAFreshProof(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	d := newAuthenticator(in)
	d.register(b, "key").wantStatus(t, 200)
	sensitive := map[string]string{
		"totp/enrol": "{}", "totp/confirm": `{"code":"123456"}`, "totp/remove": "{}", "recovery-codes": "{}",
		"passkeys/register-options": "{}", "passkeys/register": "{}", "passkeys/remove": body("id", d.id()),
	}
	in.clock.advance(factors.ProofLifetime)
	for path, text := range sensitive {
		a := b.post(path, text).wantCode(t, 403, "reauthentication_required")
		if got := a.data("methods"); got != `["password","passkey"]` {
			t.Errorf("%s: methods %s", path, got)
		}
	}
	b.post("passkeys/rename", body("id", d.id(), "name", "another name")).want(t, 200, `{"ok":true}`)
	for path, text := range sensitive {
		in.browser().post(path, text).wantCode(t, 401, "session_expired")
	}
	for _, path := range []string{"passkeys/rename", "reauthenticate"} {
		in.browser().post(path, "{}").wantCode(t, 401, "session_expired")
	}
	if got := in.factors(b); len(got.Passkeys) != 1 || got.TOTP.Enabled {
		t.Errorf("%+v", got)
	}
}

// factors are those of a signed-in browser's account.
func (in *instance) factors(b *browser) factors.Set {
	in.t.Helper()
	f, err := in.p.factors.Of(in.t.Context(), in.p.store.Read, b.wantSignedIn().UserID)
	if err != nil {
		in.t.Fatal(err)
	}
	return f
}

// Two users of the same server cannot reach each other's factors.
func TestFactorsBelongToOneAccount(t *testing.T) {
	in := openTest(t, nil)
	annAt, bobAt := in.signedIn(ann), in.signedIn("bob@example.test")
	annPhone, annCodes := annAt.enrol()
	bobPhone, bobCodes := bobAt.enrol()
	b := in.browser()
	challenge := b.challenge(ann)
	in.clock.advance(factors.TOTPPeriod * time.Second)
	b.post("second-factor", body("challenge", challenge, "code", bobPhone.code(0))).wantCode(t, 401, "invalid_code")
	b.post("second-factor", body("challenge", challenge, "recoveryCode", bobCodes[0])).wantCode(t, 401, "invalid_code")
	b.post("second-factor", body("challenge", challenge, "code", annPhone.code(0))).want(t, 200, `{"ok":true}`)
	bobAt.post("totp/remove", "{}").want(t, 200, `{"ok":true}`)
	if got := in.factors(annAt); !got.TOTP.Enabled || got.RecoveryCodesLeft != int64(len(annCodes)) {
		t.Errorf("%+v", got)
	}
}

func TestFactorsOfAnotherOriginAreRefused(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	for _, route := range slices.Concat(in.p.factorRoutes(), in.p.passkeyRoutes()) {
		path := strings.TrimPrefix(route.Path, "/api/basic-auth/")
		b.post(path, "{}", "Origin", "https://evil.test").want(t, 403, "Forbidden")
		if route.Method != http.MethodPost {
			t.Errorf("%s is a %s", path, route.Method)
		}
	}
}

// A failure of the store is not a wrong code.
func TestFactorsWithABrokenStore(t *testing.T) {
	in := openTest(t, nil)
	phone, _ := in.signedIn(ann).enrol()
	b := in.browser()
	challenge := b.challenge(ann)
	if _, err := in.p.store.File.Write.ExecContext(t.Context(), "ALTER TABLE totp RENAME TO lost"); err != nil {
		t.Fatal(err)
	}
	b.post("second-factor", body("challenge", challenge, "code", phone.next())).wantStatus(t, 503).wantCookiesKept(t)
	b.post("sign-in", credentials(ann, password)).wantStatus(t, 503).wantCookiesKept(t)
	if _, err := in.p.store.File.Write.ExecContext(t.Context(), "ALTER TABLE lost RENAME TO totp"); err != nil {
		t.Fatal(err)
	}
	b.post("second-factor", body("challenge", challenge, "code", phone.code(0))).want(t, 200, `{"ok":true}`)
}

func FuzzParseSecondFactor(f *testing.F) {
	for _, text := range []string{
		`{"challenge":"c","code":"1"}`, `{"challenge":"c","recoveryCode":"1"}`, `{"challenge":"c","credential":{"id":"x"}}`,
		`{"challenge":"c","code":"1","credential":{}}`, `{"challenge":"c","code":null}`, "[]", `{"challenge":"\ud800","code":"\u0000"}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		fields, err := form.Parse(raw)
		if err != nil {
			return
		}
		challenge, s, err := factors.ParseSecondFactor(fields)
		if err != nil {
			if or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
				t.Fatal(err)
			}
			return
		}
		given := map[bool]int{true: 1}
		if challenge == "" || given[s.Code != ""]+given[s.RecoveryCode != ""]+given[s.Credential != nil] != 1 {
			t.Fatalf("%q gives %q and %+v", raw, challenge, s)
		}
		if s.Credential != nil && !json.Valid(s.Credential) {
			t.Fatalf("%q gives an invalid credential", raw)
		}
		if len(slices.Collect(maps.Keys(fields))) < 2 {
			t.Fatalf("%q has too few members", raw)
		}
	})
}

// No one can change a factor with a stolen session unnoticed.
func TestEveryChangeOfAFactorIsToldToTheOwner(t *testing.T) {
	in, server := openWithMail(t)
	b := in.signedIn(ann)
	d := newAuthenticator(in)
	d.rp.ID, d.rp.Origin = "cloud.example.test", "https://cloud.example.test"
	var added factorAdded
	for _, step := range []struct {
		change  func()
		subject string
	}{
		{func() { d.register(b, "my key").decode(t, &added) }, "A passkey was added"},
		{func() { b.enrol() }, "An authenticator app was set up"},
		{func() {
			b.post("second-factor", body("challenge", b.challenge(ann), "recoveryCode", added.RecoveryCodes[0])).want(t, 200, `{"ok":true}`)
		}, "A recovery code was used"},
		{func() { b.post("recovery-codes", "{}").wantStatus(t, 200) }, "New recovery codes"},
		{func() { b.post("totp/remove", "{}").want(t, 200, `{"ok":true}`) }, "The authenticator app was removed"},
		{func() { b.post("passkeys/remove", body("id", d.id())).want(t, 200, `{"ok":true}`) }, "A passkey was removed"},
		{func() { in.resetFactors(ann) }, "Your second factors were removed"},
		{func() { b.post("totp/remove", "{}").want(t, 200, `{"ok":true}`) }, ""}, // nothing has changed
	} {
		step.change()
		if got := strings.Join(in.subjects(server), ", "); got != step.subject {
			t.Errorf("mail %q, want %q", got, step.subject)
		}
	}
}
