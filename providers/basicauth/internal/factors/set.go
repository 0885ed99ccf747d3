package factors

import (
	"context"
	"errors"
	"slices"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Set are the ways in which the owner of an account can prove who they are, besides the password (docs/accounts-api.md,
// "account").
type Set struct {
	TOTP              totpState       `json:"totp"`
	RecoveryCodesLeft int64           `json:"recoveryCodesLeft"`
	Passkeys          []PasskeyAnswer `json:"passkeys"`
}

// totpState says whether an authenticator app is set up.
type totpState struct {
	Enabled   bool       `json:"enabled"`
	EnabledAt *time.Time `json:"enabledAt,omitempty"`
}

// Any reports whether a factor is set up, so that the password alone is not enough.
func (f Set) Any() bool {
	usable := slices.ContainsFunc(f.Passkeys, func(k PasskeyAnswer) bool { return k.OtherDomain == "" })
	return Suffice(f.TOTP.Enabled, usable, len(f.Passkeys) > 0, f.RecoveryCodesLeft > 0)
}

// Suffice reports whether an account has something to demand besides its password: an app or a passkey that can be
// used. Recovery codes stand in for a factor, including passkeys that cannot be used any more, but count for nothing if
// there was none.
func Suffice(app, usablePasskey, passkey, codes bool) bool {
	return app || usablePasskey || passkey && codes
}

// Of returns the factors of an account.
func (f *Factors) Of(ctx context.Context, q store.Queries, accountID string) (Set, error) {
	has := Set{Passkeys: []PasskeyAnswer{}}
	totp, err := q.TOTP(ctx, accountID)
	if err != nil && !store.Absent(err) {
		return has, err
	}
	if totp.ConfirmedAt.Valid {
		at := time.UnixMilli(totp.ConfirmedAt.Int64).UTC()
		has.TOTP = totpState{Enabled: true, EnabledAt: &at}
	}
	keys, err := q.Passkeys(ctx, accountID)
	if err != nil {
		return has, err
	}
	for _, key := range keys {
		has.Passkeys = append(has.Passkeys, f.describePasskey(key))
	}
	has.RecoveryCodesLeft, err = q.CountRecoveryCodes(ctx, accountID)
	return has, err
}

// Reset removes all factors of an account, for an owner who has lost them and has proved that to the operator.
func (f *Factors) Reset(ctx context.Context, q store.Queries, accountID string) error {
	a, err := q.AccountByID(ctx, accountID)
	if err != nil {
		return err
	}
	_, err = q.DeleteTOTP(ctx, accountID)
	err = errors.Join(err, q.DeletePasskeys(ctx, accountID), q.DeleteRecoveryCodes(ctx, accountID))
	if err != nil {
		return err
	}
	return f.letters.RecordAndNotify(ctx, q, nil, a, guard.EventFactorsReset, letters.NoticeFactorsReset, "")
}

// ForgetUselessCodes removes the recovery codes of an account whose last factor was removed: they would stand in for
// nothing now, and anyone who found them would know the codes of the next factor.
func (f *Factors) ForgetUselessCodes(ctx context.Context, q store.Queries, accountID string) error {
	left, err := f.Of(ctx, q, accountID)
	if err != nil || left.Any() {
		return err
	}
	return q.DeleteRecoveryCodes(ctx, accountID)
}
