package host

import (
	"testing"

	"or3.chat/cloud/host/eventsapi"
)

// A page that has changed the name or the address resolves the session next, and must see what it has just written.
func TestAChangedAccountShowsInTheNextSession(t *testing.T) {
	r := startReal(t, eventsapi.Bounds{}, nil)
	p := r.register(t, "ann@example.test")
	p.do("POST", "/api/basic-auth/display-name", `{"displayName":"Ann B."}`, nil)
	p.do("POST", "/api/basic-auth/email", `{"email":"new@example.test"}`, nil)
	var s struct {
		Session struct {
			User struct{ ID, Email, DisplayName string }
		}
	}
	p.do("GET", "/api/auth/session", "", &s)
	if u := s.Session.User; u.ID != p.user || u.Email != "new@example.test" || u.DisplayName != "Ann B." {
		t.Errorf("%+v", u)
	}
}
