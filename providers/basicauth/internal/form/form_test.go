package form

import (
	"errors"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
)

func TestEmailSyntax(t *testing.T) {
	for email, want := range map[string]bool{
		"a@b.co": true, "A.B+c_d-e'f@sub.example.test": true, "a@1.2.example": true, "a@b-c.test": true, "o'brien@x.ie": true,
		"": false, "a": false, "a@b": false, "@b.co": false, "a@b.c": false, "a@b.c1": false, "a@.co": false,
		".a@b.co": false, "a.@b.co": false, "a..b@c.co": false, "a'@b.co": false, "a@-b.co": false, "a@b..co": false,
		" a@b.co": false, "a@b.co ": false, "a@b.co\n": false, "ä@b.co": false, "a@ä.co": false, "a b@c.co": false,
		`"a"@b.co`: false, "a@b@c.co": false, "a@[127.0.0.1]": false,
		strings.Repeat("a", 314) + "@b.com": true, strings.Repeat("a", 315) + "@b.com": false,
	} {
		if got := ValidEmail(email); got != want {
			t.Errorf("%q: %v", email, got)
		}
	}
}

func TestSignInBody(t *testing.T) {
	for body, want := range map[string]bool{
		`{"email":"a@b.co","password":"x"}`:                                 true,
		`{"email":"a@b.co","password":"x","more":{"a":[1]}}`:                true, // unknown keys are ignored
		`{"email":"a@b.co","password":"` + strings.Repeat("x", 512) + `"}`:  true,
		`{"email":"a@b.co","password":"` + strings.Repeat("x", 513) + `"}`:  false,
		`{"email":"a@b.co","password":"` + strings.Repeat("😀", 256) + `"}`:  true, // two code units each
		`{"email":"a@b.co","password":"` + strings.Repeat("😀", 256) + `x"}`: false,
		`{"email":"a@b.co","password":"\ud800"}`:                            true, // a lone surrogate is text
		`{"email":"a@b.co","password":""}`:                                  false,
		`{"email":"a@b.co"}`:                                                false,
		`{"email":"a@b.co","password":null}`:                                false,
		`{"email":"a@b.co","password":5}`:                                   false,
		`{"email":["a@b.co"],"password":"x"}`:                               false,
		`{"Email":"a@b.co","Password":"x"}`:                                 false, // names are exact
		`{"email":"a@b.co","email":"no","password":"x"}`:                    false, // the last one counts
		`{"email":" a@b.co","password":"x"}`:                                false,
		`[]`:                                                                false, `null`: false, ``: false, `"x"`: false, `{`: false, `{"email":"a@b.co","password":"x"}x`: false,
	} {
		f, err := Parse([]byte(body))
		if err == nil {
			_, err = ParseSignIn(f)
		}
		if (err == nil) != want {
			t.Errorf("%.80s: %v", body, err)
		}
		var refused *or3cloud.Error
		if err != nil && (!errors.As(err, &refused) || refused.Code != or3cloud.CodeInvalid || refused.Message != "Invalid request") {
			t.Errorf("%.80s: %v", body, err)
		}
	}
}

func TestRegisterBody(t *testing.T) {
	const rest = `{"email":"A@b.co","password":"12345678","confirmPassword":"12345678"`
	for body, want := range map[string]string{
		rest + `}`:                                                              "",
		rest + `,"displayName":" Ann \ufeff"}`:                                  "Ann",
		rest + `,"displayName":"\u00a0\u2003"}`:                                 "refused",
		rest + `,"displayName":""}`:                                             "refused",
		rest + `,"displayName":null}`:                                           "refused",
		rest + `,"displayName":"` + strings.Repeat("x", 120) + ` "}`:            strings.Repeat("x", 120),
		rest + `,"displayName":"` + strings.Repeat("x", 121) + `"}`:             "refused",
		rest + `,"inviteToken":null}`:                                           "refused",
		rest + `,"inviteToken":""}`:                                             "refused",
		rest + `,"inviteToken":"` + strings.Repeat("x", 4096) + `"}`:            "",
		rest + `,"inviteToken":"` + strings.Repeat("x", 4097) + `"}`:            "refused",
		`{"email":"a@b.co","password":"12345678","confirmPassword":"12345679"}`: "refused",
		`{"email":"a@b.co","password":"12345678"}`:                              "refused",
	} {
		f, err := Parse([]byte(body))
		if err != nil {
			t.Fatal(err)
		}
		b, err := ParseRegister(f)
		got := b.DisplayName
		if err != nil {
			got = "refused"
		}
		if got != want || (err == nil && b.Email != "a@b.co") {
			t.Errorf("%.100s: %+v, %v", body, b, err)
		}
	}
}
