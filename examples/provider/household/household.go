// Package household signs in people who have the key of the household. They trust each other: all have the same key,
// and their addresses tell them apart.
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
	"or3.chat/cloud/metric"
)

const (
	id            = "household"
	settingKey    = "HOUSEHOLD_KEY"
	settingDomain = "HOUSEHOLD_DOMAIN"
	cookieName    = "household"
	lifetime      = time.Hour // how long an answer of GetSession may be relied on
)

// Register registers the provider.
func Register(r *or3cloud.Registry) error {
	return r.Register(or3cloud.Provider{
		ID:      id,
		Package: "example.org/mycloud/household",
		Serves:  []or3cloud.ProviderKind{or3cloud.ProviderAuth},
		Settings: []or3cloud.Setting{
			{
				Name: settingKey, Label: "Household key", Secret: true, MinLength: or3cloud.MinKeyLength, Make: or3cloud.MakeKey,
				Asked: true, Help: "Key that everyone in the household signs in with.",
			},
			{Name: settingDomain, Label: "Household domain", Help: "Only addresses of this domain can sign in. Empty means any."},
		},
		Check: check,
		Open:  open,
	})
}

// check finds what no single setting shows.
func check(cfg or3cloud.Config, strict bool) []or3cloud.Problem {
	if domain := cfg.String(settingDomain); strings.Contains(domain, "@") {
		return []or3cloud.Problem{{
			Variable: settingDomain, Fault: "contains an @, so no address ends with it",
			Fix: "Set it to the part of an address after the @.",
		}}
	}
	return nil
}

type provider struct {
	key    []byte
	domain string
	now    func() time.Time

	signedIn, refused metric.Counter
}

func open(_ context.Context, env or3cloud.Env) (*or3cloud.Instance, error) {
	key, err := env.Secret(settingKey)
	if err != nil {
		return nil, err
	}
	p := &provider{key: []byte(key), domain: env.Config.String(settingDomain), now: env.Now}
	return &or3cloud.Instance{
		Auth:   p,
		Admin:  map[or3cloud.ProviderKind]or3cloud.ProviderAdminAdapter{or3cloud.ProviderAuth: p},
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
	known := hmac.Equal([]byte(with.proof(email)), []byte(p.proof(email)))
	if !known || p.domain != "" && !strings.HasSuffix(email, "@"+p.domain) {
		p.refused.Add(1)
		return or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Invalid credentials")
	}
	p.signedIn.Add(1)
	cookie := p.cookie(email)
	cookie.Secure = httpapi.IsHTTPS(r)
	http.SetCookie(w, cookie)
	httpapi.NoStore(w)
	return httpapi.WriteJSON(w, http.StatusOK, map[string]bool{"ok": true})
}

// Metrics implements metric.Reporter.
func (p *provider) Metrics(context.Context) ([]metric.Family, error) {
	tries := metric.By(metric.Total, "household_sign_ins_total", "Sign-ins to the household, by how they ended.", "result")
	tries.Add(p.signedIn.Value(), "succeeded")
	tries.Add(p.refused.Value(), "refused")
	return []metric.Family{tries}, nil
}

// GetStatus implements or3cloud.ProviderAdminAdapter.
func (p *provider) GetStatus(context.Context) (or3cloud.AdminStatus, error) {
	status := or3cloud.AdminStatus{Details: map[string]any{"signIns": p.signedIn.Value()}}
	if p.domain == "" {
		status.Warnings = append(status.Warnings, or3cloud.AdminWarning{
			Level: or3cloud.AdminLevelWarning, Message: "Addresses of any domain can sign in. Set " + settingDomain + ".",
		})
	}
	return status, nil
}
