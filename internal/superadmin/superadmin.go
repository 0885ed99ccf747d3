// Package superadmin handles the super administrator of a deployment: the one account that comes from the environment
// and not from an accounts provider (contract, workspaces-and-admin §4). It keeps the credentials in a file in the data
// directory, in the format of OR3 Chat's own host, and makes and checks the session cookie.
//
// The environment defines the credentials until the file exists, which is from the first sign-in on. From then on, only
// the file counts.
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

// hashLine is the largest number of sign-ins that wait for their turn. They are handled one at a time: each uses a
// processor for a while, and there is only one administrator.
const hashLine = 16

// bcryptCost is the cost of new hashes (contract, workspaces-and-admin §4).
const bcryptCost = 12

// Options are the dependencies of an Admin.
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

// New returns the super administrator of a configuration, or nil if there is none. It does no I/O.
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

// Tell logs a warning if the environment differs from the credentials in the file, which alone count.
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

// Differs returns the variables in the environment that differ from the super administrator's credentials. It returns
// none before the first sign-in.
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

// SignIn checks a name and password and returns a new session. It refuses every wrong pair with the same
// CodeUnauthenticated, after the same time whether the name or the password is wrong. Errors of the queue in front of
// the hashes are those of package passwd.
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

// Knows reports whether a name is the super administrator's. Any other text typed as a name may be a password, and must
// not be stored.
func (a *Admin) Knows(username string) bool {
	c, err := read(a.opt.DataDir)
	if err != nil || c == nil {
		return equal(a.username, username)
	}
	return equal(c.Username, username)
}

// ChangePassword replaces the password and ends all sessions. It returns a new session.
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

// SetPassword sets the super administrator's password, and the name if it is not empty, without asking for the old
// password. It is for the operator. It ends all sessions and returns the name.
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
	// Credentials that cannot be read are replaced: this is the way back in.
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

// credentials returns the credentials in the file. On first use, they come from the environment.
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
		return c, err // of a concurrent first use
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

// equal compares two texts in a time that reveals neither content nor length.
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
