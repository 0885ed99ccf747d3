package httpapi

import (
	"net/http"
	"net/url"
	"strings"
)

// Where a request carries the token of an invite (contract, auth §9).
const (
	inviteCookie = "or3_invite_token"
	inviteHeader = "X-Or3-Invite-Token"
	// InviteParam is the query parameter of a page.
	InviteParam = "invite"
)

// InviteToken returns the invite of a request. It looks in a header, the cookie, the request's own URL and the URL of
// the page that sent it.
func InviteToken(r *http.Request) string {
	token := r.Header.Get(inviteHeader)
	if c, err := r.Cookie(inviteCookie); token == "" && err == nil {
		token = c.Value
	}
	if token == "" {
		token = r.URL.Query().Get(InviteParam)
	}
	if token == "" {
		if page, err := url.Parse(r.Referer()); err == nil {
			token = page.Query().Get(InviteParam)
		}
	}
	return strings.TrimSpace(token)
}

// InviteCookie returns the cookie with a value, or one that deletes it if maxAge is negative.
func InviteCookie(r *http.Request, token string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: inviteCookie, Value: token, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: IdentityOf(r).HTTPS, SameSite: http.SameSiteLaxMode,
	}
}
