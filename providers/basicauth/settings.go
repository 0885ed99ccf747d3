package basicauth

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/mail"
	"or3.chat/cloud/internal/oserror"
	"or3.chat/cloud/internal/passwordpolicy"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/setting"
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
	settingDemand            = "OR3_BASIC_AUTH_REQUIRE_SECOND_FACTOR"
	settingDemandGrace       = "OR3_BASIC_AUTH_SECOND_FACTOR_GRACE_DAYS"
)

// longest limits every configured duration, so that no sum of a time and a duration overflows.
const longest = 10 * 365 * 24 * time.Hour

// The groups of the settings.
const (
	groupAccounts = "Accounts"
	groupSessions = "Sessions"
)

// defaultDB is the name of the database in the data directory.
const defaultDB = "basic-auth.sqlite"

func settings() []or3cloud.Setting {
	return []or3cloud.Setting{
		{Name: settingDBPath, Settable: true, Group: groupAccounts, Label: "Accounts database", Check: or3cloud.CheckPath, Example: "/var/lib/or3-cloud/" + defaultDB,
			Help: "Database file of the accounts. The default is " + defaultDB + " in the data directory."},
		{Name: settingBootstrapEmail, Settable: true, Group: groupAccounts, Label: "Address of the first account", Example: "owner@example.org", Asked: true, Check: checkAddress,
			Help: "E-mail address of an account that is created at the start if it does not exist. Requires the password, too. Without both, the server " +
				"prints a link for creating the first account."},
		{Name: settingBootstrapPassword, Settable: true, Group: groupAccounts, Label: "Password of the first account", Secret: true,
			Asked: true, AskedWhen: or3cloud.Condition{Setting: settingBootstrapEmail}, Check: checkFirstPassword,
			Help: "Only used when the account is created."},
		{Name: settingMinPassword, Settable: true, Group: groupAccounts, Label: "Minimum password length", Kind: or3cloud.KindInt, Default: "8", Min: 8, Max: 128,
			Help: "Minimum length of a new password, in characters."},
		{Name: settingBreachFile, Group: groupAccounts, Label: "Breached passwords", Example: "/var/lib/pwned-passwords.txt",
			Help: "File of breached passwords that are refused: SHA-1 hashes sorted by hash, as Have I Been Pwned offers them."},
		{Name: settingDemand, Settable: true, Group: groupAccounts, Label: "Second factor", Default: string(factors.DemandOfNone),
			Options: []string{string(factors.DemandOfNone), string(factors.DemandOfAdmins), string(factors.DemandOfAll)},
			Help: "Who needs a second factor (an authenticator app or a passkey): no one, deployment administrators, or everyone. " +
				"After the grace period, an account without one can sign in, but do nothing except set one up."},
		{Name: settingDemandGrace, Settable: true, Group: groupAccounts, Label: "Second factor grace period", Kind: or3cloud.KindInt, Default: "14", Min: 0, Max: 365,
			Help: "Days that an account has to set up a second factor, from when it is first required. 0 means none."},

		{Name: settingJWTSecret, Settable: true, Group: groupSessions, Label: "Access token key", Secret: true, MinLength: or3cloud.MinKeyLength, Make: or3cloud.MakeKey,
			Demanded: true, Help: "Key that signs access tokens. Generated if not set, except in strict mode."},
		{Name: settingRefreshSecret, Settable: true, Group: groupSessions, Label: "Refresh token key", Secret: true, MinLength: or3cloud.MinKeyLength,
			Make: or3cloud.MakeKey,
			Help: "Key that protects refresh tokens. If not set, strict mode uses the JWT secret; otherwise one is generated."},
		{Name: settingJWTPrevious, Settable: true, Group: groupSessions, Label: "Previous access token key", Secret: true,
			Help: "The JWT secret before the last change. Tokens signed with it are still accepted."},
		{Name: settingRefreshPrevious, Settable: true, Group: groupSessions, Label: "Previous refresh token key", Secret: true,
			Help: "The refresh secret before the last change. It decrypts what is already stored."},
		{Name: settingAccessTTL, Settable: true, Group: groupSessions, Label: "Access token lifetime", Kind: or3cloud.KindPositive, Default: "900",
			Help: "Seconds for which an access token is valid. Clients do not notice the renewal. We advise against more than 900."},
		{Name: settingRefreshTTL, Settable: true, Group: groupSessions, Label: "Session lifetime without use", Kind: or3cloud.KindPositive, Default: "2592000",
			Help: "Seconds without use after which a session ends."},
		{Name: settingSessionTTL, Settable: true, Group: groupSessions, Label: "Longest session", Kind: or3cloud.KindPositive, Default: "15552000",
			Help: "Seconds after which a session ends, however often it is used."},
		{Name: settingGrace, Settable: true, Group: groupSessions, Label: "Rotation grace period", Kind: or3cloud.KindPositive, Default: "30000",
			Help: "Milliseconds for which an exchanged refresh token is accepted again, for parallel tabs."},
	}
}

// checkAddress checks an e-mail address.
func checkAddress(text string) (fault, fix string) {
	if !form.ValidEmail(form.NormalEmail(text)) {
		return "is not an e-mail address", "Use for example owner@example.org."
	}
	return "", ""
}

// leastFirstPassword is the minimum length of a password that is stored in a file and opens the first account.
const leastFirstPassword = 12

// checkFirstPassword checks a password against the policy, without the breach file, which is not known here.
func checkFirstPassword(text string) (fault, fix string) {
	policy, err := passwordpolicy.New(leastFirstPassword, nil)
	if err != nil {
		return "cannot be judged: " + err.Error(), ""
	}
	switch refusal, _ := policy.Check(text); refusal {
	case passwordpolicy.TooShort:
		return fmt.Sprintf("is too short: it needs at least %d characters", leastFirstPassword), "Use a few words."
	case passwordpolicy.TooCommon:
		return "is one that many people use", "Use a few words that do not belong together."
	}
	return "", ""
}

// options are the settings in the form in which the provider uses them.
type options struct {
	accessTTL, refreshTTL, grace time.Duration
	// sessionTTL is the absolute lifetime of a session; refreshTTL is its lifetime without use.
	sessionTTL                        time.Duration
	dbPath                            string
	bootstrapEmail, bootstrapPassword string
	minPassword                       int
	breachFile                        string
	// demand says which accounts need a second factor, demandGrace how long an account has to set one up.
	demand      factors.Policy
	demandGrace time.Duration
	// publicURL is the origin that links are built from, or empty; smtp is the mail server, nil if there is none.
	publicURL string
	// basePath is the path below which browsers see this server, usually empty.
	basePath string
	smtp     *mail.Config
	// pages says whose pages may use the endpoints.
	pages httpapi.ForeignPages
	// publicHost is the host name under which people know the server, in lower case, or empty. Passkeys belong to it.
	publicHost   string
	registration accounts.RegistrationMode
	production   bool
	// mail says whether the server can send mail.
	mail                           bool
	jwtSecretSet, refreshSecretSet bool
	// warnings are shown to administrators.
	warnings []or3cloud.Problem
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
		demand: factors.Policy(cfg.String(settingDemand)), demandGrace: time.Duration(cfg.Int(settingDemandGrace)) * 24 * time.Hour,
		jwtSecretSet: cfg.String(settingJWTSecret) != "", refreshSecretSet: cfg.String(settingRefreshSecret) != "",
	}
	if u, err := url.Parse(cfg.String(setting.PublicURL)); err == nil {
		o.publicHost = strings.ToLower(u.Hostname())
	}
	o.publicURL, o.basePath = cfg.String(setting.PublicURL), cfg.String(setting.BasePath)
	o.pages = httpapi.NewForeignPages(o.publicURL, cfg.List(setting.AllowedOrigins))
	o.smtp, _ = parseMail(cfg) // check has reported the error
	o.mail = o.smtp != nil && o.publicURL != ""
	o.registration = accounts.RegistrationMode(setting.Registration(cfg))
	for _, s := range settings() {
		if s.TooShort(cfg.String(s.Name)) { // at the start the configuration says so
			o.warnings = append(o.warnings, or3cloud.Problem{Variable: s.Name, Fault: s.ShortFault(), Fix: s.Remedy()})
		}
	}
	o.warnings = append(o.warnings, warn(cfg, env.Strict)...)
	return o
}

// longAccess is the longest lifetime of an access token, in seconds, that causes no warning.
const longAccess = 900

// warn implements or3cloud.Provider.Warn.
func warn(cfg or3cloud.Config, _ bool) (warnings []or3cloud.Problem) {
	say := func(when bool, variable, fault, why, fix string) {
		if when {
			warnings = append(warnings, or3cloud.Problem{Variable: variable, Fault: fault, Why: why, Fix: fix})
		}
	}
	access, refresh, session := cfg.Int(settingAccessTTL), cfg.Int(settingRefreshTTL), cfg.Int(settingSessionTTL)
	say((cfg.String(settingBootstrapEmail) == "") != (cfg.String(settingBootstrapPassword) == ""),
		settingBootstrapEmail, "is set without "+settingBootstrapPassword+", or the other way round", "no account is created", "Set both, or neither.")
	say(access > longAccess, settingAccessTTL, fmt.Sprintf("is %d, above %d", access, longAccess),
		"a stolen access token is valid for that long", fmt.Sprintf("Set it to %d or less; clients renew them automatically.", longAccess))
	say(session < refresh, settingSessionTTL, "is below "+settingRefreshTTL,
		"sessions end before their refresh tokens do", "Raise it to "+fmt.Sprint(refresh)+" or more.")
	say(refresh <= access, settingRefreshTTL, "is not above "+settingAccessTTL,
		"people are signed out whenever an access token runs out", "Raise it above "+fmt.Sprint(access)+".")
	say(cfg.String(setting.SMTPURL) != "" && cfg.String(setting.PublicURL) == "",
		setting.PublicURL, "is not set, so no links can be sent by mail", "forgotten passwords need or3-cloud user reset-link",
		"Set it to the origin that people use, for example https://cloud.example.org.")
	return warnings
}

// check implements or3cloud.Provider.Check.
func check(cfg or3cloud.Config, _ bool) (problems []or3cloud.Problem) {
	var fault *mail.FaultError
	if _, err := parseMail(cfg); errors.As(err, &fault) {
		problems = append(problems, or3cloud.Problem{Variable: fault.Setting, Fault: fault.Fault, Fix: fault.Fix})
	}
	return problems
}

// places implements or3cloud.Provider.Places.
func places(cfg or3cloud.Config, dataDir string) map[string]string {
	configured := cfg.String(settingDBPath)
	path, err := filepath.Abs(resolveDBPath(configured, dataDir))
	if err != nil || configured == ":memory:" {
		return nil
	}
	return map[string]string{settingDBPath: path}
}

// examine implements or3cloud.Provider.Examine.
func examine(_ context.Context, e or3cloud.Examination) (problems, warnings []or3cloud.Problem) {
	named := e.Config.String(settingDBPath)
	if named != ":memory:" && (named != "" || e.DataDir != "") {
		problems, warnings = sqlitex.Examine(e, settingDBPath, resolveDBPath(named, e.DataDir), named != "")
	}
	if file := e.Config.String(settingBreachFile); file != "" {
		breaches, err := passwordpolicy.OpenBreaches(file)
		if err = errors.Join(err, breaches.Close()); err != nil {
			problems = append(problems, or3cloud.Problem{
				Variable: settingBreachFile, Fault: oserror.Explain(err).Error(), Why: "the server does not start without it",
				Fix: "Name the file of digests that Have I Been Pwned publishes, sorted by digest, or leave the variable out.",
			})
		}
	}
	return problems, warnings
}

// parseMail reads the mail settings, nil if there is no mail server.
func parseMail(cfg or3cloud.Config) (*mail.Config, error) {
	return mail.Parse(cfg.String(setting.SMTPURL), cfg.String(setting.SMTPFrom), cfg.String(setting.EHLOName))
}
