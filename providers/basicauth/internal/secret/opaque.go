// Package secret makes tokens of which the database keeps only a fingerprint, because they only have to be recognised.
package secret

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
)

// Opaque makes opaque tokens.
type Opaque struct{ Rand io.Reader }

// Generate returns a token of 256 random bits and its fingerprint.
func (t Opaque) Generate() (token, print string, err error) {
	raw := make([]byte, 32)
	if _, err := io.ReadFull(t.Rand, raw); err != nil {
		return "", "", fmt.Errorf("token: %w", err)
	}
	token = base64.RawURLEncoding.EncodeToString(raw)
	return token, Fingerprint(token), nil
}

// Fingerprint is what is kept of a refresh token (contract, auth §8.1). Tokens are random, so no salt is needed.
func Fingerprint(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
