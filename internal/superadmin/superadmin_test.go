package superadmin

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/passwd"
	"or3.chat/cloud/setting"
)

// config is a Config over texts.
type config map[string]string

func (c config) String(name string) string { return c[name] }
func (c config) Int(string) int64          { return 0 }
func (c config) Bool(name string) bool     { return c[name] == "true" }
func (c config) List(string) []string      { return nil }

const password = "Correct horse 1"

// fixture is a super administrator with a stopped clock.
type fixture struct {
	*Admin
	dir string
	now time.Time
	log bytes.Buffer
	mu  sync.Mutex
}

func newFixture(t *testing.T, dir string, change ...string) *fixture {
	t.Helper()
	cfg := config{setting.AdminUsername: "admin", setting.AdminPassword: password, setting.AdminJWTExpiry: "24h"}
	for i := 0; i < len(change); i += 2 {
		cfg[change[i]] = change[i+1]
	}
	f := &fixture{dir: dir, now: time.Unix(1_795_000_000, 0)}
	f.Admin = New(Options{
		Config: cfg, DataDir: dir, Secret: func(string) (string, error) { return strings.Repeat("k", 32), nil },
		Log: slog.New(slog.NewTextHandler(&f.log, nil)), Now: func() time.Time { f.mu.Lock(); defer f.mu.Unlock(); return f.now }, Rand: rand.Reader,
	})
	f.cost = bcrypt.MinCost // to keep tests fast
	return f
}

func (f *fixture) pass(d time.Duration) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.now = f.now.Add(d)
}

func (f *fixture) signIn(t *testing.T, username, password string) Session {
	t.Helper()
	s, err := f.SignIn(t.Context(), username, password)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func (f *fixture) accepts(t *testing.T, token string) bool {
	t.Helper()
	name, err := f.Verify(token)
	if err != nil {
		t.Fatal(err)
	}
	return name == "admin"
}

func TestNoSuperAdministratorWithoutBothVariables(t *testing.T) {
	for _, cfg := range []config{{}, {setting.AdminUsername: "admin"}, {setting.AdminPassword: password}} {
		if New(Options{Config: cfg}) != nil {
			t.Errorf("%v", cfg)
		}
	}
}

func TestTheFirstSignInKeepsTheCredentials(t *testing.T) {
	f := newFixture(t, t.TempDir())
	f.cost = bcryptCost
	if _, err := f.SignIn(t.Context(), "admin", "wrong"); or3cloud.CodeOf(err) != or3cloud.CodeUnauthenticated {
		t.Fatal(err)
	}
	path := filepath.Join(f.dir, File)
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS != "windows" && info.Mode() != 0o600 {
		t.Errorf("the file has the mode %v", info.Mode())
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]string
	if err := json.Unmarshal(data, &fields); err != nil {
		t.Fatal(err)
	}
	if cost, err := bcrypt.Cost([]byte(fields["password_hash_bcrypt"])); err != nil || cost != 12 || fields["username"] != "admin" || len(fields) != 4 ||
		fields["created_at"] == "" || fields["updated_at"] == "" {
		t.Errorf("%v: cost %d, %v", fields, cost, err)
	}
	f.cost = bcrypt.MinCost
	if _, err := f.SetPassword(t.Context(), "", password); err != nil {
		t.Fatal(err)
	}
	for _, who := range [][2]string{{"admin", password + "x"}, {"Admin", password}, {"", password}, {"admin", ""}} {
		if _, err := f.SignIn(t.Context(), who[0], who[1]); or3cloud.CodeOf(err) != or3cloud.CodeUnauthenticated {
			t.Errorf("%q signs in: %v", who, err)
		}
	}
	if s := f.signIn(t, "admin", password); s.Username != "admin" || s.MaxAge != 24*time.Hour || !f.accepts(t, s.Token) {
		t.Errorf("%+v", s)
	}

	other := newFixture(t, f.dir, setting.AdminUsername, "root", setting.AdminPassword, "Another horse 2")
	if other.Tell(); !strings.Contains(other.log.String(), setting.AdminUsername) {
		t.Errorf("the log of a start with another name: %s", &other.log)
	}
	if differs, err := other.Differs(t.Context()); err != nil || !slices.Equal(differs, []string{setting.AdminUsername, setting.AdminPassword}) {
		t.Error(differs, err)
	}
	if differs, err := f.Differs(t.Context()); err != nil || len(differs) > 0 {
		t.Error(differs, err)
	}
	if _, err := other.SignIn(t.Context(), "root", "Another horse 2"); or3cloud.CodeOf(err) != or3cloud.CodeUnauthenticated {
		t.Error("the environment counts after the first sign-in")
	}
	if log := other.log.String(); !strings.Contains(log, "environment was refused") || strings.Contains(log, "horse") {
		t.Errorf("the log of a sign-in with what the environment says: %s", log)
	}
	other.signIn(t, "admin", password)
}

// The response time must not reveal whether the name or the password is wrong: both cost the same hash, which is
// skipped for both if there is no capacity.
func TestAWrongNameCostsAHash(t *testing.T) {
	f := newFixture(t, t.TempDir())
	f.signIn(t, "admin", password)
	f.passwords = passwd.New(rand.Reader, 0, 0)
	for _, name := range []string{"admin", "other", ""} {
		if _, err := f.SignIn(t.Context(), name, "wrong"); or3cloud.CodeOf(err) != or3cloud.CodeUnavailable {
			t.Errorf("%q: %v", name, err)
		}
	}
}

// Many concurrent first sign-ins agree on one file.
func TestFirstSignInsAtOnce(t *testing.T) {
	f := newFixture(t, t.TempDir())
	var all sync.WaitGroup
	tokens := make([]string, 4)
	for i := range tokens {
		all.Go(func() {
			if s, err := f.SignIn(t.Context(), "admin", password); err == nil {
				tokens[i] = s.Token
			} else {
				t.Error(err)
			}
		})
	}
	all.Wait()
	for _, token := range tokens {
		if !f.accepts(t, token) {
			t.Error("the session of a first sign-in is none")
		}
	}
}

// The file of an earlier installation, whatever it calls its times, and with any reasonable hash.
func TestTheFileOfOR3Chat(t *testing.T) {
	for name, times := range map[string]string{
		"texts": `"2026-02-14T12:00:00.000Z"`, "numbers": `1771070400000`, "null": `null`,
	} {
		t.Run(name, func(t *testing.T) {
			cost := bcrypt.MinCost
			if name == "texts" {
				cost = 12
			}
			hash, err := bcrypt.GenerateFromPassword([]byte("their password"), cost)
			if err != nil {
				t.Fatal(err)
			}
			dir := t.TempDir()
			theirs := `{"username":"boss","password_hash_bcrypt":"` + strings.Replace(string(hash), "$2a$", "$2b$", 1) + `","created_at":` + times + `,"updated_at":` + times + `}`
			if err := os.WriteFile(filepath.Join(dir, File), []byte(theirs), 0o600); err != nil {
				t.Fatal(err)
			}
			f := newFixture(t, dir)
			f.signIn(t, "boss", "their password")
			if _, err := f.ChangePassword(t.Context(), "their password", "Correct horse 2"); err != nil {
				t.Fatal(err)
			}
			f.signIn(t, "boss", "Correct horse 2")
		})
	}
}

func TestAnInvalidFileAdmitsNoOne(t *testing.T) {
	for name, content := range map[string]string{"empty": "", "cut": `{"username":"admin"`, "another": `{"a":1}`, "no hash": `{"username":"admin","password_hash_bcrypt":"x"}`} {
		dir := t.TempDir()
		if err := os.WriteFile(filepath.Join(dir, File), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		f := newFixture(t, dir)
		if _, err := f.SignIn(t.Context(), "admin", password); err == nil || or3cloud.CodeOf(err) == or3cloud.CodeUnauthenticated {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := f.SetPassword(t.Context(), "", "Correct horse 2"); err != nil {
			t.Errorf("%s: the operator cannot mend it: %v", name, err)
		}
		f.signIn(t, "admin", "Correct horse 2")
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, File), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := newFixture(t, dir).SignIn(t.Context(), "admin", password); err == nil {
		t.Error("a directory lets someone in")
	}
}

// Contract, workspaces-and-admin Pitfall 9: even within the second of the sign-in, and even if the old password comes
// back.
func TestAChangeOfThePasswordEndsAllSessions(t *testing.T) {
	f := newFixture(t, t.TempDir())
	before := f.signIn(t, "admin", password)
	for _, weak := range []string{"Short 1", "no upper case 1", "NO LOWER CASE 1", "No digits at all", "Too long 1 " + strings.Repeat("x", 72)} {
		if _, err := f.ChangePassword(t.Context(), password, weak); or3cloud.CodeOf(err) != or3cloud.CodeInvalid || !strings.Contains(err.Error(), "Password does not meet requirements: ") {
			t.Errorf("%q: %v", weak, err)
		}
	}
	if _, err := f.ChangePassword(t.Context(), "wrong", "Correct horse 2"); or3cloud.CodeOf(err) != or3cloud.CodeUnauthenticated || !strings.Contains(err.Error(), "Current password is incorrect") {
		t.Error(err)
	}
	if !f.accepts(t, before.Token) {
		t.Fatal("a refused change has ended the session")
	}
	after, err := f.ChangePassword(t.Context(), password, "Correct horse 2")
	if err != nil {
		t.Fatal(err)
	}
	if f.accepts(t, before.Token) || !f.accepts(t, after.Token) {
		t.Error("the session from before goes on, or the new one does not")
	}
	if _, err := f.SignIn(t.Context(), "admin", password); err == nil {
		t.Error("the old password signs in")
	}
	if _, err := f.ChangePassword(t.Context(), "Correct horse 2", password); err != nil {
		t.Fatal(err)
	}
	if f.accepts(t, before.Token) || f.accepts(t, after.Token) {
		t.Error("a session of an earlier password goes on")
	}
}

func TestTheOperatorSetsNameAndPassword(t *testing.T) {
	f := newFixture(t, t.TempDir())
	before := f.signIn(t, "admin", password)
	if _, err := f.SetPassword(t.Context(), "", "weak"); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
		t.Error(err)
	}
	if name, err := f.SetPassword(t.Context(), "root", "Correct horse 2"); err != nil || name != "root" {
		t.Fatal(name, err)
	}
	if f.accepts(t, before.Token) {
		t.Error("the session from before goes on")
	}
	f.signIn(t, "root", "Correct horse 2")
	if left, err := filepath.Glob(filepath.Join(f.dir, "*")); err != nil || len(left) != 1 {
		t.Errorf("%v %v", left, err)
	}
}

func TestTokensThatAreNone(t *testing.T) {
	f := newFixture(t, t.TempDir())
	token := f.signIn(t, "admin", password).Token
	part := strings.Split(token, ".")
	raw := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	payload, err := base64.RawURLEncoding.DecodeString(part[1])
	if err != nil {
		t.Fatal(err)
	}
	var fields map[string]any
	if err := json.Unmarshal(payload, &fields); err != nil || fields["kind"] != "super_admin" || fields["username"] != "admin" ||
		fields["exp"].(float64)-fields["iat"].(float64) != 86400 {
		t.Errorf("%s %v", payload, err)
	}
	for name, other := range map[string]string{
		"none": raw(`{"alg":"none","typ":"JWT"}`) + "." + part[1] + ".", "cut": token[:len(token)-1], "long": token + strings.Repeat("x", maxToken),
		"another name":      part[0] + "." + raw(strings.Replace(string(payload), `"admin"`, `"adm1n"`, 1)) + "." + part[2],
		"another algorithm": raw(`{"alg":"HS512","typ":"JWT"}`) + "." + part[1] + "." + part[2],
	} {
		if f.accepts(t, other) {
			t.Errorf("%s is accepted", name)
		}
	}
	other := newFixture(t, f.dir)
	other.key = func() (string, error) { return strings.Repeat("o", 32), nil }
	if other.accepts(t, token) {
		t.Error("a token of another key is accepted")
	}
	f.pass(24*time.Hour - time.Second)
	if !f.accepts(t, token) {
		t.Error("it ends early")
	}
	f.pass(clockSkew + time.Second)
	if f.accepts(t, token) {
		t.Error("it does not end")
	}
	// If sessions are shortened, existing ones are shortened, too.
	token = f.signIn(t, "admin", password).Token
	shorter := newFixture(t, f.dir, setting.AdminJWTExpiry, "1h")
	shorter.now = f.now
	if shorter.accepts(t, token) {
		t.Error("it lasts longer than sessions do by now")
	}
	f.pass(-time.Hour) // the clock was ahead when the token was made
	if f.accepts(t, token) {
		t.Error("a token of the future is accepted")
	}
}

func TestWritesLeaveTheFileWholeOrAsItWas(t *testing.T) {
	if runtime.GOOS == "windows" || os.Geteuid() == 0 {
		t.Skip("needs a directory that cannot be written to")
	}
	f := newFixture(t, t.TempDir())
	token := f.signIn(t, "admin", password).Token
	if err := os.Chmod(f.dir, 0o500); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Chmod(f.dir, 0o700) })
	if _, err := f.ChangePassword(t.Context(), password, "Correct horse 2"); err == nil || or3cloud.CodeOf(err) != or3cloud.CodeInternal {
		t.Error(err)
	}
	if !f.accepts(t, token) {
		t.Error("the session has ended")
	}
}
