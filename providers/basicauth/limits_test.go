package basicauth

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
)

// limitsOf are the requests that one address may send to each endpoint in a minute; endpoints that only read have none.
// The numbers are those of the contract (auth §8.3) and of docs/accounts-api.md; a new endpoint needs a line.
var limitsOf = map[string]int{
	"sign-in": 20, "sign-out": 60, "change-password": 20, "register": 10, "refresh": 120,
	"display-name": 30, "email": 30, "email/cancel": 30, "sessions/revoke": 30, "sessions/revoke-others": 30, "delete-account": 30,
	"forgot-password": 5, "reset-password": 20, "email/confirm": 20, "link": 60,
	"second-factor": 20, "reauthenticate": 20, "totp/enrol": 20, "totp/confirm": 20, "totp/remove": 20, "recovery-codes": 20,
	"passkeys/register-options": 20, "passkeys/register": 20, "passkeys/rename": 20, "passkeys/remove": 20,
	"passkeys/sign-in-options": 60, "passkeys/sign-in": 20,
}

func TestEveryEndpointLimitsTheRequestsOfAnAddress(t *testing.T) {
	in := openTest(t, nil)
	found := 0
	for _, route := range in.Routes {
		if route.Method == http.MethodGet {
			continue
		}
		name := strings.TrimPrefix(route.Path, "/api/basic-auth/")
		found++
		limit, listed := limitsOf[name]
		if !listed {
			t.Errorf("%s has no line", name)
			continue
		}
		send := func(address string) int { return in.at(address).post(name, "{}").status }
		for n := range limit {
			if status := send("198.51.100.1"); status == http.StatusTooManyRequests {
				t.Fatalf("%s: request %d is refused", name, n+1)
			}
		}
		if status := send("198.51.100.1"); status != http.StatusTooManyRequests {
			t.Errorf("%s: %d beyond the limit", name, status)
		}
		if status := send("198.51.100.2"); status == http.StatusTooManyRequests {
			t.Errorf("%s: the limit is that of all addresses", name)
		}
	}
	for _, b := range ratelimit.Budgets() {
		if name, ours := strings.CutPrefix(string(b.Operation), "basic-auth:"); ours && limitsOf[name] != b.Limit.Max {
			t.Errorf("%s is listed with %d", b.Operation, b.Limit.Max)
		}
	}
	if found != len(limitsOf) {
		t.Errorf("%d endpoints, %d lines", found, len(limitsOf))
	}
	in.restart()
	for name := range limitsOf {
		if a := in.at("198.51.100.1").post(name, "{}"); a.status != http.StatusTooManyRequests {
			t.Errorf("%s: %d after a restart", name, a.status)
		}
	}
	in.clock.advance(time.Minute)
	for name := range limitsOf {
		if a := in.at("198.51.100.1").post(name, "{}"); a.status == http.StatusTooManyRequests {
			t.Errorf("%s: refused a minute later", name)
		}
	}
}

// Someone who has got hold of another person's browser must not be able to guess the password where it is asked for
// again.
func TestGuessesAreCountedWhereverAPasswordIsAskedFor(t *testing.T) {
	for name, ask := range map[string]func(b *browser, password string) answer{
		"reauthenticate": func(b *browser, password string) answer { return b.post("reauthenticate", body("password", password)) },
		"change-password": func(b *browser, password string) answer {
			return b.post("change-password", body("currentPassword", password, "newPassword", "a brand new secret", "confirmNewPassword", "a brand new secret"))
		},
		"sign-in": func(b *browser, password string) answer { return b.post("sign-in", credentials(ann, password)) },
	} {
		t.Run(name, func(t *testing.T) {
			in := openTest(t, nil)
			b := in.signedIn(ann)
			for n := range guard.GuessesPerNetwork {
				in.clock.advance(time.Minute)
				b.drop(sessions.AccessCookie)
				ask(b.copy(), fmt.Sprint("wrong password ", n)).want(t, 401, "Invalid credentials")
			}
			in.clock.advance(time.Minute)
			ask(b.copy(), password).want(t, 429, "Too many requests")
			in.restart()
			ask(b.copy(), password).want(t, 429, "Too many requests")
			// They are the same guesses everywhere.
			b.copy().post("sign-in", credentials(ann, password)).want(t, 429, "Too many requests")
			in.clock.advance(guard.GuessesWindow)
			ask(b.copy(), password).want(t, 200, `{"ok":true}`)
		})
	}
}
