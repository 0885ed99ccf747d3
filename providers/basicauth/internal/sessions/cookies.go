package sessions

import (
	"net/http"
	"slices"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/form"
)

// The cookies (contract, auth §8.1). The refresh cookie reaches all of /api so that any request can renew its access
// token in place; earlier versions set it on LegacyPath, where a browser would go on sending it first. Below a base
// path there are two of these, and the cookie reaches both.
const (
	AccessCookie  = "or3_access"
	RefreshCookie = "or3_refresh"
	RefreshPath   = "/api"
	LegacyPath    = "/api/basic-auth"
)

// maxCookies is how many cookies of one name are looked at: one for each path, but not a flood.
const maxCookies = 4

// SetCookies signs the browser in with a committed grant, and ends the sessions that the new one displaced. A grant
// without a refresh token leaves that cookie as it is.
func (s *Sessions) SetCookies(r *or3cloud.Request, g *Grant) {
	g.Displaced.Apply(s.Revoked)
	if g.refreshToken == "" {
		s.ReplaceAccess(r, s.Cookie(AccessCookie, "/", g.AccessToken, s.opts.AccessTTL))
		return
	}
	cookies := []*http.Cookie{s.Cookie(AccessCookie, "/", g.AccessToken, s.opts.AccessTTL), s.Cookie(RefreshCookie, LegacyPath, "", 0)}
	if s.opts.BasePath == "" {
		cookies = append(cookies, s.Cookie(RefreshCookie, RefreshPath, g.refreshToken, s.opts.RefreshTTL))
	} else {
		cookies = append(cookies, s.Cookie(RefreshCookie, RefreshPath, "", 0), s.Cookie(RefreshCookie, "/", g.refreshToken, s.opts.RefreshTTL))
	}
	s.replaceCookies(r, cookies...)
}

// ClearCookies signs the browser out.
func (s *Sessions) ClearCookies(r *or3cloud.Request) {
	cookies := []*http.Cookie{s.Cookie(AccessCookie, "/", "", 0), s.Cookie(RefreshCookie, LegacyPath, "", 0), s.Cookie(RefreshCookie, RefreshPath, "", 0)}
	if s.opts.BasePath != "" {
		cookies = append(cookies, s.Cookie(RefreshCookie, "/", "", 0))
	}
	s.replaceCookies(r, cookies...)
}

// ReplaceAccess sets the access cookie alone. A refresh cookie that the same answer already sets, because the request
// renewed its tokens first, stays.
func (s *Sessions) ReplaceAccess(r *or3cloud.Request, cookie *http.Cookie) {
	kept := slices.DeleteFunc(slices.Clone(r.ResponseHeader.Values("Set-Cookie")), func(line string) bool {
		return strings.HasPrefix(line, AccessCookie+"=")
	})
	r.ResponseHeader["Set-Cookie"] = kept
	r.SetCookie(cookie)
}

// Cookie returns a cookie that lives for maxAge; zero deletes it.
func (s *Sessions) Cookie(name, path, value string, maxAge time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: name, Value: value, Path: path, MaxAge: int(maxAge / time.Second),
		HttpOnly: true, Secure: s.opts.Production, SameSite: http.SameSiteLaxMode,
	}
	if maxAge == 0 {
		c.MaxAge = -1
	}
	return c
}

// replaceCookies sets cookies in place of those that the same answer set before: a request that was first rotated and
// then signed out must send one result.
func (s *Sessions) replaceCookies(r *or3cloud.Request, cookies ...*http.Cookie) {
	var kept []string
	for _, line := range r.ResponseHeader.Values("Set-Cookie") {
		if !strings.HasPrefix(line, AccessCookie+"=") && !strings.HasPrefix(line, RefreshCookie+"=") {
			kept = append(kept, line)
		}
	}
	r.ResponseHeader.Del("Set-Cookie")
	for _, line := range kept {
		r.ResponseHeader.Add("Set-Cookie", line)
	}
	for _, c := range cookies {
		r.SetCookie(c)
	}
}

// value returns the value of the only cookie with a name, "" if there is none. usual says that the header has the form
// that browsers give to values like ours; others are left to Values.
func value(r *http.Request, name string) (value string, usual bool) {
	lines := r.Header["Cookie"]
	if len(lines) > 1 {
		return "", false
	}
	found := false
	for _, line := range lines {
		for pair := range strings.SplitSeq(line, ";") {
			text, named := strings.CutPrefix(strings.TrimLeft(pair, " \t"), name)
			if !named || text != "" && isTokenByte(text[0]) { // another name with the same beginning
				continue
			}
			if text, named = strings.CutPrefix(text, "="); !named || found || !isToken(text) {
				return "", false
			}
			value, found = text, true
		}
	}
	return value, true
}

// isToken reports whether a text has only characters of our tokens, which look the same in every way of writing a
// cookie.
func isToken(text string) bool {
	for i := range len(text) {
		if !isTokenByte(text[i]) {
			return false
		}
	}
	return true
}

func isTokenByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '.' || c == '_' || c == '-'
}

// Values returns the values of the first few cookies with a name, without empty ones.
func Values(r *http.Request, name string) []string {
	var out []string
	for _, c := range r.CookiesNamed(name) {
		if c.Value != "" && len(c.Value) <= form.MaxToken && len(out) < maxCookies {
			out = append(out, c.Value)
		}
	}
	return out
}
