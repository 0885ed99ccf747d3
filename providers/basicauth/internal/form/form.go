// Package form reads what pages send: JSON objects whose members are checked one by one, so that a refusal names the
// field (contract, auth §8.4; docs/accounts-api.md).
package form

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
)

// The lengths of contract auth §8.4, in UTF-16 code units as browsers count them.
const (
	MaxEmail       = 320
	MaxPassword    = 512
	MaxDisplayName = 120
	maxInvite      = 4096
)

// emailSyntax is the part of the contract's e-mail rule that a regular expression can express.
var emailSyntax = regexp.MustCompile(`^[A-Za-z0-9_'+\-.]*[A-Za-z0-9_+\-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$`)

// ValidEmail reports whether a text is an e-mail address by the contract's rule.
func ValidEmail(s string) bool {
	return Length(s) <= MaxEmail && emailSyntax.MatchString(s) && !strings.HasPrefix(s, ".") && !strings.Contains(s, "..")
}

// NormalEmail is the form in which an address is stored and looked up.
func NormalEmail(s string) string { return strings.ToLower(strings.TrimFunc(s, IsSpace)) }

// Fields is a JSON object as JavaScript sees it: names are compared exactly, and the last of equal ones counts.
type Fields map[string]any

// Parse returns the object of a body.
func Parse(raw []byte) (Fields, error) {
	var f Fields
	if err := json.Unmarshal(raw, &f); err != nil || f == nil {
		return nil, refuse.Invalid()
	}
	return f, nil
}

// Text returns a member that must be a string of min to max code units.
func (f Fields) Text(name string, min, max int) (string, bool) {
	s, ok := f[name].(string)
	n := Length(s)
	return s, ok && n >= min && n <= max
}

// SignInBody is the body of sign-in.
type SignInBody struct{ Email, Password string }

// ParseSignIn reads the body of sign-in.
func ParseSignIn(f Fields) (b SignInBody, err error) {
	email, okEmail := f.Text("email", 1, MaxEmail)
	password, okPassword := f.Text("password", 1, MaxPassword)
	switch {
	case !okEmail || !ValidEmail(email):
		return b, refuse.Field("invalid_email", "email", "Invalid request")
	case !okPassword:
		return b, refuse.Field("invalid_password", "password", "Invalid request")
	}
	return SignInBody{NormalEmail(email), password}, nil
}

// NewPassword returns a password that is given twice. Whether it is good enough is up to the policy.
func (f Fields) NewPassword(name, confirm string) (string, error) {
	password, ok := f.Text(name, 0, MaxPassword)
	switch {
	case !ok:
		return "", refuse.Field("invalid_password", name, "Enter a password of at most 512 characters.")
	case f[confirm] != password:
		return "", refuse.Field("passwords_differ", name, "Passwords must match.")
	}
	return password, nil
}

// ChangePasswordBody is the body of change-password.
type ChangePasswordBody struct {
	Current, Next string
	// KeepSession asks for a new session in the same answer.
	KeepSession bool
}

// ParseChangePassword reads the body of change-password.
func ParseChangePassword(f Fields) (b ChangePasswordBody, err error) {
	current, ok := f.Text("currentPassword", 1, MaxPassword)
	if !ok {
		return b, refuse.Field("invalid_password", "currentPassword", "Invalid request")
	}
	next, err := f.NewPassword("newPassword", "confirmNewPassword")
	if err != nil {
		return b, err
	}
	return ChangePasswordBody{current, next, f["keepSession"] == true}, nil
}

// RegisterBody is the body of register; DisplayName and Invite are empty when absent.
type RegisterBody struct{ Email, Password, DisplayName, Invite string }

// ParseRegister reads the body of register.
func ParseRegister(f Fields) (b RegisterBody, err error) {
	email, ok := f.Text("email", 1, MaxEmail)
	if !ok || !ValidEmail(email) {
		return b, refuse.Email()
	}
	b.Email = NormalEmail(email)
	if b.Password, err = f.NewPassword("password", "confirmPassword"); err != nil {
		return b, err
	}
	if v, present := f["displayName"]; present {
		if b.DisplayName, err = DisplayName(v); err != nil {
			return b, err
		}
	}
	if _, present := f["inviteToken"]; present {
		if b.Invite, ok = f.Text("inviteToken", 1, maxInvite); !ok {
			return b, refuse.Field("invalid_request", "inviteToken", "Invalid request")
		}
	}
	return b, nil
}

// DisplayName returns a name without the space around it.
func DisplayName(v any) (string, error) {
	s, ok := v.(string)
	s = strings.TrimFunc(s, IsSpace)
	if n := Length(s); !ok || n < 1 || n > MaxDisplayName {
		return "", refuse.Field("invalid_display_name", "displayName", "Enter a name of at most 120 characters.")
	}
	return s, nil
}

// Length counts UTF-16 code units.
func Length(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// IsSpace is what a browser's trim removes.
func IsSpace(r rune) bool { return r == '\uFEFF' || (unicode.IsSpace(r) && r != '\u0085') }

// MaxToken limits the length of a token, in a body or in a cookie.
const MaxToken = 4096

// Ceremony reads the body that finishes a ceremony.
func (f Fields) Ceremony() (challenge string, credential []byte, err error) {
	challenge, ok := f.Text("challenge", 1, MaxToken)
	if !ok {
		return "", nil, refuse.Invalid()
	}
	credential, err = f.Credential()
	return challenge, credential, err
}

// MaxPasskeyName limits the name of a passkey.
const MaxPasskeyName = 60

// PasskeyName returns the name for a passkey.
func (f Fields) PasskeyName() (string, error) {
	name, ok := f["name"].(string)
	name = strings.TrimFunc(name, IsSpace)
	if n := Length(name); !ok || n < 1 || n > MaxPasskeyName {
		return "", refuse.With(or3cloud.CodeInvalid, "invalid_request", "Invalid request", map[string]any{"field": "name"})
	}
	return name, nil
}

// MaxCode limits what people type as a code.
const MaxCode = 64

// Credential returns the JSON text of an authenticator's answer.
func (f Fields) Credential() ([]byte, error) {
	object, ok := f["credential"].(map[string]any)
	if !ok {
		return nil, refuse.Invalid()
	}
	return json.Marshal(object)
}
