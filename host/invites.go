package host

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/httpx"
	"or3.chat/cloud/internal/invite"
)

// The registration modes (contract, auth §9); the third, "open", lets everybody in and ignores invites.
const (
	registrationInvite   = "invite_only"
	registrationDisabled = "disabled"
)

const (
	inviteSecret = "OR3_AUTH_INVITE_TOKEN_SECRET"
	inviteTTL    = "OR3_AUTH_INVITE_TOKEN_TTL_SECONDS"
	// minInviteTTL is what shorter settings count as.
	minInviteTTL = 60

	inviteCookie = "or3_invite_token"
	inviteHeader = "X-Or3-Invite-Token"
	inviteParam  = "invite"
)

// Invites makes invites and says whom they admit (contract, auth §9).
type Invites struct {
	mode   string
	secret string               // empty if none is configured and none may be generated
	store  or3cloud.InviteStore // nil if the workspace store keeps no invites
	ttl    time.Duration
	now    func() time.Time
}

func (h *Host) newInvites(store or3cloud.AuthWorkspaceStore) (*Invites, error) {
	cfg := h.opt.Config
	in := &Invites{
		mode: cfg.String("OR3_AUTH_REGISTRATION_MODE"), secret: cfg.String(inviteSecret), now: h.opt.Now,
		ttl: httpx.Duration(max(cfg.Int(inviteTTL), minInviteTTL), time.Second),
	}
	in.store, _ = store.(or3cloud.InviteStore)
	if in.mode != registrationInvite || h.opt.Strict || h.opt.Secret == nil {
		return in, nil
	}
	var err error
	in.secret, err = h.opt.Secret(inviteSecret)
	return in, err
}

// Create makes an invite and returns its token, which is kept nowhere. lifetime 0 is the configured one.
func (in *Invites) Create(ctx context.Context, workspaceID, email string, role or3cloud.Role, lifetime time.Duration) (token string, expires time.Time, err error) {
	switch {
	case in.mode != registrationInvite:
		return "", expires, or3cloud.Errorf(or3cloud.CodeConflict,
			"invites are ignored while the registration mode is %q; set OR3_AUTH_REGISTRATION_MODE=invite_only and start the server anew", in.mode)
	case in.store == nil:
		return "", expires, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store keeps no invites")
	case in.secret == "":
		return "", expires, or3cloud.Errorf(or3cloud.CodeConflict, "%s is not set; set it to the output of openssl rand -base64 32", inviteSecret)
	}
	expires = in.now().Add(cmp.Or(lifetime, in.ttl)).Truncate(time.Second)
	if token, err = invite.Sign(in.secret, invite.Token{WorkspaceID: workspaceID, Email: email, Expires: expires}); err != nil {
		return "", expires, err
	}
	_, err = in.store.CreateInvite(ctx, or3cloud.Invite{
		WorkspaceID: workspaceID, Email: invite.NormalEmail(email), Role: role, TokenHash: invite.Hash(token), ExpiresAt: expires,
	})
	return token, expires, err
}

// The answers to people without a fitting invite, with the codes of docs/accounts-api.md.
func errInviteRequired() error {
	return inviteRefusal("invite_required", "A valid invite is required to register.")
}
func errInviteInvalid() error {
	return inviteRefusal("invite_invalid", "Invite token is invalid or expired.")
}
func errNoRegistration() error {
	return inviteRefusal("registration_disabled", "Registration is currently disabled. Please contact an administrator.")
}

func inviteRefusal(code, message string) error {
	return &or3cloud.Error{Code: or3cloud.CodeForbidden, Message: message, Data: map[string]any{"code": code}}
}

// errNoInvites is for a server that cannot read invites, which is its operator's fault and not the guest's.
func errNoInvites(cause string) error {
	return or3cloud.Unavailable(errors.New(cause), "Invite-only registration is temporarily unavailable.", 30*time.Second)
}

// read decides, in the contract's order, what a token says for email in the mode invite_only.
func (in *Invites) read(token, email string) (invite.Token, error) {
	switch {
	case in.store == nil:
		return invite.Token{}, errNoInvites("the workspace store keeps no invites")
	case token == "":
		return invite.Token{}, errInviteRequired()
	case in.secret == "":
		return invite.Token{}, errNoInvites(inviteSecret + " is not set")
	}
	t, err := invite.Parse(in.secret, token, in.now())
	if err != nil || t.Email != invite.NormalEmail(email) {
		return invite.Token{}, errInviteInvalid()
	}
	return t, nil
}

// check says whether a token lets email register, and uses nothing up.
func (in *Invites) check(ctx context.Context, token, email string) error {
	switch in.mode {
	case registrationDisabled:
		return errNoRegistration()
	case registrationInvite:
	default:
		return nil
	}
	t, err := in.read(token, email)
	if err != nil {
		return err
	}
	_, refusal, err := in.store.ValidateInvite(ctx, t.WorkspaceID, t.Email, invite.Hash(token))
	if err == nil && refusal != "" {
		err = errInviteInvalid()
	}
	return err
}

// accept creates the user of an identity as a member of the workspace that the token leads to.
func (in *Invites) accept(ctx context.Context, id or3cloud.ExternalIdentity, token string) (userID string, err error) {
	t, err := in.read(token, id.Email)
	if err != nil {
		return "", err
	}
	userID, refusal, err := in.store.AcceptInvite(ctx, id, t.WorkspaceID, invite.Hash(token))
	if err == nil && refusal != "" {
		err = errInviteInvalid()
	}
	return userID, err
}

// describe says what a token is good for, to whoever holds it.
func (in *Invites) describe(ctx context.Context, token string) (d or3cloud.InviteDetails, refusal or3cloud.InviteRefusal, err error) {
	switch {
	case in.mode != registrationInvite:
		return d, or3cloud.InviteNotFound, nil
	case in.store == nil:
		return d, "", errNoInvites("the workspace store keeps no invites")
	case in.secret == "":
		return d, "", errNoInvites(inviteSecret + " is not set")
	}
	t, err := invite.Parse(in.secret, token, in.now())
	switch {
	case errors.Is(err, invite.ErrExpired):
		return d, or3cloud.InviteHasExpired, nil
	case err != nil:
		return d, or3cloud.InviteNotFound, nil
	}
	if describer, ok := in.store.(or3cloud.InviteDescriber); ok {
		return describer.DescribeInvite(ctx, t.WorkspaceID, t.Email, invite.Hash(token))
	}
	d = or3cloud.InviteDetails{Email: t.Email, ExpiresAt: t.Expires}
	if d.Role, refusal, err = in.store.ValidateInvite(ctx, t.WorkspaceID, t.Email, invite.Hash(token)); refusal != "" {
		d = or3cloud.InviteDetails{}
	}
	return d, refusal, err
}

// DescribeInvite implements or3cloud.HostServices.
func (h *Host) DescribeInvite(ctx context.Context, token string) (or3cloud.InviteDetails, or3cloud.InviteRefusal, error) {
	run := h.running.Load()
	if run == nil || run.sessions == nil {
		return or3cloud.InviteDetails{}, "", or3cloud.Unavailable(nil, "Service Unavailable", time.Second)
	}
	return run.sessions.invites.describe(ctx, token)
}

// CheckInvite implements or3cloud.HostServices.
func (h *Host) CheckInvite(ctx context.Context, token, email string) error {
	run := h.running.Load()
	if run == nil || run.sessions == nil {
		return or3cloud.Unavailable(nil, "Service Unavailable", time.Second)
	}
	return run.sessions.invites.check(ctx, token, email)
}

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
func (in *Invites) keepInvite(w http.ResponseWriter, r *http.Request) http.ResponseWriter {
	if in.mode != registrationInvite || r.Method != http.MethodGet && r.Method != http.MethodHead || !strings.Contains(r.URL.RawQuery, inviteParam+"=") {
		return w
	}
	token := r.URL.Query().Get(inviteParam)
	t, err := invite.Parse(in.secret, token, in.now())
	if err != nil {
		return w
	}
	http.SetCookie(w, newInviteCookie(r, token, int(t.Expires.Sub(in.now())/time.Second)))
	return &uncached{ResponseWriter: w}
}

// newInviteCookie returns the cookie with a value, or one that deletes it if maxAge is negative.
func newInviteCookie(r *http.Request, token string, maxAge int) *http.Cookie {
	return &http.Cookie{
		Name: inviteCookie, Value: token, Path: "/", MaxAge: maxAge,
		HttpOnly: true, Secure: httpx.IdentityOf(r).HTTPS, SameSite: http.SameSiteLaxMode,
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
