package basicauth

import (
	"context"
	"errors"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/census"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providertest"
	"or3.chat/cloud/setting"
)

// admin is the provider as the operator's commands see it.
func (in *instance) admin() or3cloud.AccountAdmin { return in.Auth.(or3cloud.AccountAdmin) }

// removers is a host whose workspace store can remove users.
type removers struct {
	or3cloud.HostServices
	removed []string
	err     error
}

func (h *removers) Users() or3cloud.UserRemover { return h }

func (h *removers) UserRemoval(context.Context, or3cloud.ExternalIdentity) ([]or3cloud.WorkspaceFate, error) {
	return nil, nil
}

func (h *removers) RemoveUser(_ context.Context, id or3cloud.ExternalIdentity) error {
	if h.err == nil {
		h.removed = append(h.removed, id.Provider+"/"+id.ProviderUserID)
	}
	return h.err
}

func wantCode(t *testing.T, what string, err error, want or3cloud.Code) {
	t.Helper()
	if or3cloud.CodeOf(err) != want {
		t.Errorf("%s: %v, want code %q", what, err, want)
	}
}

func TestAccountAdmin(t *testing.T) {
	providertest.TestAccountAdmin(t, func(t *testing.T) or3cloud.AccountAdmin {
		in := openTest(t, config{})
		in.host.users = &fakeUsers{}
		return in.admin()
	})
}

func TestTheOperatorAddsAccountsWhateverTheMode(t *testing.T) {
	in := openTest(t, config{setting.RegistrationMode: "disabled"})
	a, err := in.admin().AddAccount(t.Context(), "Ann@Example.test", " Ann ", password)
	if err != nil || a.Email != "ann@example.test" || a.DisplayName != "Ann" || !a.CreatedAt.Equal(in.clock.now()) {
		t.Fatalf("%+v, %v", a, err)
	}
	b := in.browser()
	b.post("sign-in", credentials("ann@example.test", password)).want(t, 200, `{"ok":true}`)
	if s := b.wantSignedIn(); s.UserID != a.ID || !s.Admitted {
		t.Errorf("%+v", s)
	}
	list, _, err := in.admin().ListAccounts(t.Context(), "", 0)
	a.Sessions = 1
	if err != nil || len(list) != 1 || list[0] != a {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestAnAccountThatCannotBeAddedLeavesNothing(t *testing.T) {
	in := openTest(t, config{})
	if _, err := in.admin().AddAccount(t.Context(), "ann@example.test", "", password); err != nil {
		t.Fatal(err)
	}
	for _, tc := range []struct {
		email, name, password string
		want                  or3cloud.Code
	}{
		{"ann@example.test", "", password, or3cloud.CodeConflict},
		{"ANN@example.test", "", password, or3cloud.CodeConflict},
		{"ann", "", password, or3cloud.CodeInvalid},
		{"", "", password, or3cloud.CodeInvalid},
		{" bob@example.test", "", password, or3cloud.CodeInvalid},
		{"bob@example.test", strings.Repeat("x", form.MaxDisplayName+1), password, or3cloud.CodeInvalid},
		{"bob@example.test", "", "short", or3cloud.CodeInvalid},
		{"bob@example.test", "", "password1", or3cloud.CodeInvalid},
		{"bob@example.test", "", strings.Repeat("long enough ", 50), or3cloud.CodeInvalid},
	} {
		_, err := in.admin().AddAccount(t.Context(), tc.email, tc.name, tc.password)
		wantCode(t, tc.email+" "+tc.password, err, tc.want)
	}
	if list, _, err := in.admin().ListAccounts(t.Context(), "", 0); err != nil || len(list) != 1 {
		t.Errorf("%+v, %v", list, err)
	}
}

func TestTheOwnerOfANewAccountChoosesThePassword(t *testing.T) {
	in := openTest(t, config{setting.RegistrationMode: "invite_only"})
	a, err := in.admin().AddAccount(t.Context(), "ann@example.test", "", "")
	if err != nil {
		t.Fatal(err)
	}
	b := in.browser()
	b.post("sign-in", credentials("ann@example.test", "anything")).want(t, 401, "Invalid credentials")
	fragment, expires, err := in.admin().ResetLink(t.Context(), a.ID)
	if err != nil || !expires.Equal(in.clock.now().Add(30*time.Minute)) {
		t.Fatalf("%v, %v", expires, err)
	}
	values, err := url.ParseQuery(fragment)
	if err != nil || values.Get("reset") == "" {
		t.Fatalf("%v", err)
	}
	const chosen = "silver meadow seventeen"
	body := `{"token":"` + values.Get("reset") + `","newPassword":"` + chosen + `","confirmNewPassword":"` + chosen + `"}`
	b.post("reset-password", body).want(t, 200, `{"ok":true}`)
	b.post("sign-in", credentials("ann@example.test", chosen)).want(t, 200, `{"ok":true}`)
}

// What the operator ends is over with the next request, and stays so across a restart while access tokens could be
// valid.
func TestWhatTheOperatorEndsEndsAtOnce(t *testing.T) {
	for name, end := range map[string]func(t *testing.T, in *instance){
		"password": func(t *testing.T, in *instance) {
			if err := in.admin().SetPassword(t.Context(), "ann@example.test", "silver meadow seventeen"); err != nil {
				t.Fatal(err)
			}
		},
		"disable": func(t *testing.T, in *instance) {
			if err := in.admin().SetDisabled(t.Context(), "ANN@example.test", true); err != nil {
				t.Fatal(err)
			}
		},
		"factors": func(t *testing.T, in *instance) {
			if err := in.admin().ResetFactors(t.Context(), "ann@example.test"); err != nil {
				t.Fatal(err)
			}
		},
		"revoke": func(t *testing.T, in *instance) {
			if n, err := in.admin().RevokeSessions(t.Context(), "ann@example.test", ""); n != 2 || err != nil {
				t.Fatalf("%d, %v", n, err)
			}
		},
		"delete": func(t *testing.T, in *instance) {
			if err := in.admin().DeleteAccount(t.Context(), "ann@example.test"); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			in := openTest(t, config{})
			in.host.users = &removers{HostServices: in.host}
			one := in.signedIn("ann@example.test")
			two := in.browser()
			two.post("sign-in", credentials("ann@example.test", password)).want(t, 200, `{"ok":true}`)
			other := in.signedIn("bob@example.test")
			end(t, in)
			one.wantSignedOut()
			two.wantSignedOut()
			other.wantSignedIn()
			in.restart()
			one.wantSignedOut()
			two.wantSignedOut()
			other.wantSignedIn()
		})
	}
}

func TestADisabledAccountIsShutUntilItIsEnabled(t *testing.T) {
	in := openTest(t, config{})
	in.signedIn("ann@example.test")
	fragment, _, err := in.admin().ResetLink(t.Context(), "ann@example.test")
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // twice is not an error
		if err := in.admin().SetDisabled(t.Context(), "ann@example.test", true); err != nil {
			t.Fatal(err)
		}
	}
	b := in.browser()
	refused := b.post("sign-in", credentials("ann@example.test", password))
	if refused.status != 403 || refused.err.Data.(map[string]any)["code"] != "account_disabled" {
		t.Errorf("%d %+v", refused.status, refused.err)
	}
	b.post("sign-in", credentials("ann@example.test", "wrong password")).want(t, 401, "Invalid credentials")
	_, _, err = in.admin().ResetLink(t.Context(), "ann@example.test")
	wantCode(t, "a link for a disabled account", err, or3cloud.CodeConflict)
	if list, _, _ := in.admin().ListAccounts(t.Context(), "", 0); !list[0].Disabled || list[0].Sessions != 0 {
		t.Errorf("%+v", list)
	}
	if err := in.admin().SetDisabled(t.Context(), "ann@example.test", false); err != nil {
		t.Fatal(err)
	}
	b.post("sign-in", credentials("ann@example.test", password)).want(t, 200, `{"ok":true}`)
	token := strings.TrimPrefix(fragment, "reset=")
	late := b.post("reset-password", `{"token":"`+token+`","newPassword":"silver meadow 17","confirmNewPassword":"silver meadow 17"}`)
	if late.status != 400 {
		t.Errorf("a link from before works again: %d", late.status)
	}
}

func TestOneSessionIsRevoked(t *testing.T) {
	in := openTest(t, config{})
	one := in.signedIn("ann@example.test")
	in.clock.advance(time.Minute)
	two := in.browser()
	two.post("sign-in", credentials("ann@example.test", password), "User-Agent", "Browser Two").want(t, 200, `{"ok":true}`)
	list, err := in.admin().ListSessions(t.Context(), "ann@example.test")
	if err != nil || len(list) != 2 || list[0].UserAgent != "Browser Two" || list[0].IPAddress != "192.0.2.1" || !list[0].CreatedAt.Equal(in.clock.now()) {
		t.Fatalf("%+v, %v", list, err)
	}
	in.signedIn("bob@example.test")
	bobs, err := in.admin().ListSessions(t.Context(), "bob@example.test")
	if err != nil {
		t.Fatal(err)
	}
	_, err = in.admin().RevokeSessions(t.Context(), "ann@example.test", bobs[0].ID)
	wantCode(t, "someone else's session", err, or3cloud.CodeNotFound)
	if n, err := in.admin().RevokeSessions(t.Context(), "ann@example.test", list[0].ID); n != 1 || err != nil {
		t.Errorf("%d, %v", n, err)
	}
	two.wantSignedOut()
	one.wantSignedIn()
	_, err = in.admin().RevokeSessions(t.Context(), "ann@example.test", list[0].ID)
	wantCode(t, "a session that is over", err, or3cloud.CodeNotFound)
}

func TestAnAccountGoesWithItsUser(t *testing.T) {
	in := openTest(t, config{})
	a, err := in.admin().AddAccount(t.Context(), "ann@example.test", "", password)
	if err != nil {
		t.Fatal(err)
	}
	wantCode(t, "a store that cannot remove users", in.admin().DeleteAccount(t.Context(), a.ID), or3cloud.CodeUnsupported)

	host := &removers{HostServices: in.host, err: or3cloud.Errorf(or3cloud.CodeConflict, "others use it")}
	in.host.users = host
	b := in.browser()
	b.post("sign-in", credentials("ann@example.test", password)).want(t, 200, `{"ok":true}`)
	wantCode(t, "the last owner", in.admin().DeleteAccount(t.Context(), a.ID), or3cloud.CodeConflict)
	b.wantSignedIn()

	host.err = nil
	if err := in.admin().DeleteAccount(t.Context(), "ann@example.test"); err != nil {
		t.Fatal(err)
	}
	if len(host.removed) != 2 || host.removed[0] != "basic-auth/"+a.ID { // before, and once more after
		t.Errorf("%q", host.removed)
	}
	b.post("sign-in", credentials("ann@example.test", password)).want(t, 401, "Invalid credentials")
	if _, err := in.admin().AddAccount(t.Context(), "ann@example.test", "", password); err != nil {
		t.Errorf("the address is not free again: %v", err)
	}
	b.wantSignedOut()
	var left int
	if err := in.p.store.File.Read.QueryRowContext(t.Context(), "SELECT count(*) FROM deleted_accounts").Scan(&left); err != nil || left != 1 {
		t.Errorf("%d remembered, %v", left, err)
	}
	in.clock.advance(time.Hour) // no access token of the account is valid any more
	in.restart()
	if err := in.p.store.File.Read.QueryRowContext(t.Context(), "SELECT count(*) FROM deleted_accounts").Scan(&left); err != nil || left != 0 {
		t.Errorf("%d remembered after their tokens, %v", left, err)
	}
}

func TestAnUnknownUserIsNotFound(t *testing.T) {
	in := openTest(t, config{})
	in.host.users = &removers{HostServices: in.host}
	admin, ctx := in.admin(), t.Context()
	_, _, linkErr := admin.ResetLink(ctx, "nobody@example.test")
	_, listErr := admin.ListSessions(ctx, "nobody@example.test")
	_, revokeErr := admin.RevokeSessions(ctx, "", "")
	for what, err := range map[string]error{
		"password": admin.SetPassword(ctx, "nobody@example.test", password), "factors": admin.ResetFactors(ctx, "nobody@example.test"),
		"link": linkErr, "disable": admin.SetDisabled(ctx, "nobody@example.test", true), "sessions": listErr, "revoke": revokeErr,
		"delete": admin.DeleteAccount(ctx, "nobody@example.test"),
	} {
		wantCode(t, what, err, or3cloud.CodeNotFound)
	}
	if _, err := admin.AddAccount(ctx, "ann@example.test", "", password); err != nil {
		t.Fatal(err)
	}
	wantCode(t, "no password", admin.SetPassword(ctx, "ann@example.test", ""), or3cloud.CodeInvalid)
	wantCode(t, "a common password", admin.SetPassword(ctx, "ann@example.test", "password1"), or3cloud.CodeInvalid)
}

func TestTheOperatorsDeedsAreInTheTrail(t *testing.T) {
	in := openTest(t, config{})
	b := in.signedIn("ann@example.test")
	admin, ctx := in.admin(), t.Context()
	_, _, linkErr := admin.ResetLink(ctx, "ann@example.test")
	_, revokeErr := admin.RevokeSessions(ctx, "ann@example.test", "")
	err := errors.Join(linkErr, revokeErr, admin.ResetFactors(ctx, "ann@example.test"), admin.SetPassword(ctx, "ann@example.test", "silver meadow 17"),
		admin.SetDisabled(ctx, "ann@example.test", true), admin.SetDisabled(ctx, "ann@example.test", false))
	if err != nil {
		t.Fatal(err)
	}
	b.post("sign-in", credentials("ann@example.test", "silver meadow 17")).want(t, 200, `{"ok":true}`)
	events := b.get("events")
	for _, kind := range []guard.Event{guard.EventResetRequested, guard.EventSessionRevoked, guard.EventFactorsReset, guard.EventPasswordChanged, guard.EventDisabled, guard.EventEnabled} {
		if !strings.Contains(events.text, `"`+string(kind)+`"`) {
			t.Errorf("%s is not in %s", kind, events.text)
		}
	}
}

// TestAccountsAreFoundPageByPage: the census shows every account that fits once, whatever the size of the pages.
func TestAccountsAreFoundPageByPage(t *testing.T) {
	in := openTest(t, nil)
	all := in.Auth.(census.Accounts)
	for _, name := range []string{"ann", "bob", "cem", "dora", "émile"} {
		if _, err := in.admin().AddAccount(t.Context(), strings.ReplaceAll(name, "é", "e")+"@example.test", strings.ToUpper(name), ""); err != nil {
			t.Fatal(err)
		}
	}
	find := func(text string, limit int) (found []string) {
		t.Helper()
		for cursor := ""; ; {
			page, next, err := all.SearchAccounts(t.Context(), census.AccountSearch{Text: text, Cursor: cursor, Limit: limit})
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range page {
				found = append(found, a.DisplayName)
			}
			if cursor = next; next == "" {
				return found
			}
		}
	}
	for text, want := range map[string][]string{
		"": {"ANN", "BOB", "CEM", "DORA", "ÉMILE"}, "example": {"ANN", "BOB", "CEM", "DORA", "ÉMILE"}, "émi": {"ÉMILE"}, "Bob@": {"BOB"}, "nobody": nil,
	} {
		for _, limit := range []int{1, 2, 100} {
			if found := find(text, limit); !slices.Equal(slices.Sorted(slices.Values(found)), want) {
				t.Errorf("%q, %d a page: %v, want %v", text, limit, found, want)
			}
		}
	}
	for _, q := range []census.AccountSearch{{}, {Limit: 101}, {Limit: 1, Cursor: "x"}, {Limit: 1, Cursor: "x", Text: "a"}} {
		_, _, err := all.SearchAccounts(t.Context(), q)
		wantCode(t, "a question that is none", err, or3cloud.CodeInvalid)
	}
	_, _, err := all.ListSignedIn(t.Context(), "x", 1)
	wantCode(t, "a cursor that is none", err, or3cloud.CodeInvalid)
	counts, err := all.CountAccounts(t.Context())
	if err != nil || counts.Accounts != 5 || counts.SignedIn != 0 {
		t.Errorf("%+v, %v", counts, err)
	}
}
