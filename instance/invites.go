package instance

import (
	"cmp"
	"context"
	"errors"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/invite"
	"or3.chat/cloud/setting"
)

// minInviteTTL is the shortest lifetime, in seconds. Shorter settings are raised to it.
const minInviteTTL = 60

// Invites creates invites and decides whom they admit (contract, auth §9).
type Invites struct {
	mode   string
	secret string // empty if none is configured and none may be generated
	users  or3cloud.AuthWorkspaceStore
	store  or3cloud.InviteStore // nil if the workspace store does not keep invites
	ttl    time.Duration
	now    func() time.Time
	// notices tells owners of accepted invites.
	notices notices
}

func (i *Instance) newInvites(users or3cloud.AuthWorkspaceStore, tell notices) (*Invites, error) {
	cfg := i.opt.Config
	in := &Invites{
		mode: cfg.String(setting.RegistrationMode), secret: cfg.String(setting.InviteSecret), users: users, now: i.opt.Now, notices: tell,
		ttl: time.Duration(max(cfg.Int(setting.InviteTTL), minInviteTTL)) * time.Second,
	}
	in.store, _ = users.(or3cloud.InviteStore)
	if in.mode != setting.RegistrationInviteOnly || i.opt.Strict || i.opt.Secret == nil {
		return in, nil
	}
	var err error
	in.secret, err = i.opt.Secret(setting.InviteSecret)
	return in, err
}

// The reasons why no invite can be created.
var (
	ErrNoInviteStore  = or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store does not keep invites")
	ErrNoInviteSecret = or3cloud.Errorf(or3cloud.CodeConflict, "%s is not set; set it to the output of %s", setting.InviteSecret, or3cloud.MakeKey)
)

// Create creates an invite to a workspace for an address, with a role and on behalf of a user or the operator. It
// returns it with its token, which is stored nowhere. A lifetime of 0 means the configured one.
func (in *Invites) Create(ctx context.Context, made or3cloud.Invite, lifetime time.Duration) (_ or3cloud.Invite, token string, err error) {
	switch {
	case in.mode != setting.RegistrationInviteOnly:
		return made, "", or3cloud.Errorf(or3cloud.CodeConflict,
			"invites are ignored while the registration mode is %q; set OR3_AUTH_REGISTRATION_MODE=invite_only and restart the server", in.mode)
	case in.store == nil:
		return made, "", ErrNoInviteStore
	case in.secret == "":
		return made, "", ErrNoInviteSecret
	}
	made.ExpiresAt, made.Email = in.now().Add(cmp.Or(lifetime, in.ttl)).Truncate(time.Second), invite.NormalEmail(made.Email)
	for range mostAlike {
		if token, err = invite.Sign(in.secret, invite.Token{WorkspaceID: made.WorkspaceID, Email: made.Email, Expires: made.ExpiresAt}); err != nil {
			return made, "", err
		}
		made.TokenHash = invite.Hash(token)
		if made.ID, err = in.store.CreateInvite(ctx, made); !errors.Is(err, or3cloud.ErrInviteExists) {
			break
		}
		made.ExpiresAt = made.ExpiresAt.Add(time.Second)
	}
	return made, token, err
}

// mostAlike is the largest number of invites of one address to one workspace per second. Each expires a second after
// the previous one, because otherwise they would have the same token.
const mostAlike = 20

// The answers to people without a valid invite, with the codes of docs/accounts-api.md.
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

// errNoInvites means that the server cannot read invites, which is its operator's fault and not the guest's.
func errNoInvites(cause string) error {
	return or3cloud.Unavailable(errors.New(cause), "Invite-only registration is temporarily unavailable.", 30*time.Second)
}

// read decides, in the contract's order, whether a token admits email in the mode invite_only.
func (in *Invites) read(token, email string) (invite.Token, error) {
	switch {
	case in.store == nil:
		return invite.Token{}, errNoInvites("the workspace store does not keep invites")
	case token == "":
		return invite.Token{}, errInviteRequired()
	case in.secret == "":
		return invite.Token{}, errNoInvites(setting.InviteSecret + " is not set")
	}
	t, err := invite.Parse(in.secret, token, in.now())
	if err != nil || t.Email != invite.NormalEmail(email) {
		return invite.Token{}, errInviteInvalid()
	}
	return t, nil
}

// check decides whether a token lets email register, without using it.
func (in *Invites) check(ctx context.Context, token, email string) error {
	switch in.mode {
	case setting.RegistrationDisabled:
		return errNoRegistration()
	case setting.RegistrationInviteOnly:
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

// accept creates the user of an identity as a member of the token's workspace.
func (in *Invites) accept(ctx context.Context, id or3cloud.ExternalIdentity, token string) (userID string, err error) {
	t, err := in.read(token, id.Email)
	if err != nil {
		return "", err
	}
	userID, refusal, err := in.store.AcceptInvite(ctx, id, t.WorkspaceID, invite.Hash(token))
	switch {
	case err != nil:
	case refusal != "":
		err = errInviteInvalid()
	default:
		in.notices.joined(ctx, t.WorkspaceID, userID, id, invite.Hash(token))
	}
	return userID, err
}

// Admit creates the user of an identity that the workspace store does not know, if the registration mode allows it. An
// account that the operator has admitted needs no invite, but a valid one still counts. used reports that the invite
// was accepted.
func (in *Invites) Admit(ctx context.Context, id or3cloud.ExternalIdentity, token string, admitted bool) (userID string, used bool, err error) {
	switch {
	case in.mode == setting.RegistrationDisabled && !admitted:
		return "", false, errNoRegistration()
	case in.mode != setting.RegistrationInviteOnly, admitted && token == "":
		userID, err = in.users.GetOrCreateUser(ctx, id)
		return userID, false, err
	}
	userID, err = in.accept(ctx, id, token)
	if admitted && or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
		userID, err = in.users.GetOrCreateUser(ctx, id)
		return userID, false, err
	}
	return userID, err == nil, err
}

// Deliver accepts the invite of an identity that the workspace store does not know yet, and reports whether it did. It
// also creates the user of a founder, whom every registration mode admits. It serves hosts in other processes. Their
// early version creates a user for every verified identity and knows neither invites nor founders; newer ones find the
// user that they would have created. If an invite does not admit an identity, those hosts decide what to do, so that is
// not an error. Users kept by another provider are also their concern.
func (in *Invites) Deliver(ctx context.Context, id or3cloud.ExternalIdentity, token string) (used bool, err error) {
	_, invited := in.Expiry(token)
	if invited = invited && in.store != nil; in.users == nil || !invited && !id.Founder {
		return false, nil
	}
	known, err := in.users.GetUser(ctx, id)
	if err != nil || known != "" {
		return false, err
	}
	if !invited {
		_, err = in.users.GetOrCreateUser(ctx, id)
		return false, err
	}
	_, err = in.accept(ctx, id, token)
	if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
		return false, nil
	}
	return err == nil, err
}

// Expiry returns when an invite expires, judging by its token alone. ok is false unless the invite may still be usable.
func (in *Invites) Expiry(token string) (_ time.Time, ok bool) {
	if in.mode != setting.RegistrationInviteOnly {
		return time.Time{}, false
	}
	t, err := invite.Parse(in.secret, token, in.now())
	return t.Expires, err == nil
}

// describe returns what the holder of a token may know about it.
func (in *Invites) describe(ctx context.Context, token string) (d or3cloud.InviteDetails, refusal or3cloud.InviteRefusal, err error) {
	switch {
	case in.mode != setting.RegistrationInviteOnly:
		return d, or3cloud.InviteNotFound, nil
	case in.store == nil:
		return d, "", errNoInvites("the workspace store does not keep invites")
	case in.secret == "":
		return d, "", errNoInvites(setting.InviteSecret + " is not set")
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
