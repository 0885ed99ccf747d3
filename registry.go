package or3cloud

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"slices"
	"sort"
	"strings"
	"time"
)

// Config is the resolved configuration. All values passed the checks of their Setting; asking for a name that no
// Setting declares is a programming error and panics.
type Config interface {
	String(name string) string
	Int(name string) int64
	Bool(name string) bool
	List(name string) []string
}

// Problem is a fault in the configuration, or in what it names. Problems are reported all at once. Where warnings are returned beside
// problems, they are of this type as well: an operator should know them, and they stop nothing.
type Problem struct {
	// Variable is the setting at fault, or the file or address.
	Variable string `json:"variable"`
	// Fault says what is wrong with it, without secret values.
	Fault string `json:"fault"`
	// Why says what comes of it; empty where Fault tells that, or where nothing but the start depends on it.
	Why string `json:"why,omitempty"`
	// Fix says what to do, if possible as a command or a line to add.
	Fix string `json:"fix"`
}

// verbs are how a Fault begins that needs no colon behind what it is about.
var verbs = []string{"is ", "does ", "can ", "has ", "lets ", "belongs ", "believes ", "contradicts "}

// String is the problem as one line says it.
func (p Problem) String() string {
	join := ": "
	if slices.ContainsFunc(verbs, func(verb string) bool { return strings.HasPrefix(p.Fault, verb) }) {
		join = " "
	}
	text := p.Variable + join + p.Fault
	for _, more := range []string{p.Why, p.Fix} {
		if more != "" {
			text += ". " + strings.ToUpper(more[:1]) + more[1:]
		}
	}
	return text
}

// Front answers questions about a request that came in through it. The Go host is one.
type Front interface {
	// Session resolves the session of a request: the zero SessionContext when signed out. A session with a Restriction comes with
	// that as the error, so that who looks at the error lets it do nothing.
	Session(r *http.Request) (*SessionContext, error)
	// Authorize resolves the session for a workspace and asks Can. It returns a 401 or 403 Error on denial.
	Authorize(r *http.Request, p Permission, workspaceID string) (*SessionContext, error)
	// ClientIP returns the address to limit by, after the trusted-proxy rule; "unknown" if there is none.
	ClientIP(r *http.Request) string
	// RequestHost returns the host and port that the browser addressed; ok is false when it is unknown.
	RequestHost(r *http.Request) (host string, ok bool)
}

// HostServices is what providers that serve routes of their own are offered.
type HostServices interface {
	Front
	// CheckInvite says whether an invite token lets email register: nil, or the 403 or 503 to answer with (contract,
	// auth §9). It accepts nothing; the first session of the new account does.
	CheckInvite(ctx context.Context, token, email string) error
	// DescribeInvite says what the holder of an invite token may know: why it admits nobody, or "" and its details. It accepts
	// nothing.
	DescribeInvite(ctx context.Context, token string) (InviteDetails, InviteRefusal, error)
	// Users is how an account takes the user behind it along; nil if the workspace store has no such ability.
	Users() UserRemover
	// Administers reports whether the user of an account, by its id at the auth provider, is a deployment administrator.
	Administers(ctx context.Context, providerUserID string) (bool, error)
}

// Route is an endpoint that a provider serves on the host's pipeline.
type Route struct {
	Method string
	// Path lies below /api/. It is exact, or one of its last three segments is :id, which stands for any one segment:
	// r.PathValue("id") gives it to Handle.
	Path string
	// MaxBody is the largest accepted body in bytes; 0 means the host's small default, −1 means that the handler
	// bounds the body itself. A body of up to 64 KiB has come whole when Handle begins. A larger one is broken off with a
	// 401 or 403 if what Session and Authorize have said before its end does not hold until then.
	MaxBody int64
	// Anonymous reports whether a request may come from who is signed out, with a body beyond 64 KiB as well; nil stands for never.
	// Such a body gets little of the memory that requests share.
	Anonymous func(*http.Request) bool
	// Effects says of a GET or HEAD that it changes something, or takes something that runs out. The host then refuses
	// requests of foreign pages, as it does with all other methods.
	Effects bool
	// Buffer is how much memory the handler holds while it passes a file on, in bytes. The host takes it from what all
	// requests share, before Handle is called.
	Buffer int64
	// Handle writes the answer or returns an error, never both.
	Handle func(w http.ResponseWriter, r *http.Request) error
}

// Env is what a provider gets from the host when it is opened. Time, randomness and the data directory come in here.
type Env struct {
	Config Config
	// Production is NODE_ENV=production: cookies are Secure. Strict is that or OR3_STRICT_CONFIG=true.
	Production, Strict bool
	// DataDir is the absolute path of the instance's data directory.
	DataDir string
	// Stores decides whether a store may be opened; nil in tests that do not care.
	Stores Stores
	Log    *slog.Logger
	Now    func() time.Time
	Rand   io.Reader
	// Secret returns the configured value of a secret setting, else a random one that is generated once and kept in
	// the data directory.
	Secret func(name string) (string, error)
	Host   HostServices
	// DiskFull, if set, returns a function that reports whether the file system of a directory is so full that only
	// writes which free some of it may go on. The directory need not exist yet; asking costs next to nothing, so it is
	// done before each write that grows. Reads and deletions go on whatever the answer.
	DiskFull func(dir string) func() bool
	// Fatal, if set, tells the host that the provider cannot go on: an fsync failed, say, so that nothing may be
	// acknowledged until the program has started anew and recovered. It returns at once and may be called more than
	// once; the host closes the provider soon after. Until then, calls that write fail with CodeUnavailable.
	Fatal func(error)
	// AccountPage is the path of the front's own page for one-time links (Entrance); empty if it has none.
	AccountPage string
	// References is the sync provider's ReferenceClaimer; nil if it has none. Set for storage providers only.
	References ReferenceClaimer
}

// Instance is an opened provider: the abilities that it has; the others are nil.
type Instance struct {
	Auth AuthProvider
	// Broker mints tokens for other hosts, through the engine.
	Broker     ProviderTokenBroker
	Workspaces AuthWorkspaceStore
	Sync       SyncGatewayAdapter
	Storage    StorageGatewayAdapter
	// Admin has an adapter for each kind in which the provider can be administered. The admin API
	// shows their status and runs their actions.
	Admin map[ProviderKind]ProviderAdminAdapter
	// Routes are served by the host while the instance is open.
	Routes []Route
	// Setup, if set, returns the fragment for a one-time link with which the first account can be created, or ""
	// when there are accounts already.
	Setup func(ctx context.Context) (string, error)
	// Close releases everything and waits for what the provider started.
	Close func() error
}

// ProviderKind is a place that a provider can take.
type ProviderKind string

// The kinds. The sync provider also keeps users and workspaces.
const (
	ProviderAuth    ProviderKind = "auth"
	ProviderSync    ProviderKind = "sync"
	ProviderStorage ProviderKind = "storage"
)

// Provider is a provider package as the host sees it before opening it.
type Provider struct {
	// Serves are the places that the provider can take; nil stands for all.
	Serves []ProviderKind
	// ID is what AUTH_PROVIDER, OR3_SYNC_PROVIDER and NUXT_PUBLIC_STORAGE_PROVIDER select.
	ID string
	// Package is the import path, for messages.
	Package string
	// Settings are the variables that the provider reads.
	Settings []Setting
	// Check looks for faults beyond single settings; it must not touch the disk. May be nil.
	Check func(cfg Config, strict bool) []Problem
	// Warn returns what an operator should know of a configuration that the provider takes; it must not touch the disk. The program says
	// it at the start. May be nil.
	Warn func(cfg Config, strict bool) []Problem
	// Examine looks, for "or3-cloud doctor", at what the configuration names: files, directories, other servers. It changes nothing,
	// ends with ctx, and may run while the provider is open in another process. May be nil.
	Examine func(ctx context.Context, e Examination) (problems, warnings []Problem)
	// Places returns where the provider keeps its data in a configuration, as absolute paths by the settings that move them; what is kept
	// in memory is left out. May be nil.
	Places func(cfg Config, dataDir string) map[string]string
	// Open starts the provider. When it fails it leaves nothing open.
	Open func(ctx context.Context, env Env) (*Instance, error)
}

// Examination is what a provider needs to look at what its configuration names.
type Examination struct {
	Config Config
	// Strict is that of Env.
	Strict bool
	// DataDir is the absolute path of the data directory, which need not exist yet.
	DataDir string
	// Room looks at the file system of a directory, which need not exist yet: how full it is, and whether it is of this machine. setting is
	// the variable that moves the directory.
	Room func(setting, dir string) (problems, warnings []Problem)
}

// Warnings returns what Warn does.
func (p Provider) Warnings(cfg Config, strict bool) []Problem {
	if p.Warn == nil {
		return nil
	}
	return p.Warn(cfg, strict)
}

// Problems returns what keeps the provider from being opened with a configuration: what Check finds, and what strict mode
// misses among its settings. It does not touch the disk.
func (p Provider) Problems(cfg Config, strict bool) (problems []Problem) {
	if p.Check != nil {
		problems = p.Check(cfg, strict)
	}
	if strict {
		problems = append(problems, Lacking(p.Settings, cfg)...)
	}
	return problems
}

// Registry holds the providers that are compiled into a binary. It is a value: two hosts in one process do not
// share it. Each provider package exports Register(*Registry) error.
type Registry struct {
	byID map[string]Provider
}

// Register adds a provider. A second registration of an id is an error that names both packages.
func (r *Registry) Register(p Provider) error {
	if p.ID == "" || p.Open == nil {
		return fmt.Errorf("provider %q of %s: needs an id and Open", p.ID, p.Package)
	}
	if other, ok := r.byID[p.ID]; ok {
		return fmt.Errorf("provider id %q is registered twice: by %s and by %s", p.ID, other.Package, p.Package)
	}
	if r.byID == nil {
		r.byID = map[string]Provider{}
	}
	r.byID[p.ID] = p
	return nil
}

// Lookup returns the provider with an id.
func (r *Registry) Lookup(id string) (Provider, bool) { p, ok := r.byID[id]; return p, ok }

// Serving returns the provider with an id if it can take a place.
func (r *Registry) Serving(kind ProviderKind, id string) (Provider, bool) {
	if r == nil {
		return Provider{}, false
	}
	p, ok := r.byID[id]
	return p, ok && p.serves(kind)
}

func (p Provider) serves(kind ProviderKind) bool {
	return p.Serves == nil || slices.Contains(p.Serves, kind)
}

// ownProviders are the packages of this module's providers, which a program may have been built without.
var ownProviders = map[string]string{
	"basic-auth": "or3.chat/cloud/providers/basicauth", "sqlite": "or3.chat/cloud/providers/sqlite", "fs": "or3.chat/cloud/providers/fs",
}

// chatProviders are providers of OR3 Chat's own host, which people know by these ids (contract, env §1).
var chatProviders = map[string][]ProviderKind{
	"clerk": {ProviderAuth}, "convex": {ProviderSync, ProviderStorage}, "s3": {ProviderStorage},
}

// Missing describes that the provider which variable selects for a place is not compiled in, or cannot take it, and what
// to do. off is the variable that makes the place unnecessary.
func (r *Registry) Missing(kind ProviderKind, variable, id, off string) Problem {
	p := Problem{Variable: variable, Fault: fmt.Sprintf("%s.provider %q is not registered", kind, id)}
	from := "PACKAGE with the package that has it"
	if own := ownProviders[id]; own != "" {
		from = own
	}
	add := "Install it: build the program again with or3-cloud build --with " + from
	switch other, ok := r.Providers(), slices.Contains(chatProviders[id], kind); {
	case slices.ContainsFunc(other, func(p Provider) bool { return p.ID == id }):
		p.Fault += " for this place: it is a provider of another kind"
		add = ""
	case ok:
		add += " (OR3 Chat knows it; it is not compiled into this program)"
	}
	var ids []string
	for _, candidate := range r.Providers() {
		if candidate.serves(kind) {
			ids = append(ids, candidate.ID)
		}
	}
	var choices []string
	if add != "" {
		choices = append(choices, add)
	}
	if len(ids) > 0 {
		choices = append(choices, fmt.Sprintf("set %s to a provider that is compiled in (%s)", variable, strings.Join(ids, ", ")))
	}
	choices = append(choices, fmt.Sprintf("set %s=false", off))
	fix := strings.Join(choices, ", or ") + "."
	p.Fix = strings.ToUpper(fix[:1]) + fix[1:]
	return p
}

// Providers returns all providers in the order of their ids.
func (r *Registry) Providers() []Provider {
	if r == nil {
		return nil
	}
	out := make([]Provider, 0, len(r.byID))
	for _, p := range r.byID {
		out = append(out, p)
	}
	sort.Slice(out, func(i, j int) bool { return out[i].ID < out[j].ID })
	return out
}
