package program

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/cookiejar"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"or3.chat/cloud/setting"
)

// signInCommand is "signin SOCKET EMAIL PASSWORD": it signs in as a browser does and resolves the session, which
// creates the user. With "!" the sign-in must be refused because the account is switched off.
func signInCommand(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 3 {
		ts.Fatalf("usage: signin SOCKET EMAIL PASSWORD")
	}
	jar, err := cookiejar.New(nil)
	ts.Check(err)
	socket := ts.MkAbs(args[0])
	client := http.Client{Jar: jar, Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	body, err := json.Marshal(map[string]string{"email": args[1], "password": args[2]})
	ts.Check(err)
	res, err := client.Post("http://localhost/api/basic-auth/sign-in", "application/json", strings.NewReader(string(body)))
	ts.Check(err)
	defer res.Body.Close()
	answer, err := io.ReadAll(res.Body)
	ts.Check(err)
	if neg {
		if res.StatusCode != http.StatusForbidden || !strings.Contains(string(answer), "account_disabled") {
			ts.Fatalf("sign-in: %d %s", res.StatusCode, answer)
		}
		return
	}
	if res.StatusCode != http.StatusOK {
		ts.Fatalf("sign-in: %d %s", res.StatusCode, answer)
	}
	session, err := client.Get("http://localhost/api/auth/session")
	ts.Check(err)
	defer session.Body.Close()
	if answer, err = io.ReadAll(session.Body); err != nil || !strings.Contains(string(answer), `"authenticated":true`) {
		ts.Fatalf("session: %s, %v", answer, err)
	}
}

// adminSignInCommand is "adminsignin SOCKET NAME PASSWORD STATUS": it signs in as the super administrator.
func adminSignInCommand(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 4 {
		ts.Fatalf("usage: adminsignin SOCKET NAME PASSWORD STATUS")
	}
	socket := ts.MkAbs(args[0])
	client := http.Client{Transport: &http.Transport{
		DisableKeepAlives: true,
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "unix", socket)
		},
	}}
	body, err := json.Marshal(map[string]string{"username": args[1], "password": args[2]})
	ts.Check(err)
	res, err := client.Post("http://localhost/api/admin/auth/login", "application/json", strings.NewReader(string(body)))
	ts.Check(err)
	defer res.Body.Close()
	if answer, _ := io.ReadAll(res.Body); strconv.Itoa(res.StatusCode) != args[3] {
		ts.Fatalf("sign-in: %d %s", res.StatusCode, answer)
	}
}

func TestLifetimes(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"": 0, "7d": 7 * 24 * time.Hour, "365d": 365 * 24 * time.Hour, "12h": 12 * time.Hour, "1m": time.Minute, "1h30m": 90 * time.Minute,
	} {
		if got, err := parseLifetime(text); err != nil || got != want {
			t.Errorf("%q: %v, %v", text, got, err)
		}
	}
	for _, text := range []string{"7", "d", "0d", "-1d", "366d", "9223372036854775807d", "99999999999999999999d", "59s", "-1h", "9000h", "1.5d", "week"} {
		if got, err := parseLifetime(text); err == nil {
			t.Errorf("%q: %v", text, got)
		}
	}
}

func TestLinksLeadToWherePeopleAre(t *testing.T) {
	load := func(environ ...string) settings {
		a := newApp(registerProviders)
		a.environ = environ
		s, err := a.load(settingFlags{})
		if err != nil {
			t.Fatal(err)
		}
		return s
	}
	tcp := &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: 3000}
	for _, tc := range []struct {
		environ []string
		addr    net.Addr
		want    string
	}{
		{nil, tcp, "http://127.0.0.1:3000"},
		{[]string{setting.PublicURL + "=https://cloud.example.org/"}, tcp, "https://cloud.example.org"},
		{[]string{setting.PublicURL + "=https://cloud.example.org", setting.StrictConfig + "=true"}, nil, "https://cloud.example.org"},
		{[]string{setting.StrictConfig + "=true"}, tcp, ""},
		{nil, nil, ""},
	} {
		got, err := load(tc.environ...).links(tc.addr, "").Entrance()
		if got.Base != tc.want || (err != nil) != (tc.want == "") || err != nil && !strings.Contains(err.Error(), setting.PublicURL) {
			t.Errorf("%+v: %q, %v", tc, got, err)
		}
	}
	for addr, want := range map[string]string{
		"127.0.0.1:3000": "http://127.0.0.1:3000", "unix:/run/s": "http://localhost", ":8080": "http://localhost:8080",
	} {
		s := load(setting.Addr + "=" + addr)
		if got, err := s.links(configuredAddr(s), "").Entrance(); err != nil || got.Base != want {
			t.Errorf("%s: %q, %v", addr, got, err)
		}
	}
	if addr := configuredAddr(load(setting.Addr + "=127.0.0.1:0")); addr != nil {
		t.Errorf("a port that only a running server knows: %v", addr)
	}
}
