package sessions

import (
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"or3.chat/cloud/providers/basicauth/internal/form"
)

// issuer is both the issuer and the audience of access tokens.
const issuer = "or3-cloud"

// accessClaims are the claims of an access token (contract, auth §8.1).
type accessClaims struct {
	jwt.RegisteredClaims
	SessionID   string  `json:"sid"`
	Version     *int64  `json:"ver"`
	Type        string  `json:"typ"`
	Email       string  `json:"email"`
	DisplayName *string `json:"display_name"`
	Admitted    bool    `json:"admitted,omitempty"`
	Founder     bool    `json:"founder,omitempty"`
	// Generation names the refresh token that the token was issued with.
	Generation string `json:"gen,omitempty"`

	// noted says that the generation was noted as seen.
	noted atomic.Bool
}

// issued is when the token was signed; the zero time if it does not say.
func (c *accessClaims) issued() time.Time {
	if c.IssuedAt == nil {
		return time.Time{}
	}
	return c.IssuedAt.Time
}

func (c *accessClaims) generation() generation { return generation{c.SessionID, c.Generation} }

// Validate implements jwt.ClaimsValidator: a token of another type must never pass for an access token.
func (c *accessClaims) Validate() error {
	if c.Type != "access" || c.Subject == "" || c.SessionID == "" || c.Version == nil {
		return errors.New("not an access token")
	}
	return nil
}

// timely reports whether claims that were verified once are valid at a moment, by the rules of NewAccessTokens (RFC
// 7519 §4.1.4 to §4.1.6).
func (c *accessClaims) timely(now time.Time) bool {
	begun := func(at *jwt.NumericDate) bool { return at == nil || !now.Before(at.Add(-ClockSkew)) }
	return now.Before(c.ExpiresAt.Add(ClockSkew)) && begun(c.IssuedAt) && begun(c.NotBefore)
}

// Identity returns who the claims are about.
func (c *accessClaims) Identity() *Identity {
	who := &Identity{
		AccountID: c.Subject, Email: c.Email, SessionID: c.SessionID, Version: *c.Version, Admitted: c.Admitted, Founder: c.Founder,
		generation: c.Generation,
	}
	if c.DisplayName != nil {
		who.displayName = *c.DisplayName
	}
	return who
}

// ClockSkew is how much clocks may differ: a token is accepted that long after its end, and that long before its
// beginning. One server has one clock, but it may be set back, and a replacement server may have a different one.
const ClockSkew = 5 * time.Second

// AccessTokens signs and verifies access tokens without I/O. The signature proves that the session of a token belongs
// to its account: both come from one row when it is made.
type AccessTokens struct {
	// keys are the keys by id. The one of signID signs; the others were replaced, but tokens of theirs may still be in
	// use.
	keys     map[string][]byte
	signID   string
	now      func() time.Time
	parser   *jwt.Parser
	verified verified
}

// NewAccessTokens takes the secret that signs and those that it replaced.
func NewAccessTokens(now func() time.Time, secret string, previous ...string) *AccessTokens {
	rules := []jwt.ParserOption{
		jwt.WithValidMethods([]string{"HS256"}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(), jwt.WithLeeway(ClockSkew),
		jwt.WithIssuer(issuer), jwt.WithAudience(issuer), jwt.WithTimeFunc(now), jwt.WithStrictDecoding(),
	}
	a := &AccessTokens{
		keys: map[string][]byte{}, signID: keyID(secret), now: now, parser: jwt.NewParser(rules...),
	}
	for _, s := range append(previous, secret) {
		a.keys[keyID(s)] = []byte(s)
	}
	return a
}

// keyID names a key in the header of a token without revealing anything about it.
func keyID(secret string) string {
	sum := sha256.Sum256([]byte("or3-cloud access key id:" + secret))
	return base64.RawURLEncoding.EncodeToString(sum[:6])
}

// Sign returns a token for an identity that expires at a moment, which is cut to whole seconds.
func (a *AccessTokens) Sign(who Identity, expires time.Time) (string, error) {
	c := &accessClaims{
		RegisteredClaims: jwt.RegisteredClaims{
			Issuer: issuer, Audience: jwt.ClaimStrings{issuer}, Subject: who.AccountID,
			IssuedAt: jwt.NewNumericDate(a.now()), ExpiresAt: jwt.NewNumericDate(expires),
		},
		SessionID: who.SessionID, Version: &who.Version, Type: "access", Email: who.Email, Admitted: who.Admitted,
		Founder: who.Founder, Generation: who.generation,
	}
	if who.displayName != "" {
		c.DisplayName = &who.displayName
	}
	t := jwt.NewWithClaims(jwt.SigningMethodHS256, c)
	t.Header["kid"] = a.signID
	return t.SignedString(a.keys[a.signID])
}

// Verify returns the claims of a valid token, or nil. They are shared and must not be changed.
func (a *AccessTokens) Verify(token string) *accessClaims {
	if token == "" || len(token) > form.MaxToken {
		return nil
	}
	digest := digestOf(token)
	if c := a.verified.get(digest); c != nil {
		if !c.timely(a.now()) { // everything else was checked before and does not change
			return nil
		}
		return c
	}
	c := &accessClaims{}
	_, err := a.parser.ParseWithClaims(token, c, func(t *jwt.Token) (any, error) {
		id, _ := t.Header["kid"].(string)
		key, known := a.keys[id]
		if !known {
			return nil, errors.New("unknown key")
		}
		return key, nil
	})
	if err != nil {
		return nil
	}
	a.verified.put(digest, c)
	return c
}
