package factors

import (
	"context"
	"encoding/base32"
	"fmt"
	"io"
	"strings"

	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/secret"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Recovery codes are 120 random bits each: long enough that a plain digest protects them (ASVS 5.0, 6.5.2 wants 112).
const (
	RecoveryCodes     = 10
	recoveryCodeBytes = 15
	recoveryCodeGroup = 6
)

// recoveryAlphabet has no letters that are mistaken for digits or for each other.
var recoveryAlphabet = base32.NewEncoding("0123456789ABCDEFGHJKMNPQRSTVWXYZ").WithPadding(base32.NoPadding)

// ReplaceRecoveryCodes gives an account new recovery codes, which makes the old ones worthless, and returns them as
// they are shown, once.
func (f *Factors) ReplaceRecoveryCodes(ctx context.Context, q store.Queries, accountID string) ([]string, error) {
	if err := q.DeleteRecoveryCodes(ctx, accountID); err != nil {
		return nil, err
	}
	codes := make([]string, RecoveryCodes)
	for i := range codes {
		raw := make([]byte, recoveryCodeBytes)
		if _, err := io.ReadFull(f.rand, raw); err != nil {
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

// useRecoveryCode uses up a recovery code and reports whether it was one: of parallel uses one succeeds.
func (f *Factors) useRecoveryCode(ctx context.Context, q store.Queries, accountID, typed string) (bool, error) {
	n, err := q.UseRecoveryCode(ctx, db.UseRecoveryCodeParams{AccountID: accountID, Fingerprint: secret.Fingerprint(PlainRecoveryCode(typed))})
	return n == 1, err
}

// groups formats a code so that people can copy it from paper.
func groups(code string) string {
	var parts []string
	for ; len(code) > recoveryCodeGroup; code = code[recoveryCodeGroup:] {
		parts = append(parts, code[:recoveryCodeGroup])
	}
	return strings.Join(append(parts, code), "-")
}

// PlainRecoveryCode undoes what people do to a code when they copy it from paper: case, spaces, dashes, and letters
// that look like digits.
func PlainRecoveryCode(typed string) string {
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
