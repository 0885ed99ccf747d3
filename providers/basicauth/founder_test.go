package basicauth

import (
	"strings"
	"sync"
	"testing"

	"or3.chat/cloud/setting"
)

// founders returns the addresses of the founders' accounts.
func (in *instance) founders() (emails string) {
	in.t.Helper()
	err := in.p.store.File.Read.QueryRow("SELECT coalesce(group_concat(email, ' ' ORDER BY email), '') FROM accounts WHERE founder = 1").Scan(&emails)
	if err != nil {
		in.t.Fatal(err)
	}
	return emails
}

// setup returns the token of the setup link.
func (in *instance) setup() string {
	in.t.Helper()
	f, err := in.Setup(in.t.Context())
	if err != nil {
		in.t.Fatal(err)
	}
	return strings.TrimPrefix(f, "setup=")
}

// TestFounders checks whose account is the founder's.
func TestFounders(t *testing.T) {
	const bob = "bob@example.test"
	bootstrap := config{settingBootstrapEmail: ann, settingBootstrapPassword: password}
	with := func(mode string) config { return config{setting.RegistrationMode: mode} }
	for name, tc := range map[string]struct {
		cfg     config
		do      func(*instance)
		founder string
	}{
		"the setup link": {with("invite_only"), func(in *instance) {
			in.browser().post("register", withInvite(ann, in.setup())).want(t, 200, `{"ok":true}`)
		}, ann},
		"a registration before the setup link is used": {with("open"), func(in *instance) {
			token := in.setup()
			in.signedIn(bob)
			in.browser().post("register", withInvite(ann, token)).want(t, 200, `{"ok":true}`)
		}, ann},
		"two at once with one link": {with("open"), func(in *instance) {
			token := in.setup()
			var wait sync.WaitGroup
			for _, email := range []string{ann, bob} {
				wait.Go(func() { in.browser().post("register", withInvite(email, token)) })
			}
			wait.Wait()
			if in.founders() == "" || in.rows("SELECT count(*) FROM accounts WHERE founder = 1") != 1 {
				t.Errorf("founders %q", in.founders())
			}
			in.exec("UPDATE accounts SET founder = 0")
		}, ""},
		"open registration alone": {with("open"), func(in *instance) {
			in.signedIn(ann)
			in.restart()
			in.signedIn(bob)
		}, ""},
		"an operator's account": {with("open"), func(in *instance) {
			if _, err := in.admin().AddAccount(t.Context(), ann, "", password); err != nil {
				t.Fatal(err)
			}
		}, ""},
		"the bootstrap account": {bootstrap, func(in *instance) { in.restart() }, ann},
		"a bootstrap account of an installation that has accounts": {with("open"), func(in *instance) {
			in.signedIn(bob)
			in.env.Config = bootstrap
			in.restart()
		}, ""},
		"an installation from before there were founders": {with("open"), func(in *instance) {
			in.browser().post("register", withInvite(ann, in.setup())).want(t, 200, `{"ok":true}`)
			in.exec("UPDATE accounts SET founder = 0") // as the migration leaves it
			in.restart()
			in.browser().post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
		}, ""},
		"the same address again": {with("open"), func(in *instance) {
			in.browser().post("register", withInvite(ann, in.setup())).want(t, 200, `{"ok":true}`)
			in.exec("DELETE FROM accounts")
			in.signedIn(ann)
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			in := openTest(t, tc.cfg)
			tc.do(in)
			if got := in.founders(); got != tc.founder {
				t.Fatalf("founders %q, want %q", got, tc.founder)
			}
			if tc.founder == "" {
				return
			}
			// The flag is there until the user is made, and in each kind of token.
			in.restart()
			b := in.browser()
			b.post("sign-in", credentials(tc.founder, password)).want(t, 200, `{"ok":true}`)
			if s := b.wantSignedIn(); !s.Founder || !s.Admitted || !s.Identity().Founder {
				t.Errorf("after the sign-in: %+v", s)
			}
			in.clock.advance(in.p.opts.accessTTL * 2)
			if s := b.wantSignedIn(); !s.Founder {
				t.Errorf("after the rotation: %+v", s)
			}
			if a, err := in.admin().Account(t.Context(), tc.founder); err != nil || !a.Founder {
				t.Errorf("%+v, %v", a, err)
			}
			if strings.HasPrefix(name, "the ") {
				if _, err := in.admin().AddAccount(t.Context(), bob, "", password); err != nil {
					t.Fatal(err)
				}
			}
			b = in.browser()
			b.post("sign-in", credentials(bob, password)).want(t, 200, `{"ok":true}`)
			if s := b.wantSignedIn(); s.Founder {
				t.Errorf("another account: %+v", s)
			}
		})
	}
}
