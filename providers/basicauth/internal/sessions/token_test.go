package sessions

import (
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"or3.chat/cloud/providers/basicauth/internal/form"
)

func FuzzVerifyAccessToken(f *testing.F) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tokens := NewAccessTokens(func() time.Time { return now }, "secret", "previous")
	good, err := tokens.Sign(Identity{AccountID: "account", SessionID: "session", Email: "a@b.co"}, now.Add(time.Minute))
	if err != nil {
		f.Fatal(err)
	}
	parts := strings.Split(good, ".")
	f.Add(good)
	f.Add("")
	f.Add("..")
	f.Add(parts[0] + "." + parts[1] + ".")
	f.Add(parts[0] + ".e30." + parts[2])
	f.Add("eyJhbGciOiJub25lIn0." + parts[1] + ".")
	f.Add(strings.Repeat("A", form.MaxToken+1))
	f.Fuzz(func(t *testing.T, token string) {
		if c := tokens.Verify(token); c != nil && token != good {
			t.Errorf("%q is accepted as %+v", token, c)
		}
	})
}

func TestAccessTokenEdgeCases(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tokens := NewAccessTokens(func() time.Time { return now }, "secret")
	claims := func() jwt.MapClaims {
		return jwt.MapClaims{
			"iss": issuer, "aud": issuer, "sub": "account", "sid": "session", "ver": 0, "typ": "access", "email": "a@b.co",
			"display_name": nil, "iat": now.Unix(), "exp": now.Add(time.Minute).Unix(),
		}
	}
	sign := func(method jwt.SigningMethod, key any, kid any, c jwt.MapClaims) string {
		tok := jwt.NewWithClaims(method, c)
		if kid != nil {
			tok.Header["kid"] = kid
		}
		s, err := tok.SignedString(key)
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	hs := func(c jwt.MapClaims) string { return sign(jwt.SigningMethodHS256, []byte("secret"), tokens.signID, c) }
	with := func(k string, v any) jwt.MapClaims { c := claims(); c[k] = v; return c }
	without := func(k string) jwt.MapClaims { c := claims(); delete(c, k); return c }

	good := hs(claims())
	if c := tokens.Verify(good); c == nil || c.Subject != "account" || c.SessionID != "session" || *c.Version != 0 {
		t.Fatalf("good token: %+v", c)
	}
	for name, c := range map[string]jwt.MapClaims{
		"a clock that is behind": with("iat", now.Add(ClockSkew).Unix()), "a clock that is ahead": with("exp", now.Add(time.Second-ClockSkew).Unix()),
	} {
		if tokens.Verify(hs(c)) == nil {
			t.Errorf("%s is not allowed for", name)
		}
	}
	parts := strings.Split(good, ".")
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	forged := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), "account", "another", 1)))
	for name, token := range map[string]string{
		"empty":                "",
		"oversized":            strings.Repeat("a", form.MaxToken+1),
		"no dots":              "abc",
		"alg none":             sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, tokens.signID, claims()),
		"alg HS512":            sign(jwt.SigningMethodHS512, []byte("secret"), tokens.signID, claims()),
		"another key":          sign(jwt.SigningMethodHS256, []byte("other"), tokens.signID, claims()),
		"another key id":       sign(jwt.SigningMethodHS256, []byte("secret"), "other", claims()),
		"no key id":            sign(jwt.SigningMethodHS256, []byte("secret"), nil, claims()),
		"key id is not a text": sign(jwt.SigningMethodHS256, []byte("secret"), 5, claims()),
		"expired":              hs(with("exp", now.Add(-ClockSkew).Unix())),
		"issued later":         hs(with("iat", now.Add(ClockSkew+time.Second).Unix())),
		"no expiry":            hs(without("exp")),
		"expiry is text":       hs(with("exp", "tomorrow")),
		"not yet valid":        hs(with("nbf", now.Add(time.Hour).Unix())),
		"foreign issuer":       hs(with("iss", "elsewhere")),
		"no issuer":            hs(without("iss")),
		"foreign audience":     hs(with("aud", "elsewhere")),
		"refresh type":         hs(with("typ", "refresh")),
		"no type":              hs(without("typ")),
		"no subject":           hs(without("sub")),
		"numeric subject":      hs(with("sub", 5)),
		"no session":           hs(without("sid")),
		"no version":           hs(without("ver")),
		"version is text":      hs(with("ver", "0")),
		"version fraction":     hs(with("ver", 0.5)),
		"forged payload":       parts[0] + "." + forged + "." + parts[2],
		"no signature":         parts[0] + "." + parts[1] + ".",
		"padded signature":     good + "=",
	} {
		if c := tokens.Verify(token); c != nil {
			t.Errorf("%s: accepted as %+v", name, c)
		}
	}
}

// A token that was verified before is only checked for what time may have changed, and the result has to be that of a
// full verification.
func TestATokenThatWasVerifiedEndsAsOneThatWasNot(t *testing.T) {
	start := time.Unix(1_771_000_000, 0)
	now := start
	clock := func() time.Time { return now }
	signer := NewAccessTokens(clock, "a secret that is long enough to be one")
	token, err := signer.Sign(Identity{AccountID: "a", SessionID: "s", Version: 1}, start.Add(15*time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	known := NewAccessTokens(clock, "a secret that is long enough to be one")
	if known.Verify(token) == nil {
		t.Fatal("not valid when it was signed")
	}
	for _, edge := range []time.Duration{-ClockSkew, 0, 15 * time.Minute, 15*time.Minute + ClockSkew, -time.Hour, time.Hour} {
		for _, off := range []time.Duration{-time.Second, -1, 0, 1, time.Second} {
			now = start.Add(edge + off)
			fresh := NewAccessTokens(clock, "a secret that is long enough to be one")
			if a, b := known.Verify(token) != nil, fresh.Verify(token) != nil; a != b {
				t.Errorf("%v after it was signed: %v, where it is seen first: %v", edge+off, a, b)
			}
		}
	}
	for name, c := range map[string]*accessClaims{
		"not before": {RegisteredClaims: jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(start.Add(time.Hour)), NotBefore: jwt.NewNumericDate(start.Add(time.Minute))}},
		"no issue":   {RegisteredClaims: jwt.RegisteredClaims{ExpiresAt: jwt.NewNumericDate(start.Add(time.Hour))}},
	} {
		if want := c.NotBefore == nil; c.timely(start) != want || !c.timely(start.Add(2*time.Minute)) {
			t.Errorf("%s: %v", name, c.timely(start))
		}
	}
}
