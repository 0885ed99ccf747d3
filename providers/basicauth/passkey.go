package basicauth

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"net/url"
	"strings"
	"time"

	"github.com/go-webauthn/webauthn/protocol"
	"github.com/go-webauthn/webauthn/webauthn"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/store"
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
		p.limited("passkeys/sign-in", signInLimit, p.passkeySignIn),
	}
}

// relyingParty returns the rules of WebAuthn ceremonies for the host that a request was sent to, or nil where browsers
// know no passkeys: on a bare IP address, or when nobody knows the host. A configured public URL decides alone, so that
// no forged Host header can.
func (p *provider) relyingParty(r *or3cloud.Request) *webauthn.WebAuthn {
	rpID, origins := p.ceremonyOrigins(r)
	if rpID == "" || protocol.ValidateRPID(rpID) != nil {
		return nil
	}
	rp, err := webauthn.New(&webauthn.Config{
		RPID: rpID, RPDisplayName: productName, RPOrigins: origins,
		AttestationPreference: protocol.PreferNoAttestation, // whoever built the authenticator is none of our business
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			// Every passkey signs in alone, so it has to know the account and to verify the person.
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
		// Password managers answer extensions that nobody has asked for.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil
	}
	return rp
}

// ceremonyOrigins returns the domain that passkeys belong to and the origins whose pages may use them. Browsers offer
// passkeys to secure pages only, which is HTTPS and the machine itself.
func (p *provider) ceremonyOrigins(r *or3cloud.Request) (rpID string, origins []string) {
	if u, err := url.Parse(p.opts.publicURL); err == nil && p.opts.publicHost != "" {
		return p.opts.publicHost, []string{u.Scheme + "://" + u.Host}
	}
	host, known := p.host.RequestHost(r.Request)
	u, err := url.Parse("https://" + host)
	if !known || err != nil {
		return "", nil
	}
	rpID, origins = strings.ToLower(u.Hostname()), []string{"https://" + host}
	if rpID == "localhost" || strings.HasSuffix(rpID, ".localhost") {
		origins = append(origins, "http://"+host)
	}
	return rpID, origins
}

// passkeyUser is an account as WebAuthn sees it.
type passkeyUser struct {
	account     db.Account
	credentials []webauthn.Credential
}

func (u passkeyUser) WebAuthnID() []byte                         { return []byte(u.account.ID) }
func (u passkeyUser) WebAuthnName() string                       { return u.account.Email }
func (u passkeyUser) WebAuthnCredentials() []webauthn.Credential { return u.credentials }

func (u passkeyUser) WebAuthnDisplayName() string {
	if u.account.DisplayName.Valid {
		return u.account.DisplayName.String
	}
	return u.account.Email
}

// passkeyUserOf is an account with those of its passkeys that are of a domain.
func passkeyUserOf(ctx context.Context, q store.Queries, a db.Account, rpID string) (passkeyUser, error) {
	rows, err := q.Passkeys(ctx, a.ID)
	if err != nil {
		return passkeyUser{}, err
	}
	return passkeyUserWith(a, rows, rpID)
}

func passkeyUserWith(a db.Account, rows []db.Passkey, rpID string) (passkeyUser, error) {
	u := passkeyUser{account: a}
	for _, row := range rows {
		if !belongsTo(row, rpID) {
			continue
		}
		var credential webauthn.Credential
		if err := json.Unmarshal([]byte(row.Credential), &credential); err != nil {
			return u, err
		}
		u.credentials = append(u.credentials, credential)
	}
	return u, nil
}

// passkeyAnswer is a passkey as its owner sees it.
type passkeyAnswer struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	CreatedAt  time.Time  `json:"createdAt"`
	LastUsedAt *time.Time `json:"lastUsedAt,omitempty"`
	// OtherDomain is the domain of a passkey that cannot be used, because the server has another one.
	OtherDomain string `json:"otherDomain,omitempty"`
}

func (p *provider) describePasskey(row db.Passkey) passkeyAnswer {
	a := passkeyAnswer{ID: row.ID, Name: row.Name, CreatedAt: time.UnixMilli(row.CreatedAt).UTC(), OtherDomain: p.otherDomain(row.RpID.String)}
	if row.LastUsedAt.Valid {
		at := time.UnixMilli(row.LastUsedAt.Int64).UTC()
		a.LastUsedAt = &at
	}
	return a
}

// passkeyID is the text form of a credential id.
func passkeyID(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }
