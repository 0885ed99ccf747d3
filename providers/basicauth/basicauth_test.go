package basicauth

import (
	"database/sql"
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providertest"
)

func TestConformance(t *testing.T) {
	providertest.TestAuth(t, func(t *testing.T) providertest.Auth {
		in := openTest(t, nil)
		people := 0
		return providertest.Auth{
			ID: "basic-auth", Provider: in.Auth, Now: in.clock.now,
			SignIn: func(t *testing.T) ([]*http.Cookie, or3cloud.ProviderSession) {
				people++
				email := strings.Repeat("a", people) + "@example.test"
				b := in.signedIn(email)
				var accountID string
				if err := in.p.store.File.Read.QueryRow("SELECT id FROM accounts WHERE email = ?", email).Scan(&accountID); err != nil {
					t.Fatal(err)
				}
				return b.jar, or3cloud.ProviderSession{UserID: accountID, Email: email, DisplayName: "Ann"}
			},
			SignOut: func(t *testing.T, cookies []*http.Cookie) {
				(&browser{in: in, address: "192.0.2.1", jar: slices.Clone(cookies)}).post("sign-out", "").want(t, 200, `{"ok":true}`)
			},
			Expire:     func(*testing.T) { in.clock.advance(31 * 24 * time.Hour) },
			BreakStore: func(*testing.T) { in.p.store.File.Close() },
		}
	})
}

func TestDatabaseIsPrivateAndReopens(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	info, err := os.Stat(in.dbPath())
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Fatalf("%v, %v", info.Mode(), err)
	}
	in.restart()
	b.wantSignedIn()
	b.drop(sessions.AccessCookie)
	b.wantSignedIn()
}

func TestStrictModeNeedsTheJWTSecret(t *testing.T) {
	for _, c := range []struct {
		cfg    config
		strict bool
		want   int
	}{
		{nil, false, 0}, {nil, true, 1}, {config{settingJWTSecret: "x"}, true, 0},
	} {
		got := or3cloud.Provider{Settings: settings(), Check: check}.Problems(c.cfg, c.strict)
		if len(got) != c.want {
			t.Errorf("%v, strict %v: %v", c.cfg, c.strict, got)
		}
		for _, p := range got {
			if p.Variable != settingJWTSecret || p.Fault == "" || !strings.Contains(p.Fix, or3cloud.MakeKey) {
				t.Errorf("problem %+v", p)
			}
		}
	}
}

func TestSecretsInStrictModeAreNotMadeUp(t *testing.T) {
	env := or3cloud.Env{Strict: true, Config: config{settingJWTSecret: "jwt"}, Secret: func(name string) (string, error) {
		if name == settingRefreshSecret {
			t.Error("asked for a generated refresh secret")
		}
		return "jwt", nil
	}}
	if s, err := readSecrets(env); s.access != "jwt" || s.refresh != "jwt" || err != nil {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestWarningsAndAdminStatus(t *testing.T) {
	in := openTest(t, config{
		settingJWTSecret: "short-secret", settingRefreshSecret: "", settingBootstrapEmail: "boot@example.test",
		settingAccessTTL: "901", settingRefreshTTL: "900",
	})
	s, err := in.Admin[or3cloud.ProviderAuth].GetStatus(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]any{
		"dbPath": in.dbPath(), "jwtSecretConfigured": true, "refreshSecretConfigured": false, "bootstrapConfigured": false,
		"accessTtlSeconds": int64(901), "refreshTtlSeconds": int64(900),
	}
	for k, v := range want {
		if s.Details[k] != v {
			t.Errorf("%s = %v, want %v", k, s.Details[k], v)
		}
	}
	if len(s.Details) != len(want) || len(s.Warnings) != 4 || len(s.Actions) != 0 {
		t.Errorf("%+v", s)
	}
	raw, _ := json.Marshal(s)
	for _, text := range []string{"short-secret", "boot@example.test"} {
		if strings.Contains(string(raw), text) || strings.Contains(in.log.String(), text) {
			t.Errorf("%q is shown", text)
		}
	}
	for _, name := range []string{settingJWTSecret, settingBootstrapEmail, settingAccessTTL, settingRefreshTTL} {
		if !slices.ContainsFunc(s.Warnings, func(w or3cloud.AdminWarning) bool { return strings.HasPrefix(w.Message, name) }) {
			t.Errorf("no warning names %s", name)
		}
	}
}

func TestTokenBrokerHasNoTokens(t *testing.T) {
	in := openTest(t, nil)
	for _, want := range []or3cloud.ProviderTokenRequest{{}, {ProviderID: "convex", Template: "convex"}, {ProviderID: "basic-auth"}} {
		if token, err := in.Broker.GetProviderToken(t.Context(), nil, want); token != "" || err != nil {
			t.Errorf("%+v: %q, %v", want, token, err)
		}
	}
}

func TestBootstrapAccount(t *testing.T) {
	cfg := config{settingBootstrapEmail: " Owner@Example.test ", settingBootstrapPassword: "short"}
	in := openTest(t, cfg)
	b := in.browser()
	b.post("sign-in", credentials("owner@example.test", "short")).want(t, 200, `{"ok":true}`)
	if s := b.wantSignedIn(); s.DisplayName != "owner@example.test" {
		t.Errorf("%+v", s)
	}
	cfg[settingBootstrapPassword] = "another"
	in.restart()
	b.post("sign-in", credentials("owner@example.test", "another")).want(t, 401, "Invalid credentials")
	b.post("sign-in", credentials("owner@example.test", "short")).want(t, 200, `{"ok":true}`)
}

// The passwords of an earlier installation, one of them longer than bcrypt's 72 bytes, open their accounts, and the
// next sign-in leaves an Argon2id hash of the whole password.
func TestBcryptHashesOfAnEarlierInstallationAreUpgraded(t *testing.T) {
	raw, err := os.ReadFile("testdata/npm-passwords.json")
	if err != nil {
		t.Fatal(err)
	}
	var people []struct{ Email, Password string }
	if err := json.Unmarshal(raw, &people); err != nil || len(people) != 3 {
		t.Fatal(err, len(people))
	}
	in := openTest(t, nil)
	file, err := sql.Open("sqlite3", "file:testdata/npm-auth.sqlite?mode=ro&immutable=1")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	rows, err := file.Query("SELECT id, email, password_hash, display_name, created_at FROM basic_auth_accounts")
	if err != nil {
		t.Fatal(err)
	}
	for rows.Next() {
		var a db.InsertAccountParams
		if err := rows.Scan(&a.ID, &a.Email, &a.PasswordHash, &a.DisplayName, &a.Now); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(a.PasswordHash, "$2b$12$") {
			t.Fatalf("unexpected hash %q", a.PasswordHash)
		}
		if err := in.p.store.Write.InsertAccount(t.Context(), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	wantCost := func(want int64) {
		t.Helper()
		if cost, err := in.p.store.Read.LegacyCost(t.Context()); err != nil || cost != want {
			t.Errorf("the highest cost of old hashes is %d, %v; want %d", cost, err, want)
		}
	}
	wantCost(12) // while any are left, wrong passwords cost that much everywhere
	defer wantCost(0)
	long := false
	for _, who := range people {
		b := in.browser()
		long = long || len(who.Password) > 72
		b.post("sign-in", credentials(who.Email, who.Password)).want(t, 200, `{"ok":true}`)
		a, err := in.p.store.Read.AccountByEmail(t.Context(), who.Email)
		if err != nil || !strings.HasPrefix(a.PasswordHash, "$argon2id$") || a.TokenVersion != 0 {
			t.Fatalf("%+v, %v", a, err)
		}
		b.wantSignedIn()
		b.post("sign-in", credentials(who.Email, who.Password)).want(t, 200, `{"ok":true}`)
		if len(who.Password) > 72 {
			b.post("sign-in", credentials(who.Email, who.Password[:72])).want(t, 401, "Invalid credentials")
		}
	}
	if !long {
		t.Error("no password beyond 72 bytes among the fixtures")
	}
}

func TestSchemaRefusesASecondLiveToken(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn("ann@example.test")
	var session string
	if err := in.p.store.File.Read.QueryRow("SELECT id FROM sessions").Scan(&session); err != nil {
		t.Fatal(err)
	}
	err := in.p.store.Write.InsertToken(t.Context(), db.InsertTokenParams{Fingerprint: "f", SessionID: session})
	if !sqlitex.IsUnique(err) {
		t.Errorf("%v", err)
	}
}

func TestExpiredRowsAreRemoved(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn("ann@example.test")
	in.clock.advance(31 * 24 * time.Hour)
	in.restart()
	var n int
	if err := in.p.store.File.Read.QueryRow("SELECT (SELECT count(*) FROM sessions) + (SELECT count(*) FROM refresh_tokens)").Scan(&n); err != nil || n != 0 {
		t.Errorf("%d rows left, %v", n, err)
	}
}

func TestDatabasePath(t *testing.T) {
	for configured, want := range map[string]string{
		"": "/data/basic-auth.sqlite", ":memory:": ":memory:", "/var/lib/a.sqlite": "/var/lib/a.sqlite", "a.sqlite": "a.sqlite",
	} {
		if got := resolveDBPath(configured, "/data"); got != want {
			t.Errorf("%q: %q, want %q", configured, got, want)
		}
	}
	in := openTest(t, config{settingDBPath: ":memory:"})
	in.signedIn("ann@example.test").wantSignedIn()
	if _, err := os.Stat(in.dbPath()); !os.IsNotExist(err) {
		t.Errorf("a file although the database is in memory: %v", err)
	}
}

func TestOpenLeavesNothingOpenWhenItFails(t *testing.T) {
	in := openTest(t, nil)
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	var r or3cloud.Registry
	if err := Register(&r); err != nil {
		t.Fatal(err)
	}
	registered, _ := r.Lookup("basic-auth")
	env := in.env
	env.Config = config{settingBootstrapEmail: "a@b.co", settingBootstrapPassword: "password"}
	env.Rand = strings.NewReader("") // no salt for the bootstrap account
	if opened, err := registered.Open(t.Context(), env); err == nil || opened != nil {
		t.Fatalf("%v, %v", opened, err)
	}
	if err := os.Remove(in.dbPath() + "-wal"); err == nil {
		t.Error("the write-ahead log is still there: a connection was left open")
	}
	in.open()
}

func TestSettingsAreUniqueAndExplained(t *testing.T) {
	var names []string
	for _, s := range settings() {
		names = append(names, s.Name)
		if s.Help == "" || !strings.HasPrefix(s.Name, "OR3_BASIC_AUTH_") {
			t.Errorf("%+v", s)
		}
		if strings.Contains(s.Name, "_SECRET") != s.Secret && s.Name != settingBootstrapPassword {
			t.Errorf("%s: secret %v", s.Name, s.Secret)
		}
	}
	slices.Sort(names)
	if len(slices.Compact(slices.Clone(names))) != len(names) {
		t.Errorf("%q", names)
	}
}
