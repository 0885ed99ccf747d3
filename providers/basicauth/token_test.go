package basicauth

import (
	"crypto/rand"
	"testing"

	"github.com/golang-jwt/jwt/v5"

	"or3.chat/cloud/internal/passwd"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
)

// blockedHasher has one slot, which is taken, and no queue.
func blockedHasher(t *testing.T) *passwd.Hasher {
	t.Helper()
	return passwd.New(rand.Reader, 0, 0)
}

func TestAccessTokenClaimsAreThoseOfTheContract(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	tok, _, err := jwt.NewParser().ParseUnverified(b.value(sessions.AccessCookie), jwt.MapClaims{})
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

// A valid access token costs no I/O: it is accepted although the database is gone.
func TestAccessTokenNeedsNoStore(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	in.p.store.File.Close()
	b.wantSignedIn()
}
