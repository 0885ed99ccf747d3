// Package setting declares the settings of the host (contract, env §1–§4 and §14): the only place where their names and
// defaults stand. All readers, providers included, name a setting by its constant.
package setting

import (
	"math"

	or3cloud "or3.chat/cloud"
)

// The names of the host's settings.
const (
	Addr            = "OR3_ADDR"
	Port            = "PORT"
	SocketMode      = "OR3_SOCKET_MODE"
	SocketGroup     = "OR3_SOCKET_GROUP"
	DataDir         = "OR3_DATA_DIR"
	SharedVolume    = "OR3_SHARED_VOLUME"
	PublicURL       = "OR3_PUBLIC_URL"
	NodeEnv         = "NODE_ENV"
	StrictConfig    = "OR3_STRICT_CONFIG"
	ShutdownTimeout = "OR3_SHUTDOWN_TIMEOUT_MS"
	LogLevel        = "OR3_LOG_LEVEL"
	LogFormat       = "OR3_LOG_FORMAT"

	MetricsToken = "OR3_METRICS_TOKEN"
	MetricsAddr  = "OR3_METRICS_ADDR"
	OTLPEndpoint = "OTEL_EXPORTER_OTLP_ENDPOINT"
	OTLPHeaders  = "OTEL_EXPORTER_OTLP_HEADERS"
	OTLPInterval = "OTEL_METRIC_EXPORT_INTERVAL"

	SSRAuthEnabled      = "SSR_AUTH_ENABLED"
	AuthProvider        = "AUTH_PROVIDER"
	AutoProvision       = "OR3_AUTH_AUTO_PROVISION"
	RegistrationMode    = "OR3_AUTH_REGISTRATION_MODE"
	InviteSecret        = "OR3_AUTH_INVITE_TOKEN_SECRET"
	InviteTTL           = "OR3_AUTH_INVITE_TOKEN_TTL_SECONDS"
	ProvisioningFailure = "OR3_SESSION_PROVISIONING_FAILURE"
	SyncEnabled         = "OR3_SYNC_ENABLED"
	SyncProvider        = "OR3_SYNC_PROVIDER"
	StorageEnabled      = "OR3_STORAGE_ENABLED"
	StorageProvider     = "NUXT_PUBLIC_STORAGE_PROVIDER"

	LimitsEnabled      = "OR3_LIMITS_ENABLED"
	RequestsPerMinute  = "OR3_REQUESTS_PER_MINUTE"
	MaxConversations   = "OR3_MAX_CONVERSATIONS"
	MaxMessagesPerDay  = "OR3_MAX_MESSAGES_PER_DAY"
	RateLimitOverrides = "OR3_RATE_LIMIT_OVERRIDES_JSON"
	DisableRateLimit   = "DISABLE_RATE_LIMIT"

	AllowedOrigins     = "OR3_ALLOWED_ORIGINS"
	ForceHTTPS         = "OR3_FORCE_HTTPS"
	TrustProxy         = "OR3_TRUST_PROXY"
	TrustedProxies     = "OR3_TRUSTED_PROXIES"
	ForwardedForHeader = "OR3_FORWARDED_FOR_HEADER"
	SecurityContact    = "OR3_SECURITY_CONTACT"
	SecurityLanguages  = "OR3_SECURITY_LANGUAGES"

	Domain      = "OR3_DOMAIN"
	HTTPAddr    = "OR3_HTTP_ADDR"
	ACMEEmail   = "OR3_ACME_EMAIL"
	ACMEStaging = "OR3_ACME_STAGING"
	ACMECA      = "OR3_ACME_CA"
	ACMERoots   = "OR3_ACME_ROOTS"

	BasePath        = "OR3_BASE_PATH"
	CSP             = "OR3_CSP"
	CSPSources      = "OR3_CSP_SOURCES"
	GuestAccess     = "OR3_GUEST_ACCESS_ENABLED"
	LockPage        = "OR3_AUTH_LOCK_PAGE_ENABLED"
	LockPageAdapter = "OR3_AUTH_LOCK_PAGE_ADAPTER"
	SiteName        = "OR3_SITE_NAME"
	LogoURL         = "OR3_LOGO_URL"
	DefaultTheme    = "OR3_DEFAULT_THEME"
	TermsURL        = "OR3_TERMS_URL"
	PrivacyURL      = "OR3_PRIVACY_URL"

	AdminUsername        = "OR3_ADMIN_USERNAME"
	AdminPassword        = "OR3_ADMIN_PASSWORD"
	AdminJWTSecret       = "OR3_ADMIN_JWT_SECRET"
	AdminJWTExpiry       = "OR3_ADMIN_JWT_EXPIRY"
	AdminBasePath        = "OR3_ADMIN_BASE_PATH"
	AdminAllowedHosts    = "OR3_ADMIN_ALLOWED_HOSTS"
	AdminAllowedNetworks = "OR3_ADMIN_ALLOWED_NETWORKS"
	AdminAllowRestart    = "OR3_ADMIN_ALLOW_RESTART"
	AdminProfiles        = "OR3_ADMIN_PROFILES"

	OpenRouterURL      = "OR3_OPENROUTER_BASE_URL"
	OpenRouterKey      = "OPENROUTER_API_KEY"
	OpenRouterOverride = "OR3_OPENROUTER_ALLOW_USER_OVERRIDE"
	OpenRouterUserKey  = "OR3_OPENROUTER_REQUIRE_USER_KEY"
	ModelUpstreams     = "OR3_MODEL_UPSTREAMS"
	ModelKeys          = "OR3_MODEL_UPSTREAM_KEYS"
	ModelPatience      = "OR3_MODEL_HEADER_TIMEOUT_MS"
	ModelIdle          = "OR3_MODEL_IDLE_TIMEOUT_MS"

	BackgroundEnabled = "OR3_BACKGROUND_STREAMING_ENABLED"
	BackgroundKey     = "OR3_BACKGROUND_ENCRYPTION_KEY"
	BackgroundJobs    = "OR3_BACKGROUND_MAX_JOBS"
	BackgroundPerUser = "OR3_BACKGROUND_MAX_JOBS_PER_USER"
	BackgroundTimeout = "OR3_BACKGROUND_JOB_TIMEOUT"

	SMTPURL  = "OR3_SMTP_URL"
	SMTPFrom = "OR3_SMTP_FROM"
	EHLOName = "OR3_SMTP_EHLO_NAME"

	AllowedMIMETypes   = "OR3_STORAGE_ALLOWED_MIME_TYPES"
	AllowAnyFileType   = "OR3_STORAGE_ALLOW_ANY_FILE_TYPE"
	StorageQuotaBytes  = "OR3_STORAGE_WORKSPACE_QUOTA_BYTES"
	StorageQuotaFiles  = "OR3_STORAGE_WORKSPACE_QUOTA_FILES"
	StorageUserQuota   = "OR3_STORAGE_USER_QUOTA_BYTES"
	StorageGCRetention = "OR3_STORAGE_GC_RETENTION_SECONDS"
	StorageGCCooldown  = "OR3_STORAGE_GC_COOLDOWN_MS"
	MaxFileSize        = "OR3_MAX_CLOUD_FILE_SIZE_BYTES"

	WebhooksEnabled         = "OR3_WEBHOOKS_ENABLED"
	WebhooksKey             = "OR3_WEBHOOKS_ENCRYPTION_KEY"
	WebhooksPerUser         = "OR3_WEBHOOKS_MAX_PER_USER"
	WebhooksOfAdmins        = "OR3_WEBHOOKS_ADMIN_MAX"
	WebhooksPerMinute       = "OR3_WEBHOOKS_RATE_LIMIT_PER_MINUTE"
	WebhooksTimeout         = "OR3_WEBHOOKS_DELIVERY_TIMEOUT_MS"
	WebhooksBlockPrivateIPs = "OR3_WEBHOOKS_BLOCK_PRIVATE_IPS"
	WebhooksRetryHours      = "OR3_WEBHOOKS_MAX_RETRY_HOURS"
	WebhooksLogHours        = "OR3_WEBHOOKS_LOG_RETENTION_HOURS"
)

// NoHTTPAddr is the value of HTTPAddr with which there is no port for plain HTTP.
const NoHTTPAddr = "off"

// The values of RegistrationMode (contract, auth §9).
const (
	RegistrationOpen       = "open"
	RegistrationInviteOnly = "invite_only"
	RegistrationDisabled   = "disabled"
)

// The groups of the host's settings. A provider may put its own into one of them.
const (
	GroupStart    = "Start"
	GroupWatch    = "Monitoring"
	GroupFeatures = "Features and providers"
	GroupLimits   = "Limits"
	GroupNetwork  = "Network and security"
	GroupHTTPS    = "HTTPS"
	GroupClient   = "Client"
	GroupAdmin    = "Administration"
	GroupModels   = "Models"
	GroupAnswers  = "Background answers"
	GroupMail     = "Mail"
	GroupFiles    = "File policy"
	GroupWebhooks = "Webhooks"
)

// accounts holds where there are any.
var accounts = or3cloud.Condition{Setting: SSRAuthEnabled, Value: "true"}

// Host returns the settings of the host, in the order in which people read them.
func Host() []or3cloud.Setting {
	return []or3cloud.Setting{
		{
			Name: Addr, Group: GroupStart, Label: "Listen address", Default: "127.0.0.1:3000", Example: "unix:/run/or3-cloud/http.sock", Asked: true,
			Help: "Where the server listens: host:port, or unix:PATH. --addr overrides it.",
		},
		{
			Name: Port, Group: GroupStart, Label: "Port", Kind: or3cloud.KindInt, Min: 0, Max: 65535, Example: "8080",
			Help: "Port of the default listen address, as hosting platforms set it. " + Addr + " and --addr take precedence.",
		},
		{
			Name: SocketMode, Group: GroupStart, Label: "Unix socket mode", Default: "0660", Example: "0666",
			Help: "Octal digits. Users who can write to the socket can connect, and count as a proxy if " + TrustedProxies + " is set.",
		},
		{
			Name: SocketGroup, Group: GroupStart, Label: "Unix socket group", Example: "www-data",
			Help: "Name or number, such as that of the reverse proxy. The default is the server's group. " +
				"The server's user must be in it.",
		},
		{
			Name: DataDir, Group: GroupStart, Label: "Data directory", Default: "./data", Example: "/var/lib/or3-cloud", Asked: true, AskedWhen: accounts, Check: or3cloud.CheckPath,
			Help: "Directory for databases, files and generated secrets. Under systemd, the default is the state directory. --data overrides it.",
		},
		{
			Name: SharedVolume, Group: GroupStart, Label: "Private volume", Default: "false", Kind: or3cloud.KindBool,
			Help: "true states that no one else can access the volume of the data directory, whatever modes and owners it shows: some volumes " +
				"set these themselves. In the environment, it also applies to the .env file and the files of _FILE variables.",
		},
		{
			Name: PublicURL, Group: GroupStart, Label: "Public address", Example: "https://cloud.example.org", Asked: true, AskedWhen: accounts,
			Help: "Origin that users see. The server builds links from nothing else.",
		},
		{
			Name: NodeEnv, Group: GroupStart, Label: "Mode of operation", Example: "production",
			Help: "production means strict configuration, Secure cookies, and redirects to HTTPS.",
		},
		{
			Name: StrictConfig, Settable: true, Group: GroupStart, Label: "Strict configuration", Default: "false", Kind: or3cloud.KindBool,
			Help: "Refuse whatever is unsuitable for production, even outside production.",
		},
		{
			Name: ShutdownTimeout, Group: GroupStart, Label: "Shutdown time", Default: "15000", Kind: or3cloud.KindPositive, Min: 1, Max: 600_000,
			Help: "Milliseconds that running requests get to finish when the server stops.",
		},
		{
			Name: LogLevel, Group: GroupStart, Label: "Log level", Default: "info", Options: []string{"debug", "info", "warn", "error"},
			Help: "Lowest level that is logged.",
		},
		{
			Name: LogFormat, Group: GroupStart, Label: "Log format", Default: "auto", Options: []string{"auto", "text", "json"},
			Help: "auto is text on a terminal, otherwise JSON.",
		},

		{
			Name: MetricsToken, Group: GroupWatch, Label: "Metrics token", Secret: true, Make: or3cloud.MakeKey, MinLength: or3cloud.MinKeyLength,
			Help: "Bearer token with which a monitoring system can read /metrics. Without it, that path does not exist.",
		},
		{
			Name: MetricsAddr, Group: GroupWatch, Label: "Metrics address", Example: "127.0.0.1:9464",
			Help: "Separate address for /metrics. It requires the token only if one is set. A port alone, such as :9464, listens on the loopback " +
				"interface.",
		},
		{
			Name: OTLPEndpoint, Group: GroupWatch, Label: "OpenTelemetry collector", Example: "http://127.0.0.1:4318",
			Help: "Base URL of a collector. Builds with the tag otlp send their metrics there, over HTTP with Protocol Buffers.",
		},
		{
			Name: OTLPHeaders, Group: GroupWatch, Label: "Collector headers", Secret: true,
			Help: "Headers for the collector, such as authorization=Bearer%20TOKEN, separated by commas.",
		},
		{
			Name: OTLPInterval, Group: GroupWatch, Label: "Export interval", Default: "60000", Kind: or3cloud.KindPositive, Min: 1000, Max: 3_600_000,
			Help: "Milliseconds between two exports to the collector.",
		},

		{
			Name: SSRAuthEnabled, Settable: true, Group: GroupFeatures, Label: "Accounts", Default: "true", Kind: or3cloud.KindBool,
			Help: "false serves static files only: no accounts, no cloud endpoints, nothing on disk.",
		},
		{
			Name: AuthProvider, Alias: "OR3_AUTH_PROVIDER", Settable: true, Group: GroupFeatures, Label: "Accounts provider", Default: "basic-auth",
			Help: "Id of the provider for accounts.",
		},
		{
			Name: AutoProvision, Settable: true, Group: GroupFeatures, Label: "New users", Default: "true", Kind: or3cloud.KindBool,
			Help: "false refuses identities that have no user yet.",
		},
		{
			Name: RegistrationMode, Settable: true, Group: GroupFeatures, Label: "Registration", Asked: true, AskedWhen: accounts,
			Options: []string{RegistrationOpen, RegistrationInviteOnly, RegistrationDisabled},
			Help:    "Who can register. The default is open, or disabled if " + AutoProvision + " is false.",
		},
		{
			Name: InviteSecret, Group: GroupFeatures, Label: "Invite key", Secret: true, MinLength: or3cloud.MinKeyLength, Make: or3cloud.MakeKey,
			Demanded: true, DemandedWhen: or3cloud.Condition{Setting: RegistrationMode, Value: RegistrationInviteOnly},
			Help: "Key that signs invites. Generated if not set, except in strict mode.",
		},
		{
			Name: InviteTTL, Settable: true, Group: GroupFeatures, Label: "Invite lifetime", Default: "604800", Kind: or3cloud.KindInt, Min: 0, Max: 10 * 365 * 86400,
			Help: "Seconds for which an invite is valid unless it says otherwise. Values below 60 count as 60.",
		},
		{
			Name: ProvisioningFailure, Group: GroupFeatures, Label: "Unresolved identities", Default: "throw",
			Options: []string{"throw", "unauthenticated", "service-unavailable"},
			Help: "Answer if a signed-in identity cannot be resolved. With unauthenticated, a refusal looks like a sign-out, and clients delete " +
				"data then.",
		},
		{
			Name: SyncEnabled, Alias: "OR3_CLOUD_SYNC_ENABLED", Settable: true, Group: GroupFeatures, Label: "Sync", Default: "true", Kind: or3cloud.KindBool,
			Help: "Serve sync. Requires accounts.",
		},
		{
			Name: SyncProvider, Settable: true, Group: GroupFeatures, Label: "Sync provider", Default: "sqlite",
			Help: "Id of the provider for sync, users and workspaces.",
		},
		{
			Name: StorageEnabled, Alias: "OR3_CLOUD_STORAGE_ENABLED", Settable: true, Group: GroupFeatures, Label: "Files", Default: "true", Kind: or3cloud.KindBool,
			Help: "Serve files. Requires accounts.",
		},
		{
			Name: StorageProvider, Alias: "OR3_STORAGE_PROVIDER", Settable: true, Group: GroupFeatures, Label: "Files provider", Default: "fs",
			Help: "Id of the provider for files.",
		},

		{
			Name: LimitsEnabled, Settable: true, Group: GroupLimits, Label: "Rate limits", Default: "true", Kind: or3cloud.KindBool,
			Help: "Limit requests per user and address.",
		},
		{
			Name: RequestsPerMinute, Settable: true, Group: GroupLimits, Label: "Messages per minute", Default: "20", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt32,
			Help: "Messages that a user can send to models per minute. The server enforces it for answers that go through it, the client for all.",
		},
		{
			Name: MaxConversations, Settable: true, Group: GroupLimits, Label: "Conversations", Default: "0", Kind: or3cloud.KindInt, Min: 0, Max: math.MaxInt32,
			Help: "Conversations that the client allows its user. 0 means no limit.",
		},
		{
			Name: MaxMessagesPerDay, Settable: true, Group: GroupLimits, Label: "Messages per day", Default: "0", Kind: or3cloud.KindInt, Min: 0, Max: math.MaxInt32,
			Help: "Messages that a user can send to models in 24 hours, enforced like the limit per minute. 0 means no limit.",
		},
		{
			Name: RateLimitOverrides, Settable: true, Group: GroupLimits, Label: "Rate limit overrides", Example: `{"sync:push":{"windowMs":60000,"maxRequests":200}}`,
			Help: "Other limits, by operation (see the table in operations.md). Invalid JSON prevents the start in strict mode, and is otherwise ignored with a warning.",
		},
		{
			Name: DisableRateLimit, Group: GroupLimits, Label: "No rate limits in development", Example: "1",
			Help: "1 turns off the limits for sync and files outside production.",
		},

		{
			Name: AllowedOrigins, Settable: true, Group: GroupNetwork, Label: "Other origins", Kind: or3cloud.KindList, Example: "https://chat.example.org",
			Help: "Origins whose pages can read answers with credentials and make changes. If empty, pages of any origin can read what needs " +
				"no credentials, and change nothing.",
		},
		{
			Name: ForceHTTPS, Settable: true, Group: GroupNetwork, Label: "Redirect to HTTPS", Kind: or3cloud.KindBool, Example: "false",
			Help: "Redirect plain HTTP to HTTPS. The default is true in production. If set, only true means true.",
		},
		{
			Name: TrustProxy, Settable: true, Group: GroupNetwork, Label: "Trust the proxy", Default: "false", Kind: or3cloud.KindBool,
			Help: "Take the client address, host and protocol from the headers of every connection. Every connection must come from a reverse proxy that overwrites them.",
		},
		{
			Name: TrustedProxies, Settable: true, Group: GroupNetwork, Label: "Trusted proxies", Kind: or3cloud.KindList, Example: "10.0.0.0/8,192.0.2.7,loopback",
			Asked: true, AskedWhen: accounts,
			Help: "Networks of the reverse proxies: networks, addresses, loopback or private. Only their headers are trusted, and the client is the " +
				"last address outside of them.",
		},
		{
			Name: ForwardedForHeader, Settable: true, Group: GroupNetwork, Label: "Client address header", Default: "x-forwarded-for", Example: "cf-connecting-ip",
			Help: "Header with the client's address: x-forwarded-for, x-real-ip, cf-connecting-ip or another one that the proxy sets. forwarded also " +
				"takes the host and protocol from it (RFC 7239).",
		},
		{
			Name: SecurityContact, Settable: true, Group: GroupNetwork, Label: "Security contact", Kind: or3cloud.KindList,
			Example: "mailto:security@example.org,https://example.org/report",
			Help: "Contact for reports of vulnerabilities, preferred address first, published in /.well-known/security.txt (RFC 9116). A file of the " +
				"client in --web takes precedence. Without either, there is no such file.",
		},
		{
			Name: SecurityLanguages, Settable: true, Group: GroupNetwork, Label: "Security contact languages", Kind: or3cloud.KindList, Default: "en",
			Help: "Languages in which you read reports, for example en,de.",
		},

		{
			Name: Domain, Group: GroupHTTPS, Label: "Domain", Kind: or3cloud.KindList, Example: "chat.example.org",
			Help: "Domains for which the server speaks HTTPS, with certificates that it obtains and renews. --domain overrides it. The default of " + Addr + " is then :443, " +
				"and that of " + PublicURL + " is https:// with the first name. By using it, you accept the terms of the certificate authority.",
		},
		{
			Name: HTTPAddr, Group: GroupHTTPS, Label: "Plain HTTP address", Example: ":8080",
			Help: "With " + Domain + ", the address for redirects to HTTPS and for the authority's challenges. The default is :80. The authority connects to port 80, " +
				"which has to lead here. " + NoHTTPAddr + " disables it: the authority then only uses port 443.",
		},
		{
			Name: ACMEEmail, Group: GroupHTTPS, Label: "Contact for the authority", Example: "admin@example.org",
			Help: "E-mail address to which the authority can write about certificates.",
		},
		{
			Name: ACMEStaging, Group: GroupHTTPS, Label: "Test certificates", Default: "false", Kind: or3cloud.KindBool,
			Help: "true obtains certificates from the staging service of Let's Encrypt. Browsers do not trust them, but the rate limits are generous.",
		},
		{
			Name: ACMECA, Group: GroupHTTPS, Label: "Certificate authority", Example: "https://ca.example.org/acme/acme/directory",
			Help: "ACME directory (RFC 8555) of the certificate authority. The default is Let's Encrypt.",
		},
		{
			Name: ACMERoots, Group: GroupHTTPS, Label: "Authority roots", Example: "/etc/or3-cloud/ca.pem", Check: or3cloud.CheckPath,
			Help: "PEM file with the root certificates of " + ACMECA + ", for an authority of your own.",
		},

		{
			Name: BasePath, Group: GroupClient, Label: "Path", Example: "/chat",
			Help: "Path below which a reverse proxy serves this server, without a trailing slash. The client must have been built for it. " +
				"The proxy has to pass on /api/ as well.",
		},
		{
			Name: CSP, Group: GroupClient, Label: "Content-Security-Policy", Default: "true", Kind: or3cloud.KindBool,
			Help: "Send a policy with the pages of the client. It allows scripts of this server, and connections to it and to OpenRouter.",
		},
		{
			Name: CSPSources, Group: GroupClient, Label: "More CSP sources", Example: "connect-src https://models.example.org; frame-src https://example.org",
			Help: "What the policy allows in addition, as directives separated by semicolons.",
		},
		{
			Name: GuestAccess, Settable: true, Group: GroupClient, Label: "Guests", Default: "false", Kind: or3cloud.KindBool,
			Help: "true allows using the client without signing in. Nothing is synced then.",
		},
		{
			Name: LockPage, Settable: true, Group: GroupClient, Label: "Lock page", Default: "false", Kind: or3cloud.KindBool,
			Help: "With true, newer clients send people who are not signed in to /welcome.",
		},
		{
			Name: LockPageAdapter, Settable: true, Group: GroupClient, Label: "Lock page type", Example: "ours",
			Help: "Id of one of the lock pages in the client. The default is the one that it was built with.",
		},
		{
			Name: SiteName, Settable: true, Group: GroupClient, Label: "Name", Example: "Our Chat",
			Help: "Name of the client. The default is the one that it was built with.",
		},
		{
			Name: LogoURL, Settable: true, Group: GroupClient, Label: "Logo", Example: "/logos/ours.svg",
			Help: "Address of the logo. The default is the one that the client was built with.",
		},
		{
			Name: DefaultTheme, Settable: true, Group: GroupClient, Label: "Theme", Example: "blank",
			Help: "Theme for new users. The default is the one that the client was built with.",
		},
		{
			Name: TermsURL, Settable: true, Group: GroupClient, Label: "Terms of service", Example: "https://example.org/terms",
			Help: "Address that the client links to. The default is the one that it was built with.",
		},
		{
			Name: PrivacyURL, Settable: true, Group: GroupClient, Label: "Privacy notice", Example: "https://example.org/privacy",
			Help: "Address that the client links to. The default is the one that it was built with.",
		},

		{
			Name: AdminUsername, Group: GroupAdmin, Label: "Super administrator", Example: "admin",
			Help: "Name of an administrator who needs no account. Together with " + AdminPassword + ", it enables the admin API and OR3 Chat's admin pages. Only read at the first sign-in.",
		},
		{
			Name: AdminPassword, Group: GroupAdmin, Label: "Super administrator password", Secret: true, Check: checkAdminPassword,
			Help: "Only read at the first sign-in. Afterwards it is in the data directory, and or3-cloud admin password changes it.",
		},
		{
			Name: AdminJWTSecret, Group: GroupAdmin, Label: "Super administrator cookie key", Secret: true, Make: or3cloud.MakeKey, MinLength: or3cloud.MinKeyLength,
			Demanded: true, DemandedWhen: or3cloud.Condition{Setting: AdminPassword},
			Help: "Signs the cookie. Another key ends all sessions of the super administrator.",
		},
		{
			Name: AdminJWTExpiry, Group: GroupAdmin, Label: "Super administrator session", Default: "24h", Example: "8h",
			Help: "How long the session lasts: a number with s, m, h or d.",
		},
		{
			Name: AdminBasePath, Settable: true, Group: GroupAdmin, Label: "Dashboard path", Default: AdminPages,
			Help: "Path of the client's admin pages. If you change it, /admin does not exist.",
		},
		{
			Name: AdminAllowedHosts, Settable: true, Group: GroupAdmin, Label: "Administration hosts", Kind: or3cloud.KindList, Example: "admin.example.org",
			Help: "Host names under which the administration exists, without ports. Empty allows every name of the server.",
		},
		{
			Name: AdminAllowedNetworks, Group: GroupAdmin, Label: "Administration networks", Kind: or3cloud.KindList, Example: "private,192.0.2.7",
			Help: "Addresses, networks, loopback or private, from which the administration exists. Empty allows every address. Behind a proxy, set " + TrustedProxies + " as well.",
		},

		{
			Name: OpenRouterURL, Settable: true, Group: GroupModels, Label: "OpenRouter address", Example: "https://models.example.org/api/v1",
			Help: "Base URL of a server that speaks OpenRouter's protocol, for the client and for this server. The default is OpenRouter, or what the client was built with.",
		},
		{
			Name: OpenRouterKey, Settable: true, Group: GroupModels, Label: "Shared key", Secret: true,
			Help: "OpenRouter key with which members who may write can chat without a key of their own. Answers then go through this server.",
		},
		{
			Name: OpenRouterOverride, Settable: true, Group: GroupModels, Label: "Users' keys", Default: "true", Kind: or3cloud.KindBool,
			Help: "false uses the shared key even for users who have their own, as long as answers go through this server.",
		},
		{
			Name: OpenRouterUserKey, Settable: true, Group: GroupModels, Label: "Only users' keys", Default: "false", Kind: or3cloud.KindBool,
			Help: "true requires users to have their own key for OpenRouter, even if there is a shared one.",
		},
		{
			Name: ModelUpstreams, Group: GroupModels, Label: "More model servers", Kind: or3cloud.KindList,
			Example: "ollama=http://127.0.0.1:11434/v1,team=https://llm.example.org/v1",
			Help: "Servers with an API like OpenAI's, as name=address. ollama/llama3.2 is then the model llama3.2 of the server ollama, for members who " +
				"may write.",
		},
		{
			Name: ModelKeys, Group: GroupModels, Label: "Keys of model servers", Secret: true,
			Help: "Keys of these servers, as name=key, separated by commas or line breaks. A server that is not listed gets no key.",
		},
		{
			Name: ModelPatience, Group: GroupModels, Label: "Time to first answer", Default: "120000", Kind: or3cloud.KindInt, Min: 100, Max: 3_600_000,
			Help: "Milliseconds that a model server has to begin an answer.",
		},
		{
			Name: ModelIdle, Group: GroupModels, Label: "Longest pause", Default: "120000", Kind: or3cloud.KindInt, Min: 100, Max: 3_600_000,
			Help: "Milliseconds that a model server can be silent within an answer before the answer ends.",
		},

		{
			Name: BackgroundEnabled, Settable: true, Group: GroupAnswers, Label: "Background answers", Kind: or3cloud.KindBool, Default: "false",
			Help: "With true, the server can generate answers that continue when the browser is closed, for members who may write. Requires sync and " +
				"a model server with a shared key.",
		},
		{
			Name: BackgroundKey, Group: GroupAnswers, Label: "Background answers key", Secret: true, MinLength: or3cloud.MinKeyLength, Make: or3cloud.MakeKey,
			Demanded: true, DemandedWhen: or3cloud.Condition{Setting: BackgroundEnabled, Value: "true"},
			Help: "Key that encrypts the requests of running answers, including users' keys. Generated if not set, except in strict mode. " +
				"Changing it ends the answers that are running.",
		},
		{
			Name: BackgroundJobs, Settable: true, Group: GroupAnswers, Label: "Most background answers", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Default: "20",
			Help: "How many background answers can run at once. Memory may allow fewer.",
		},
		{
			Name: BackgroundPerUser, Settable: true, Group: GroupAnswers, Label: "Background answers per user", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Default: "5",
			Help: "How many background answers of one user can run at once.",
		},
		{
			Name: BackgroundTimeout, Settable: true, Group: GroupAnswers, Label: "Background answer time", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Default: "300",
			Help: "Seconds that a background answer can take.",
		},

		{
			Name: AdminAllowRestart, Settable: true, Group: GroupAdmin, Label: "Restart from the admin pages", Default: "false", Kind: or3cloud.KindBool,
			Help: "true lets administrators restart the server so that it reads its configuration. The port stays open, and a configuration that " +
				"does not start changes nothing.",
		},
		{
			Name: AdminProfiles, Group: GroupAdmin, Label: "Profiles", Default: "false", Kind: or3cloud.KindBool,
			Help: "true lets the super administrator download profiles of the running program, for go tool pprof.",
		},

		{
			Name: SMTPURL, Group: GroupMail, Label: "Mail server", Secret: true, Example: "smtp://USER:PASSWORD@mail.example.org:587", Asked: true, AskedWhen: accounts,
			Help: "smtp://USER:PASSWORD@HOST:587 for STARTTLS, or smtps://USER:PASSWORD@HOST:465. Without it, no mail is sent.",
		},
		{
			Name: SMTPFrom, Group: GroupMail, Label: "Sender", Example: "Our Cloud <cloud@example.org>",
			Asked: true, AskedWhen: or3cloud.Condition{Setting: SMTPURL},
			Help: "Sender of all mail.",
		},
		{
			Name: EHLOName, Group: GroupMail, Label: "EHLO name", Example: "cloud.example.org",
			Help: "Name with which the server introduces itself to the mail server: a full domain name, or an address such as [192.0.2.7]. The default is the " +
				"host of " + PublicURL + ", or else the domain of " + SMTPFrom + ", the machine's full name, or [127.0.0.1].",
		},

		{
			Name: AllowedMIMETypes, Settable: true, Group: GroupFiles, Label: "File types", Kind: or3cloud.KindList, Example: "image/*,application/pdf",
			Default: "image/jpeg,image/png,image/gif,image/webp,application/pdf,text/plain,text/markdown",
			Help:    "Media types that can be uploaded. image/* stands for all images.",
		},
		{
			Name: AllowAnyFileType, Settable: true, Group: GroupFiles, Label: "Any file type", Default: "false", Kind: or3cloud.KindBool,
			Help: "true allows uploads of every type, whatever the list says. The client in --web is told so.",
		},
		{
			Name: StorageQuotaBytes, Settable: true, Group: GroupFiles, Label: "Bytes per workspace", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Example: "10737418240",
			Help: "Bytes that the files of one workspace can take. Unlimited if not set.",
		},
		{
			Name: StorageQuotaFiles, Settable: true, Group: GroupFiles, Label: "Files per workspace", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Example: "100000",
			Help: "Number of files that one workspace can have. Unlimited if not set.",
		},
		{
			Name: StorageUserQuota, Settable: true, Group: GroupFiles, Label: "Bytes per user", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Example: "53687091200",
			Help: "Bytes that the files of all workspaces of one user can take together. A workspace counts for its longest-standing owner. Unlimited if not set.",
		},
		{
			Name: StorageGCRetention, Settable: true, Group: GroupFiles, Label: "Keep unused files", Default: "2592000", Kind: or3cloud.KindInt, Min: 0, Max: math.MaxInt64,
			Help: "Seconds for which an unused file is kept.",
		},
		{
			Name: StorageGCCooldown, Settable: true, Group: GroupFiles, Label: "Collection interval", Default: "60000", Kind: or3cloud.KindInt, Min: 0, Max: math.MaxInt64,
			Help: "Milliseconds between two collections of one workspace.",
		},
		{
			Name: MaxFileSize, Settable: true, Group: GroupFiles, Label: "Largest file", Default: "104857600", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64,
			Help: "Size limit of an upload, in bytes.",
		},

		{
			Name: WebhooksEnabled, Settable: true, Group: GroupWebhooks, Label: "Webhooks", Kind: or3cloud.KindBool, Example: "false",
			Help: "Let users have events sent to their own addresses. The default is true with sync; in strict mode, only if " + WebhooksKey + " is set.",
		},
		{
			Name: WebhooksKey, Group: GroupWebhooks, Label: "Webhook key", Secret: true, MinLength: or3cloud.MinKeyLength, Make: or3cloud.MakeKey,
			Demanded: true, DemandedWhen: or3cloud.Condition{Setting: WebhooksEnabled, Value: "true"},
			Help: "Key that encrypts the secrets of webhooks in the database. Generated if not set, except in strict mode. If you change it, users have to " +
				"create their webhooks again.",
		},
		{
			Name: WebhooksPerUser, Settable: true, Group: GroupWebhooks, Label: "Webhooks per user", Default: "20", Kind: or3cloud.KindInt, Min: 1, Max: 1000,
			Help: "How many webhooks one user can have in all workspaces.",
		},
		{
			Name: WebhooksOfAdmins, Settable: true, Group: GroupWebhooks, Label: "Administrators' webhooks", Default: "50", Kind: or3cloud.KindInt, Min: 1, Max: 1000,
			Help: "How many webhooks all administrators can have together.",
		},
		{
			Name: WebhooksPerMinute, Settable: true, Group: GroupWebhooks, Label: "Deliveries per minute", Default: "120", Kind: or3cloud.KindInt, Min: 1, Max: 10_000,
			Help: "How many deliveries a webhook gets per minute. The others wait.",
		},
		{
			Name: WebhooksTimeout, Settable: true, Group: GroupWebhooks, Label: "Delivery timeout", Default: "10000", Kind: or3cloud.KindInt, Min: 100, Max: 60_000,
			Help: "Milliseconds that a receiver has to accept and answer a delivery.",
		},
		{
			Name: WebhooksBlockPrivateIPs, Group: GroupWebhooks, Label: "Public addresses only", Default: "true", Kind: or3cloud.KindBool,
			Help: "false allows deliveries to private addresses, such as those of this machine and its network. Every user can then reach services " +
				"there that trust the server.",
		},
		{
			Name: WebhooksRetryHours, Settable: true, Group: GroupWebhooks, Label: "Retry time", Default: "1", Kind: or3cloud.KindInt, Min: 0, Max: 72,
			Help: "Hours for which a failed delivery is retried.",
		},
		{
			Name: WebhooksLogHours, Settable: true, Group: GroupWebhooks, Label: "Delivery log retention", Default: "72", Kind: or3cloud.KindInt, Min: 1, Max: 720,
			Help: "Hours for which users can see a delivery. Events that could not be sent within this time are dropped.",
		},
	}
}

// Registration returns who may register: the value of RegistrationMode, or its default, which follows from
// AutoProvision.
func Registration(cfg or3cloud.Config) string {
	switch mode := cfg.String(RegistrationMode); {
	case mode != "":
		return mode
	case cfg.Bool(AutoProvision):
		return RegistrationOpen
	default:
		return RegistrationDisabled
	}
}
