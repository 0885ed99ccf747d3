package superadmin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"or3.chat/cloud/setting"
)

// Cookie is the name of the session cookie.
const Cookie = "or3_admin"

// kind is the kind of a session in its token.
const kind = "super_admin"

const (
	// clockSkew is how much clocks may differ.
	clockSkew = 5 * time.Second
	// maxToken is the length of the longest token that is parsed, in bytes.
	maxToken = 4096
)

// claims are the claims of the token in the cookie (contract, workspaces-and-admin §4), and the version of the password
// it was made with: the token ends with that password. Other readers of the cookie do not know that claim and need not.
type claims struct {
	jwt.RegisteredClaims
	Kind     string `json:"kind"`
	Username string `json:"username"`
	Version  string `json:"ver"`
}

// Session is a signed-in session.
type Session struct {
	Username string
	// Token is the content of the cookie.
	Token string
	// MaxAge is how long browsers keep the cookie.
	MaxAge time.Duration
}

// session creates a session.
func (a *Admin) session(c *credentials) (Session, error) {
	key, err := a.key()
	if err != nil {
		return Session{}, err
	}
	life, age, _ := setting.AdminSession(a.opt.Config.String(setting.AdminJWTExpiry))
	now := a.opt.Now()
	token, err := jwt.NewWithClaims(jwt.SigningMethodHS256, claims{
		RegisteredClaims: jwt.RegisteredClaims{IssuedAt: jwt.NewNumericDate(now), ExpiresAt: jwt.NewNumericDate(now.Add(life))},
		Kind:             kind, Username: c.Username, Version: version(key, c),
	}).SignedString([]byte(key))
	return Session{Username: c.Username, Token: token, MaxAge: age}, err
}

// Verify returns the name of the super administrator to whom a token belongs, or "" if it is invalid or no longer
// valid: it has expired, lasts longer than sessions now do, or the password has changed since.
func (a *Admin) Verify(token string) (username string, err error) {
	if token == "" || len(token) > maxToken {
		return "", nil
	}
	key, err := a.key()
	if err != nil {
		return "", err
	}
	var said claims
	_, err = jwt.ParseWithClaims(token, &said, func(*jwt.Token) (any, error) { return []byte(key), nil },
		jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}), jwt.WithExpirationRequired(), jwt.WithIssuedAt(),
		jwt.WithTimeFunc(a.opt.Now), jwt.WithLeeway(clockSkew))
	if err != nil || said.Kind != kind || said.IssuedAt == nil {
		return "", nil
	}
	life, _, _ := setting.AdminSession(a.opt.Config.String(setting.AdminJWTExpiry))
	if said.ExpiresAt.After(said.IssuedAt.Add(life + clockSkew)) {
		return "", nil
	}
	c, err := read(a.opt.DataDir)
	if err != nil {
		return "", err
	}
	if c == nil || !equal(c.Username, said.Username) || !equal(version(key, c), said.Version) {
		return "", nil
	}
	return c.Username, nil
}

// version identifies the password in credentials, without revealing anything about it.
func version(key string, c *credentials) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(Cookie + "\x00" + c.Hash))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}
