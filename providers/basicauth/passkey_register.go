package basicauth

import (
	"github.com/go-webauthn/webauthn/webauthn"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// passkeyRegisterOptions is POST /api/basic-auth/passkeys/register-options.
func (k *pages) passkeyRegisterOptions(c call) error {
	who, err := k.stepUp.RecentlyProven(c.Context(), c.Request)
	if err != nil {
		return err
	}
	rp := k.factors.RelyingParty(c.Request)
	if rp == nil {
		return refuse.NoPasskeys()
	}
	ctx := c.Context()
	user, err := factors.PasskeyUserOf(ctx, k.store.Read, who.Account(), rp.Config.RPID)
	if err != nil {
		return err
	}
	known := webauthn.Credentials(user.Credentials).CredentialDescriptors()
	options, session, err := rp.BeginRegistration(user, webauthn.WithExclusions(known))
	if err != nil {
		return err
	}
	var token string
	err = k.stepUp.As(ctx, who, func(q store.Queries, who factors.Actor) (err error) {
		token, _, err = k.onetime.Issue(ctx, q, onetime.PasskeyAdd, who.Account(), who.SessionID, session)
		return err
	})
	if err != nil {
		return err
	}
	return c.reply(map[string]any{"challenge": token, "publicKey": options.Response})
}

// registerPasskey is POST /api/basic-auth/passkeys/register.
func (k *pages) registerPasskey(c call) error {
	who, f, err := asked(c, k.stepUp.RecentlyProven)
	if err != nil {
		return err
	}
	name, err := f.PasskeyName()
	if err != nil {
		return err
	}
	challenge, credential, err := f.Ceremony()
	if err != nil {
		return err
	}
	added := factorAdded{OK: true}
	var refusal error // the ceremony is over however it ended
	err = k.stepUp.As(c.Context(), who, func(q store.Queries, who factors.Actor) error {
		var session webauthn.SessionData
		token, err := k.onetime.Take(c.Context(), q, onetime.PasskeyAdd, challenge, &session)
		if err != nil {
			return err
		}
		if token.AccountID.String != who.ID || token.SessionID.String != who.SessionID {
			return refuse.Token()
		}
		made, rpID, err := k.factors.VerifyNewPasskey(c.Request, who.Account(), session, credential)
		if err != nil {
			refusal = err
			return nil
		}
		added.Passkey, added.RecoveryCodes, err = k.factors.AddPasskey(c.Context(), q, c.Request, who.Account(), name, rpID, made)
		return err
	})
	switch {
	case sqlitex.IsUnique(err):
		return refuse.With(or3cloud.CodeConflict, "passkey_exists", "This passkey is already set up.", nil)
	case err != nil:
		return err
	case refusal != nil:
		return refusal
	}
	return c.reply(added)
}

// renamePasskey is POST /api/basic-auth/passkeys/rename.
func (k *pages) renamePasskey(c call) error {
	who, f, err := asked(c, k.stepUp.SignedIn)
	if err != nil {
		return err
	}
	key, ok := f.Text("id", 1, form.MaxToken)
	name, err := f.PasskeyName()
	if !ok || err != nil {
		return refuse.Invalid()
	}
	return k.changePasskey(c, who, func(q store.Queries, who factors.Actor) (bool, error) {
		n, err := q.RenamePasskey(c.Context(), db.RenamePasskeyParams{ID: key, AccountID: who.ID, Name: name})
		return n == 1, err
	})
}

// removePasskey is POST /api/basic-auth/passkeys/remove.
func (k *pages) removePasskey(c call) error {
	who, f, err := asked(c, k.stepUp.RecentlyProven)
	if err != nil {
		return err
	}
	key, ok := f.Text("id", 1, form.MaxToken)
	if !ok {
		return refuse.Invalid()
	}
	ctx := c.Context()
	return k.changePasskey(c, who, func(q store.Queries, who factors.Actor) (bool, error) {
		names, err := q.DeletePasskey(ctx, db.DeletePasskeyParams{ID: key, AccountID: who.ID})
		if err != nil || len(names) == 0 {
			return false, err
		}
		if err := k.factors.ForgetUselessCodes(ctx, q, who.ID); err != nil {
			return false, err
		}
		return true, k.letters.RecordAndNotify(ctx, q, c.Request, who.Account(), guard.EventPasskeyRemoved, letters.NoticePasskeyRemoved, names[0])
	})
}

// changePasskey answers a change of one passkey; found is false if it does not belong to the actor.
func (k *pages) changePasskey(c call, who factors.Actor, change func(store.Queries, factors.Actor) (found bool, err error)) error {
	err := k.stepUp.As(c.Context(), who, func(q store.Queries, who factors.Actor) error {
		found, err := change(q, who)
		if err == nil && !found {
			err = refuse.With(or3cloud.CodeNotFound, "not_found", "There is no such passkey.", nil)
		}
		return err
	})
	if err != nil {
		return err
	}
	return c.answer(true)
}
