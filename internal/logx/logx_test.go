package logx

import (
	"bytes"
	"errors"
	"fmt"
	"log"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
)

const (
	jwt      = "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9.eyJzdWIiOiI1YzAifQ.dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"
	argonPHC = "$argon2id$v=19$m=19456,t=2,p=1$c29tZXNhbHRzb21lc2FsdA$RdescudvJCsgt3ub+b1dWRWJTmaKr4ZbdAAAAAA"
	bcryptPH = "$2b$12$R9h/cIPz0gi.URNNX3kh2OPST9/PgBkqquzi.Ss7KIUgO2t0jWMUW"
	password = "correct horse battery staple"
	opaque   = "q7Zk2vXw9LmN4pRsT8uY1aBc"
)

// TestNothingSecretIsLogged logs secrets in all the ways that code might, in both formats.
func TestNothingSecretIsLogged(t *testing.T) {
	type request struct {
		Path  string
		Token string
		Mail  string
	}
	signed, _ := url.Parse("https://cloud.example.org/api/storage/fs/download?token=" + opaque + "&n=1")
	for _, tc := range []struct {
		name string
		log  func(*slog.Logger)
		keep string
	}{
		{"message with a JWT", func(l *slog.Logger) { l.Info("bad token " + jwt + " seen") }, "seen"},
		{"message with half a JWT", func(l *slog.Logger) { l.Info("got " + jwt[:60]) }, "got"},
		{"error", func(l *slog.Logger) { l.Error("x", "err", fmt.Errorf("fetch: %w", errors.New("GET "+signed.String()))) }, "fetch"},
		{"key of a server of models", func(l *slog.Logger) { l.Info("x", "path", "/api/openrouter/sk-or-v1-"+opaque+"/stream") }, "/stream"},
		{"URL", func(l *slog.Logger) { l.Info("x", "url", signed) }, "n=1"},
		{"path and query", func(l *slog.Logger) { l.Info("x", "path", signed.RequestURI()) }, "/api/storage/fs/download"},
		{"bearer", func(l *slog.Logger) { l.Info("x", "h", "Bearer "+opaque) }, "Bearer"},
		{"cookie header line", func(l *slog.Logger) { l.Info("Cookie: or3_access=" + jwt + "; or3_refresh=" + opaque) }, "Cookie"},
		{"set-cookie header line", func(l *slog.Logger) { l.Info("x", "line", "Set-Cookie: a="+opaque+"; Path=/") }, "Set-Cookie"},
		{"cookie value", func(l *slog.Logger) { l.Info("x", "c", "or3_refresh="+opaque+"; Path=/api") }, "or3_refresh"},
		{"key cookie", func(l *slog.Logger) { l.Info("x", "requestCookie", opaque) }, "requestCookie"},
		{"key password", func(l *slog.Logger) { l.Info("x", "newPassword", password) }, "newPassword"},
		{"key token in a group", func(l *slog.Logger) { l.Info("x", slog.Group("auth", "refresh_token", opaque)) }, "auth"},
		{"key in With", func(l *slog.Logger) { l.With("secret", opaque).WithGroup("g").Info("x", "token", opaque) }, "secret"},
		{"payload bytes", func(l *slog.Logger) { l.Info("x", "data", []byte(password)) }, "bytes"},
		{"payload text", func(l *slog.Logger) { l.Info("x", "payload", `{"content":"`+password+`"}`) }, "payload"},
		{"JSON text", func(l *slog.Logger) { l.Info(`{"email":"ann@example.org","password":"` + password + `"}`) }, "example.org"},
		{"JSON text in JSON", func(l *slog.Logger) { l.Info(`{\"newPassword\":\"` + password + `\"}`) }, "newPassword"},
		{"headers", func(l *slog.Logger) { l.Info("x", "headers", http.Header{"X-Or3-Key": {opaque}, "Cookie": {jwt}}) }, "2 headers"},
		{"struct", func(l *slog.Logger) { l.Info("x", "r", request{"/p", jwt, "ann@example.org"}) }, "/p"},
		{"map", func(l *slog.Logger) { l.Info("x", "m", map[string]string{"a": "token=" + opaque}) }, "token="},
		{"argon2", func(l *slog.Logger) { l.Info("hash " + argonPHC + " is old") }, "is old"},
		{"bcrypt", func(l *slog.Logger) { l.Info("x", "h", bcryptPH) }, "hash"},
		{"e-mail", func(l *slog.Logger) { l.Info("signed in", "user", "ann@example.org") }, "a…@example.org"},
		{"e-mail in a query", func(l *slog.Logger) { l.Info("/x?email=ann%40example.org") }, "a…%40example.org"},
		{"e-mail after a name with an @", func(l *slog.Logger) { l.Info("no user x@ann@example.org, y@ann.ann@example.org") }, "example.org"},
		{"e-mail with a name", func(l *slog.Logger) { l.Info("to Ann <ann@mail.example.org>") }, "a…@mail.example.org"},
		{"URL with credentials", func(l *slog.Logger) { l.Info("smtps://ann:" + opaque + "@mail.example.org:465") }, "mail.example.org:465"},
		{"setup link", func(l *slog.Logger) { l.Info("open http://localhost:3000/#setup=" + opaque) }, "#setup="},
		{"object store signature", func(l *slog.Logger) { l.Info("PUT /b?X-Amz-Signature=" + opaque + "&x=1") }, "x=1"},
		{"log valuer", func(l *slog.Logger) { l.Info("x", "v", valuer{}) }, "a…@example.org"},
	} {
		for _, json := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/json=%v", tc.name, json), func(t *testing.T) {
				var out bytes.Buffer
				tc.log(New(&out, Options{JSON: json}))
				line := out.String()
				for _, secret := range []string{jwt, jwt[:60], jwt[len(jwt)-20:], opaque, password, "horse", "ann@", "ann%40", argonPHC[20:], bcryptPH[10:]} {
					if strings.Contains(line, secret) {
						t.Errorf("%q is in %s", secret, line)
					}
				}
				if !strings.Contains(line, tc.keep) {
					t.Errorf("%q is not in %s", tc.keep, line)
				}
			})
		}
	}
}

type valuer struct{}

func (valuer) LogValue() slog.Value {
	return slog.GroupValue(slog.String("mail", "ann@example.org"), slog.String("token", opaque))
}

func TestWhatIsHarmlessStays(t *testing.T) {
	for _, text := range []string{
		"listening on http://127.0.0.1:3000",
		"sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef",
		"workspace 6317a9f3-54ce-4f7a-aacd-51e9fedbfdd6 has 3 tokens left",
		"50% of 20@30",
		"OR3_BASIC_AUTH_JWT_SECRET is not set",
		"disk-measurement of a task-force",
	} {
		if got := Redact(text); got != text {
			t.Errorf("%q became %q", text, got)
		}
	}
	var out bytes.Buffer
	New(&out, Options{JSON: true}).Warn("done", "tokens", 7, "ok", true, "n", nil)
	for _, want := range []string{`"tokens":7`, `"ok":true`, `"n":null`, `"level":"WARN"`} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("%s is not in %s", want, out.String())
		}
	}
}

func TestLevels(t *testing.T) {
	level, err := ParseLevel("warn")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	log := New(&out, Options{Level: level})
	log.Info("quiet")
	log.Warn("loud")
	if got := out.String(); strings.Contains(got, "quiet") || !strings.Contains(got, "loud") {
		t.Error(got)
	}
	if _, err := ParseLevel("loudest"); err == nil {
		t.Error("no error for an unknown level")
	}
}

func FuzzRedact(f *testing.F) {
	for _, s := range []string{jwt, argonPHC, bcryptPH, "Bearer " + opaque, "ann@example.org", "token=x", `"password":"a\"b"`, "://a@", "%40a.bc", "ann@a.bc@d.ef"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		once := Redact(text)
		if strings.Contains(once, jwt) || strings.Contains(once, argonPHC) || strings.Contains(once, bcryptPH) {
			t.Errorf("a secret survived in %q", once)
		}
		if m := email.FindStringSubmatch(strings.ReplaceAll(once, "…", "\x00")); m != nil && len(m[1]) > 1 && !strings.HasPrefix(m[1], "\x00") {
			t.Errorf("an address survived in %q", once)
		}
	})
}

// Messages of libraries are logged too, without what they quote.
func TestLibrariesQuoteNothing(t *testing.T) {
	var out bytes.Buffer
	Adopt(New(&out, Options{Level: slog.LevelDebug}))
	defer func() {
		log.SetFlags(log.LstdFlags)
		log.SetOutput(os.Stderr)
	}()
	log.Printf("Unsolicited response received on idle HTTP channel starting with %q; err=%v", "a prompt", "a prompt")
	if got := out.String(); !strings.Contains(got, "level=DEBUG") || !strings.Contains(got, "Unsolicited response received") || strings.Contains(got, "prompt") {
		t.Error(got)
	}
}
