package basicauth

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/mail/smtptest"
	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// years is by how much the clock is ahead in these tests.
const years = 10 * 365 * 24 * time.Hour

// beliefs says for every number of the schema whether it is a time, and if so how far ahead of now it can lie once the
// clock was found to have been ahead. A new column needs a line.
var beliefs = map[string]func(*provider) time.Duration{
	"accounts.token_version": nil,
	"accounts.disabled_at":   noLater, // whether it is set is all that counts
	"accounts.created_at":    noLater,
	"accounts.updated_at":    noLater,
	"accounts.founder":       nil,

	"accounts.factor_demanded_at":   noLater,
	"accounts.factor_excused_until": func(*provider) time.Duration { return or3cloud.LongestExcuse },

	"clock.set_back_at": noLater,

	"deleted_accounts.access_until": func(p *provider) time.Duration { return p.opts.accessTTL + p.opts.grace + sessions.ClockSkew },

	"sessions.token_version":    nil,
	"sessions.created_at":       noLater,
	"sessions.expires_at":       func(p *provider) time.Duration { return p.opts.refreshTTL },
	"sessions.ends_at":          func(p *provider) time.Duration { return p.opts.sessionTTL },
	"sessions.access_until":     func(p *provider) time.Duration { return p.opts.accessTTL + p.opts.grace + sessions.ClockSkew },
	"sessions.revoked_at":       noLater,
	"sessions.authenticated_at": noLater,
	"sessions.last_seen_at":     noLater,

	"refresh_tokens.created_at":  noLater,
	"refresh_tokens.expires_at":  func(p *provider) time.Duration { return p.opts.refreshTTL },
	"refresh_tokens.rotated_at":  noLater,
	"refresh_tokens.used_at":     noLater,
	"refresh_tokens.replaced_at": noLater,

	"totp.confirmed_at": noLater,
	"totp.created_at":   noLater,
	"totp.last_step":    func(*provider) time.Duration { return store.Tolerance }, // in steps

	"passkeys.created_at":   noLater,
	"passkeys.last_used_at": noLater,

	"one_time_tokens.token_version": nil,
	"one_time_tokens.attempts":      nil,
	"one_time_tokens.created_at":    noLater, // and the row is gone
	"one_time_tokens.expires_at":    func(*provider) time.Duration { return onetime.Reset.Lifetime() + store.Tolerance },

	"mail_outbox.id":              nil,
	"mail_outbox.created_at":      nil, // part of the seal, and nothing else
	"mail_outbox.expires_at":      func(*provider) time.Duration { return letters.NoticeLifetime },
	"mail_outbox.attempts":        nil,
	"mail_outbox.next_attempt_at": func(*provider) time.Duration { return letters.LongestBackOff },

	// Why mail was not delivered is shown to administrators, and nothing else.
	"mail_outbox.fault_at":   nil,
	"mail_outbox.fault_code": nil,
	"lost_mail.id":           nil,
	"lost_mail.created_at":   nil,
	"lost_mail.lost_at":      nil,
	"lost_mail.attempts":     nil,
	"lost_mail.fault_at":     nil,
	"lost_mail.fault_code":   nil,

	"security_events.id": nil,
	"security_events.at": noLater,

	"store_stamp.id":          nil,
	"store_stamp.step":        nil,
	"store_stamp.high":        nil,
	"store_stamp.at":          nil, // written again at each start; what says that the clock was ahead (internal/sqlitex)
	"store_stamp.restored_at": nil, // refuses nothing while it lies ahead: see revocations.permit

	"rate_windows.hits":       nil, // the limiter judges each (internal/ratelimit)
	"rate_windows.expires_at": func(*provider) time.Duration { return guard.LongestWindow },
}

func noLater(*provider) time.Duration { return 0 }

// timeColumns returns the columns that can hold times: all numbers, and the one that holds a list of them.
func (in *instance) timeColumns() (out []string) {
	in.t.Helper()
	rows, err := in.p.store.File.Read.Query(`SELECT m.name || '.' || c.name FROM sqlite_schema m JOIN pragma_table_info(m.name) c
		WHERE m.type = 'table' AND m.name NOT LIKE 'sqlite_%' AND m.name NOT LIKE 'goose%'
		AND (c.type NOT IN ('TEXT', 'BLOB') OR c.name = 'hits') ORDER BY 1`)
	if err != nil {
		in.t.Fatal(err)
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			in.t.Fatal(err)
		}
		out = append(out, name)
	}
	return out
}

func TestEveryStoredTimeIsBelievedWithinBounds(t *testing.T) {
	for name, notice := range map[string]func(*instance){
		"noticed at the start": func(in *instance) { in.restart() },
		"noticed on the way": func(in *instance) {
			in.clock.advance(years)
			in.p.now()
			in.clock.advance(-years)
			in.p.behind.Write(in.t.Context())
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := openTest(t, nil)
			columns := in.timeColumns()
			for _, c := range columns {
				if _, listed := beliefs[c]; !listed {
					t.Errorf("%s has no line that says how it is believed", c)
				}
			}
			if len(columns) != len(beliefs) {
				t.Errorf("%d columns, %d lines", len(columns), len(beliefs))
			}
			b := in.signedIn(ann)
			b.post("refresh", "").want(t, 200, `{"ok":true}`)
			b.enrol()
			now, far := in.clock.now(), in.clock.now().Add(years).UnixMilli()
			account := b.wantSignedIn().UserID
			in.exec("INSERT INTO deleted_accounts VALUES ('gone', 0)")
			in.exec("INSERT INTO passkeys (id, account_id, name, credential, created_at) VALUES ('key', ?, '', '{}', 0)", account)
			in.exec("INSERT INTO one_time_tokens (fingerprint, kind, account_id, created_at, expires_at) VALUES ('one', 'reset', ?, 0, 0)", account)
			in.exec("INSERT INTO mail_outbox (kind, sealed, created_at, expires_at, next_attempt_at) VALUES ('', x'00', 0, 0, 0)")
			in.exec("INSERT INTO rate_windows VALUES ('key', '[]', 0)")
			for _, c := range columns {
				table, column, _ := strings.Cut(c, ".")
				value := far
				if column == "last_step" {
					value = far / 1000 / factors.TOTPPeriod
				}
				if beliefs[c] != nil {
					in.exec("UPDATE "+table+" SET "+column+" = ?", value)
				}
			}
			notice(in)
			for _, c := range columns {
				bound := beliefs[c]
				if bound == nil {
					continue
				}
				table, column, _ := strings.Cut(c, ".")
				most := now.Add(bound(in.p)).UnixMilli()
				if column == "last_step" {
					most = now.Add(bound(in.p)).Unix()/factors.TOTPPeriod + factors.TOTPSkew
				}
				if n := in.rows("SELECT COUNT(*) FROM "+table+" WHERE "+column+" > ?", most); n != 0 {
					t.Errorf("%s is believed beyond its bound", c)
				}
			}
			if !strings.Contains(in.log.String(), "the clock") {
				t.Error("the log does not say that the clock was ahead")
			}
		})
	}
}

// ahead runs act while the clock is ten years ahead.
func (in *instance) ahead(act func()) {
	in.clock.advance(years)
	act()
	in.clock.advance(-years)
}

// Nothing that was done while the clock was ahead holds, or counts as new, when it is right again. Each case is tried
// with a process that goes on, before and after it has settled what is stored, and with one that starts again.
func TestNothingWaitsForAClockThatWasAhead(t *testing.T) {
	day := 24 * time.Hour
	for name, c := range map[string]func(t *testing.T, in *instance, right func()){
		"guesses": func(t *testing.T, in *instance, right func()) {
			in.signedIn(ann)
			b := in.at("198.51.100.1")
			in.ahead(func() {
				for range guard.GuessesPerNetwork {
					b.guess(ann, "wrong password").want(t, 401, "Invalid credentials")
				}
				b.guess(ann, password).want(t, 429, "Too many requests")
			})
			right()
			b.guess(ann, password).want(t, 200, `{"ok":true}`)
		},
		"guarded account": func(t *testing.T, in *instance, right func()) {
			in.signedIn(ann)
			in.ahead(func() {
				for range guard.GuardedAfter {
					in.p.guard.GuessesAt(ann, "198.51.100.1").Wrong()
				}
			})
			right()
			if in.p.guard.GuessesAt(ann, "198.51.100.2").Guarded {
				t.Error("the account is still guarded")
			}
		},
		"requests of an address": func(t *testing.T, in *instance, right func()) {
			b := in.browser()
			in.ahead(func() {
				for range factors.SignInLimit {
					b.post("sign-in", "{}").wantStatus(t, 400)
				}
				b.post("sign-in", "{}").wantStatus(t, 429)
			})
			right()
			b.post("sign-in", "{}").wantStatus(t, 400)
		},
		"wrong codes": func(t *testing.T, in *instance, right func()) {
			phone, _ := in.signedIn(ann).enrol()
			in.ahead(func() {
				for range factors.WrongCodesPerHour / 4 {
					b := in.browser()
					challenge := b.challenge(ann)
					in.clock.advance(time.Minute)
					for range 4 {
						b.post("second-factor", body("challenge", challenge, "code", "000")).wantStatus(t, 401)
					}
				}
				b := in.browser()
				b.post("second-factor", body("challenge", b.challenge(ann), "code", phone.next())).wantStatus(t, 429)
			})
			right()
			b := in.browser()
			b.post("second-factor", body("challenge", b.challenge(ann), "code", phone.next())).want(t, 200, `{"ok":true}`)
		},
		"authenticator app": func(t *testing.T, in *instance, right func()) {
			phone, _ := in.signedIn(ann).enrol()
			in.ahead(func() {
				b := in.browser()
				b.post("second-factor", body("challenge", b.challenge(ann), "code", phone.next())).want(t, 200, `{"ok":true}`)
			})
			right()
			code := phone.next()
			b := in.browser()
			b.post("second-factor", body("challenge", b.challenge(ann), "code", code)).want(t, 200, `{"ok":true}`)
			b.post("second-factor", body("challenge", b.challenge(ann), "code", code)).wantCode(t, 401, "invalid_code")
		},
		"app set up then": func(t *testing.T, in *instance, right func()) {
			var phone app
			in.ahead(func() { phone, _ = in.signedIn(ann).enrol() })
			right()
			b := in.browser()
			b.post("second-factor", body("challenge", b.challenge(ann), "code", phone.next())).want(t, 200, `{"ok":true}`)
		},
		"proof": func(t *testing.T, in *instance, right func()) {
			var b *browser
			in.ahead(func() { b = in.signedIn(ann) })
			right()
			b.post("totp/enrol", "{}").wantCode(t, 403, "reauthentication_required")
			b.post("reauthenticate", body("password", password)).want(t, 200, `{"ok":true}`)
			b.post("totp/enrol", "{}").wantStatus(t, 200)
		},
		"grace of a token": func(t *testing.T, in *instance, right func()) {
			in.env.Config = config{settingRefreshTTL: "315360000"} // years, or the token would have expired
			in.restart()
			b := in.signedIn(ann)
			elsewhere := in.browser()
			elsewhere.post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
			old := b.copy()
			in.ahead(func() {
				in.exec("UPDATE sessions SET expires_at = expires_at + ?, ends_at = ends_at + ?", years.Milliseconds(), years.Milliseconds())
				in.exec("UPDATE refresh_tokens SET expires_at = expires_at + ?", years.Milliseconds())
				b.post("refresh", "").want(t, 200, `{"ok":true}`)
			})
			right()
			in.clock.advance(time.Hour)
			old.drop(sessions.AccessCookie)
			old.wantSignedOut()
			b.wantSignedOut()        // no one knows which of the two came first,
			elsewhere.wantSignedIn() // but it is nothing that speaks against other sessions
		},
		"idle end": func(t *testing.T, in *instance, right func()) {
			var b *browser
			in.ahead(func() { b = in.signedIn(ann) })
			right()
			in.p.behind.Write(t.Context())
			c := b.copy()
			in.clock.advance(30*day - time.Minute)
			c.wantSignedIn()
			d := c.copy()
			in.clock.advance(30 * day)
			d.wantSignedOut()
		},
		"absolute end": func(t *testing.T, in *instance, right func()) {
			var b *browser
			in.ahead(func() { b = in.signedIn(ann) })
			right()
			for range 9 {
				b.wantSignedIn()
				in.clock.advance(20 * day)
			}
			b.wantSignedOut()
		},
		"reset link": func(t *testing.T, in *instance, right func()) {
			in.signedIn(ann)
			var fragment string
			in.ahead(func() {
				var err error
				if fragment, _, err = in.admin().ResetLink(t.Context(), ann); err != nil {
					t.Fatal(err)
				}
			})
			right()
			in.clock.advance(time.Hour)
			in.browser().post("reset-password", newPassword(strings.TrimPrefix(fragment, "reset="), "a brand new secret")).wantCode(t, 400, "invalid_token")
		},
		"challenge": func(t *testing.T, in *instance, right func()) {
			phone, _ := in.signedIn(ann).enrol()
			b := in.browser()
			var challenge string
			in.ahead(func() { challenge = b.challenge(ann) })
			right()
			in.clock.advance(time.Hour)
			b.post("second-factor", body("challenge", challenge, "code", phone.next())).wantCode(t, 400, "invalid_token")
		},
		"passkey ceremony": func(t *testing.T, in *instance, right func()) {
			d := newAuthenticator(in)
			d.register(in.signedIn(ann), "one").wantStatus(t, 200)
			b := in.browser()
			var options ceremonyOptions
			in.ahead(func() { options = b.options() })
			right()
			in.clock.advance(time.Hour)
			b.post("passkeys/sign-in", finish(options.Challenge, d.sign(options.PublicKey))).wantCode(t, 400, "invalid_token")
			d.signIn(b).want(t, 200, `{"ok":true}`)
		},
		"access token": func(t *testing.T, in *instance, right func()) {
			var b *browser
			in.ahead(func() { b = in.signedIn(ann) })
			right()
			if b.duringAnswer() != nil {
				t.Error("a token of the future is believed")
			}
			b.wantSignedIn() // renewed in place
			if b.duringAnswer() == nil {
				t.Error("the new token is not believed")
			}
		},
		"revoked session": func(t *testing.T, in *instance, right func()) {
			b := in.signedIn(ann)
			stolen := b.copy()
			b.post("sign-out", "").want(t, 200, `{"ok":true}`)
			in.clock.advance(time.Second)
			in.ahead(func() {
				in.signedIn("bob@example.test").post("sign-out", "") // forgets what has expired, in memory
				in.p.store.Tx(t.Context(), func(q store.Queries) error { return store.Prune(t.Context(), q, in.p.now(), in.p.opts.grace) })
			})
			right()
			if stolen.duringAnswer() != nil {
				t.Error("an access token of a session that was ended lives again")
			}
		},
		"which session is the oldest": func(t *testing.T, in *instance, right func()) {
			var old *browser
			in.ahead(func() { old = in.signedIn(ann) })
			right()
			in.p.now()
			in.p.behind.Write(t.Context())
			in.clock.advance(time.Hour)
			others := []*browser{in.browser(), in.browser()}
			for _, b := range others {
				b.guess(ann, password).want(t, 200, `{"ok":true}`)
			}
			err := in.p.store.Tx(t.Context(), func(q store.Queries) error {
				a, err := q.AccountByEmail(t.Context(), ann)
				if err != nil {
					return err
				}
				_, err = q.EndOldestSessions(t.Context(), db.EndOldestSessionsParams{AccountID: a.ID, Keep: 2, Now: in.p.now().UnixMilli()})
				return err
			})
			if err != nil {
				t.Fatal(err)
			}
			for _, b := range append(others, old) {
				b.drop(sessions.AccessCookie)
			}
			others[0].wantSignedIn()
			others[1].wantSignedIn()
			old.wantSignedOut()
		},
	} {
		for way, right := range map[string]func(*instance){
			"at once": func(*instance) {},
			"settled": func(in *instance) { in.p.now(); in.p.behind.Write(in.t.Context()) },
			"started": func(in *instance) { in.restart() },
		} {
			t.Run(name+", "+way, func(t *testing.T) {
				t.Parallel()
				in := openTest(t, nil)
				c(t, in, func() { right(in) })
			})
		}
	}
}

// Mail, the notices about failures and the number of reset links have their own clock: that of the outbox.
func TestMailDoesNotWaitForAClockThatWasAhead(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{})
	in := openTest(t, withMail(server))
	in.signedIn(ann)
	server.Stop()
	in.ahead(func() {
		in.put("from the future", letters.NoticeLifetime)
		in.waitFor("an attempt", func() bool { return in.rows("SELECT COUNT(*) FROM mail_outbox WHERE attempts > 0") == 1 })
	})
	in.p.letters.Outbox.Rouse()
	in.waitFor("another attempt", func() bool { return in.rows("SELECT COUNT(*) FROM mail_outbox WHERE attempts > 1") == 1 })
	in.clock.advance(letters.NoticeLifetime)
	in.p.letters.Outbox.Rouse()
	in.waitEmpty()
}

func TestResetLinksDoNotWaitForAClockThatWasAhead(t *testing.T) {
	in, server := openWithMail(t)
	in.signedIn(ann)
	in.ahead(func() {
		for range accounts.ResetMails {
			in.asks(server, ann)
		}
	})
	token := in.asks(server, ann)
	in.browser().post("reset-password", newPassword(token, "a brand new secret")).want(t, 200, `{"ok":true}`)
	if got := in.subjects(server); len(got) != 1 {
		t.Errorf("mail %q", got)
	}
}

func TestFailuresAreToldAgainAfterTheClockWasAhead(t *testing.T) {
	in, server := openWithMail(t)
	in.signedIn(ann)
	tell := func() int {
		t.Helper()
		err := in.p.store.Tx(t.Context(), func(q store.Queries) error {
			a, err := q.AccountByEmail(t.Context(), ann)
			if err != nil {
				return err
			}
			r := in.browserRequest()
			for range letters.ManyFailures {
				if err := in.p.guard.Record(t.Context(), q, r, a.ID, guard.EventSignInFailed, ""); err != nil {
					return err
				}
			}
			return in.p.letters.TellOfFailures(t.Context(), q, r, a)
		})
		if err != nil {
			t.Fatal(err)
		}
		return len(in.subjects(server))
	}
	in.ahead(func() {
		if n := tell(); n != 1 {
			t.Fatalf("%d notices", n)
		}
	})
	if n := tell(); n != 1 {
		t.Errorf("%d notices after the clock was set right", n)
	}
}

func (in *instance) browserRequest() *or3cloud.Request {
	r := in.browser().send(httptest.NewRequest(http.MethodPost, "http://cloud.test/", nil))
	return &or3cloud.Request{Request: r, ClientIP: "192.0.2.1", ResponseHeader: http.Header{}}
}

// The trail shows what is new first, also after a time in the future.
func TestTheTrailGoesOnAfterTheClockWasAhead(t *testing.T) {
	in := openTest(t, nil)
	var b *browser
	in.ahead(func() { b = in.signedIn(ann) })
	in.p.now()
	in.p.behind.Write(t.Context())
	in.clock.advance(time.Minute)
	b.post("display-name", `{"displayName":"A"}`).want(t, 200, `{"ok":true}`)
	var got struct {
		Events []struct {
			Kind string
			At   time.Time
		}
	}
	b.get("events").decode(t, &got)
	if len(got.Events) != 2 || got.Events[0].Kind != "display_name_changed" || got.Events[1].At.After(in.clock.now()) {
		t.Errorf("%+v", got)
	}
	in.clock.advance(store.EventsKept + time.Hour)
	in.p.store.Tx(t.Context(), func(q store.Queries) error { return store.Prune(t.Context(), q, in.p.now(), in.p.opts.grace) })
	in.wantEvents()
}

// Small corrections of the clock are no one's business: whatever was valid stays so.
func TestSmallCorrectionsOfTheClock(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	in.clock.advance(store.Tolerance)
	b.post("reauthenticate", body("password", password)).want(t, 200, `{"ok":true}`)
	old := b.copy()
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	in.clock.advance(-store.Tolerance)
	old.post("refresh", "").want(t, 200, `{"ok":true}`)
	if old.value(sessions.RefreshCookie) != b.value(sessions.RefreshCookie) {
		t.Error("the grace window was forgotten")
	}
	b.post("totp/enrol", "{}").wantStatus(t, 200)
	if in.p.clock.SetBack.Load() != 0 {
		t.Error("a small correction ends access tokens")
	}
}
