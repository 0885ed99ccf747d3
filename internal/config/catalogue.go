package config

import (
	"fmt"
	"math"

	or3cloud "or3.chat/cloud"
)

// The host's variables that code asks for by name.
const (
	NodeEnv            = "NODE_ENV"
	StrictConfig       = "OR3_STRICT_CONFIG"
	SSRAuthEnabled     = "SSR_AUTH_ENABLED"
	AuthProvider       = "AUTH_PROVIDER"
	AutoProvision      = "OR3_AUTH_AUTO_PROVISION"
	RegistrationMode   = "OR3_AUTH_REGISTRATION_MODE"
	InviteSecret       = "OR3_AUTH_INVITE_TOKEN_SECRET"
	SyncEnabled        = "OR3_SYNC_ENABLED"
	SyncProvider       = "OR3_SYNC_PROVIDER"
	StorageEnabled     = "OR3_STORAGE_ENABLED"
	StorageProvider    = "NUXT_PUBLIC_STORAGE_PROVIDER"
	RateLimitOverrides = "OR3_RATE_LIMIT_OVERRIDES_JSON"
	ForceHTTPS         = "OR3_FORCE_HTTPS"
	TrustProxy         = "OR3_TRUST_PROXY"
	TrustedProxies     = "OR3_TRUSTED_PROXIES"
	ForwardedForHeader = "OR3_FORWARDED_FOR_HEADER"
	DataDir            = "OR3_DATA_DIR"
	SharedVolume       = "OR3_SHARED_VOLUME"
	Addr               = "OR3_ADDR"
	Port               = "PORT"
	SocketMode         = "OR3_SOCKET_MODE"
	SocketGroup        = "OR3_SOCKET_GROUP"
	PublicURL          = "OR3_PUBLIC_URL"
	ShutdownTimeout    = "OR3_SHUTDOWN_TIMEOUT_MS"
	LogLevel           = "OR3_LOG_LEVEL"
	LogFormat          = "OR3_LOG_FORMAT"
	smtpURL            = "OR3_SMTP_URL"
	smtpFrom           = "OR3_SMTP_FROM"
	EHLOName           = "OR3_SMTP_EHLO_NAME"
)

// hostOwned is the Provider of groups that belong to the host.
const hostOwned = ""

// Group is a chapter of the catalogue.
type Group struct {
	// Title heads the chapter in the documentation.
	Title string
	// Provider is the id of the provider that the settings belong to, empty for the host's. Faults in the settings of
	// a provider that is not selected are nobody's business.
	Provider string
	Settings []or3cloud.Setting
}

// Catalogue is every variable that the program reads, each once. Parsing, the list of faults, "or3-cloud config" and
// docs/configuration.md are made from it.
type Catalogue []Group

// NewCatalogue returns the host's settings followed by those of the registered providers. A provider may declare a variable
// of the host again; two declarations that disagree on kind or secrecy are an error.
func NewCatalogue(reg *or3cloud.Registry) (Catalogue, error) {
	c := hostGroups()
	seen := map[string]or3cloud.Setting{}
	owner := map[string]string{}
	for _, g := range c {
		for _, s := range g.Settings {
			seen[s.Name], owner[s.Name] = s, "the host"
		}
	}
	for _, p := range reg.Providers() {
		g := Group{Title: "Provider " + p.ID, Provider: p.ID}
		for _, s := range p.Settings {
			if first, dup := seen[s.Name]; dup {
				if first.Kind != s.Kind || first.Secret != s.Secret {
					return nil, fmt.Errorf("setting %s is declared in two ways: by %s and by %s", s.Name, owner[s.Name], p.Package)
				}
				continue
			}
			seen[s.Name], owner[s.Name] = s, p.Package
			g.Settings = append(g.Settings, s)
		}
		c = append(c, g)
	}
	return c, nil
}

// aliases maps a variable to the older or container name that wins over it when both are set (contract, env §1).
var aliases = map[string]string{
	AuthProvider:    "OR3_AUTH_PROVIDER",
	SyncEnabled:     "OR3_CLOUD_SYNC_ENABLED",
	StorageEnabled:  "OR3_CLOUD_STORAGE_ENABLED",
	StorageProvider: "OR3_STORAGE_PROVIDER",
}

const defaultMIMETypes = "image/jpeg,image/png,image/gif,image/webp,application/pdf,text/plain,text/markdown"

// hostGroups are the variables of the host: contract, env §1–§4 and §14.
func hostGroups() Catalogue {
	return Catalogue{
		{Title: "Start", Settings: []or3cloud.Setting{
			{Name: Addr, Default: "127.0.0.1:3000", Help: "Listen address as host:port, or unix:PATH; --addr overrides it."},
			{Name: Port, Kind: or3cloud.KindInt, Min: 0, Max: 65535, Help: "Port of the default listen address, as hosting platforms set it; OR3_ADDR and --addr win."},
			{Name: SocketMode, Default: "0660", Help: "Mode of the Unix socket in octal digits; whoever may write to it can connect, and counts as a proxy where OR3_TRUSTED_PROXIES is set."},
			{Name: SocketGroup, Help: "Group of the Unix socket, by name or number, such as that of the reverse proxy; by default the one of the server. The server's user must be in it."},
			{Name: DataDir, Default: "./data", Help: "Directory of databases, files and generated secrets; under systemd the default is the state directory; --data overrides it."},
			{Name: SharedVolume, Default: "false", Kind: or3cloud.KindBool, Help: "true says that no one else reaches the volume of the data directory, whatever its modes and owners show: some volumes decide those themselves. In the environment it also holds for the .env file and the files of _FILE variables."},
			{Name: PublicURL, Help: "Origin that users see, such as https://cloud.example.org; links are built from it only."},
			{Name: NodeEnv, Help: "production means strict configuration, Secure cookies and redirection to HTTPS."},
			{Name: StrictConfig, Default: "false", Kind: or3cloud.KindBool, Help: "Refuse every convenience that is not fit for production, also outside production."},
			{Name: ShutdownTimeout, Default: "15000", Kind: or3cloud.KindPositive, Min: 1, Max: 600_000, Help: "Milliseconds that requests under way get to finish when the server is told to stop."},
			{Name: LogLevel, Default: "info", Options: []string{"debug", "info", "warn", "error"}, Help: "Least level that is logged."},
			{Name: LogFormat, Default: "auto", Options: []string{"auto", "text", "json"}, Help: "auto is text on a terminal and JSON elsewhere."},
		}},
		{Title: "Features and providers", Settings: []or3cloud.Setting{
			{Name: SSRAuthEnabled, Default: "true", Kind: or3cloud.KindBool, Help: "false leaves a host for static files: no accounts, no cloud endpoint, nothing on disk."},
			{Name: AuthProvider, Default: "basic-auth", Help: "Id of the provider that knows who is signed in."},
			{Name: AutoProvision, Default: "true", Kind: or3cloud.KindBool, Help: "false refuses identities that have no user yet."},
			{Name: RegistrationMode, Options: []string{"open", "invite_only", "disabled"}, Help: "Who may register; by default open, or disabled when OR3_AUTH_AUTO_PROVISION is false."},
			{Name: InviteSecret, Secret: true, MinLength: or3cloud.MinKeyLength, Help: "Key that signs invites. Required for invite_only in strict mode, else generated."},
			{Name: "OR3_AUTH_INVITE_TOKEN_TTL_SECONDS", Default: "604800", Kind: or3cloud.KindInt, Min: 0, Max: 10 * 365 * 86400, Help: "Seconds that an invite lives if nothing else is asked for; less than 60 counts as 60."},
			{Name: "OR3_SESSION_PROVISIONING_FAILURE", Default: "throw", Options: []string{"throw", "unauthenticated", "service-unavailable"}, Help: "Answer when a signed-in identity cannot be resolved; unauthenticated makes a store fault look like a sign-out, and clients delete data then."},
			{Name: SyncEnabled, Default: "true", Kind: or3cloud.KindBool, Help: "Serve sync; only with accounts."},
			{Name: SyncProvider, Default: "sqlite", Help: "Id of the provider of sync and of the workspace store."},
			{Name: StorageEnabled, Default: "true", Kind: or3cloud.KindBool, Help: "Serve files; only with accounts."},
			{Name: StorageProvider, Default: "fs", Help: "Id of the provider of file storage."},
		}},
		{Title: "Limits", Settings: []or3cloud.Setting{
			{Name: "OR3_LIMITS_ENABLED", Default: "true", Kind: or3cloud.KindBool, Help: "Limit requests per user and address."},
			{Name: RateLimitOverrides, Help: `Other budgets, such as {"sync:push":{"windowMs":60000,"maxRequests":200}}; text that is not JSON is ignored.`},
			{Name: "DISABLE_RATE_LIMIT", Help: "1 switches the sync and storage limits off outside production."},
		}},
		{Title: "Network and security", Settings: []or3cloud.Setting{
			{Name: "OR3_ALLOWED_ORIGINS", Kind: or3cloud.KindList, Help: "Other origins whose pages may read answers with credentials and change things; if empty, pages of any origin may read what needs no credentials, and change nothing."},
			{Name: ForceHTTPS, Kind: or3cloud.KindBool, Help: "Redirect plain HTTP; by default true in production; if set, only true is true."},
			{Name: TrustProxy, Default: "false", Kind: or3cloud.KindBool, Help: "Take client address, host and protocol from the headers of whoever connects, which must be a reverse proxy that overwrites them."},
			{Name: TrustedProxies, Kind: or3cloud.KindList, Help: "Networks of the reverse proxies, such as 10.0.0.0/8, 192.0.2.7, loopback or private: only their headers are believed, and the client is the last address that is in none of them."},
			{Name: ForwardedForHeader, Default: "x-forwarded-for", Help: "Header with the client's address: x-forwarded-for, x-real-ip, cf-connecting-ip or another one that the proxy sets; forwarded takes host and protocol from it as well (RFC 7239)."},
		}},
		{Title: "Mail", Settings: []or3cloud.Setting{
			{Name: smtpURL, Secret: true, Help: "Mail server, as smtp://USER:PASSWORD@HOST:587 for STARTTLS or smtps://USER:PASSWORD@HOST:465; without it no mail is sent."},
			{Name: smtpFrom, Help: "Sender of all mail, such as \"Our Cloud <cloud@example.org>\"."},
			{Name: EHLOName, Help: "Name by which the server introduces itself to the mail server, a full domain name or an address such as [192.0.2.7]; by default the host of OR3_PUBLIC_URL, else the domain of OR3_SMTP_FROM, else the machine's full name, else [127.0.0.1]."},
		}},
		{Title: "File policy", Settings: []or3cloud.Setting{
			{Name: "OR3_STORAGE_ALLOWED_MIME_TYPES", Default: defaultMIMETypes, Kind: or3cloud.KindList, Help: "Media types that may be uploaded; image/* stands for all of a kind."},
			{Name: "OR3_STORAGE_ALLOW_ANY_FILE_TYPE", Default: "false", Kind: or3cloud.KindBool, Help: "true lets files of every type be uploaded, whatever the list says; a client must be built or told so, too."},
			{Name: "OR3_STORAGE_WORKSPACE_QUOTA_BYTES", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Help: "Bytes that the files of one workspace may take; unlimited when not set."},
			{Name: "OR3_STORAGE_WORKSPACE_QUOTA_FILES", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Help: "Number of files that one workspace may have; unlimited when not set."},
			{Name: "OR3_STORAGE_GC_RETENTION_SECONDS", Default: "2592000", Kind: or3cloud.KindInt, Min: 0, Max: math.MaxInt64, Help: "Seconds that an unreferenced file is kept."},
			{Name: "OR3_STORAGE_GC_COOLDOWN_MS", Default: "60000", Kind: or3cloud.KindInt, Min: 0, Max: math.MaxInt64, Help: "Milliseconds between two collections of one workspace."},
			{Name: "OR3_MAX_CLOUD_FILE_SIZE_BYTES", Default: "104857600", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Help: "Bytes of the largest file that may be uploaded."},
		}},
	}
}
