// Package household signs people in who have the key of the household. They trust each other: the key is the same for all,
// and the address tells them apart.
package household

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
)

const (
	id         = "household"
	settingKey = "HOUSEHOLD_KEY"
	cookieName = "household"
	lifetime   = time.Hour // how long an answer of GetSession may be relied on
)

// Register registers the provider.
func Register(r *or3cloud.Registry) error {
	return r.Register(or3cloud.Provider{
		ID:      id,
		Package: "example.org/mycloud/household",
		Serves:  []or3cloud.ProviderKind{or3cloud.ProviderAuth},
		Settings: []or3cloud.Setting{
			{Name: settingKey, Secret: true, MinLength: 32, Help: "Key that everyone in the household signs in with."},
		},
		Open: open,
	})
}

type provider struct {
	key []byte
	now func() time.Time
}

func open(_ context.Context, env or3cloud.Env) (*or3cloud.Instance, error) {
	key, err := env.Secret(settingKey)
	if err != nil {
		return nil, err
	}
	p := &provider{key: []byte(key), now: env.Now}
	return &or3cloud.Instance{
		Auth:   p,
		Routes: []or3cloud.Route{{Method: http.MethodPost, Path: "/api/household/sign-in", Handle: p.signIn}},
		Close:  func() error { return nil },
	}, nil
}

// GetSession implements or3cloud.AuthProvider.
func (p *provider) GetSession(_ context.Context, r *or3cloud.Request) (*or3cloud.ProviderSession, error) {
	cookie, err := r.Cookie(cookieName)
	if err != nil {
		return nil, nil // signed out
	}
	proof, address, _ := strings.Cut(cookie.Value, ".")
	email, err := hex.DecodeString(address)
	if err != nil || len(email) == 0 || !hmac.Equal([]byte(proof), []byte(p.proof(string(email)))) {
		return nil, nil
	}
	return &or3cloud.ProviderSession{
		Provider: id, UserID: string(email), Email: string(email), ExpiresAt: p.now().Add(lifetime), Admitted: true,
	}, nil
}

// proof is a text about an address that only people with the key can compute.
func (p *provider) proof(email string) string {
	mac := hmac.New(sha256.New, p.key)
	mac.Write([]byte(email))
	return hex.EncodeToString(mac.Sum(nil))
}

func (p *provider) cookie(email string) *http.Cookie {
	return &http.Cookie{
		Name: cookieName, Value: p.proof(email) + "." + hex.EncodeToString([]byte(email)),
		Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode,
	}
}

// signIn serves POST /api/household/sign-in.
func (p *provider) signIn(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Email string `json:"email"`
		Key   string `json:"key"`
	}
	if err := httpapi.ReadJSON(r, &in, "Invalid request"); err != nil {
		return err
	}
	email := strings.ToLower(strings.TrimSpace(in.Email))
	if email == "" {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "An address is needed")
	}
	with := provider{key: []byte(in.Key)}
	if !hmac.Equal([]byte(with.proof(email)), []byte(p.proof(email))) {
		return or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Invalid credentials")
	}
	cookie := p.cookie(email)
	cookie.Secure = httpapi.IsHTTPS(r)
	http.SetCookie(w, cookie)
	httpapi.NoStore(w)
	return httpapi.WriteJSON(w, http.StatusOK, map[string]bool{"ok": true})
}
