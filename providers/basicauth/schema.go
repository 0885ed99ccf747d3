package basicauth

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"

	or3cloud "or3.chat/cloud"
)

// The lengths of contract auth §8.4, in UTF-16 code units as browsers count them.
const (
	maxEmail       = 320
	maxPassword    = 512
	maxDisplayName = 120
	maxInvite      = 4096
)

// emailSyntax is the part of the contract's e-mail rule that a regular expression can say.
var emailSyntax = regexp.MustCompile(`^[A-Za-z0-9_'+\-.]*[A-Za-z0-9_+\-]@([A-Za-z0-9][A-Za-z0-9\-]*\.)+[A-Za-z]{2,}$`)

func validEmail(s string) bool {
	return length(s) <= maxEmail && emailSyntax.MatchString(s) && !strings.HasPrefix(s, ".") && !strings.Contains(s, "..")
}

// normalEmail is the form in which an address is stored and looked up.
func normalEmail(s string) string { return strings.ToLower(strings.TrimFunc(s, isSpace)) }

// fields is a JSON object as JavaScript sees it: names are compared exactly and of equal ones the last counts.
type fields map[string]any

func parseFields(raw []byte) (fields, error) {
	var f fields
	if err := json.Unmarshal(raw, &f); err != nil || f == nil {
		return nil, errInvalid()
	}
	return f, nil
}

// text returns a member that must be a text of min to max code units.
func (f fields) text(name string, min, max int) (string, bool) {
	s, ok := f[name].(string)
	n := length(s)
	return s, ok && n >= min && n <= max
}

// refuseField is an answer about one malformed field.
func refuseField(code, field, message string) error {
	return refuse(or3cloud.CodeInvalid, code, message, map[string]any{"field": field})
}

func errEmail() error { return refuseField("invalid_email", "email", "Enter a valid email address.") }

// signInBody is the body of sign-in.
type signInBody struct{ email, password string }

func parseSignIn(f fields) (b signInBody, err error) {
	email, okEmail := f.text("email", 1, maxEmail)
	password, okPassword := f.text("password", 1, maxPassword)
	switch {
	case !okEmail || !validEmail(email):
		return b, refuseField("invalid_email", "email", "Invalid request")
	case !okPassword:
		return b, refuseField("invalid_password", "password", "Invalid request")
	}
	return signInBody{normalEmail(email), password}, nil
}

// newPassword returns a password that is given twice. Whether it is good enough is the policy's to say.
func (f fields) newPassword(name, confirm string) (string, error) {
	password, ok := f.text(name, 0, maxPassword)
	switch {
	case !ok:
		return "", refuseField("invalid_password", name, "Enter a password of at most 512 characters.")
	case f[confirm] != password:
		return "", refuseField("passwords_differ", name, "Passwords must match.")
	}
	return password, nil
}

// changePasswordBody is the body of change-password.
type changePasswordBody struct {
	current, next string
	// keepSession asks for a new session in the same answer.
	keepSession bool
}

func parseChangePassword(f fields) (b changePasswordBody, err error) {
	current, ok := f.text("currentPassword", 1, maxPassword)
	if !ok {
		return b, refuseField("invalid_password", "currentPassword", "Invalid request")
	}
	next, err := f.newPassword("newPassword", "confirmNewPassword")
	if err != nil {
		return b, err
	}
	return changePasswordBody{current, next, f["keepSession"] == true}, nil
}

// registerBody is the body of register; displayName and invite are empty when absent.
type registerBody struct{ email, password, displayName, invite string }

func parseRegister(f fields) (b registerBody, err error) {
	email, ok := f.text("email", 1, maxEmail)
	if !ok || !validEmail(email) {
		return b, errEmail()
	}
	b.email = normalEmail(email)
	if b.password, err = f.newPassword("password", "confirmPassword"); err != nil {
		return b, err
	}
	if v, present := f["displayName"]; present {
		if b.displayName, err = displayName(v); err != nil {
			return b, err
		}
	}
	if _, present := f["inviteToken"]; present {
		if b.invite, ok = f.text("inviteToken", 1, maxInvite); !ok {
			return b, refuseField("invalid_request", "inviteToken", "Invalid request")
		}
	}
	return b, nil
}

// displayName returns a name without the space around it.
func displayName(v any) (string, error) {
	s, ok := v.(string)
	s = strings.TrimFunc(s, isSpace)
	if n := length(s); !ok || n < 1 || n > maxDisplayName {
		return "", refuseField("invalid_display_name", "displayName", "Enter a name of at most 120 characters.")
	}
	return s, nil
}

// length counts UTF-16 code units.
func length(s string) int {
	n := 0
	for _, r := range s {
		n += utf16.RuneLen(r)
	}
	return n
}

// isSpace is what a browser's trim removes.
func isSpace(r rune) bool { return r == '\uFEFF' || (unicode.IsSpace(r) && r != '\u0085') }
