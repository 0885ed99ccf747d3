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
// token in place; earlier versions set it on LegacyPath, where a browser would go on sending it first. Below a base path there are
// two of these, and the cookie reaches both.
const (
	AccessCookie  = "or3_access"
	RefreshCookie = "or3_refresh"
	RefreshPath   = "/api"
	LegacyPath    = "/api/basic-auth"
)

// maxCookies is how many cookies of one name are looked at: one for each path, and no flood.
const maxCookies = 4

// SetCookies signs the browser in with a grant that is committed, and the sessions out that made room for it. A grant without
// a refresh token leaves that cookie as it is.
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

// ReplaceAccess sets the access cookie alone. A refresh cookie that the same answer sets, because the request renewed its
// tokens first, stays.
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

// replaceCookies sets cookies in place of those that the same answer has set before: a request that was first
// rotated and then signed out must leave one verdict.
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
