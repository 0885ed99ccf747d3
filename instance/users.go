package instance

import (
	"context"
	"strings"

	or3cloud "or3.chat/cloud"
)

// errNoUser is the error for an unknown name.
var errNoUser = or3cloud.Errorf(or3cloud.CodeNotFound, "User not found")

// UserNamed returns the id of the user whom an administrator names by an e-mail address, by an id at an auth provider
// (any, if provider is empty), or by the user's own id. The account takes precedence if there is one, because the
// workspace store keeps the address of the first sign-in, which may belong to another user's account by now. The owner
// of an account that was never used gets a user. A name without an account is CodeNotFound and gets no user: a person
// who signs in with that address later has not proven that it is theirs, and invites exist for that. A name that
// several users share is CodeConflict.
func (i *Instance) UserNamed(ctx context.Context, name, provider string) (string, error) {
	p, auth := i.Providers(), i.plan.Auth.ID
	if p == nil || p.Workspaces == nil {
		return "", errNoUser
	}
	name = strings.TrimSpace(name)
	accounts := Ability[or3cloud.AccountAdmin](p, or3cloud.ProviderAuth)
	if accounts != nil && (provider == "" || provider == auth) {
		a, err := accounts.Account(ctx, name)
		if err == nil {
			return p.Workspaces.GetOrCreateUser(ctx, a.Identity(auth))
		}
		if or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
			return "", err
		}
		if provider != "" || strings.Contains(name, "@") {
			return "", errNoUser
		}
	}
	finder, ok := p.Workspaces.(or3cloud.UserFinder)
	if !ok {
		return "", or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store cannot look users up")
	}
	found, err := finder.UsersNamed(ctx, name, provider)
	switch {
	case err != nil:
		return "", err
	case len(found) > 1:
		return "", or3cloud.Errorf(or3cloud.CodeConflict, "Several users have this address or id; name one by the id of the user")
	case len(found) == 0:
		return "", errNoUser
	}
	return found[0].ID, nil
}
