package basicauth

import (
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/logx"
	"or3.chat/cloud/internal/passwd"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
)

// at is a browser at an address.
func (in *instance) at(address string) *browser {
	b := in.browser()
	b.address = address
	return b
}

// The limit on one address's requests comes first in a real flood; here each attempt has its own minute.
func (b *browser) guess(email, password string) answer {
	b.in.clock.advance(time.Minute)
	return b.post("sign-in", credentials(email, password))
}

func TestGuessesOfOneNetworkRunOutForItselfOnly(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn("ann@example.test")
	in.signedIn("bob@example.test")
	attacker, owner := in.at("198.51.100.7"), in.at("192.0.2.1")
	for i := range guard.GuessesPerNetwork {
		attacker.guess("ann@example.test", fmt.Sprint("guess number ", i)).want(t, 401, "Invalid credentials")
	}
	a := attacker.guess("ann@example.test", password).want(t, 429, "Too many requests")
	a.wantCookiesKept(t)
	a.wantRefusal(t, 429, "rate_limited", "")
	if a.err.RetryAfter <= 0 || a.err.RetryAfter > guard.GuessesWindow {
		t.Errorf("retry after %v", a.err.RetryAfter)
	}
	attacker.guess("ANN@example.test", password).want(t, 429, "Too many requests")
	attacker.guess("bob@example.test", password).want(t, 200, `{"ok":true}`)
	owner.guess("ann@example.test", password).want(t, 200, `{"ok":true}`)

	in.restart()
	attacker.guess("ann@example.test", password).want(t, 429, "Too many requests")
	in.clock.advance(guard.GuessesWindow)
	attacker.guess("ann@example.test", password).want(t, 200, `{"ok":true}`)
}

func TestTheRightPasswordForgetsTheWrongOnes(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn("ann@example.test")
	b := in.at("198.51.100.7")
	for range 3 {
		for range guard.GuessesPerNetwork - 1 {
			b.guess("ann@example.test", "wrong").want(t, 401, "Invalid credentials")
		}
		b.guess("ann@example.test", password).want(t, 200, `{"ok":true}`)
	}
}

// Limits must not tell an account that exists from one that does not.
func TestUnknownAddressesHaveTheSameLimits(t *testing.T) {
	in := openTest(t, nil)
	b := in.at("198.51.100.7")
	for range guard.GuessesPerNetwork {
		b.guess("nobody@example.test", "wrong").want(t, 401, "Invalid credentials")
	}
	b.guess("nobody@example.test", "wrong").want(t, 429, "Too many requests")
}

func TestAnIPv6NetworkIsOneGuesser(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn("ann@example.test")
	for i := range guard.GuessesPerNetwork {
		in.at(fmt.Sprintf("2001:db8:1:2::%x", i)).guess("ann@example.test", "wrong").want(t, 401, "Invalid credentials")
	}
	in.at("2001:db8:1:2:ffff::").guess("ann@example.test", password).want(t, 429, "Too many requests")
	in.at("2001:db8:1:3::1").guess("ann@example.test", password).want(t, 200, `{"ok":true}`)
}

func TestParallelGuessesAreNotFree(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn("ann@example.test")
	b := in.at("198.51.100.7")
	var looked, refused atomic.Int32
	var wg sync.WaitGroup
	for range factors.SignInLimit {
		wg.Go(func() {
			switch a := b.copy().post("sign-in", credentials("ann@example.test", "wrong")); a.status {
			case 401:
				looked.Add(1)
			case 429:
				refused.Add(1)
			default:
				t.Errorf("%d %s", a.status, a.text)
			}
		})
	}
	wg.Wait()
	if looked.Load() > guard.GuessesPerNetwork || refused.Load() < factors.SignInLimit-guard.GuessesPerNetwork {
		t.Errorf("%d passwords were looked at, %d attempts refused", looked.Load(), refused.Load())
	}
}

// Many networks guess the password of one account: each gets a few attempts an hour, and the owner gets in from
// anywhere.
func TestAGuardedAccountIsOpenToItsOwner(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn("ann@example.test")
	for i := range guard.GuardedAfter {
		in.clock.advance(time.Second)
		g := in.p.guard.GuessesAt("ann@example.test", fmt.Sprintf("203.0.113.%d", i))
		if err := g.Take(); err != nil {
			t.Fatal(err)
		}
		g.Wrong()
	}
	late := in.at("198.51.100.1")
	for range guard.GuessesIfGuarded {
		late.guess("ann@example.test", "wrong").want(t, 401, "Invalid credentials")
	}
	late.guess("ann@example.test", password).want(t, 429, "Too many requests")
	in.restart()
	late.guess("ann@example.test", password).want(t, 429, "Too many requests")
	in.at("192.0.2.200").guess("ann@example.test", password).want(t, 200, `{"ok":true}`)
	in.clock.advance(guard.GuardedWindow)
	late.guess("ann@example.test", password).want(t, 200, `{"ok":true}`)
}

func TestAttemptsThatCouldNotBeMadeAreGivenBack(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn("ann@example.test")
	working := in.p.guard.Passwords
	in.p.guard.Passwords = blockedHasher(t)
	b := in.at("198.51.100.7")
	for range guard.GuessesPerNetwork + 1 {
		if a := b.guess("ann@example.test", password); a.status != 503 {
			t.Fatalf("%d %s", a.status, a.text)
		}
	}
	in.p.guard.Passwords = working
	b.guess("ann@example.test", password).want(t, 200, `{"ok":true}`)
}

// A stolen session must not help with guessing its password either.
func TestChangingThePasswordIsAGuessToo(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	wrong := strings.Replace(change, password, "wrong", 1)
	for range guard.GuessesPerNetwork {
		in.clock.advance(time.Minute)
		b.post("change-password", wrong).want(t, 401, "Invalid credentials")
	}
	in.clock.advance(time.Minute)
	b.post("change-password", change).want(t, 429, "Too many requests").wantCookiesKept(t)
}

func TestFailedSignInsStandInTheTrail(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn("ann@example.test")
	b := in.at("198.51.100.7")
	b.guess("ann@example.test", "wrong").want(t, 401, "Invalid credentials")
	b.guess("nobody@example.test", "wrong").want(t, 401, "Invalid credentials")
	in.restart() // writes what is waiting
	b.guess("ann@example.test", password).want(t, 200, `{"ok":true}`)
	b.post("sign-out", "").want(t, 200, `{"ok":true}`)
	in.wantEvents("registered", "sign_in_failed", "signed_in", "signed_out")
	var address string
	if err := in.p.store.File.Read.QueryRow("SELECT ip_address FROM security_events WHERE kind = 'sign_in_failed'").Scan(&address); err != nil || address != "198.51.100.7" {
		t.Errorf("address %q, %v", address, err)
	}
}

// What is written late is stored with its own time: an owner who reads the list sees the guesses before their
// consequences.
func TestFailedSignInsHaveTheirOwnTime(t *testing.T) {
	in := openTest(t, nil)
	in.p.behind.Close() // the test decides when it writes
	b := in.signedIn("ann@example.test")
	b.guess("ann@example.test", "wrong").want(t, 401, "Invalid credentials")
	b.guess("ann@example.test", password).want(t, 200, `{"ok":true}`)
	in.clock.advance(time.Second)
	in.p.behind.Write(t.Context())
	type event struct{ Kind, At string }
	got := read[struct{ Events []event }](t, b.get("events")).Events
	want := []event{{"signed_in", "2026-03-01T12:02:00Z"}, {"sign_in_failed", "2026-03-01T12:01:00Z"}, {"registered", "2026-03-01T12:00:00Z"}}
	if !slices.Equal(got, want) {
		t.Errorf("%+v, want %+v", got, want)
	}
}

func TestStoredLimitsNameNoOne(t *testing.T) {
	in := openTest(t, nil)
	in.at("198.51.100.7").guess("ann.miller@example.test", "wrong")
	in.p.behind.Write(t.Context())
	var keys string
	var n int
	if err := in.p.store.File.Read.QueryRow("SELECT count(*), group_concat(key) FROM rate_windows").Scan(&n, &keys); err != nil || n == 0 {
		t.Fatal(n, err)
	}
	if strings.Contains(keys, "miller") || strings.Contains(keys, "example.test") {
		t.Errorf("keys %q", keys)
	}
	in.clock.advance(25 * time.Hour)
	in.at("198.51.100.8").post("sign-out", "")
	in.p.behind.Write(t.Context())
	if err := in.p.store.File.Read.QueryRow("SELECT count(*) FROM rate_windows").Scan(&n); err != nil || n != 1 {
		t.Errorf("%d windows a day later, %v; one is not over", n, err)
	}
}

func TestDisabledAccountsCannotSignIn(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	if err := in.p.Operator.SetDisabled(t.Context(), "ann@example.test", true); err != nil {
		t.Fatal(err)
	}
	b.wantSignedOut()
	b.post("refresh", "").want(t, 401, "Session expired")
	in.browser().post("sign-in", credentials("ann@example.test", "wrong")).want(t, 401, "Invalid credentials")
	in.browser().post("sign-in", credentials("ann@example.test", password)).wantRefusal(t, 403, "account_disabled", "")
	if err := in.p.Operator.SetDisabled(t.Context(), "ann@example.test", false); err != nil {
		t.Fatal(err)
	}
	in.browser().post("sign-in", credentials("ann@example.test", password)).want(t, 200, `{"ok":true}`)
}

// Passwords queue for a processor; one network has a share of the queue, whatever addresses it sends from.
func TestOneNetworkDoesNotFillTheLineForPasswords(t *testing.T) {
	in := openTest(t, nil)
	in.p.guard.Passwords = passwd.New(rand.Reader, 0, 4) // nothing leaves the queue, and the share is one place
	signIn := func(ctx context.Context, address string) error {
		r := httptest.NewRequestWithContext(ctx, http.MethodPost, "http://cloud.test/api/basic-auth/sign-in",
			strings.NewReader(credentials("ann@example.test", password)))
		r.RemoteAddr = net.JoinHostPort(address, "1234")
		i := slices.IndexFunc(in.Routes, func(route or3cloud.Route) bool { return route.Path == r.URL.Path })
		return in.Routes[i].Handle(httptest.NewRecorder(), r)
	}
	ctx, leave := context.WithCancel(t.Context())
	answers := make(chan error, 2)
	for _, address := range []string{"2001:db8:1:2::1", "2001:db8:1:2::2"} {
		go func() { answers <- signIn(ctx, address) }()
	}
	if err := <-answers; or3cloud.CodeOf(err) != or3cloud.CodeRateLimited {
		t.Errorf("the second of one network: %v", err)
	}
	gone, goes := context.WithCancel(t.Context())
	go func() { answers <- signIn(gone, "192.0.2.1") }()
	goes()
	if err := <-answers; or3cloud.CodeOf(err) == or3cloud.CodeRateLimited {
		t.Errorf("another network: %v", err)
	}
	leave()
	<-answers
}

// The recipes of docs/operations.md are tried on the lines that the server really writes, in both formats.
//
//walk:follows operations.md [Definition] failregex = ^.*level=WARN msg="sign-in failed" provider=basic-auth address=<HOST> email=
//walk:follows operations.md [or3-cloud] enabled = true
//walk:follows operations.md name: local/or3-cloud
//walk:follows operations.md type: leaky
func TestRecipesOfIntrusionDetectionMatchTheLine(t *testing.T) {
	doc, err := os.ReadFile("../../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	var patterns []*regexp.Regexp
	for _, line := range strings.Split(string(doc), "\n") {
		line = strings.TrimSpace(line)
		text, isFail2ban := strings.CutPrefix(line, "failregex = ")
		if !isFail2ban && strings.HasPrefix(line, `^`) && strings.Contains(line, "<HOST>") {
			text, isFail2ban = line, true
		}
		if isFail2ban {
			patterns = append(patterns, regexp.MustCompile(strings.ReplaceAll(text, "<HOST>", `(?P<host>[0-9A-Fa-f.:]+)`)))
		}
	}
	if len(patterns) != 2 {
		t.Fatalf("%d expressions in the recipe, want one for each format", len(patterns))
	}
	for _, json := range []bool{false, true} {
		in := openTest(t, nil)
		var lines patience.Output
		in.env.Log = logx.New(io.MultiWriter(&lines, in.log), logx.Options{Level: slog.LevelInfo, JSON: json}).With("provider", sessions.Provider) // as the host does
		in.restart()
		for _, address := range []string{"198.51.100.7", "2001:db8:1:2::9"} {
			in.at(address).guess("nobody@example.test", "wrong").want(t, 401, "Invalid credentials")
			all := strings.Split(strings.TrimSpace(lines.String()), "\n")
			line, found := all[len(all)-1], 0
			for _, p := range patterns {
				if m := p.FindStringSubmatch(line); m != nil {
					found++
					if got := m[p.SubexpIndex("host")]; got != address {
						t.Errorf("address %q in %s", got, line)
					}
				}
			}
			if found != 1 {
				t.Errorf("%d expressions match %s", found, line)
			}
		}
		// What a client chooses must not look like a log line.
		in.env.Log.Warn("password change refused", "address", "192.0.2.1", "email", `x msg="sign-in failed" address=203.0.113.5`)
		all := strings.Split(strings.TrimSpace(lines.String()), "\n")
		for _, p := range patterns {
			if p.MatchString(all[len(all)-1]) {
				t.Errorf("a forged line matches: %s", all[len(all)-1])
			}
		}
	}
}
