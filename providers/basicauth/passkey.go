package basicauth

import (
	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/factors"
)

// passkeyOptionsLimit is how many ceremonies an address may begin in a minute: each page with a sign-in form begins one.
const passkeyOptionsLimit = 60

// passkeyRoutes are the endpoints of passkeys.
func (p *provider) passkeyRoutes() []or3cloud.Route {
	return []or3cloud.Route{
		p.limited("passkeys/register-options", factorLimit, p.passkeyRegisterOptions),
		p.limited("passkeys/register", factorLimit, p.registerPasskey),
		p.limited("passkeys/rename", factorLimit, p.renamePasskey),
		p.limited("passkeys/remove", factorLimit, p.removePasskey),
		p.limited("passkeys/sign-in-options", passkeyOptionsLimit, p.passkeySignInOptions),
		p.limited("passkeys/sign-in", factors.SignInLimit, p.passkeySignIn),
	}
}
