package basicauth

import (
	"context"
	"strconv"
	"time"

	"github.com/go-webauthn/webauthn/webauthn"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

const (
	// maxWrongCodes is how many wrong answers end a challenge.
	maxWrongCodes = 5
	// wrongCodesPerHour bounds the wrong answers of an account over all its challenges: who knows the password can start
	// as many as they like, and six digits do not stand against that.
	wrongCodesPerHour = 20
)

// secondStep is what a second_factor token keeps.
type secondStep struct {
	// Passkey is the ceremony that was begun with it, if the account has passkeys.
	Passkey *webauthn.SessionData `json:"passkey,omitempty"`
}

// demandFactor comes after every proof that is a password alone. It returns no refusal if the account has nothing else to
// demand, else the refusal that asks for it, which is no error, because the challenge in it has to be committed. In both cases
// otherDomains are those of passkeys that are not asked for because they belong to them.
func (p *provider) demandFactor(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account) (refusal *or3cloud.Error, otherDomains []string, err error) {
	has, err := p.factorsOf(ctx, q, a.ID)
	if err != nil {
		return nil, nil, err
	}
	otherDomains = has.otherDomains()
	if !has.any() {
		if len(otherDomains) > 0 {
			err = p.tellOfPasskeysElsewhere(ctx, q, r, a, otherDomains)
		}
		return nil, otherDomains, err
	}
	var step secondStep
	methods, extra := []string{}, map[string]any{}
	if has.TOTP.Enabled {
		methods = append(methods, "totp")
	}
	if rp := p.relyingParty(r); rp != nil {
		session, publicKey, err := askForPasskey(ctx, q, rp, a)
		if err != nil {
			return nil, nil, err
		}
		if session != nil {
			step.Passkey, extra["publicKey"] = session, publicKey
			methods = append(methods, "passkey")
		}
	}
	if has.RecoveryCodesLeft > 0 {
		methods = append(methods, "recovery_code")
	}
	token, _, err := p.onetime.Issue(ctx, q, onetime.SecondFactor, a, "", step)
	if err != nil {
		return nil, nil, err
	}
	extra["challenge"], extra["methods"] = token, methods
	if len(otherDomains) > 0 {
		extra["otherDomains"] = otherDomains
	}
	return refuse.With(or3cloud.CodeUnauthenticated, "second_factor_required", "A second step is needed to sign in.", extra), otherDomains, nil
}

// askForPasskey begins a ceremony with the passkeys of an account that a page can show. It returns nothing if there are none.
func askForPasskey(ctx context.Context, q store.Queries, rp *webauthn.WebAuthn, a db.Account) (session *webauthn.SessionData, publicKey any, err error) {
	rows, err := q.Passkeys(ctx, a.ID)
	if err != nil {
		return nil, nil, err
	}
	rpID := domainToAsk(rp.Config.RPID, rows)
	if rpID == "" {
		return nil, nil, nil
	}
	user, err := passkeyUserWith(a, rows, rpID)
	if err != nil {
		return nil, nil, err
	}
	options, session, err := rp.BeginLogin(user, webauthn.WithLoginRelyingPartyID(rpID))
	if err != nil {
		return nil, nil, err
	}
	return session, options.Response, nil
}

// shown is what somebody answers a challenge with: one of the three.
type shown struct {
	code, recoveryCode string
	credential         []byte
}

func parseSecondFactor(f form.Fields) (challenge string, s shown, err error) {
	challenge, ok := f.Text("challenge", 1, form.MaxToken)
	if !ok {
		return "", s, refuse.Invalid()
	}
	given := 0
	for name, into := range map[string]*string{"code": &s.code, "recoveryCode": &s.recoveryCode} {
		if _, present := f[name]; present {
			if *into, ok = f.Text(name, 1, form.MaxCode); !ok {
				return "", s, refuse.Invalid()
			}
			given++
		}
	}
	if _, present := f["credential"]; present {
		if s.credential, err = f.Credential(); err != nil {
			return "", s, err
		}
		given++
	}
	if given != 1 {
		return "", s, refuse.Invalid()
	}
	return challenge, s, nil
}

// secondFactor is POST /api/basic-auth/second-factor.
func (p *provider) secondFactor(c call) error {
	f, err := c.body()
	if err != nil {
		return err
	}
	challenge, s, err := parseSecondFactor(f)
	if err != nil {
		return err
	}
	var g *sessions.Grant
	var refusal error // what is written with it has to stay
	err = p.store.Tx(c.Context(), func(q store.Queries) (err error) {
		g, refusal, err = p.answerChallenge(c.Context(), q, c.Request, challenge, s)
		return err
	})
	if err != nil {
		return err
	}
	if refusal != nil {
		return refusal
	}
	p.sessions.SetCookies(c.Request, g)
	return c.answer(true)
}

// answerChallenge starts a session if what was shown is right, and counts the attempt if not. All attempts pass through
// the one writer, so that parallel ones cannot get more than their number.
func (p *provider) answerChallenge(ctx context.Context, q store.Queries, r *or3cloud.Request, challenge string, s shown) (*sessions.Grant, error, error) {
	var step secondStep
	token, err := p.onetime.Peek(ctx, q, onetime.SecondFactor, challenge, &step)
	if err != nil {
		return nil, nil, err
	}
	a, err := q.AccountByID(ctx, token.AccountID.String)
	if err != nil {
		return nil, nil, err
	}
	budget, limit := "basic-auth:wrong-code:"+a.ID, ratelimit.Limit{Max: wrongCodesPerHour, Window: time.Hour}
	// A signature cannot be guessed: whoever has a passkey gets in whatever others have tried.
	if v := p.guard.Limits.Check(budget, limit); !v.Allowed && s.credential == nil {
		return nil, refuse.RateLimited(v.RetryAfter), nil
	}
	method, err := p.verifyShown(ctx, q, r, a, step, s)
	if err != nil {
		return nil, nil, err
	}
	if method == "" {
		p.guard.Limits.Take(budget, limit)
		refusal, err := p.countWrong(ctx, q, r, a, token.Fingerprint)
		return nil, refusal, err
	}
	if _, err := q.DeleteOneTimeToken(ctx, token.Fingerprint); err != nil {
		return nil, nil, err
	}
	g, err := p.admit(ctx, q, r, a, method)
	return g, nil, err
}

// signInsPerHour is how often an account may be signed in to from all addresses, as often as one address may: it bounds the
// sessions that have ended and whose access tokens have not.
const signInsPerHour = 60 * signInLimit

// admit starts the session of somebody who has shown everything that the account demands. method goes into the trail.
func (p *provider) admit(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account, method string) (*sessions.Grant, error) {
	now := p.now()
	// Of the version, so that a new password has a new budget, whoever has used up that of the old one.
	budget := "basic-auth:sign-ins:" + a.ID + ":" + strconv.FormatInt(a.TokenVersion, 10)
	if v := p.guard.Limits.Take(budget, ratelimit.Limit{Max: signInsPerHour, Window: time.Hour}); !v.Allowed {
		return nil, refuse.RateLimited(v.RetryAfter)
	}
	if err := store.Prune(ctx, q, now, p.opts.grace); err != nil {
		return nil, err
	}
	if err := p.letters.TellOfSignIn(ctx, q, r, a); err != nil {
		return nil, err
	}
	g, err := p.sessions.Begin(ctx, q, a, r, now)
	if err != nil {
		return nil, err
	}
	return g, p.guard.Record(ctx, q, r, a.ID, guard.EventSignedIn, method)
}

// verifyShown returns the method that was shown, or "" if it was wrong.
func (p *provider) verifyShown(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account, step secondStep, s shown) (method string, err error) {
	var ok bool
	switch {
	case s.code != "":
		method = "totp"
		ok, err = p.useTOTP(ctx, q, a.ID, s.code)
	case s.recoveryCode != "":
		method = "recovery_code"
		if ok, err = p.useRecoveryCode(ctx, q, a.ID, s.recoveryCode); ok && err == nil {
			err = p.letters.RecordAndNotify(ctx, q, r, a, guard.EventRecoveryUsed, letters.NoticeRecoveryUsed, "")
		}
	case step.Passkey != nil:
		method = "passkey"
		var owner *db.Account
		owner, err = p.verifyPasskey(ctx, q, r, *step.Passkey, s.credential)
		ok = owner != nil && owner.ID == a.ID
	}
	if err != nil || !ok {
		return "", err
	}
	return method, nil
}

// countWrong counts a wrong answer to a challenge, which dies with the last one, and returns the refusal.
func (p *provider) countWrong(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account, print string) (error, error) {
	attempts, err := q.CountAttempt(ctx, print)
	if err != nil {
		return nil, err
	}
	left := maxWrongCodes - attempts
	if left <= 0 {
		if _, err := q.DeleteOneTimeToken(ctx, print); err != nil {
			return nil, err
		}
	}
	p.log.Warn("sign-in failed", "address", r.ClientIP, "email", guard.RedactEmail(a.Email))
	if err := p.guard.Record(ctx, q, r, a.ID, guard.EventSignInFailed, "second factor"); err != nil {
		return nil, err
	}
	return refuse.Code(map[string]any{"attemptsLeft": max(left, 0)}), p.letters.TellOfFailures(ctx, q, r, a)
}
