package signed

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"
)

var start = time.Date(2026, 2, 14, 12, 0, 0, 0, time.UTC)

func at(t time.Time) func() time.Time { return func() time.Time { return t } }

func example() Claims {
	return Claims{
		Operation: "upload", Workspace: "ws", User: "user", Hash: "sha256:ab", Size: 42, MIME: "image/png",
		Disposition: "inline", Filename: "é.png", Expires: start.Add(time.Minute),
	}
}

func signer(t testing.TB, purpose string, now time.Time, secrets ...string) *Signer {
	t.Helper()
	s, err := New(purpose, at(now), time.Hour, secrets[0], secrets[1:]...)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func sign(t testing.TB, s *Signer, c Claims) string {
	t.Helper()
	token, err := s.Sign(c)
	if err != nil {
		t.Fatal(err)
	}
	return token
}

func TestRoundTrip(t *testing.T) {
	s := signer(t, "p", start, "secret")
	for _, c := range []Claims{example(), {Expires: start.Add(time.Hour)}} {
		got, err := s.Verify(sign(t, s, c))
		if err != nil || !got.Expires.Equal(c.Expires) {
			t.Fatalf("Verify = %+v, %v", got, err)
		}
		got.Expires = c.Expires
		if got != c {
			t.Fatalf("got %+v, want %+v", got, c)
		}
	}
}

func TestTokenIsURLSafe(t *testing.T) {
	token := sign(t, signer(t, "p", start, "secret"), example())
	if strings.Trim(token, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "" {
		t.Fatalf("token %q needs escaping", token)
	}
}

func TestExpiryIsExclusive(t *testing.T) {
	token := sign(t, signer(t, "p", start, "secret"), example())
	last := start.Add(time.Minute - time.Millisecond)
	if _, err := signer(t, "p", last, "secret").Verify(token); err != nil {
		t.Fatalf("a millisecond before: %v", err)
	}
	if _, err := signer(t, "p", start.Add(time.Minute), "secret").Verify(token); !errors.Is(err, ErrExpired) {
		t.Fatalf("at the expiry: %v", err)
	}
}

// A token that is valid for too long was made while the clock was ahead. Once the clock is right, it is refused.
func TestTokensOfAClockThatWasAheadAreRefused(t *testing.T) {
	ahead := example()
	ahead.Expires = start.AddDate(10, 0, 0)
	token := sign(t, signer(t, "p", start, "secret"), ahead)
	if _, err := signer(t, "p", start, "secret").Verify(token); !errors.Is(err, ErrExpired) {
		t.Errorf("at once: %v", err)
	}
	nearly := example()
	nearly.Expires = start.Add(time.Hour + skew)
	if _, err := signer(t, "p", start, "secret").Verify(sign(t, signer(t, "p", start, "secret"), nearly)); err != nil {
		t.Errorf("a clock that was corrected a little: %v", err)
	}
}

func TestKeysRotate(t *testing.T) {
	old := sign(t, signer(t, "p", start, "old"), example())
	for name, tc := range map[string]struct {
		s  *Signer
		ok bool
	}{
		"previous secret known":  {signer(t, "p", start, "new", "old"), true},
		"previous secret gone":   {signer(t, "p", start, "new"), false},
		"empty previous skipped": {signer(t, "p", start, "old", ""), true},
		"another purpose":        {signer(t, "q", start, "old"), false},
	} {
		if _, err := tc.s.Verify(old); (err == nil) != tc.ok {
			t.Errorf("%s: %v", name, err)
		}
	}
	if fresh := sign(t, signer(t, "p", start, "new", "old"), example()); fresh == old {
		t.Error("the previous secret still signs")
	}
}

func TestEmptySecretIsRefused(t *testing.T) {
	if _, err := New("p", at(start), time.Hour, ""); err == nil {
		t.Fatal("no error")
	}
}

func TestEveryChangedBitIsRefused(t *testing.T) {
	s := signer(t, "p", start, "secret")
	raw, _ := base64.RawURLEncoding.DecodeString(sign(t, s, example()))
	for i := range raw {
		for bit := range 8 {
			raw[i] ^= 1 << bit
			if _, err := s.Verify(base64.RawURLEncoding.EncodeToString(raw)); !errors.Is(err, ErrInvalid) {
				t.Fatalf("byte %d bit %d: %v", i, bit, err)
			}
			raw[i] ^= 1 << bit
		}
	}
}

func TestShiftedFieldsDifferInTheMAC(t *testing.T) {
	s := signer(t, "p", start, "secret")
	a, b := example(), example()
	a.Workspace, a.User = "ab", "c"
	b.Workspace, b.User = "a", "bc"
	if sign(t, s, a) == sign(t, s, b) {
		t.Fatal("two meanings, one token")
	}
	tokenA, _ := base64.RawURLEncoding.DecodeString(sign(t, s, a))
	tokenB, _ := base64.RawURLEncoding.DecodeString(sign(t, s, b))
	mixed := append(tokenB[:len(tokenB)-macSize:len(tokenB)-macSize], tokenA[len(tokenA)-macSize:]...)
	if _, err := s.Verify(base64.RawURLEncoding.EncodeToString(mixed)); !errors.Is(err, ErrInvalid) {
		t.Fatalf("MAC of the shifted fields accepted: %v", err)
	}
}

func TestOneContentHasOneSpelling(t *testing.T) {
	s := signer(t, "p", start, "secret")
	token := sign(t, s, example())
	for _, other := range []string{"", "=", token + "=", token + "\n", token[:8] + "\r\n" + token[8:], " " + token,
		token[1:], token[:len(token)-1], strings.ToUpper(token), strings.Repeat("A", MaxLength+1)} {
		if _, err := s.Verify(other); !errors.Is(err, ErrInvalid) {
			t.Errorf("%.20q…: %v", other, err)
		}
	}
}

func TestClaimsThatDoNotFitAreRefused(t *testing.T) {
	s := signer(t, "p", start, "secret")
	for name, change := range map[string]func(*Claims){
		"long field":    func(c *Claims) { c.Filename = strings.Repeat("x", maxField+1) },
		"long token":    func(c *Claims) { c.Filename = strings.Repeat("x", maxField); c.MIME = c.Filename },
		"negative size": func(c *Claims) { c.Size = -1 },
		"no expiry":     func(c *Claims) { c.Expires = time.Time{} },
	} {
		c := example()
		change(&c)
		if _, err := s.Sign(c); err == nil {
			t.Errorf("%s: signed", name)
		}
	}
}

func FuzzVerify(f *testing.F) {
	s := signer(f, "p", start, "secret")
	f.Add(sign(f, s, example()))
	f.Add("")
	f.Add("AQAAAAA")
	f.Fuzz(func(t *testing.T, token string) {
		c, err := s.Verify(token)
		if err != nil {
			return
		}
		// A token that verifies was made by Sign from exactly these claims.
		again, err := s.Sign(c)
		if err != nil || again != token {
			t.Fatalf("%q verifies as %+v, which signs as %q, %v", token, c, again, err)
		}
	})
}

func FuzzParseClaims(f *testing.F) {
	raw, err := appendClaims(nil, example())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(raw)
	f.Fuzz(func(t *testing.T, b []byte) {
		c, ok := parseClaims(b)
		if !ok {
			return
		}
		again, err := appendClaims(nil, c)
		if err == nil && string(again) != string(b) {
			t.Fatalf("%x parses to %+v, which encodes to %x", b, c, again)
		}
	})
}
