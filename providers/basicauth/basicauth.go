// Package basicauth is the built-in auth provider: accounts with an e-mail address and a password, in a database
// file of its own. It owns the endpoints below /api/basic-auth/, the two session cookies and everything behind them
// (requirements 2.1, 2.4; contract, auth §8).
//
// A session is one signed-in browser. It is proved in two ways: by an access token, a JWT that is verified without
// touching the disk, and by a refresh token, which is exchanged for a new pair each time it is used.
package basicauth

import (
	"context"
	"embed"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"log/slog"
	"path/filepath"
	"runtime"
	"slices"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/oserror"
	"or3.chat/cloud/internal/passwd"
	"or3.chat/cloud/internal/passwordpolicy"
	"or3.chat/cloud/internal/sealed"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
	"or3.chat/cloud/setting"
)

//go:embed migrations/*.sql
var migrations embed.FS

// schema has the migrations of the database file.
func schema() fs.FS {
	files, err := fs.Sub(migrations, "migrations")
	if err != nil {
		panic(err) // the name is wrong
	}
	return files
}

// hashLine is how many sign-ins may wait for a processor. At some 25 ms each, the last one waits a second or two.
const hashLine = 64

// Register adds the provider "basic-auth" to a registry.
func Register(r *or3cloud.Registry) error {
	return r.Register(or3cloud.Provider{
		Serves:   []or3cloud.ProviderKind{or3cloud.ProviderAuth},
		ID:       sessions.Provider,
		Package:  "or3.chat/cloud/providers/basicauth",
		Settings: settings(),
		Check:    check,
		Warn:     warn,
		Examine:  examine,
		Places:   places,
		Open:     open,
	})
}

// provider is the opened provider: what the host calls, and the packages behind it. The endpoints have types of their
// own.
type provider struct {
	*accounts.Operator
	opts     options
	log      *slog.Logger
	clock    *store.Clock
	now      func() time.Time
	host     or3cloud.HostServices
	store    *store.Store
	onetime  *onetime.Tokens
	guard    *guard.Guard
	behind   *guard.Behind
	letters  *letters.Letters
	sessions *sessions.Sessions
	factors  *factors.Factors
	stepUp   *factors.StepUp
	demands  *factors.Demands
	accounts *accounts.Accounts
	watch    *sqlitex.Watch
	outbox   *letters.Outbox // nil without a mail server

	front    *front
	entrance *entrance
	self     *self
	pages    *pages
}

func open(ctx context.Context, env or3cloud.Env) (_ *or3cloud.Instance, err error) {
	opts := readOptions(env)
	secrets, err := readSecrets(env)
	if err != nil {
		return nil, err
	}
	sealer, err := secrets.sealer(env.Rand)
	if err != nil {
		return nil, err
	}
	var breaches *passwordpolicy.Breaches
	if opts.breachFile != "" {
		if breaches, err = passwordpolicy.OpenBreaches(opts.breachFile); err != nil {
			return nil, fmt.Errorf("%s: %w", settingBreachFile, oserror.Explain(err))
		}
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, breaches.Close())
		}
	}()
	policy, err := passwordpolicy.New(opts.minPassword, breaches)
	if err != nil {
		return nil, err
	}
	file := sqlitex.Options{Path: opts.dbPath, Identity: databaseIdentity(env), Migrations: schema()}
	st, err := store.Open(ctx, file, env.Log, env.Fatal)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(st.File.Refusal(ctx, err), st.Close())
		}
	}()
	clock := store.NewClock(env.Now)
	lifetimes := sessions.Options{
		AccessTTL: opts.accessTTL, RefreshTTL: opts.refreshTTL, SessionTTL: opts.sessionTTL, Grace: opts.grace, Production: opts.production,
		BasePath: opts.basePath,
	}
	if err := settleAtStart(ctx, st, clock, env.Log, lifetimes); err != nil {
		return nil, fmt.Errorf("compare the clock with what is stored: %w", err)
	}
	if err := st.Tx(ctx, func(q store.Queries) error { return shorten(ctx, q, clock.Now(), lifetimes) }); err != nil {
		return nil, fmt.Errorf("apply the lifetimes of sessions: %w", err)
	}
	guards, err := guard.New(ctx, st, env.Log, clock.Now, passwd.New(env.Rand, runtime.GOMAXPROCS(0), hashLine))
	if err != nil {
		return nil, err
	}
	signedIn, err := sessions.New(ctx, lifetimes, st, guards, env.Log, clock, env.Rand, sealer, secrets.tokens(clock.Now))
	if err != nil {
		return nil, err
	}
	outbox := letters.NewOutbox(opts.smtp, st, sealer, env.Log, clock.Now, env.Rand)
	words := letters.New(guards, clock.Now, or3cloud.Entrance{Base: opts.publicURL + opts.basePath, Page: env.AccountPage}, outbox)
	once := onetime.New(env.Rand, clock.Now)
	ways := factors.Options{PublicURL: opts.publicURL, PublicHost: opts.publicHost, Grace: opts.grace}
	proofs := factors.Deps{
		Store: st, Guard: guards, Letters: words, Sessions: signedIn, OneTime: once, Sealer: sealer, Host: env.Host, Log: env.Log,
		Now: clock.Now, Rand: env.Rand,
	}
	factor := factors.New(ways, proofs)
	demands := factors.NewDemands(opts.demand, opts.demandGrace, factor, env.Host)
	stepUp := factors.NewStepUp(ways, proofs, demands)
	all := accounts.New(accounts.Options{
		Registration: opts.registration, MinPassword: opts.minPassword, BootstrapEmail: opts.bootstrapEmail,
		BootstrapPassword: opts.bootstrapPassword, PublicHost: opts.publicHost, Grace: opts.grace,
	}, accounts.Deps{
		Store: st, Guard: guards, Letters: words, Sessions: signedIn, OneTime: once, StepUp: stepUp, Policy: policy, Host: env.Host,
		Log: env.Log, Now: clock.Now, Rand: env.Rand,
	})
	p := &provider{
		Operator: accounts.NewOperator(all, factor, demands), opts: opts, log: env.Log, clock: clock, now: clock.Now, host: env.Host, store: st,
		onetime: once, guard: guards, letters: words, sessions: signedIn, factors: factor, stepUp: stepUp, demands: demands,
		accounts: all, outbox: outbox,
	}
	if outbox != nil {
		outbox.Resolve = all.ResolveReset
	}
	p.behind = guard.NewBehind(guards, clock, guard.Rooms{
		Sightings: &signedIn.Sightings, TellOfFailures: words.TellOfFailures,
		Settle: func(ctx context.Context, q store.Queries, now time.Time) error { return settle(ctx, q, now, lifetimes) },
	})
	p.furnish(env)
	if err := p.prepare(ctx); err != nil {
		return nil, err
	}
	p.watch = sqlitex.StartWatch(st.File, env.Log, env.Now, nil)
	outbox.Start()
	p.behind.Start()
	return &or3cloud.Instance{
		Auth:   p,
		Broker: broker{},
		Admin:  map[or3cloud.ProviderKind]or3cloud.ProviderAdminAdapter{or3cloud.ProviderAuth: admin{opts, outbox}},
		Routes: p.routes(),
		Setup:  all.SetupFragment,
		Close: func() error {
			p.sessions.Revoked.Close()
			outbox.Close()
			p.behind.Close()
			p.watch.Close()
			return errors.Join(st.Close(), breaches.Close())
		},
	}, nil
}

// furnish gives the endpoints the parts that they call.
func (p *provider) furnish(env or3cloud.Env) {
	p.front = &front{host: env.Host, guard: p.guard, opts: &p.opts}
	p.entrance = &entrance{
		opts: &p.opts, host: env.Host, log: env.Log, now: p.now, front: p.front, store: p.store, onetime: p.onetime, guard: p.guard,
		behind: p.behind, letters: p.letters, sessions: p.sessions, factors: p.factors, stepUp: p.stepUp, accounts: p.accounts,
	}
	p.self = &self{
		opts: &p.opts, log: env.Log, now: p.now, store: p.store, guard: p.guard, sessions: p.sessions, factors: p.factors,
		stepUp: p.stepUp, demands: p.demands, accounts: p.accounts,
	}
	p.pages = &pages{
		log: env.Log, now: p.now, store: p.store, onetime: p.onetime, guard: p.guard, letters: p.letters, sessions: p.sessions,
		factors: p.factors, stepUp: p.stepUp,
	}
}

// prepare brings memory and database into a state in which requests can be served.
func (p *provider) prepare(ctx context.Context) (err error) {
	now := p.now()
	if err := p.store.Tx(ctx, func(q store.Queries) error { return store.Prune(ctx, q, now, p.opts.grace) }); err != nil {
		return fmt.Errorf("remove expired sessions: %w", err)
	}
	if err := p.warnOfPasskeysElsewhere(ctx); err != nil {
		return fmt.Errorf("look for passkeys of another domain: %w", err)
	}
	if err := p.accounts.Bootstrap(ctx); err != nil {
		return err
	}
	if err := p.demands.Begin(ctx); err != nil {
		return fmt.Errorf("demand a second factor: %w", err)
	}
	return nil
}

// warnOfPasskeysElsewhere tells the operator which passkeys no longer work after a change of OR3_PUBLIC_URL.
func (p *provider) warnOfPasskeysElsewhere(ctx context.Context) error {
	counts, domains, err := p.factors.PasskeysElsewhere(ctx)
	if err != nil || len(counts) == 0 {
		return err
	}
	passkeys, alone := 0, 0
	for accountID, count := range counts {
		has, err := p.factors.Of(ctx, p.store.Read, accountID)
		if err != nil {
			return err
		}
		passkeys += count
		if !has.Any() {
			alone++
		}
	}
	p.log.Warn("passkeys of another domain than that of "+setting.PublicURL+" do not work in any browser and are not demanded",
		"domain", p.opts.publicHost, "of", domains, "passkeys", passkeys, "accounts", len(counts), "password_alone", alone)
	return nil
}

// secrets are the texts that keys are made from. The earlier ones, which may be empty, no longer sign or encrypt.
type secrets struct{ access, refresh, earlierAccess, earlierRefresh string }

// readSecrets returns the configured secrets. In strict mode none is generated: a missing refresh secret is then the
// JWT secret, as it always was (contract, env §7); the two are used for different algorithms.
func readSecrets(env or3cloud.Env) (s secrets, err error) {
	s.earlierAccess, s.earlierRefresh = env.Config.String(settingJWTPrevious), env.Config.String(settingRefreshPrevious)
	if s.access, err = env.Secret(settingJWTSecret); err != nil {
		return s, fmt.Errorf("%s: %w", settingJWTSecret, err)
	}
	if env.Strict && env.Config.String(settingRefreshSecret) == "" {
		s.refresh = s.access
		return s, nil
	}
	if s.refresh, err = env.Secret(settingRefreshSecret); err != nil {
		return s, fmt.Errorf("%s: %w", settingRefreshSecret, err)
	}
	return s, nil
}

// tokens returns what signs access tokens and accepts those of the earlier key.
func (s secrets) tokens(now func() time.Time) *sessions.AccessTokens {
	return sessions.NewAccessTokens(now, s.access, given(s.earlierAccess)...)
}

// sealer returns what seals with the refresh secret and opens what any of the secrets has sealed: before the refresh
// secret was set, the JWT secret stood in for it.
func (s secrets) sealer(rand io.Reader) (*sealed.Sealer, error) {
	return sealed.New(rand, "or3-cloud basic-auth refresh seal", given(s.refresh, s.earlierRefresh, s.access, s.earlierAccess)...)
}

// given returns the texts that are not empty.
func given(texts ...string) []string {
	return slices.DeleteFunc(texts, func(s string) bool { return s == "" })
}

// resolveDBPath returns where the database is: relative paths are relative to the working directory, as they always
// were.
func resolveDBPath(configured, dataDir string) string {
	if configured == "" {
		return filepath.Join(dataDir, defaultDB)
	}
	return configured
}

// GetSession implements or3cloud.AuthProvider.
func (p *provider) GetSession(ctx context.Context, r *or3cloud.Request) (*or3cloud.ProviderSession, error) {
	return p.sessions.GetSession(ctx, r)
}

// WatchRevocations implements or3cloud.RevocationWatcher.
func (p *provider) WatchRevocations(ctx context.Context) (<-chan or3cloud.Revocation, error) {
	return p.sessions.WatchRevocations(ctx)
}

// CheckSession implements or3cloud.SessionChecker.
func (p *provider) CheckSession(ctx context.Context, s *or3cloud.ProviderSession) (bool, error) {
	return p.sessions.CheckSession(ctx, s)
}

// Restriction implements or3cloud.SessionRestrictor.
func (p *provider) Restriction(ctx context.Context, accountID string) (*or3cloud.Error, error) {
	return p.demands.Restriction(ctx, accountID)
}

// broker issues no tokens: basic-auth knows no other service. The answer to every request is "none" (requirement 2.4;
// contract, auth §6).
type broker struct{}

// GetProviderToken implements or3cloud.ProviderTokenBroker.
func (broker) GetProviderToken(context.Context, *or3cloud.Request, or3cloud.ProviderTokenRequest) (string, error) {
	return "", nil
}
