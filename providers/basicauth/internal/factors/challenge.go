package factors

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
	// MaxWrongCodes is how many wrong answers end a challenge.
	MaxWrongCodes = 5
	// WrongCodesPerHour limits the wrong answers of an account over all its challenges: someone who knows the password
	// can start as many as they like, and six digits do not withstand that.
	WrongCodesPerHour = 20
)

// secondStep is the content of a second_factor token.
type secondStep struct {
	// Passkey is the ceremony that was begun with it, if the account has passkeys.
	Passkey *webauthn.SessionData `json:"passkey,omitempty"`
}

// Demand is called after every proof that is a password alone. It returns no refusal if the account has nothing else to
// demand, else the refusal that asks for it. That is not an error, because the challenge in it has to be committed. In
// both cases otherDomains are the domains of passkeys that are not asked for because they belong there.
func (f *Factors) Demand(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account) (refusal *or3cloud.Error, otherDomains []string, err error) {
	has, err := f.Of(ctx, q, a.ID)
	if err != nil {
		return nil, nil, err
	}
	otherDomains = has.otherDomains()
	if !has.Any() {
		if len(otherDomains) > 0 {
			err = f.tellOfPasskeysElsewhere(ctx, q, r, a, otherDomains)
		}
		return nil, otherDomains, err
	}
	var step secondStep
	methods, extra := []string{}, map[string]any{}
	if has.TOTP.Enabled {
		methods = append(methods, "totp")
	}
	if rp := f.RelyingParty(r); rp != nil {
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
	token, _, err := f.onetime.Issue(ctx, q, onetime.SecondFactor, a, "", step)
	if err != nil {
		return nil, nil, err
	}
	extra["challenge"], extra["methods"] = token, methods
	if len(otherDomains) > 0 {
		extra["otherDomains"] = otherDomains
	}
	return refuse.With(or3cloud.CodeUnauthenticated, "second_factor_required", "A second step is needed to sign in.", extra), otherDomains, nil
}

// askForPasskey begins a ceremony with the passkeys of an account that a page can show. It returns nil if there are
// none.
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

// shown is the answer to a challenge: one of the three.
type shown struct {
	Code, RecoveryCode string
	Credential         []byte
}

// ParseSecondFactor reads the body of second-factor.
func ParseSecondFactor(f form.Fields) (challenge string, s shown, err error) {
	challenge, ok := f.Text("challenge", 1, form.MaxToken)
	if !ok {
		return "", s, refuse.Invalid()
	}
	given := 0
	for name, into := range map[string]*string{"code": &s.Code, "recoveryCode": &s.RecoveryCode} {
		if _, present := f[name]; present {
			if *into, ok = f.Text(name, 1, form.MaxCode); !ok {
				return "", s, refuse.Invalid()
			}
			given++
		}
	}
	if _, present := f["credential"]; present {
		if s.Credential, err = f.Credential(); err != nil {
			return "", s, err
		}
		given++
	}
	if given != 1 {
		return "", s, refuse.Invalid()
	}
	return challenge, s, nil
}

// Answer starts a session if what was shown is right, and counts the attempt if not. All attempts pass through the
// single writer, so that parallel ones get no more tries than the limit.
func (f *Factors) Answer(ctx context.Context, q store.Queries, r *or3cloud.Request, challenge string, s shown) (*sessions.Grant, error, error) {
	var step secondStep
	token, err := f.onetime.Peek(ctx, q, onetime.SecondFactor, challenge, &step)
	if err != nil {
		return nil, nil, err
	}
	a, err := q.AccountByID(ctx, token.AccountID.String)
	if err != nil {
		return nil, nil, err
	}
	budget, limit := "basic-auth:wrong-code:"+a.ID, ratelimit.Limit{Max: WrongCodesPerHour, Window: time.Hour}
	// A signature cannot be guessed: the owner of a passkey gets in whatever others have tried.
	if v := f.guard.Limits.Check(budget, limit); !v.Allowed && s.Credential == nil {
		return nil, refuse.RateLimited(v.RetryAfter), nil
	}
	method, err := f.verifyShown(ctx, q, r, a, step, s)
	if err != nil {
		return nil, nil, err
	}
	if method == "" {
		f.guard.Limits.Take(budget, limit)
		refusal, err := f.countWrong(ctx, q, r, a, token.Fingerprint)
		return nil, refusal, err
	}
	if _, err := q.DeleteOneTimeToken(ctx, token.Fingerprint); err != nil {
		return nil, nil, err
	}
	g, err := f.Admit(ctx, q, r, a, method)
	return g, nil, err
}

// SignInLimit is how many sign-ins one address may try in a minute (contract, auth §8.3).
const SignInLimit = 20

// SignInsPerHour is how many sign-ins an account may have from all addresses, as many as from a single one: it limits
// the sessions that have ended but whose access tokens have not.
const SignInsPerHour = 60 * SignInLimit

// Admit starts a session for someone who has shown everything that the account demands. method goes into the trail.
func (f *Factors) Admit(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account, method string) (*sessions.Grant, error) {
	now := f.now()
	// The version is part of the key, so that a new password has a new budget, even if the old one's is used up.
	budget := "basic-auth:sign-ins:" + a.ID + ":" + strconv.FormatInt(a.TokenVersion, 10)
	if v := f.guard.Limits.Take(budget, ratelimit.Limit{Max: SignInsPerHour, Window: time.Hour}); !v.Allowed {
		return nil, refuse.RateLimited(v.RetryAfter)
	}
	if err := store.Prune(ctx, q, now, f.opts.Grace); err != nil {
		return nil, err
	}
	if err := f.letters.TellOfSignIn(ctx, q, r, a); err != nil {
		return nil, err
	}
	g, err := f.sessions.Begin(ctx, q, a, r, now)
	if err != nil {
		return nil, err
	}
	f.guard.SignIns.Succeeded.Add(1)
	return g, f.guard.Record(ctx, q, r, a.ID, guard.EventSignedIn, method)
}

// verifyShown returns the method that was shown, or "" if it was wrong.
func (f *Factors) verifyShown(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account, step secondStep, s shown) (method string, err error) {
	var ok bool
	switch {
	case s.Code != "":
		method = "totp"
		ok, err = f.useTOTP(ctx, q, a.ID, s.Code)
	case s.RecoveryCode != "":
		method = "recovery_code"
		if ok, err = f.useRecoveryCode(ctx, q, a.ID, s.RecoveryCode); ok && err == nil {
			err = f.letters.RecordAndNotify(ctx, q, r, a, guard.EventRecoveryUsed, letters.NoticeRecoveryUsed, "")
		}
	case step.Passkey != nil:
		method = "passkey"
		var owner *db.Account
		owner, err = f.verifyPasskey(ctx, q, r, *step.Passkey, s.Credential)
		ok = owner != nil && owner.ID == a.ID
	}
	if err != nil || !ok {
		return "", err
	}
	return method, nil
}

// countWrong counts a wrong answer to a challenge, which ends with the last one, and returns the refusal.
func (f *Factors) countWrong(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account, print string) (error, error) {
	attempts, err := q.CountAttempt(ctx, print)
	if err != nil {
		return nil, err
	}
	f.guard.SignIns.WrongFactor.Add(1)
	left := MaxWrongCodes - attempts
	if left <= 0 {
		if _, err := q.DeleteOneTimeToken(ctx, print); err != nil {
			return nil, err
		}
	}
	f.log.Warn("sign-in failed", "address", r.ClientIP, "email", guard.RedactEmail(a.Email))
	if err := f.guard.Record(ctx, q, r, a.ID, guard.EventSignInFailed, "second factor"); err != nil {
		return nil, err
	}
	return refuse.Code(map[string]any{"attemptsLeft": max(left, 0)}), f.letters.TellOfFailures(ctx, q, r, a)
}
