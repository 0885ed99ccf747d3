package basicauth

import (
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/golang-jwt/jwt/v5"
)

// issuer is who signs access tokens and whom they are for.
const issuer = "or3-cloud"

// maxToken bounds the text of a cookie that is looked at.
const maxToken = 4096

// accessClaims are the claims of an access token (contract, auth §8.1).
type accessClaims struct {
	jwt.RegisteredClaims
	SessionID   string  `json:"sid"`
	Version     *int64  `json:"ver"`
	Type        string  `json:"typ"`
	Email       string  `json:"email"`
	DisplayName *string `json:"display_name"`
	Admitted    bool    `json:"admitted,omitempty"`
}

// Validate implements jwt.ClaimsValidator: a token of another type must never pass for an access token.
func (c *accessClaims) Validate() error {
	if c.Type != "access" || c.Subject == "" || c.SessionID == "" || c.Version == nil {
		return errors.New("not an access token")
	}
	return nil
}

// accessTokens signs and verifies access tokens without I/O.
type accessTokens struct {
	key    []byte
	keyID  string
	now    func() time.Time
	parser *jwt.Parser
	// validator checks again what time may have changed in a token that was verified before.
	validator *jwt.Validator
	verified  verified
}

func newAccessTokens(secret string, now func() time.Time) *accessTokens {
	sum := sha256.Sum256([]byte("or3-cloud access key id:" + secret))
	rules := []jwt.ParserOption{
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(),
		jwt.WithIssuer(issuer), jwt.WithAudience(issuer), jwt.WithTimeFunc(now), jwt.WithStrictDecoding(),
	}
	return &accessTokens{
		key: []byte(secret), keyID: base64.RawURLEncoding.EncodeToString(sum[:6]), now: now,
		parser: jwt.NewParser(rules...), validator: jwt.NewValidator(rules...),
	}
}

// sign returns a token for an identity that expires at a moment, which is cut to whole seconds.
func (a *accessTokens) sign(who identity, expires time.Time) (string, error) {
	c := &accessClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Audience: jwt.ClaimStrings{issuer}, Subject: who.accountID,
			IssuedAt: jwt.NewNumericDate(a.now()), ExpiresAt: jwt.NewNumericDate(expires),
		},
		SessionID: who.sessionID, Version: &who.version, Type: "access", Email: who.email, Admitted: who.admitted,
	}
	if who.displayName != "" {
		c.DisplayName = &who.displayName
	}
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
	t.Header["kid"] = a.keyID
	return t.SignedString(a.key)
}

// verify returns the claims of a valid token, or nil. They are shared and must not be changed.
func (a *accessTokens) verify(token string) *accessClaims {
	if token == "" || len(token) > maxToken {
		return nil
	}
	digest := sha256.Sum256([]byte(token))
	if c := a.verified.get(digest); c != nil {
		if a.validator.Validate(c) != nil {
			return nil
		}
		return c
	}
	c := &accessClaims{}
	_, err := a.parser.ParseWithClaims(token, c, func(t *jwt.Token) (any, error) {
		if t.Header["kid"] != a.keyID {
			return nil, fmt.Errorf("unknown key")
		}
		return a.key, nil
	})
	if err != nil {
		return nil
	}
	a.verified.put(digest, c)
	return c
}

// refreshTokens makes opaque tokens.
type refreshTokens struct{ rand io.Reader }

// generate returns a token of 256 random bits and its fingerprint.
func (t refreshTokens) generate() (token, print string, err error) {
	raw := make([]byte, 32)
	if _, err := io.ReadFull(t.rand, raw); err != nil {
		return "", "", fmt.Errorf("token: %w", err)
	}
	token = base64.RawURLEncoding.EncodeToString(raw)
	return token, fingerprint(token), nil
}

// fingerprint is what is kept of a refresh token (contract, auth §8.1). Tokens are random, so it needs no salt.
func fingerprint(token string) string {
	sum := sha256.Sum256([]byte(token))
	return hex.EncodeToString(sum[:])
}
