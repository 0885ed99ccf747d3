package setup

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/dotenv"
	"or3.chat/cloud/providers/basicauth"
	pfs "or3.chat/cloud/providers/fs"
	"or3.chat/cloud/providers/sqlite"
	"or3.chat/cloud/setting"
)

func registry(t *testing.T) *or3cloud.Registry {
	t.Helper()
	r := &or3cloud.Registry{}
	if err := errors.Join(basicauth.Register(r), pfs.Register(r), sqlite.Register(r)); err != nil {
		t.Fatal(err)
	}
	return r
}

// in opens a directory with files.
func in(t *testing.T, files map[string]string) *Setup {
	t.Helper()
	dir := t.TempDir()
	for name, text := range files {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return reopen(t, dir)
}

func reopen(t *testing.T, dir string) *Setup {
	t.Helper()
	s, err := Open(Options{Dir: dir, Registry: registry(t), Rand: rand.Reader, Executable: "/opt/or3-cloud"})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// plan returns a plan without problems.
func plan(t *testing.T, s *Setup, a Answers) Plan {
	t.Helper()
	p, problems, err := s.Plan(a)
	if err != nil || len(problems) > 0 {
		t.Fatal(problems, err)
	}
	return p
}

// apply applies the plan and returns the parsed .env file and all files.
func apply(t *testing.T, s *Setup, a Answers) (map[string]string, map[string]string) {
	t.Helper()
	if err := s.Apply(plan(t, s, a)); err != nil {
		t.Fatal(err)
	}
	files := tree(t, s.Dir())
	return dotenv.Parse(files[EnvFile], func(string) (string, bool) { return "", false }).Values, files
}

// tree returns all files below a directory, with their texts. Directories end with a slash.
func tree(t *testing.T, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || path == dir {
			return err
		}
		name, _ := filepath.Rel(dir, path)
		if e.IsDir() {
			files[name+"/"] = ""
			return nil
		}
		text, err := os.ReadFile(path)
		files[name] = string(text)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

var public = map[string]string{setting.PublicURL: "https://cloud.example.org"}

func TestRecommendedIsTheDefault(t *testing.T) {
	s := in(t, nil)
	env, files := apply(t, s, Answers{Values: public})
	for name, want := range map[string]string{
		"SSR_AUTH_ENABLED": "true", "AUTH_PROVIDER": "basic-auth", "OR3_SYNC_PROVIDER": "sqlite", "NUXT_PUBLIC_STORAGE_PROVIDER": "fs",
		"NODE_ENV": "production", "OR3_PUBLIC_URL": "https://cloud.example.org", "OR3_AUTH_REGISTRATION_MODE": "invite_only",
		"OR3_TRUSTED_PROXIES": "loopback",
	} {
		if env[name] != want {
			t.Errorf("%s=%q, want %q", name, env[name], want)
		}
	}
	seen := map[string]bool{}
	for _, name := range []string{"OR3_BASIC_AUTH_JWT_SECRET", "OR3_BASIC_AUTH_REFRESH_SECRET", "OR3_STORAGE_FS_TOKEN_SECRET", "OR3_AUTH_INVITE_TOKEN_SECRET"} {
		if key := env[name]; len(key) < 43 || seen[key] {
			t.Errorf("%s=%q", name, key)
		}
		seen[env[name]] = true
	}
	if _, made := env["OR3_WEBHOOKS_ENCRYPTION_KEY"]; made {
		t.Error("a key of a feature that is off")
	}
	if names := slices.Sorted(maps.Keys(files)); !slices.Equal(names, []string{".env", "data/"}) {
		t.Errorf("written: %v", names)
	}
	for name, want := range map[string]fs.FileMode{".env": 0o600, "data": fs.ModeDir | 0o700} {
		if info, err := os.Stat(filepath.Join(s.Dir(), name)); err != nil || info.Mode() != want {
			t.Errorf("%s: %v %v", name, info.Mode(), err)
		}
	}
}

// TestEveryPresetStartsStrictly reads the files of each preset as a server does, and fails for any warning or problem.
func TestEveryPresetStartsStrictly(t *testing.T) {
	clerk := map[string]string{
		"NUXT_PUBLIC_CLERK_PUBLISHABLE_KEY": "pk_test_1", "NUXT_CLERK_SECRET_KEY": "sk_test_1", "VITE_CONVEX_URL": "https://a.convex.cloud",
	}
	for _, c := range []struct {
		preset, config string
		values         map[string]string
		settings       int
	}{
		{preset: "recommended", values: public, settings: 13}, {preset: "personal-local", settings: 10}, {preset: "local-only", settings: 2},
		{preset: "recommended", config: "nuxt.config.ts", values: public, settings: 12}, {preset: "personal-local", config: "nuxt.config.ts", settings: 10},
		{preset: "local-only", config: "nuxt.config.ts", settings: 2}, {preset: "clerk-convex", config: "nuxt.config.ts", values: clerk, settings: 9},
	} {
		t.Run(c.preset+c.config, func(t *testing.T) {
			files := map[string]string{}
			if c.config != "" {
				files[c.config] = "export default {}"
			}
			s := in(t, files)
			env, _ := apply(t, s, Answers{Preset: c.preset, Values: c.values})
			if len(env) != c.settings {
				t.Errorf("%d settings, want %d: %v", len(env), c.settings, slices.Sorted(maps.Keys(env)))
			}
			// The second time, there is nothing to do.
			again := reopen(t, s.Dir())
			if got := again.DefaultPreset(); got != c.preset && !(c.config != "" && c.preset == "personal-local") {
				t.Errorf("taken for %q", got)
			}
			p := plan(t, again, Answers{Preset: c.preset})
			for _, f := range p.Files {
				if f.Action != ActionKeep {
					t.Errorf("a second time: %s %s", f.Action, f.Path)
				}
			}
			for _, v := range p.Variables {
				if v.Action != ActionKeep || v.Generated {
					t.Errorf("a second time: %+v", v)
				}
			}
		})
	}
}

func TestPresetsAreThoseThatCanBe(t *testing.T) {
	ids := func(s *Setup) (ids []string) {
		for _, p := range s.Presets() {
			ids = append(ids, p.ID)
		}
		return ids
	}
	if got := ids(in(t, nil)); !slices.Equal(got, []string{"recommended", "personal-local", "local-only"}) {
		t.Errorf("a program has %v", got)
	}
	if got := ids(in(t, map[string]string{"nuxt.config.ts": ""})); !slices.Equal(got, []string{"recommended", "personal-local", "local-only", "clerk-convex"}) {
		t.Errorf("a Nuxt host has %v", got)
	}
	r := registry(t)
	for id, kind := range map[string]or3cloud.ProviderKind{"postgres": or3cloud.ProviderSync, "s3": or3cloud.ProviderStorage} {
		if err := r.Register(or3cloud.Provider{ID: id, Package: "example.org/" + id, Serves: []or3cloud.ProviderKind{kind}, Open: notHere}); err != nil {
			t.Fatal(err)
		}
	}
	s, err := Open(Options{Dir: t.TempDir(), Registry: r, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if got := ids(s); !slices.Contains(got, "scale-out") {
		t.Errorf("with its providers: %v", got)
	}
	bare, err := Open(Options{Dir: t.TempDir(), Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	if env, _ := apply(t, bare, Answers{}); env[setting.SSRAuthEnabled] != "false" {
		t.Errorf("without providers: %v", env)
	}
	for _, preset := range []string{"clerk-convex", "scale-out", "nothing"} {
		if _, _, err := in(t, nil).Plan(Answers{Preset: preset}); err == nil {
			t.Errorf("%s is planned", preset)
		}
	}
}

func asked(s *Setup, a Answers) (names []string) {
	for _, q := range s.Questions(a) {
		names = append(names, q.Setting.Name)
	}
	return names
}

func TestOnlyWhatIsNeededIsAsked(t *testing.T) {
	s := in(t, nil)
	for _, c := range []struct {
		answers Answers
		want    []string
	}{
		{Answers{Preset: "local-only"}, []string{setting.Addr}},
		{Answers{Preset: "personal-local"}, []string{setting.Addr, setting.DataDir, "OR3_BASIC_AUTH_BOOTSTRAP_EMAIL"}},
		{Answers{Preset: "recommended"}, []string{
			setting.Addr, setting.DataDir, setting.PublicURL, setting.RegistrationMode, setting.TrustedProxies, setting.SMTPURL,
			"OR3_BASIC_AUTH_BOOTSTRAP_EMAIL",
		}},
		{
			Answers{Preset: "recommended", Values: map[string]string{
				setting.SMTPURL: "smtp://u:p@mail.example.org:587", "OR3_BASIC_AUTH_BOOTSTRAP_EMAIL": "a@example.org",
			}},
			[]string{
				setting.Addr, setting.DataDir, setting.PublicURL, setting.RegistrationMode, setting.TrustedProxies, setting.SMTPURL, setting.SMTPFrom,
				"OR3_BASIC_AUTH_BOOTSTRAP_EMAIL", "OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD",
			},
		},
	} {
		if diff := cmp.Diff(c.want, asked(s, c.answers)); diff != "" {
			t.Errorf("%+v: -want +asked\n%s", c.answers, diff)
		}
	}
	nuxt := in(t, map[string]string{"nuxt.config.ts": ""})
	want := []string{"NUXT_PUBLIC_CLERK_PUBLISHABLE_KEY", "NUXT_CLERK_SECRET_KEY", "VITE_CONVEX_URL", "CONVEX_SELF_HOSTED_ADMIN_KEY"}
	if diff := cmp.Diff(want, asked(nuxt, Answers{Preset: "clerk-convex"})); diff != "" {
		t.Errorf("clerk-convex: -want +asked\n%s", diff)
	}
}

func TestAnswersAreCheckedOneByOne(t *testing.T) {
	s := in(t, nil)
	a := Answers{Preset: Recommended}
	for _, c := range []struct{ name, text, fault string }{
		{setting.PublicURL, "https://cloud.example.org", ""}, {setting.PublicURL, "", "links"}, {setting.PublicURL, "cloud.example.org", "no"},
		{setting.PublicURL, "http://cloud.example.org", "https"}, {setting.Addr, "3000", "address"}, {setting.Addr, "0.0.0.0:3000", ""},
		{setting.RegistrationMode, "invited", "accepted"}, {setting.TrustedProxies, "loopback,10.0.0.0/8", ""}, {setting.TrustedProxies, "proxy", "networks"},
		{"OR3_BASIC_AUTH_BOOTSTRAP_EMAIL", "owner", "e-mail"}, {"OR3_BASIC_AUTH_BOOTSTRAP_EMAIL", "owner@example.org", ""},
		{"OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD", "short", "12"}, {"OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD", "password12345", "many people"},
		{"OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD", "violet harbour 19 maps", ""}, {setting.SMTPURL, "mail.example.org", "smtp"}, {"OR3_BASIC_AUTH_JWT_SECRET", "short", "short"},
	} {
		p := s.Check(a, c.name, c.text)
		switch {
		case p == nil:
			if c.fault != "" {
				t.Errorf("%s=%q passes", c.name, c.text)
			}
		case c.fault == "" || !strings.Contains(p.Fault+p.Fix, c.fault):
			t.Errorf("%s=%q: %+v, want %q", c.name, c.text, p, c.fault)
		case strings.Contains(c.name, "PASSWORD") && c.text != "short" && strings.Contains(p.Fault, c.text):
			t.Errorf("a secret is repeated: %s", p.Fault)
		}
	}
}

func TestPlansShowNoSecret(t *testing.T) {
	const password = "violet harbour 19 maps"
	s := in(t, map[string]string{EnvFile: "OR3_BASIC_AUTH_JWT_SECRET=an old key that is long enough for it 123\n"})
	p := plan(t, s, Answers{Preset: Recommended, Values: map[string]string{
		setting.PublicURL: "https://cloud.example.org", "OR3_BASIC_AUTH_BOOTSTRAP_EMAIL": "a@example.org", "OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD": password,
	}})
	text, err := json.Marshal(p)
	if err != nil {
		t.Fatal(err)
	}
	env := dotenv.Parse(string(p.Files[0].Text()), func(string) (string, bool) { return "", false }).Values
	for _, v := range p.Variables {
		if v.Secret && (v.Value != "" || v.Length == 0 || bytes.Contains(text, []byte(env[v.Name]))) {
			t.Errorf("%+v", v)
		}
	}
	if bytes.Contains(text, []byte(password)) {
		t.Error("the password is in the plan")
	}
}

func TestKeysStayWhatTheyAre(t *testing.T) {
	const key = "a key that has been in use for three years"
	t.Run("in the file", func(t *testing.T) {
		before := "# mine\r\nexport OR3_BASIC_AUTH_JWT_SECRET='" + key + "' # since 2023\r\nOTHER=1\r\n"
		s := in(t, map[string]string{EnvFile: before})
		env, files := apply(t, s, Answers{Preset: Recommended, Values: public})
		if env["OR3_BASIC_AUTH_JWT_SECRET"] != key || !strings.HasPrefix(files[EnvFile], before) {
			t.Errorf("%q", files[EnvFile])
		}
		if _, made := env["OR3_BASIC_AUTH_REFRESH_SECRET"]; made {
			t.Error("refresh tokens, which the other key protected so far, are all worthless")
		}
	})
	t.Run("in a file of its own", func(t *testing.T) {
		dir := t.TempDir()
		file := filepath.Join(dir, "jwt")
		if err := os.WriteFile(file, []byte(key), 0o600); err != nil {
			t.Fatal(err)
		}
		s := in(t, map[string]string{EnvFile: "OR3_BASIC_AUTH_JWT_SECRET_FILE=" + file + "\n"})
		if env, _ := apply(t, s, Answers{Preset: Recommended, Values: public}); env["OR3_BASIC_AUTH_JWT_SECRET"] != "" {
			t.Error("it is set twice")
		}
	})
	t.Run("in the data directory", func(t *testing.T) {
		s := in(t, map[string]string{"data/secrets/OR3_BASIC_AUTH_JWT_SECRET": key + "\n"})
		p := plan(t, s, Answers{Preset: Recommended, Values: public})
		i := slices.IndexFunc(p.Variables, func(v Variable) bool { return v.Name == "OR3_BASIC_AUTH_JWT_SECRET" })
		if v := p.Variables[i]; v.Generated || v.From == "" {
			t.Errorf("%+v", v)
		}
		if env, _ := apply(t, s, Answers{Preset: Recommended, Values: public}); env["OR3_BASIC_AUTH_JWT_SECRET"] != key {
			t.Error("a server that has run so far signs everyone out")
		}
	})
	t.Run("too short", func(t *testing.T) {
		s := in(t, map[string]string{EnvFile: "OR3_BASIC_AUTH_JWT_SECRET=short\n"})
		_, problems, err := s.Plan(Answers{Preset: Recommended, Values: public})
		if err != nil || len(problems) != 1 || problems[0].Variable != "OR3_BASIC_AUTH_JWT_SECRET" {
			t.Errorf("%v %v", problems, err)
		}
	})
}

// TestOtherProvidersAreFoundAndReplacedOnPurpose checks that existing providers are kept unless others are chosen
// explicitly.
func TestOtherProvidersAreFoundAndReplacedOnPurpose(t *testing.T) {
	const before = "AUTH_PROVIDER=clerk # by hand\nOR3_SYNC_PROVIDER=sqlite\nNUXT_CLERK_SECRET_KEY=sk_1\n"
	s := in(t, map[string]string{EnvFile: before, "nuxt.config.ts": ""})
	if _, _, err := s.Plan(Answers{Values: public}); err == nil || !strings.Contains(err.Error(), "preset") {
		t.Error(err)
	}
	_, files := apply(t, s, Answers{Preset: Recommended, Values: public})
	if want := "AUTH_PROVIDER=basic-auth # by hand\nOR3_SYNC_PROVIDER=sqlite\nNUXT_CLERK_SECRET_KEY=sk_1\n"; !strings.HasPrefix(files[EnvFile], want) {
		t.Errorf("%s", files[EnvFile])
	}
}

func TestAliasesFollow(t *testing.T) {
	s := in(t, map[string]string{EnvFile: "OR3_AUTH_PROVIDER=clerk\nAUTH_PROVIDER=clerk\n"})
	env, _ := apply(t, s, Answers{Preset: Recommended, Values: public})
	if env["AUTH_PROVIDER"] != "basic-auth" || env["OR3_AUTH_PROVIDER"] != "basic-auth" {
		t.Errorf("%v", env)
	}
}

func TestAnEmptyAnswerTakesAVariableOut(t *testing.T) {
	s := in(t, map[string]string{EnvFile: "A=1\nOR3_TRUSTED_PROXIES=private\nB=2\n"})
	_, files := apply(t, s, Answers{Preset: Recommended, Values: map[string]string{setting.PublicURL: "https://cloud.example.org", setting.TrustedProxies: ""}})
	if !strings.HasPrefix(files[EnvFile], "A=1\nB=2\n") || strings.Contains(files[EnvFile], "OR3_TRUSTED_PROXIES") {
		t.Errorf("%s", files[EnvFile])
	}
}

// TestMistakesInTheFileAreFound checks that anything that strict mode would refuse at the start is refused before
// anything is written.
func TestMistakesInTheFileAreFound(t *testing.T) {
	for _, text := range []string{"OR3_PUBLIC_ULR=https://x.example\n", "OR3_LOG_LEVEL=loud\n", "OR3_ADDR localhost\n"} {
		s := in(t, map[string]string{EnvFile: text})
		_, problems, err := s.Plan(Answers{Preset: Recommended, Values: public})
		if err != nil || len(problems) == 0 {
			t.Errorf("%s: %v %v", text, problems, err)
		}
	}
}

func TestNamesThatMeanNothingAreRefused(t *testing.T) {
	s := in(t, nil)
	for _, a := range []Answers{
		{Values: map[string]string{"OR3_PUBLIC_ULR": "x"}}, {Values: map[string]string{"PATH": "x"}}, {Files: []string{"kubernetes"}}, {Preset: "recomended"},
	} {
		if _, _, err := s.Plan(a); err == nil {
			t.Errorf("%+v is planned", a)
		}
	}
	for _, text := range []string{"", "[]", `{"presets":"x"}`, `{"preset":"recommended"} {}`, `{"values":{"A":1}}`} {
		if _, err := ReadAnswers(strings.NewReader(text)); err == nil {
			t.Errorf("%q is read", text)
		}
	}
}

func TestNuxtHosts(t *testing.T) {
	trioJSON := "{\n  \"schemaVersion\": 1,\n  \"modules\": [\n    \"or3-provider-basic-auth/nuxt\",\n    \"or3-provider-fs/nuxt\",\n    \"or3-provider-sqlite/nuxt\"\n  ]\n}\n"
	for _, c := range []struct {
		name   string
		files  map[string]string
		ts     bool
		preset string
		want   string
	}{
		{"newest", map[string]string{"nuxt.config.ts": "", "shared/config/application-plan.ts": ""}, false, Recommended, trioJSON},
		{"newest with the old list", map[string]string{"nuxt.config.ts": "", "shared/config/application-plan.ts": "", nuxtTS: "export const or3ProviderModules = []"}, false, Recommended, trioJSON},
		{"first", map[string]string{"nuxt.config.ts": "import { or3ProviderModules } from './or3.providers.generated'", nuxtTS: "export const or3ProviderModules = []"}, true, Recommended, "or3-provider-sqlite/nuxt"},
		{
			"legacy", map[string]string{
				"nuxt.config.ts": "",
				EnvFile:          "NUXT_PUBLIC_CLERK_PUBLISHABLE_KEY=pk_test_1\nNUXT_CLERK_SECRET_KEY=sk_test_1\nVITE_CONVEX_URL=https://a.convex.cloud\n",
			}, false, "clerk-convex",
			"{\n  \"schemaVersion\": 1,\n  \"modules\": [\n    \"or3-provider-clerk/nuxt\",\n    \"or3-provider-convex/nuxt\"\n  ]\n}\n",
		},
		{"nothing known", map[string]string{"nuxt.config.js": ""}, false, "local-only", "{\n  \"schemaVersion\": 1,\n  \"modules\": []\n}\n"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := in(t, c.files)
			_, files := apply(t, s, Answers{Preset: c.preset, Values: public})
			name := nuxtJSON
			if c.ts {
				name = nuxtTS
			}
			if !strings.Contains(files[name], c.want) || !c.ts && files[name] != c.want {
				t.Errorf("%s", files[name])
			}
			if _, both := files[nuxtJSON]; both && c.ts {
				t.Error("a host that does not know the JSON got it")
			}
			if text := c.files[nuxtTS]; !c.ts && files[nuxtTS] != text {
				t.Error("the old list was touched")
			}
			// A strict engine creates none, and other hosts keep nothing in it.
			if _, data := files["data/"]; data != (c.preset == Recommended) {
				t.Errorf("a data directory: %v", data)
			}
		})
	}
}

// TestOtherProvidersChangeTheirListsAlone is requirement 1.2.
func TestOtherProvidersChangeTheirListsAlone(t *testing.T) {
	for _, c := range []struct {
		files map[string]string
		list  string
		next  Answers
	}{
		{map[string]string{"nuxt.config.ts": "", "package.json": "{}"}, nuxtJSON, Answers{Preset: "clerk-convex", Values: map[string]string{
			"NUXT_PUBLIC_CLERK_PUBLISHABLE_KEY": "pk_1", "NUXT_CLERK_SECRET_KEY": "sk_1", "VITE_CONVEX_URL": "https://a.convex.cloud",
		}}},
		{map[string]string{"go.mod": "module x", GoFile: "// Code generated by or3-cloud; DO NOT EDIT.\n", "main.go": "package main"}, GoFile, Answers{Preset: "local-only"}},
	} {
		s := in(t, c.files)
		_, before := apply(t, s, Answers{Preset: Recommended, Values: public})
		_, after := apply(t, reopen(t, s.Dir()), c.next)
		for name := range after {
			if changed := before[name] != after[name]; changed != (name == c.list || name == EnvFile) {
				t.Errorf("%s: changed %v", name, changed)
			}
		}
	}
}

func TestGoProgramsGetTheirProviders(t *testing.T) {
	s := in(t, map[string]string{"go.mod": "module x", GoFile: "// Code generated by or3-cloud; DO NOT EDIT.\n"})
	_, files := apply(t, s, Answers{Preset: Recommended, Values: public})
	own, err := os.ReadFile("../../cmd/or3-cloud/providers.go")
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Replace(string(own), "//go:build !noproviders\n\n", "", 1); files[GoFile] != want {
		t.Errorf("-want +got\n%s", cmp.Diff(want, files[GoFile]))
	}
	mine := in(t, map[string]string{"go.mod": "module x", GoFile: "package main // by hand\n"})
	if _, _, err := mine.Plan(Answers{Values: public}); err == nil {
		t.Error("a file that someone has written is overwritten")
	}
}

func TestExtras(t *testing.T) {
	s := in(t, nil)
	a := Answers{Values: map[string]string{
		setting.PublicURL: "https://chat.example.net:8443", setting.Addr: "0.0.0.0:3999", setting.MaxFileSize: "1073741824",
	}, Files: []string{"systemd", "docker", "caddy", "nginx"}}
	_, files := apply(t, s, a)
	for name, parts := range map[string][]string{
		"or3-cloud.service":    {"DynamicUser=yes", "EnvironmentFile=/etc/or3-cloud.env", "SystemCallFilter="},
		"Dockerfile":           {"USER 10001", "ENTRYPOINT"},
		".dockerignore":        {"*\n!or3-cloud\n"},
		"compose.yaml":         {"env_file: .env", "OR3_DATA_DIR: /data", "read_only: true"},
		"Caddyfile":            {"chat.example.net:8443 {", "reverse_proxy 127.0.0.1:3999"},
		"or3-cloud.nginx.conf": {"listen 8443 ssl", "server_name chat.example.net;", "proxy_pass http://127.0.0.1:3999;", "client_max_body_size 1126m;"},
	} {
		for _, part := range parts {
			if !strings.Contains(files[name], part) {
				t.Errorf("%s has no %q:\n%s", name, part, files[name])
			}
		}
	}
	if _, made := files["data/"]; made {
		t.Error("a data directory that systemd and Docker do not use")
	}
	if _, err := os.Stat(filepath.Join(s.Dir(), "Caddyfile")); err != nil {
		t.Error(err)
	}
	own := in(t, map[string]string{"Caddyfile": "example.org {}"})
	if _, _, err := own.Plan(Answers{Values: public, Files: []string{"caddy"}}); err == nil {
		t.Error("a file that someone has written is overwritten")
	}
	for _, a := range []Answers{
		{Preset: "personal-local", Files: []string{"nginx"}},
		{Values: map[string]string{setting.PublicURL: "https://a.example", setting.Addr: "unix:/run/s"}, Files: []string{"caddy"}},
		{Values: map[string]string{setting.PublicURL: "https://a.example", setting.DataDir: "/srv/x"}, Files: []string{"systemd"}},
	} {
		if _, _, err := in(t, nil).Plan(a); err == nil {
			t.Errorf("%+v is planned", a)
		}
	}
}

// TestOperationsPrintTheseFiles checks that set-up writes the files that the guide prints.
func TestOperationsPrintTheseFiles(t *testing.T) {
	guide, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"or3-cloud.service", "Caddyfile", "or3-cloud.nginx.conf"} {
		text, err := templates.ReadFile("templates/" + name)
		if err != nil {
			t.Fatal(err)
		}
		_, body, _ := strings.Cut(string(text), "\n") // without our mark
		indented := "    " + strings.ReplaceAll(strings.TrimSuffix(body, "\n"), "\n", "\n    ")
		indented = strings.ReplaceAll(indented, "    \n", "\n")
		if !strings.Contains(string(guide), body) && !strings.Contains(string(guide), indented) {
			t.Errorf("docs/operations.md does not print %s as set-up writes it", name)
		}
	}
}

func TestApplyIsAllOrNothing(t *testing.T) {
	start := map[string]string{EnvFile: "OTHER=1\n", "nuxt.config.ts": "", nuxtJSON: "{}"}
	a := Answers{Preset: Recommended, Values: public}
	t.Run("changed meanwhile", func(t *testing.T) {
		s := in(t, start)
		p := plan(t, s, a)
		if err := os.WriteFile(filepath.Join(s.Dir(), EnvFile), []byte("OTHER=2\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		before := tree(t, s.Dir())
		if err := s.Apply(p); !errors.Is(err, ErrChanged) {
			t.Error(err)
		}
		if diff := cmp.Diff(before, tree(t, s.Dir())); diff != "" {
			t.Error(diff)
		}
	})
	t.Run("the second file fails", func(t *testing.T) {
		s := in(t, start)
		p := plan(t, s, a)
		p.Directories = []string{filepath.Join(s.Dir(), "new", "deep")}
		p.Files = append(p.Files, File{Path: "missing/file", Action: ActionAdd, after: []byte("x")})
		before := tree(t, s.Dir())
		if err := s.Apply(p); err == nil {
			t.Error("no error")
		}
		if diff := cmp.Diff(before, tree(t, s.Dir())); diff != "" {
			t.Errorf("something is left: %s", diff)
		}
	})
	t.Run("a rename fails", func(t *testing.T) {
		s := in(t, start)
		p := plan(t, s, a)
		p.Files = append(p.Files, File{Path: "taken", Action: ActionAdd, after: []byte("x")})
		before := tree(t, s.Dir())
		st := filepath.Join(s.Dir(), "taken")
		if err := os.MkdirAll(filepath.Join(st, "full"), 0o700); err != nil {
			t.Fatal(err)
		}
		before["taken/"], before["taken/full/"] = "", ""
		if err := s.Apply(p); err == nil {
			t.Error("no error")
		}
		if diff := cmp.Diff(before, tree(t, s.Dir())); diff != "" {
			t.Errorf("something is left: %s", diff)
		}
	})
	t.Run("behind a link", func(t *testing.T) {
		s := in(t, start)
		elsewhere := filepath.Join(t.TempDir(), "env")
		if err := errors.Join(os.Rename(filepath.Join(s.Dir(), EnvFile), elsewhere), os.Symlink(elsewhere, filepath.Join(s.Dir(), EnvFile))); err != nil {
			t.Fatal(err)
		}
		apply(t, s, a)
		if info, err := os.Lstat(filepath.Join(s.Dir(), EnvFile)); err != nil || info.Mode()&fs.ModeSymlink == 0 {
			t.Error("the link is gone", err)
		}
		if text, err := os.ReadFile(elsewhere); err != nil || !strings.Contains(string(text), "AUTH_PROVIDER") {
			t.Errorf("%s %v", text, err)
		}
	})
}

// TestAPlanIsWhatIsWritten parses the written file with a server's catalogue.
func TestAPlanIsWhatIsWritten(t *testing.T) {
	s := in(t, map[string]string{EnvFile: "# x\nOR3_SITE_NAME=\"Our $HOME\"\n"})
	p := plan(t, s, Answers{Values: map[string]string{setting.PublicURL: "https://cloud.example.org", setting.SiteName: `Ann's "cloud" #1 $5`}})
	if err := s.Apply(p); err != nil {
		t.Fatal(err)
	}
	catalogue, err := config.NewCatalogue(registry(t))
	if err != nil {
		t.Fatal(err)
	}
	cfg, problems, warnings := config.Load(catalogue, config.Sources{EnvFile: filepath.Join(s.Dir(), EnvFile), EnvFileRequired: true})
	if len(problems)+len(warnings) > 0 {
		t.Error(problems, warnings)
	}
	for _, v := range p.Variables {
		if got := cfg.String(v.Name); !v.Secret && got != v.Value || v.Secret && len(got) != v.Length {
			t.Errorf("%s is %q, planned %+v", v.Name, got, v)
		}
	}
}

// TestFilesThatAreReadElsewhere checks that values that systemd or Docker would parse differently are refused with
// their files.
func TestFilesThatAreReadElsewhere(t *testing.T) {
	base := Answers{Preset: "recommended"}.With(setting.PublicURL, "https://cloud.example.org").With("OR3_BASIC_AUTH_BOOTSTRAP_EMAIL", "owner@example.org")
	const password = "OR3_BASIC_AUTH_BOOTSTRAP_PASSWORD"
	for _, c := range []struct{ name, env, password, misread string }{
		{"both quotes", "", `it's "good" enough`, ""},
		{"a dollar sign and a number sign", "", `pay #1 $5 or more`, ""},
		{"all of them", "", `"it's" $5 #1`, password},
		{"a comment behind", "OR3_LOG_LEVEL=warn # quiet\n", "violet harbour 19 maps", setting.LogLevel},
		{"export", "export OR3_LOG_LEVEL=warn\n", "violet harbour 19 maps", setting.LogLevel},
		{"not ours", "export OTHER=1 # x\n", "violet harbour 19 maps", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := in(t, map[string]string{EnvFile: c.env})
			for _, file := range []string{"", "caddy", "systemd", "docker"} {
				a := base.With(password, c.password)
				if file != "" {
					a.Files = []string{file}
				}
				p, problems, err := s.Plan(a)
				if err != nil {
					t.Fatal(err)
				}
				want := c.misread
				if file == "" || file == "caddy" {
					want = ""
				}
				got := ""
				for _, problem := range problems {
					got += problem.Variable
				}
				if got != want {
					t.Errorf("with %q: problems with %q, want %q", file, got, want)
				}
				is := dotenv.Parse(string(p.Files[0].Text()), func(string) (string, bool) { return "", false }).Values[password]
				if is != c.password {
					t.Errorf("with %q: reads %q", file, is)
				}
			}
		})
	}
}

// TestWhatNoFileCanHoldIsRefused checks that the problem names the setting.
func TestWhatNoFileCanHoldIsRefused(t *testing.T) {
	s := in(t, nil)
	for _, text := range []string{"a\x00b", "caf\xe9"} {
		a := Answers{Preset: Recommended, Values: map[string]string{setting.PublicURL: "https://cloud.example.org", setting.SiteName: text}}
		if _, problems, err := s.Plan(a); err != nil || len(problems) != 1 || problems[0].Variable != setting.SiteName {
			t.Errorf("%q: %+v %v", text, problems, err)
		}
		if s.Check(Answers{Preset: Recommended}, setting.SiteName, text) == nil {
			t.Errorf("%q passes", text)
		}
	}
}

func TestNamesThatAreMeant(t *testing.T) {
	s := in(t, nil)
	for name, says := range map[string]string{
		"or3_public_url": "OR3_PUBLIC_URL", " OR3_ADDR": `" OR3_ADDR"`, "": `""`, "OR3_AUTH_PROVIDER": "another name of AUTH_PROVIDER",
		"OR3_BASIC_AUTH_JWT_SECRET_FILE": "yourself",
	} {
		if _, _, err := s.Plan(Answers{Values: map[string]string{name: "x"}}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// TestSecretsInFilesAreThoseOfTheDirectory checks this wherever set-up is run.
func TestSecretsInFilesAreThoseOfTheDirectory(t *testing.T) {
	s := in(t, map[string]string{EnvFile: "OR3_BASIC_AUTH_JWT_SECRET_FILE=keys/jwt\n", "keys/jwt": "a key that has been in use for three years"})
	plan(t, s, Answers{Values: public})
}

// TestCommandsCanBeCopied includes a directory whose name a shell would split.
func TestCommandsCanBeCopied(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "it's $HOME")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	p := plan(t, reopen(t, dir), Answers{Values: public, Files: []string{"docker", "nginx"}})
	for _, line := range p.Next {
		if strings.Contains(line, "$HOME") && !strings.Contains(line, `'`+strings.ReplaceAll(dir, "'", `'\''`)) {
			t.Error(line)
		}
	}
	if in := p.Next[1]; !strings.HasPrefix(in, "cd '") {
		t.Error(in)
	}
}

// TestSettingsOfAProviderOfAnotherModule checks that a provider's declaration of its settings is enough for set-up to
// ask, check, generate and write them, and for the reference to print them.
func TestSettingsOfAProviderOfAnotherModule(t *testing.T) {
	r := registry(t)
	label, key := or3cloud.Setting{
		Name: "HOUSEHOLD_NAME", Group: "Household", Label: "Name of the household", Help: "What the sign-in page says.", Example: "TheMillers",
		Asked: true, Demanded: true, Check: begins("The"),
	}, or3cloud.Setting{
		Name: "HOUSEHOLD_KEY", Group: "Household", Label: "Key of the household", Help: "Signs sessions.", Secret: true, Make: or3cloud.MakeKey,
		Demanded: true, MinLength: or3cloud.MinKeyLength,
	}
	if err := r.Register(or3cloud.Provider{
		ID: "household", Package: "example.org/household", Serves: []or3cloud.ProviderKind{or3cloud.ProviderAuth}, Open: notHere,
		Settings: []or3cloud.Setting{label, key},
	}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s, err := Open(Options{Dir: dir, Registry: r, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	a := Answers{Preset: "personal-local"}.With(setting.AuthProvider, "household")
	asked := slices.IndexFunc(s.Questions(a), func(q Question) bool { return q.Setting.Name == label.Name })
	if asked < 0 || s.Questions(a)[asked].Setting.Label != label.Label {
		t.Fatalf("%s is not asked", label.Name)
	}
	if p := s.Check(a, label.Name, "Millers"); p == nil || !strings.Contains(p.Fault, "does not begin with The") {
		t.Errorf("%+v", p)
	}
	if _, problems, err := s.Plan(a); err != nil || len(problems) != 1 || problems[0].Variable != label.Name || !strings.Contains(problems[0].Fix, label.Example) {
		t.Errorf("%+v %v", problems, err)
	}
	p := plan(t, s, a.With(label.Name, "TheSmiths"))
	env := dotenv.Parse(string(p.Files[0].Text()), func(string) (string, bool) { return "", false }).Values
	if env[label.Name] != "TheSmiths" || len(env[key.Name]) < key.MinLength || env["OR3_BASIC_AUTH_JWT_SECRET"] != "" {
		t.Errorf("%q", env)
	}
	catalogue, err := config.NewCatalogue(r)
	if err != nil {
		t.Fatal(err)
	}
	reference := catalogue.Markdown()
	for _, text := range []string{"## Household (provider household)", label.Help, label.Example, "**" + label.Label + ".**", "Secret; `" + key.Make + "` generates one."} {
		if !strings.Contains(reference, text) {
			t.Errorf("the reference does not say %q", text)
		}
	}
}
