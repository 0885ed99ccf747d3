// Package invite makes and reads the tokens of invites (contract, auth §9). A token says for whom it is and where it leads;
// whether it still counts is decided by the store, which knows its hash.
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

// MaxLength is the length of the longest token in characters.
const MaxLength = 4096

// The ways in which a token fails.
var (
	ErrInvalid = errors.New("invite: invalid token")
	ErrExpired = errors.New("invite: expired token")
)

// Token is what a token says.
type Token struct {
	WorkspaceID string
	// Email is trimmed and in lower case.
	Email string
	// Expires is kept in whole seconds.
	Expires time.Time
}

// claims is a Token on the wire. Pointers tell what is missing from what is empty.
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

// Parse checks the signature of a token and reads it. It answers ErrInvalid for a token that was never signed with this secret,
// and ErrExpired for one whose time is over.
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

// Hash is what is stored of a token: SHA-256 in lower-case hex.
func Hash(token string) string {
	h := sha256.Sum256([]byte(token))
	return hex.EncodeToString(h[:])
}

// NormalEmail is the form in which addresses are compared.
func NormalEmail(email string) string { return strings.ToLower(strings.TrimSpace(email)) }

func sum(secret, body string) []byte {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(body))
	return mac.Sum(nil)
}
