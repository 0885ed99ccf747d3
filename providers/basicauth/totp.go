package basicauth

import (
	"context"
	"encoding/base32"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/pquerna/otp"
	"github.com/pquerna/otp/hotp"
	"github.com/pquerna/otp/totp"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// What every authenticator app understands (RFC 6238): six digits, a new code every thirty seconds, SHA-1, whose
// weakness does not matter in an HMAC, and a secret as long as its digest.
const (
	totpPeriod      = 30
	totpSecretBytes = 20
)

// totpSkew is how many steps the clock of a phone may be off, and how long people may take to type.
const totpSkew = 1

// productName is under what name apps and authenticators list an account.
const productName = "OR3 Cloud"

var totpEncoding = base32.StdEncoding.WithPadding(base32.NoPadding)

// totpPlace is where the secret of an account is sealed for.
func totpPlace(accountID string) string { return "totp " + accountID }

// enrolTOTP is POST /api/basic-auth/totp/enrol. It makes a secret that counts once confirmTOTP has seen a code of it.
func (p *provider) enrolTOTP(c call) error {
	who, err := p.recentlyProven(c)
	if err != nil {
		return err
	}
	secret := make([]byte, totpSecretBytes)
	if _, err := io.ReadFull(p.rand, secret); err != nil {
		return fmt.Errorf("make a secret: %w", err)
	}
	key, err := totp.Generate(totp.GenerateOpts{Issuer: productName, AccountName: who.Email, Secret: secret, Period: totpPeriod})
	if err != nil {
		return err
	}
	sealed, err := p.sealer.Seal(secret, totpPlace(who.ID))
	if err != nil {
		return err
	}
	err = p.as(c.Context(), who, func(q store.Queries, who actor) error {
		n, err := q.EnrolTOTP(c.Context(), db.EnrolTOTPParams{
			AccountID: who.ID, Secret: sealed, SessionID: store.Optional(who.SessionID), Now: p.now().UnixMilli(),
		})
		if err == nil && n == 0 {
			err = refuse.With(or3cloud.CodeConflict, "already_enabled", "An authenticator app is already set up.", nil)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.reply(map[string]string{"secret": key.Secret(), "uri": key.URL()})
}

// confirmTOTP is POST /api/basic-auth/totp/confirm: a code shows that the app has the secret.
func (p *provider) confirmTOTP(c call) error {
	who, f, err := asked(c, p.recentlyProven)
	if err != nil {
		return err
	}
	code, ok := f.Text("code", 1, form.MaxCode)
	if !ok {
		return refuse.Invalid()
	}
	var codes []string
	err = p.as(c.Context(), who, func(q store.Queries, who actor) (err error) {
		codes, err = p.enableTOTP(c.Context(), q, c.Request, who, code)
		return err
	})
	if err != nil {
		return err
	}
	return c.reply(factorAdded{OK: true, RecoveryCodes: codes})
}

// factorAdded is the answer to a new factor; the codes come with the first one.
type factorAdded struct {
	OK            bool           `json:"ok"`
	Passkey       *passkeyAnswer `json:"passkey,omitempty"`
	RecoveryCodes []string       `json:"recoveryCodes,omitempty"`
}

// enableTOTP makes a secret count that the same session has enrolled, if code is one of its codes, which is used up by that.
// It returns recovery codes if this is the first factor.
func (p *provider) enableTOTP(ctx context.Context, q store.Queries, r *or3cloud.Request, who actor, code string) ([]string, error) {
	a := who.account()
	had, err := p.factorsOf(ctx, q, a.ID)
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
	secret, err := p.openTOTP(ctx, q, row)
	if err != nil {
		return nil, err
	}
	step, ok := matchStep(secret, code, p.now(), usedStep(row.LastStep, p.now()))
	if !ok {
		return nil, refuse.Code(nil)
	}
	if _, err := q.ConfirmTOTP(ctx, db.ConfirmTOTPParams{AccountID: a.ID, Step: step, Now: p.now().UnixMilli()}); err != nil {
		return nil, err
	}
	if err := p.letters.RecordAndNotify(ctx, q, r, a, guard.EventTOTPEnabled, letters.NoticeTOTPEnabled, ""); err != nil || had.any() {
		return nil, err
	}
	return p.replaceRecoveryCodes(ctx, q, a.ID)
}

// removeTOTP is POST /api/basic-auth/totp/remove.
func (p *provider) removeTOTP(c call) error {
	who, err := p.recentlyProven(c)
	if err != nil {
		return err
	}
	ctx := c.Context()
	err = p.as(ctx, who, func(q store.Queries, who actor) error {
		n, err := q.DeleteTOTP(ctx, who.ID)
		if err != nil || n == 0 {
			return err
		}
		if err := p.forgetUselessCodes(ctx, q, who.ID); err != nil {
			return err
		}
		return p.letters.RecordAndNotify(ctx, q, c.Request, who.account(), guard.EventTOTPRemoved, letters.NoticeTOTPRemoved, "")
	})
	if err != nil {
		return err
	}
	return c.answer(true)
}

// useTOTP checks a code of an account's authenticator app and uses it up, and with it all codes before it.
func (p *provider) useTOTP(ctx context.Context, q store.Queries, accountID, code string) (bool, error) {
	row, err := q.TOTP(ctx, accountID)
	if store.Absent(err) || err == nil && !row.ConfirmedAt.Valid {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	secret, err := p.openTOTP(ctx, q, row)
	if err != nil {
		return false, err
	}
	now := p.now()
	step, ok := matchStep(secret, code, now, usedStep(row.LastStep, now))
	if !ok {
		return false, nil
	}
	n, err := q.UseTOTPStep(ctx, db.UseTOTPStepParams{AccountID: accountID, Step: step, Newest: newestStep(now)})
	return n == 1, err
}

// openTOTP returns the secret of an account, in the form that apps are given, and seals it with the current key if it was
// sealed with an older one, so that the older one can go one day.
func (p *provider) openTOTP(ctx context.Context, q store.Queries, row db.Totp) (string, error) {
	secret, current, err := p.sealer.Inspect(row.Secret, totpPlace(row.AccountID))
	if err != nil {
		return "", fmt.Errorf("read the secret of an authenticator app: %w", err)
	}
	if !current {
		sealed, err := p.sealer.Seal(secret, totpPlace(row.AccountID))
		if err != nil {
			return "", err
		}
		if err := q.ResealTOTP(ctx, db.ResealTOTPParams{AccountID: row.AccountID, Secret: sealed}); err != nil {
			return "", err
		}
	}
	return totpEncoding.EncodeToString(secret), nil
}

// matchStep returns the time step around now to which a code belongs. Steps up to used are used up.
func matchStep(secret, code string, now time.Time, used int64) (int64, bool) {
	code = strings.ReplaceAll(code, " ", "") // apps show two groups of three
	current := now.Unix() / totpPeriod
	for step := max(current-totpSkew, used+1); step <= current+totpSkew; step++ {
		ok, err := hotp.ValidateCustom(code, uint64(step), secret, hotp.ValidateOpts{Digits: otp.DigitsSix, Algorithm: otp.AlgorithmSHA1})
		if err == nil && ok {
			return step, true
		}
	}
	return 0, false
}
