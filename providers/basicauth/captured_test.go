package basicauth

import (
	"encoding/json"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/sessions"
)

// exchange is one recorded request of an unmodified client with the earlier server's answer.
type exchange struct {
	Scenario, Device, Path, Origin string
	SentAccess                     bool
	Body                           map[string]string
	Status                         int
	Answer                         *struct{ OK bool }
	Message, Limit                 string
	Cookies                        []struct {
		Name       string
		Cleared    bool
		Attributes []string
	}
}

// TestCapturedTraffic replays the recorded sign-ins, sign-outs and refreshes, also with an access lifetime of two
// seconds, which is over before the next request. Two things are better here: the refresh cookie reaches /api, and the
// parallel refreshes with one cookie that signed the recorded user out all succeed.
func TestCapturedTraffic(t *testing.T) {
	raw, err := os.ReadFile("testdata/captured.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []exchange
	if err := json.Unmarshal(raw, &all); err != nil {
		t.Fatal(err)
	}
	for len(all) > 0 {
		n := slices.IndexFunc(all, func(e exchange) bool { return e.Scenario != all[0].Scenario })
		if n < 0 {
			n = len(all)
		}
		scenario := all[:n]
		all = all[n:]
		t.Run(scenario[0].Scenario, func(t *testing.T) { replay(t, scenario, "900", 0) })
		t.Run(scenario[0].Scenario+", two seconds", func(t *testing.T) { replay(t, scenario, "2", 3*time.Second) })
	}
}

func replay(t *testing.T, scenario []exchange, accessTTL string, pause time.Duration) {
	in := openTest(t, config{settingAccessTTL: accessTTL})
	in.env.Production = true // as recorded: Secure cookies
	in.restart()
	devices := map[string]*browser{}
	passwords := map[string]string{} // by e-mail; the last one of the scenario under ""
	var page *browser                // the cookies that a page of session-refresh has when it begins to refresh
	for i, e := range scenario {
		in.clock.advance(pause)
		b := devices[e.Device]
		if b == nil {
			b = in.browser()
			devices[e.Device] = b
		}
		if !e.SentAccess {
			b.drop(sessions.AccessCookie) // it had expired in the browser, or the client keeps no cookies
		}
		held := b.value(sessions.RefreshCookie) != ""
		endpoint := strings.TrimPrefix(e.Path, "/api/basic-auth/")
		origin := strings.ReplaceAll(e.Origin, "<host>", "cloud.test")
		sender := b
		if e.Scenario == "session-refresh" && held {
			if page == nil {
				page = b.copy()
			}
			sender = page.copy() // the recorded refreshes were under way together, with one cookie
		}
		got := sender.post(endpoint, fillIn(e, passwords), "Origin", origin, "Content-Type", "application/json")
		b.keep(got.header)

		ok, text := e.Status == 200, e.Message
		if e.Answer != nil {
			good := e.Answer.OK || (e.Scenario == "session-refresh" && held)
			text = `{"ok":` + strconv.FormatBool(good) + `}`
			if good != e.Answer.OK {
				got.want(t, 200, text)
				continue
			}
		}
		got.want(t, e.Status, text)
		if limit := got.header.Get("X-RateLimit-Limit"); limit != e.Limit || (limit != "") != (got.header.Get("X-RateLimit-Remaining") != "") {
			t.Errorf("exchange %d: limit %q, recorded %q", i, limit, e.Limit)
		}
		if ok && got.header.Get("Content-Type") != "application/json" {
			t.Errorf("exchange %d: %v", i, got.header)
		}
		compareCookies(t, i, e, accessTTL, got)
	}
	if name := scenario[0].Scenario; name == "session-refresh" || name == "sign-in" {
		for range 3 {
			in.clock.advance(pause)
			devices["A"].wantSignedIn()
		}
	}
}

// fillIn fills in passwords where the recording has none: wrong ones where the recorded answer was a refusal.
func fillIn(e exchange, passwords map[string]string) string {
	if e.Body == nil {
		return ""
	}
	body := map[string]string{}
	for k, v := range e.Body {
		body[k] = v
	}
	email := body["email"]
	if email != "" {
		passwords["last"] = email
	}
	known := passwords[passwords["last"]]
	if e.Status == 401 {
		known = "not the right one"
	}
	switch {
	case strings.HasSuffix(e.Path, "/register"):
		body["password"], body["confirmPassword"] = password, password
		passwords[email] = password
	case strings.HasSuffix(e.Path, "/change-password"):
		body["currentPassword"], body["newPassword"], body["confirmNewPassword"] = known, "another "+password, "another "+password
		if e.Status == 200 {
			passwords[passwords["last"]] = "another " + password
		}
	default:
		body["password"] = known
	}
	raw, _ := json.Marshal(body)
	return string(raw)
}

func compareCookies(t *testing.T, i int, e exchange, accessTTL string, got answer) {
	t.Helper()
	cookies := (&http.Response{Header: got.header}).Cookies()
	if len(e.Cookies) == 0 {
		// With the short lifetime the request was renewed in place.
		if !slices.ContainsFunc(cookies, func(c *http.Cookie) bool { return c.Name == sessions.AccessCookie && c.Value != "" }) {
			got.wantCookiesKept(t)
		}
		return
	}
	for _, want := range e.Cookies {
		wantPath := map[string]string{sessions.AccessCookie: "/", sessions.RefreshCookie: sessions.RefreshPath}[want.Name]
		n := slices.IndexFunc(cookies, func(c *http.Cookie) bool { return c.Name == want.Name && c.Path == wantPath })
		if n < 0 {
			t.Fatalf("exchange %d: no cookie %s", i, want.Name)
		}
		attributes := strings.Split(cookies[n].Raw, "; ")[1:]
		slices.Sort(attributes)
		wanted := slices.Clone(want.Attributes)
		for j, a := range wanted {
			switch a {
			case "Path=/api/basic-auth":
				wanted[j] = "Path=" + sessions.RefreshPath
			case "Max-Age=900":
				wanted[j] = "Max-Age=" + accessTTL
			}
		}
		slices.Sort(wanted)
		if !slices.Equal(attributes, wanted) || (cookies[n].Value == "") != want.Cleared {
			t.Errorf("exchange %d: cookie %q, recorded %+v", i, cookies[n].Raw, want)
		}
	}
}
