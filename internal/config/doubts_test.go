package config

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"unicode/utf16"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/setting"
)

// TestDoubtfulValues has values that the contract reads differently from what was meant, and weak secrets. They are
// reported whatever their source, and prevent the start only in strict mode.
func TestDoubtfulValues(t *testing.T) {
	for _, c := range []struct{ variable, text string }{
		{"OR3_TRUST_PROXY", "1"},
		{"SSR_AUTH_ENABLED", "no"},
		{"OR3_SYNC_ENABLED", "TRUE"},
		{"OR3_FORCE_HTTPS", "yes"},
		{"OR3_SQLITE_STRICT", "on"},
		{"NODE_ENV", "prod"},
		{"NODE_ENV", "Production"},
		{"OR3_BASIC_AUTH_ACCESS_TTL_SECONDS", "abc"},
		{"OR3_BASIC_AUTH_ACCESS_TTL_SECONDS", "15m"},
		{"OR3_BASIC_AUTH_ACCESS_TTL_SECONDS", "-1"},
		{"OR3_BASIC_AUTH_JWT_SECRET", "short"},
		{"OR3_BASIC_AUTH_JWT_SECRET", strings.Repeat("ä", 31)},
		{"OR3_BASIC_AUTH_ACCESS_TTL_SECONDS", "1_000"},
		{"OR3_BASIC_AUTH_ACCESS_TTL_SECONDS", "0x1p9"},
		{"OR3_AUTH_INVITE_TOKEN_SECRET", "0123456789"},
		{"OR3_RATE_LIMIT_OVERRIDES_JSON", "{"},
		{"OR3_RATE_LIMIT_OVERRIDES_JSON", "[]"},
		{"OR3_RATE_LIMIT_OVERRIDES_JSON", `{"sync:push":{"maxRequests":"200"}}`},
		{"OR3_RATE_LIMIT_OVERRIDES_JSON", `{"sync:psuh":{"maxRequests":200}}`},
		{"OR3_RATE_LIMIT_OVERRIDES_JSON", `{"sync:push":{"maxRequests":0,"windowMs":-1}}`},
		{"OR3_RATE_LIMIT_OVERRIDES_JSON", `{"sync:push":{"maxRequests":1e12}}`},
		{"DISABLE_RATE_LIMIT", "true"},
		{"OR3_STORAGE_ALLOWED_MIME_TYPES", "image/png, .pdf"},
		{"OR3_STORAGE_ALLOWED_MIME_TYPES", "*"},
		{"OR3_STORAGE_ALLOWED_MIME_TYPES", "image/"},
		{"OR3_STORAGE_ALLOWED_MIME_TYPES", "application/*+json"},
		{"OR3_ALLOWED_ORIGINS", "chat.example.org"},
		{"OR3_FORWARDED_FOR_HEADER", "not a header"},
		{"OR3_TRUST_PROXI", "true"},
		{"OR3_TRUSTED_PROXYS", "loopback"},
		{"or3_trust_proxy", "true"},
		{"OR3TRUST_PROXY", "true"},
		{"OR3_BASIC_AUTH_JWT_SECRT", "do-not-show-this-secret-in-any-message"},
	} {
		t.Run(c.variable, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), ".env")
			if err := os.WriteFile(file, []byte(c.variable+"="+c.text+"\n"), 0o600); err != nil {
				t.Fatal(err)
			}
			cat, _ := catalogue(t, secretive(provider("basic-auth")))
			for source, src := range map[string]Sources{
				"environment": {Environ: []string{c.variable + "=" + c.text}}, file: {EnvFile: file},
			} {
				_, problems, warnings := Load(cat, src)
				if len(problems) > 0 || len(warnings) != 1 || !strings.HasPrefix(warnings[0].String(), c.variable) || !strings.Contains(warnings[0].String(), source) {
					t.Errorf("not strict: problems %v, warnings %q", problems, warnings)
				}
				src.Environ = append(src.Environ, "OR3_STRICT_CONFIG=true")
				_, problems, warnings = Load(cat, src)
				if len(problems) != 1 || problems[0].Variable != c.variable || problems[0].Fix == "" || len(warnings) > 0 {
					t.Errorf("strict: problems %+v, warnings %q", problems, warnings)
				}
				if all := strings.Join(texts(warnings), "") + problems[0].Fault; strings.Contains(all, "do-not-show") || strings.Contains(all, "short\"") {
					t.Errorf("a secret is shown: %s", all)
				}
			}
		})
	}
}

// secretive returns the provider with a setting for a strong secret.
func secretive(p or3cloud.Provider) or3cloud.Provider {
	p.Settings[0].MinLength = or3cloud.MinKeyLength
	return p
}

// Names without our prefix may be another program's, so they only cause a warning. So do unknown names with our prefix
// that resemble no known name.
func TestUnknownNamesWarn(t *testing.T) {
	cat, _ := catalogue(t, provider("basic-auth"))
	for _, name := range []string{"NODE_EVN", "SSR_AUTH_ENABLE", "AUTH_PROVIDR", "OR3_BASIC_AUTH_PEPPER", "OR3_SMTP_PASSWORD", "OR3_AUTH_INVITE_LENGTH"} {
		_, problems, warnings := Load(cat, Sources{Environ: []string{name + "=x", "OR3_STRICT_CONFIG=true"}})
		if len(problems) > 0 || len(warnings) != 1 || !strings.HasPrefix(warnings[0].String(), name+" is unknown") {
			t.Errorf("%s: problems %v, warnings %q", name, problems, warnings)
		}
	}
	for _, name := range []string{"OAUTH_PROVIDER", "NODE_OPTIONS", "NUXT_PUBLIC_AUTH_PROVIDER", "NUXT_STORAGE_PROVIDER", "PORTS", "VITE_CONVEX_URL", "OR3_STORAGE_S3_NEW", "OR3_ADMIN_NEW"} {
		if _, problems, warnings := Load(cat, Sources{Environ: []string{name + "=x", "OR3_STRICT_CONFIG=true"}}); len(problems)+len(warnings) > 0 {
			t.Errorf("%s: problems %v, warnings %q", name, problems, warnings)
		}
	}
}

// A line that cannot be read means that one of our settings may have a value other than the one meant.
func TestUnreadableLinesOfAnEnvFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(file, []byte("some text\nOR3_TRUST PROXY=true\nset or3_addr=x\nOR3_FORCE_HTTPS\nOR3_STRICT_CONFIG=true\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	cat, _ := catalogue(t)
	_, problems, warnings := Load(cat, Sources{EnvFile: file})
	if len(warnings) != 1 || !strings.HasPrefix(warnings[0].String(), file+", line 1:") || len(problems) != 3 {
		t.Errorf("strict: problems %v, warnings %q", problems, warnings)
	}
	for i, p := range problems {
		if p.Variable != fmt.Sprintf("%s, line %d", file, i+2) || strings.Contains(p.Fault, "PROXY") {
			t.Errorf("%+v", p)
		}
	}
	_, problems, warnings = Load(cat, Sources{EnvFile: file, Environ: []string{"OR3_STRICT_CONFIG=false"}})
	if len(warnings) != 4 || len(problems) > 0 {
		t.Errorf("not strict: problems %v, warnings %q", problems, warnings)
	}
}

// White space adds nothing to the strength of a key.
func TestSecretOfWhiteSpace(t *testing.T) {
	cat, _ := catalogue(t, secretive(provider("basic-auth")))
	for _, text := range []string{strings.Repeat(" ", 40), "short" + strings.Repeat("\t", 40)} {
		_, problems, _ := Load(cat, Sources{Environ: []string{"OR3_BASIC_AUTH_JWT_SECRET=" + text, "OR3_STRICT_CONFIG=true"}})
		if len(problems) != 1 || !strings.Contains(problems[0].Fault, "too short") {
			t.Errorf("%q: %+v", text, problems)
		}
	}
}

func TestValuesThatAreMeant(t *testing.T) {
	for _, text := range []string{
		"OR3_TRUST_PROXY=true", "OR3_SQLITE_STRICT=no", "NODE_ENV=development", "NODE_ENV=test", "OR3_BASIC_AUTH_ACCESS_TTL_SECONDS=60.9",
		"OR3_FORWARDED_FOR_HEADER=CF-Connecting-IP", "OR3_TRUSTED_PROXIES=10.0.0.0/8, 192.0.2.7,private, ::1",
		"OR3_STORAGE_ALLOWED_MIME_TYPES=IMAGE/*, */*,text/plain; charset=utf-8,image/svg+xml", "DISABLE_RATE_LIMIT=1", "DISABLE_RATE_LIMIT=0",
		`OR3_RATE_LIMIT_OVERRIDES_JSON={"sync:push":{"windowMs":60000,"maxRequests":200},"workflow:hitl":{}}`,
		"OR3_PORT=3000", "OR3_STORAGE_S3_SESSION_TOKEN=x", "OR3_ADMIN_REBUILD_COMMAND=x", // OR3 Chat's
		"OR3_TRUST_PROXY=", "OR3_SQLITE_STRICT=", "NODE_ENV=", "OR3_BASIC_AUTH_JWT_SECRET=", "OR3_ADDR=", "OR3_SYNC_PROVIDER=",
		"OR3_TRUST_PROXI=", "OR3_SOMETHING=",
	} {
		cfg, problems, warnings := load(t, text, "OR3_STRICT_CONFIG=true")
		if len(problems)+len(warnings) > 0 {
			t.Errorf("%s: problems %v, warnings %q", text, problems, warnings)
		}
		if name, value, _ := strings.Cut(text, "="); value == "" {
			if v, ok := cfg.Lookup(name); ok && (v.IsSet || v.Text != v.Setting.Default) {
				t.Errorf("%s is set to %q", name, v.Text)
			}
		}
	}
}

// An empty variable is not set, so a weaker source decides.
func TestEmptyVariableLeavesTheFileItsValue(t *testing.T) {
	file := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(file, []byte("OR3_ADDR=127.0.0.1:4000\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := catalogue(t)
	cfg, problems, _ := Load(c, Sources{EnvFile: file, Environ: []string{"OR3_ADDR="}})
	if got := cfg.String(setting.Addr); got != "127.0.0.1:4000" || len(problems) > 0 {
		t.Errorf("%s %v", got, problems)
	}
}

func TestPortChangesTheDefaultAddressOnly(t *testing.T) {
	for _, c := range []struct {
		environ []string
		want    string
	}{
		{[]string{"PORT=8080"}, "127.0.0.1:8080"},
		{[]string{"PORT="}, "127.0.0.1:3000"},
		{[]string{"PORT=8080", "OR3_ADDR="}, "127.0.0.1:8080"},
		{[]string{"PORT=8080", "OR3_ADDR=0.0.0.0:3000"}, "0.0.0.0:3000"},
		{[]string{"PORT=8080", "OR3_ADDR=unix:/run/s"}, "unix:/run/s"},
	} {
		if got := mustLoad(t, c.environ...).String(setting.Addr); got != c.want {
			t.Errorf("%v: %s", c.environ, got)
		}
	}
}

// Trusting every network is allowed, as OR3_TRUST_PROXY is, but it is hardly ever intended.
func TestProxiesEverywhereWarn(t *testing.T) {
	for _, text := range []string{"0.0.0.0/0", "loopback,::/0", "::ffff:0.0.0.0/96"} {
		_, problems, warnings := load(t, "OR3_TRUSTED_PROXIES="+text, "OR3_STRICT_CONFIG=true")
		if len(problems) > 0 || len(warnings) != 1 || !strings.Contains(warnings[0].String(), "every address") {
			t.Errorf("%s: %v %q", text, problems, warnings)
		}
	}
}

// The public URL is normalized to the form that browsers write, because origins are compared with that.
func TestPublicURLIsAnOriginAsBrowsersWriteIt(t *testing.T) {
	for text, want := range map[string]string{
		"HTTPS://Cloud.Example.org/": "https://cloud.example.org", "https://cloud.example.org:443": "https://cloud.example.org",
		"http://nas:80": "http://nas", "http://nas:443": "http://nas:443", "https://cloud.example.org:8443": "https://cloud.example.org:8443",
		"https://[2001:DB8::1]:443": "https://[2001:db8::1]", "https://xn--bcher-kva.example": "https://xn--bcher-kva.example",
	} {
		cfg, problems, _ := load(t, "OR3_PUBLIC_URL="+text)
		if got := cfg.String(setting.PublicURL); got != want || len(problems) > 0 {
			t.Errorf("%s: %s %v", text, got, problems)
		}
	}
	for _, text := range []string{
		"https://:443", "https://cloud.example.org:0", "https://cloud.example.org:99999", "https://bücher.example", "https://*.example.org", "https://a,b", "https://cloud.example.org/chat",
	} {
		if _, problems, _ := load(t, "OR3_PUBLIC_URL="+text); len(problems) != 1 || problems[0].Variable != setting.PublicURL {
			t.Errorf("%s: %v", text, problems)
		}
	}
}

// Links are made from the public URL. If there are any, strict mode demands an encrypted one.
func TestPublicURLInStrictMode(t *testing.T) {
	for _, c := range []struct {
		environ            []string
		problems, warnings int
	}{
		{nil, 0, 1},
		{[]string{"OR3_PUBLIC_URL=http://cloud.example.org"}, 0, 1},
		{[]string{"OR3_PUBLIC_URL=https://cloud.example.org"}, 0, 0},
		{[]string{"OR3_SMTP_URL=smtp://mail.example.org"}, 1, 0},
		{[]string{"OR3_SMTP_URL=smtp://mail.example.org", "OR3_PUBLIC_URL=http://cloud.example.org"}, 1, 0},
		{[]string{"OR3_SMTP_URL=smtp://mail.example.org", "OR3_PUBLIC_URL=https://cloud.example.org"}, 0, 0},
		{[]string{"OR3_AUTH_REGISTRATION_MODE=invite_only", "OR3_AUTH_INVITE_TOKEN_SECRET=0123456789abcdef0123456789abcdef"}, 1, 0},
		{[]string{"SSR_AUTH_ENABLED=false"}, 0, 0},
	} {
		problems, warnings := CheckLinks(mustLoad(t, append(c.environ, "OR3_STRICT_CONFIG=true")...))
		if len(problems) != c.problems || len(warnings) != c.warnings {
			t.Errorf("%v: problems %v, warnings %q", c.environ, problems, warnings)
		}
	}
}

func TestEnvFileInAnotherEncoding(t *testing.T) {
	const text = "OR3_ADDR=127.0.0.1:4000\n"
	utf16File := func(order binary.ByteOrder, mark ...uint16) (out []byte) {
		for _, unit := range append(mark, utf16.Encode([]rune(text))...) {
			b := make([]byte, 2)
			order.PutUint16(b, unit)
			out = append(out, b...)
		}
		return out
	}
	for name, content := range map[string][]byte{
		"little endian": utf16File(binary.LittleEndian, 0xfeff), "big endian": utf16File(binary.BigEndian, 0xfeff),
		"without a mark": utf16File(binary.LittleEndian),
	} {
		t.Run(name, func(t *testing.T) {
			file := filepath.Join(t.TempDir(), ".env")
			if err := os.WriteFile(file, content, 0o600); err != nil {
				t.Fatal(err)
			}
			c, _ := catalogue(t)
			_, problems, _ := Load(c, Sources{EnvFile: file})
			if len(problems) != 1 || !strings.Contains(problems[0].Fault, "UTF-16") || !strings.Contains(problems[0].Fault, file) {
				t.Errorf("%v", problems)
			}
		})
	}
	file := filepath.Join(t.TempDir(), ".env")
	if err := os.WriteFile(file, []byte("\ufeff"+text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, _ := catalogue(t)
	if cfg, problems, _ := Load(c, Sources{EnvFile: file}); cfg.String(setting.Addr) != "127.0.0.1:4000" || len(problems) > 0 {
		t.Errorf("a mark of UTF-8: %s %v", cfg.String(setting.Addr), problems)
	}
}

func TestSocketMode(t *testing.T) {
	cat, _ := catalogue(t)
	for text, want := range map[string]uint32{"": 0o660, "660": 0o660, "0666": 0o666, "0o600": 0o600} {
		c, problems, warnings := Load(cat, Sources{Environ: []string{"OR3_SOCKET_MODE=" + text, "OR3_STRICT_CONFIG=true"}})
		if got := uint32(c.SocketMode()); got != want || len(problems) > 0 || len(warnings) > 0 {
			t.Errorf("%q: %04o, %v %q", text, got, problems, warnings)
		}
	}
	for _, text := range []string{"rw-rw----", "0060", "0400", "9", "4666", "01777", "-1", "0x1b0"} {
		_, problems, _ := Load(cat, Sources{Environ: []string{"OR3_SOCKET_MODE=" + text}})
		if len(problems) != 1 || problems[0].Variable != "OR3_SOCKET_MODE" || !strings.Contains(problems[0].Fix, "0660") {
			t.Errorf("%q: %+v", text, problems)
		}
	}
}
