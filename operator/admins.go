package operator

import (
	"context"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
)

// AdminState says whether a deployment administrator can act as one.
type AdminState string

// The states.
const (
	AdminEnabled AdminState = "enabled"
	// AdminDisabled is the state of an account that is switched off: no one can sign in to it, so it administers
	// nothing for now.
	AdminDisabled AdminState = "disabled"
	// AdminWithoutAccount is the state of a user without an account at the auth provider.
	AdminWithoutAccount AdminState = "no account"
)

// The questions about deployment administrators, and the answers.
type (
	// Admin is a deployment administrator.
	Admin struct {
		UserID string `json:"userId"`
		// Email and DisplayName are those of the account, or of the first sign-in if there is none.
		Email       string     `json:"email,omitempty"`
		DisplayName string     `json:"displayName,omitempty"`
		State       AdminState `json:"state"`
		GrantedAt   time.Time  `json:"grantedAt,omitzero"`
	}
	// Admins are the deployment administrators, the oldest grant first.
	Admins struct {
		Admins []Admin `json:"admins"`
	}
	// Nothing is a question without parameters.
	Nothing struct{}
)

// The use cases of deployment administrators.
var (
	// GrantAdmin makes the owner of an account a deployment administrator. Someone who has never signed in gets a user.
	GrantAdmin = onAdmins("user/admin/grant", grantAdmin)
	// RevokeAdmin ends that, from the owner's next request on. The error is CodeNotFound if the owner is not one.
	RevokeAdmin = onAdmins("user/admin/revoke", revokeAdmin)
	// ListAdmins returns the deployment administrators.
	ListAdmins = onAdmins("user/admin/list", func(ctx context.Context, op instance.Operator, admins or3cloud.DeploymentAdminStore, _ Nothing) (Admins, error) {
		all, err := listAdmins(ctx, op, admins)
		return Admins{all}, err
	})
)

// onAdmins makes a use case from a function that needs the deployment administrators.
func onAdmins[Q, A any](name string, f func(context.Context, instance.Operator, or3cloud.DeploymentAdminStore, Q) (A, error)) UseCase[Q, A] {
	return onAccounts(name, func(ctx context.Context, _ *Desk, op instance.Operator, question Q) (answer A, err error) {
		admins, ok := op.Store.(or3cloud.DeploymentAdminStore)
		if !ok {
			return answer, or3cloud.Errorf(or3cloud.CodeUnsupported, "the configured workspace store does not keep deployment administrators")
		}
		return f(ctx, op, admins, question)
	})
}

func grantAdmin(ctx context.Context, op instance.Operator, admins or3cloud.DeploymentAdminStore, in AccountName) (Admin, error) {
	a, err := op.Accounts.Account(ctx, strings.TrimSpace(in.Name))
	if err != nil {
		return Admin{}, err
	}
	if a.Disabled {
		return Admin{}, or3cloud.Errorf(or3cloud.CodeConflict, "the account %s is switched off; or3-cloud user enable switches it on", a.Email)
	}
	user, err := op.Store.GetOrCreateUser(ctx, a.Identity(op.AuthProvider))
	if err != nil {
		return Admin{}, err
	}
	return Admin{UserID: user, Email: a.Email, DisplayName: a.DisplayName, State: AdminEnabled}, admins.GrantDeploymentAdmin(ctx, user, "")
}

func revokeAdmin(ctx context.Context, op instance.Operator, admins or3cloud.DeploymentAdminStore, in AccountName) (Admin, error) {
	all, err := listAdmins(ctx, op, admins)
	if err != nil {
		return Admin{}, err
	}
	user, _, err := userOf(ctx, op, strings.TrimSpace(in.Name))
	if err != nil {
		return Admin{}, err
	}
	for _, admin := range all {
		if admin.UserID == user || admin.State == AdminWithoutAccount && admin.Email != "" && strings.EqualFold(admin.Email, user) {
			return admin, admins.RevokeDeploymentAdmin(ctx, admin.UserID)
		}
	}
	return Admin{}, or3cloud.Errorf(or3cloud.CodeNotFound, "%q is not a deployment administrator; see or3-cloud user admin list", in.Name)
}

func listAdmins(ctx context.Context, op instance.Operator, admins or3cloud.DeploymentAdminStore) ([]Admin, error) {
	found, err := admins.ListDeploymentAdmins(ctx)
	if err != nil {
		return nil, err
	}
	out := make([]Admin, 0, len(found))
	for _, g := range found {
		admin := Admin{UserID: g.ID, Email: g.Email, DisplayName: g.DisplayName, State: AdminWithoutAccount, GrantedAt: g.GrantedAt}
		a, known, err := accountOf(ctx, op, g.ID)
		if err != nil {
			return nil, err
		}
		if known {
			admin.Email, admin.DisplayName, admin.State = a.Email, a.DisplayName, AdminEnabled
			if a.Disabled {
				admin.State = AdminDisabled
			}
		}
		out = append(out, admin)
	}
	return out, nil
}

// accountOf returns the account of a user.
func accountOf(ctx context.Context, op instance.Operator, userID string) (a or3cloud.Account, known bool, err error) {
	lister, ok := op.Store.(or3cloud.IdentityLister)
	if !ok {
		return a, false, nil
	}
	identities, err := lister.IdentitiesOf(ctx, userID)
	if err != nil {
		return a, false, err
	}
	for _, id := range identities {
		if id.Provider != op.AuthProvider {
			continue
		}
		a, err = op.Accounts.Account(ctx, id.ProviderUserID)
		if or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
			return a, err == nil, err
		}
	}
	return or3cloud.Account{}, false, nil
}
