package basicauth

import (
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
)

// linkState says whether a link is good (docs/accounts-api.md).
type linkState string

const (
	linkValid   linkState = "valid"
	linkUsed    linkState = "used"
	linkRevoked linkState = "revoked"
	linkExpired linkState = "expired"
	// linkInvalid is a token that is not known, or no longer: nothing is kept of tokens that are deleted when used.
	linkInvalid linkState = "invalid"
	// linkIgnored is an invite on a server whose registration mode takes none.
	linkIgnored linkState = "ignored"
)

// linkAnswer is what the holder of a link may know about it. Everything but State is for good invites only.
type linkAnswer struct {
	State     linkState     `json:"state"`
	Email     string        `json:"email,omitempty"`
	Role      or3cloud.Role `json:"role,omitempty"`
	Workspace string        `json:"workspace,omitempty"`
	InvitedBy string        `json:"invitedBy,omitempty"`
	ExpiresAt *time.Time    `json:"expiresAt,omitempty"`
}

// lookAtLink is POST /api/basic-auth/link: it says, before a form is filled in, whether it can be sent, and uses
// nothing up. A good invite stays with the browser in a cookie, as the one in a page's address does (contract, auth
// §9), because someone who has an account signs in with it.
func (n *entrance) lookAtLink(c call) error {
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
		answer.State, err = n.setupState(c, token)
	case "invite":
		answer, err = n.inviteAnswer(c, token)
	case "reset":
		answer.State, err = n.tokenState(c, onetime.Reset, token, &struct{}{})
	case "confirm-email":
		answer.State, err = n.tokenState(c, onetime.Email, token, &accounts.EmailChange{})
	default:
		err = refuse.Invalid()
	}
	if err != nil {
		return err
	}
	return c.reply(answer)
}

func (n *entrance) setupState(c call, token string) (linkState, error) {
	exists, err := n.store.Read.AnyAccount(c.Context())
	switch good := n.accounts.Setup.Matches(token); {
	case err != nil:
		return "", err
	case good && (!exists || n.opts.registration == accounts.RegistrationOpen):
		return linkValid, nil
	case exists:
		return linkUsed, nil
	}
	return linkInvalid, nil
}

func (n *entrance) inviteAnswer(c call, token string) (linkAnswer, error) {
	if n.opts.registration != accounts.RegistrationInvite {
		return linkAnswer{State: linkIgnored}, nil
	}
	d, refusal, err := n.host.DescribeInvite(c.Context(), token)
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
	c.SetCookie(n.inviteCookie(token, d.ExpiresAt.Sub(n.now())))
	expires := d.ExpiresAt.UTC()
	return linkAnswer{
		State: linkValid, Email: d.Email, Role: d.Role, Workspace: d.WorkspaceName, InvitedBy: d.InvitedBy, ExpiresAt: &expires,
	}, nil
}

func (n *entrance) tokenState(c call, kind onetime.Kind, token string, data any) (linkState, error) {
	switch _, err := n.onetime.Peek(c.Context(), n.store.Read, kind, token, data); {
	case err == nil:
		return linkValid, nil
	case or3cloud.CodeOf(err) == or3cloud.CodeInvalid:
		return linkInvalid, nil
	default:
		return "", err
	}
}
