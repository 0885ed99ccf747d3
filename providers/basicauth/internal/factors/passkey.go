package factors

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

// RelyingParty returns the rules of WebAuthn ceremonies for the host that a request was sent to, or nil where browsers
// support no passkeys: on a bare IP address, or when the host is unknown. If a public URL is configured, it alone
// decides, so that no forged Host header can.
func (f *Factors) RelyingParty(r *or3cloud.Request) *webauthn.WebAuthn {
	rpID, origins := f.ceremonyOrigins(r)
	if rpID == "" || protocol.ValidateRPID(rpID) != nil {
		return nil
	}
	rp, err := webauthn.New(&webauthn.Config{
		RPID: rpID, RPDisplayName: ProductName, RPOrigins: origins,
		AttestationPreference: protocol.PreferNoAttestation, // it does not matter who made the authenticator
		AuthenticatorSelection: protocol.AuthenticatorSelection{
			// Every passkey signs in alone, so it has to know the account and verify the person.
			ResidentKey: protocol.ResidentKeyRequirementRequired, RequireResidentKey: protocol.ResidentKeyRequired(),
			UserVerification: protocol.VerificationRequired,
		},
		// Password managers answer extensions that were not requested.
		ExtensionsUnsolicitedOutputPolicy: protocol.UnsolicitedOutputPolicyIgnore,
	})
	if err != nil {
		return nil
	}
	return rp
}

// ceremonyOrigins returns the domain that passkeys belong to and the origins whose pages may use them. Browsers offer
// passkeys to secure pages only: HTTPS and localhost.
func (f *Factors) ceremonyOrigins(r *or3cloud.Request) (rpID string, origins []string) {
	if u, err := url.Parse(f.opts.PublicURL); err == nil && f.opts.PublicHost != "" {
		return f.opts.PublicHost, []string{u.Scheme + "://" + u.Host}
	}
	host, known := f.host.RequestHost(r.Request)
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
	Credentials []webauthn.Credential
}

func (u passkeyUser) WebAuthnID() []byte { return []byte(u.account.ID) }

func (u passkeyUser) WebAuthnName() string { return u.account.Email }

func (u passkeyUser) WebAuthnCredentials() []webauthn.Credential { return u.Credentials }

func (u passkeyUser) WebAuthnDisplayName() string {
	if u.account.DisplayName.Valid {
		return u.account.DisplayName.String
	}
	return u.account.Email
}

// PasskeyUserOf is an account with its passkeys for one domain.
func PasskeyUserOf(ctx context.Context, q store.Queries, a db.Account, rpID string) (passkeyUser, error) {
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
		u.Credentials = append(u.Credentials, credential)
	}
	return u, nil
}

// PasskeyAnswer is a passkey as its owner sees it.
type PasskeyAnswer struct {
	ID         string     `json:"id"`
	Name       string     `json:"name"`
	CreatedAt  time.Time  `json:"createdAt"`
	LastUsedAt *time.Time `json:"lastUsedAt,omitempty"`
	// OtherDomain is the domain of a passkey that cannot be used, because the server now has another one.
	OtherDomain string `json:"otherDomain,omitempty"`
}

func (f *Factors) describePasskey(row db.Passkey) PasskeyAnswer {
	a := PasskeyAnswer{ID: row.ID, Name: row.Name, CreatedAt: time.UnixMilli(row.CreatedAt).UTC(), OtherDomain: f.OtherDomain(row.RpID.String)}
	if row.LastUsedAt.Valid {
		at := time.UnixMilli(row.LastUsedAt.Int64).UTC()
		a.LastUsedAt = &at
	}
	return a
}

// passkeyID is the text form of a credential id.
func passkeyID(raw []byte) string { return base64.RawURLEncoding.EncodeToString(raw) }
