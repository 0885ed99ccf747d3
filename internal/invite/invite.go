// Package invite makes and parses the tokens of invites (contract, auth §9). A token says whom it is for and where it
// leads. The store, which knows its hash, decides whether it is still valid.
package invite

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"strings"
	"time"
)

// MaxLength is the largest length of a token in characters.
const MaxLength = 4096

// The ways in which a token can fail.
var (
	ErrInvalid = errors.New("invite: invalid token")
	ErrExpired = errors.New("invite: expired token")
)

// Token is the content of a token.
type Token struct {
	WorkspaceID string
	// Email is trimmed and in lower case.
	Email string
	// Expires is kept in whole seconds.
	Expires time.Time
}

// claims is a Token on the wire. Pointers distinguish missing from empty members.
type claims struct {
	WorkspaceID *string `json:"workspaceId"`
	Email       *string `json:"email"`
	Expires     *int64  `json:"exp"`
}

var encoding = base64.RawURLEncoding.Strict()

// Sign returns the text of a token.
func Sign(secret string, t Token) (string, error) {
	email, expires := NormalEmail(t.Email), t.Expires.Unix()
	text, err := json.Marshal(claims{&t.WorkspaceID, &email, &expires})
	if err != nil {
		return "", err
	}
	body := encoding.EncodeToString(text)
	return body + "." + encoding.EncodeToString(sum(secret, body)), nil
}

// Parse verifies the signature of a token and parses it. It returns ErrInvalid if the token was not signed with this
// secret, and ErrExpired if it has expired.
func Parse(secret, token string, now time.Time) (Token, error) {
	body, signature, ok := strings.Cut(token, ".")
	mac, err := encoding.DecodeString(signature)
	if !ok || len(token) > MaxLength || err != nil || secret == "" || !hmac.Equal(mac, sum(secret, body)) {
		return Token{}, ErrInvalid
	}
	text, err := encoding.DecodeString(body)
	if err != nil {
		return Token{}, ErrInvalid
	}
	var c claims
	if err := json.Unmarshal(text, &c); err != nil || c.WorkspaceID == nil || *c.WorkspaceID == "" || c.Email == nil || c.Expires == nil {
		return Token{}, ErrInvalid
	}
	t := Token{WorkspaceID: *c.WorkspaceID, Email: NormalEmail(*c.Email), Expires: time.Unix(*c.Expires, 0)}
	if t.Email == "" {
		return Token{}, ErrInvalid
	}
	if !now.Before(t.Expires) {
		return Token{}, ErrExpired
	}
	return t, nil
}

// Hash returns what is stored of a token: its SHA-256 in lower-case hex.
func Hash(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

// NormalEmail returns the form in which addresses are compared.
func NormalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func sum(secret, body string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return mac.Sum(nil)
}
