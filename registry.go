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

// Config is the resolved configuration. Every value has passed the checks of its Setting. Asking for a name that no
// Setting declares is a programming error and panics.
type Config interface {
	String(name string) string
	Int(name string) int64
	Bool(name string) bool
	List(name string) []string
}

// Problem is a fault in the configuration, or in something that it names. Problems are reported all at once. Where a
// function returns warnings beside problems, they have this type too: the operator should know them, but they do not
// prevent the start.
type Problem struct {
	// Variable is the setting at fault, or the file or address.
	Variable string `json:"variable"`
	// Fault describes the fault, without secret values.
	Fault string `json:"fault"`
	// Why describes the consequence. It is empty if Fault makes that clear, or if only the start depends on it.
	Why string `json:"why,omitempty"`
	// Fix tells what to do, if possible as a command or a line to add.
	Fix string `json:"fix"`
}

// verbs are the beginnings of a Fault that directly continue the name of the variable, without a colon.
var verbs = []string{"is ", "does ", "can ", "has ", "lets ", "belongs ", "believes ", "contradicts "}

// String returns the problem as one line.
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
	// Session resolves the session of a request. It returns the zero SessionContext if the request is not signed in. A
	// session with a Restriction also returns it as the error, so that callers that check the error let the session do
	// nothing.
	Session(r *http.Request) (*SessionContext, error)
	// Authorize resolves the session for a workspace and asks Can. It returns a 401 or 403 Error if denied.
	Authorize(r *http.Request, p Permission, workspaceID string) (*SessionContext, error)
	// ClientIP returns the address to rate limit by, according to the trusted-proxy rule, or "unknown".
	ClientIP(r *http.Request) string
	// RequestHost returns the host and port that the browser addressed. ok is false if they are unknown.
	RequestHost(r *http.Request) (host string, ok bool)
}

// HostServices is what the host offers to providers that serve routes of their own.
type HostServices interface {
	Front
	// CheckInvite checks whether an invite token lets email register. It returns nil, or the 403 or 503 to answer with
	// (contract, auth §9). It does not accept the invite; the first session of the new account does.
	CheckInvite(ctx context.Context, token, email string) error
	// DescribeInvite returns what the holder of an invite token may know: its details and an empty refusal, or the
	// reason why it cannot be used. It does not accept the invite.
	DescribeInvite(ctx context.Context, token string) (InviteDetails, InviteRefusal, error)
	// Users removes the user behind a deleted account. It is nil if the workspace store lacks the ability.
	Users() UserRemover
	// Administers reports whether the user of an account, given by its id at the auth provider, is a deployment
	// administrator.
	Administers(ctx context.Context, providerUserID string) (bool, error)
}

// Route is an endpoint that a provider serves through the host's pipeline.
type Route struct {
	Method string
	// Path lies below /api/. It is exact, or one of its last three segments is :id, which matches any one segment.
	// Handle gets that segment with r.PathValue("id").
	Path string
	// MaxBody is the largest accepted body in bytes. 0 means the host's small default, and −1 means that the handler
	// limits the body. A body of up to 64 KiB has arrived in full when Handle begins. A larger one is cut off with a
	// 401 or 403 if the result of Session or Authorize stops being true before the body ends.
	MaxBody int64
	// Anonymous reports whether a request may come from a client that is not signed in, even with a body of more than
	// 64 KiB. nil means never. Such a body gets little of the memory that requests share.
	Anonymous func(*http.Request) bool
	// Effects declares that a GET or HEAD changes something, or consumes something limited. The host then refuses
	// cross-origin requests, as it does for all other methods.
	Effects bool
	// Buffer is how much memory, in bytes, the handler holds while it passes a file on. The host reserves it from the
	// memory that all requests share before it calls Handle.
	Buffer int64
	// Handle writes the response or returns an error, never both.
	Handle func(w http.ResponseWriter, r *http.Request) error
}

// Env is what a provider gets from the host when it is opened, including time, randomness and the data directory.
type Env struct {
	Config Config
	// Production is NODE_ENV=production: cookies are Secure. Strict is Production or OR3_STRICT_CONFIG=true.
	Production, Strict bool
	// DataDir is the absolute path of the instance's data directory.
	DataDir string
	// Stores decides whether a store may be opened. It is nil in tests that do not care.
	Stores Stores
	Log    *slog.Logger
	Now    func() time.Time
	Rand   io.Reader
	// Secret returns the configured value of a secret setting. If there is none, it returns a random value that is
	// generated once and kept in the data directory.
	Secret func(name string) (string, error)
	Host   HostServices
	// DiskFull, if set, returns a function that reports whether the file system of a directory is so full that only
	// writes that free space may proceed. The directory need not exist yet. The function is cheap, so providers call it
	// before each write that takes space. Reads and deletions proceed regardless.
	DiskFull func(dir string) func() bool
	// Fatal, if set, tells the host that the provider cannot continue. For example, after a failed fsync it must not
	// acknowledge anything until the program has restarted and recovered. Fatal returns at once and may be called more
	// than once; the host closes the provider soon after. Until then, calls that write fail with CodeUnavailable.
	Fatal func(error)
	// AccountPage is the path of the front's own page for one-time links (Entrance). It is empty if there is none.
	AccountPage string
	// References is the sync provider's ReferenceClaimer, or nil if it has none. It is set only for storage providers.
	References ReferenceClaimer
}

// Instance is an opened provider. Abilities that it lacks are nil.
type Instance struct {
	Auth AuthProvider
	// Broker mints tokens for other hosts through the engine.
	Broker     ProviderTokenBroker
	Workspaces AuthWorkspaceStore
	Sync       SyncGatewayAdapter
	Storage    StorageGatewayAdapter
	// Admin has an adapter for each kind under which the provider can be administered. The admin API shows their status
	// and runs their actions.
	Admin map[ProviderKind]ProviderAdminAdapter
	// Routes are the endpoints that the host serves while the instance is open.
	Routes []Route
	// Setup, if set, returns the fragment of a one-time link for creating the first account, or "" if there are
	// accounts already.
	Setup func(ctx context.Context) (string, error)
	// Close releases everything and waits for whatever the provider started.
	Close func() error
}

// ProviderKind is a role that a provider can fill.
type ProviderKind string

// The kinds. The sync provider also keeps users and workspaces.
const (
	ProviderAuth    ProviderKind = "auth"
	ProviderSync    ProviderKind = "sync"
	ProviderStorage ProviderKind = "storage"
)

// Provider is a provider package as the host sees it before opening it.
type Provider struct {
	// Serves lists the kinds that the provider can fill. nil means all.
	Serves []ProviderKind
	// ID is the value that selects the provider in AUTH_PROVIDER, OR3_SYNC_PROVIDER or NUXT_PUBLIC_STORAGE_PROVIDER.
	ID string
	// Package is the import path, for messages.
	Package string
	// Settings are the settings that the provider reads.
	Settings []Setting
	// Check looks for faults that no single setting shows. It must not touch the disk. It may be nil.
	Check func(cfg Config, strict bool) []Problem
	// Warn returns what an operator should know about a configuration that the provider accepts. The program prints it
	// at the start. It must not touch the disk. It may be nil.
	Warn func(cfg Config, strict bool) []Problem
	// Examine checks what the configuration names (files, directories, other servers) for "or3-cloud doctor". It
	// changes nothing, ends with ctx, and may run while another process has the provider open. It may be nil.
	Examine func(ctx context.Context, e Examination) (problems, warnings []Problem)
	// Places returns where the provider keeps its data, as absolute paths keyed by the settings that move them. Data
	// kept in memory is left out. It may be nil.
	Places func(cfg Config, dataDir string) map[string]string
	// Open starts the provider. If it fails, it leaves nothing open.
	Open func(ctx context.Context, env Env) (*Instance, error)
}

// Examination is what a provider needs to check what its configuration names.
type Examination struct {
	Config Config
	// Strict is that of Env.
	Strict bool
	// DataDir is the absolute path of the data directory, which need not exist yet.
	DataDir string
	// Room checks the file system of a directory: how full it is, and whether it is local. The directory need not exist
	// yet. setting is the variable that moves the directory.
	Room func(setting, dir string) (problems, warnings []Problem)
}

// Warnings returns the result of Warn.
func (p Provider) Warnings(cfg Config, strict bool) []Problem {
	if p.Warn == nil {
		return nil
	}
	return p.Warn(cfg, strict)
}

// Problems returns the problems that prevent opening the provider with a configuration: those that Check finds, and the
// settings that strict mode demands but that have no value. It does not touch the disk.
func (p Provider) Problems(cfg Config, strict bool) (problems []Problem) {
	if p.Check != nil {
		problems = p.Check(cfg, strict)
	}
	if strict {
		problems = append(problems, Lacking(p.Settings, cfg)...)
	}
	return problems
}

// Registry holds the providers that are compiled into a binary. It is a value, so two hosts in one process do not share
// it. Each provider package exports Register(*Registry) error.
type Registry struct {
	byID map[string]Provider
}

// Register adds a provider. Registering an id twice is an error that names both packages.
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

// Serving returns the provider with an id if it can fill the role of a kind.
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

// ownProviders are the packages of this module's providers. A program may have been built without them.
var ownProviders = map[string]string{
	"basic-auth": "or3.chat/cloud/providers/basicauth", "sqlite": "or3.chat/cloud/providers/sqlite", "fs": "or3.chat/cloud/providers/fs",
}

// chatProviders are the providers of OR3 Chat's own host, whose ids people may know (contract, env §1).
var chatProviders = map[string][]ProviderKind{
	"clerk": {ProviderAuth}, "convex": {ProviderSync, ProviderStorage}, "s3": {ProviderStorage},
}

// Missing returns the problem that the provider selected by variable is not compiled in or does not serve this kind,
// and tells what to do. off is the variable that makes a provider of this kind unnecessary.
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

// Providers returns all providers, sorted by id.
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
