package basicauth

import (
	"encoding/json"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf16"
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

// signInBody is the body of sign-in.
type signInBody struct{ email, password string }

func parseSignIn(f fields) (b signInBody, err error) {
	email, okEmail := f.text("email", 1, maxEmail)
	password, okPassword := f.text("password", 1, maxPassword)
	if !okEmail || !okPassword || !validEmail(email) {
		return b, errInvalid()
	}
	return signInBody{normalEmail(email), password}, nil
}

// changePasswordBody is the body of change-password.
type changePasswordBody struct{ current, next string }

func parseChangePassword(f fields, minPassword int) (b changePasswordBody, err error) {
	current, okCurrent := f.text("currentPassword", 1, maxPassword)
	next, okNext := f.text("newPassword", minPassword, maxPassword)
	if !okCurrent || !okNext || f["confirmNewPassword"] != next {
		return b, errInvalid()
	}
	return changePasswordBody{current, next}, nil
}

// registerBody is the body of register; displayName and invite are empty when absent.
type registerBody struct{ email, password, displayName, invite string }

func parseRegister(f fields, minPassword int) (b registerBody, err error) {
	email, okEmail := f.text("email", 1, maxEmail)
	password, okPassword := f.text("password", minPassword, maxPassword)
	if !okEmail || !okPassword || !validEmail(email) || f["confirmPassword"] != password {
		return b, errInvalid()
	}
	b = registerBody{email: normalEmail(email), password: password}
	if v, present := f["displayName"]; present {
		s, ok := v.(string)
		b.displayName = strings.TrimFunc(s, isSpace)
		if n := length(b.displayName); !ok || n < 1 || n > maxDisplayName {
			return registerBody{}, errInvalid()
		}
	}
	if _, present := f["inviteToken"]; present {
		var ok bool
		if b.invite, ok = f.text("inviteToken", 1, maxInvite); !ok {
			return registerBody{}, errInvalid()
		}
	}
	return b, nil
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
