package basicauth

import (
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
)

// linkLimit is how many links one client address may look at in a minute.
const linkLimit = 60

// linkState says what a link is good for (docs/accounts-api.md).
type linkState string

const (
	linkValid   linkState = "valid"
	linkUsed    linkState = "used"
	linkRevoked linkState = "revoked"
	linkExpired linkState = "expired"
	// linkInvalid is a token that is not known, or not any more: of those that are deleted with their use, nothing is kept
	// by which one could tell.
	linkInvalid linkState = "invalid"
	// linkIgnored is an invite on a server whose registration mode takes none.
	linkIgnored linkState = "ignored"
)

// linkAnswer is what the holder of a link may know of it. All but State is told of good invites only.
type linkAnswer struct {
	State     linkState     `json:"state"`
	Email     string        `json:"email,omitempty"`
	Role      or3cloud.Role `json:"role,omitempty"`
	Workspace string        `json:"workspace,omitempty"`
	InvitedBy string        `json:"invitedBy,omitempty"`
	ExpiresAt *time.Time    `json:"expiresAt,omitempty"`
}

// lookAtLink is POST /api/basic-auth/link: it says before a form is filled in whether it can be sent, and uses nothing up. A good
// invite stays with the browser in a cookie, as that of a page's address does (contract, auth §9), because whoever has an
// account signs in with it.
func (p *provider) lookAtLink(c call) error {
	f, err := c.body()
	if err != nil {
		return err
	}
	token, ok := f.Text("token", 1, form.MaxToken)
	if !ok {
		return refuse.Invalid()
	}
	var answer linkAnswer
	switch f["kind"] {
	case "setup":
		answer.State, err = p.setupState(c, token)
	case "invite":
		answer, err = p.inviteAnswer(c, token)
	case "reset":
		answer.State, err = p.tokenState(c, onetime.Reset, token, &struct{}{})
	case "confirm-email":
		answer.State, err = p.tokenState(c, onetime.Email, token, &accounts.EmailChange{})
	default:
		err = refuse.Invalid()
	}
	if err != nil {
		return err
	}
	return c.reply(answer)
}

func (p *provider) setupState(c call, token string) (linkState, error) {
	exists, err := p.store.Read.AnyAccount(c.Context())
	switch good := p.accounts.Setup.Matches(token); {
	case err != nil:
		return "", err
	case good && (!exists || p.opts.registration == accounts.RegistrationOpen):
		return linkValid, nil
	case exists:
		return linkUsed, nil
	}
	return linkInvalid, nil
}

func (p *provider) inviteAnswer(c call, token string) (linkAnswer, error) {
	if p.opts.registration != accounts.RegistrationInvite {
		return linkAnswer{State: linkIgnored}, nil
	}
	d, refusal, err := p.host.DescribeInvite(c.Context(), token)
	switch {
	case err != nil:
		return linkAnswer{}, err
	case refusal == or3cloud.InviteAlreadyUsed:
		return linkAnswer{State: linkUsed}, nil
	case refusal == or3cloud.InviteWasRevoked:
		return linkAnswer{State: linkRevoked}, nil
	case refusal == or3cloud.InviteHasExpired:
		return linkAnswer{State: linkExpired}, nil
	case refusal != "":
		return linkAnswer{State: linkInvalid}, nil
	}
	c.SetCookie(p.inviteCookie(token, d.ExpiresAt.Sub(p.now())))
	expires := d.ExpiresAt.UTC()
	return linkAnswer{
		State: linkValid, Email: d.Email, Role: d.Role, Workspace: d.WorkspaceName, InvitedBy: d.InvitedBy, ExpiresAt: &expires,
	}, nil
}

func (p *provider) tokenState(c call, kind onetime.Kind, token string, data any) (linkState, error) {
	switch _, err := p.onetime.Peek(c.Context(), p.store.Read, kind, token, data); {
	case err == nil:
		return linkValid, nil
	case or3cloud.CodeOf(err) == or3cloud.CodeInvalid:
		return linkInvalid, nil
	default:
		return "", err
	}
}
