package basicauth

import (
	"slices"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/factors"
)

// The requests per client address and minute (contract, auth §8.3).
const (
	refreshLimit        = 120
	signOutLimit        = 60
	changePasswordLimit = 20
	registerLimit       = 10
)

// routes are the endpoints of the contract (auth §8.4) and those of our own account pages (docs/accounts-api.md).
func (p *provider) routes() []or3cloud.Route {
	return slices.Concat(
		[]or3cloud.Route{
			p.front.limited("sign-in", factors.SignInLimit, p.entrance.signIn),
			p.front.limited("sign-out", signOutLimit, p.entrance.signOut),
			p.front.limited("change-password", changePasswordLimit, p.self.changePassword),
			p.front.route("register", p.entrance.register),      // limits itself: what it does with cookies depends on the error
			p.front.route("refresh", p.entrance.refreshSession), // limits itself: a valid cookie is never limited
			p.front.get("config", p.entrance.config),
			p.front.limited("link", linkLimit, p.entrance.lookAtLink),
		},
		p.accountRoutes(), p.resetRoutes(), p.factorRoutes(), p.passkeyRoutes(),
	)
}

// accountLimit is how many changes of an account one client address may make in a minute.
const accountLimit = 30

// accountRoutes are the endpoints with which people manage their own account.
func (p *provider) accountRoutes() []or3cloud.Route {
	return []or3cloud.Route{
		p.front.get("account", p.self.showAccount),
		p.front.limited("display-name", accountLimit, p.self.changeDisplayName),
		p.front.limited("email", accountLimit, p.self.changeEmail),
		p.front.limited("email/cancel", accountLimit, p.self.cancelEmail),
		p.front.get("sessions", p.self.listSessions),
		p.front.limited("sessions/revoke", accountLimit, p.self.revokeSession),
		p.front.limited("sessions/revoke-others", accountLimit, p.self.revokeOtherSessions),
		p.front.get("events", p.self.listEvents),
		p.front.get("deletion", p.self.showDeletion),
		p.front.limited("delete-account", accountLimit, p.self.deleteAccount),
	}
}

// The requests per client address and minute.
const (
	secondFactorLimit = 20
	factorLimit       = 20
)

// factorRoutes are the endpoints of the second factor.
func (p *provider) factorRoutes() []or3cloud.Route {
	return []or3cloud.Route{
		p.front.limited("second-factor", secondFactorLimit, p.entrance.secondFactor),
		p.front.limited("reauthenticate", factors.SignInLimit, p.pages.reauthenticate),
		p.front.limited("totp/enrol", factorLimit, p.pages.enrolTOTP),
		p.front.limited("totp/confirm", factorLimit, p.pages.confirmTOTP),
		p.front.limited("totp/remove", factorLimit, p.pages.removeTOTP),
		p.front.limited("recovery-codes", factorLimit, p.pages.renewRecoveryCodes),
	}
}

// linkLimit is how many links one client address may check in a minute.
const linkLimit = 60

// passkeyOptionsLimit is how many ceremonies an address may begin in a minute: each page with a sign-in form begins
// one.
const passkeyOptionsLimit = 60

// passkeyRoutes are the endpoints of passkeys.
func (p *provider) passkeyRoutes() []or3cloud.Route {
	return []or3cloud.Route{
		p.front.limited("passkeys/register-options", factorLimit, p.pages.passkeyRegisterOptions),
		p.front.limited("passkeys/register", factorLimit, p.pages.registerPasskey),
		p.front.limited("passkeys/rename", factorLimit, p.pages.renamePasskey),
		p.front.limited("passkeys/remove", factorLimit, p.pages.removePasskey),
		p.front.limited("passkeys/sign-in-options", passkeyOptionsLimit, p.entrance.passkeySignInOptions),
		p.front.limited("passkeys/sign-in", factors.SignInLimit, p.entrance.passkeySignIn),
	}
}

// The requests per client address and minute.
const (
	forgotLimit  = 5
	resetLimit   = 20
	confirmLimit = 20
)

// resetRoutes are the endpoints for a forgotten password and for confirming an address.
func (p *provider) resetRoutes() []or3cloud.Route {
	return []or3cloud.Route{
		p.front.limited("forgot-password", forgotLimit, p.entrance.forgotPassword),
		p.front.limited("reset-password", resetLimit, p.entrance.resetPassword),
		p.front.limited("email/confirm", confirmLimit, p.entrance.confirmEmail),
	}
}
