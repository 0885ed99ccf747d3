package basicauth

import (
	"crypto/sha1"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/setting"
)

// wantRefusal checks the status, the code and the field of a refusal.
func (a answer) wantRefusal(t *testing.T, status int, code, field string) {
	t.Helper()
	if a.status != status || a.err == nil {
		t.Fatalf("answer %d %q, want %d with the code %s", a.status, a.text, status, code)
	}
	data, _ := a.err.Data.(map[string]any)
	if data["code"] != code || field != "" && data["field"] != field {
		t.Errorf("data %v, want the code %s and the field %q", data, code, field)
	}
}

func TestNewPasswordsFollowOnePolicy(t *testing.T) {
	breached := "never used before 7"
	file := filepath.Join(t.TempDir(), "breaches")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%X:3\r\n", sha1.Sum([]byte(breached))), 0o600); err != nil {
		t.Fatal(err)
	}
	in := openTest(t, config{settingBreachFile: file, setting.PublicURL: "https://chat.waterfall.example"})
	b := in.signedIn("ann.lighthouse@example.test")
	for text, code := range map[string]string{
		"short":           "password_too_short",
		"Password1!":      "password_too_common",
		"lighthouse-1990": "password_contains_context",
		"Waterfall2024":   "password_contains_context",
		breached:          "password_breached",
	} {
		body := `{"email":"b.lighthouse@example.test","password":"` + text + `","confirmPassword":"` + text + `"}`
		r := in.browser()
		r.address = "192.0.2.77"
		r.post("register", body).wantRefusal(t, 400, code, "password")
		b.post("change-password", strings.ReplaceAll(change, "a new password", text)).wantRefusal(t, 400, code, "newPassword")
	}
	b.wantSignedIn()
	b.post("change-password", strings.ReplaceAll(change, "a new password", "the lighthouse keeper")).want(t, 200, `{"ok":true}`)
}

func TestAnUnreadableBreachFileStopsTheStartAndAChangeOnly(t *testing.T) {
	in := openTest(t, config{})
	in.env.Config.(config)[settingBreachFile] = in.dbPath()
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.reopen(); err == nil || !strings.Contains(err.Error(), settingBreachFile) {
		t.Errorf("opened with a database for a list of digests: %v", err)
	}
	delete(in.env.Config.(config), settingBreachFile)
	in.open()
}

// The same password arrives in two spellings from two keyboards.
func TestPasswordsAreComparedInOneSpelling(t *testing.T) {
	in := openTest(t, nil)
	composed, decomposed := "caf\u00e9 \u00e0 minuit", "cafe\u0301 a\u0300 minuit"
	b := in.browser()
	b.post("register", strings.ReplaceAll(registration("ann@example.test"), password, composed)).want(t, 200, `{"ok":true}`)
	for _, spelling := range []string{composed, decomposed} {
		in.browser().post("sign-in", credentials("ann@example.test", spelling)).want(t, 200, `{"ok":true}`)
	}
}

func TestChangePasswordCanKeepTheSessionOfThePage(t *testing.T) {
	in := openTest(t, nil)
	b := in.signedIn("ann@example.test")
	before := b.copy()
	other := in.browser()
	other.post("sign-in", credentials("ann@example.test", password)).want(t, 200, `{"ok":true}`)
	b.post("change-password", strings.TrimSuffix(change, "}")+`,"keepSession":true}`).want(t, 200, `{"ok":true}`)
	b.wantSignedIn()
	before.wantSignedOut()
	other.wantSignedOut()
	in.restart()
	b.wantSignedIn()
	b.drop(sessions.AccessCookie)
	b.wantSignedIn()
}
