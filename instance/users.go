package instance

import (
	"context"
	"strings"

	or3cloud "or3.chat/cloud"
)

// errNoUser is of a name that no one has.
var errNoUser = or3cloud.Errorf(or3cloud.CodeNotFound, "User not found")

// UserNamed returns the id of the user whom an administrator means: by an e-mail address, by an id at an auth provider (any, if provider
// is empty), or by the id of the user. The account decides where there is one: the address that the workspace store keeps is that of
// the first sign-in, and may be another user's account by now. Somebody whose account was never used gets a user. None is made up for a
// name without an account, which is CodeNotFound: whoever signs in with an address later has not proven that it is theirs, and invites
// are for that. A name that several users have is CodeConflict.
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
