package basicauth

import (
	"errors"
	"fmt"
	"math/rand"
	"slices"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/internal/breaker"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/secret"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

const lostEmail = "ann@example.test"

// refreshLost refreshes with the cookies of a browser, which never gets the answer. It returns a browser that did.
func (b *browser) refreshLost() *browser {
	b.in.t.Helper()
	lost := b.copy()
	lost.post("refresh", "").want(b.in.t, 200, `{"ok":true}`)
	return lost
}

func TestALostAnswerSignsNoOneOut(t *testing.T) {
	for name, repeat := range map[string]func(*browser) error{
		"refresh": func(b *browser) error {
			if a := b.post("refresh?silent=1", ""); a.text != `{"ok":true}` {
				return fmt.Errorf("%d %s", a.status, a.text)
			}
			return nil
		},
		"in place": func(b *browser) error {
			b.drop(sessions.AccessCookie)
			if s, err := b.session(); s == nil || err != nil {
				return fmt.Errorf("%v, %v", s, err)
			}
			return nil
		},
	} {
		for _, restart := range []bool{false, true} {
			t.Run(fmt.Sprint(name, " restart: ", restart), func(t *testing.T) {
				in := openTest(t, nil)
				phone := in.signedIn(lostEmail)
				desk := in.browser()
				desk.post("sign-in", credentials(lostEmail, password)).want(t, 200, `{"ok":true}`)
				for _, later := range []time.Duration{31 * time.Second, 20 * time.Minute, 9 * 24 * time.Hour} {
					before := phone.value(sessions.RefreshCookie)
					phone.refreshLost()
					in.clock.advance(later)
					if restart {
						in.restart()
					}
					if err := repeat(phone); err != nil {
						t.Fatalf("repeated %v later: %v", later, err)
					}
					if phone.value(sessions.RefreshCookie) == before {
						t.Error("the answer has no new token")
					}
					phone.wantSignedIn()
					desk.wantSignedIn()
					in.wantOneEnd()
				}
			})
		}
	}
}

// An answer can be lost several times in a row; the first token is the one before the live one each time.
func TestAnswersLostAgainAndAgain(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(lostEmail)
	for range 5 {
		b.refreshLost()
		in.clock.advance(time.Hour)
	}
	// The parallel requests of the page that opens in the end: all get the same token.
	tab := b.copy()
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	tab.post("refresh", "").want(t, 200, `{"ok":true}`)
	if tab.value(sessions.RefreshCookie) != b.value(sessions.RefreshCookie) {
		t.Error("two tabs have different tokens")
	}
	in.wantOneEnd()
	in.wantEvents("registered")
}

// wantOneEnd checks that no session has two live ends of its chain.
func (in *instance) wantOneEnd() {
	in.t.Helper()
	var most int
	err := in.p.store.File.Read.QueryRow(`SELECT COALESCE(MAX(n), 0) FROM (SELECT count(*) AS n FROM refresh_tokens
		WHERE rotated_at IS NULL AND replaced_at IS NULL GROUP BY session_id)`).Scan(&most)
	if err != nil || most > 1 {
		in.t.Fatalf("%d live tokens of one session, %v", most, err)
	}
}

// Both have a copy of a token. Whatever they do with the tokens they get for it, using both branches ends every
// session.
func TestTwoThatShareATokenAreFoundOut(t *testing.T) {
	const used, unused = true, false
	for name, c := range map[string]struct {
		// use is what the first one does with what it has received before the second one repeats the token.
		use func(*browser)
		// wasUsed says that the repetition must be refused.
		wasUsed bool
	}{
		"access token":                  {func(b *browser) { b.wantSignedIn() }, used},
		"access token in a stream":      {func(b *browser) { b.duringAnswer() }, used},
		"access token, then a restart":  {func(b *browser) { b.wantSignedIn(); b.in.restart() }, used},
		"refresh token":                 {func(b *browser) { b.post("refresh", "") }, used},
		"refresh token, then a restart": {func(b *browser) { b.post("refresh", ""); b.in.restart() }, used},
		"its name":                      {func(b *browser) { b.post("display-name", `{"displayName":"A"}`) }, used},
		"nothing":                       {func(*browser) {}, unused},
		"nothing, then a restart":       {func(b *browser) { b.in.restart() }, unused},
	} {
		t.Run(name, func(t *testing.T) {
			in := openTest(t, nil)
			first := in.signedIn(lostEmail)
			elsewhere := in.browser()
			elsewhere.post("sign-in", credentials(lostEmail, password)).want(t, 200, `{"ok":true}`)
			second := first.copy()
			first.post("refresh", "").want(t, 200, `{"ok":true}`)
			c.use(first)
			in.clock.advance(31 * time.Second)
			second.drop(sessions.AccessCookie)
			if c.wasUsed {
				second.wantSignedOut()
			} else {
				second.wantSignedIn()
				if first.duringAnswer() != nil {
					t.Error("the access token of the dead end still lives")
				}
				first.wantSignedOut() // its refresh token is invalid, and was shown: a replay
			}
			for _, b := range []*browser{first, second, elsewhere} {
				b.wantSignedOut()
			}
			in.restart()
			for _, b := range []*browser{first, second, elsewhere} {
				b.wantSignedOut()
			}
			if n := slices.Index(in.events(lostEmail), string(guard.EventTokenReplayed)); n < 0 {
				t.Errorf("events %q", in.events(lostEmail))
			}
		})
	}
}

// The access tokens of a branch that was replaced stay invalid after a restart.
func TestReplacedAccessTokensStayDead(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(lostEmail)
	lost := b.refreshLost()
	in.clock.advance(31 * time.Second)
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	for step := time.Duration(0); step < in.p.opts.accessTTL; step += time.Minute {
		in.restart()
		if lost.duringAnswer() != nil {
			t.Fatalf("believed %v later", step)
		}
		in.p.sessions.Revoked.RevokeSession("another", in.clock.now()) // sweeps
		if lost.duringAnswer() != nil {
			t.Fatalf("believed %v later", step)
		}
		in.clock.advance(time.Minute)
	}
	b.wantSignedIn()
}

// Only the token before the live one can be repeated.
func TestAnOlderTokenIsAReplay(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(lostEmail)
	oldest := b.copy()
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
	b.refreshLost()
	in.clock.advance(31 * time.Second)
	oldest.post("refresh", "").want(t, 401, "Session expired")
	b.wantSignedOut()
}

// An access token that a request is given in place is of the same generation as the refresh token beside it, even when
// the answer replaces the access token for another reason.
func TestAccessTokensNameTheirGeneration(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(lostEmail)
	generations := func(b *browser) (access, refresh string) {
		c := in.p.sessions.Access.Verify(b.value(sessions.AccessCookie))
		if c == nil {
			t.Fatal("no access token")
		}
		return c.Generation, secret.Fingerprint(b.value(sessions.RefreshCookie))[:sessions.GenerationMark]
	}
	if access, _ := generations(b); access != "" {
		t.Errorf("the first token of a session: %q", access)
	}
	for name, act := range map[string]func(*browser){
		"refresh":     func(b *browser) { b.post("refresh", "") },
		"parallel":    func(b *browser) { tab := b.copy(); b.post("refresh", ""); tab.post("refresh", ""); b.jar = tab.jar },
		"in place":    func(b *browser) { b.drop(sessions.AccessCookie); b.wantSignedIn() },
		"name":        func(b *browser) { b.post("display-name", `{"displayName":"A"}`) },
		"name, stale": func(b *browser) { b.drop(sessions.AccessCookie); b.post("display-name", `{"displayName":"B"}`) },
		"proof":       func(b *browser) { b.post("reauthenticate", `{"password":"`+password+`"}`) },
		"beyond limit": func(b *browser) {
			for range sessions.MaxRotations + 3 {
				b.post("refresh", "")
			}
		},
	} {
		in.clock.advance(time.Minute)
		b.post("refresh", "")
		act(b)
		if access, refresh := generations(b); access != refresh {
			t.Errorf("%s: %q beside %q", name, access, refresh)
		}
	}
	// An answer that was lost: the page goes on with the access token that it has, and gets a new one for its name.
	b.refreshLost()
	b.post("display-name", `{"displayName":"C"}`).want(t, 200, `{"ok":true}`)
	if access, refresh := generations(b); access != refresh {
		t.Errorf("after a lost answer: %q beside %q", access, refresh)
	}
	b.wantSignedIn()
	in.clock.advance(31 * time.Second)
	b.post("refresh", "").want(t, 200, `{"ok":true}`)
}

// The record that a token was seen is written once and only while it matters; if it cannot be written, it is tried
// again.
func TestSightings(t *testing.T) {
	in := openTest(t, nil)
	in.p.behind.Close()
	defer in.p.behind.Start()
	b := in.signedIn(lostEmail)
	b.wantSignedIn()
	if len(in.p.sessions.Sightings.Waiting(10)) != 0 {
		t.Error("the first token of a session needs no note")
	}
	b.post("refresh", "")
	b.wantSignedIn()
	b.wantSignedIn()
	var used int
	count := func() int {
		if err := in.p.store.File.Read.QueryRow("SELECT count(*) FROM refresh_tokens WHERE used_at IS NOT NULL").Scan(&used); err != nil {
			t.Fatal(err)
		}
		return used
	}
	if len(in.p.sessions.Sightings.Waiting(10)) != 1 || count() != 0 {
		t.Errorf("%d notes wait, %d are written", len(in.p.sessions.Sightings.Waiting(10)), used)
	}
	whole := in.p.store.Breaker
	in.p.store.Breaker = breaker.New(breaker.Options{Store: "the accounts", Log: in.p.log, Refuse: store.Unavailable})
	in.p.store.Breaker.Trip("test", errors.New("full"))
	in.p.behind.Write(t.Context())
	if len(in.p.sessions.Sightings.Waiting(10)) != 1 {
		t.Error("a note that could not be written is lost")
	}
	in.p.store.Breaker = whole
	in.p.behind.Write(t.Context())
	if len(in.p.sessions.Sightings.Waiting(10)) != 0 || count() != 1 {
		t.Errorf("%d notes wait, %d are written", len(in.p.sessions.Sightings.Waiting(10)), used)
	}
	b.wantSignedIn()
	if len(in.p.sessions.Sightings.Waiting(10)) != 0 {
		t.Error("noted again")
	}
}

// party is someone with cookies in a random history: the owner, or a thief with a copy.
type party struct{ *browser }

// step does something random with the cookies of a party and reports whether it was refused.
func (w *party) step(r *rand.Rand) (refused bool) {
	act := w.browser
	if lost := r.Intn(3) == 0; lost {
		act = w.browser.copy() // the answer never arrives
	}
	var ok bool
	switch r.Intn(4) {
	case 0:
		ok = act.post("refresh?silent=1", "").text == `{"ok":true}`
	case 1: // parallel tabs
		tabs := []*browser{act.copy(), act.copy(), act}
		for _, tab := range tabs {
			ok = tab.post("refresh?silent=1", "").text == `{"ok":true}`
		}
	case 2:
		act.drop(sessions.AccessCookie)
		fallthrough
	default:
		s, err := act.session()
		ok = s != nil && err == nil
	}
	return !ok
}

// Random histories of one browser that loses answers, with restarts and small corrections of the clock: it is never
// signed out. With a thief who copied its cookies at some moment, the two never both go on: once both have been served
// from different branches, and both show up again, no session is left.
func TestRandomHistoriesOfLostAnswers(t *testing.T) {
	for seed := range int64(12) {
		for _, theft := range []bool{false, true} {
			r := rand.New(rand.NewSource(seed))
			in := openTest(t, nil)
			owner := &party{browser: in.signedIn(lostEmail)}
			var thief *party
			var history []string
			ended := false
			newest := in.clock.now()
			for n := range 40 {
				if in.clock.now().After(newest) {
					newest = in.clock.now()
				}
				switch k := r.Intn(12); {
				case k == 0:
					history = append(history, "restart")
					in.restart()
				case k < 3:
					d := time.Duration(r.Int63n(int64(40 * time.Second)))
					history = append(history, fmt.Sprint("+", d))
					in.clock.advance(d)
				case k < 5:
					d := time.Duration(r.Int63n(int64(36 * time.Hour)))
					history = append(history, fmt.Sprint("+", d))
					in.clock.advance(d)
				case k == 5:
					d := time.Duration(r.Int63n(int64(store.Tolerance)))
					if in.clock.now().Add(-d).After(newest.Add(-store.Tolerance)) {
						history = append(history, fmt.Sprint("-", d))
						in.clock.advance(-d)
					}
				case k < 8 && thief != nil:
					refused := thief.step(r)
					history = append(history, fmt.Sprint("thief refused: ", refused))
				default:
					refused := owner.step(r)
					history = append(history, fmt.Sprint("owner refused: ", refused))
					ended = ended || refused
				}
				if theft && thief == nil && n > 5 {
					history = append(history, "theft")
					thief = &party{browser: owner.copy()}
				}
				in.wantOneEnd()
				if ended {
					break
				}
			}
			if !theft && ended {
				t.Fatalf("seed %d: an honest browser was signed out: %s", seed, strings.Join(history, ", "))
			}
			if theft && !ended {
				wantOneOfTwo(t, in, owner.browser, thief.browser, seed, history)
			}
			in.Close()
		}
	}
}

// wantOneOfTwo lets two parties take turns, beyond every grace, until it is clear that at most one of them goes on.
func wantOneOfTwo(t *testing.T, in *instance, a, b *browser, seed int64, history []string) {
	t.Helper()
	alive := func(b *browser) bool {
		s, err := b.session()
		return s != nil && err == nil
	}
	for range 4 {
		for _, who := range []*browser{a, b} {
			in.clock.advance(16 * time.Minute)
			alive(who)
			in.wantOneEnd()
		}
	}
	in.clock.advance(16 * time.Minute)
	if alive(a) && alive(b) {
		t.Fatalf("seed %d: a thief goes on beside the owner: %s", seed, strings.Join(history, ", "))
	}
}
