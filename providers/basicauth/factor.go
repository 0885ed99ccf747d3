package basicauth

import (
	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/factors"
)

// The requests of each client address in a minute.
const (
	secondFactorLimit = 20
	factorLimit       = 20
)

// factorRoutes are the endpoints of the second factor.
func (p *provider) factorRoutes() []or3cloud.Route {
	return []or3cloud.Route{
		p.limited("second-factor", secondFactorLimit, p.secondFactor),
		p.limited("reauthenticate", factors.SignInLimit, p.reauthenticate),
		p.limited("totp/enrol", factorLimit, p.enrolTOTP),
		p.limited("totp/confirm", factorLimit, p.confirmTOTP),
		p.limited("totp/remove", factorLimit, p.removeTOTP),
		p.limited("recovery-codes", factorLimit, p.renewRecoveryCodes),
	}
}
