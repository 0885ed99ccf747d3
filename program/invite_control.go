package program

import (
	"cmp"
	"context"
	"net/mail"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/control"
)

// What travels between "or3-cloud user invite" and the instance.
type (
	workspaceQuery struct {
		// Name is an id or a name; empty finds all.
		Name string `json:"name"`
		// Limit is how many are found at most; 0 is as many as a person is asked to choose from.
		Limit int `json:"limit"`
	}
	workspaceList struct {
		Workspaces []or3cloud.WorkspaceSummary `json:"workspaces"`
	}
	inviteInput struct {
		Email       string        `json:"email"`
		WorkspaceID string        `json:"workspaceId"`
		Role        or3cloud.Role `json:"role"`
		// Seconds is how long the invite lives; 0 is what the server is configured for.
		Seconds int64 `json:"seconds"`
	}
	invited struct {
		Email       string        `json:"email"`
		WorkspaceID string        `json:"workspaceId"`
		Role        or3cloud.Role `json:"role"`
		link
	}
)

// maxCandidates is how many workspaces are offered when a name fits several.
const maxCandidates = 50

// maxListed is how many workspaces are listed.
const maxListed = 100_000

// inviteCommands are the commands behind "or3-cloud user invite". ownPage says that links lead to the built-in page.
func inviteCommands(i *instance.Instance, origin func() (string, error), ownPage bool) control.Commands {
	return control.Commands{
		"workspace/find": operatorCommand(i, func(ctx context.Context, op instance.Operator, in workspaceQuery) (workspaceList, error) {
			directory, ok := op.Store.(or3cloud.WorkspaceDirectory)
			if !ok {
				return workspaceList{}, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store cannot be searched")
			}
			found, err := directory.FindWorkspaces(ctx, in.Name, cmp.Or(min(max(in.Limit, 0), maxListed), maxCandidates))
			return workspaceList{found}, err
		}),
		"user/invite": operatorCommand(i, func(ctx context.Context, op instance.Operator, in inviteInput) (invited, error) {
			return inviteUser(ctx, op, origin, ownPage, in)
		}),
	}
}

// inviteUser makes an invite and the link that carries it.
func inviteUser(ctx context.Context, op instance.Operator, origin func() (string, error), ownPage bool, in inviteInput) (invited, error) {
	url, err := origin()
	if err != nil {
		return invited{}, err
	}
	if !in.Role.Valid() {
		return invited{}, or3cloud.Errorf(or3cloud.CodeInvalid, "%q is no role; use viewer, editor or owner", in.Role)
	}
	if parsed, err := mail.ParseAddress(in.Email); err != nil || parsed.Address != in.Email {
		return invited{}, or3cloud.Errorf(or3cloud.CodeInvalid, "%q is no e-mail address", in.Email)
	}
	if err := checkUninvited(ctx, op, in.Email); err != nil {
		return invited{}, err
	}
	token, expires, err := op.Invites.Create(ctx, in.WorkspaceID, in.Email, in.Role, time.Duration(in.Seconds)*time.Second)
	if err != nil {
		return invited{}, err
	}
	return invited{in.Email, in.WorkspaceID, in.Role, link{url + inviteLead(ownPage) + token, expires.UTC()}}, nil
}

// inviteLead is what stands between an address and the token of an invite. A fragment reaches no server and so no log of a
// proxy, but OR3 Chat looks for the token in the query alone. So the fragment is for where the built-in page is known to
// be served, which understands both.
func inviteLead(ownPage bool) string {
	if ownPage {
		return "/#invite="
	}
	return "/?invite="
}

// checkUninvited refuses an invite that would be ignored: those of people who are known already are (contract, auth §9).
func checkUninvited(ctx context.Context, op instance.Operator, email string) error {
	a, err := op.Accounts.Account(ctx, email)
	if or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
		return nil
	}
	if err != nil {
		return err
	}
	user, err := op.Store.GetUser(ctx, or3cloud.ExternalIdentity{Provider: op.AuthProvider, ProviderUserID: a.ID})
	if err == nil && user != "" {
		err = or3cloud.Errorf(or3cloud.CodeConflict, "%s uses this server already; invites are for people who do not", a.Email)
	}
	return err
}
