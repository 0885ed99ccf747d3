package basicauth

import "or3.chat/cloud/providers/basicauth/internal/accounts"

// configAnswer is what the pages need to know before anyone has signed in (docs/accounts-api.md).
type configAnswer struct {
	Registration      accounts.RegistrationMode `json:"registration"`
	Mail              bool                      `json:"mail"`
	Passkeys          bool                      `json:"passkeys"`
	PasskeyDomain     string                    `json:"passkeyDomain,omitempty"` // browsers use them there, and below it
	PasswordMinLength int                       `json:"passwordMinLength"`
	// SetupRequired says that there is no account yet: the first one is made with the setup link.
	SetupRequired bool `json:"setupRequired"`
}

// config is GET /api/basic-auth/config.
func (n *entrance) config(c call) error {
	exists, err := n.store.Read.AnyAccount(c.Context())
	if err != nil {
		return err
	}
	answer := configAnswer{Registration: n.opts.registration, Mail: n.opts.mail, PasswordMinLength: n.opts.minPassword, SetupRequired: !exists}
	if rp := n.factors.RelyingParty(c.Request); rp != nil {
		answer.Passkeys, answer.PasskeyDomain = true, rp.Config.RPID
	}
	return c.reply(answer)
}
