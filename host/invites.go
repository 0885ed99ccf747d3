package host

import (
	"net/http"
	"strings"
	"time"

	"or3.chat/cloud/httpapi"
)

// keepInvite stores the invite in the address of a page in a cookie, because people sign in before it is needed and
// come back to other addresses. The answer must not be cached: a copy would hand out the cookie again.
func (s *sessions) keepInvite(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if r.Method != http.MethodGet && r.Method != http.MethodHead || !strings.Contains(r.URL.RawQuery, httpapi.InviteParam+"=") {
		return w
	}
	token := r.URL.Query().Get(httpapi.InviteParam)
	expires, ok := s.invites.Expiry(token)
	if !ok {
		return w
	}
	http.SetCookie(w, httpapi.InviteCookie(r, token, int(expires.Sub(s.host.now())/time.Second)))
	return &uncached{ResponseWriter: w}
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
