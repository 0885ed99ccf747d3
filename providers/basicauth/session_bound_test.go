package basicauth

import (
	"context"
	"database/sql"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/mail/smtptest"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// stolen is a session that someone has got hold of, beside one of the owner's, and what it has begun.
type stolen struct {
	t            *testing.T
	in           *instance
	thief, owner *browser
	link         string // confirms an address of the thief
	ceremony     string // the body that adds a passkey of the thief
	app          app    // the thief's, not confirmed
}

const thiefs = "thief@example.test"

func newStolen(t *testing.T) *stolen {
	server := smtptest.Start(t, smtptest.Options{})
	cfg := withMail(server)
	cfg[settingRefreshTTL], cfg[settingSessionTTL] = "1000", "2000"
	in := openTest(t, cfg)
	s := &stolen{t: t, in: in, thief: in.signedIn(ann), owner: in.browser()}
	in.clock.advance(time.Second)
	s.owner.post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)

	s.thief.post("email", body("email", thiefs)).want(t, 200, `{"ok":true,"pending":true}`)
	for s.link == "" {
		if m := server.Next(); m.To[0] == thiefs {
			s.link = in.linkOf(m, "confirm-email")
		}
	}
	key := newAuthenticator(in)
	key.rp.ID, key.rp.Origin = "cloud.example.test", "https://cloud.example.test"
	var options ceremonyOptions
	s.thief.post("passkeys/register-options", "{}").decode(t, &options)
	s.ceremony = finish(options.Challenge, key.create(options.PublicKey), "name", "the thief's")
	var enrolled struct{ Secret string }
	s.thief.post("totp/enrol", "{}").decode(t, &enrolled)
	s.app = app{in, enrolled.Secret}
	return s
}

func (s *stolen) ok(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// begun are the kinds of things that a session begins, and how someone who is signed in to the account finishes each.
var begun = map[string]func(s *stolen, by *browser) answer{
	"address":           func(s *stolen, by *browser) answer { return by.post("email/confirm", body("token", s.link)) },
	"passkey":           func(s *stolen, by *browser) answer { return by.post("passkeys/register", s.ceremony) },
	"authenticator app": func(s *stolen, by *browser) answer { return by.post("totp/confirm", body("code", s.app.code(0))) },
}

const replacement = "another long secret"

// endings are all ways in which a session ends. They return the password with which the owner signs in after that.
var endings = map[string]func(s *stolen) string{
	"signed out": func(s *stolen) string {
		s.thief.post("sign-out", "{}").want(s.t, 200, `{"ok":true}`)
		return password
	},
	"signed itself out by its id": func(s *stolen) string {
		s.thief.post("sessions/revoke", body("id", s.thief.actor().SessionID)).want(s.t, 200, `{"ok":true}`)
		return password
	},
	"revoked": func(s *stolen) string {
		s.owner.post("sessions/revoke", body("id", s.thief.actor().SessionID)).want(s.t, 200, `{"ok":true}`)
		return password
	},
	"others revoked": func(s *stolen) string {
		s.owner.post("sessions/revoke-others", "{}").want(s.t, 200, `{"ok":true,"revoked":1}`)
		return password
	},
	"revoked by the operator": func(s *stolen) string {
		_, err := s.in.p.Operator.RevokeSessions(s.t.Context(), ann, s.thief.actor().SessionID)
		s.ok(err)
		return password
	},
	"all revoked by the operator": func(s *stolen) string {
		_, err := s.in.p.Operator.RevokeSessions(s.t.Context(), ann, "")
		s.ok(err)
		return password
	},
	"password changed": func(s *stolen) string {
		s.owner.post("change-password", `{"currentPassword":"`+password+`","newPassword":"`+replacement+`","confirmNewPassword":"`+replacement+`","keepSession":true}`).
			want(s.t, 200, `{"ok":true}`)
		return replacement
	},
	"password changed by itself": func(s *stolen) string {
		s.thief.post("change-password", `{"currentPassword":"`+password+`","newPassword":"`+replacement+`","confirmNewPassword":"`+replacement+`","keepSession":true}`).
			want(s.t, 200, `{"ok":true}`)
		return replacement
	},
	"password reset": func(s *stolen) string {
		fragment, _, err := s.in.p.Operator.ResetLink(s.t.Context(), ann)
		s.ok(err)
		link := strings.TrimPrefix(fragment, "reset=")
		s.in.secrets.Note("link", link)
		s.in.browser().post("reset-password", body("token", link, "newPassword", replacement, "confirmNewPassword", replacement)).want(s.t, 200, `{"ok":true}`)
		return replacement
	},
	"password set by the operator": func(s *stolen) string {
		s.ok(s.in.p.Operator.SetPassword(s.t.Context(), ann, replacement))
		return replacement
	},
	"factors reset by the operator": func(s *stolen) string {
		s.ok(s.in.p.Operator.ResetFactors(s.t.Context(), ann))
		return password
	},
	"switched off, and on again": func(s *stolen) string {
		s.ok(s.in.p.Operator.SetDisabled(s.t.Context(), ann, true))
		s.ok(s.in.p.Operator.SetDisabled(s.t.Context(), ann, false))
		return password
	},
	"replayed": func(s *stolen) string {
		old := s.thief.copy()
		for range 2 {
			s.in.clock.advance(31 * time.Second)
			s.thief.post("refresh", "{}").want(s.t, 200, `{"ok":true}`)
		}
		s.in.clock.advance(31 * time.Second)
		old.post("refresh", "{}").want(s.t, 401, "Session expired")
		s.thief.wantSignedOut()
		return password
	},
	"unused for too long": func(s *stolen) string {
		s.in.clock.advance(1001 * time.Second)
		return password
	},
	"too old": func(s *stolen) string {
		for range 3 {
			s.in.clock.advance(667 * time.Second)
			s.thief.post("refresh", "{}")
		}
		return password
	},
	"one of too many": func(s *stolen) string {
		s.in.clock.advance(time.Second)
		r := &or3cloud.Request{Request: &http.Request{Header: http.Header{}}, ClientIP: "192.0.2.9"}
		s.ok(s.in.p.store.Tx(s.t.Context(), func(q store.Queries) error {
			a, err := q.AccountByEmail(s.t.Context(), ann)
			for range sessions.MaxSessions {
				if err == nil {
					_, err = s.in.p.sessions.Begin(s.t.Context(), q, a, r, s.in.clock.now())
				}
			}
			return err
		}))
		return password
	},
}

// What a session has begun ends with it, whatever ended it: no one can finish it after that, not even another session
// of the same account.
func TestWhatASessionBeganEndsWithIt(t *testing.T) {
	for name, end := range endings {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStolen(t)
			known := end(s)
			later := s.in.browser()
			later.address = "192.0.2.2"
			later.post("sign-in", credentials(ann, known)).want(t, 200, `{"ok":true}`)
			if pending := read[struct{ Account struct{ PendingEmail string } }](t, later.get("account")).Account.PendingEmail; pending != "" {
				t.Errorf("%s is still pending", pending)
			}
			for kind, complete := range begun {
				if a := complete(s, later); a.status != 400 || a.data("code") != `"invalid_token"` {
					t.Errorf("%s: %d %s", kind, a.status, a.text)
				}
			}
			if at := later.wantSignedIn().Email; at != ann || s.in.factors(later).Any() {
				t.Errorf("the account has the address %s and factors %+v", at, s.in.factors(later))
			}
		})
	}
}

// While the session lives, it can finish what it has begun; no other session can, except for the address, whose link is
// enough.
func TestWhatALivingSessionBeganIsFinished(t *testing.T) {
	s := newStolen(t)
	for _, kind := range []string{"passkey", "authenticator app"} {
		begun[kind](s, s.owner).wantCode(t, 400, "invalid_token")
	}
	for _, kind := range []string{"passkey", "authenticator app", "address"} {
		if a := begun[kind](s, s.thief); a.status != 200 {
			t.Errorf("%s: %d %s", kind, a.status, a.text)
		}
	}
	if f := s.in.factors(s.thief); !f.TOTP.Enabled || len(f.Passkeys) != 1 {
		t.Errorf("%+v", f)
	}
}

// acts are bodies for the endpoints with which signed-in people change something, where they need one.
var acts = map[string]string{
	"display-name": `{"displayName":"x"}`, "email": body("email", "x@example.test"), "delete-account": body("email", ann),
	"sessions/revoke": body("id", "none"), "totp/confirm": body("code", "000000"),
	"passkeys/register": `{"name":"x","challenge":"none","credential":{}}`, "passkeys/rename": body("id", "none", "name", "x"),
	"passkeys/remove": body("id", "none"), "reauthenticate": body("password", password),
	"change-password": `{"currentPassword":"` + password + `","newPassword":"` + replacement + `","confirmNewPassword":"` + replacement + `"}`,
}

// unsigned are the endpoints that do not need a session.
var unsigned = []string{
	"sign-in", "sign-out", "register", "refresh", "forgot-password", "reset-password", "email/confirm", "link", "second-factor",
	"passkeys/sign-in-options", "passkeys/sign-in",
}

// A change that was allowed when it was requested, and then waited for the writer, is checked again by its transaction.
func TestWritesAskAgainInTheirTransaction(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn(ann)
	in.p.behind.Close() // so that only the request waits for the writer
	ways := map[string]struct {
		end          func(ctx context.Context, q store.Queries, who factors.Actor) error
		status       int
		code         string
		onlyIfProven bool
	}{
		"session revoked": {func(ctx context.Context, q store.Queries, who factors.Actor) error {
			_, err := q.RevokeSession(ctx, db.RevokeSessionParams{ID: who.SessionID, Now: in.clock.now().UnixMilli()})
			return err
		}, 401, "session_expired", false},
		"account changed": {func(ctx context.Context, q store.Queries, who factors.Actor) error {
			_, err := q.EndAccess(ctx, db.EndAccessParams{ID: who.ID, Now: in.clock.now().UnixMilli()})
			return err
		}, 401, "session_expired", false},
		"account switched off": {func(ctx context.Context, q store.Queries, who factors.Actor) error {
			now := in.clock.now().UnixMilli()
			_, err := q.SetDisabled(ctx, db.SetDisabledParams{ID: who.ID, DisabledAt: sql.NullInt64{Int64: now, Valid: true}, Now: now})
			return err
		}, 401, "session_expired", false},
		"proof too old": {func(ctx context.Context, q store.Queries, who factors.Actor) error {
			return q.ProveSession(ctx, db.ProveSessionParams{ID: who.SessionID, Now: in.clock.now().Add(-factors.ProofLifetime).UnixMilli()})
		}, 403, "reauthentication_required", true},
	}
	proven := []string{
		"email", "sessions/revoke", "sessions/revoke-others", "delete-account", "totp/enrol", "totp/confirm", "totp/remove", "recovery-codes",
		"passkeys/register-options", "passkeys/register", "passkeys/remove",
	}
	for _, route := range in.Routes {
		name := strings.TrimPrefix(route.Path, "/api/basic-auth/")
		if route.Method == http.MethodGet || slices.Contains(unsigned, name) {
			continue
		}
		for way, w := range ways {
			if w.onlyIfProven && !slices.Contains(proven, name) {
				continue
			}
			in.clock.advance(2 * time.Minute) // past the limits of the addresses
			if err := in.p.Operator.SetDisabled(t.Context(), ann, false); err != nil {
				t.Fatal(err)
			}
			b := in.browser()
			b.post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
			who := b.actor()
			held, release, done := make(chan struct{}), make(chan struct{}), make(chan error, 1)
			go func() {
				done <- in.p.store.Tx(context.Background(), func(q store.Queries) error {
					close(held)
					<-release
					return w.end(context.Background(), q, who)
				})
			}()
			<-held
			waiting := in.p.store.File.Write.Stats().WaitCount
			answered := make(chan answer, 1)
			go func() { answered <- b.post(name, acts[name]) }()
			in.waitFor("request that waits for the writer", func() bool {
				return in.p.store.File.Write.Stats().WaitCount > waiting || len(answered) > 0
			})
			if len(answered) > 0 {
				t.Errorf("%s: %+v before it has waited", name, <-answered)
			}
			close(release)
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if a := <-answered; a.status != w.status || a.data("code") != `"`+w.code+`"` {
				t.Errorf("%s, %s: %d %s", name, way, a.status, a.text)
			}
		}
	}
	if n := in.rows("SELECT COUNT(*) FROM security_events WHERE kind NOT IN ('registered', 'signed_in', 'account_enabled')"); n != 0 {
		t.Errorf("%d changes were made", n)
	}
}

// Writes of signed-in people go through factors.StepUp.As, which checks again. Functions that write without it are
// listed here, with what their transaction checks instead.
func TestEveryOtherWriteIsKnown(t *testing.T) {
	known := map[string]string{
		"As": "itself", "RemoveAccount": "find, which is still for a person", "operate": "the operator", "AddAccount": "the operator",
		"beginVerified": "the account version", "secondFactor": "the challenge", "passkeySignIn": "the ceremony",
		"passkeySignInOptions": "nothing: anyone may", "Create": "that the address is free", "Bootstrap": "the configuration",
		"forgotPassword": "nothing: anyone may", "resetPassword": "the link", "confirmEmail": "the link", "Renew": "the refresh token",
		"signOut": "the tokens that end", "prepare": "the start", "writeWaiting": "behind", "makeDue": "the outbox", "deliver": "the outbox",
		"noteFault":   "the outbox",
		"deliverNext": "the outbox", "settleAtStart": "the start",
		"open": "the start", "Begin": "the start, for policies", "Of": "that no grace has begun",
	}
	found := map[string]bool{}
	paths, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	rooms, err := filepath.Glob("internal/*/*.go")
	if err != nil || len(rooms) == 0 {
		t.Fatalf("%d files of rooms, %v", len(rooms), err)
	}
	for _, path := range append(paths, rooms...) {
		if strings.HasSuffix(path, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range file.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if method, ok := call.Fun.(*ast.SelectorExpr); ok && method.Sel.Name == "Tx" {
						found[f.Name.Name] = true
					}
				}
				return true
			})
		}
	}
	if got, want := slices.Sorted(maps.Keys(found)), slices.Sorted(maps.Keys(known)); !slices.Equal(got, want) {
		t.Errorf("writers\n%q, known are\n%q", got, want)
	}
}
