package basicauth

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
)

// fakeUsers is as much of the workspace store as an account needs.
type fakeUsers struct {
	mu    sync.Mutex
	fates []or3cloud.WorkspaceFate
	fault error
	// faultAfter is how many removals succeed before fault.
	faultAfter int
	removed    []string
}

func (u *fakeUsers) UserRemoval(context.Context, or3cloud.ExternalIdentity) ([]or3cloud.WorkspaceFate, error) {
	u.mu.Lock()
	defer u.mu.Unlock()
	return u.fates, nil
}

func (u *fakeUsers) RemoveUser(_ context.Context, id or3cloud.ExternalIdentity) error {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.fault != nil && len(u.removed) >= u.faultAfter {
		return u.fault
	}
	for _, f := range u.fates {
		if f.Fate == or3cloud.FateBlocked {
			return or3cloud.Errorf(or3cloud.CodeConflict, "the last owner")
		}
	}
	u.removed = append(u.removed, id.ProviderUserID)
	return nil
}

// read decodes an answer.
func read[T any](t *testing.T, a answer) T {
	t.Helper()
	var v T
	if a.status != 200 {
		t.Fatalf("answer %d %s", a.status, a.text)
	}
	if err := json.Unmarshal([]byte(a.text), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

type sessionList struct{ Sessions []sessionAnswer }

func TestTheAccountSaysWhatThereIs(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	s := b.wantSignedIn()
	b.get("account").want(t, 200, `{"account":{"id":"`+s.UserID+`","email":"ann@example.test","displayName":"Ann","createdAt":"2026-03-01T12:00:00Z"},`+
		`"totp":{"enabled":false},"recoveryCodesLeft":0,"passkeys":[]}`)
}

func TestNothingOfAnAccountWithoutASession(t *testing.T) {
	in := openTest(t, nil)
	in.signedIn("ann@example.test")
	for _, route := range in.p.accountRoutes() {
		a := in.browser().request(route.Method, strings.TrimPrefix(route.Path, "/api/basic-auth/"), `{"email":"ann@example.test"}`)
		a.wantCode(t, 401, "session_expired")
		foreign := in.browser().request(route.Method, strings.TrimPrefix(route.Path, "/api/basic-auth/"), `{}`, "Origin", "https://evil.test")
		if foreign.status != 403 {
			t.Errorf("%s from another origin: %d", route.Path, foreign.status)
		}
	}
}

func TestANewDisplayNameShowsAtOnce(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	other := in.browser()
	other.post("sign-in", credentials("ann@example.test", password)).want(t, 200, `{"ok":true}`)
	for _, body := range []string{`{}`, `{"displayName":""}`, `{"displayName":"  "}`, `{"displayName":7}`, `{"displayName":"` + strings.Repeat("x", 121) + `"}`} {
		b.post("display-name", body).wantCode(t, 400, "invalid_display_name")
	}
	b.post("display-name", `{"displayName":" Ann B. "}`).want(t, 200, `{"ok":true}`)
	if s := b.wantSignedIn(); s.DisplayName != "Ann B." {
		t.Errorf("name %q", s.DisplayName)
	}
	if s := other.wantSignedIn(); s.DisplayName != "Ann" {
		t.Errorf("the other browser's token was changed: %q", s.DisplayName)
	}
	in.clock.advance(16 * time.Minute)
	if s := other.wantSignedIn(); s.DisplayName != "Ann B." {
		t.Errorf("the other browser after its rotation: %q", s.DisplayName)
	}
}

// The request that changes the name may be the one that renews the tokens: then both cookies of the answer are needed.
func TestANewDisplayNameKeepsARotation(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	in.clock.advance(16 * time.Minute)
	b.drop(sessions.AccessCookie)
	b.post("display-name", `{"displayName":"Ann B."}`).want(t, 200, `{"ok":true}`)
	if s := b.wantSignedIn(); s.DisplayName != "Ann B." {
		t.Errorf("name %q", s.DisplayName)
	}
	in.clock.advance(16 * time.Minute)
	b.drop(sessions.AccessCookie)
	b.wantSignedIn()
}

// An access token that was signed again must not outlive the revocation of its session, not even across a restart.
func TestARenewedAccessTokenEndsWithItsSession(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	in.clock.advance(14 * time.Minute)
	b.post("display-name", `{"displayName":"Ann B."}`).want(t, 200, `{"ok":true}`)
	thief := b.copy()
	b.post("sign-out", "").want(t, 200, `{"ok":true}`)
	in.clock.advance(10 * time.Minute)
	in.restart()
	thief.wantSignedOut()
}

func TestAnswersNameDevices(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	b.post("sign-in", credentials("ann@example.test", password), "User-Agent", iphone).want(t, 200, `{"ok":true}`)
	const safari = `"device":{"browser":"Safari","system":"iPhone","kind":"phone"}`
	for _, path := range []string{"sessions", "events"} {
		if text := b.get(path).text; strings.Count(text, safari) != 1 || strings.Count(text, `"device"`) != 1 {
			t.Errorf("%s: %s", path, text)
		}
	}
	if text := b.get("account", "User-Agent", iphone).text; strings.Count(text, safari) != 1 {
		t.Errorf("account: %s", text)
	}
}

func TestSessionsAreListedAndRevoked(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	in.clock.advance(time.Minute)
	other := in.browser()
	other.address = "198.51.100.7"
	other.post("sign-in", credentials("ann@example.test", password), "User-Agent", "Firefox/1").want(t, 200, `{"ok":true}`)
	in.clock.advance(time.Minute)
	third := in.browser()
	third.post("sign-in", credentials("ann@example.test", password)).want(t, 200, `{"ok":true}`)
	stranger := in.signedIn("bob@example.test")
	foreign := read[sessionList](t, stranger.get("sessions")).Sessions[0].ID

	list := read[sessionList](t, b.get("sessions")).Sessions
	if len(list) != 3 || !list[0].Current || list[1].Current || list[2].Current || list[1].LastSeenAt.Before(list[2].LastSeenAt) {
		t.Fatalf("%+v", list)
	}
	if got := list[2]; got.IPAddress != "198.51.100.7" || got.UserAgent != "Firefox/1" || !got.CreatedAt.Equal(in.clock.now().Add(-time.Minute)) {
		t.Errorf("%+v", got)
	}
	for _, id := range []string{"nonsense", foreign} {
		b.post("sessions/revoke", `{"id":"`+id+`"}`).wantCode(t, 404, "not_found")
	}
	stranger.wantSignedIn()
	in.later()
	b.post("sessions/revoke", `{"id":"`+list[2].ID+`"}`).wantCode(t, 403, "reauthentication_required")
	b.post("sessions/revoke-others", `{}`).wantCode(t, 403, "reauthentication_required")
	b.post("reauthenticate", `{"password":"`+password+`"}`).want(t, 200, `{"ok":true}`)
	b.post("sessions/revoke", `{"id":"`+list[2].ID+`"}`).want(t, 200, `{"ok":true}`).wantCookiesKept(t)
	other.copy().wantSignedOut()
	in.restart()
	other.wantSignedOut()
	b.post("sessions/revoke", `{"id":"`+list[2].ID+`"}`).wantCode(t, 404, "not_found")
	b.post("sessions/revoke-others", `{}`).want(t, 200, `{"ok":true,"revoked":1}`)
	third.wantSignedOut()
	b.wantSignedIn()
	b.post("sessions/revoke-others", `{}`).want(t, 200, `{"ok":true,"revoked":0}`)
	in.later()
	b.post("sessions/revoke", `{"id":"`+list[0].ID+`"}`).want(t, 200, `{"ok":true}`).wantCookiesCleared(t)
	b.wantSignedOut()
	stranger.wantSignedIn()
}

func TestTheTrailShowsWhatHappened(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	for range 60 {
		in.clock.advance(time.Minute)
		b.post("display-name", `{"displayName":"Ann"}`).want(t, 200, `{"ok":true}`)
	}
	type event struct{ Kind, At, IPAddress string }
	list := read[struct{ Events []event }](t, b.get("events")).Events
	if len(list) != 50 || list[0] != (event{"display_name_changed", "2026-03-01T13:00:00Z", "192.0.2.1"}) || list[1].At != "2026-03-01T12:59:00Z" {
		t.Errorf("%d events, %+v", len(list), list[:2])
	}
}

// later makes the last proof of identity too old for sensitive changes.
func (in *instance) later() { in.clock.advance(11 * time.Minute) }

func TestSensitiveChangesNeedAProof(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	in.later()
	for _, path := range []string{"email", "delete-account"} {
		b.post(path, `{"email":"ann@example.test"}`).wantCode(t, 403, "reauthentication_required")
	}
}

func TestWithoutMailAnAddressChangesAtOnce(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	in.signedIn("bob@example.test")
	for _, email := range []string{"", "nobody", "ann@example.test", "a@b.test\\r\\nBcc: c@d.test"} {
		b.post("email", `{"email":"`+email+`"}`).wantCode(t, 400, "invalid_email")
	}
	b.post("email", `{"email":"Bob@example.test"}`).wantCode(t, 409, "email_taken")
	b.post("email", `{"email":"New@example.test"}`).want(t, 200, `{"ok":true,"pending":false}`)
	if s := b.wantSignedIn(); s.Email != "new@example.test" {
		t.Errorf("address %q", s.Email)
	}
	in.browser().post("sign-in", credentials("ann@example.test", password)).wantCode(t, 401, "invalid_credentials")
	in.browser().post("sign-in", credentials("new@example.test", password)).want(t, 200, `{"ok":true}`)
}

func TestANewAddressHasToConfirm(t *testing.T) {
	in, server := openWithMail(t)
	b := in.signedIn("ann@example.test")
	pending := func() string {
		return read[struct{ Account struct{ PendingEmail string } }](t, b.get("account")).Account.PendingEmail
	}
	// ask requests a change of the address and returns the token that confirms it.
	ask := func(email string) string {
		t.Helper()
		b.post("email", `{"email":"`+email+`"}`).want(t, 200, `{"ok":true,"pending":true}`)
		byRecipient := map[string]string{}
		for range 2 {
			m := server.Next()
			if m.To[0] == email {
				byRecipient[email] = in.linkOf(m, "confirm-email")
			} else if m.To[0] != "ann@example.test" || m.Header(t, "Subject") != "A new e-mail address was requested" || !strings.Contains(m.Part(t, "text/plain"), email) {
				t.Errorf("%q to %v", m.Header(t, "Subject"), m.To)
			}
		}
		if pending() != email {
			t.Errorf("pending %q", pending())
		}
		return byRecipient[email]
	}
	first := ask("first@example.test")
	second := ask("second@example.test")
	in.browser().post("email/confirm", `{"token":"`+first+`"}`).wantCode(t, 400, "invalid_token")
	b.post("email/cancel", `{}`).want(t, 200, `{"ok":true}`)
	in.browser().post("email/confirm", `{"token":"`+second+`"}`).wantCode(t, 400, "invalid_token")
	if pending() != "" {
		t.Error("still pending")
	}

	third := ask("third@example.test")
	elsewhere := in.browser()
	elsewhere.post("email/confirm", `{"token":"`+third+`"}`).want(t, 200, `{"email":"third@example.test","ok":true}`).wantCookiesKept(t)
	if m := server.Next(); m.To[0] != "ann@example.test" || m.Header(t, "Subject") != "Your e-mail address was changed" {
		t.Errorf("%q to %v", m.Header(t, "Subject"), m.To)
	}
	elsewhere.post("email/confirm", `{"token":"`+third+`"}`).wantCode(t, 400, "invalid_token")
	in.clock.advance(16 * time.Minute)
	if s := b.wantSignedIn(); s.Email != "third@example.test" {
		t.Errorf("address %q", s.Email)
	}
}

func TestTheBrowserThatConfirmsHasTheNewAddressAtOnce(t *testing.T) {
	in, server := openWithMail(t)
	b := in.signedIn("ann@example.test")
	b.post("email", `{"email":"new@example.test"}`).want(t, 200, `{"ok":true,"pending":true}`)
	m := server.Next()
	if m.To[0] != "new@example.test" {
		m = server.Next()
	}
	stranger := in.signedIn("bob@example.test")
	token := in.linkOf(m, "confirm-email")
	stranger.copy().post("email/confirm", `{"token":"unknown"}`).wantCode(t, 400, "invalid_token").wantCookiesKept(t)
	b.post("email/confirm", `{"token":"`+token+`"}`).want(t, 200, `{"email":"new@example.test","ok":true}`)
	if s := b.wantSignedIn(); s.Email != "new@example.test" {
		t.Errorf("address %q", s.Email)
	}
}

// Between the request and its confirmation someone else may take the address; the link must not take it away.
func TestAnAddressThatWasTakenMeanwhileIsNotConfirmed(t *testing.T) {
	in, server := openWithMail(t)
	b := in.signedIn("ann@example.test")
	b.post("email", `{"email":"new@example.test"}`).want(t, 200, `{"ok":true,"pending":true}`)
	m := server.Next()
	if m.To[0] != "new@example.test" {
		m = server.Next()
	}
	in.signedIn("new@example.test")
	in.browser().post("email/confirm", `{"token":"`+in.linkOf(m, "confirm-email")+`"}`).wantCode(t, 409, "email_taken")
	if s := b.wantSignedIn(); s.Email != "ann@example.test" {
		t.Errorf("address %q", s.Email)
	}
}

func TestStrangersAreNotFloodedWithConfirmations(t *testing.T) {
	in, _ := openWithMail(t)
	b := in.signedIn("ann@example.test")
	for range accounts.EmailMails {
		b.post("email", `{"email":"stranger@example.test"}`).want(t, 200, `{"ok":true,"pending":true}`)
	}
	if a := b.post("email", `{"email":"stranger@example.test"}`).wantCode(t, 429, "rate_limited"); a.err.RetryAfter <= 0 {
		t.Error("no Retry-After")
	}
}

func TestDeletingAnAccountSaysFirstWhatBecomesOfTheWorkspaces(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	b.get("deletion").want(t, 200, `{"workspaces":[]}`)
	users := &fakeUsers{fates: []or3cloud.WorkspaceFate{
		{ID: "w1", Name: "Alone", Fate: or3cloud.FateDeleted}, {ID: "w2", Name: "Team", Members: 3, Fate: or3cloud.FateBlocked},
	}}
	in.host.users = users
	b.get("deletion").want(t, 200, `{"workspaces":[{"id":"w1","name":"Alone","members":0,"fate":"deleted"},{"id":"w2","name":"Team","members":3,"fate":"blocked"}]}`)
	b.post("delete-account", `{"email":"other@example.test"}`).wantCode(t, 400, "invalid_email")
	a := b.post("delete-account", `{"email":"Ann@example.test"}`).wantCode(t, 409, "last_owner").want(t, 409, "Others use workspaces that only you own. Make someone else an owner first.")
	a.wantCookiesKept(t)
	if text, _ := json.Marshal(a.err.Data); !strings.Contains(string(text), `"workspaces":[{"id":"w2","name":"Team","members":3,"fate":"blocked"}]`) {
		t.Errorf("data %s", text)
	}
	b.wantSignedIn()
	if len(users.removed) > 0 {
		t.Error("the user was removed")
	}
}

func TestADeletedAccountIsGoneAtOnce(t *testing.T) {
	in := openTest(t, nil)
	users := &fakeUsers{}
	in.host.users = users
	b := in.signedIn("ann@example.test")
	other := in.browser()
	other.post("sign-in", credentials("ann@example.test", password)).want(t, 200, `{"ok":true}`)
	id := b.wantSignedIn().UserID
	thief := b.copy()
	b.post("delete-account", `{"email":"ann@example.test"}`).want(t, 200, `{"ok":true}`).wantCookiesCleared(t)
	if len(users.removed) == 0 || users.removed[0] != id {
		t.Errorf("removed %v", users.removed)
	}
	for _, x := range []*browser{thief, other} {
		x.copy().wantSignedOut()
	}
	in.restart()
	for _, x := range []*browser{thief, other} {
		x.wantSignedOut()
	}
	for _, table := range []string{"accounts", "sessions", "refresh_tokens", "security_events", "one_time_tokens"} {
		if n := in.rows("SELECT COUNT(*) FROM " + table); n != 0 {
			t.Errorf("%d rows are left in %s", n, table)
		}
	}
	in.signedIn("ann@example.test").wantSignedIn()
}

// The user is removed and the program dies before the account is: the account can be deleted again.
func TestADeletionThatWasCutShortCanBeRepeated(t *testing.T) {
	in := openTest(t, nil)
	users := &fakeUsers{}
	in.host.users = users
	b := in.signedIn("ann@example.test")
	if err := users.RemoveUser(t.Context(), or3cloud.ExternalIdentity{Provider: sessions.Provider, ProviderUserID: b.wantSignedIn().UserID}); err != nil {
		t.Fatal(err)
	}
	in.restart()
	b.wantSignedIn()
	b.post("delete-account", `{"email":"ann@example.test"}`).want(t, 200, `{"ok":true}`)
	b.wantSignedOut()
}

// Once the account is gone the answer must not say that nothing has changed.
func TestAFaultAfterTheDeletionIsNotTold(t *testing.T) {
	in := openTest(t, nil)
	in.host.users = &fakeUsers{fault: errors.New("disk"), faultAfter: 1}
	b := in.signedIn("ann@example.test")
	b.post("delete-account", `{"email":"ann@example.test"}`).want(t, 200, `{"ok":true}`).wantCookiesCleared(t)
	b.wantSignedOut()
	if !strings.Contains(in.log.String(), "a user without an account may be left") {
		t.Error("the operator does not learn of it")
	}
}

func TestAFaultOfTheWorkspaceStoreLeavesTheAccount(t *testing.T) {
	in := openTest(t, nil)
	in.host.users = &fakeUsers{fault: errors.New("disk")}
	b := in.signedIn("ann@example.test")
	if a := b.post("delete-account", `{"email":"ann@example.test"}`); a.status != 503 {
		t.Errorf("answer %d %s", a.status, a.text)
	}
	b.wantSignedIn()
}
