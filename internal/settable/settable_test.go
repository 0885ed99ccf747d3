package settable

import (
	"context"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/dotenv"
	"or3.chat/cloud/setting"
)

// The settings of the provider in these tests.
const (
	ownSecret = "THIRD_PARTY_PASSPHRASE"
	ownPath   = "THIRD_PARTY_PATH"
	ownFixed  = "THIRD_PARTY_FIXED"
	ownNumber = "THIRD_PARTY_NUMBER"
)

const provider = "third-party"

func registry(t testing.TB) *or3cloud.Registry {
	t.Helper()
	r := &or3cloud.Registry{}
	err := r.Register(or3cloud.Provider{
		ID: provider, Package: "example.org/third", Serves: []or3cloud.ProviderKind{or3cloud.ProviderSync, or3cloud.ProviderAuth, or3cloud.ProviderStorage},
		Settings: []or3cloud.Setting{
			{Name: ownSecret, Settable: true, Group: "Third", Label: "Passphrase", Secret: true, MinLength: 8, Help: "A passphrase."},
			{Name: ownPath, Settable: true, Group: "Third", Label: "Place", Help: "Where data is."},
			{Name: ownFixed, Group: "Third", Label: "Fixed", Help: "Not for administrators."},
			{Name: ownNumber, Settable: true, Group: "Third", Label: "Number", Kind: or3cloud.KindInt, Min: 1, Max: 9, Help: "A number.",
				Check: func(text string) (string, string) {
					if text == "7" {
						return "is unlucky", "Use 8."
					}
					return "", ""
				}},
		},
		Places: func(cfg or3cloud.Config, dataDir string) map[string]string {
			if path := cfg.String(ownPath); path != "" {
				return map[string]string{ownPath: path}
			}
			return map[string]string{ownPath: filepath.Join(dataDir, "third")}
		},
		Open: func(context.Context, or3cloud.Env) (*or3cloud.Instance, error) { return nil, errors.New("not here") },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// chosen selects the provider for all kinds.
const chosen = "AUTH_PROVIDER=third-party\nOR3_SYNC_PROVIDER=third-party\nNUXT_PUBLIC_STORAGE_PROVIDER=third-party\n"

// installation is a directory with a .env file.
type installation struct {
	*Configuration
	file string
}

func install(t testing.TB, text string, environ ...string) installation {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, ".env")
	if err := os.WriteFile(file, []byte(text), 0o640); err != nil {
		t.Fatal(err)
	}
	return installation{open(t, file, environ...), file}
}

func open(t testing.TB, file string, environ ...string) *Configuration {
	t.Helper()
	c, err := New(Options{
		Registry: registry(t), Rand: strings.NewReader(strings.Repeat("k", 100)),
		Sources: config.Sources{EnvFile: file, Environ: append(environ, setting.DataDir+"="+filepath.Join(filepath.Dir(file), "data"))},
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func (i installation) text(t testing.TB) string {
	t.Helper()
	text, err := os.ReadFile(i.file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func entry(t *testing.T, c *Configuration, name string) Entry {
	t.Helper()
	all, err := c.Entries()
	if err != nil {
		t.Fatal(err)
	}
	at := slices.IndexFunc(all.Entries, func(e Entry) bool { return e.Name == name })
	if at < 0 {
		t.Fatalf("there is no entry %s", name)
	}
	return all.Entries[at]
}

// contractKeys are all names with the mark W in the contract (env), except those of providers that this test does not
// link.
var contractKeys = strings.Fields(`SSR_AUTH_ENABLED AUTH_PROVIDER OR3_AUTH_PROVIDER OR3_GUEST_ACCESS_ENABLED OR3_SYNC_ENABLED
OR3_CLOUD_SYNC_ENABLED OR3_SYNC_PROVIDER OR3_STORAGE_ENABLED OR3_CLOUD_STORAGE_ENABLED NUXT_PUBLIC_STORAGE_PROVIDER OR3_STRICT_CONFIG
OR3_LIMITS_ENABLED OR3_REQUESTS_PER_MINUTE OR3_MAX_CONVERSATIONS OR3_MAX_MESSAGES_PER_DAY OR3_LIMITS_STORAGE_PROVIDER
OR3_RATE_LIMIT_OVERRIDES_JSON OR3_ALLOWED_ORIGINS OR3_FORCE_HTTPS OR3_TRUST_PROXY OR3_FORWARDED_FOR_HEADER
OR3_STORAGE_ALLOWED_MIME_TYPES OR3_STORAGE_WORKSPACE_QUOTA_BYTES OR3_STORAGE_GC_RETENTION_SECONDS OR3_STORAGE_GC_COOLDOWN_MS
OR3_MAX_FILE_SIZE_BYTES OR3_MAX_CLOUD_FILE_SIZE_BYTES OR3_MAX_FILES_PER_MESSAGE OR3_LOCAL_STORAGE_QUOTA_MB OPENROUTER_API_KEY
OR3_OPENROUTER_BASE_URL OR3_OPENROUTER_ALLOW_USER_OVERRIDE OR3_OPENROUTER_REQUIRE_USER_KEY OR3_BACKGROUND_STREAMING_ENABLED
OR3_BACKGROUND_STREAMING_PROVIDER OR3_BACKGROUND_MAX_JOBS OR3_BACKGROUND_MAX_JOBS_PER_USER OR3_BACKGROUND_JOB_TIMEOUT
OR3_ADMIN_BASE_PATH OR3_ADMIN_ALLOWED_HOSTS OR3_ADMIN_ALLOW_RESTART OR3_ADMIN_ALLOW_REBUILD OR3_ADMIN_REBUILD_COMMAND
OR3_ADMIN_EXTENSION_MAX_ZIP_BYTES OR3_ADMIN_EXTENSION_MAX_FILES OR3_ADMIN_EXTENSION_MAX_TOTAL_BYTES
OR3_ADMIN_EXTENSION_ALLOWED_EXTENSIONS NUXT_PUBLIC_CLERK_PUBLISHABLE_KEY NUXT_CLERK_SECRET_KEY VITE_CONVEX_URL
CONVEX_SELF_HOSTED_ADMIN_KEY OR3_SITE_NAME OR3_SITE_DESCRIPTION OR3_LOGO_URL OR3_FAVICON_URL OR3_DEFAULT_THEME OR3_TERMS_URL
OR3_PRIVACY_URL OR3_WORKFLOWS_ENABLED OR3_WORKFLOWS_EDITOR OR3_WORKFLOWS_SLASH_COMMANDS OR3_WORKFLOWS_EXECUTION OR3_DOCUMENTS_ENABLED
OR3_BACKUP_ENABLED OR3_MENTIONS_ENABLED OR3_MENTIONS_DOCUMENTS OR3_MENTIONS_CONVERSATIONS OR3_DASHBOARD_ENABLED
OR3_DEFAULT_PANE_COUNT OR3_MAX_PANES OR3_SIDEBAR_COLLAPSED`)

// TestKeysAreThoseOfTheContract checks that all marked settings are there, with what the pages show about them, and
// none that decides who is an administrator.
func TestKeysAreThoseOfTheContract(t *testing.T) {
	all, err := install(t, chosen).Entries()
	if err != nil {
		t.Fatal(err)
	}
	byName := map[string]Entry{}
	for _, e := range all.Entries {
		if _, twice := byName[e.Name]; twice {
			t.Errorf("%s is there twice", e.Name)
		}
		byName[e.Name] = e
		if e.Label() == "" || e.Description() == "" || e.Group == "" || e.Order == 0 {
			t.Errorf("%s: label %q, description %q, group %q, order %d", e.Name, e.Label(), e.Description(), e.Group, e.Order)
		}
	}
	for _, name := range contractKeys {
		if _, ok := byName[name]; !ok {
			t.Errorf("%s is marked in the contract and not there", name)
		}
	}
	for _, name := range []string{
		"OR3_ADMIN_USERNAME", "OR3_ADMIN_PASSWORD", "OR3_ADMIN_JWT_SECRET", "OR3_ADMIN_DATA_DIR", "OR3_DATA_DIR", "OR3_ADDR", "NODE_ENV",
		"OR3_PUBLIC_URL", "OR3_SMTP_URL", "OR3_BASIC_AUTH_JWT_SECRET_FILE", ownSecret + "_FILE", ownFixed, "PATH",
	} {
		if _, ok := byName[name]; ok {
			t.Errorf("%s is there", name)
		}
	}
	for name, want := range map[string]struct {
		group Group
		kind  ValueType
	}{
		"SSR_AUTH_ENABLED": {GroupAuth, TypeBoolean}, "OR3_SYNC_PROVIDER": {GroupSync, TypeString}, "OR3_STORAGE_GC_COOLDOWN_MS": {GroupStorage, TypeNumber},
		"OR3_SITE_NAME": {GroupUI, TypeString}, "OR3_MENTIONS_ENABLED": {GroupFeatures, TypeBoolean}, "OR3_TRUST_PROXY": {GroupLimits, TypeBoolean},
		"OR3_BACKGROUND_MAX_JOBS": {GroupBackground, TypeNumber}, "OR3_ADMIN_ALLOW_RESTART": {GroupAdmin, TypeBoolean},
		"OPENROUTER_API_KEY": {GroupServices, TypeString}, "VITE_CONVEX_URL": {GroupSync, TypeString}, "NUXT_CLERK_SECRET_KEY": {GroupAuth, TypeString},
		ownNumber: {GroupSync, TypeNumber},
	} {
		if e := byName[name]; e.Group != want.group || e.Type() != want.kind {
			t.Errorf("%s: group %q, type %q", name, e.Group, e.Type())
		}
	}
}

// TestSecretsAreMasked checks secrets by name and by kind, and values that equal a secret.
func TestSecretsAreMasked(t *testing.T) {
	i := install(t, chosen+"OR3_SITE_NAME=${THIRD_PARTY_PASSPHRASE}, $SOME_TOKEN and $PLAIN\n"+ownSecret+"=correct-horse\nOR3_OPENROUTER_REQUIRE_USER_KEY=false\nOPENROUTER_API_KEY=sk-1\n",
		"SOME_TOKEN=hidden", "PLAIN=plain")
	for name, want := range map[string]string{
		ownSecret: Mask, "OR3_OPENROUTER_REQUIRE_USER_KEY": Mask, "OPENROUTER_API_KEY": Mask, "OR3_SITE_NAME": "******, ****** and plain", "AUTH_PROVIDER": provider,
	} {
		if e := entry(t, i.Configuration, name); e.Value == nil || *e.Value != want || e.Masked != (want == Mask) {
			t.Errorf("%s: %+v", name, e)
		}
	}
	if e := entry(t, i.Configuration, "NUXT_CLERK_SECRET_KEY"); e.Value != nil || e.Masked {
		t.Errorf("a secret that is not set: %+v", e)
	}
	before := i.text(t)
	if w, err := i.Write([]Change{{ownSecret, Mask}, {"OR3_SITE_NAME", "******, ****** and plain"}}, ""); err != nil || len(w.Changed) > 0 || i.text(t) != before {
		t.Errorf("what was shown changes something: %+v, %v", w, err)
	}
}

func TestOrigins(t *testing.T) {
	i := install(t, chosen+"OR3_SITE_NAME=ours\n"+ownSecret+"_FILE=/run/secrets/x\n", "OR3_TERMS_URL=https://example.org")
	for name, want := range map[string]string{
		"OR3_SITE_NAME": OriginEnvFile, "OR3_TERMS_URL": OriginEnvironment, ownSecret: OriginSecretFile, "OR3_PRIVACY_URL": OriginDefault,
	} {
		if e := entry(t, i.Configuration, name); e.Origin != want {
			t.Errorf("%s comes from %q", name, e.Origin)
		}
	}
}

func TestWrite(t *testing.T) {
	const before = "# ours\n" + chosen + "OR3_SITE_NAME='old name' # keep this\nFOREIGN=\"$HOME\"\nOR3_TERMS_URL=https://example.org\n"
	i := install(t, before)
	w, err := i.Write([]Change{{"OR3_SITE_NAME", "a # name"}, {"OR3_TERMS_URL", ""}, {"OR3_MAX_PANES", "6"}, {"OR3_PRIVACY_URL", ""}, {ownSecret, "long enough"}}, "")
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"OR3_MAX_PANES", "OR3_SITE_NAME", "OR3_TERMS_URL", ownSecret}; !slices.Equal(w.Changed, want) {
		t.Errorf("changed %q", w.Changed)
	}
	want := "# ours\n" + chosen + "OR3_SITE_NAME='a # name' # keep this\nFOREIGN=\"$HOME\"\n\n# " + heading + "\nOR3_MAX_PANES=6\n" + ownSecret + "=\"long enough\"\n"
	if got := i.text(t); got != want {
		t.Errorf("got\n%s\nwant\n%s", got, want)
	}
	if info, err := os.Stat(i.file); err != nil || runtime.GOOS != "windows" && info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
	if e := entry(t, i.Configuration, "OR3_SITE_NAME"); e.Value == nil || *e.Value != "a # name" {
		t.Errorf("read back: %+v", e)
	}
}

// TestRefusedWritesChangeNothing checks that each refusal gives a reason and leaves the file as it is.
func TestRefusedWritesChangeNothing(t *testing.T) {
	many := make([]Change, 1000)
	for i := range many {
		many[i] = Change{"OR3_SITE_NAME", Mask}
	}
	for _, c := range []struct {
		name    string
		changes []Change
		want    string
	}{
		{"unknown", []Change{{"OR3_SITE_NAME", "x"}, {"SOMETHING", "x"}}, "Key not allowed: SOMETHING"},
		{"administrator", []Change{{"OR3_ADMIN_PASSWORD", "x"}}, "Key not allowed: OR3_ADMIN_PASSWORD"},
		{"secret file", []Change{{ownSecret + "_FILE", "/etc/passwd"}}, "Key not allowed: " + ownSecret + "_FILE"},
		{"data directory", []Change{{"OR3_DATA_DIR", "/x"}}, "Key not allowed: OR3_DATA_DIR"},
		{"not settable", []Change{{ownFixed, "x"}}, "Key not allowed: " + ownFixed},
		{"name with a line", []Change{{"OR3_SITE_NAME\nOR3_ADMIN_PASSWORD", "x"}}, "Key not allowed: OR3_SITE_NAMEOR3_ADMIN_PASSWORD"},
		{"twice", []Change{{"OR3_SITE_NAME", "x"}, {"OR3_SITE_NAME", "y"}}, "Invalid request"},
		{"too many", many, "Invalid request"},
		{"too long", []Change{{"OR3_SITE_NAME", strings.Repeat("x", maxValue+1)}}, "OR3_SITE_NAME is too long: more than 16384 bytes"},
		{"control character", []Change{{"OR3_SITE_NAME", "a\x00b"}}, "OR3_SITE_NAME has characters that a configuration file does not hold"},
		{"doubtful boolean", []Change{{"OR3_FORCE_HTTPS", "yes"}}, "OR3_FORCE_HTTPS"},
		{"no number", []Change{{"OR3_REQUESTS_PER_MINUTE", "many"}}, "OR3_REQUESTS_PER_MINUTE"},
		{"out of range", []Change{{ownNumber, "10"}}, ownNumber},
		{"unlucky", []Change{{ownNumber, "7"}}, ownNumber + " is unlucky. Use 8."},
		{"short secret", []Change{{ownSecret, "short"}}, "is too short for a key"},
		{"number of OR3 Chat", []Change{{"OR3_MAX_PANES", "0"}}, "OR3_MAX_PANES"},
		{"provider", []Change{{"OR3_SYNC_PROVIDER", "convex"}}, `sync.provider "convex" is not registered`},
		{"strict", []Change{{"OR3_STRICT_CONFIG", "true"}, {"OR3_AUTH_REGISTRATION_MODE", "invite_only"}}, "OR3_AUTH_INVITE_TOKEN_SECRET"},
		{"overrides", []Change{{"OR3_RATE_LIMIT_OVERRIDES_JSON", "{"}}, "OR3_RATE_LIMIT_OVERRIDES_JSON"},
		{"data left behind", []Change{{ownPath, "/nowhere/at/all"}}, ownPath},
	} {
		t.Run(c.name, func(t *testing.T) {
			i := install(t, chosen)
			fill(t, filepath.Join(filepath.Dir(i.file), "data", "third"))
			_, err := i.Write(c.changes, "")
			var refusal *or3cloud.Error
			if !errors.As(err, &refusal) || refusal.Code != or3cloud.CodeInvalid || !strings.Contains(refusal.Message, c.want) {
				t.Errorf("%v, want %q", err, c.want)
			}
			if i.text(t) != chosen {
				t.Errorf("the file is now\n%s", i.text(t))
			}
			if left, err := os.ReadDir(filepath.Dir(i.file)); err != nil || len(left) != 2 {
				t.Errorf("%v, %v", left, err)
			}
		})
	}
}

// fill creates a directory with content.
func fill(t *testing.T, dir string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(dir, 0o700), os.WriteFile(filepath.Join(dir, "data"), []byte("x"), 0o600)); err != nil {
		t.Fatal(err)
	}
}

// TestDataMayMoveToWhereItIs checks that a location is accepted if the data is there, or if there was no data before.
func TestDataMayMoveToWhereItIs(t *testing.T) {
	for _, moved := range []bool{false, true} {
		i := install(t, chosen)
		next := filepath.Join(filepath.Dir(i.file), "next")
		if moved {
			fill(t, filepath.Join(filepath.Dir(i.file), "data", "third"))
			if err := os.Mkdir(next, 0o700); err != nil {
				t.Fatal(err)
			}
			if _, err := i.Write([]Change{{ownPath, next}}, ""); or3cloud.CodeOf(err) != or3cloud.CodeInvalid { // an empty directory
				t.Error(err)
			}
			fill(t, next)
		}
		if _, err := i.Write([]Change{{ownPath, next}}, ""); err != nil {
			t.Error(err)
		}
	}
}

func TestStalePagesAreRefused(t *testing.T) {
	i := install(t, chosen)
	seen, err := i.Entries()
	if err != nil {
		t.Fatal(err)
	}
	first, err := i.Write([]Change{{"OR3_SITE_NAME", "first"}}, seen.Revision)
	if err != nil {
		t.Fatal(err)
	}
	var refusal *or3cloud.Error
	if _, err := i.Write([]Change{{"OR3_SITE_NAME", "second"}}, seen.Revision); !errors.As(err, &refusal) || refusal.Code != or3cloud.CodeConflict ||
		refusal.Message != "The configuration has changed in the meantime; load it again" {
		t.Error(err)
	}
	if _, err := i.Write([]Change{{"OR3_SITE_NAME", "third"}}, first.Revision); err != nil {
		t.Error(err)
	}
	if _, err := i.Write([]Change{{"OR3_SITE_NAME", "fourth"}}, ""); err != nil { // clients of February send no revision
		t.Error(err)
	}
	if other := open(t, i.file); other.revision(nil) == other.revision([]byte{}) {
		t.Error("an empty file is the same as none")
	}
}

// TestWritersTakeTurns checks that concurrent writers do not lose each other's changes.
func TestWritersTakeTurns(t *testing.T) {
	i := install(t, chosen)
	names := []string{"OR3_SITE_NAME", "OR3_SITE_DESCRIPTION", "OR3_DEFAULT_THEME", "OR3_TERMS_URL", "OR3_PRIVACY_URL", "OR3_LOGO_URL"}
	var all sync.WaitGroup
	for _, name := range names {
		all.Go(func() {
			if _, err := i.Write([]Change{{name, "https://example.org/" + name}}, ""); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, name := range names {
		if e := entry(t, i.Configuration, name); e.Value == nil || !strings.HasSuffix(*e.Value, name) {
			t.Errorf("%s is lost", name)
		}
	}
}

func TestWhatDoesNotWinIsSaid(t *testing.T) {
	i := install(t, chosen+"OR3_AUTH_PROVIDER=third-party\n", "OR3_SITE_NAME=theirs")
	w, err := i.Write([]Change{{"OR3_SITE_NAME", "ours"}, {"AUTH_PROVIDER", "basic-auth"}}, "")
	if err != nil || len(w.Warnings) != 2 || !strings.Contains(w.Warnings[0], "environment") || !strings.Contains(w.Warnings[1], "OR3_AUTH_PROVIDER is set as well") {
		t.Errorf("%+v, %v", w, err)
	}
}

func TestWhatEndsTheAdministrationIsSaid(t *testing.T) {
	w, err := install(t, chosen).Write([]Change{{"SSR_AUTH_ENABLED", "false"}}, "")
	if err != nil || len(w.Warnings) != 1 || !strings.Contains(w.Warnings[0], "these pages with them") {
		t.Errorf("%+v, %v", w, err)
	}
}

func TestAFileThatIsNoneIsLeftAlone(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("there is no /dev/null")
	}
	c := open(t, os.DevNull, "AUTH_PROVIDER=third-party", "OR3_SYNC_PROVIDER=third-party", "NUXT_PUBLIC_STORAGE_PROVIDER=third-party")
	if _, err := c.Write([]Change{{"OR3_SITE_NAME", "x"}}, ""); or3cloud.CodeOf(err) != or3cloud.CodeConflict {
		t.Error(err)
	}
	if info, err := os.Stat(os.DevNull); err != nil || info.Mode().IsRegular() {
		t.Fatal(info, err)
	}
}

// TestNoWriteHarmsAFile checks that after any write to any file, the file is either unchanged, or valid for a start
// with the new values and everything else as it was: foreign keys, comments, bad lines.
func TestNoWriteHarmsAFile(t *testing.T) {
	dir := t.TempDir()
	files, _ := filepath.Glob("../dotenv/testdata/edit/*.env")
	if len(files) < 10 {
		t.Fatal(files)
	}
	var texts []string
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts = append(texts, string(text))
	}
	line := rapid.OneOf(
		rapid.SampledFrom([]string{"# a comment", "", "FOREIGN=1 # why", "export OTHER='a b'", "BAD LINE", "LONG=\"two\nlines\"", "OPEN=\"not closed", "REF=$FOREIGN", "OR3_SITE_NAME=x # y", "OR3_SITE_NAME: z", "\ufeff"}),
		rapid.StringMatching(`[A-Z_]{1,6}=["'$#a\\ {}\x60]{0,8}`),
	)
	rapid.Check(t, func(t *rapid.T) {
		end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end")
		text := chosen + strings.Join(rapid.SliceOfN(line, 0, 8).Draw(t, "lines"), end)
		if rapid.Bool().Draw(t, "golden") {
			text = rapid.SampledFrom(texts).Draw(t, "file")
		}
		file := filepath.Join(dir, ".env")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		c, err := New(Options{Registry: registryOf(t), Rand: strings.NewReader(strings.Repeat("k", 100)), Sources: config.Sources{EnvFile: file, Environ: []string{setting.DataDir + "=" + dir}}})
		if err != nil {
			t.Fatal(err)
		}
		names := []string{"OR3_SITE_NAME", "OR3_SITE_DESCRIPTION", "OR3_ALLOWED_ORIGINS", "OR3_MAX_PANES", ownSecret, "OR3_DEFAULT_THEME", "OR3_STORAGE_ALLOWED_MIME_TYPES"}
		value := rapid.OneOf(rapid.SampledFrom([]string{"", Mask, "5", "https://example.org", "true"}), rapid.StringMatching("[a-z \"'`$#{}\\\\\n\r=é]{0,14}"), rapid.String())
		wanted := rapid.MapOfN(rapid.SampledFrom(names), value, 0, 4).Draw(t, "changes")
		var changes []Change
		for _, name := range slices.Sorted(maps.Keys(wanted)) {
			changes = append(changes, Change{name, wanted[name]})
		}
		was := dotenv.Parse(text, none)
		_, err = c.Write(changes, "")
		now, readErr := os.ReadFile(file)
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err != nil {
			if or3cloud.CodeOf(err) != or3cloud.CodeInvalid || string(now) != text {
				t.Fatalf("%v\n%q\n%q", err, text, now)
			}
			return
		}
		is := dotenv.Parse(string(now), none)
		if string(now) != text {
			if problems, err := c.Problems(); err != nil || len(problems) > 0 {
				t.Fatalf("it does not start: %v, %v\n%q", problems, err, now)
			}
		}
		for name, value := range was.Values {
			if _, ours := wanted[name]; !ours && !strings.Contains(text, "$") && is.Values[name] != value {
				t.Fatalf("%s was %q and is %q\n%q\n%q", name, value, is.Values[name], text, now)
			}
		}
		for name, value := range wanted {
			switch got, found := is.Values[name]; {
			case value == Mask && (got != was.Values[name]) && !strings.Contains(text, "$"):
				t.Fatalf("%s was masked and is %q", name, got)
			case value == "" && found && got != "":
				t.Fatalf("%s was taken out and is %q", name, got)
			case value != "" && value != Mask && got != value:
				t.Fatalf("%s is %q, want %q\n%q", name, got, value, now)
			}
		}
		for _, comment := range comments(text) {
			if !slices.Contains(comments(string(now)), comment) {
				t.Fatalf("the comment %q is lost\n%q\n%q", comment, text, now)
			}
		}
		if !slices.EqualFunc(was.Bad, is.Bad, func(a, b dotenv.BadLine) bool { return a.Text == b.Text }) {
			t.Fatalf("bad lines %v, %v", was.Bad, is.Bad)
		}
	})
}

func none(string) (string, bool) { return "", false }

// comments returns the lines that contain only a comment.
func comments(text string) (all []string) {
	for line := range strings.Lines(strings.ReplaceAll(text, "\r", "\n")) {
		if line = strings.TrimSpace(line); strings.HasPrefix(line, "#") {
			all = append(all, line)
		}
	}
	return all
}

// registryOf is registry for a property test.
func registryOf(t *rapid.T) *or3cloud.Registry {
	t.Helper()
	r := &or3cloud.Registry{}
	err := r.Register(or3cloud.Provider{
		ID: provider, Package: "example.org/third", Settings: []or3cloud.Setting{{Name: ownSecret, Settable: true, Group: "Third", Label: "Passphrase", Secret: true, Help: "A passphrase."}},
		Open: func(context.Context, or3cloud.Env) (*or3cloud.Instance, error) { return nil, errors.New("not here") },
	})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// TestAProviderThatIsMissingFromTheBeginning checks that such a provider does not prevent writes that do not concern
// it.
func TestAProviderThatIsMissingFromTheBeginning(t *testing.T) {
	const missing = "AUTH_PROVIDER=third-party\nOR3_SYNC_PROVIDER=nothing\nNUXT_PUBLIC_STORAGE_PROVIDER=third-party\nSSR_AUTH_ENABLED=true\n"
	i := install(t, missing)
	if problems, err := i.Problems(); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
	if err := os.WriteFile(i.file, []byte(strings.Replace(missing, "nothing", "nowhere", 1)), 0o600); err != nil {
		t.Fatal(err)
	}
	if problems, err := i.Problems(); err != nil || len(problems) != 1 || problems[0].Variable != setting.SyncProvider {
		t.Errorf("%v, %v", problems, err)
	}
}
