// Package superadmin knows the super administrator of a deployment: the one account that comes from the environment and not from a
// provider of accounts (contract, workspaces-and-admin §4). It keeps the credentials in a file of the data directory, in the form
// that OR3 Chat's own host reads and writes, and makes and checks the cookie that a sign-in is.
//
// The environment says who it is until the file exists, which is from the first sign-in on. From then on the file alone counts.
package superadmin

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"io"
	"log/slog"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/passwd"
	"or3.chat/cloud/setting"
)

// hashLine is how many sign-ins wait for their turn at most. One after the other is served: each takes a processor for a while,
// and there is one administrator.
const hashLine = 16

// bcryptCost is that of new hashes (contract, workspaces-and-admin §4).
const bcryptCost = 12

// Options are what an Admin depends on.
type Options struct {
	// Config has the settings of the administration.
	Config or3cloud.Config
	// DataDir is the directory with the credentials.
	DataDir string
	// Secret returns the secret of a setting (or3cloud.Env).
	Secret func(name string) (string, error)
	Log    *slog.Logger
	Now    func() time.Time
	Rand   io.Reader
}

// Admin is the super administrator of a deployment. It is safe for concurrent use.
type Admin struct {
	opt       Options
	username  string
	password  string
	passwords *passwd.Hasher
	cost      int        // of new hashes
	mu        sync.Mutex // held while the file changes
	key       func() (string, error)
}

// Enabled reports whether a configuration names a super administrator.
func Enabled(cfg or3cloud.Config) bool {
	return cfg.String(setting.AdminUsername) != "" && cfg.String(setting.AdminPassword) != ""
}

// New returns the super administrator of a configuration; nil if it names none. It does no I/O.
func New(o Options) *Admin {
	if !Enabled(o.Config) {
		return nil
	}
	return &Admin{
		opt: o, username: o.Config.String(setting.AdminUsername), password: o.Config.String(setting.AdminPassword),
		passwords: passwd.New(o.Rand, 1, hashLine), cost: bcryptCost,
		key: sync.OnceValues(func() (string, error) { return o.Secret(setting.AdminJWTSecret) }),
	}
}

// Tell says in the log if the environment names another person than the credentials, which alone count.
func (a *Admin) Tell() {
	c, err := read(a.opt.DataDir)
	switch {
	case err != nil:
		a.opt.Log.Error("the credentials of the super administrator cannot be read, so there is no sign-in", "error", err)
	case c != nil && c.Username != a.username:
		a.opt.Log.Warn("the environment names another super administrator than the one who signs in; it was read at the first sign-in and is not any more. "+
			"Sign in with the old name, or set both with or3-cloud admin password", "variable", setting.AdminUsername, "file", File)
	}
}

// Differs returns the variables of the environment that are not what the super administrator signs in with; none before the first sign-in.
func (a *Admin) Differs(ctx context.Context) (variables []string, err error) {
	c, err := read(a.opt.DataDir)
	if c == nil || err != nil {
		return nil, err
	}
	if !equal(c.Username, a.username) {
		variables = append(variables, setting.AdminUsername)
	}
	ok, err := a.passwords.Verify(ctx, c.Hash, a.password)
	if err == nil && !ok {
		variables = append(variables, setting.AdminPassword)
	}
	return variables, err
}

// SignIn returns who has a name and a password, with the cookie of the session. Every refusal of a pair is the same
// CodeUnauthenticated, and takes as long whether the name or the password is wrong; errors of the line in front of the hashes
// are those of package passwd.
func (a *Admin) SignIn(ctx context.Context, username, password string) (Session, error) {
	c, err := a.credentials(ctx)
	if err != nil {
		return Session{}, err
	}
	ok, err := a.passwords.Verify(ctx, c.Hash, password)
	if err != nil {
		return Session{}, err
	}
	named := equal(c.Username, username)
	if !ok || !named {
		if equal(a.username, username) && equal(a.password, password) {
			a.opt.Log.Warn("a sign-in with the name and password of the environment was refused: the password was changed since, and the environment "+
				"counts at the first sign-in only. or3-cloud admin password sets a new one", "variable", setting.AdminPassword, "file", File)
		}
		return Session{}, or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Invalid credentials")
	}
	return a.session(c)
}

// Knows reports whether a name is the super administrator's. What else is typed as a name may be a password, and must be kept nowhere.
func (a *Admin) Knows(username string) bool {
	c, err := read(a.opt.DataDir)
	if err != nil || c == nil {
		return equal(a.username, username)
	}
	return equal(c.Username, username)
}

// ChangePassword replaces the password. All sessions end with it; the one that it returns is another.
func (a *Admin) ChangePassword(ctx context.Context, current, next string) (Session, error) {
	wrong := or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Current password is incorrect")
	c, err := a.credentials(ctx)
	if err != nil {
		return Session{}, err
	}
	switch ok, err := a.passwords.Verify(ctx, c.Hash, current); {
	case err != nil:
		return Session{}, err
	case !ok:
		return Session{}, wrong
	}
	if err := fits(next); err != nil {
		return Session{}, err
	}
	hash, err := a.passwords.HashBcrypt(ctx, next, a.cost)
	if err != nil {
		return Session{}, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now, err := read(a.opt.DataDir)
	if err != nil {
		return Session{}, err
	}
	if now == nil || now.Hash != c.Hash { // another change was faster
		return Session{}, wrong
	}
	now.Hash, now.UpdatedAt = hash, a.opt.Now().UTC()
	if err := write(a.opt.DataDir, *now); err != nil {
		return Session{}, err
	}
	return a.session(now)
}

// SetPassword gives the super administrator a new password, and a new name if it is not empty, without asking for the old one: it is
// for the operator. All sessions end with it. It returns the name.
func (a *Admin) SetPassword(ctx context.Context, username, password string) (string, error) {
	if err := fits(password); err != nil {
		return "", err
	}
	hash, err := a.passwords.HashBcrypt(ctx, password, a.cost)
	if err != nil {
		return "", err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	// One that cannot be read is replaced: this is the way back in.
	c, _ := read(a.opt.DataDir)
	now := a.opt.Now().UTC()
	if c == nil {
		c = &credentials{Username: a.username, CreatedAt: now}
	}
	if username != "" {
		c.Username = username
	}
	c.Hash, c.UpdatedAt = hash, now
	return c.Username, write(a.opt.DataDir, *c)
}

// credentials returns those of the file, which the environment's become at the first use.
func (a *Admin) credentials(ctx context.Context) (*credentials, error) {
	c, err := read(a.opt.DataDir)
	if c != nil || err != nil {
		return c, err
	}
	hash, err := a.passwords.HashBcrypt(ctx, a.password, a.cost)
	if err != nil {
		return nil, err
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if c, err = read(a.opt.DataDir); c != nil || err != nil {
		return c, err // of another first use
	}
	now := a.opt.Now().UTC()
	c = &credentials{Username: a.username, Hash: hash, CreatedAt: now, UpdatedAt: now}
	if err := write(a.opt.DataDir, *c); err != nil {
		return nil, err
	}
	a.opt.Log.Info("the super administrator's name and password are kept from now on; those of the environment are not read any more",
		"file", File, "variables", setting.AdminUsername+", "+setting.AdminPassword)
	return c, nil
}

// equal compares in a time that tells neither text nor length.
func equal(a, b string) bool {
	x, y := sha256.Sum256([]byte(a)), sha256.Sum256([]byte(b))
	return subtle.ConstantTimeCompare(x[:], y[:]) == 1
}

func fits(password string) error {
	if lacks := setting.AdminPasswordLacks(password); lacks != "" {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Password does not meet requirements: it must have %s", lacks)
	}
	return nil
}
