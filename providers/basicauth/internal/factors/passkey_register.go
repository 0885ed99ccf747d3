package factors

import (
	"context"
	"encoding/json"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// MaxPasskeys limits the lists that go to browsers with each ceremony.
const MaxPasskeys = 30

// VerifyNewPasskey checks what an authenticator has created, and returns the domain that it belongs to.
func (f *Factors) VerifyNewPasskey(r *or3cloud.Request, a db.Account, session webauthn.SessionData, credential []byte) (made *webauthn.Credential, rpID string, err error) {
	rp := f.RelyingParty(r)
	if rp == nil {
		return nil, "", refuse.NoPasskeys()
	}
	parsed, err := protocol.ParseCredentialCreationResponseBytes(credential)
	if err != nil {
		return nil, "", refuse.Invalid()
	}
	made, err = rp.CreateCredential(passkeyUser{account: a}, session, parsed)
	if err != nil {
		f.logRefusedPasskey(r, rp, err)
		return nil, "", refuse.Invalid()
	}
	made.Attestation = webauthn.CredentialAttestation{} // it was not requested and is not looked at again
	return made, rp.Config.RPID, nil
}

// AddPasskey stores a passkey and returns recovery codes with it if it is the first factor.
func (f *Factors) AddPasskey(ctx context.Context, q store.Queries, r *or3cloud.Request, a db.Account, name, rpID string, made *webauthn.Credential) (*PasskeyAnswer, []string, error) {
	had, err := f.Of(ctx, q, a.ID)
	if err != nil {
		return nil, nil, err
	}
	if len(had.Passkeys) >= MaxPasskeys {
		return nil, nil, refuse.With(or3cloud.CodeInvalid, "invalid_request", "There are too many passkeys. Remove one first.", nil)
	}
	text, err := json.Marshal(made)
	if err != nil {
		return nil, nil, err
	}
	row := db.Passkey{ID: passkeyID(made.ID), AccountID: a.ID, Name: name, Credential: string(text), CreatedAt: f.now().UnixMilli(), RpID: store.Optional(rpID)}
	err = q.InsertPasskey(ctx, db.InsertPasskeyParams{ID: row.ID, AccountID: a.ID, Name: name, Credential: row.Credential, Now: row.CreatedAt, RpID: row.RpID})
	if err != nil {
		return nil, nil, err
	}
	if err := f.letters.RecordAndNotify(ctx, q, r, a, guard.EventPasskeyAdded, letters.NoticePasskeyAdded, name); err != nil {
		return nil, nil, err
	}
	key := f.describePasskey(row)
	if had.Any() {
		return &key, nil, nil
	}
	codes, err := f.ReplaceRecoveryCodes(ctx, q, a.ID)
	return &key, codes, err
}
