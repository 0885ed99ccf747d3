package host

import (
	"fmt"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/instance"
)

// administers resolves the session of a browser and reports whether it is one of a deployment administrator.
func (p *person) administers() bool {
	p.t.Helper()
	var s struct {
		Session *struct{ DeploymentAdmin bool }
	}
	p.do("GET", "/api/auth/session", "", &s)
	return s.Session != nil && s.Session.DeploymentAdmin
}

// operate runs something that an operator does.
func (r *real) operate(t *testing.T, f func(instance.Operator) error) {
	t.Helper()
	if err := r.instance.Operate(f); err != nil {
		t.Fatal(err)
	}
}

// TestTheFounderAdministers follows the account of the setup link: it administers the deployment from its first session
// on, until that is revoked, and no one else does.
func TestTheFounderAdministers(t *testing.T) {
	for _, mode := range []string{"open", "invite_only", "disabled"} {
		t.Run(mode, func(t *testing.T) {
			r := startReal(t, eventsapi.Bounds{}, nil, "OR3_AUTH_REGISTRATION_MODE="+mode)
			links, err := r.instance.SetupLinks(t.Context())
			if err != nil || len(links) != 1 {
				t.Fatal(links, err)
			}
			var others []*person
			if mode == "open" {
				others = append(others, r.register(t, "first@example.test"))
			}
			ann := r.visitor(t)
			ann.do("POST", "/api/basic-auth/register", fmt.Sprintf(
				`{"email":"ann@example.test","password":"correct horse","confirmPassword":"correct horse","inviteToken":%q}`,
				strings.TrimPrefix(links[0], "setup=")), nil)
			if !ann.administers() {
				t.Fatal("the founder does not administer")
			}
			if mode == "open" {
				others = append(others, r.register(t, "second@example.test"))
			}
			for _, p := range others {
				if p.administers() {
					t.Error("another account administers")
				}
			}
			// A revocation applies from the next request on, permanently.
			r.operate(t, func(op instance.Operator) error {
				admins := op.Store.(or3cloud.DeploymentAdminStore)
				all, err := admins.ListDeploymentAdmins(t.Context())
				if err == nil && len(all) != 1 {
					err = fmt.Errorf("admins %+v", all)
				}
				if err != nil {
					return err
				}
				return admins.RevokeDeploymentAdmin(t.Context(), all[0].ID)
			})
			if ann.administers() || r.signIn(t, "ann@example.test", "correct horse").administers() {
				t.Error("a revocation is undone")
			}
		})
	}
}

// TestAnAccountThatIsSwitchedOffAdministersNothing looks at sessions that were open before.
func TestAnAccountThatIsSwitchedOffAdministersNothing(t *testing.T) {
	const email, password = "ann@example.test", "correct horse"
	for name, end := range map[string]func(or3cloud.AccountAdmin) error{
		"switched off": func(a or3cloud.AccountAdmin) error { return a.SetDisabled(t.Context(), email, true) },
		"deleted":      func(a or3cloud.AccountAdmin) error { return a.DeleteAccount(t.Context(), email) },
	} {
		t.Run(name, func(t *testing.T) {
			r := startReal(t, eventsapi.Bounds{}, nil)
			ann := r.register(t, email)
			r.operate(t, func(op instance.Operator) error {
				return op.Store.(or3cloud.DeploymentAdminStore).GrantDeploymentAdmin(t.Context(), ann.user, "")
			})
			if !ann.administers() {
				t.Fatal("a grant does not count at once")
			}
			r.operate(t, func(op instance.Operator) error { return end(op.Accounts) })
			if ann.administers() {
				t.Error("the open session still administers")
			}
			if name == "deleted" {
				if again := r.register(t, email); again.administers() {
					t.Error("a user who registers with the address is an administrator")
				}
			}
		})
	}
}
