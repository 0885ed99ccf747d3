package basicauth

import (
	"crypto/rand"
	"encoding/base64"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"or3.chat/cloud/internal/passwd"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/secret"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// blockedHasher has one slot, which is taken, and no line.
func blockedHasher(t *testing.T) *passwd.Hasher {
	t.Helper()
	return passwd.New(rand.Reader, 0, 0)
}

func TestAccessTokenEdgeCases(t *testing.T) {
	now := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	tokens := newAccessTokens(func() time.Time { return now }, "secret")
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
	if c := tokens.verify(good); c == nil || c.Subject != "account" || c.SessionID != "session" || *c.Version != 0 {
		t.Fatalf("good token: %+v", c)
	}
	for name, c := range map[string]jwt.MapClaims{
		"a clock that is behind": with("iat", now.Add(clockSkew).Unix()), "a clock that is ahead": with("exp", now.Add(time.Second-clockSkew).Unix()),
	} {
		if tokens.verify(hs(c)) == nil {
			t.Errorf("%s is not allowed for", name)
		}
	}
	parts := strings.Split(good, ".")
	payload, _ := base64.RawURLEncoding.DecodeString(parts[1])
	forged := base64.RawURLEncoding.EncodeToString([]byte(strings.Replace(string(payload), "account", "another", 1)))
	for name, token := range map[string]string{
		"empty":             "",
		"oversized":         strings.Repeat("a", form.MaxToken+1),
		"no dots":           "abc",
		"alg none":          sign(jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, tokens.signID, claims()),
		"alg HS512":         sign(jwt.SigningMethodHS512, []byte("secret"), tokens.signID, claims()),
		"another key":       sign(jwt.SigningMethodHS256, []byte("other"), tokens.signID, claims()),
		"another key id":    sign(jwt.SigningMethodHS256, []byte("secret"), "other", claims()),
		"no key id":         sign(jwt.SigningMethodHS256, []byte("secret"), nil, claims()),
		"key id is no text": sign(jwt.SigningMethodHS256, []byte("secret"), 5, claims()),
		"expired":           hs(with("exp", now.Add(-clockSkew).Unix())),
		"issued later":      hs(with("iat", now.Add(clockSkew+time.Second).Unix())),
		"no expiry":         hs(without("exp")),
		"expiry is text":    hs(with("exp", "tomorrow")),
		"not yet valid":     hs(with("nbf", now.Add(time.Hour).Unix())),
		"foreign issuer":    hs(with("iss", "elsewhere")),
		"no issuer":         hs(without("iss")),
		"foreign audience":  hs(with("aud", "elsewhere")),
		"refresh type":      hs(with("typ", "refresh")),
		"no type":           hs(without("typ")),
		"no subject":        hs(without("sub")),
		"numeric subject":   hs(with("sub", 5)),
		"no session":        hs(without("sid")),
		"no version":        hs(without("ver")),
		"version is text":   hs(with("ver", "0")),
		"version fraction":  hs(with("ver", 0.5)),
		"forged payload":    parts[0] + "." + forged + "." + parts[2],
		"no signature":      parts[0] + "." + parts[1] + ".",
		"padded signature":  good + "=",
	} {
		if c := tokens.verify(token); c != nil {
			t.Errorf("%s: accepted as %+v", name, c)
		}
	}
}

func TestAccessTokenClaimsAreThoseOfTheContract(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	tok, _, err := jwt.NewParser().ParseUnverified(b.value(accessCookie), jwt.MapClaims{})
	if err != nil {
		t.Fatal(err)
	}
	c := tok.Claims.(jwt.MapClaims)
	for k, want := range map[string]any{
		"iss": "or3-cloud", "typ": "access", "ver": 0.0, "email": "ann@example.test", "display_name": "Ann",
		"iat": float64(in.clock.now().Unix()), "exp": float64(in.clock.now().Unix() + 900),
	} {
		if c[k] != want {
			t.Errorf("%s = %v, want %v", k, c[k], want)
		}
	}
	if tok.Header["alg"] != "HS256" || tok.Header["typ"] != "JWT" || tok.Header["kid"] == nil || c["sub"] == "" || c["sid"] == "" {
		t.Errorf("%v %v", tok.Header, c)
	}
}

func TestSealIsBoundToItsRow(t *testing.T) {
	s, err := secret.NewSealer(rand.Reader, "secret")
	if err != nil {
		t.Fatal(err)
	}
	const token, print = "the token", "the row"
	sealed, err := s.Seal([]byte(token), print)
	if err != nil {
		t.Fatal(err)
	}
	if got, err := s.Open(sealed, print); string(got) != token || err != nil {
		t.Errorf("%q, %v", got, err)
	}
	sealed2 := append([]byte(nil), sealed...)
	sealed2[len(sealed2)-1] ^= 1
	for _, c := range []struct {
		sealed []byte
		print  string
	}{{sealed, "another row"}, {sealed2, print}, {nil, print}, {sealed[:5], print}} {
		if got, err := s.Open(c.sealed, c.print); err == nil {
			t.Errorf("opened as %q", got)
		}
	}
}

// A valid access token costs no I/O: it is believed although the database is gone.
func TestAccessTokenNeedsNoStore(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	in.p.store.File.Close()
	b.wantSignedIn()
}

func TestRevocationsForgetWhatHasExpired(t *testing.T) {
	c := &clock{t: time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)}
	r := newRevocations(store.NewClock(c.now))
	version := func(v int64) *int64 { return &v }
	token := &accessClaims{SessionID: "s", Version: version(1)}
	token.Subject = "a"
	if !r.permit(token) {
		t.Error("refused without a reason")
	}
	r.revokeSession("s", c.now().Add(time.Minute))
	if r.permit(token) {
		t.Error("a revoked session is permitted")
	}
	token.SessionID = "t"
	r.raiseVersion("a", 2, c.now().Add(time.Minute))
	if r.permit(token) {
		t.Error("an old version is permitted")
	}
	token.Version = version(2)
	if !r.permit(token) {
		t.Error("the current version is refused")
	}
	c.advance(2 * time.Minute)
	r.revokeSession("u", c.now().Add(time.Minute))
	if len(r.sessions) != 1 || len(r.accounts) != 0 {
		t.Errorf("%d sessions, %d accounts remembered", len(r.sessions), len(r.accounts))
	}
}
