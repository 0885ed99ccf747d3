package host

import (
	"net/http"
	"net/url"
	"strings"
	"time"

	"or3.chat/cloud/httpapi"
)

// Where the token of an invite travels (contract, auth §9).
const (
	inviteCookie = "or3_invite_token"
	inviteHeader = "X-Or3-Invite-Token"
	inviteParam  = "invite"
)

// inviteToken returns the invite that comes with a request: in a header, in the cookie, in its own address or in that of the
// page that sent it.
func inviteToken(r *http.Request) string {
	token := r.Header.Get(inviteHeader)
	if c, err := r.Cookie(inviteCookie); token == "" && err == nil {
		token = c.Value
	}
	if token == "" {
		token = r.URL.Query().Get(inviteParam)
	}
	if token == "" {
		if page, err := url.Parse(r.Referer()); err == nil {
			token = page.Query().Get(inviteParam)
		}
	}
	return strings.TrimSpace(token)
}

// keepInvite keeps the invite in the address of a page in a cookie, because people sign in before it is needed and come back to
// other addresses. The answer must not be cached: a copy would hand the cookie out again.
func (s *sessions) keepInvite(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !strings.Contains(r.URL.RawQuery, inviteParam+"=") {
		return w
	}
	token := r.URL.Query().Get(inviteParam)
	expires, ok := s.invites.Expiry(token)
	if !ok {
		return w
	}
	http.SetCookie(w, newInviteCookie(r, token, int(expires.Sub(s.host.now())/time.Second)))
	return &uncached{ResponseWriter: w}
}

// newInviteCookie returns the cookie with a value, or one that deletes it if maxAge is negative.
func newInviteCookie(r *http.Request, token string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: inviteCookie, Value: token, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: httpapi.IdentityOf(r).HTTPS, SameSite: http.SameSiteLaxMode,
	}
}

// uncached is an answer that no cache may keep, whatever its handler says.
type uncached struct {
	http.ResponseWriter
	began bool
}

// WriteHeader implements http.ResponseWriter.
func (u *uncached) WriteHeader(status int) {
	u.began = true
	u.Header().Set("Cache-Control", "no-store")
	u.ResponseWriter.WriteHeader(status)
}

// Write implements http.ResponseWriter.
func (u *uncached) Write(p []byte) (int, error) {
	if !u.began {
		u.WriteHeader(http.StatusOK)
	}
	return u.ResponseWriter.Write(p)
}

// Unwrap lets http.ResponseController through.
func (u *uncached) Unwrap() http.ResponseWriter { return u.ResponseWriter }
