package basicauth

import (
	"context"
	"errors"
	"slices"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// The requests of each client address in a minute.
const (
	secondFactorLimit = 20
	factorLimit       = 20
)

// factorRoutes are the endpoints of the second factor.
func (p *provider) factorRoutes() []or3cloud.Route {
	return []or3cloud.Route{
		p.limited("second-factor", secondFactorLimit, p.secondFactor),
		p.limited("reauthenticate", signInLimit, p.reauthenticate),
		p.limited("totp/enrol", factorLimit, p.enrolTOTP),
		p.limited("totp/confirm", factorLimit, p.confirmTOTP),
		p.limited("totp/remove", factorLimit, p.removeTOTP),
		p.limited("recovery-codes", factorLimit, p.renewRecoveryCodes),
	}
}

// factors are the ways in which an account proves, besides its password, who is there (docs/accounts-api.md, "account").
type factors struct {
	TOTP              totpState       `json:"totp"`
	RecoveryCodesLeft int64           `json:"recoveryCodesLeft"`
	Passkeys          []passkeyAnswer `json:"passkeys"`
}

// totpState says whether an authenticator app is set up.
type totpState struct {
	Enabled   bool       `json:"enabled"`
	EnabledAt *time.Time `json:"enabledAt,omitempty"`
}

// any reports whether a factor is set up, so that the password alone does not suffice.
func (f factors) any() bool {
	usable := slices.ContainsFunc(f.Passkeys, func(k passkeyAnswer) bool { return k.OtherDomain == "" })
	return suffice(f.TOTP.Enabled, usable, len(f.Passkeys) > 0, f.RecoveryCodesLeft > 0)
}

// suffice reports whether an account has something to demand besides its password: an app or a passkey that can be used.
// Recovery codes stand in for one, also for passkeys that cannot be used any more, and for nothing if there was none.
func suffice(app, usablePasskey, passkey, codes bool) bool {
	return app || usablePasskey || passkey && codes
}

// factorsOf returns the factors of an account.
func (p *provider) factorsOf(ctx context.Context, q store.Queries, accountID string) (factors, error) {
	f := factors{Passkeys: []passkeyAnswer{}}
	totp, err := q.TOTP(ctx, accountID)
	if err != nil && !store.Absent(err) {
		return f, err
	}
	if totp.ConfirmedAt.Valid {
		at := time.UnixMilli(totp.ConfirmedAt.Int64).UTC()
		f.TOTP = totpState{Enabled: true, EnabledAt: &at}
	}
	keys, err := q.Passkeys(ctx, accountID)
	if err != nil {
		return f, err
	}
	for _, key := range keys {
		f.Passkeys = append(f.Passkeys, p.describePasskey(key))
	}
	f.RecoveryCodesLeft, err = q.CountRecoveryCodes(ctx, accountID)
	return f, err
}

// resetFactors removes all factors of an account, for an owner who has lost them and has proved that to the operator.
func (p *provider) resetFactors(ctx context.Context, q store.Queries, accountID string) error {
	a, err := q.AccountByID(ctx, accountID)
	if err != nil {
		return err
	}
	_, err = q.DeleteTOTP(ctx, accountID)
	err = errors.Join(err, q.DeletePasskeys(ctx, accountID), q.DeleteRecoveryCodes(ctx, accountID))
	if err != nil {
		return err
	}
	return p.letters.RecordAndNotify(ctx, q, nil, a, guard.EventFactorsReset, letters.NoticeFactorsReset, "")
}

// forgetUselessCodes removes the recovery codes of an account whose last factor has gone: they would stand in for nothing
// now, and be known to whoever found them when the next factor is set up.
func (p *provider) forgetUselessCodes(ctx context.Context, q store.Queries, accountID string) error {
	left, err := p.factorsOf(ctx, q, accountID)
	if err != nil || left.any() {
		return err
	}
	return q.DeleteRecoveryCodes(ctx, accountID)
}
