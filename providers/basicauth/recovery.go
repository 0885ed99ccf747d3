package basicauth

import (
	"context"
	"encoding/base32"
	"fmt"
	"io"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/secret"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Recovery codes are 120 random bits each: long enough that a plain digest protects them (ASVS 5.0, 6.5.2 wants 112).
const (
	recoveryCodes     = 10
	recoveryCodeBytes = 15
	recoveryCodeGroup = 6
)

// recoveryAlphabet has no letters that are mistaken for digits or for each other.
var recoveryAlphabet = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// replaceRecoveryCodes gives an account new recovery codes, which makes the old ones worthless, and returns them as they
// are shown, once.
func (p *provider) replaceRecoveryCodes(ctx context.Context, q store.Queries, accountID string) ([]string, error) {
	if err := q.DeleteRecoveryCodes(ctx, accountID); err != nil {
		return nil, err
	}
	codes := make([]string, recoveryCodes)
	for i := range codes {
		raw := make([]byte, recoveryCodeBytes)
		if _, err := io.ReadFull(p.rand, raw); err != nil {
			return nil, fmt.Errorf("make a recovery code: %w", err)
		}
		code := recoveryAlphabet.EncodeToString(raw)
		err := q.InsertRecoveryCode(ctx, db.InsertRecoveryCodeParams{AccountID: accountID, Fingerprint: secret.Fingerprint(code)})
		if err != nil {
			return nil, err
		}
		codes[i] = groups(code)
	}
	return codes, nil
}

// useRecoveryCode uses a recovery code up and reports whether it was one: of parallel uses one succeeds.
func (p *provider) useRecoveryCode(ctx context.Context, q store.Queries, accountID, typed string) (bool, error) {
	n, err := q.UseRecoveryCode(ctx, db.UseRecoveryCodeParams{AccountID: accountID, Fingerprint: secret.Fingerprint(plainRecoveryCode(typed))})
	return n == 1, err
}

// groups writes a code so that people can copy it from paper.
func groups(code string) string {
	var parts []string
	for ; len(code) > recoveryCodeGroup; code = code[recoveryCodeGroup:] {
		parts = append(parts, code[:recoveryCodeGroup])
	}
	return strings.Join(append(parts, code), "-")
}

// plainRecoveryCode undoes what people do to a code on its way from paper: case, spaces, dashes, and the letters that look
// like digits.
func plainRecoveryCode(typed string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == 'O':
			return '0'
		case r == 'I', r == 'L':
			return '1'
		case r == '-', r == '–', form.IsSpace(r):
			return -1
		}
		return r
	}, strings.ToUpper(typed))
}

// renewRecoveryCodes is POST /api/basic-auth/recovery-codes.
func (p *provider) renewRecoveryCodes(c call) error {
	who, err := p.recentlyProven(c)
	if err != nil {
		return err
	}
	var codes []string
	err = p.as(c.Context(), who, func(q store.Queries, who actor) error {
		had, err := p.factorsOf(c.Context(), q, who.ID)
		if err != nil {
			return err
		}
		if !had.any() {
			return refuse.With(or3cloud.CodeInvalid, "invalid_request", "Set up a second factor first.", nil)
		}
		if codes, err = p.replaceRecoveryCodes(c.Context(), q, who.ID); err != nil {
			return err
		}
		return p.letters.RecordAndNotify(c.Context(), q, c.Request, who.account(), guard.EventRecoveryRenewed, letters.NoticeRecoveryRenewed, "")
	})
	if err != nil {
		return err
	}
	return c.reply(map[string]any{"recoveryCodes": codes})
}
