package basicauth

import (
	"strings"
	"testing"

	"or3.chat/cloud/providers/basicauth/internal/form"
)

func TestMinimumPasswordLengthIsConfigurable(t *testing.T) {
	in := openTest(t, config{settingMinPassword: "12"})
	short := strings.ReplaceAll(registration("ann@example.test"), password, "12345678901")
	in.browser().post("register", short).want(t, 400, "Password must be at least 12 characters.")
	b := in.signedIn("ann@example.test")
	b.post("change-password", strings.ReplaceAll(change, "a new password", "12345678901")).want(t, 400, "Password must be at least 12 characters.")
}

func FuzzParseFields(f *testing.F) {
	f.Add([]byte(registration("ann@example.test")))
	f.Add([]byte(change))
	f.Add([]byte(`{"email":"\ud800@b.co","password":"\udc00"}`))
	f.Fuzz(func(t *testing.T, raw []byte) {
		fields, err := form.Parse(raw)
		if err != nil {
			return
		}
		if b, err := form.ParseRegister(fields); err == nil {
			if n := form.Length(b.Password); n > form.MaxPassword || b.Email != form.NormalEmail(b.Email) || !form.ValidEmail(b.Email) {
				t.Errorf("%q passed as %+v", raw, b)
			}
		}
		_, _ = form.ParseSignIn(fields)
		_, _ = form.ParseChangePassword(fields)
	})
}
