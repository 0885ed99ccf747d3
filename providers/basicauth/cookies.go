package basicauth

import (
	"net/http"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/form"
)

// The cookies (contract, auth §8.1). The refresh cookie reaches all of /api so that any request can renew its access
// token in place; earlier versions set it on legacyPath, where a browser would go on sending it first.
const (
	accessCookie  = "or3_access"
	refreshCookie = "or3_refresh"
	refreshPath   = "/api"
	legacyPath    = "/api/basic-auth"
)

// maxCookies is how many cookies of one name are looked at: one for each path, and no flood.
const maxCookies = 4

// setCookies signs the browser in with a grant that is committed, and the sessions out that made room for it. A grant without
// a refresh token leaves that cookie as it is.
func (p *provider) setCookies(r *or3cloud.Request, g *grant) {
	g.displaced.apply(p.revoked)
	if g.refreshToken == "" {
		p.replaceAccess(r, p.cookie(accessCookie, "/", g.accessToken, p.opts.accessTTL))
		return
	}
	p.replaceCookies(r,
		p.cookie(accessCookie, "/", g.accessToken, p.opts.accessTTL),
		p.cookie(refreshCookie, legacyPath, "", 0),
		p.cookie(refreshCookie, refreshPath, g.refreshToken, p.opts.refreshTTL))
}

// clearCookies signs the browser out.
func (p *provider) clearCookies(r *or3cloud.Request) {
	p.replaceCookies(r,
		p.cookie(accessCookie, "/", "", 0),
		p.cookie(refreshCookie, legacyPath, "", 0),
		p.cookie(refreshCookie, refreshPath, "", 0))
}

// cookie returns a cookie that lives for maxAge; zero deletes it.
func (p *provider) cookie(name, path, value string, maxAge time.Duration) *http.Cookie {
	c := &http.Cookie{
		Name: name, Value: value, Path: path, MaxAge: int(maxAge / time.Second),
		HttpOnly: true, Secure: p.opts.production, SameSite: http.SameSiteLaxMode,
	}
	if maxAge == 0 {
		c.MaxAge = -1
	}
	return c
}

// replaceCookies sets cookies in place of those that the same answer has set before: a request that was first
// rotated and then signed out must leave one verdict.
func (p *provider) replaceCookies(r *or3cloud.Request, cookies ...*http.Cookie) {
	var kept []string
	for _, line := range r.ResponseHeader.Values("Set-Cookie") {
		if !strings.HasPrefix(line, accessCookie+"=") && !strings.HasPrefix(line, refreshCookie+"=") {
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

// values returns the values of the first few cookies with a name, without empty ones.
func values(r *http.Request, name string) []string {
	var out []string
	for _, c := range r.CookiesNamed(name) {
		if c.Value != "" && len(c.Value) <= form.MaxToken && len(out) < maxCookies {
			out = append(out, c.Value)
		}
	}
	return out
}
