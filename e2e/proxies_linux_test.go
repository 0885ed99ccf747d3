package e2e

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"or3.chat/cloud/internal/patience"
)

// The tests of this file put real reverse proxies in front of the real program, with the configurations that
// docs/operations.md prints: only addresses and the places of certificates are replaced.

// siteName is the name that the page uses.
const siteName = "cloud.example.org"

// printed returns the block of docs/operations.md in a language, with each text in replace exchanged for the one after
// it.
func printed(t *testing.T, language string, replace ...string) string {
	t.Helper()
	page, err := os.ReadFile("../docs/operations.md")
	if err != nil {
		t.Fatal(err)
	}
	_, block, ok := strings.Cut(string(page), "```"+language+"\n")
	block, _, closed := strings.Cut(block, "```\n")
	if !ok || !closed {
		t.Fatalf("docs/operations.md has no block of %s", language)
	}
	for i := 0; i < len(replace); i += 2 {
		if !strings.Contains(block, replace[i]) {
			t.Fatalf("the block of %s has no %q", language, replace[i])
		}
		block = strings.ReplaceAll(block, replace[i], replace[i+1])
	}
	return block
}

// site has what proxies need: a directory that other users can reach, and a certificate.
type site struct {
	t         *testing.T
	dir       string
	cert, key string
	roots     *x509.CertPool
}

func newSite(t *testing.T) *site {
	t.Helper()
	dir, err := os.MkdirTemp("", "or3-cloud-proxy-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, dir: dir, cert: filepath.Join(dir, "cert.pem"), key: filepath.Join(dir, "key.pem"), roots: x509.NewCertPool()}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), DNSNames: []string{siteName}, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	for path, block := range map[string]*pem.Block{s.cert: {Type: "CERTIFICATE", Bytes: der}, s.key: {Type: "PRIVATE KEY", Bytes: secret}} {
		if err := os.WriteFile(path, pem.EncodeToMemory(block), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	parsed, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s.roots.AddCert(parsed)
	return s
}

// run starts a proxy at a free port of the loopback interface and returns the port. config writes the configuration for
// it. Another program may take the port before the proxy does, which then exits.
func (s *site) run(name string, config func(port string) string) string {
	s.t.Helper()
	program := debianProgram(s.t, name)
	var logs *logBuffer
	for attempt := range 10 {
		ln, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			s.t.Fatal(err)
		}
		_, port, _ := net.SplitHostPort(ln.Addr().String())
		ln.Close()
		dir := filepath.Join(s.dir, fmt.Sprint(name, "-", attempt, "-", port))
		if err := os.Mkdir(dir, 0o755); err != nil {
			s.t.Fatal(err)
		}
		file := filepath.Join(dir, "config")
		if err := os.WriteFile(file, []byte(config(port)), 0o600); err != nil {
			s.t.Fatal(err)
		}
		args := []string{"run", "--adapter", "caddyfile", "--config", file}
		if name == "nginx" {
			args = []string{"-p", dir, "-c", file, "-e", "stderr"}
		}
		cmd := exec.Command(program, args...)
		logs = &logBuffer{}
		cmd.Env, cmd.Dir, cmd.Stdout, cmd.Stderr = []string{"HOME=" + dir, "PATH=" + os.Getenv("PATH")}, dir, logs, logs
		if err := cmd.Start(); err != nil {
			s.t.Fatal(err)
		}
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = cmd.Wait()
		}()
		up := patience.Try(func() bool {
			select {
			case <-ended:
				return true
			default:
			}
			conn, err := net.Dial("tcp", "127.0.0.1:"+port)
			if err == nil {
				conn.Close()
			}
			return err == nil
		})
		select {
		case <-ended:
			continue
		default:
		}
		if !up {
			s.t.Fatalf("%s does not listen: %s", name, logs.tail(2000))
		}
		s.t.Cleanup(func() {
			_ = cmd.Process.Signal(os.Interrupt)
			<-ended
			if s.t.Failed() {
				s.t.Logf("%s said:\n%s", name, logs.tail(4000))
			}
		})
		return port
	}
	s.t.Fatalf("%s does not run: %s", name, logs.tail(2000))
	return ""
}

// nginx runs nginx with a server block of our own in the configuration of a distribution.
func (s *site) nginx(server func(port string) string) string {
	s.t.Helper()
	return s.run("nginx", func(port string) string {
		user := ""
		if os.Getuid() == 0 {
			user = "user www-data;\n"
		}
		return user + "daemon off;\npid nginx.pid;\nevents {}\nhttp {\n  access_log off;\n  client_body_temp_path body;\n  proxy_temp_path proxy;\n" +
			"  fastcgi_temp_path fastcgi;\n  uwsgi_temp_path uwsgi;\n  scgi_temp_path scgi;\n" + server(port) + "}\n"
	})
}

// printedNginx is the configuration in the document, for a server at upstream, with changes.
func (s *site) printedNginx(upstream string, changes ...string) func(port string) string {
	return func(port string) string {
		return printed(s.t, "nginx", append([]string{
			"listen 443 ssl", "listen 127.0.0.1:" + port + " ssl", "/etc/ssl/certs/cloud.example.org.pem", s.cert,
			"/etc/ssl/private/cloud.example.org.key", s.key, "http://127.0.0.1:3000", "http://" + strings.Replace(upstream, "unix/", "unix:", 1),
		}, changes...)...)
	}
}

// caddy runs Caddy without its features for a whole machine.
func (s *site) caddy(sites func(port string) string) string {
	s.t.Helper()
	return s.run("caddy", func(port string) string {
		return "{\n  admin off\n  auto_https disable_redirects\n}\n" + sites(port)
	})
}

// printedCaddy is the configuration in the document, for a server at upstream. The certificate needs a line, since
// there is no authority to get one from.
func (s *site) printedCaddy(upstream string) func(port string) string {
	return func(port string) string {
		return printed(s.t, "caddyfile", siteName+" {", fmt.Sprintf("%s:%s {\n  bind 127.0.0.1\n  tls %s %s", siteName, port, s.cert, s.key),
			"127.0.0.1:3000", upstream)
	}
}

// upstream is the address of a running server as nginx and Caddy write it, except for one colon.
func upstream(srv *server) string { return strings.TrimPrefix(srv.url, "http://") }

// behind makes clients of a server go through the proxy at a port.
func behind(srv *server, port string) { srv.url = "https://" + siteName + ":" + port }

// browser is a device with its own address, which trusts the certificate of the site and sends what browsers send.
func (s *site) browser(srv *server, name, address string) *device {
	d := newDevice(s.t, srv, name)
	dialer := &net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(address)}}
	tr := http.DefaultTransport.(*http.Transport).Clone()
	tr.TLSClientConfig = &tls.Config{RootCAs: s.roots}
	tr.DialContext = func(ctx context.Context, network, addr string) (net.Conn, error) {
		_, port, _ := net.SplitHostPort(addr)
		return dialer.DialContext(ctx, network, "127.0.0.1:"+port)
	}
	s.t.Cleanup(tr.CloseIdleConnections)
	d.http.Transport = ownPage{srv.secrets.Transport(tr)}
	return d
}

// ownPage adds the headers that a browser sends from a page of our own.
type ownPage struct{ http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (p ownPage) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	if r.Header.Get("Origin") == "" {
		own := r.URL.Scheme + "://" + r.URL.Host
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			r.Header.Set("Origin", own)
		}
		r.Header.Set("Referer", own+"/")
		r.Header.Set("Sec-Fetch-Site", "same-origin")
	}
	return p.RoundTripper.RoundTrip(r)
}

// inProduction is what docs/operations.md requires of a public server.
func inProduction(s *site) []setup {
	data := filepath.Join(s.dir, "data")
	if err := os.Mkdir(data, 0o700); err != nil {
		s.t.Fatal(err)
	}
	setups := []setup{withData(data), withEnv("NODE_ENV", "production")}
	for _, name := range []string{"OR3_BASIC_AUTH_JWT_SECRET", "OR3_BASIC_AUTH_REFRESH_SECRET", "OR3_STORAGE_FS_TOKEN_SECRET"} {
		setups = append(setups, withEnv(name, "a secret for "+name+" that is long enough"))
	}
	return setups
}

// onSocket makes a server listen on a Unix socket that the proxy's group may use, and returns its path.
func (s *site) onSocket() (path string, setups []setup) {
	path = filepath.Join(s.dir, "http.sock")
	setups = []setup{withArgs("--addr", "unix:"+path)}
	if os.Getuid() == 0 {
		setups = append(setups, withEnv("OR3_SOCKET_GROUP", "www-data"))
	}
	return path, setups
}

// TestBehindAProxy does everything that people do, through each proxy and both ways to the server, in production.
//
//walk:follows operations.md server {
//walk:follows operations.md cloud.example.org {
func TestBehindAProxy(t *testing.T) {
	for _, name := range []string{"nginx", "caddy"} {
		for _, way := range []string{"tcp", "unix"} {
			t.Run(name+" "+way, func(t *testing.T) {
				t.Parallel()
				debianProgram(t, name)
				s := newSite(t)
				setups := append(inProduction(s), withEnv("OR3_TRUSTED_PROXIES", "127.0.0.1"))
				var srv *server
				var at string
				if way == "tcp" {
					srv = startServer(t, setups...)
					at = upstream(srv)
				} else {
					path, more := s.onSocket()
					srv = newServer(t, append(setups, more...)...)
					srv.spawn()
					srv.waitOutput("OR3 Cloud ")
					at = "unix/" + path
				}
				if name == "nginx" {
					behind(srv, s.nginx(s.printedNginx(at)))
				} else {
					behind(srv, s.caddy(s.printedCaddy(at)))
				}
				s.everything(srv)
			})
		}
	}
}

func (s *site) everything(srv *server) {
	t := s.t
	t.Helper()
	a, other := s.browser(srv, "A", "127.0.0.2"), s.browser(srv, "B", "127.0.0.3")
	for _, path := range []string{"/api/health", "/api/health/ready", "/"} {
		if r := a.call("GET", path, nil); r.status != 200 {
			t.Fatalf("%s: %s", path, r)
		}
	}
	workspace := a.register("behind@example.test").Workspace.ID
	for _, c := range a.jar.cookies {
		if !c.Secure || !c.HttpOnly {
			t.Errorf("cookie %s: Secure %v, HttpOnly %v", c.Name, c.Secure, c.HttpOnly)
		}
	}
	// Each has its own address, and with it its own budgets.
	srv.waitOutput(`"client":"127.0.0.2"`)
	left := func(d *device) int {
		r := d.post("/api/basic-auth/refresh", obj{})
		n, err := strconv.Atoi(r.header.Get("X-RateLimit-Remaining"))
		if err != nil {
			t.Fatalf("%s %v", r, r.header)
		}
		return n
	}
	first := left(other)
	if second := left(other); second != first-1 {
		t.Errorf("a second request leaves %d of %d", second, first)
	}
	if got := left(s.browser(srv, "C", "127.0.0.4")); got != first {
		t.Errorf("another address has %d requests left, the first one had %d", got, first)
	}
	srv.waitOutput(`"client":"127.0.0.3"`)

	heard := listen(t, a, workspace)
	patience.Until(t, "an open stream", func() bool { return heard.connections.Load() > 0 })
	version := a.push(workspace, newOp("theme", "dark")).ServerVersion
	patience.Until(t, "an event while its stream is open", func() bool { return heard.version.Load() >= version })

	content := blobFor("behind a proxy", 3<<20)
	a.upload(workspace, content, png)
	a.download(workspace, content)
	part := a.do("GET", a.presignDownload(workspace, hashOf(content)).URL, nil, http.Header{"Range": {"bytes=1000-2999999"}})
	if part.status != 206 || !slices.Equal(part.body, content[1000:3000000]) {
		t.Errorf("a range: %d, %d bytes", part.status, len(part.body))
	}

	pieces := blobFor("pieces behind a proxy", 2<<20)
	r := a.createResumable(len(pieces), describe(workspace, pieces))
	location := r.header.Get("Location")
	if r.status != 201 || !strings.HasPrefix(location, resumablePath+"/") {
		t.Fatalf("create: %s %v", r, r.header)
	}
	for _, piece := range [][2]int{{0, 1 << 20}, {1 << 20, 2 << 20}} {
		if r, err := a.sendPiece(t.Context(), location, piece[0], pieces[piece[0]:piece[1]]); err != nil || r.status != 204 {
			t.Fatalf("a piece: %v %v", r, err)
		}
	}
	a.download(workspace, pieces)

	for _, header := range []http.Header{{"Origin": {"https://evil.example"}}, {"Origin": {"https://evil.example"}, "X-Forwarded-Host": {"evil.example"}}} {
		if r := a.do("POST", "/api/workspaces", []byte(`{"name":"foreign"}`), header); r.status != 403 {
			t.Errorf("a foreign page: %s", r)
		}
	}
	if strings.Contains(srv.logs.String(), "OR3_TRUSTED_PROXIES") {
		t.Error("the log asks for what is set")
	}
}

// TestBehindTwoProxies has nginx in front of Caddy. The client is the last address that is not a proxy's, whatever it
// claims.
func TestBehindTwoProxies(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	debianProgram(t, "nginx")
	debianProgram(t, "caddy")
	srv := startServer(t, append(inProduction(s), withEnv("OR3_TRUSTED_PROXIES", "127.0.0.1"))...)
	inner := s.caddy(func(port string) string {
		return fmt.Sprintf("http://:%s {\n  bind 127.0.0.1\n  reverse_proxy %s {\n    trusted_proxies 127.0.0.1/32\n  }\n}\n", port, upstream(srv))
	})
	behind(srv, s.nginx(s.printedNginx("127.0.0.1:"+inner, "X-Forwarded-For $remote_addr", "X-Forwarded-For $proxy_add_x_forwarded_for")))
	a := s.browser(srv, "A", "127.0.0.2")
	a.register("chain@example.test")
	if r := a.do("GET", "/api/auth/session", nil, http.Header{"X-Forwarded-For": {"198.51.100.7"}}); r.status != 200 {
		t.Errorf("%s", r)
	}
	srv.waitOutput(`"client":"127.0.0.2"`)
	if strings.Contains(srv.logs.String(), "198.51.100.7") {
		t.Error("a client has chosen its address")
	}
}

// TestBehindAProxyThatWritesPorts has a proxy that writes the client's port after its address.
func TestBehindAProxyThatWritesPorts(t *testing.T) {
	t.Parallel()
	s := newSite(t)
	debianProgram(t, "nginx")
	srv := startServer(t, append(inProduction(s), withEnv("OR3_TRUST_PROXY", "true"))...)
	behind(srv, s.nginx(s.printedNginx(upstream(srv), "X-Forwarded-For $remote_addr", "X-Forwarded-For $remote_addr:$remote_port")))
	s.browser(srv, "A", "127.0.0.2").register("ports@example.test")
	srv.waitOutput(`"client":"127.0.0.2"`)
}

// TestBehindAProxyThatSaysTooLittle leaves out parts of the documented configuration. A person who opens the server
// reads what is missing, the log says it once, and the setting that is named there helps.
func TestBehindAProxyThatSaysTooLittle(t *testing.T) {
	for _, c := range []struct {
		name    string
		trusted bool
		changes []string
		status  int
		path    string
		want    string // in the log, once
		helps   func(port string) setup
	}{
		{"no X-Forwarded-Host", true, []string{"    proxy_set_header X-Forwarded-Host $http_host;\n", ""}, 403, "/api/basic-auth/refresh", "X-Forwarded-Host", publicURL},
		{"no X-Forwarded-Proto", true, []string{"    proxy_set_header X-Forwarded-Proto $scheme;\n", ""}, 503, "/api/basic-auth/refresh", "X-Forwarded-Proto",
			func(string) setup { return withEnv("OR3_FORCE_HTTPS", "false") }},
		{"nothing but the upstream's name", true, []string{
			"proxy_set_header Host $host;", "proxy_set_header Host backend;", "    proxy_set_header X-Forwarded-Host $http_host;\n", "",
		}, 403, "/api/basic-auth/refresh", "X-Forwarded-Host", publicURL},
		{"not trusted", false, []string{"    proxy_set_header Connection \"\";\n", ""}, 503, "/api/basic-auth/refresh", "which are redirected forever",
			func(string) setup { return withEnv("OR3_TRUSTED_PROXIES", "loopback") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			debianProgram(t, "nginx")
			path, more := s.onSocket()
			setups := append(inProduction(s), more...)
			if c.trusted {
				setups = append(setups, withEnv("OR3_TRUSTED_PROXIES", "127.0.0.1"))
			}
			srv := newServer(t, setups...)
			srv.spawn()
			srv.waitOutput("OR3 Cloud ")
			port := s.nginx(s.printedNginx("unix/"+path, c.changes...))
			behind(srv, port)
			a := s.browser(srv, "A", "127.0.0.2")
			for range 3 {
				r := a.post(c.path, obj{})
				var b struct{ Data struct{ Code string } }
				r.decode(t, &b)
				if r.status != c.status || b.Data.Code != "proxy_misconfigured" {
					t.Fatalf("%s", r)
				}
			}
			count := 0
			for line := range strings.Lines(srv.logs.String()) {
				if strings.Contains(line, `"level":"WARN"`) && strings.Contains(line, c.want) {
					count++
				}
			}
			if count != 1 {
				t.Errorf("the log says %q %d times", c.want, count)
			}
			srv.stop()
			c.helps(port)(srv)
			srv.spawn()
			srv.waitOutput("OR3 Cloud ")
			a.register("helped@example.test")
		})
	}
}

func publicURL(port string) setup { return withEnv("OR3_PUBLIC_URL", "https://"+siteName+":"+port) }
