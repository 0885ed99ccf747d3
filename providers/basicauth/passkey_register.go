package basicauth

import (
	"context"
	"encoding/json"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// maxPasskeys bounds the lists that go to browsers with each ceremony.
const maxPasskeys = 30

// passkeyRegisterOptions is POST /api/basic-auth/passkeys/register-options.
func (p *provider) passkeyRegisterOptions(c call) error {
	who, err := p.recentlyProven(c)
	if err != nil {
		return err
	}
	rp := p.relyingParty(c.Request)
	if rp == nil {
		return refuse.NoPasskeys()
	}
	ctx := c.Context()
	user, err := passkeyUserOf(ctx, p.store.Read, who.account(), rp.Config.RPID)
	if err != nil {
		return err
	}
	known := webauthn.Credentials(user.credentials).CredentialDescriptors()
	options, session, err := rp.BeginRegistration(user, webauthn.WithExclusions(known))
	if err != nil {
		return err
	}
	var token string
	err = p.as(ctx, who, func(q store.Queries, who actor) (err error) {
		token, _, err = p.onetime.Issue(ctx, q, onetime.PasskeyAdd, who.account(), who.SessionID, session)
		return err
	})
	if err != nil {
		return err
	}
	return c.reply(map[string]any{"challenge": token, "publicKey": options.Response})
}

// registerPasskey is POST /api/basic-auth/passkeys/register.
func (p *provider) registerPasskey(c call) error {
	who, f, err := asked(c, p.recentlyProven)
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
	err = p.as(c.Context(), who, func(q store.Queries, who actor) error {
		var session webauthn.SessionData
		token, err := p.onetime.Take(c.Context(), q, onetime.PasskeyAdd, challenge, &session)
		if err != nil {
			return err
		}
		if token.AccountID.String != who.ID || token.SessionID.String != who.SessionID {
			return refuse.Token()
		}
		made, rpID, err := p.verifyNewPasskey(c.Request, who.account(), session, credential)
		if err != nil {
			refusal = err
			return nil
		}
		added.Passkey, added.RecoveryCodes, err = p.addPasskey(c.Context(), q, c.Request, who.account(), name, rpID, made)
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

// verifyNewPasskey checks what an authenticator has made, and returns the domain that it belongs to.
func (p *provider) verifyNewPasskey(r *or3cloud.Request, a db.Account, session webauthn.SessionData, credential []byte) (made *webauthn.Credential, rpID string, err error) {
	rp := p.relyingParty(r)
	if rp == nil {
		return nil, "", refuse.NoPasskeys()
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(credential)
	if err != nil {
		return nil, "", refuse.Invalid()
	}
	made, err = rp.CreateCredential(passkeyUser{account: a}, session, parsed)
	if err != nil {
		p.logRefusedPasskey(r, rp, err)
		return nil, "", refuse.Invalid()
	}
	made.Attestation = webauthn.CredentialAttestation{} // it was not asked for and is not looked at again
	return made, rp.Config.RPID, nil
}

// addPasskey stores a passkey and returns recovery codes with it if it is the first factor.
func (p *provider) addPasskey(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account, name, rpID string, made *webauthn.Credential) (*passkeyAnswer, []string, error) {
	had, err := p.factorsOf(ctx, q, a.ID)
	if err != nil {
		return nil, nil, err
	}
	if len(had.Passkeys) >= maxPasskeys {
		return nil, nil, refuse.With(or3cloud.CodeInvalid, "invalid_request", "There are too many passkeys. Remove one first.", nil)
	}
	text, err := json.Marshal(made)
	if err != nil {
		return nil, nil, err
	}
	row := db.Passkey{ID: passkeyID(made.ID), AccountID: a.ID, Name: name, Credential: string(text), CreatedAt: p.now().UnixMilli(), RpID: store.Optional(rpID)}
	err = q.InsertPasskey(ctx, db.InsertPasskeyParams{ID: row.ID, AccountID: a.ID, Name: name, Credential: row.Credential, Now: row.CreatedAt, RpID: row.RpID})
	if err != nil {
		return nil, nil, err
	}
	if err := p.letters.RecordAndNotify(ctx, q, r, a, guard.EventPasskeyAdded, letters.NoticePasskeyAdded, name); err != nil {
		return nil, nil, err
	}
	key := p.describePasskey(row)
	if had.any() {
		return &key, nil, nil
	}
	codes, err := p.replaceRecoveryCodes(ctx, q, a.ID)
	return &key, codes, err
}

// renamePasskey is POST /api/basic-auth/passkeys/rename.
func (p *provider) renamePasskey(c call) error {
	who, f, err := asked(c, p.signedIn)
	if err != nil {
		return err
	}
	key, ok := f.Text("id", 1, form.MaxToken)
	name, err := f.PasskeyName()
	if !ok || err != nil {
		return refuse.Invalid()
	}
	return p.changePasskey(c, who, func(q store.Queries, who actor) (bool, error) {
		n, err := q.RenamePasskey(c.Context(), db.RenamePasskeyParams{ID: key, AccountID: who.ID, Name: name})
		return n == 1, err
	})
}

// removePasskey is POST /api/basic-auth/passkeys/remove.
func (p *provider) removePasskey(c call) error {
	who, f, err := asked(c, p.recentlyProven)
	if err != nil {
		return err
	}
	key, ok := f.Text("id", 1, form.MaxToken)
	if !ok {
		return refuse.Invalid()
	}
	ctx := c.Context()
	return p.changePasskey(c, who, func(q store.Queries, who actor) (bool, error) {
		names, err := q.DeletePasskey(ctx, db.DeletePasskeyParams{ID: key, AccountID: who.ID})
		if err != nil || len(names) == 0 {
			return false, err
		}
		if err := p.forgetUselessCodes(ctx, q, who.ID); err != nil {
			return false, err
		}
		return true, p.letters.RecordAndNotify(ctx, q, c.Request, who.account(), guard.EventPasskeyRemoved, letters.NoticePasskeyRemoved, names[0])
	})
}

// changePasskey answers for a change of one passkey; found is false if it is not among one's own.
func (p *provider) changePasskey(c call, who actor, change func(store.Queries, actor) (found bool, err error)) error {
	err := p.as(c.Context(), who, func(q store.Queries, who actor) error {
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
