package doctor

import (
	"context"
	"crypto/tls"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/bcrypt"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/control"
	"or3.chat/cloud/internal/diskspace"
	"or3.chat/cloud/internal/mail/smtptest"
	"or3.chat/cloud/internal/superadmin"
	"or3.chat/cloud/program/probe"
	"or3.chat/cloud/setting"
)

// A key of the kind that or3cloud.MakeKey prints, and another one.
const (
	aKey       = "q7Hn0v5mXwC2yKfR8bTzUeJ4sPdL1aGiO6NtYxVhWk3="
	anotherKey = "Zr1oT8uYkQ4mSg6HvB0nEwXc2LfPj9aDi5RtKyNhVx7="
)

// registry has a provider for each kind, with the ids that are selected by default.
func registry(t *testing.T, change ...func(*or3cloud.Provider)) *or3cloud.Registry {
	t.Helper()
	reg := &or3cloud.Registry{}
	for id, kind := range map[string]or3cloud.ProviderKind{"basic-auth": or3cloud.ProviderAuth, "sqlite": or3cloud.ProviderSync, "fs": or3cloud.ProviderStorage} {
		p := or3cloud.Provider{
			ID: id, Package: "example.org/" + id, Serves: []or3cloud.ProviderKind{kind},
			Open: func(context.Context, or3cloud.Env) (*or3cloud.Instance, error) {
				return nil, errors.New("never opened")
			},
		}
		for _, c := range change {
			c(&p)
		}
		if err := reg.Register(p); err != nil {
			t.Fatal(err)
		}
	}
	return reg
}

// subject is a healthy installation with other variables.
func subject(t *testing.T, reg *or3cloud.Registry, environ ...string) Subject {
	t.Helper()
	catalogue, err := config.NewCatalogue(reg)
	if err != nil {
		t.Fatal(err)
	}
	s := Subject{
		Registry: reg, Offline: true, Now: time.Now,
		Listen:  func() (net.Listener, error) { return nil, nil },
		Measure: func(string) (diskspace.Usage, error) { return diskspace.Usage{Free: 1 << 40, Total: 1 << 41}, nil },
	}
	s.Config, s.Problems, s.Warnings = config.Load(catalogue, config.Sources{Environ: environ})
	if s.Identify, err = host.Identify(s.Config); err != nil {
		t.Fatal(err)
	}
	return s
}

// examine returns the findings, without whether something sets the clock of the machine that runs the test.
func examine(t *testing.T, s Subject) []Finding {
	t.Helper()
	r := Examine(t.Context(), s)
	found := slices.DeleteFunc(r.Findings, func(f Finding) bool {
		return f.Area == AreaClock && f.Severity == Warning && strings.Contains(f.Fault, "kernel")
	})
	errs := 0
	for _, f := range found {
		if line := f.String(); strings.Contains(line, "\n") || f.Variable == "" || f.Fault == "" || f.Why == "" || f.Fix == "" || !strings.Contains(line, ". Fix: ") {
			t.Errorf("a finding is a line with what, why and the fix: %q %+v", line, f)
		}
		if f.Severity == Error {
			errs++
		}
	}
	if r.OK != (errs == 0) || r.Errors != errs {
		t.Errorf("OK %v with %d of %d errors", r.OK, r.Errors, errs)
	}
	return found
}

// only fails unless there is exactly one finding, and returns it.
func only(t *testing.T, found []Finding, severity Severity, at Area, variable string) Finding {
	t.Helper()
	if len(found) != 1 || found[0].Severity != severity || found[0].Area != at || found[0].Variable != variable {
		t.Fatalf("found %q, want one %s about %s in %s", found, severity, variable, at)
	}
	return found[0]
}

func none(t *testing.T, found []Finding) {
	t.Helper()
	if len(found) > 0 {
		t.Errorf("found %q", found)
	}
}

func TestAGoodInstallationHasNoFinding(t *testing.T) {
	for name, environ := range map[string][]string{
		"local":  nil,
		"static": {"SSR_AUTH_ENABLED=false"},
		"public": {
			"NODE_ENV=production", "OR3_PUBLIC_URL=https://cloud.example.org", "OR3_TRUSTED_PROXIES=loopback", "OR3_AUTH_REGISTRATION_MODE=invite_only",
			"OR3_AUTH_INVITE_TOKEN_SECRET=" + aKey, "OR3_WEBHOOKS_ENCRYPTION_KEY=" + anotherKey,
		},
		"socket": {
			"NODE_ENV=production", "OR3_PUBLIC_URL=https://cloud.example.org", "OR3_ADDR=unix:/run/or3/s", "OR3_TRUST_PROXY=true", "OR3_AUTH_REGISTRATION_MODE=disabled",
		},
	} {
		t.Run(name, func(t *testing.T) { none(t, examine(t, subject(t, registry(t), environ...))) })
	}
}

// TestUnsafeCombinations has a case for each rule. A rule without one fails.
func TestUnsafeCombinations(t *testing.T) {
	const public, http = "OR3_PUBLIC_URL=https://cloud.example.org", "OR3_PUBLIC_URL=http://nas.example.lan"
	strict := []string{"NODE_ENV=production", "OR3_TRUSTED_PROXIES=loopback", "OR3_AUTH_REGISTRATION_MODE=disabled", public}
	with := func(more ...string) []string { return slices.Concat(strict, more) }
	seen := map[string]bool{}
	for _, c := range []struct {
		variable string
		severity Severity
		environ  []string
	}{
		{setting.SocketMode, Warning, with("OR3_ADDR=unix:/run/or3/s", "OR3_SOCKET_MODE=0666")},
		{setting.Addr, Warning, []string{"OR3_ADDR=:3000"}},
		{setting.PublicURL, Error, []string{http}},
		{setting.PublicURL, Warning, []string{"NODE_ENV=production", "OR3_PUBLIC_URL=http://localhost:3000", "OR3_AUTH_REGISTRATION_MODE=disabled"}},
		{setting.NodeEnv, Warning, []string{public, "OR3_TRUSTED_PROXIES=loopback"}},
		{setting.RegistrationMode, Warning, []string{"NODE_ENV=production", "OR3_TRUSTED_PROXIES=loopback", public}},
		{setting.ProvisioningFailure, Warning, []string{"OR3_SESSION_PROVISIONING_FAILURE=unauthenticated"}},
		{setting.LimitsEnabled, Warning, with("OR3_LIMITS_ENABLED=false")},
		{setting.DisableRateLimit, Warning, []string{public, "OR3_TRUSTED_PROXIES=loopback", "OR3_STRICT_CONFIG=true", "OR3_AUTH_REGISTRATION_MODE=disabled", "DISABLE_RATE_LIMIT=1"}},
		{setting.AllowedOrigins, Warning, with("OR3_ALLOWED_ORIGINS=http://chat.example.org")},
		{setting.ForceHTTPS, Warning, with("OR3_FORCE_HTTPS=false")},
		{setting.TrustProxy, Error, []string{"OR3_TRUST_PROXY=true", "OR3_ADDR=0.0.0.0:3000", public, "OR3_STRICT_CONFIG=true", "OR3_AUTH_REGISTRATION_MODE=disabled"}},
		{setting.TrustedProxies, Error, []string{"NODE_ENV=production", public, "OR3_AUTH_REGISTRATION_MODE=disabled"}},
		{setting.CSP, Warning, with("OR3_CSP=false")},
		{setting.AllowAnyFileType, Warning, []string{
			"NODE_ENV=production", public, "OR3_TRUSTED_PROXIES=loopback", "OR3_STORAGE_ALLOW_ANY_FILE_TYPE=true", "OR3_AUTH_REGISTRATION_MODE=open",
		}},
		{setting.AdminUsername, Warning, []string{"OR3_ADMIN_USERNAME=admin"}},
		{setting.AdminAllowedNetworks, Warning, []string{"OR3_TRUST_PROXY=true", "OR3_ADMIN_ALLOWED_NETWORKS=private"}},
		{setting.RegistrationMode, Warning, []string{"OR3_STRICT_CONFIG=false", "OR3_TRUSTED_PROXIES=loopback", public, "OR3_MODEL_UPSTREAMS=ollama=http://127.0.0.1:1/v1"}},
		{setting.BackgroundEnabled, Warning, []string{"OR3_BACKGROUND_STREAMING_ENABLED=true", "OR3_SYNC_ENABLED=false", "OPENROUTER_API_KEY=sk-or-v1-for-all"}},
		{setting.BackgroundEnabled, Warning, []string{"OR3_BACKGROUND_STREAMING_ENABLED=true"}},
		{setting.BackgroundPerUser, Warning, []string{
			"OR3_BACKGROUND_STREAMING_ENABLED=true", "OPENROUTER_API_KEY=sk-or-v1-for-all", "OR3_BACKGROUND_MAX_JOBS=3", "OR3_OPENROUTER_BASE_URL=http://127.0.0.1:1",
		}},
		{setting.WebhooksBlockPrivateIPs, Error, []string{"OR3_WEBHOOKS_BLOCK_PRIVATE_IPS=false"}},
	} {
		t.Run(c.variable+" "+string(c.severity), func(t *testing.T) {
			found := slices.DeleteFunc(examine(t, subject(t, registry(t), c.environ...)), func(f Finding) bool {
				return f.Variable == setting.RegistrationMode && c.variable == setting.AllowAnyFileType || f.Area == AreaConfiguration ||
					f.Variable == setting.NodeEnv && c.variable == setting.RegistrationMode // strict mode has another rule for it
			})
			f := only(t, found, c.severity, AreaCombination, c.variable)
			seen[f.Variable+f.Fault] = true
		})
	}
	for _, rule := range combinations {
		if !seen[rule.Variable+rule.Fault] {
			t.Errorf("%s %s: no case has it", rule.Variable, rule.Fault)
		}
	}
}

// Background answers need a key of the operator where keys are not generated, and none elsewhere.
func TestAnswersInTheBackgroundWantAKey(t *testing.T) {
	environ := []string{"OR3_BACKGROUND_STREAMING_ENABLED=true", "OPENROUTER_API_KEY=sk-or-v1-for-all"}
	wanted := func(f Finding) bool { return f.Variable == setting.BackgroundKey && f.Severity == Error }
	if found := examine(t, subject(t, registry(t), environ...)); slices.ContainsFunc(found, wanted) {
		t.Errorf("%q", found)
	}
	if found := examine(t, subject(t, registry(t), append(environ, "OR3_STRICT_CONFIG=true")...)); !slices.ContainsFunc(found, wanted) {
		t.Errorf("%q", found)
	}
	short := append(environ, "OR3_STRICT_CONFIG=true", "OR3_BACKGROUND_ENCRYPTION_KEY=short")
	if found := examine(t, subject(t, registry(t), short...)); !slices.ContainsFunc(found, wanted) {
		t.Errorf("%q", found)
	}
}

func TestWhatTheStartSaysIsFound(t *testing.T) {
	found := examine(t, subject(t, registry(t), "OR3_SYNK_ENABLED=false", "OR3_LOG_LEVEL=loud", "OR3_UNKNOWN_THING=1"))
	if len(found) != 3 || found[0].Severity != Error || found[0].Variable != setting.LogLevel ||
		found[1].Variable != "OR3_SYNK_ENABLED" && found[2].Variable != "OR3_SYNK_ENABLED" {
		t.Fatalf("%q", found)
	}
	if all := found[1].Fix + found[2].Fix; !strings.Contains(all, "OR3_SYNC_ENABLED") {
		t.Errorf("the nearest name is not offered: %q", all)
	}
}

func TestKeysThatCanBeGuessed(t *testing.T) {
	for key, want := range map[string]bool{
		aKey: false, anotherKey: false,
		"changeme-changeme-changeme-changeme": true, strings.Repeat("a", 40): true, strings.Repeat("12345678", 5): true,
		"My-Password-My-Password-My-Password": true,
	} {
		if got := guessable(key); got != want {
			t.Errorf("%s: %v", key, got)
		}
	}
	s := subject(t, registry(t), "OR3_AUTH_INVITE_TOKEN_SECRET=do-not-show-changeme-do-not-show-it")
	if f := only(t, examine(t, s), Warning, AreaSecrets, setting.InviteSecret); strings.Contains(f.String(), "do-not-show") {
		t.Errorf("a key is shown: %s", f)
	}
	s = subject(t, registry(t), "OR3_AUTH_INVITE_TOKEN_SECRET="+aKey, "OR3_WEBHOOKS_ENCRYPTION_KEY="+aKey)
	if f := only(t, examine(t, s), Warning, AreaSecrets, setting.WebhooksKey); !strings.Contains(f.Fault, setting.InviteSecret) {
		t.Errorf("%s", f)
	}
}

// TestWhatSetupWouldNotTakeIsFound is about settings that check their values; those of a provider that is not selected
// do not matter.
func TestWhatSetupWouldNotTakeIsFound(t *testing.T) {
	reg := registry(t, func(p *or3cloud.Provider) {
		if p.ID == "basic-auth" {
			p.Settings = []or3cloud.Setting{{
				Name: "OWN_PASSWORD", Group: "Own", Label: "Password", Secret: true, Help: "Password.",
				Check: func(text string) (fault, fix string) {
					if text == "12345" {
						return "is one that many people use", "Use a few words."
					}
					return "", ""
				},
			}}
		}
	})
	if f := only(t, examine(t, subject(t, reg, "OWN_PASSWORD=12345")), Warning, AreaConfiguration, "OWN_PASSWORD"); strings.Contains(f.String(), "12345") {
		t.Errorf("a password is shown: %s", f)
	}
	none(t, examine(t, subject(t, reg, "OWN_PASSWORD=violet harbour")))
	none(t, examine(t, subject(t, reg)))
	none(t, examine(t, subject(t, reg, "OWN_PASSWORD=12345", "SSR_AUTH_ENABLED=false")))
}

// TestProvidersContribute has a provider that takes two places, and another one that is missing.
func TestProvidersContribute(t *testing.T) {
	reg := &or3cloud.Registry{}
	calls := 0
	if err := reg.Register(or3cloud.Provider{
		ID: "own", Package: "example.org/own", Serves: []or3cloud.ProviderKind{or3cloud.ProviderAuth, or3cloud.ProviderSync},
		Settings: []or3cloud.Setting{{Name: "OWN_DIR", Group: "Own", Label: "Directory", Help: "Directory."}},
		Open: func(context.Context, or3cloud.Env) (*or3cloud.Instance, error) {
			return nil, errors.New("never opened")
		},
		Examine: func(_ context.Context, e or3cloud.Examination) (problems, warnings []or3cloud.Problem) {
			calls++
			problems, warnings = e.Room("OWN_DIR", e.Config.String("OWN_DIR"))
			return append(problems, or3cloud.Problem{Variable: "OWN_DIR", Fault: "is red", Why: "it should be blue", Fix: "Paint it."}), warnings
		},
	}); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	s := subject(t, reg, "AUTH_PROVIDER=own", "OR3_SYNC_PROVIDER=own", "OWN_DIR="+filepath.Join(dir, "not", "yet"))
	s.Measure = func(at string) (diskspace.Usage, error) {
		if at != dir {
			return diskspace.Usage{}, os.ErrNotExist
		}
		return diskspace.Usage{Free: 1 << 20, Total: 1 << 40, Network: "nfs"}, nil
	}
	var got []string
	for _, f := range examine(t, s) {
		got = append(got, string(f.Severity)+" "+f.Variable+" "+strings.Fields(f.Fault)[0])
	}
	slices.Sort(got)
	want := []string{"error NUXT_PUBLIC_STORAGE_PROVIDER storage.provider", "error OWN_DIR is", "error OWN_DIR the", "warning OWN_DIR " + filepath.Join(dir, "not", "yet")}
	if !slices.Equal(got, want) || calls != 1 {
		t.Errorf("%q, asked %d times", got, calls)
	}
}

func TestTheClock(t *testing.T) {
	s := subject(t, registry(t))
	s.Built = time.Now().Add(time.Hour)
	only(t, examine(t, s), Error, AreaClock, clockVariable)
	s.Built = time.Now().Add(-time.Hour)
	none(t, examine(t, s))
	s.DataDir = t.TempDir()
	write(t, filepath.Join(s.DataDir, "identity.json"), `{"id":"x","format":1,"createdAt":"2026-01-01T00:00:00Z"}`)
	s.Now = func() time.Time { return time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC) }
	s.Built = time.Time{}
	only(t, examine(t, s), Error, AreaClock, clockVariable)
}

// TestDataThatIsServed has the data directory below the client, also through a link.
func TestDataThatIsServed(t *testing.T) {
	top := t.TempDir()
	s := subject(t, registry(t))
	s.Web = filepath.Join(top, "public")
	write(t, filepath.Join(s.Web, "index.html"), "")
	link := filepath.Join(top, "link")
	if err := os.Symlink(s.Web, link); err != nil {
		t.Fatal(err)
	}
	for dir, served := range map[string]bool{
		filepath.Join(s.Web, "data"): true, filepath.Join(link, "a", "data"): true, s.Web + "-data": false, filepath.Join(top, "data"): false,
	} {
		s.DataDir = dir
		if found := examine(t, s); served {
			only(t, found, Error, AreaData, setting.DataDir)
		} else {
			none(t, found)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o700), os.WriteFile(path, []byte(text), 0o600), os.Chmod(filepath.Dir(path), 0o700)); err != nil {
		t.Fatal(err)
	}
}

func TestAnAddressThatIsTaken(t *testing.T) {
	s := subject(t, registry(t))
	s.Listen = func() (net.Listener, error) {
		return nil, errors.New("127.0.0.1:3000 is in use by another program; stop it, or choose another address")
	}
	if f := only(t, examine(t, s), Error, AreaAddress, setting.Addr); f.Fix != "Stop it, or choose another address." {
		t.Errorf("%s", f)
	}
	s.Listen = func() (net.Listener, error) {
		return nil, errors.New("0.0.0.0:80: permission denied: ports below 1024 are for privileged processes. Choose a higher one; or give the privilege")
	}
	if f := only(t, examine(t, s), Error, AreaAddress, setting.Addr); f.Fix != "Choose a higher one; or give the privilege." {
		t.Errorf("%s", f)
	}
	s.Listen = func() (net.Listener, error) {
		return nil, errors.New("127.0.0.1:3000 is in use by another program; stop it; it is the process with pid 1, systemd")
	}
	none(t, examine(t, s))
}

func TestARunningServerIsAskedWhereItShouldBe(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == probe.Health {
			w.Write([]byte(`{"status":"ok","timestamp":"","uptime":1}`))
		}
	}))
	defer server.Close()
	addr := server.Listener.Addr().String()
	s := subject(t, registry(t), "OR3_ADDR="+addr)
	s.Running = true
	s.Listen = func() (net.Listener, error) { t.Error("the address of a running server is taken"); return nil, nil }
	none(t, examine(t, s))
	// One without a control socket: a server of files only, or of other data.
	s.Running = false
	s.Listen = func() (net.Listener, error) { return nil, errors.New(addr + " is in use by another program") }
	none(t, examine(t, s))
	s.DataDir = t.TempDir()
	if err := os.Chmod(s.DataDir, 0o700); err != nil {
		t.Fatal(err)
	}
	only(t, examine(t, s), Warning, AreaAddress, setting.Addr)
	s.DataDir, s.Running = "", true
	server.Close()
	only(t, examine(t, s), Warning, AreaAddress, setting.Addr)
}

// proxied is a server behind a reverse proxy: the public URL leads to the proxy, which sends what rewrite makes of a
// request.
func proxied(t *testing.T, secure bool, rewrite func(*httputil.ProxyRequest), environ ...string) Subject {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	target := &url.URL{Scheme: "http", Host: ln.Addr().String()}
	proxy := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) {
		r.SetURL(target)
		rewrite(r)
	}}
	start := httptest.NewServer
	if secure {
		start = httptest.NewTLSServer
	}
	front := start(proxy)
	t.Cleanup(front.Close)
	s := subject(t, registry(t), append(environ, "OR3_PUBLIC_URL="+front.URL, "OR3_ADDR="+ln.Addr().String())...)
	s.Offline, s.Client = false, front.Client()
	s.Listen = func() (net.Listener, error) { return ln, nil }
	return s
}

func TestWhatAProxySends(t *testing.T) {
	good := func(r *httputil.ProxyRequest) { r.SetXForwarded() }
	appends := func(r *httputil.ProxyRequest) {
		r.Out.Header["X-Forwarded-For"] = r.In.Header["X-Forwarded-For"]
		r.SetXForwarded()
	}
	without := func(name string) func(*httputil.ProxyRequest) {
		return func(r *httputil.ProxyRequest) { r.SetXForwarded(); r.Out.Header.Del(name) }
	}
	for _, c := range []struct {
		name     string
		rewrite  func(*httputil.ProxyRequest)
		environ  []string
		severity Severity
		variable string // there is no finding if it is empty
	}{
		{"good", good, []string{"OR3_TRUSTED_PROXIES=loopback"}, "", ""},
		{"good, everyone trusted", good, []string{"OR3_TRUST_PROXY=true"}, "", ""},
		{"appends to what clients send", appends, []string{"OR3_TRUST_PROXY=true"}, Error, setting.TrustProxy},
		{"appends, and is named", appends, []string{"OR3_TRUSTED_PROXIES=loopback"}, "", ""},
		{"not named", good, []string{"OR3_TRUSTED_PROXIES=192.0.2.1"}, Error, setting.TrustedProxies},
		{"no protocol", without("X-Forwarded-Proto"), []string{"OR3_TRUSTED_PROXIES=loopback"}, Error, setting.PublicURL},
		{"no host", without("X-Forwarded-Host"), []string{"OR3_TRUSTED_PROXIES=loopback"}, Warning, setting.PublicURL},
		{"no address", func(r *httputil.ProxyRequest) {
			r.SetXForwarded()
			r.Out.Header.Del("X-Forwarded-For")
		}, []string{"OR3_TRUSTED_PROXIES=loopback"}, Error, setting.ForwardedForHeader},
		{"no address in what should be one", func(r *httputil.ProxyRequest) {
			r.SetXForwarded()
			r.Out.Header.Set("X-Forwarded-For", "unknown")
		}, []string{"OR3_TRUSTED_PROXIES=loopback"}, Error, setting.ForwardedForHeader},
		{"no address, everyone trusted", func(r *httputil.ProxyRequest) {
			r.SetXForwarded()
			r.Out.Header.Del("X-Forwarded-For")
		}, []string{"OR3_TRUST_PROXY=true"}, Error, setting.ForwardedForHeader},
		{"another host", func(r *httputil.ProxyRequest) {
			r.SetXForwarded()
			r.Out.Header.Set("X-Forwarded-Host", "backend:3000")
		},
			[]string{"OR3_TRUSTED_PROXIES=loopback"}, Warning, setting.PublicURL},
	} {
		t.Run(c.name, func(t *testing.T) {
			found := slices.DeleteFunc(examine(t, proxied(t, true, c.rewrite, c.environ...)), func(f Finding) bool { return f.Area != AreaPublicURL })
			if c.variable == "" {
				none(t, found)
				return
			}
			only(t, found, c.severity, AreaPublicURL, c.variable)
		})
	}
}

func TestAPublicURLThatLeadsElsewhere(t *testing.T) {
	for name, c := range map[string]struct {
		answer http.HandlerFunc
		fault  string
	}{
		"another server": {func(w http.ResponseWriter, _ *http.Request) { w.Write([]byte("<h1>Welcome to nginx!</h1>")) }, "another server"},
		"a redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://other.example/", http.StatusFound)
		}, "https://other.example/"},
		"a redirect to nowhere": {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusFound) }, "elsewhere: nowhere"},
		"a lost upstream":       {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusBadGateway) }, "502"},
	} {
		t.Run(name, func(t *testing.T) {
			front := httptest.NewServer(c.answer)
			defer front.Close()
			s := subject(t, registry(t), "OR3_PUBLIC_URL="+front.URL)
			s.Offline, s.Running = false, true
			found := slices.DeleteFunc(examine(t, s), func(f Finding) bool { return f.Area != AreaPublicURL })
			if f := only(t, found, Warning, AreaPublicURL, setting.PublicURL); !strings.Contains(f.Fault, c.fault) {
				t.Errorf("%s", f)
			}
		})
	}
	t.Run("no one", func(t *testing.T) {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		ln.Close()
		s := subject(t, registry(t), "OR3_PUBLIC_URL=http://"+ln.Addr().String())
		s.Offline, s.Running = false, true
		found := slices.DeleteFunc(examine(t, s), func(f Finding) bool { return f.Area != AreaPublicURL })
		only(t, found, Warning, AreaPublicURL, setting.PublicURL)
	})
	t.Run("an authority that is not trusted, and a clock", func(t *testing.T) {
		s := proxied(t, true, func(r *httputil.ProxyRequest) { r.SetXForwarded() }, "OR3_TRUSTED_PROXIES=loopback")
		s.Client = nil
		found := slices.DeleteFunc(examine(t, s), func(f Finding) bool { return f.Area != AreaPublicURL })
		if f := only(t, found, Warning, AreaPublicURL, setting.PublicURL); !strings.Contains(f.Fault, "authority") {
			t.Errorf("%s", f)
		}
		s = proxied(t, false, func(r *httputil.ProxyRequest) { r.SetXForwarded() }, "OR3_TRUSTED_PROXIES=loopback")
		s.Now = func() time.Time { return time.Now().Add(time.Hour) }
		only(t, examine(t, s), Warning, AreaClock, clockVariable)
	})
}

func TestACertificateThatEnds(t *testing.T) {
	s := proxied(t, true, func(r *httputil.ProxyRequest) { r.SetXForwarded() }, "OR3_TRUSTED_PROXIES=loopback")
	transport := s.Client.Transport.(*http.Transport).Clone()
	var end time.Time
	transport.TLSClientConfig.VerifyConnection = func(state tls.ConnectionState) error {
		end = state.PeerCertificates[0].NotAfter
		return nil
	}
	s.Client = &http.Client{Transport: transport}
	_ = Examine(t.Context(), s)
	if end.IsZero() {
		t.Fatal("the certificate was not seen")
	}
	s = proxied(t, true, func(r *httputil.ProxyRequest) { r.SetXForwarded() }, "OR3_TRUSTED_PROXIES=loopback")
	s.Now = func() time.Time { return end.Add(-24 * time.Hour) }
	found := slices.DeleteFunc(examine(t, s), func(f Finding) bool { return f.Area != AreaPublicURL })
	if f := only(t, found, Warning, AreaPublicURL, setting.PublicURL); !strings.Contains(f.Fault, "certificate") {
		t.Errorf("%s", f)
	}
}

func TestTheMailServer(t *testing.T) {
	server := smtptest.Start(t, smtptest.Options{})
	environ := []string{"OR3_SMTP_URL=smtp://" + server.Addr, "OR3_SMTP_FROM=cloud@example.test"}
	s := subject(t, registry(t), environ...)
	s.Offline = false
	none(t, examine(t, s))
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ln.Close()
	s = subject(t, registry(t), "OR3_SMTP_URL=smtp://"+ln.Addr().String(), "OR3_SMTP_FROM=cloud@example.test")
	s.Offline = false
	only(t, examine(t, s), Error, AreaMail, setting.SMTPURL)
	s.Offline = true
	none(t, examine(t, s))
}

// TestTheStandInIsNotAServer is what others see while the stand-in has the address.
func TestTheStandInIsNotAServer(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	e := &examination{Subject: subject(t, registry(t)), listener: ln}
	defer e.standIn().Close()
	res, err := http.Get("http://" + ln.Addr().String() + "/api/sync/pull")
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusServiceUnavailable || res.Header.Get("Retry-After") == "" {
		t.Errorf("%d %v", res.StatusCode, res.Header)
	}
}

// TestARunningServerSaysWhatArrives asks a server what its proxy sends, through the operator's commands.
func TestARunningServerSaysWhatArrives(t *testing.T) {
	s := proxied(t, true, func(r *httputil.ProxyRequest) { r.SetXForwarded() }, "OR3_TRUSTED_PROXIES=192.0.2.1")
	ln, err := s.Listen()
	if err != nil {
		t.Fatal(err)
	}
	var arrivals middleware.Arrivals
	go func() {
		_ = http.Serve(ln, s.Identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			arrivals.Note(r)
			w.Write([]byte(`{"status":"ok","timestamp":"","uptime":1}`))
		})))
	}()
	s.Running = true
	s.Arrived = AskServer(Commands(arrivals.Of))
	found := slices.DeleteFunc(examine(t, s), func(f Finding) bool { return f.Area != AreaPublicURL })
	if f := only(t, found, Error, AreaPublicURL, setting.TrustedProxies); !strings.Contains(f.Fix, "OR3_TRUSTED_PROXIES=192.0.2.1,127.0.0.1") {
		t.Errorf("%s", f)
	}
	// An older server does not have the command, and is only reached.
	s.Arrived = AskServer(control.Commands{})
	none(t, slices.DeleteFunc(examine(t, s), func(f Finding) bool { return f.Area != AreaPublicURL }))
}

// TestAnotherServerOfOursIsNotThisOne: its health looks the same, but what is sent there does not arrive here.
func TestAnotherServerOfOursIsNotThisOne(t *testing.T) {
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Write([]byte(`{"status":"ok","timestamp":"","uptime":1}`))
	}))
	defer front.Close()
	for _, running := range []bool{false, true} {
		s := subject(t, registry(t), "OR3_PUBLIC_URL="+front.URL)
		s.Offline, s.Listen = false, func() (net.Listener, error) { return net.Listen("tcp", "127.0.0.1:0") }
		if s.Running = running; running {
			var arrivals middleware.Arrivals
			s.Arrived = AskServer(Commands(arrivals.Of))
		}
		found := slices.DeleteFunc(examine(t, s), func(f Finding) bool { return f.Area != AreaPublicURL })
		if f := only(t, found, Warning, AreaPublicURL, setting.PublicURL); !strings.Contains(f.Fault, "do not reach this one") {
			t.Errorf("running %v: %s", running, f)
		}
	}
}

// TestFindingsAreOneLineForPeople: fixes keep their examples, and nothing on the line controls the terminal.
func TestFindingsAreOneLineForPeople(t *testing.T) {
	f := Finding{Error, AreaMail, or3cloud.Problem{
		Variable: setting.SMTPURL, Fault: "/srv/\x1b[31m\u202edata of ann@example.org\nis missing", Why: "no mail", Fix: "Use smtp://USER:PASSWORD@HOST:587, from cloud@example.org.",
	}}
	text := f.String()
	if !strings.HasSuffix(text, "Fix: Use smtp://USER:PASSWORD@HOST:587, from cloud@example.org.") || strings.ContainsAny(text, "\x1b\u202e\n") || strings.Contains(text, "ann@") {
		t.Errorf("%q", text)
	}
}

// TestFormerKeysAreLookedAt: as long as a former key is accepted it is as good as the current one.
func TestFormerKeysAreLookedAt(t *testing.T) {
	const former = "OR3_TEST_SECRET_PREVIOUS"
	reg := registry(t, func(p *or3cloud.Provider) {
		if p.ID == "fs" {
			p.Settings = []or3cloud.Setting{{Name: former, Group: "Test", Label: "Former key", Help: "A former key.", Secret: true}}
		}
	})
	for value, found := range map[string]bool{"abc": true, strings.Repeat("ab", 32): true, aKey: false} {
		if f := examine(t, subject(t, reg, former+"="+value)); found {
			only(t, f, Warning, AreaSecrets, former)
		} else {
			none(t, f)
		}
	}
}

// TestAPathWithATilde: the server would create a directory with that name.
func TestAPathWithATilde(t *testing.T) {
	s := subject(t, registry(t), "OR3_DATA_DIR=~/or3-cloud")
	only(t, examine(t, s), Warning, AreaConfiguration, setting.DataDir)
}

func TestIsLocal(t *testing.T) {
	for host, want := range map[string]bool{"localhost": true, "a.localhost": true, "127.9.9.9": true, "[::1]": true, "0.0.0.0": false, "": false, "nas": false, "10.0.0.1": false} {
		if isLocal(host) != want {
			t.Errorf("%q: %v", host, !want)
		}
	}
	if _, err := netip.ParseAddr(forgedAddress); err != nil {
		t.Error(err)
	}
}

// Later changes to the variables of the super administrator have no effect, and doctor says so.
func TestASuperAdministratorOfTheEnvironmentWhoIsNone(t *testing.T) {
	s := subject(t, registry(t), "OR3_ADMIN_USERNAME=admin", "OR3_ADMIN_PASSWORD=Correct horse 1", "OR3_ADMIN_JWT_SECRET="+aKey)
	s.DataDir = t.TempDir()
	of := func() (found []string) {
		for _, f := range examine(t, s) {
			if f.Area == AreaSecrets {
				found = append(found, string(f.Severity)+" "+f.Variable)
			}
		}
		return found
	}
	if found := of(); len(found) > 0 {
		t.Errorf("before the first sign-in: %q", found)
	}
	for content, want := range map[string][]string{
		`{"username":"admin","password_hash_bcrypt":"HASH"}`:                                                         nil,
		`{"username":"root","password_hash_bcrypt":"HASH"}`:                                                          {"warning OR3_ADMIN_USERNAME"},
		`{"username":"admin","password_hash_bcrypt":"$2b$04$aaaaaaaaaaaaaaaaaaaaaOB9pYqVHd5Z7HjqS2Wq8M8hxUXYtqCLC"}`: {"warning OR3_ADMIN_PASSWORD"},
		`{"username":`: {"error OR3_ADMIN_USERNAME"},
	} {
		hash, err := bcrypt.GenerateFromPassword([]byte("Correct horse 1"), bcrypt.MinCost)
		if err == nil {
			err = os.WriteFile(filepath.Join(s.DataDir, superadmin.File), []byte(strings.Replace(content, "HASH", string(hash), 1)), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		if found := of(); !slices.Equal(found, want) {
			t.Errorf("%s: %q, want %q", content, found, want)
		}
	}
}

// Doctor reports a model server that refuses the key for all, before a user sends a chat. Without a key for all, no
// server is contacted.
func TestServersOfModelsAreAsked(t *testing.T) {
	status, asked := 200, ""
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked = r.URL.Path + " " + r.Header.Get("Authorization")
		w.Header().Set("Location", "https://elsewhere.example/?key=do-not-show")
		w.WriteHeader(status)
	}))
	defer server.Close()
	look := func(environ ...string) []Finding {
		s := subject(t, registry(t), environ...)
		s.Offline = false
		return slices.DeleteFunc(examine(t, s), func(f Finding) bool { return f.Area != AreaModels })
	}
	environ := []string{"OR3_MODEL_UPSTREAMS=team=" + server.URL + "/v1", "OR3_MODEL_UPSTREAM_KEYS=team=sk-do-not-show"}
	if found := look(environ...); len(found) > 0 || asked != "/v1/models Bearer sk-do-not-show" {
		t.Errorf("in good order: %v, asked for %q", found, asked)
	}
	status = 404
	if found := look(environ...); len(found) > 0 {
		t.Errorf("without a list of models: %v", found)
	}
	for code, variable := range map[int]string{401: setting.ModelKeys, 302: setting.ModelUpstreams, 502: setting.ModelUpstreams} {
		status = code
		found := look(environ...)
		only(t, found, Error, AreaModels, variable)
		if strings.Contains(found[0].String(), "do-not-show") {
			t.Errorf("%d: %s", code, found[0])
		}
	}
	server.Close()
	only(t, look(environ...), Error, AreaModels, setting.ModelUpstreams)
	only(t, look("OPENROUTER_API_KEY=sk-do-not-show", "OR3_OPENROUTER_BASE_URL="+server.URL), Error, AreaModels, setting.OpenRouterURL)
	if found := look("OR3_OPENROUTER_BASE_URL=" + server.URL); len(found) > 0 {
		t.Errorf("without a key for all: %v", found)
	}
}
