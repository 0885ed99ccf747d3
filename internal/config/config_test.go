package config

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/setting"
)

var update = flag.Bool("update", false, "write the golden files again")

// provider returns a provider that cannot be opened, with settings of every kind.
func provider(id string) or3cloud.Provider {
	return or3cloud.Provider{
		ID: id, Package: "example.org/" + id,
		Settings: []or3cloud.Setting{
			{Name: "OR3_BASIC_AUTH_JWT_SECRET", Secret: true, Help: "A key."},
			{Name: "OR3_SQLITE_STRICT", Kind: or3cloud.KindFlag, Help: "A flag."},
			{Name: "OR3_BASIC_AUTH_ACCESS_TTL_SECONDS", Default: "900", Kind: or3cloud.KindPositive, Help: "A span."},
			{Name: "OR3_STORAGE_FS_URL_TTL_SECONDS", Default: "900", Kind: or3cloud.KindInt, Min: 1, Max: 86400, Help: "A bounded span."},
			{Name: "OR3_SQLITE_DB_PATH", Help: "A file."},
		},
		Open: func(context.Context, or3cloud.Env) (*or3cloud.Instance, error) { return nil, nil },
	}
}

func catalogue(t *testing.T, providers ...or3cloud.Provider) (Catalogue, *or3cloud.Registry) {
	t.Helper()
	reg := &or3cloud.Registry{}
	for _, p := range providers {
		if err := reg.Register(p); err != nil {
			t.Fatal(err)
		}
	}
	c, err := NewCatalogue(reg)
	if err != nil {
		t.Fatal(err)
	}
	return c, reg
}

func load(t *testing.T, environ ...string) (cfg *Config, problems, warnings []or3cloud.Problem) {
	t.Helper()
	c, _ := catalogue(t, provider("basic-auth"))
	return Load(c, Sources{Environ: environ})
}

// texts returns problems as log lines show them.
func texts(problems []or3cloud.Problem) (lines []string) {
	for _, p := range problems {
		lines = append(lines, p.String())
	}
	return lines
}

// mustLoad loads a configuration without problems.
func mustLoad(t *testing.T, environ ...string) *Config {
	t.Helper()
	cfg, problems, _ := load(t, environ...)
	if len(problems) > 0 {
		t.Fatalf("problems %+v", problems)
	}
	return cfg
}

// TestEveryVariable sets each variable of the host and compares the whole resolved configuration with the golden file,
// so that no change goes unnoticed. The first case sets nothing. Settings of a server that speaks HTTPS itself exclude
// a proxy and have a case of their own.
func TestEveryVariable(t *testing.T) {
	all := []string{
		"OR3_ADDR=unix:/run/or3.sock", "OR3_SOCKET_MODE=0666", "OR3_SOCKET_GROUP=www-data", "OR3_DATA_DIR=/srv/or3", "OR3_SHARED_VOLUME=true", "OR3_PUBLIC_URL=https://cloud.example.org/", "NODE_ENV=production",
		"OR3_STRICT_CONFIG=true", "OR3_LOG_LEVEL=debug", "OR3_LOG_FORMAT=json", "SSR_AUTH_ENABLED=true", "AUTH_PROVIDER=clerk",
		"OR3_AUTH_PROVIDER=basic-auth", "OR3_AUTH_AUTO_PROVISION=false", "OR3_AUTH_REGISTRATION_MODE=invite_only",
		"OR3_AUTH_INVITE_TOKEN_SECRET=0123456789abcdef0123456789abcdef", "PORT=8080", "OR3_TRUSTED_PROXIES=10.0.0.0/8,loopback", "OR3_AUTH_INVITE_TOKEN_TTL_SECONDS=3600",
		"OR3_SESSION_PROVISIONING_FAILURE=service-unavailable", "OR3_SYNC_ENABLED=true", "OR3_CLOUD_SYNC_ENABLED=false", "OR3_SYNC_PROVIDER=convex",
		"OR3_STORAGE_ENABLED=true", "OR3_CLOUD_STORAGE_ENABLED=false", "NUXT_PUBLIC_STORAGE_PROVIDER=convex", "OR3_STORAGE_PROVIDER=s3",
		"OR3_LIMITS_ENABLED=false", `OR3_RATE_LIMIT_OVERRIDES_JSON={"sync:push":{"windowMs":1,"maxRequests":2}}`, "DISABLE_RATE_LIMIT=1",
		"OR3_ALLOWED_ORIGINS=https://a.example, https://b.example", "OR3_FORCE_HTTPS=false", "OR3_TRUST_PROXY=true",
		"OR3_SECURITY_CONTACT=mailto:security@a.example, https://a.example/report", "OR3_SECURITY_LANGUAGES=en, de",
		"OR3_SMTP_URL=smtp://mail.example.org", "OR3_SMTP_FROM=cloud@example.org", "OR3_SMTP_EHLO_NAME=relay.example.org",
		"OR3_FORWARDED_FOR_HEADER=X-Real-IP", "OR3_STORAGE_ALLOWED_MIME_TYPES=image/png", "OR3_STORAGE_WORKSPACE_QUOTA_BYTES=1000", "OR3_STORAGE_WORKSPACE_QUOTA_FILES=20", "OR3_STORAGE_USER_QUOTA_BYTES=2000",
		"OR3_STORAGE_ALLOW_ANY_FILE_TYPE=true", "OR3_SHUTDOWN_TIMEOUT_MS=2500", "OR3_METRICS_TOKEN=0123456789abcdef0123456789abcdef", "OR3_METRICS_ADDR=:9464", "OR3_ADMIN_PROFILES=true",
		"OTEL_EXPORTER_OTLP_ENDPOINT=https://collector.example.org/otlp", "OTEL_EXPORTER_OTLP_HEADERS=authorization=Bearer%20abc, x-scope=1", "OTEL_METRIC_EXPORT_INTERVAL=15000",
		"OR3_STORAGE_GC_RETENTION_SECONDS=1", "OR3_STORAGE_GC_COOLDOWN_MS=2", "OR3_MAX_CLOUD_FILE_SIZE_BYTES=3",
		"OR3_WEBHOOKS_ENABLED=false", "OR3_WEBHOOKS_ENCRYPTION_KEY=0123456789abcdef0123456789abcdef", "OR3_WEBHOOKS_MAX_PER_USER=2", "OR3_WEBHOOKS_ADMIN_MAX=6", "OR3_WEBHOOKS_RATE_LIMIT_PER_MINUTE=3",
		"OR3_WEBHOOKS_DELIVERY_TIMEOUT_MS=500", "OR3_WEBHOOKS_BLOCK_PRIVATE_IPS=false", "OR3_WEBHOOKS_MAX_RETRY_HOURS=2", "OR3_WEBHOOKS_LOG_RETENTION_HOURS=24",
		"OR3_BASIC_AUTH_JWT_SECRET=0123456789", "OR3_SQLITE_STRICT=YES", "OR3_BASIC_AUTH_ACCESS_TTL_SECONDS=60.9",
		"OR3_STORAGE_FS_URL_TTL_SECONDS=30", "OR3_SQLITE_DB_PATH=/srv/sync.sqlite",
		"OR3_REQUESTS_PER_MINUTE=7", "OR3_MAX_CONVERSATIONS=8", "OR3_MAX_MESSAGES_PER_DAY=9", "OR3_BASE_PATH=/chat/", "OR3_CSP=false",
		"OR3_CSP_SOURCES=connect-src https://a.example", "OR3_OPENROUTER_BASE_URL=https://models.example/v1", "OR3_GUEST_ACCESS_ENABLED=true",
		"OR3_AUTH_LOCK_PAGE_ENABLED=true", "OR3_AUTH_LOCK_PAGE_ADAPTER=ours", "OR3_ADMIN_BASE_PATH=/boss", "OR3_SITE_NAME=Ours",
		"OR3_ADMIN_USERNAME=admin", "OR3_ADMIN_PASSWORD=Correct horse 1", "OR3_ADMIN_JWT_SECRET=0123456789abcdef0123456789abcdef", "OR3_ADMIN_JWT_EXPIRY=8h",
		"OR3_ADMIN_ALLOWED_HOSTS=a.example", "OR3_ADMIN_ALLOWED_NETWORKS=private", "OR3_ADMIN_ALLOW_RESTART=true",
		"OPENROUTER_API_KEY=sk-or-v1-0123456789abcdef", "OR3_OPENROUTER_ALLOW_USER_OVERRIDE=false", "OR3_OPENROUTER_REQUIRE_USER_KEY=false",
		"OR3_MODEL_UPSTREAMS=ollama=http://127.0.0.1:11434/v1, team=https://llm.example/v1", "OR3_MODEL_UPSTREAM_KEYS=team=sk-0123456789abcdef",
		"OR3_MODEL_HEADER_TIMEOUT_MS=1000", "OR3_MODEL_IDLE_TIMEOUT_MS=2000",
		"OR3_BACKGROUND_STREAMING_ENABLED=true", "OR3_BACKGROUND_ENCRYPTION_KEY=0123456789abcdef0123456789abcdef", "OR3_BACKGROUND_MAX_JOBS=9",
		"OR3_BACKGROUND_MAX_JOBS_PER_USER=3", "OR3_BACKGROUND_JOB_TIMEOUT=60",
		"OR3_LOGO_URL=/ours.svg", "OR3_DEFAULT_THEME=retro", "OR3_TERMS_URL=https://a.example/terms", "OR3_PRIVACY_URL=/privacy",
	}
	https := []string{
		"OR3_DOMAIN=Chat.example.org., cloud.example.org,chat.example.org", "OR3_HTTP_ADDR=192.0.2.7:80", "OR3_ACME_EMAIL=admin@example.org", "OR3_ACME_STAGING=false",
		"OR3_ACME_CA=https://ca.example.org/dir", "OR3_ACME_ROOTS=/etc/ca.pem",
	}
	for name, environ := range map[string][]string{"nothing": nil, "everything": all, "https": https} {
		t.Run(name, func(t *testing.T) {
			cfg := mustLoad(t, environ...)
			var dump []string
			for _, v := range cfg.Values() {
				if len(environ) > 0 && !v.IsSet && (v.Setting.Group == setting.GroupHTTPS) == (name == "https") {
					t.Errorf("%s is not set by the test", v.Setting.Name)
				}
				dump = append(dump, fmt.Sprintf("%s=%s int=%d bool=%v list=%d origin=%q", v.Setting.Name, v.Shown(), v.number, v.boolean, len(v.list), v.Origin))
			}
			got := strings.Join(dump, "\n") + "\n"
			golden := filepath.Join("testdata", name+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

// Values passed to the client must be usable there: a path, sources of a policy, addresses of pages.
func TestContactIsChecked(t *testing.T) {
	for text, fix := range map[string]string{
		"security@example.org":                             "mailto:security@example.org",
		"mailto:security@example.org,bob@example.org":      "mailto:bob@example.org",
		"http://example.org/report":                        "https://",
		"example.org/report":                               "mailto:security@example.org or https://",
		"mailto:":                                          "mailto:security@example.org or https://",
		"mailto:Ann <ann@example.org>":                     "mailto:security@example.org or https://",
		"https://":                                         "mailto:security@example.org or https://",
		"https://example.org/a b":                          "mailto:security@example.org or https://",
		"https://user:password@example.org":                "mailto:security@example.org or https://",
		"https://example.org/\nContact: mailto:x@evil.org": "mailto:security@example.org or https://",
		"javascript:alert(1)":                              "mailto:security@example.org or https://",
	} {
		cfg, problems, _ := load(t, "OR3_SECURITY_CONTACT="+text)
		if len(problems) != 1 || problems[0].Variable != setting.SecurityContact || !strings.Contains(problems[0].Fix, fix) || len(cfg.List(setting.SecurityContact)) > 0 {
			t.Errorf("%q: %+v, and the value is %q", text, problems, cfg.List(setting.SecurityContact))
		}
	}
	good := []string{"mailto:security@example.org?subject=OR3%20Cloud", "https://example.org/report?to=security#form", "tel:+43-1-234567", "mailto:a+b@example.org"}
	cfg, problems, warnings := load(t, "OR3_SECURITY_CONTACT="+strings.Join(good, ", "))
	if got := cfg.List(setting.SecurityContact); !slices.Equal(got, good) || len(problems)+len(warnings) > 0 {
		t.Errorf("%q, %+v, %+v", got, problems, warnings)
	}
	for _, bad := range []string{"english!", "en de", "en_US", "1"} {
		if _, problems, _ := load(t, "OR3_SECURITY_CONTACT=mailto:a@example.org", "OR3_SECURITY_LANGUAGES="+bad); len(problems) != 1 || problems[0].Variable != setting.SecurityLanguages {
			t.Errorf("%q: %+v", bad, problems)
		}
	}
	if _, problems, warnings := load(t, "OR3_SECURITY_LANGUAGES=en"); len(problems) > 0 || len(warnings) != 1 || !strings.Contains(warnings[0].String(), "without "+setting.SecurityContact) {
		t.Errorf("languages alone: %+v, %+v", problems, warnings)
	}
}

func TestSettingsOfTheClientAreChecked(t *testing.T) {
	for _, bad := range []string{
		"OR3_BASE_PATH=chat", "OR3_BASE_PATH=/api", "OR3_BASE_PATH=/api/x", "OR3_BASE_PATH=/a/../b", "OR3_BASE_PATH=/a//b", "OR3_BASE_PATH=/a b",
		"OR3_BASE_PATH=/a?b", "OR3_BASE_PATH=//evil.example", "OR3_BASE_PATH=https://a.example/chat",
		"OR3_CSP_SOURCES=connect https://a.example", "OR3_CSP_SOURCES=img-src", "OR3_CSP_SOURCES=img-src self",
		"OR3_OPENROUTER_BASE_URL=models.example", "OR3_OPENROUTER_BASE_URL=ftp://models.example",
		"OR3_TERMS_URL=javascript:alert(1)", "OR3_PRIVACY_URL=data:text/html,x", "OR3_LOGO_URL=javascript:x",
	} {
		name, _, _ := strings.Cut(bad, "=")
		cfg, problems, _ := load(t, bad)
		if len(problems) != 1 || problems[0].Variable != name || problems[0].Fix == "" || cfg.String(name) != "" {
			t.Errorf("%s: %+v, and the value is %q", bad, problems, cfg.String(name))
		}
	}
	for _, bad := range []string{
		"OR3_MODEL_UPSTREAMS=nobody", "OR3_MODEL_UPSTREAMS=ollama=ftp://models.example", "OR3_MODEL_UPSTREAM_KEYS=nobody=sk-0123456789abcdef",
		"OPENROUTER_API_KEY=two words",
	} {
		name, value, _ := strings.Cut(bad, "=")
		_, problems, _ := load(t, bad)
		if len(problems) != 1 || problems[0].Variable != name || problems[0].Fix == "" || strings.Contains(problems[0].String(), value) {
			t.Errorf("%s: %+v", bad, problems)
		}
	}
	for text, want := range map[string]string{"/chat": "/chat", "/chat/": "/chat", "/a/b-c.d~e_f/": "/a/b-c.d~e_f", "/": "", "": ""} {
		if got := mustLoad(t, "OR3_BASE_PATH="+text).String(setting.BasePath); got != want {
			t.Errorf("%q is %q", text, got)
		}
	}
}

func TestOnlyTheOppositeLiteralChangesABoolean(t *testing.T) {
	for _, text := range []string{"1", "0", "yes", "no", "TRUE", "FALSE", "", " true"} {
		cfg := mustLoad(t, "SSR_AUTH_ENABLED="+text, "OR3_TRUST_PROXY="+text)
		if !cfg.Bool(setting.SSRAuthEnabled) || cfg.Bool(setting.TrustProxy) {
			t.Errorf("%q changed a default", text)
		}
	}
	cfg := mustLoad(t, "SSR_AUTH_ENABLED=false", "OR3_TRUST_PROXY=true")
	if cfg.Bool(setting.SSRAuthEnabled) || !cfg.Bool(setting.TrustProxy) {
		t.Error("the opposite literal has no effect")
	}
}

func TestFlagsAreLooser(t *testing.T) {
	for text, want := range map[string]bool{"1": true, "true": true, "Yes": true, "on": false, "": false, "0": false} {
		if got := mustLoad(t, "OR3_SQLITE_STRICT="+text).Bool("OR3_SQLITE_STRICT"); got != want {
			t.Errorf("%q is %v", text, got)
		}
	}
}

func TestForceHTTPSFollowsProductionUnlessSet(t *testing.T) {
	for _, tc := range []struct {
		environ []string
		want    bool
	}{
		{nil, false},
		{[]string{"NODE_ENV=production"}, true},
		{[]string{"NODE_ENV=production", "OR3_FORCE_HTTPS=false"}, false},
		{[]string{"NODE_ENV=production", "OR3_FORCE_HTTPS=1"}, false}, // if it is set, only true is true
		{[]string{"OR3_FORCE_HTTPS=true"}, true},
		{[]string{"NODE_ENV=production", "OR3_FORCE_HTTPS="}, true}, // an empty variable is not set
	} {
		cfg, _, _ := load(t, tc.environ...)
		if got := cfg.Bool(setting.ForceHTTPS); got != tc.want {
			t.Errorf("%v: %v", tc.environ, got)
		}
	}
}

// Webhooks need a key, which strict mode does not generate. An installation without a key starts without webhooks.
func TestWebhooksFollowSyncAndTheirKey(t *testing.T) {
	const strict, key = "OR3_STRICT_CONFIG=true", "OR3_WEBHOOKS_ENCRYPTION_KEY=0123456789abcdef0123456789abcdef"
	for _, tc := range []struct {
		environ []string
		want    bool
	}{
		{nil, true}, {[]string{"OR3_WEBHOOKS_ENABLED=false"}, false}, {[]string{"OR3_SYNC_ENABLED=false"}, false}, {[]string{"SSR_AUTH_ENABLED=false"}, false},
		{[]string{strict}, false}, {[]string{strict, key}, true}, {[]string{strict, key, "OR3_WEBHOOKS_ENABLED=false"}, false},
	} {
		cfg, problems, _ := load(t, tc.environ...)
		asksForKey := slices.ContainsFunc(problems, func(p or3cloud.Problem) bool { return p.Variable == setting.WebhooksKey })
		if got := cfg.Bool(setting.WebhooksEnabled); got != tc.want || asksForKey {
			t.Errorf("%v: %t, %v", tc.environ, got, problems)
		}
	}
	_, problems, _ := load(t, strict, "OR3_WEBHOOKS_ENABLED=true")
	if !slices.ContainsFunc(problems, func(p or3cloud.Problem) bool { return p.Variable == setting.WebhooksKey }) {
		t.Errorf("asked for and without a key: %v", problems)
	}
}

func TestRegistrationIsClosedWithoutAutoProvision(t *testing.T) {
	for _, tc := range []struct{ environ, want string }{
		{"X=", "open"}, {"OR3_AUTH_AUTO_PROVISION=false", "disabled"}, {"OR3_AUTH_REGISTRATION_MODE=invite_only", "invite_only"},
	} {
		if got := mustLoad(t, tc.environ).String(setting.RegistrationMode); got != tc.want {
			t.Errorf("%s: %s", tc.environ, got)
		}
	}
}

func TestSwitchedOffAccountsSwitchEverythingOff(t *testing.T) {
	cfg := mustLoad(t, "SSR_AUTH_ENABLED=false", "OR3_SYNC_ENABLED=true")
	if cfg.Bool(setting.SyncEnabled) || cfg.Bool(setting.StorageEnabled) || cfg.Roles() != nil || cfg.SelectedProviders() != nil {
		t.Errorf("sync %v, storage %v, roles %v", cfg.Bool(setting.SyncEnabled), cfg.Bool(setting.StorageEnabled), cfg.Roles())
	}
}

func TestPositiveNumbersFallBackToTheDefault(t *testing.T) {
	for text, want := range map[string]int64{"60.9": 60, "0": 900, "-1": 900, "0.5": 900, "abc": 900, "": 900, "NaN": 900, "Inf": 900, "1e300": 900, " 7 ": 7} {
		if got := mustLoad(t, "OR3_BASIC_AUTH_ACCESS_TTL_SECONDS="+text).Int("OR3_BASIC_AUTH_ACCESS_TTL_SECONDS"); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
}

func TestSourcesHaveAnOrder(t *testing.T) {
	dir := t.TempDir()
	envFile := filepath.Join(dir, "my.env")
	if err := os.WriteFile(envFile, []byte("OR3_ADDR=127.0.0.1:1\nOR3_DATA_DIR=/from/file\nOR3_PUBLIC_URL=http://file.example\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := catalogue(t)
	cfg, problems, _ := Load(c, Sources{
		EnvFile: envFile, Environ: []string{"OR3_ADDR=127.0.0.1:2", "OR3_DATA_DIR=/from/environment"},
		Flags: map[string]string{setting.Addr: "127.0.0.1:3"}, FlagNames: map[string]string{setting.Addr: "--addr"},
	})
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	for name, want := range map[string][2]string{
		setting.Addr:      {"127.0.0.1:3", "flag --addr"},
		setting.DataDir:   {"/from/environment", "environment"},
		setting.PublicURL: {"http://file.example", envFile},
		setting.NodeEnv:   {"", "default"},
	} {
		v, ok := cfg.Lookup(name)
		if !ok || v.Text != want[0] || string(v.Origin) != want[1] {
			t.Errorf("%s is %q from %q, want %q", name, v.Text, v.Origin, want)
		}
	}
}

func TestDataDirectoryOfSystemd(t *testing.T) {
	if got := mustLoad(t, "STATE_DIRECTORY=/var/lib/or3-cloud:/var/lib/other").String(setting.DataDir); got != "/var/lib/or3-cloud" {
		t.Error(got)
	}
	if got := mustLoad(t, "STATE_DIRECTORY=/var/lib/or3-cloud", "OR3_DATA_DIR=/srv").String(setting.DataDir); got != "/srv" {
		t.Error(got)
	}
}

func TestSecretsFromFiles(t *testing.T) {
	dir := t.TempDir()
	file := func(name, content string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	const name = "OR3_BASIC_AUTH_JWT_SECRET"
	good := file("good", "s3cr3t with spaces \n")
	cfg := mustLoad(t, name+"_FILE="+good, name+"=") // an empty secret is unset
	if v, _ := cfg.Lookup(name); v.Text != "s3cr3t with spaces " || string(v.Origin) != good {
		t.Errorf("%q from %q", v.Text, v.Origin)
	}
	for _, tc := range []struct {
		name, want string
		environ    []string
	}{
		{"both", "both", []string{name + "_FILE=" + good, name + "=other-secret"}},
		{"missing", "cannot be read", []string{name + "_FILE=" + filepath.Join(dir, "none")}},
		{"directory", "directory", []string{name + "_FILE=" + dir}},
		{"empty", "is empty", []string{name + "_FILE=" + file("empty", "\n")}},
		{"huge", "more than", []string{name + "_FILE=" + file("huge", strings.Repeat("x", maxSecretFile+1))}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			cfg, problems, _ := load(t, tc.environ...)
			if len(problems) != 1 || !strings.Contains(problems[0].Fault, tc.want) || problems[0].Fix == "" {
				t.Fatalf("problems %+v", problems)
			}
			if strings.Contains(fmt.Sprint(problems), "other-secret") || cfg.String(name) != "" {
				t.Errorf("the secret was used or shown: %v", problems)
			}
		})
	}
}

// TestAllProblemsAtOnce has one fault of each kind and expects a problem for each, with the variable, the value and a
// fix.
func TestAllProblemsAtOnce(t *testing.T) {
	_, problems, warnings := load(t,
		"OR3_ADDR=3000", "OR3_PUBLIC_URL=cloud.example.org", "OR3_LOG_LEVEL=loud", "AUTH_PROVIDER=basic-auth", "PORT=http", "OR3_TRUSTED_PROXIES=10.0.0.0/33",
		"OR3_SESSION_PROVISIONING_FAILURE=never", "OR3_AUTH_REGISTRATION_MODE=closed", "OR3_STORAGE_WORKSPACE_QUOTA_BYTES=0",
		"OR3_STORAGE_GC_COOLDOWN_MS=soon", "OR3_MAX_CLOUD_FILE_SIZE_BYTES=9223372036854775808", "OR3_STORAGE_FS_URL_TTL_SECONDS=86401",
		// These are warnings:
		"OR3_RATE_LIMIT_OVERRIDES_JSON={", "OR3_ALLOWED_ORIGINS=example.org", "OR3_FORWARDED_FOR_HEADER=x forwarded for",
	)
	want := []string{
		"OR3_ADDR", "OR3_PUBLIC_URL", "OR3_LOG_LEVEL", "PORT", "OR3_TRUSTED_PROXIES", "OR3_SESSION_PROVISIONING_FAILURE", "OR3_AUTH_REGISTRATION_MODE",
		"OR3_STORAGE_WORKSPACE_QUOTA_BYTES", "OR3_STORAGE_GC_COOLDOWN_MS", "OR3_MAX_CLOUD_FILE_SIZE_BYTES", "OR3_STORAGE_FS_URL_TTL_SECONDS",
	}
	var got []string
	for _, p := range problems {
		got = append(got, p.Variable)
		if p.Fault == "" || p.Fix == "" || !strings.Contains(p.Fault, `"`) {
			t.Errorf("%+v does not say what is wrong, with which value, and what to do", p)
		}
	}
	slices.Sort(got)
	slices.Sort(want)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if len(warnings) != 3 {
		t.Errorf("warnings %q", warnings)
	}
}

func TestTheAddressForMetrics(t *testing.T) {
	for _, c := range []struct {
		environ []string
		addr    string
		warned  bool
	}{
		{[]string{"OR3_METRICS_ADDR=:9464"}, "127.0.0.1:9464", false}, {[]string{"OR3_METRICS_ADDR=[::1]:9464"}, "[::1]:9464", false},
		{[]string{"OR3_METRICS_ADDR=localhost:9464"}, "localhost:9464", false}, {[]string{"OR3_METRICS_ADDR=0.0.0.0:9464"}, "0.0.0.0:9464", true},
		{[]string{"OR3_METRICS_ADDR=cloud.example.org:9464"}, "cloud.example.org:9464", true},
		{[]string{"OR3_METRICS_ADDR=192.0.2.7:9464", "OR3_METRICS_TOKEN=0123456789abcdef0123456789abcdef"}, "192.0.2.7:9464", false},
		{nil, "", false},
	} {
		cfg, problems, warnings := load(t, c.environ...)
		if got := cfg.String(setting.MetricsAddr); got != c.addr || len(problems) > 0 || len(warnings) > 0 != c.warned {
			t.Errorf("%v: %q, %v, %v", c.environ, got, problems, warnings)
		}
	}
	for _, addr := range []string{"9464", "127.0.0.1", "127.0.0.1:", "127.0.0.1:0", "127.0.0.1:http", "unix:/run/metrics"} {
		if _, problems, _ := load(t, "OR3_METRICS_ADDR="+addr); len(problems) != 1 || problems[0].Variable != setting.MetricsAddr {
			t.Errorf("%s: %v", addr, problems)
		}
	}
}

func TestTheCollectorOfMetrics(t *testing.T) {
	for _, c := range []struct{ endpoint, headers, refused string }{
		{"http://127.0.0.1:4318", "", ""}, {"https://collector.example.org/otlp/", "a=1", ""}, {"", " a = 1 , b=two%2C%20three,", ""},
		{"127.0.0.1:4318", "", setting.OTLPEndpoint}, {"unix:/run/collector", "", setting.OTLPEndpoint}, {"grpc://127.0.0.1:4317", "", setting.OTLPEndpoint},
		{"https://ann:secret@collector.example.org", "", setting.OTLPEndpoint}, {"https://collector.example.org?key=secret", "", setting.OTLPEndpoint},
		{"", "a secret", setting.OTLPHeaders}, {"", "=secret", setting.OTLPHeaders}, {"", "a=%zz", setting.OTLPHeaders},
	} {
		_, problems, _ := load(t, "OTEL_EXPORTER_OTLP_ENDPOINT="+c.endpoint, "OTEL_EXPORTER_OTLP_HEADERS="+c.headers)
		switch {
		case c.refused == "" && len(problems) > 0, c.refused != "" && (len(problems) != 1 || problems[0].Variable != c.refused):
			t.Errorf("%+v: %v", c, problems)
		case c.headers != "" && strings.Contains(fmt.Sprint(problems), c.headers):
			t.Errorf("%+v: a problem repeats the secret: %v", c, problems)
		}
	}
	got, ok := setting.OTLPHeaderMap(" a = 1 , b=two%2C%20three,")
	if want := map[string]string{"a": "1", "b": "two, three"}; !ok || !maps.Equal(got, want) {
		t.Errorf("headers %q, %v", got, ok)
	}
}

func TestFaultsOfProvidersThatAreNotSelectedDoNotMatter(t *testing.T) {
	for _, environ := range [][]string{
		{"OR3_STORAGE_FS_URL_TTL_SECONDS=bad", "SSR_AUTH_ENABLED=false"},
		{"OR3_STORAGE_FS_URL_TTL_SECONDS=bad", "AUTH_PROVIDER=other"},
	} {
		mustLoad(t, environ...)
	}
}

func TestEnvFileFaults(t *testing.T) {
	c, _ := catalogue(t, provider("basic-auth"))
	missing := filepath.Join(t.TempDir(), "none.env")
	if _, problems, _ := Load(c, Sources{EnvFile: missing}); len(problems) > 0 {
		t.Errorf("an optional file: %v", problems)
	}
	_, problems, _ := Load(c, Sources{EnvFile: missing, EnvFileRequired: true})
	if len(problems) != 1 || problems[0].Variable != "--env-file" || !strings.Contains(problems[0].Fault, missing) {
		t.Errorf("a required file: %v", problems)
	}
	file := filepath.Join(t.TempDir(), ".env")
	text := "OR3_SYNK_PROVIDER=sqlite\nOR3_BASIC_AUTH_JWT_SECRT=do-not-show\nOR3_SITE_NAME=Mine\nOR3_SOMETHING=1\nMY_OWN=2\nOR3_BASIC_AUTH_JWT_SECRET_FILE=\nnonsense\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	_, problems, warnings := Load(c, Sources{EnvFile: file})
	if len(problems) > 0 {
		t.Errorf("problems %v", problems)
	}
	want := []string{
		file + ", line 7: neither NAME=value nor a comment; ignored",
		"OR3_SOMETHING is unknown and ignored (from " + file + ")",
		"OR3_SYNK_PROVIDER is unknown and ignored (from " + file + "). Did you mean OR3_SYNC_PROVIDER?",
		"OR3_BASIC_AUTH_JWT_SECRT is unknown and ignored (from " + file + "). Did you mean OR3_BASIC_AUTH_JWT_SECRET?",
	}
	if diff := cmp.Diff(want, texts(warnings)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestProvidersThatAreMissing(t *testing.T) {
	c, reg := catalogue(t, provider("basic-auth"))
	for _, tc := range []struct {
		environ []string
		want    []string
	}{
		{nil, nil}, // outside strict mode, the host reports it and starts
		{[]string{"OR3_STRICT_CONFIG=true"}, []string{setting.SyncProvider, setting.StorageProvider}},
		{[]string{"NODE_ENV=production", "OR3_STORAGE_ENABLED=false"}, []string{setting.SyncProvider}},
		{[]string{"NODE_ENV=production", "SSR_AUTH_ENABLED=false"}, nil},
	} {
		cfg, _, _ := Load(c, Sources{Environ: tc.environ})
		var got []string
		problems, _ := CheckProviders(cfg, reg)
		for _, p := range problems {
			got = append(got, p.Variable)
			if !strings.Contains(p.Fault, "not registered") || !strings.Contains(p.Fix, "build") {
				t.Errorf("no guidance in %+v", p)
			}
		}
		if !slices.Equal(got, tc.want) {
			t.Errorf("%v: %v, want %v", tc.environ, got, tc.want)
		}
	}
}

func TestProvidersAreAskedForFaults(t *testing.T) {
	p := provider("basic-auth")
	p.Check = func(cfg or3cloud.Config, strict bool) []or3cloud.Problem {
		if strict && cfg.String("OR3_BASIC_AUTH_JWT_SECRET") == "" {
			return []or3cloud.Problem{{Variable: "OR3_BASIC_AUTH_JWT_SECRET"}}
		}
		return nil
	}
	p.Warn = func(or3cloud.Config, bool) []or3cloud.Problem {
		return []or3cloud.Problem{{Variable: "OR3_BASIC_AUTH_DB_PATH"}}
	}
	c, reg := catalogue(t, p)
	environ := []string{"OR3_STRICT_CONFIG=true", "OR3_SYNC_PROVIDER=basic-auth", "OR3_STORAGE_ENABLED=false"}
	cfg, _, _ := Load(c, Sources{Environ: environ})
	got, warnings := CheckProviders(cfg, reg)
	if len(got) != 1 || got[0].Variable != "OR3_BASIC_AUTH_JWT_SECRET" {
		t.Errorf("problems %v", got) // once, although the provider has two roles
	}
	if len(warnings) != 1 || warnings[0].Variable != "OR3_BASIC_AUTH_DB_PATH" {
		t.Errorf("warnings %v", warnings)
	}
}

func TestCatalogueRefusesContradictions(t *testing.T) {
	reg := &or3cloud.Registry{}
	p := provider("one")
	p.Settings = []or3cloud.Setting{{Name: setting.PublicURL, Secret: true}}
	if err := reg.Register(p); err != nil {
		t.Fatal(err)
	}
	if _, err := NewCatalogue(reg); err == nil || !strings.Contains(err.Error(), "example.org/one") || !strings.Contains(err.Error(), "the host") {
		t.Errorf("error %v", err)
	}
}

func TestSecretsAreNeverShown(t *testing.T) {
	cfg := mustLoad(t, "OR3_BASIC_AUTH_JWT_SECRET=hunter2hunter2")
	for _, v := range cfg.Values() {
		if strings.Contains(v.Shown(), "hunter2") {
			t.Error(v.Shown())
		}
	}
	if v, _ := cfg.Lookup("OR3_BASIC_AUTH_JWT_SECRET"); v.Shown() != "(secret, 14 characters)" {
		t.Error(v.Shown())
	}
}

func TestUnknownNamesPanic(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("no panic")
		}
	}()
	mustLoad(t).String("OR3_NO_SUCH_THING")
}

func TestListsBelongToTheCaller(t *testing.T) {
	cfg := mustLoad(t, "OR3_ALLOWED_ORIGINS=https://a.example,,https://b.example ,")
	cfg.List("OR3_ALLOWED_ORIGINS")[0] = "changed"
	if got := cfg.List("OR3_ALLOWED_ORIGINS"); !slices.Equal(got, []string{"https://a.example", "https://b.example"}) {
		t.Error(got)
	}
}

func TestEditDistance(t *testing.T) {
	for _, tc := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"abc", "abc", 0}, {"abc", "", 3}, {"kitten", "sitting", 3}, {"flaw", "lawn", 2}} {
		if got := editDistance(tc.a, tc.b); got != tc.want {
			t.Errorf("%q %q: %d", tc.a, tc.b, got)
		}
	}
}

// TestAnEnvFileThatCannotBeRead checks that the message names what works under systemd, where the file belongs to root.
func TestAnEnvFileThatCannotBeRead(t *testing.T) {
	denied := &fs.PathError{Op: "open", Path: "/etc/or3-cloud.env", Err: fs.ErrPermission}
	l := &loader{src: Sources{EnvFile: "/etc/or3-cloud.env", EnvFileRequired: true}}
	p := l.unreadable("--env-file", denied)
	if p.Variable != "--env-file" || !strings.Contains(p.Fault, "permission denied") || !strings.Contains(p.Fix, "EnvironmentFile=") ||
		!strings.Contains(p.Fix, fmt.Sprintf("chown %d /etc/or3-cloud.env", os.Geteuid())) {
		t.Errorf("%+v", p)
	}
	l.src.EnvFileRequired = false
	if p := l.unreadable("/etc/or3-cloud.env", errors.New("it is a directory")); strings.Contains(p.Fix, "leave the flag") {
		t.Errorf("no flag was given: %+v", p)
	}
}
