package basicauth

import (
	"errors"
	"net/url"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/mail"
	"or3.chat/cloud/internal/origin"
)

// The variables (contract, env §7 and §14). The last ones belong to the host's catalogue.
const (
	settingJWTSecret         = "OR3_BASIC_AUTH_JWT_SECRET"
	settingRefreshSecret     = "OR3_BASIC_AUTH_REFRESH_SECRET"
	settingJWTPrevious       = "OR3_BASIC_AUTH_JWT_SECRET_PREVIOUS"
	settingRefreshPrevious   = "OR3_BASIC_AUTH_REFRESH_SECRET_PREVIOUS"
	settingAccessTTL         = "OR3_BASIC_AUTH_ACCESS_TTL_SECONDS"
	settingRefreshTTL        = "OR3_BASIC_AUTH_REFRESH_TTL_SECONDS"
	settingSessionTTL        = "OR3_BASIC_AUTH_SESSION_MAX_SECONDS"
	settingGrace             = "OR3_BASIC_AUTH_ROTATION_GRACE_MS"
	settingDBPath            = "OR3_BASIC_AUTH_DB_PATH"
	settingBootstrapEmail    = "OR3_BASIC_AUTH_BOOTSTRAP_EMAIL"
	settingBootstrapPassword = "OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD"
	settingMinPassword       = "OR3_BASIC_AUTH_PASSWORD_MIN_LENGTH"
	settingBreachFile        = "OR3_BASIC_AUTH_BREACH_FILE"

	settingRegistrationMode = "OR3_AUTH_REGISTRATION_MODE"
	settingAutoProvision    = "OR3_AUTH_AUTO_PROVISION"
	settingSMTPURL          = mail.SettingURL
	settingSMTPFrom         = mail.SettingFrom
	settingEHLOName         = mail.SettingEHLOName
	settingPublicURL        = "OR3_PUBLIC_URL"
	settingAllowedOrigins   = "OR3_ALLOWED_ORIGINS"
)

// longest bounds every configured span, so that no sum of a time and a span overflows.
const longest = 10 * 365 * 24 * time.Hour

func settings() []or3cloud.Setting {
	return []or3cloud.Setting{
		{Name: settingJWTSecret, Secret: true, MinLength: or3cloud.MinKeyLength,
			Help: "Key that signs access tokens, at least 32 characters. Required in strict mode, else generated."},
		{Name: settingRefreshSecret, Secret: true, MinLength: or3cloud.MinKeyLength,
			Help: "Key that protects refresh tokens. Without it the JWT secret is used in strict mode, else one is generated."},
		{Name: settingJWTPrevious, Secret: true,
			Help: "The JWT secret before the last change. What it has signed is still accepted."},
		{Name: settingRefreshPrevious, Secret: true,
			Help: "The refresh secret before the last change. What it has encrypted can still be read."},
		{Name: settingAccessTTL, Kind: or3cloud.KindPositive, Default: "900",
			Help: "Lifetime of an access token in seconds. It is renewed silently; longer than 900 is not recommended."},
		{Name: settingRefreshTTL, Kind: or3cloud.KindPositive, Default: "2592000",
			Help: "Seconds without any use after which a person must sign in again."},
		{Name: settingSessionTTL, Kind: or3cloud.KindPositive, Default: "15552000",
			Help: "Seconds after which a person must sign in again however often the session was used."},
		{Name: settingGrace, Kind: or3cloud.KindPositive, Default: "30000",
			Help: "Milliseconds during which a refresh token that was just exchanged is accepted again, for parallel tabs."},
		{Name: settingDBPath,
			Help: "Database file of the accounts; the default is basic-auth.sqlite in the data directory."},
		{Name: settingBootstrapEmail,
			Help: "E-mail address of an account that is created at the start if it does not exist. Needs the password too."},
		{Name: settingBootstrapPassword, Secret: true,
			Help: "Password of the bootstrap account. It is used only when the account is created."},
		{Name: settingMinPassword, Kind: or3cloud.KindInt, Default: "8", Min: 8, Max: 128,
			Help: "Shortest password that is accepted for a new account or a changed password, in characters."},
		{Name: settingBreachFile,
			Help: "File of breached passwords that new ones are compared with: SHA-1 digests ordered by digest, as Have I Been Pwned offers them."},
	}
}

// registrationMode says who may create an account (contract, auth §9).
type registrationMode string

const (
	registrationOpen     registrationMode = "open"
	registrationInvite   registrationMode = "invite_only"
	registrationDisabled registrationMode = "disabled"
)

// options are the settings in the form in which the provider uses them.
type options struct {
	accessTTL, refreshTTL, grace time.Duration
	// sessionTTL is the absolute lifetime of a session; refreshTTL is the one without use.
	sessionTTL                        time.Duration
	dbPath                            string
	bootstrapEmail, bootstrapPassword string
	minPassword                       int
	breachFile                        string
	// publicURL is the origin that links are built from, or empty; smtp says who takes mail, nil if nobody does.
	publicURL string
	smtp      *mail.Config
	// pages says whose pages may use the endpoints.
	pages origin.Policy
	// publicHost is the name under which people know the server, in lower case, or empty. Passkeys belong to it.
	publicHost   string
	registration registrationMode
	production   bool
	// mail says whether the server can send any.
	mail                           bool
	jwtSecretSet, refreshSecretSet bool
	// warnings are said once in the log and shown to administrators.
	warnings []string
}

func readOptions(env or3cloud.Env) options {
	cfg := env.Config
	span := func(name string, unit time.Duration) time.Duration {
		return time.Duration(min(cfg.Int(name), int64(longest/unit))) * unit
	}
	o := options{
		accessTTL: span(settingAccessTTL, time.Second), refreshTTL: span(settingRefreshTTL, time.Second),
		grace:          span(settingGrace, time.Millisecond),
		sessionTTL:     span(settingSessionTTL, time.Second),
		dbPath:         resolveDBPath(cfg.String(settingDBPath), env.DataDir),
		bootstrapEmail: cfg.String(settingBootstrapEmail), bootstrapPassword: cfg.String(settingBootstrapPassword),
		production:  env.Production,
		minPassword: int(cfg.Int(settingMinPassword)), breachFile: cfg.String(settingBreachFile),
		jwtSecretSet: cfg.String(settingJWTSecret) != "", refreshSecretSet: cfg.String(settingRefreshSecret) != "",
	}
	if u, err := url.Parse(cfg.String(settingPublicURL)); err == nil {
		o.publicHost = strings.ToLower(u.Hostname())
	}
	o.publicURL = cfg.String(settingPublicURL)
	o.pages = origin.NewPolicy(o.publicURL, cfg.List(settingAllowedOrigins))
	o.smtp, _ = parseMail(cfg) // check has reported the error
	o.mail = o.smtp != nil && o.publicURL != ""
	o.registration = registrationMode(cfg.String(settingRegistrationMode))
	if o.registration == "" {
		o.registration = registrationOpen
		if !cfg.Bool(settingAutoProvision) {
			o.registration = registrationDisabled
		}
	}
	warn := func(when bool, text string) {
		if when {
			o.warnings = append(o.warnings, text)
		}
	}
	for _, name := range []string{settingJWTSecret, settingRefreshSecret} {
		n := len(cfg.String(name))
		warn(n > 0 && n < or3cloud.MinKeyLength, name+" is shorter than 32 characters; make one with: openssl rand -hex 32")
	}
	warn((o.bootstrapEmail == "") != (o.bootstrapPassword == ""),
		settingBootstrapEmail+" and "+settingBootstrapPassword+" must be set together; no account is created")
	warn(o.accessTTL > 15*time.Minute, settingAccessTTL+" is above 900")
	warn(o.sessionTTL < o.refreshTTL, settingSessionTTL+" is below "+settingRefreshTTL)
	warn(o.refreshTTL <= o.accessTTL, settingRefreshTTL+" is not above "+settingAccessTTL)
	warn(o.smtp != nil && o.publicURL == "",
		settingPublicURL+" is not set, so no links can be sent by mail: forgotten passwords need or3-cloud user reset-link")
	return o
}

// check implements or3cloud.Provider.Check.
func check(cfg or3cloud.Config, strict bool) (problems []or3cloud.Problem) {
	if strict && cfg.String(settingJWTSecret) == "" {
		problems = append(problems, or3cloud.Problem{
			Variable: settingJWTSecret,
			Fault:    "is not set; in strict mode no secret is generated",
			Fix:      "set it to the output of: openssl rand -hex 32",
		})
	}
	var fault *mail.FaultError
	if _, err := parseMail(cfg); errors.As(err, &fault) {
		problems = append(problems, or3cloud.Problem{Variable: fault.Setting, Fault: fault.Fault, Fix: fault.Fix})
	}
	return problems
}

// parseMail reads who takes mail, nil if no one does.
func parseMail(cfg or3cloud.Config) (*mail.Config, error) {
	return mail.Parse(cfg.String(settingSMTPURL), cfg.String(settingSMTPFrom), cfg.String(settingEHLOName))
}
