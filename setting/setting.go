// Package setting declares the settings of the host (contract, env §1–§4 and §14): the only place where their names and defaults
// stand. Whoever reads one, a provider included, names it by the constant.
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
	GroupAnswers  = "Answers in the background"
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
			Help: "Where the server listens: host:port, or unix:PATH; --addr overrides it.",
		},
		{
			Name: Port, Group: GroupStart, Label: "Port", Kind: or3cloud.KindInt, Min: 0, Max: 65535, Example: "8080",
			Help: "Port of the default listen address, as hosting platforms set it; " + Addr + " and --addr win.",
		},
		{
			Name: SocketMode, Group: GroupStart, Label: "Mode of the Unix socket", Default: "0660", Example: "0666",
			Help: "In octal digits; whoever may write to it can connect, and counts as a proxy where " + TrustedProxies + " is set.",
		},
		{
			Name: SocketGroup, Group: GroupStart, Label: "Group of the Unix socket", Example: "www-data",
			Help: "By name or number, such as that of the reverse proxy; by default the one of the server. " +
				"The server's user must be in it.",
		},
		{
			Name: DataDir, Group: GroupStart, Label: "Data directory", Default: "./data", Example: "/var/lib/or3-cloud", Asked: true, AskedWhen: accounts, Check: or3cloud.CheckPath,
			Help: "Directory of databases, files and generated secrets; under systemd the default is the state directory; --data overrides it.",
		},
		{
			Name: SharedVolume, Group: GroupStart, Label: "Volume decides modes", Default: "false", Kind: or3cloud.KindBool,
			Help: "true says that no one else reaches the volume of the data directory, whatever its modes and owners show: some volumes decide " +
				"those themselves. In the environment it also holds for the .env file and the files of _FILE variables.",
		},
		{
			Name: PublicURL, Group: GroupStart, Label: "Public address", Example: "https://cloud.example.org", Asked: true, AskedWhen: accounts,
			Help: "Origin that users see; links are built from it only.",
		},
		{
			Name: NodeEnv, Group: GroupStart, Label: "Mode of operation", Example: "production",
			Help: "production means strict configuration, Secure cookies and redirection to HTTPS.",
		},
		{
			Name: StrictConfig, Settable: true, Group: GroupStart, Label: "Strict configuration", Default: "false", Kind: or3cloud.KindBool,
			Help: "Refuse every convenience that is not fit for production, also outside production.",
		},
		{
			Name: ShutdownTimeout, Group: GroupStart, Label: "Time to stop", Default: "15000", Kind: or3cloud.KindPositive, Min: 1, Max: 600_000,
			Help: "Milliseconds that requests under way get to finish when the server is told to stop.",
		},
		{
			Name: LogLevel, Group: GroupStart, Label: "Log level", Default: "info", Options: []string{"debug", "info", "warn", "error"},
			Help: "Least level that is logged.",
		},
		{
			Name: LogFormat, Group: GroupStart, Label: "Log format", Default: "auto", Options: []string{"auto", "text", "json"},
			Help: "auto is text on a terminal and JSON elsewhere.",
		},

		{
			Name: MetricsToken, Group: GroupWatch, Label: "Token for metrics", Secret: true, Make: or3cloud.MakeKey, MinLength: or3cloud.MinKeyLength,
			Help: "Token with which a monitoring system reads /metrics, as a Bearer token. Without it there is nothing at that path.",
		},
		{
			Name: MetricsAddr, Group: GroupWatch, Label: "Address for metrics", Example: "127.0.0.1:9464",
			Help: "Address beside that of the server where /metrics is answered, without a token if there is none; a port alone, such as :9464, is one of " +
				"this machine only.",
		},
		{
			Name: OTLPEndpoint, Group: GroupWatch, Label: "Collector of OpenTelemetry", Example: "http://127.0.0.1:4318",
			Help: "Base URL of a collector to which builds with the tag otlp send their metrics, over HTTP with Protocol Buffers.",
		},
		{
			Name: OTLPHeaders, Group: GroupWatch, Label: "Headers for the collector", Secret: true,
			Help: "Headers of these requests, such as authorization=Bearer%20TOKEN, with commas between them.",
		},
		{
			Name: OTLPInterval, Group: GroupWatch, Label: "Time between metrics", Default: "60000", Kind: or3cloud.KindPositive, Min: 1000, Max: 3_600_000,
			Help: "Milliseconds between two of these requests.",
		},

		{
			Name: SSRAuthEnabled, Settable: true, Group: GroupFeatures, Label: "Accounts", Default: "true", Kind: or3cloud.KindBool,
			Help: "false leaves a host for static files: no accounts, no cloud endpoint, nothing on disk.",
		},
		{
			Name: AuthProvider, Alias: "OR3_AUTH_PROVIDER", Settable: true, Group: GroupFeatures, Label: "Provider of accounts", Default: "basic-auth",
			Help: "Id of the provider that knows who is signed in.",
		},
		{
			Name: AutoProvision, Settable: true, Group: GroupFeatures, Label: "New users", Default: "true", Kind: or3cloud.KindBool,
			Help: "false refuses identities that have no user yet.",
		},
		{
			Name: RegistrationMode, Settable: true, Group: GroupFeatures, Label: "Registration", Asked: true, AskedWhen: accounts,
			Options: []string{RegistrationOpen, RegistrationInviteOnly, RegistrationDisabled},
			Help:    "Who may register; by default open, or disabled when " + AutoProvision + " is false.",
		},
		{
			Name: InviteSecret, Group: GroupFeatures, Label: "Key of invites", Secret: true, MinLength: or3cloud.MinKeyLength, Make: or3cloud.MakeKey,
			Demanded: true, DemandedWhen: or3cloud.Condition{Setting: RegistrationMode, Value: RegistrationInviteOnly},
			Help: "Key that signs invites; generated if not set, except in strict mode.",
		},
		{
			Name: InviteTTL, Settable: true, Group: GroupFeatures, Label: "Lifetime of invites", Default: "604800", Kind: or3cloud.KindInt, Min: 0, Max: 10 * 365 * 86400,
			Help: "Seconds that an invite lives if nothing else is asked for; less than 60 counts as 60.",
		},
		{
			Name: ProvisioningFailure, Group: GroupFeatures, Label: "Unresolved identities", Default: "throw",
			Options: []string{"throw", "unauthenticated", "service-unavailable"},
			Help: "Answer when a signed-in identity cannot be resolved; unauthenticated makes a store fault look like a sign-out, and clients delete " +
				"data then.",
		},
		{
			Name: SyncEnabled, Alias: "OR3_CLOUD_SYNC_ENABLED", Settable: true, Group: GroupFeatures, Label: "Sync", Default: "true", Kind: or3cloud.KindBool,
			Help: "Serve sync; only with accounts.",
		},
		{
			Name: SyncProvider, Settable: true, Group: GroupFeatures, Label: "Provider of sync", Default: "sqlite",
			Help: "Id of the provider of sync and of the workspace store.",
		},
		{
			Name: StorageEnabled, Alias: "OR3_CLOUD_STORAGE_ENABLED", Settable: true, Group: GroupFeatures, Label: "Files", Default: "true", Kind: or3cloud.KindBool,
			Help: "Serve files; only with accounts.",
		},
		{
			Name: StorageProvider, Alias: "OR3_STORAGE_PROVIDER", Settable: true, Group: GroupFeatures, Label: "Provider of files", Default: "fs",
			Help: "Id of the provider of file storage.",
		},

		{
			Name: LimitsEnabled, Settable: true, Group: GroupLimits, Label: "Rate limits", Default: "true", Kind: or3cloud.KindBool,
			Help: "Limit requests per user and address.",
		},
		{
			Name: RequestsPerMinute, Settable: true, Group: GroupLimits, Label: "Messages per minute", Default: "20", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt32,
			Help: "What a user may send to models in a minute through this server, and what a client lets its user send.",
		},
		{
			Name: MaxConversations, Settable: true, Group: GroupLimits, Label: "Conversations", Default: "0", Kind: or3cloud.KindInt, Min: 0, Max: math.MaxInt32,
			Help: "Conversations that a client lets its user have; 0 for any number.",
		},
		{
			Name: MaxMessagesPerDay, Settable: true, Group: GroupLimits, Label: "Messages per day", Default: "0", Kind: or3cloud.KindInt, Min: 0, Max: math.MaxInt32,
			Help: "What a user may send to models in 24 hours through this server, and what a client lets its user send; 0 for any number.",
		},
		{
			Name: RateLimitOverrides, Settable: true, Group: GroupLimits, Label: "Other rate limits", Example: `{"sync:push":{"windowMs":60000,"maxRequests":200}}`,
			Help: "Other budgets, by operation (see the table in operations.md). Strict mode refuses what cannot be read, others ignore it with a warning.",
		},
		{
			Name: DisableRateLimit, Group: GroupLimits, Label: "No rate limits in development", Example: "1",
			Help: "1 switches the sync and storage limits off outside production.",
		},

		{
			Name: AllowedOrigins, Settable: true, Group: GroupNetwork, Label: "Other origins", Kind: or3cloud.KindList, Example: "https://chat.example.org",
			Help: "Origins whose pages may read answers with credentials and change things; if empty, pages of any origin may read what needs " +
				"no credentials, and change nothing.",
		},
		{
			Name: ForceHTTPS, Settable: true, Group: GroupNetwork, Label: "Redirect to HTTPS", Kind: or3cloud.KindBool, Example: "false",
			Help: "Redirect plain HTTP; by default true in production; if set, only true is true.",
		},
		{
			Name: TrustProxy, Settable: true, Group: GroupNetwork, Label: "Trust whoever connects", Default: "false", Kind: or3cloud.KindBool,
			Help: "Take client address, host and protocol from the headers of whoever connects, which must be a reverse proxy that overwrites them.",
		},
		{
			Name: TrustedProxies, Settable: true, Group: GroupNetwork, Label: "Trusted proxies", Kind: or3cloud.KindList, Example: "10.0.0.0/8,192.0.2.7,loopback",
			Asked: true, AskedWhen: accounts,
			Help: "Networks of the reverse proxies, as networks, addresses, loopback or private: only their headers are believed, and the client is the " +
				"last address that is in none of them.",
		},
		{
			Name: ForwardedForHeader, Settable: true, Group: GroupNetwork, Label: "Header with the client's address", Default: "x-forwarded-for", Example: "cf-connecting-ip",
			Help: "Of whoever the proxy speaks for: x-forwarded-for, x-real-ip, cf-connecting-ip or another one that the proxy sets; forwarded takes " +
				"host and protocol from it as well (RFC 7239).",
		},
		{
			Name: SecurityContact, Settable: true, Group: GroupNetwork, Label: "Contact for vulnerabilities", Kind: or3cloud.KindList,
			Example: "mailto:security@example.org,https://example.org/report",
			Help: "Whom to tell of a vulnerability, the preferred address first: what /.well-known/security.txt says (RFC 9116). Without it there is " +
				"no such file, but for the one of the client in --web, which wins.",
		},
		{
			Name: SecurityLanguages, Settable: true, Group: GroupNetwork, Label: "Languages of that contact", Kind: or3cloud.KindList, Default: "en",
			Help: "Languages in which reports of vulnerabilities are read, for example en,de.",
		},

		{
			Name: Domain, Group: GroupHTTPS, Label: "Domain", Kind: or3cloud.KindList, Example: "chat.example.org",
			Help: "Names under which the server itself speaks HTTPS, with certificates that it gets and renews; --domain overrides it. " + Addr + " is then :443 by default, " +
				"and " + PublicURL + " https:// with the first name. To get certificates is to accept the terms of the authority.",
		},
		{
			Name: HTTPAddr, Group: GroupHTTPS, Label: "Address for plain HTTP", Example: ":8080",
			Help: "With " + Domain + ", where the authority's questions are answered and browsers are redirected to HTTPS; :80 by default. The authority asks at port 80, " +
				"so that has to lead here. " + NoHTTPAddr + " does without: the authority then asks at port 443 alone.",
		},
		{
			Name: ACMEEmail, Group: GroupHTTPS, Label: "Address for the authority", Example: "admin@example.org",
			Help: "E-mail address that the authority may write to about certificates.",
		},
		{
			Name: ACMEStaging, Group: GroupHTTPS, Label: "Certificates for a trial", Default: "false", Kind: or3cloud.KindBool,
			Help: "true gets certificates that no browser trusts from the staging service of Let's Encrypt, whose limits are generous.",
		},
		{
			Name: ACMECA, Group: GroupHTTPS, Label: "Another authority", Example: "https://ca.example.org/acme/acme/directory",
			Help: "Directory of the authority (ACME, RFC 8555); by default that of Let's Encrypt.",
		},
		{
			Name: ACMERoots, Group: GroupHTTPS, Label: "Roots of the authority", Example: "/etc/or3-cloud/ca.pem", Check: or3cloud.CheckPath,
			Help: "PEM file with the certificates by which the server knows " + ACMECA + ", where that is an authority of your own.",
		},

		{
			Name: BasePath, Group: GroupClient, Label: "Path", Example: "/chat",
			Help: "Path below which a reverse proxy shows this server, without a slash at the end; the client must have been built for it. " +
				"The proxy hands on /api/ as well.",
		},
		{
			Name: CSP, Group: GroupClient, Label: "Content-Security-Policy", Default: "true", Kind: or3cloud.KindBool,
			Help: "Send one with the pages of the client: scripts of this server alone, and connections to it and to OpenRouter.",
		},
		{
			Name: CSPSources, Group: GroupClient, Label: "Further sources", Example: "connect-src https://models.example.org; frame-src https://example.org",
			Help: "What the policy allows besides, as directives with a semicolon between them.",
		},
		{
			Name: GuestAccess, Settable: true, Group: GroupClient, Label: "Guests", Default: "false", Kind: or3cloud.KindBool,
			Help: "true lets the client be used without signing in; nothing is synced then.",
		},
		{
			Name: LockPage, Settable: true, Group: GroupClient, Label: "Lock page", Default: "false", Kind: or3cloud.KindBool,
			Help: "true lets newer clients lead whoever is not signed in to /welcome.",
		},
		{
			Name: LockPageAdapter, Settable: true, Group: GroupClient, Label: "Kind of the lock page", Example: "ours",
			Help: "Id of the lock page among those that were built into the client, if not the one that it was built with.",
		},
		{
			Name: SiteName, Settable: true, Group: GroupClient, Label: "Name", Example: "Our Chat",
			Help: "What the client calls itself, if not what it was built with.",
		},
		{
			Name: LogoURL, Settable: true, Group: GroupClient, Label: "Logo", Example: "/logos/ours.svg",
			Help: "Address of the logo, if not the one that the client was built with.",
		},
		{
			Name: DefaultTheme, Settable: true, Group: GroupClient, Label: "Theme", Example: "blank",
			Help: "Theme that new users see first, if not the one that the client was built with.",
		},
		{
			Name: TermsURL, Settable: true, Group: GroupClient, Label: "Terms of service", Example: "https://example.org/terms",
			Help: "Address that the client links to, if not the one that it was built with.",
		},
		{
			Name: PrivacyURL, Settable: true, Group: GroupClient, Label: "Privacy notice", Example: "https://example.org/privacy",
			Help: "Address that the client links to, if not the one that it was built with.",
		},

		{
			Name: AdminUsername, Group: GroupAdmin, Label: "Super administrator", Example: "admin",
			Help: "Name of an administrator who needs no account. With " + AdminPassword + " it switches the admin API and OR3 Chat's pages for it on; read at the first sign-in only.",
		},
		{
			Name: AdminPassword, Group: GroupAdmin, Label: "Password of the super administrator", Secret: true, Check: checkAdminPassword,
			Help: "Read at the first sign-in only; then the data directory has it, and or3-cloud admin password changes it.",
		},
		{
			Name: AdminJWTSecret, Group: GroupAdmin, Label: "Key of the super administrator's cookie", Secret: true, Make: or3cloud.MakeKey, MinLength: or3cloud.MinKeyLength,
			Demanded: true, DemandedWhen: or3cloud.Condition{Setting: AdminPassword},
			Help: "Signs the cookie; another key ends the sign-in.",
		},
		{
			Name: AdminJWTExpiry, Group: GroupAdmin, Label: "Length of a super administrator's session", Default: "24h", Example: "8h",
			Help: "A number and s, m, h or d.",
		},
		{
			Name: AdminBasePath, Settable: true, Group: GroupAdmin, Label: "Path of the dashboard", Default: AdminPages,
			Help: "Where the client shows its pages for administrators. With another one there is nothing at /admin.",
		},
		{
			Name: AdminAllowedHosts, Settable: true, Group: GroupAdmin, Label: "Names of the administration", Kind: or3cloud.KindList, Example: "admin.example.org",
			Help: "Host names under which there is an administration at all, without ports; empty allows every name of the server.",
		},
		{
			Name: AdminAllowedNetworks, Group: GroupAdmin, Label: "Networks of the administration", Kind: or3cloud.KindList, Example: "private,192.0.2.7",
			Help: "Addresses, networks, loopback or private, from where there is an administration at all; empty allows every address. Behind a proxy set " + TrustedProxies + ", too.",
		},

		{
			Name: OpenRouterURL, Settable: true, Group: GroupModels, Label: "Address of OpenRouter", Example: "https://models.example.org/api/v1",
			Help: "Where chats go, from the client and through this server, if not to OpenRouter or to where the client was built for: what speaks like it.",
		},
		{
			Name: OpenRouterKey, Settable: true, Group: GroupModels, Label: "Key for all", Secret: true,
			Help: "Key of OpenRouter with which members who may write can chat without one of their own; answers then come through this server.",
		},
		{
			Name: OpenRouterOverride, Settable: true, Group: GroupModels, Label: "Keys of users", Default: "true", Kind: or3cloud.KindBool,
			Help: "false uses the key for all even for who has a key; as long as answers come through this server.",
		},
		{
			Name: OpenRouterUserKey, Settable: true, Group: GroupModels, Label: "Keys of users only", Default: "false", Kind: or3cloud.KindBool,
			Help: "true demands a key of the user's own for OpenRouter, whether there is one for all or not.",
		},
		{
			Name: ModelUpstreams, Group: GroupModels, Label: "Further servers of models", Kind: or3cloud.KindList,
			Example: "ollama=http://127.0.0.1:11434/v1,team=https://llm.example.org/v1",
			Help: "Servers that speak like OpenAI's, as name=address: ollama/llama3.2 is then the model llama3.2 of the server ollama, for members who " +
				"may write.",
		},
		{
			Name: ModelKeys, Group: GroupModels, Label: "Their keys", Secret: true,
			Help: "Keys of these servers, as name=key with commas or line breaks between them; a server that is not named gets none.",
		},
		{
			Name: ModelPatience, Group: GroupModels, Label: "Time for the beginning of an answer", Default: "120000", Kind: or3cloud.KindInt, Min: 100, Max: 3_600_000,
			Help: "Milliseconds that a server of models gets to begin an answer.",
		},
		{
			Name: ModelIdle, Group: GroupModels, Label: "Time for a pause", Default: "120000", Kind: or3cloud.KindInt, Min: 100, Max: 3_600_000,
			Help: "Milliseconds that a server of models may be silent within an answer before it is broken off.",
		},

		{
			Name: BackgroundEnabled, Settable: true, Group: GroupAnswers, Label: "Answers in the background", Kind: or3cloud.KindBool, Default: "false",
			Help: "true lets the server make answers that go on when the browser is closed, for members who may write; with sync and a server of models " +
				"that can be asked for all.",
		},
		{
			Name: BackgroundKey, Group: GroupAnswers, Label: "Key of background answers", Secret: true, MinLength: or3cloud.MinKeyLength, Make: or3cloud.MakeKey,
			Demanded: true, DemandedWhen: or3cloud.Condition{Setting: BackgroundEnabled, Value: "true"},
			Help: "Key that encrypts what answers under way are made from, with keys of users among it; generated if not set, except in strict mode. " +
				"Answers that are under way do not survive another key.",
		},
		{
			Name: BackgroundJobs, Settable: true, Group: GroupAnswers, Label: "Background answers", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Default: "20",
			Help: "How many background answers may be under way at once; the memory may allow fewer.",
		},
		{
			Name: BackgroundPerUser, Settable: true, Group: GroupAnswers, Label: "Background answers per user", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Default: "5",
			Help: "How many background answers of one user may be under way at once.",
		},
		{
			Name: BackgroundTimeout, Settable: true, Group: GroupAnswers, Label: "Time of a background answer", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Default: "300",
			Help: "Seconds that a background answer may take.",
		},

		{
			Name: AdminAllowRestart, Settable: true, Group: GroupAdmin, Label: "Start again from the admin pages", Default: "false", Kind: or3cloud.KindBool,
			Help: "true lets administrators have the server start again, so that it reads its configuration. The port stays open meanwhile, and a " +
				"configuration that does not start changes nothing.",
		},
		{
			Name: AdminProfiles, Group: GroupAdmin, Label: "Profiles of the program", Default: "false", Kind: or3cloud.KindBool,
			Help: "true lets the super administrator get profiles of the running program, for go tool pprof.",
		},

		{
			Name: SMTPURL, Group: GroupMail, Label: "Mail server", Secret: true, Example: "smtp://USER:PASSWORD@mail.example.org:587", Asked: true, AskedWhen: accounts,
			Help: "As smtp://USER:PASSWORD@HOST:587 for STARTTLS or smtps://USER:PASSWORD@HOST:465; without it no mail is sent.",
		},
		{
			Name: SMTPFrom, Group: GroupMail, Label: "Sender", Example: "Our Cloud <cloud@example.org>",
			Asked: true, AskedWhen: or3cloud.Condition{Setting: SMTPURL},
			Help: "In whose name all mail is sent.",
		},
		{
			Name: EHLOName, Group: GroupMail, Label: "Name before the mail server", Example: "cloud.example.org",
			Help: "Name by which the server introduces itself to the mail server, a full domain name or an address such as [192.0.2.7]; by default the " +
				"host of " + PublicURL + ", else the domain of " + SMTPFrom + ", else the machine's full name, else [127.0.0.1].",
		},

		{
			Name: AllowedMIMETypes, Settable: true, Group: GroupFiles, Label: "Types of files", Kind: or3cloud.KindList, Example: "image/*,application/pdf",
			Default: "image/jpeg,image/png,image/gif,image/webp,application/pdf,text/plain,text/markdown",
			Help:    "Media types that may be uploaded; image/* stands for all of a kind.",
		},
		{
			Name: AllowAnyFileType, Settable: true, Group: GroupFiles, Label: "Every type of file", Default: "false", Kind: or3cloud.KindBool,
			Help: "true lets files of every type be uploaded, whatever the list says; the client in --web is told so.",
		},
		{
			Name: StorageQuotaBytes, Settable: true, Group: GroupFiles, Label: "Bytes per workspace", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Example: "10737418240",
			Help: "Bytes that the files of one workspace may take; unlimited when not set.",
		},
		{
			Name: StorageQuotaFiles, Settable: true, Group: GroupFiles, Label: "Files per workspace", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Example: "100000",
			Help: "Number of files that one workspace may have; unlimited when not set.",
		},
		{
			Name: StorageUserQuota, Settable: true, Group: GroupFiles, Label: "Bytes per user", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64, Example: "53687091200",
			Help: "Bytes that the files of all workspaces of one user may take together; a workspace is its longest owner's. Unlimited when not set.",
		},
		{
			Name: StorageGCRetention, Settable: true, Group: GroupFiles, Label: "Keep unused files", Default: "2592000", Kind: or3cloud.KindInt, Min: 0, Max: math.MaxInt64,
			Help: "Seconds that an unreferenced file is kept.",
		},
		{
			Name: StorageGCCooldown, Settable: true, Group: GroupFiles, Label: "Pause between collections", Default: "60000", Kind: or3cloud.KindInt, Min: 0, Max: math.MaxInt64,
			Help: "Milliseconds between two collections of one workspace.",
		},
		{
			Name: MaxFileSize, Settable: true, Group: GroupFiles, Label: "Largest file", Default: "104857600", Kind: or3cloud.KindInt, Min: 1, Max: math.MaxInt64,
			Help: "Bytes of the largest file that may be uploaded.",
		},

		{
			Name: WebhooksEnabled, Settable: true, Group: GroupWebhooks, Label: "Webhooks", Kind: or3cloud.KindBool, Example: "false",
			Help: "Let users have events sent to addresses of their own; by default true with sync, in strict mode only if " + WebhooksKey + " is set.",
		},
		{
			Name: WebhooksKey, Group: GroupWebhooks, Label: "Key of webhooks", Secret: true, MinLength: or3cloud.MinKeyLength, Make: or3cloud.MakeKey,
			Demanded: true, DemandedWhen: or3cloud.Condition{Setting: WebhooksEnabled, Value: "true"},
			Help: "Key that encrypts the secrets of webhooks in the database; generated if not set, except in strict mode. With another key users have to " +
				"make their webhooks again.",
		},
		{
			Name: WebhooksPerUser, Settable: true, Group: GroupWebhooks, Label: "Webhooks per user", Default: "20", Kind: or3cloud.KindInt, Min: 1, Max: 1000,
			Help: "How many webhooks one user may have, in all workspaces.",
		},
		{
			Name: WebhooksOfAdmins, Settable: true, Group: GroupWebhooks, Label: "Webhooks of administrators", Default: "50", Kind: or3cloud.KindInt, Min: 1, Max: 1000,
			Help: "How many webhooks the administrators of the deployment may have together.",
		},
		{
			Name: WebhooksPerMinute, Settable: true, Group: GroupWebhooks, Label: "Deliveries per minute", Default: "120", Kind: or3cloud.KindInt, Min: 1, Max: 10_000,
			Help: "How many deliveries a webhook gets in a minute; the others wait.",
		},
		{
			Name: WebhooksTimeout, Settable: true, Group: GroupWebhooks, Label: "Time for an answer", Default: "10000", Kind: or3cloud.KindInt, Min: 100, Max: 60_000,
			Help: "Milliseconds that a receiver gets to take a delivery and to answer.",
		},
		{
			Name: WebhooksBlockPrivateIPs, Group: GroupWebhooks, Label: "Public addresses only", Default: "true", Kind: or3cloud.KindBool,
			Help: "false lets deliveries go to private addresses as well, such as those of this machine and its network: every user can then reach " +
				"services there that trust the server.",
		},
		{
			Name: WebhooksRetryHours, Settable: true, Group: GroupWebhooks, Label: "Time for tries", Default: "1", Kind: or3cloud.KindInt, Min: 0, Max: 72,
			Help: "Hours in which a delivery that has failed is tried again.",
		},
		{
			Name: WebhooksLogHours, Settable: true, Group: GroupWebhooks, Label: "Keep the log of deliveries", Default: "72", Kind: or3cloud.KindInt, Min: 1, Max: 720,
			Help: "Hours that users see what became of a delivery. Events that could not be sent for so long are not sent any more.",
		},
	}
}

// Registration returns who may register: the value of RegistrationMode, or its default, which follows from AutoProvision.
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
