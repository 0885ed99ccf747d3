package setting

import (
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	or3cloud "or3.chat/cloud"
)

// OfAdmin reports whether a setting is one of the administration, which is a server's. Behind OR3 Chat's own host these
// are that host's alone, whatever it makes of them, and must keep no engine from starting.
func OfAdmin(name string) bool {
	return slices.ContainsFunc(Host(), func(s or3cloud.Setting) bool { return s.Name == name && s.Group == GroupAdmin })
}

// AdminPages is where clients have their pages for administrators, wherever browsers see them (AdminBasePath).
const AdminPages = "/admin"

// OwnAdminPages is where the built-in pages for administrators are, whatever client there is.
const OwnAdminPages = "/or3/admin"

// defaultAdminSession is how long a super administrator's session lasts if nothing else is said.
const defaultAdminSession = 24 * time.Hour

// longestAdminSession is the most that it may last; browsers keep no cookie for longer (RFC 6265bis §5.5).
const longestAdminSession = 400 * 24 * time.Hour

// AdminSession reads a value of AdminJWTExpiry (contract, env §6): how long a token is good, and how long browsers keep
// its cookie. A bare number is one of milliseconds, with a cookie of a day; so is what does not read as a length, for
// which ok is false, with a token of a day.
func AdminSession(text string) (token, cookie time.Duration, ok bool) {
	unit := map[byte]time.Duration{'s': time.Second, 'm': time.Minute, 'h': time.Hour, 'd': 24 * time.Hour}
	digits, per := text, time.Millisecond
	if n := len(text); n > 0 && unit[text[n-1]] > 0 {
		digits, per = text[:n-1], unit[text[n-1]]
	}
	n, err := strconv.ParseUint(digits, 10, 32)
	if err != nil || n == 0 {
		return defaultAdminSession, defaultAdminSession, false
	}
	token = min(time.Duration(n)*per, longestAdminSession)
	if per == time.Millisecond {
		return max(token, time.Second), defaultAdminSession, true
	}
	return token, token, true
}

const (
	// leastAdminPassword is the length of the shortest password of a super administrator, in characters (contract,
	// workspaces-and-admin §4).
	leastAdminPassword = 12
	// mostAdminPassword is how much of it counts, in bytes: it is kept as a bcrypt hash.
	mostAdminPassword = 72
)

// AdminPasswordLacks says what a new password of the super administrator must have and has not (contract,
// workspaces-and-admin §4); "" if nothing is missing.
func AdminPasswordLacks(password string) string {
	switch {
	case len([]rune(password)) < leastAdminPassword:
		return "at least 12 characters"
	case len(password) > mostAdminPassword:
		return "at most 72 bytes"
	case !strings.ContainsFunc(password, unicode.IsUpper):
		return "an upper-case letter"
	case !strings.ContainsFunc(password, unicode.IsLower):
		return "a lower-case letter"
	case !strings.ContainsFunc(password, unicode.IsDigit):
		return "a digit"
	}
	return ""
}

// checkAdminPassword is the check of AdminPassword.
func checkAdminPassword(text string) (fault, fix string) {
	if lacks := AdminPasswordLacks(text); lacks != "" {
		return "is too weak: it must have " + lacks, "Use at least 12 characters with upper-case and lower-case letters and a digit."
	}
	return "", ""
}
