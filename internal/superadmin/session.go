package superadmin

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"or3.chat/cloud/setting"
)

// Cookie is the name of the cookie that a sign-in is.
const Cookie = "or3_admin"

// kind is the kind of a session in its token.
const kind = "super_admin"

const (
	// clockSkew is by how much clocks may differ.
	clockSkew = 5 * time.Second
	// maxToken is the length of the longest token that is looked at, in bytes.
	maxToken = 4096
)

// claims are those of the token in the cookie (contract, workspaces-and-admin §4), and which password it was made with: it ends with
// that. Other readers of the cookie do not know the claim and need not.
type claims struct {
	jwt.RegisteredClaims
	Kind     string `json:"kind"`
	Username string `json:"username"`
	Version  string `json:"ver"`
}

// Session is a sign-in.
type Session struct {
	Username string
	// Token is the content of the cookie.
	Token string
	// MaxAge is how long browsers keep the cookie.
	MaxAge time.Duration
}

// session makes one.
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

// Verify returns the name of the super administrator whose token it is; "" if it is none, or none any more: it has run out, lasts longer
// than sessions do by now, or the password was changed since.
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

// version names the password that credentials have, without telling anything of it.
func version(key string, c *credentials) string {
	mac := hmac.New(sha256.New, []byte(key))
	mac.Write([]byte(Cookie + "\x00" + c.Hash))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil)[:16])
}
