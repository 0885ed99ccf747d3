package basicauth

import (
	"testing"
	"time"
)

// A browser whose session was ended elsewhere is told once what ended it; other browsers are told nothing.
func TestABrowserIsToldWhatHasEndedItsSession(t *testing.T) {
	for name, c := range map[string]struct {
		end  func(in *instance, other, b *browser)
		want string
	}{
		"signed out on another device": {func(in *instance, other, b *browser) {
			other.post("sessions/revoke", body("id", b.actor().SessionID)).want(in.t, 200, `{"ok":true}`)
		}, `{"ok":false,"ended":"session_revoked"}`},
		"signed out with all others": {func(in *instance, other, _ *browser) {
			other.post("sessions/revoke-others", "{}").want(in.t, 200, `{"ok":true,"revoked":1}`)
		}, `{"ok":false,"ended":"session_revoked"}`},
		"signed out by the operator": {func(in *instance, _, _ *browser) {
			if _, err := in.admin().RevokeSessions(in.t.Context(), ann, ""); err != nil {
				in.t.Fatal(err)
			}
		}, `{"ok":false,"ended":"session_revoked"}`},
		"a new password": {func(in *instance, other, _ *browser) {
			other.post("change-password", change).want(in.t, 200, `{"ok":true}`)
		}, `{"ok":false,"ended":"password_changed"}`},
		"a new password by a link": {func(in *instance, _, _ *browser) { in.resetPassword(ann, "a brand new secret") }, `{"ok":false,"ended":"password_reset"}`},
		"factors reset": {func(in *instance, _, _ *browser) {
			if err := in.admin().ResetFactors(in.t.Context(), ann); err != nil {
				in.t.Fatal(err)
			}
		}, `{"ok":false,"ended":"factors_reset"}`},
		"switched off": {func(in *instance, _, _ *browser) { in.setDisabled(ann, true) }, `{"ok":false,"ended":"account_disabled"}`},
		"run out":      {func(in *instance, _, _ *browser) { in.clock.advance(in.p.opts.refreshTTL + time.Minute) }, `{"ok":false}`},
	} {
		t.Run(name, func(t *testing.T) {
			in := openTest(t, nil)
			b := in.signedIn(ann)
			in.clock.advance(time.Minute)
			other := in.browser()
			other.post("sign-in", credentials(ann, password)).want(t, 200, `{"ok":true}`)
			c.end(in, other, b)
			in.clock.advance(time.Minute)
			b.copy().post("refresh?silent=1", "").want(t, 200, `{"ok":false}`)
			b.post("refresh?silent=1&why=1", "").want(t, 200, c.want).wantCookiesCleared(t)
			b.post("refresh?silent=1&why=1", "").want(t, 200, `{"ok":false}`)
			in.browser().post("refresh?silent=1&why=1", "").want(t, 200, `{"ok":false}`)
		})
	}
}
