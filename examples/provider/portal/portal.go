// Package portal signs in people who are signed in to our website, which shares a key and a domain with this server.
// The website sets the cookie "portal", which contains an address, an expiry, and a proof of both.
package portal

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"strconv"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
)

// Register registers the provider.
func Register(r *or3cloud.Registry) error {
	return r.Register(or3cloud.Provider{
		ID: "portal", Package: "example.org/mycloud/portal", Serves: []or3cloud.ProviderKind{or3cloud.ProviderAuth},
		Settings: []or3cloud.Setting{
			{Name: "PORTAL_KEY", Secret: true, MinLength: 32, Help: "Key that the website signs its cookie with."},
		},
		Open: open,
	})
}

type provider struct {
	key []byte
	now func() time.Time
}

func open(_ context.Context, env or3cloud.Env) (*or3cloud.Instance, error) {
	key, err := env.Secret("PORTAL_KEY")
	if err != nil {
		return nil, err
	}
	return &or3cloud.Instance{Auth: &provider{[]byte(key), env.Now}, Close: func() error { return nil }}, nil
}

// GetSession implements or3cloud.AuthProvider.
func (p *provider) GetSession(_ context.Context, r *or3cloud.Request) (*or3cloud.ProviderSession, error) {
	cookie, err := r.Cookie("portal")
	if err != nil {
		return nil, nil // signed out
	}
	part := strings.Split(cookie.Value, ".")
	if len(part) != 3 || !hmac.Equal([]byte(part[2]), []byte(p.proof(part[0], part[1]))) {
		return nil, nil
	}
	email, err := hex.DecodeString(part[0])
	seconds, err2 := strconv.ParseInt(part[1], 10, 64)
	if ends := time.Unix(seconds, 0); err == nil && err2 == nil && p.now().Before(ends) {
		return &or3cloud.ProviderSession{
			Provider: "portal", UserID: string(email), Email: string(email), ExpiresAt: ends, Admitted: true,
		}, nil
	}
	return nil, nil
}

// proof is a text that only the website and this server can compute.
func (p *provider) proof(address, ends string) string {
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte(address + "." + ends))
	return hex.EncodeToString(mac.Sum(nil))
}
