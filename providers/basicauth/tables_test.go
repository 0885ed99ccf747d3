package basicauth

import (
	"fmt"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// bounds says for each table what keeps members and strangers from growing it without end, and which test of this
// package fills it to that bound.
var bounds = map[string]struct{ bound, test string }{
	"accounts":         {"accountsPerDay of a client address; without open registration invites, which an operator makes", "TestRegistrationsOfAnAddressAreBounded"},
	"deleted_accounts": {"the deletions of one access lifetime; each was an account of accountsPerDay", "TestDeletedAccountsAreForgotten"},
	"sessions":         {"maxSessions and keptEnded of an account, and what signInsPerHour makes in one access lifetime", "TestEndedSessionsAreForgotten"},
	"refresh_tokens":   {"maxChain of a session, and 30 beyond it", "TestTheChainOfASessionIsBounded"},
	"totp":             {"one row of an account", "TestAppsAndCodesAreReplaced"},
	"recovery_codes":   {"recoveryCodes of an account", "TestAppsAndCodesAreReplaced"},
	"passkeys":         {"maxPasskeys of an account", "TestTooManyPasskeys"},
	"one_time_tokens":  {"maxTokensOfAKind of an account and a kind; maxCeremonies without an account", "TestOneTimeTokensAreBounded"},
	"mail_outbox":      {"lettersOfAKind of an account and a kind; lettersWithoutAccount without an account", "TestWaitingMailIsBounded"},
	"lost_mail":        {"keptLost", "TestLostMailIsBounded"},
	"security_events":  {"eventsOfAKind of an account and a kind", "TestTheTrailIsBounded"},
	"rate_windows":     {"ratelimit.MaxKeys", "TestKeptWindowsAreBounded"},
}

// notAMembers are the tables that nothing grows which a member can ask for.
var notAMembers = map[string]string{
	"goose_db_version": "one row of a migration",
	"sqlite_sequence":  "SQLite's own",
	"clock":            "one row",
	"store_stamp":      "one row",
}

var testFunction = regexp.MustCompile(`(?m)^func (Test\w+)\(`)

// TestEveryTableHasABound takes the list of tables from the schema: a new one needs a bound, and a test that fills it.
func TestEveryTableHasABound(t *testing.T) {
	in := openTest(t, nil)
	tests := map[string]bool{}
	files, err := filepath.Glob("*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range testFunction.FindAllStringSubmatch(string(text), -1) {
			tests[m[1]] = true
		}
	}
	rows, err := in.p.store.File.Read.Query("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_stat%'")
	if err != nil {
		t.Fatal(err)
	}
	defer rows.Close()
	found := 0
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			t.Fatal(err)
		}
		b, ok := bounds[name]
		switch {
		case ok:
			found++
			if !tests[b.test] {
				t.Errorf("the table %s is bounded by %s, but there is no test %s", name, b.bound, b.test)
			}
		case notAMembers[name] == "":
			t.Errorf("the table %s has no bound: say in bounds what keeps people from growing it, and which test fills it", name)
		}
	}
	if err := rows.Err(); err != nil || found != len(bounds) {
		t.Errorf("%d of %d tables exist, %v", found, len(bounds), err)
	}
}

// tx is a write transaction of a test.
func (in *instance) tx(fn func(q store.Queries) error) {
	in.t.Helper()
	if err := in.p.store.Tx(in.t.Context(), fn); err != nil {
		in.t.Fatal(err)
	}
}

func (in *instance) accountOf(email string) db.Account {
	in.t.Helper()
	a, err := in.p.store.Read.AccountByEmail(in.t.Context(), email)
	if err != nil {
		in.t.Fatal(err)
	}
	return a
}

// someRequest is what sessions are begun with and events are recorded of.
func someRequest() *or3cloud.Request {
	return &or3cloud.Request{Request: httptest.NewRequest("POST", "/", nil), ClientIP: "192.0.2.1"}
}

// Accounts are made up to the bound without passwords, which take long to hash, and then by the endpoint.
func TestRegistrationsOfAnAddressAreBounded(t *testing.T) {
	in := openTest(t, nil)
	for range accountsPerDay - 1 {
		in.p.guard.Limits.Take("basic-auth:registered:198.51.100.1", ratelimit.Limit{Max: accountsPerDay, Window: guard.LongestWindow})
	}
	in.signedIn("taken@example.test") // from another address
	b := in.at("198.51.100.1")
	b.post("register", registration("taken@example.test")).wantStatus(t, 401) // makes none, so it does not count
	b.post("register", registration(ann)).want(t, 200, `{"ok":true}`)
	in.clock.advance(time.Minute)
	if a := b.copy().post("register", registration("bob@example.test")); a.status != 429 || a.err.RetryAfter <= 0 {
		t.Errorf("one more account: %d %s", a.status, a.text)
	}
	b.wantSignedIn()
	in.restart()
	if a := b.copy().post("register", registration("bob@example.test")); a.status != 429 {
		t.Errorf("one more account after a restart: %d", a.status)
	}
	in.at("198.51.100.2").post("register", registration("bob@example.test")).want(t, 200, `{"ok":true}`)
	in.clock.advance(guard.LongestWindow)
	in.at("198.51.100.1").post("register", registration("carol@example.test")).want(t, 200, `{"ok":true}`)
	if n := in.rows("SELECT count(*) FROM accounts"); n != 4 {
		t.Errorf("%d accounts", n)
	}
}

// Accounts come and go, and no one signs in.
func TestDeletedAccountsAreForgotten(t *testing.T) {
	in := openTest(t, nil)
	in.host.users = &fakeUsers{}
	for range 4 {
		in.signedIn(ann).post("delete-account", body("email", ann)).want(t, 200, `{"ok":true}`)
		if n := in.rows("SELECT count(*) FROM deleted_accounts"); n != 1 {
			t.Errorf("%d deleted accounts are remembered", n)
		}
		in.clock.advance(in.p.sessions.AccessUntil(in.clock.now()).Sub(in.clock.now()) + in.p.opts.grace)
	}
}

// A script signs in for each of its runs. The browsers of the account stay signed in, and what is displaced stays
// refused.
func TestEndedSessionsAreForgotten(t *testing.T) {
	in := openTest(t, nil)
	owner := in.signedIn(ann)
	a := in.accountOf(ann)
	begin := func() (g *sessions.Grant) {
		in.clock.advance(time.Second)
		in.tx(func(q store.Queries) (err error) {
			g, err = in.p.sessions.Begin(t.Context(), q, a, someRequest(), in.clock.now())
			return err
		})
		g.Displaced.Apply(in.p.sessions.Revoked)
		return g
	}
	const runs = 300
	first := begin()
	for range runs {
		begin()
	}
	if n := in.rows("SELECT count(*) FROM sessions"); n != runs+2 {
		t.Errorf("%d sessions, want all: the access tokens of none have ended", n)
	}
	in.restart()
	owner.wantSignedOut() // used least recently
	owner.post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
	if c := in.p.sessions.Access.Verify(first.AccessToken); c == nil || in.p.sessions.Revoked.Permit(c) {
		t.Errorf("a displaced session after a restart: %v", c)
	}
	span := in.p.sessions.AccessUntil(in.clock.now()).Sub(in.clock.now()) + in.p.opts.grace
	most := 0
	for n := range 120 {
		in.clock.advance(span / 10) // ten sign-ins within the life of an access token
		owner.post("refresh", "").want(t, 200, `{"ok":true}`)
		begin()
		if n >= 100 {
			most = max(most, in.rows("SELECT count(*) FROM sessions"))
		}
	}
	if want := sessions.MaxSessions + sessions.KeptEnded + 20; most > want {
		t.Errorf("%d sessions, want at most %d", most, want)
	}
	if n := in.rows("SELECT count(*) FROM sessions WHERE revoked_at IS NULL"); n != sessions.MaxSessions {
		t.Errorf("%d live sessions", n)
	}
	owner.wantSignedIn()
}

// Someone who knows the password can sign in from as many addresses as they like, but not without end. A new password
// ends it.
func TestSignInsOfAnAccountAreBounded(t *testing.T) {
	in := openTest(t, nil)
	owner := in.signedIn(ann)
	in.signedIn("bob@example.test")
	a := in.accountOf(ann)
	in.tx(func(q store.Queries) error {
		for n := range factors.SignInsPerHour {
			if _, err := in.p.factors.Admit(t.Context(), q, someRequest(), a, "password"); err != nil {
				return fmt.Errorf("sign-in %d: %w", n, err)
			}
			if n%10 == 0 { // the owner's is not the one that was used least recently
				in.clock.advance(time.Second)
				if err := q.ExtendSession(t.Context(), db.ExtendSessionParams{
					ID: owner.actor().SessionID, Now: in.clock.now().UnixMilli(), ExpiresAt: in.clock.now().Add(time.Hour).UnixMilli(),
					EndsAt: in.clock.now().Add(time.Hour).UnixMilli(), AccessUntil: in.clock.now().Add(time.Hour).UnixMilli(),
				}); err != nil {
					return err
				}
			}
		}
		return nil
	})
	if n := in.rows("SELECT count(*) FROM sessions WHERE account_id = ?", a.ID); n > factors.SignInsPerHour+1 {
		t.Errorf("%d sessions", n)
	}
	stranger := in.at("198.51.100.1")
	if r := stranger.post("sign-in", credentials(ann, password)); r.status != 429 || r.err.RetryAfter <= 0 {
		t.Errorf("one more sign-in: %d %s", r.status, r.text)
	}
	stranger.post("sign-in", credentials("bob@example.test", password)).want(t, 200, `{"ok":true}`)
	owner.wantSignedIn()
	owner.post("change-password", `{"currentPassword":"`+password+`","newPassword":"`+replacement+`","confirmNewPassword":"`+replacement+`"}`).
		want(t, 200, `{"ok":true}`)
	owner.post("sign-in", credentials(ann, replacement)).want(t, 200, `{"ok":true}`)
}

// A client that refreshes all the time fills the chain of its session. It stays signed in, and so does one whose
// answers are lost; replays are found out all the same.
func TestTheChainOfASessionIsBounded(t *testing.T) {
	for _, lost := range []bool{false, true} {
		t.Run(fmt.Sprint("answers lost: ", lost), func(t *testing.T) {
			in := openTest(t, nil)
			b := in.signedIn(ann)
			refresh := func() {
				t.Helper()
				in.clock.advance(31 * time.Second)
				if lost {
					b.copy().post("refresh", "").want(t, 200, `{"ok":true}`)
				} else {
					b.post("refresh", "").want(t, 200, `{"ok":true}`)
				}
			}
			refresh()
			refresh()
			until := in.clock.now().Add(in.p.opts.refreshTTL).UnixMilli()
			in.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
				INSERT INTO refresh_tokens (fingerprint, session_id, created_at, expires_at, rotated_at)
				SELECT 'filler ' || i, (SELECT id FROM sessions), ?, ?, ? FROM n`,
				sessions.MaxChain-10, in.clock.now().UnixMilli(), until, in.clock.now().UnixMilli())
			tokens := func() int { return in.rows("SELECT count(*) FROM refresh_tokens") }
			for range 20 {
				refresh()
			}
			if n := tokens(); n != sessions.MaxChain {
				t.Errorf("%d tokens, want %d", n, sessions.MaxChain)
			}
			in.restart()
			kept := b.value(sessions.RefreshCookie)
			in.clock.advance(20 * time.Minute) // the access token has run out
			b.wantSignedIn()
			if b.value(sessions.RefreshCookie) != kept {
				t.Error("the chain is full, and a token was exchanged")
			}
			in.clock.advance(in.p.sessions.SlowExchange())
			b.wantSignedIn()
			if b.value(sessions.RefreshCookie) == kept || tokens() != sessions.MaxChain+1 {
				t.Errorf("no exchange after %v, %d tokens", in.p.sessions.SlowExchange(), tokens())
			}
			most := 0
			for range 40 * 6 {
				in.clock.advance(4 * time.Hour)
				b.wantSignedIn()
				most = max(most, tokens())
			}
			if most > sessions.MaxChain+30 {
				t.Errorf("%d tokens", most)
			}
			if n := tokens(); n > 300 {
				t.Errorf("%d tokens, and those of the first days have expired", n)
			}
		})
	}
}

// A full chain forgets none of its tokens, so a copy of the first one still ends the sessions of the account.
func TestAReplayIsFoundOutInAFullChain(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	copied := b.copy()
	copied.drop(sessions.AccessCookie)
	for range 2 {
		in.clock.advance(31 * time.Second)
		b.post("refresh", "").want(t, 200, `{"ok":true}`)
	}
	in.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO refresh_tokens (fingerprint, session_id, created_at, expires_at, rotated_at)
		SELECT 'filler ' || i, (SELECT id FROM sessions), ?, ?, ? FROM n`,
		sessions.MaxChain, in.clock.now().UnixMilli(), in.clock.now().Add(in.p.opts.refreshTTL).UnixMilli(), in.clock.now().UnixMilli())
	in.clock.advance(31 * time.Second)
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	copied.post("refresh", "").wantStatus(t, 401)
	b.wantSignedOut()
}

func TestAppsAndCodesAreReplaced(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	for range 3 {
		b.post("totp/enrol", "{}").wantStatus(t, 200)
	}
	b.enrol()
	for range 3 {
		b.post("recovery-codes", "{}").wantStatus(t, 200)
	}
	if n := in.rows("SELECT count(*) FROM totp"); n != 1 {
		t.Errorf("%d authenticator apps", n)
	}
	if n := in.rows("SELECT count(*) FROM recovery_codes"); n != factors.RecoveryCodes {
		t.Errorf("%d recovery codes", n)
	}
}

func TestOneTimeTokensAreBounded(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn(ann)
	a := in.accountOf(ann)
	issue := func(kind onetime.Kind, a db.Account) (token string) {
		in.clock.advance(time.Millisecond)
		in.tx(func(q store.Queries) (err error) {
			token, _, err = in.p.onetime.Issue(t.Context(), q, kind, a, "", struct{}{})
			return err
		})
		return token
	}
	good := func(kind onetime.Kind, token string) bool {
		_, err := in.p.onetime.Peek(t.Context(), in.p.store.Read, kind, token, &struct{}{})
		return err == nil
	}
	reset := issue(onetime.Reset, a)
	first := issue(onetime.SecondFactor, a)
	for range onetime.MaxOfAKind {
		issue(onetime.SecondFactor, a)
	}
	last := issue(onetime.SecondFactor, a)
	if n := in.rows("SELECT count(*) FROM one_time_tokens WHERE kind = ?", string(onetime.SecondFactor)); n != onetime.MaxOfAKind {
		t.Errorf("%d second steps, want %d", n, onetime.MaxOfAKind)
	}
	if good(onetime.SecondFactor, first) || !good(onetime.SecondFactor, last) || !good(onetime.Reset, reset) {
		t.Error("not the oldest of the kind goes")
	}

	first = issue(onetime.PasskeyUse, db.Account{})
	in.clock.advance(time.Millisecond)
	now := in.clock.now()
	in.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO one_time_tokens (fingerprint, kind, created_at, expires_at) SELECT 'filler ' || i, ?, ?, ? FROM n`,
		onetime.MaxCeremonies-1, string(onetime.PasskeyUse), now.UnixMilli(), now.Add(onetime.PasskeyUse.Lifetime()).UnixMilli())
	if !good(onetime.PasskeyUse, first) {
		t.Error("a ceremony went before there were too many")
	}
	for range 20 {
		last = issue(onetime.PasskeyUse, db.Account{})
	}
	if n := in.rows("SELECT count(*) FROM one_time_tokens WHERE account_id IS NULL"); n != onetime.MaxCeremonies {
		t.Errorf("%d ceremonies, want %d", n, onetime.MaxCeremonies)
	}
	if good(onetime.PasskeyUse, first) || !good(onetime.PasskeyUse, last) || !good(onetime.Reset, reset) {
		t.Error("not the oldest ceremony goes")
	}
}

func TestWaitingMailIsBounded(t *testing.T) {
	in, _ := openWithMail(t)
	in.signedIn(ann)
	in.signedIn("bob@example.test")
	in.waitEmpty()
	in.p.letters.Outbox.Close() // nothing is delivered any more
	notify := func(q store.Queries, email string, kind letters.Notice) error {
		return in.p.letters.Notify(t.Context(), q, someRequest(), in.accountOf(email), kind, "")
	}
	in.tx(func(q store.Queries) (err error) {
		err = notify(q, ann, letters.NoticePasswordChanged)
		for range letters.LettersOfAKind + 50 {
			if err == nil {
				err = notify(q, ann, letters.NoticeNewSignIn)
			}
		}
		if err == nil {
			err = notify(q, "bob@example.test", letters.NoticeNewSignIn)
		}
		for range letters.LettersWithoutAccount + 50 {
			if err == nil {
				err = in.p.letters.Outbox.Add(t.Context(), q, "", letters.ResetRequest, accounts.ResetRequest{Email: ann}, onetime.Reset.Lifetime())
			}
		}
		return err
	})
	a := in.accountOf(ann)
	for query, want := range map[string]int{
		"account_id = '" + a.ID + "' AND kind = '" + string(letters.NoticeNewSignIn) + "'":       letters.LettersOfAKind,
		"account_id = '" + a.ID + "' AND kind = '" + string(letters.NoticePasswordChanged) + "'": 1,
		"account_id <> '" + a.ID + "'": 1,
		"account_id IS NULL":           letters.LettersWithoutAccount,
	} {
		if n := in.rows("SELECT count(*) FROM mail_outbox WHERE " + query); n != want {
			t.Errorf("%d letters with %s, want %d", n, query, want)
		}
	}
}

// Someone who has another person's browser can make noise in the trail, and cannot cover up with it what they did
// before.
func TestTheTrailIsBounded(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn(ann)
	in.signedIn("bob@example.test")
	a := in.accountOf(ann)
	record := func(kind guard.Event) {
		in.tx(func(q store.Queries) error { return in.p.guard.Record(t.Context(), q, someRequest(), a.ID, kind, "") })
	}
	record(guard.EventPasswordChanged)
	record(guard.EventDisplayNameChanged)
	in.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO security_events (account_id, kind, at) SELECT ?, ?, ? FROM n`,
		guard.EventsOfAKind+guard.SurplusEvents+20, a.ID, string(guard.EventDisplayNameChanged), in.clock.now().UnixMilli())
	in.clock.advance(time.Second)
	for range 5 {
		record(guard.EventDisplayNameChanged)
	}
	for query, want := range map[string]int{
		"account_id = '" + a.ID + "' AND kind = '" + string(guard.EventDisplayNameChanged) + "'": guard.EventsOfAKind,
		"kind = '" + string(guard.EventPasswordChanged) + "'":                                    1,
		"kind = '" + string(guard.EventRegistered) + "'":                                         2,
		fmt.Sprintf("at = %d", in.clock.now().UnixMilli()):                                       5,
	} {
		if n := in.rows("SELECT count(*) FROM security_events WHERE " + query); n != want {
			t.Errorf("%d events with %s, want %d", n, query, want)
		}
	}
}

func TestKeptWindowsAreBounded(t *testing.T) {
	in := openTest(t, nil)
	in.p.behind.Close()
	in.exec(`WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?)
		INSERT INTO rate_windows (key, hits, expires_at) SELECT 'stranger ' || i, '[1]', ? + i FROM n`,
		ratelimit.MaxKeys+500, in.clock.now().Add(time.Minute).UnixMilli())
	in.p.guard.Limits.Take("new", ratelimit.Limit{Max: 1, Window: time.Hour})
	in.p.behind.Write(t.Context())
	if n := in.rows("SELECT count(*) FROM rate_windows"); n != ratelimit.MaxKeys {
		t.Errorf("%d windows, want %d", n, ratelimit.MaxKeys)
	}
	for key, want := range map[string]int{"new": 1, "stranger 1": 0, fmt.Sprint("stranger ", ratelimit.MaxKeys+500): 1} {
		if n := in.rows("SELECT count(*) FROM rate_windows WHERE key = ?", key); n != want {
			t.Errorf("%q: %d rows, want %d", key, n, want)
		}
	}
}
