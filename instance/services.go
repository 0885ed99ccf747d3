package instance

import (
	"context"
	"net/http"

	or3cloud "or3.chat/cloud"
)

// services answers the providers' questions: the front those about requests, and the instance the rest. It implements
// or3cloud.HostServices.
type services struct {
	or3cloud.Front
	instance *Instance
}

// CheckInvite implements or3cloud.HostServices.
func (s services) CheckInvite(ctx context.Context, token, email string) error {
	invites, err := s.invites()
	if err != nil {
		return err
	}
	return invites.check(ctx, token, email)
}

// DescribeInvite implements or3cloud.HostServices.
func (s services) DescribeInvite(ctx context.Context, token string) (or3cloud.InviteDetails, or3cloud.InviteRefusal, error) {
	invites, err := s.invites()
	if err != nil {
		return or3cloud.InviteDetails{}, "", err
	}
	return invites.describe(ctx, token)
}

// invites returns the Invites once everything is open.
func (s services) invites() (*Invites, error) {
	p := s.instance.Providers()
	if p == nil || p.Invites == nil {
		return nil, errNotOpen()
	}
	return p.Invites, nil
}

// Users implements or3cloud.HostServices.
func (s services) Users() or3cloud.UserRemover {
	return Ability[or3cloud.UserRemover](s.instance.Providers(), or3cloud.ProviderSync)
}

// Administers implements or3cloud.HostServices. If the workspace store does not keep deployment administrators, there
// are none.
func (s services) Administers(ctx context.Context, providerUserID string) (bool, error) {
	p := s.instance.Providers()
	if p == nil {
		return false, errNotOpen()
	}
	checker := Ability[or3cloud.DeploymentAdminChecker](p, or3cloud.ProviderSync)
	if checker == nil {
		return false, nil
	}
	return checker.CheckDeploymentAdmin(ctx, providerUserID, s.instance.plan.Auth.ID)
}

func errNotOpen() error { return or3cloud.Unavailable(nil, "Service Unavailable", pause) }

// noFront stands in for a front where no requests arrive.
type noFront struct{}

// Session implements or3cloud.Front.
func (noFront) Session(*http.Request) (*or3cloud.SessionContext, error) { return nil, errNotOpen() }

// Authorize implements or3cloud.Front.
func (noFront) Authorize(*http.Request, or3cloud.Permission, string) (*or3cloud.SessionContext, error) {
	return nil, errNotOpen()
}

// ClientIP implements or3cloud.Front.
func (noFront) ClientIP(*http.Request) string { return "unknown" }

// RequestHost implements or3cloud.Front.
func (noFront) RequestHost(*http.Request) (string, bool) { return "", false }
