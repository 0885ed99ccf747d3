package factors

import (
	"context"
	"encoding/json"
	"errors"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// FinishCeremony ends a ceremony that began without an account and returns the owner of the passkey, or nil if the
// answer was not valid.
func (f *Factors) FinishCeremony(ctx context.Context, q store.Queries, r *or3cloud.Request, challenge string, credential []byte) (*db.Account, error) {
	var session webauthn.SessionData
	if _, err := f.onetime.Take(ctx, q, onetime.PasskeyUse, challenge, &session); err != nil {
		return nil, err
	}
	return f.verifyPasskey(ctx, q, r, session, credential)
}

// verifyPasskey checks an authenticator's answer and returns the owner of the passkey, or nil if the answer is not
// valid. It stores what the next answer is checked against.
func (f *Factors) verifyPasskey(ctx context.Context, q store.Queries, r *or3cloud.Request, session webauthn.SessionData, credential []byte) (*db.Account, error) {
	rp := f.RelyingParty(r)
	if rp == nil {
		return nil, nil
	}
	parsed, err := protocol.ParseCredentialRequestResponseBytes(credential)
	if err != nil {
		f.logRefusedPasskey(r, rp, err)
		return nil, nil
	}
	row, err := q.Passkey(ctx, passkeyID(parsed.RawID))
	if store.Absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	a, err := q.AccountByID(ctx, row.AccountID)
	if err != nil {
		return nil, err
	}
	rpID := session.GetRelyingPartyID(rp.Config.RPID)
	user, err := PasskeyUserOf(ctx, q, a, rpID)
	if err != nil {
		return nil, err
	}
	used, err := validate(rp, user, session, parsed)
	if err != nil {
		f.logRefusedPasskey(r, rp, err)
		return nil, nil
	}
	ok, err := f.acceptCounter(ctx, q, r, row, parsed.Response.AuthenticatorData.Counter)
	if err != nil || !ok {
		return nil, err
	}
	text, err := json.Marshal(used)
	if err != nil {
		return nil, err
	}
	return &a, q.UsePasskey(ctx, db.UsePasskeyParams{ID: row.ID, Credential: string(text), RpID: store.Optional(rpID), Now: f.now().UnixMilli()})
}

// validate picks the check that fits how the ceremony began: for one account, or for any owner of a passkey.
func validate(rp *webauthn.WebAuthn, user passkeyUser, session webauthn.SessionData, parsed *protocol.ParsedCredentialAssertionData) (*webauthn.Credential, error) {
	if len(session.UserID) > 0 {
		return rp.ValidateLogin(user, session, parsed)
	}
	_, used, err := rp.ValidatePasskeyLogin(func(_, _ []byte) (webauthn.User, error) { return user, nil }, session, parsed)
	return used, err
}

// acceptCounter looks at the number of signatures that an authenticator claims to have made. If it falls, there are two
// authenticators with the same key, and neither can be trusted. If it stands still, that is worth a log entry.
// Synchronised passkeys do not count: they always say zero.
func (f *Factors) acceptCounter(ctx context.Context, q store.Queries, r *or3cloud.Request, row db.Passkey, counter uint32) (bool, error) {
	var stored webauthn.Credential
	if err := json.Unmarshal([]byte(row.Credential), &stored); err != nil {
		return false, err
	}
	last := stored.Authenticator.SignCount
	if counter > last || last == 0 {
		return true, nil
	}
	f.log.Warn("passkey counter did not rise", "address", r.ClientIP, "account", row.AccountID, "last", last, "now", counter)
	return counter == last, f.guard.Record(ctx, q, r, row.AccountID, guard.EventPasskeyCloned, row.Name)
}

// logRefusedPasskey tells the operator why an authenticator's answer was refused: usually because pages are served from
// another origin than the configured one.
func (f *Factors) logRefusedPasskey(r *or3cloud.Request, rp *webauthn.WebAuthn, err error) {
	reason := "malformed"
	var e *protocol.Error
	if errors.As(err, &e) {
		reason = e.Details
	}
	f.log.Warn("passkey refused", "address", r.ClientIP, "reason", reason, "domain", rp.Config.RPID, "origins", rp.Config.RPOrigins)
}
