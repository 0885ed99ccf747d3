package basicauth

import (
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// passkeySignInOptions is POST /api/basic-auth/passkeys/sign-in-options. It uses no account, so it reveals nothing
// about any: the authenticator finds the passkey.
func (n *entrance) passkeySignInOptions(c call) error {
	rp := n.factors.RelyingParty(c.Request)
	if rp == nil {
		return refuse.NoPasskeys()
	}
	options, session, err := rp.BeginDiscoverableLogin()
	if err != nil {
		return err
	}
	var token string
	err = n.store.Tx(c.Context(), func(q store.Queries) (err error) {
		token, _, err = n.onetime.Issue(c.Context(), q, onetime.PasskeyUse, db.Account{}, "", session)
		return err
	})
	if err != nil {
		return err
	}
	return c.reply(map[string]any{"challenge": token, "publicKey": options.Response})
}

// passkeySignIn is POST /api/basic-auth/passkeys/sign-in. A passkey is something one has, opened by something one knows
// or is, so nothing else is asked.
func (n *entrance) passkeySignIn(c call) error {
	f, err := c.body()
	if err != nil {
		return err
	}
	challenge, credential, err := f.Ceremony()
	if err != nil {
		return err
	}
	ctx := c.Context()
	var g *sessions.Grant
	var refusal error // the ceremony is over, however it ended
	err = n.store.Tx(ctx, func(q store.Queries) error {
		a, err := n.factors.FinishCeremony(ctx, q, c.Request, challenge, credential)
		switch {
		case err != nil:
			return err
		case a == nil:
			n.log.Warn("sign-in failed", "address", c.ClientIP, "email", guard.RedactEmail(""))
			refusal = refuse.Credentials()
			return nil
		case a.DisabledAt.Valid:
			refusal = refuse.Disabled()
			return nil
		}
		g, err = n.factors.Admit(ctx, q, c.Request, *a, "passkey")
		return err
	})
	if err != nil {
		return err
	}
	if refusal != nil {
		return refusal
	}
	n.sessions.SetCookies(c.Request, g)
	return c.answer(true)
}
