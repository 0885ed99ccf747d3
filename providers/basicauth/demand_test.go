package basicauth

import (
	"fmt"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

const day = 24 * time.Hour

// demanding is a configuration that demands a second factor.
func demanding(of factors.Policy, days int) config {
	return config{settingDemand: string(of), settingDemandGrace: fmt.Sprint(days)}
}

// restricted reports whether an account can do nothing but set up a second factor.
func (in *instance) restricted(accountID string) bool {
	in.t.Helper()
	why, err := in.Auth.(or3cloud.SessionRestrictor).Restriction(in.t.Context(), accountID)
	if err != nil {
		in.t.Fatal(err)
	}
	if why != nil && (why.Code != or3cloud.CodeUnavailable || why.RetryAfter <= 0) {
		in.t.Errorf("a restriction that costs clients their edits: %+v", why)
	}
	return why != nil
}

// TestWhoNeedsASecondFactor goes through policies, factors and graces.
func TestWhoNeedsASecondFactor(t *testing.T) {
	for _, tc := range []struct {
		policy        factors.Policy
		days          int
		admin, factor bool
		// restricted at once, and after the grace
		atOnce, later bool
	}{
		{policy: factors.DemandOfNone},
		{policy: factors.DemandOfNone, admin: true},
		{policy: factors.DemandOfAdmins, days: 14},
		{policy: factors.DemandOfAdmins, days: 14, admin: true, later: true},
		{policy: factors.DemandOfAdmins, admin: true, atOnce: true, later: true},
		{policy: factors.DemandOfAdmins, admin: true, factor: true},
		{policy: factors.DemandOfAll, days: 14, later: true},
		{policy: factors.DemandOfAll, atOnce: true, later: true},
		{policy: factors.DemandOfAll, factor: true},
		{policy: factors.DemandOfAll, days: 14, admin: true, later: true},
	} {
		t.Run(fmt.Sprintf("%+v", tc), func(t *testing.T) {
			in := openTest(t, demanding(tc.policy, tc.days))
			b := in.signedIn(ann)
			id := b.wantSignedIn().UserID
			in.host.admins = map[string]bool{id: tc.admin}
			if tc.factor {
				b.enrol()
			}
			if got := in.restricted(id); got != tc.atOnce {
				t.Errorf("at once: %t", got)
			}
			in.clock.advance(max(time.Duration(tc.days)*day-time.Second, 0))
			if got := in.restricted(id); got != tc.atOnce {
				t.Errorf("a second before the end of the grace: %t", got)
			}
			in.restart() // which starts no second grace
			in.clock.advance(time.Second)
			if got := in.restricted(id); got != tc.later {
				t.Errorf("after the grace: %t", got)
			}
			if tc.later { // and the restriction ends as soon as there is a factor
				again := in.browser()
				again.post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
				again.enrol()
				if in.restricted(id) {
					t.Error("restricted with a factor")
				}
				again.post("reauthenticate", body("password", password)).want(t, 200, `{"ok":true}`)
				again.post("totp/remove", "{}").want(t, 200, `{"ok":true}`)
				if !in.restricted(id) {
					t.Error("a factor that is removed begins another grace")
				}
			}
		})
	}
}

// TestARestrictedAccountChangesNothingElse tries the changes that are closed to an account without a factor after its
// grace.
func TestARestrictedAccountChangesNothingElse(t *testing.T) {
	in := openTest(t, demanding(factors.DemandOfAll, 0))
	b := in.signedIn(ann)
	for path, body := range map[string]string{
		"display-name":    `{"displayName":"Eve"}`,
		"email":           `{"email":"eve@example.test"}`,
		"email/cancel":    `{}`,
		"change-password": `{"currentPassword":"` + password + `","newPassword":"another long secret","confirmNewPassword":"another long secret"}`,
		"delete-account":  `{"email":"` + ann + `"}`,
	} {
		a := b.post(path, body)
		a.wantRefusal(t, 403, "second_factor_demanded", "")
		a.wantCookiesKept(t)
	}
	for _, path := range []string{"account", "sessions", "events"} {
		if a := b.get(path); a.status != 200 {
			t.Errorf("%s: %d %s", path, a.status, a.text)
		}
	}
	b.wantSignedIn()
	b.enrol()
	b.post("display-name", `{"displayName":"Anna"}`).want(t, 200, `{"ok":true}`)

	// The transaction checks again.
	in.exec("DELETE FROM totp")
	err := in.p.stepUp.As(t.Context(), func() factors.Actor { who := b.actor(); who.Unrestricted = true; return who }(),
		func(store.Queries, factors.Actor) error {
			t.Error("a change after the decision has changed")
			return nil
		})
	if or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
		t.Errorf("%v", err)
	}
}

// TestExcuses lets accounts continue without a factor for a while.
func TestExcuses(t *testing.T) {
	in := openTest(t, demanding(factors.DemandOfAll, 2))
	id := in.signedIn(ann).wantSignedIn().UserID
	begun := in.clock.now()
	if in.restricted(id) {
		t.Fatal("restricted at once")
	}
	excuse := func(span time.Duration, due time.Time) {
		t.Helper()
		a, err := in.admin().(or3cloud.SecondFactorExcuser).ExcuseSecondFactor(t.Context(), ann, span)
		if err != nil || !a.SecondFactorDue.Equal(due) {
			t.Errorf("due %v, %v; want %v", a.SecondFactorDue, err, due)
		}
	}
	excuse(time.Hour, begun.Add(2*day)) // no excuse makes a grace shorter
	in.clock.advance(3 * day)
	if !in.restricted(id) {
		t.Fatal("not restricted after the grace")
	}
	excuse(7*day, begun.Add(10*day))
	in.restart()
	if in.restricted(id) {
		t.Error("an excuse does not count")
	}
	excuse(1000*day, in.clock.now().Add(or3cloud.LongestExcuse))
	excuse(0, begun.Add(2*day))
	if !in.restricted(id) {
		t.Error("an excuse is not ended")
	}
	excuse(day, in.clock.now().Add(day))
	in.clock.advance(day)
	if !in.restricted(id) {
		t.Error("an excuse does not end")
	}
	if _, err := in.admin().(or3cloud.SecondFactorExcuser).ExcuseSecondFactor(t.Context(), "nobody@example.test", day); or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
		t.Errorf("no one: %v", err)
	}
	// Someone who has lost their factors gets in with the password, and can do nothing but set up another one.
	if err := in.admin().ResetFactors(t.Context(), ann); err != nil {
		t.Fatal(err)
	}
	b := in.browser()
	b.post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
	b.enrol()
	if in.restricted(id) {
		t.Error("restricted after another factor")
	}
}

// TestADemandBeginsOnce lets many requests meet the demand for the first time.
func TestADemandBeginsOnce(t *testing.T) {
	in := openTest(t, demanding(factors.DemandOfAll, 1))
	id := in.signedIn(ann).wantSignedIn().UserID
	var wait sync.WaitGroup
	for range 8 {
		wait.Go(func() { in.restricted(id) })
	}
	wait.Wait()
	if n := in.rows("SELECT count(*) FROM accounts WHERE factor_demanded_at = ?", in.clock.now().UnixMilli()); n != 1 {
		t.Fatal("the grace has not begun")
	}
	in.clock.advance(2 * day)
	if !in.restricted(id) {
		t.Error("a later request begins another grace")
	}
	// A policy that is switched off and on again gives a new grace.
	in.env.Config = config{}
	in.restart()
	if in.restricted(id) {
		t.Error("restricted without a policy")
	}
	in.env.Config = demanding(factors.DemandOfAll, 1)
	in.restart()
	if in.restricted(id) {
		t.Error("no grace after the policy was off")
	}
	in.clock.advance(day)
	if !in.restricted(id) {
		t.Error("accounts that are there at the start have no end of the grace until they are used")
	}
}

// TestADemandOfAClockThatWasAhead starts its grace when the clock is right again.
func TestADemandOfAClockThatWasAhead(t *testing.T) {
	in := openTest(t, demanding(factors.DemandOfAll, 1))
	id := in.signedIn(ann).wantSignedIn().UserID
	in.ahead(func() {
		if in.restricted(id) {
			t.Error("restricted at once")
		}
	})
	if in.restricted(id) {
		t.Error("restricted by a time that is not believed")
	}
	in.restart()
	in.clock.advance(day - time.Minute)
	if in.restricted(id) {
		t.Error("restricted before the grace has ended")
	}
	in.clock.advance(2 * time.Minute)
	if !in.restricted(id) {
		t.Error("the grace never ends")
	}
}

// TestLifetimesCountForSessionsThatBeganBefore shortens the lifetimes.
func TestLifetimesCountForSessionsThatBeganBefore(t *testing.T) {
	for name, short := range map[string]config{
		"without use": {settingRefreshTTL: "86400"},
		"absolute":    {settingSessionTTL: "86400"},
	} {
		t.Run(name, func(t *testing.T) {
			in := openTest(t, nil)
			old := in.signedIn(ann)
			in.clock.advance(20 * time.Hour)
			fresh := in.browser()
			fresh.post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
			in.clock.advance(4*time.Hour + time.Minute)
			fresh.wantSignedIn() // with a new access token
			in.env.Config = short
			in.restart()
			old.wantSignedOut()
			fresh.wantSignedIn()
			in.clock.advance(21 * time.Hour)
			if name == "absolute" {
				fresh.wantSignedOut()
			} else {
				fresh.wantSignedIn()
			}
			in.env.Config = config{} // longer ones give nothing back
			in.restart()
			old.wantSignedOut()
		})
	}
}

// TestAccessTokensEndWithShortenedSessions looks at a token that would be valid for some minutes more.
func TestAccessTokensEndWithShortenedSessions(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn(ann)
	in.clock.advance(2 * time.Minute)
	in.env.Config = config{settingSessionTTL: "60"}
	in.restart()
	b.wantSignedOut()
}
