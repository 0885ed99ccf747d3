package factors

import (
	"context"
	"encoding/base32"
	"fmt"
	"io"
	"math"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// What every authenticator app understands (RFC 6238): six digits, a new code every thirty seconds, SHA-1, whose
// weakness does not matter in an HMAC, and a secret as long as its digest.
const (
	TOTPPeriod      = 30
	TOTPSecretBytes = 20
)

// TOTPSkew is how many steps the clock of a phone may be off; it also covers the time that people take to type.
const TOTPSkew = 1

// ProductName is the name under which apps and authenticators list an account.
const ProductName = "OR3 Cloud"

// TOTPEncoding is the encoding of secrets for apps.
var TOTPEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// TOTPPlace is the place that the secret of an account is sealed for.
func TOTPPlace(accountID string) string { return "totp " + accountID }

// NewTOTP makes the secret of an authenticator app, both in the form for apps and in the stored one.
func (f *Factors) NewTOTP(a db.Account) (key *otp.Key, sealed []byte, err error) {
	secret := make([]byte, TOTPSecretBytes)
	if _, err := io.ReadFull(f.rand, secret); err != nil {
		return nil, nil, fmt.Errorf("make a secret: %w", err)
	}
	key, err = totp.Generate(totp.GenerateOpts{Issuer: ProductName, AccountName: a.Email, Secret: secret, Period: TOTPPeriod})
	if err != nil {
		return nil, nil, err
	}
	sealed, err = f.sealer.Seal(secret, TOTPPlace(a.ID))
	return key, sealed, err
}

// EnableTOTP enables a secret that the same session has enrolled, if code is one of its codes, which that uses up. It
// returns recovery codes if this is the first factor.
func (f *Factors) EnableTOTP(ctx context.Context, q store.Queries, r *or3cloud.Request, who Actor, code string) ([]string, error) {
	a := who.Account()
	had, err := f.Of(ctx, q, a.ID)
	if err != nil {
		return nil, err
	}
	row, err := q.TOTP(ctx, a.ID)
	switch {
	case store.Absent(err):
		return nil, refuse.Token()
	case err != nil:
		return nil, err
	case row.ConfirmedAt.Valid:
		return nil, refuse.With(or3cloud.CodeConflict, "already_enabled", "An authenticator app is already set up.", nil)
	case row.SessionID.String != who.SessionID:
		return nil, refuse.Token()
	}
	secret, err := f.openTOTP(ctx, q, row)
	if err != nil {
		return nil, err
	}
	step, ok := matchStep(secret, code, f.now(), usedStep(row.LastStep, f.now()))
	if !ok {
		return nil, refuse.Code(nil)
	}
	if _, err := q.ConfirmTOTP(ctx, db.ConfirmTOTPParams{AccountID: a.ID, Step: step, Now: f.now().UnixMilli()}); err != nil {
		return nil, err
	}
	if err := f.letters.RecordAndNotify(ctx, q, r, a, guard.EventTOTPEnabled, letters.NoticeTOTPEnabled, ""); err != nil || had.Any() {
		return nil, err
	}
	return f.ReplaceRecoveryCodes(ctx, q, a.ID)
}

// useTOTP checks a code of an account's authenticator app and uses it up, and with it all earlier codes.
func (f *Factors) useTOTP(ctx context.Context, q store.Queries, accountID, code string) (bool, error) {
	row, err := q.TOTP(ctx, accountID)
	if store.Absent(err) || err == nil && !row.ConfirmedAt.Valid {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	secret, err := f.openTOTP(ctx, q, row)
	if err != nil {
		return false, err
	}
	now := f.now()
	step, ok := matchStep(secret, code, now, usedStep(row.LastStep, now))
	if !ok {
		return false, nil
	}
	n, err := q.UseTOTPStep(ctx, db.UseTOTPStepParams{AccountID: accountID, Step: step, Newest: NewestStep(now)})
	return n == 1, err
}

// openTOTP returns the secret of an account, in the form for apps, and seals it with the current key if it was sealed
// with an older one, so that the older one can be dropped one day.
func (f *Factors) openTOTP(ctx context.Context, q store.Queries, row db.Totp) (string, error) {
	secret, current, err := f.sealer.Inspect(row.Secret, TOTPPlace(row.AccountID))
	if err != nil {
		return "", fmt.Errorf("read the secret of an authenticator app: %w", err)
	}
	if !current {
		sealed, err := f.sealer.Seal(secret, TOTPPlace(row.AccountID))
		if err != nil {
			return "", err
		}
		if err := q.ResealTOTP(ctx, db.ResealTOTPParams{AccountID: row.AccountID, Secret: sealed}); err != nil {
			return "", err
		}
	}
	return TOTPEncoding.EncodeToString(secret), nil
}

// matchStep returns the time step around now to which a code belongs. Steps up to used are used up.
func matchStep(secret, code string, now time.Time, used int64) (int64, bool) {
	code = strings.ReplaceAll(code, " ", "") // apps show two groups of three
	current := now.Unix() / TOTPPeriod
	for step := max(current-TOTPSkew, used+1); step <= current+TOTPSkew; step++ {
		ok, err := hotp.ValidateCustom(code, uint64(step), secret, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && ok {
			return step, true
		}
	}
	return 0, false
}

// NewestStep is the newest time step of an authenticator app that can have been used by now.
func NewestStep(now time.Time) int64 {
	return now.Add(store.Tolerance).Unix()/TOTPPeriod + TOTPSkew
}

// usedStep returns the last step that was used, if it can be believed.
func usedStep(stored int64, now time.Time) int64 {
	if stored > NewestStep(now) {
		return math.MinInt64
	}
	return stored
}
