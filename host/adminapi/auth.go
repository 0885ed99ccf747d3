package adminapi

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/passwd"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/internal/superadmin"
	"or3.chat/cloud/setting"
)

// auth are the endpoints of signing in (contract, workspaces-and-admin §4).
func (a *API) auth() []endpoint {
	return []endpoint{
		{method: http.MethodGet, path: "auth/session", may: admins, proof: readOnly, handle: a.session},
		// A flood of names is a flood of hashes, so sign-ins count against the budget of the administration, too.
		{method: http.MethodPost, path: "auth/login", may: anyone, proof: anOrigin, action: audit.SignIn, limited: true, credentials: true, handle: a.login},
		{method: http.MethodPost, path: "auth/logout", may: anyone, proof: anOrigin, action: audit.SignOut, credentials: true, handle: a.logout},
		{method: http.MethodPost, path: "auth/change-password", proof: anOrigin, action: audit.ChangePassword, credentials: true, handle: a.changePassword},
	}
}

type success struct {
	Success  bool   `json:"success"`
	Username string `json:"username,omitempty"`
}

func (a *API) session(w http.ResponseWriter, _ *http.Request, c *Caller) error {
	return httpapi.WriteJSON(w, http.StatusOK, struct {
		Authenticated bool `json:"authenticated"`
		Kind          Kind `json:"kind"`
	}{true, c.Kind})
}

func (a *API) login(w http.ResponseWriter, r *http.Request, c *Caller) error {
	c.Name, c.bySignIn = "", false // no matter who was signed in before, this is a sign-in of its own
	const incomplete = "Username and password are required"
	var in struct {
		Username string `json:"username"`
		Password string `json:"password"`
	}
	if err := httpapi.ReadJSON(r, &in, incomplete); err != nil {
		return err
	}
	if in.Username == "" || in.Password == "" {
		return or3cloud.Errorf(or3cloud.CodeInvalid, incomplete)
	}
	s, err := a.guess(r, in.Username, func(ctx context.Context) (superadmin.Session, error) {
		return a.opt.SuperAdmin.SignIn(ctx, in.Username, in.Password)
	})
	if err != nil {
		if a.opt.SuperAdmin.Knows(in.Username) {
			c.Target.UserID = in.Username
		}
		return err
	}
	c.Name, c.bySignIn = s.Username, true
	a.keep(w, r, s)
	return httpapi.WriteJSON(w, http.StatusOK, success{Success: true, Username: s.Username})
}

// guess runs something that a wrong password fails, as often as a network may guess the password of a name.
func (a *API) guess(r *http.Request, username string, run func(context.Context) (superadmin.Session, error)) (superadmin.Session, error) {
	network := ratelimit.Network(a.opt.Host.ClientIP(r))
	named := sha256.Sum256([]byte(username)) // what was typed may be a password
	subject := network + ":" + base64.RawURLEncoding.EncodeToString(named[:16])
	// Counted before it has failed, so that many at once get no more tries than one after the other.
	if !a.opt.Unlimited && !a.opt.Limits.TakeOf(ratelimit.AdminLogin, subject, ratelimit.Default(ratelimit.AdminLogin)).Allowed {
		return superadmin.Session{}, or3cloud.Errorf(or3cloud.CodeRateLimited, "Too many login attempts. Please try again later.")
	}
	s, err := run(passwd.WithOrigin(r.Context(), network))
	switch {
	case err == nil:
		a.opt.Limits.Forget(ratelimit.AdminLogin, subject)
	case or3cloud.CodeOf(err) != or3cloud.CodeUnauthenticated: // nothing was said about the password
		a.opt.Limits.Return(ratelimit.AdminLogin, subject)
	}
	return s, err
}

// keep sets the cookie of a session in the browser.
func (a *API) keep(w http.ResponseWriter, r *http.Request, s superadmin.Session) {
	http.SetCookie(w, &http.Cookie{
		Name: superadmin.Cookie, Value: s.Token, Path: "/", MaxAge: int(s.MaxAge / time.Second), HttpOnly: true, SameSite: http.SameSiteStrictMode,
		Secure: a.opt.Config.Bool(setting.ForceHTTPS) || httpapi.IsHTTPS(r),
	})
}

// logout removes the cookie, and the one that the earliest hosts set at the path of their pages.
func (a *API) logout(w http.ResponseWriter, _ *http.Request, _ *Caller) error {
	for _, path := range []string{"/", setting.AdminPages} {
		http.SetCookie(w, &http.Cookie{Name: superadmin.Cookie, Path: path, MaxAge: -1})
	}
	return httpapi.WriteJSON(w, http.StatusOK, success{Success: true})
}

// changePassword ends all sessions, and starts another one in the browser that sent the request.
func (a *API) changePassword(w http.ResponseWriter, r *http.Request, c *Caller) error {
	const incomplete = "Current password and new password are required"
	var in struct {
		CurrentPassword string `json:"currentPassword"`
		NewPassword     string `json:"newPassword"`
	}
	if err := httpapi.ReadJSON(r, &in, incomplete); err != nil {
		return err
	}
	if in.CurrentPassword == "" || in.NewPassword == "" {
		return or3cloud.Errorf(or3cloud.CodeInvalid, incomplete)
	}
	s, err := a.guess(r, c.Name, func(ctx context.Context) (superadmin.Session, error) {
		return a.opt.SuperAdmin.ChangePassword(ctx, in.CurrentPassword, in.NewPassword)
	})
	if err != nil {
		return err
	}
	a.keep(w, r, s)
	return httpapi.WriteJSON(w, http.StatusOK, success{Success: true})
}
