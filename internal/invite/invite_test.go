package invite

import (
	"errors"
	"strings"
	"testing"
	"time"
)

const secret = "a secret for tests, long enough"

var at = time.Unix(1_800_000_000, 0)

func sign(t testing.TB, tok Token) string {
	t.Helper()
	text, err := Sign(secret, tok)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestATokenSaysForWhomItIs(t *testing.T) {
	text := sign(t, Token{WorkspaceID: "w", Email: " Guest@Example.test", Expires: at.Add(time.Hour + time.Millisecond)})
	got, err := Parse(secret, text, at)
	if want := (Token{WorkspaceID: "w", Email: "guest@example.test", Expires: at.Add(time.Hour)}); err != nil || got != want {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := Parse(secret, text, at.Add(time.Hour)); !errors.Is(err, ErrExpired) {
		t.Errorf("at the last moment: %v", err)
	}
	if h := Hash(text); len(h) != 64 || h != strings.ToLower(h) || h == Hash(text+"x") {
		t.Error(h)
	}
}

// TestTokensOfTheOtherHost parses a token that was put together by hand after the contract's formula.
func TestTokensOfTheOtherHost(t *testing.T) {
	body := encoding.EncodeToString([]byte(`{"workspaceId":"w","email":"a@b.test","exp":1800000001}`))
	got, err := Parse(secret, body+"."+encoding.EncodeToString(sum(secret, body)), at)
	if err != nil || got.WorkspaceID != "w" || got.Email != "a@b.test" {
		t.Errorf("%+v, %v", got, err)
	}
}

func TestWhatWasNeverSignedIsNotAToken(t *testing.T) {
	good := sign(t, Token{WorkspaceID: "w", Email: "a@b.test", Expires: at.Add(time.Hour)})
	body, _, _ := strings.Cut(good, ".")
	signed := func(text string) string {
		b := encoding.EncodeToString([]byte(text))
		return b + "." + encoding.EncodeToString(sum(secret, b))
	}
	for name, text := range map[string]string{
		"empty": "", "no dot": body, "no signature": body + ".", "two dots": good + ".x", "another body": "x" + good, "padding": good + "=",
		"cut":      good[:len(good)-1],
		"not JSON": signed("x"), "no object": signed("[]"), "no workspace": signed(`{"email":"a@b.test","exp":1900000000}`),
		"blank workspace": signed(`{"workspaceId":"","email":"a@b.test","exp":1900000000}`),
		"no address":      signed(`{"workspaceId":"w","exp":1900000000}`), "blank address": signed(`{"workspaceId":"w","email":" ","exp":1900000000}`),
		"no end": signed(`{"workspaceId":"w","email":"a@b.test"}`), "an end that is text": signed(`{"workspaceId":"w","email":"a@b.test","exp":"1900000000"}`),
		"too long": signed(`{"workspaceId":"w","email":"a@b.test","exp":1900000000,"x":"` + strings.Repeat("x", MaxLength) + `"}`),
	} {
		if _, err := Parse(secret, text, at); !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, other := range []string{"another secret", ""} {
		if _, err := Parse(other, good, at); !errors.Is(err, ErrInvalid) {
			t.Errorf("secret %q: %v", other, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sign(f, Token{WorkspaceID: "w", Email: "a@b.test", Expires: at.Add(time.Hour)}))
	f.Add("..")
	f.Fuzz(func(t *testing.T, text string) {
		tok, err := Parse(secret, text, at)
		if err != nil {
			if tok != (Token{}) {
				t.Errorf("refused, and yet %+v", tok)
			}
			return
		}
		// An accepted token was signed, so signing its content again gives the same token.
		again, err := Parse(secret, sign(t, tok), at)
		if err != nil || again != tok {
			t.Errorf("%+v, %+v, %v", tok, again, err)
		}
	})
}
