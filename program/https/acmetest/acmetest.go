// Package acmetest is an authority for tests: Pebble, the test server of Let's Encrypt, in this process, with its own
// DNS in which every name leads to this machine. It validates at ports that a test chooses. It is for tests only.
package acmetest

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/letsencrypt/pebble/v2/ca"
	"github.com/letsencrypt/pebble/v2/db"
	"github.com/letsencrypt/pebble/v2/va"
	"github.com/letsencrypt/pebble/v2/wfe"
	"github.com/miekg/dns"
)

// Options say what an authority does.
type Options struct {
	// HTTP and TLS are the ports at which it validates, in place of 80 and 443.
	HTTP, TLS int
	// Lifetime is how long its certificates are valid, in seconds; 0 means 90 days.
	Lifetime uint64
	// Lookup returns the address that a name leads to, or none; if nil, every name leads to 127.0.0.1.
	Lookup func(name string) string
	// Refuse, if it is not nil, may answer a request in the authority's place.
	Refuse func(w http.ResponseWriter, r *http.Request) bool
}

// Authority is a running one.
type Authority struct {
	// Directory is its address, and RootsFile the file with its own certificate.
	Directory, RootsFile string
	// Roots are what browsers would have to trust.
	Roots *x509.CertPool

	mu  sync.Mutex
	log bytes.Buffer
}

// Start starts an authority, which ends with the test.
func Start(t testing.TB, o Options) *Authority {
	t.Helper()
	for name, value := range map[string]string{"PEBBLE_VA_NOSLEEP": "1", "PEBBLE_WFE_NONCEREJECT": "0", "PEBBLE_AUTHZREUSE": "0"} {
		if err := os.Setenv(name, value); err != nil { // the same for all tests of a process
			t.Fatal(err)
		}
	}
	a := &Authority{Roots: x509.NewCertPool()}
	logger := log.New(a, "", 0)
	store := db.NewMemoryStore()
	issuing := ca.New(logger, store, "", "ecdsa", 0, 1, map[string]ca.Profile{"default": {ValidityPeriod: o.Lifetime}})
	front := wfe.New(logger, store, va.New(logger, o.HTTP, o.TLS, false, names(t, o.Lookup), store), issuing, []string{"pebble.example"}, false, false, 1, 1)
	handler := front.Handler()
	server := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if o.Refuse == nil || !o.Refuse(w, r) {
			handler.ServeHTTP(w, r)
		}
	}))
	server.Config.ErrorLog = logger
	t.Cleanup(func() {
		server.Close()
		if t.Failed() {
			t.Logf("the authority:\n%s", a)
		}
	})
	a.Directory = server.URL + wfe.DirectoryPath
	a.RootsFile = filepath.Join(t.TempDir(), "roots.pem")
	if err := os.WriteFile(a.RootsFile, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: server.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	a.Roots.AppendCertsFromPEM(issuing.GetRootCert(0).PEM())
	return a
}

// Write takes the authority's log.
func (a *Authority) Write(p []byte) (int, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.Write(p)
}

// String is what it has logged.
func (a *Authority) String() string {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.log.String()
}

// Client returns a browser that trusts the authority and resolves every name to this machine, at the port of an
// address. It follows no redirects, and each of its requests has its own connection.
func (a *Authority) Client(addr string) *http.Client {
	return &http.Client{
		Transport: &http.Transport{
			DisableKeepAlives: true, ForceAttemptHTTP2: true, TLSClientConfig: &tls.Config{RootCAs: a.Roots},
			DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, "tcp", addr)
			},
		},
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// names runs a name server and returns its address.
func names(t testing.TB, lookup func(string) string) string {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := &dns.Server{Listener: ln, Handler: dns.HandlerFunc(func(w dns.ResponseWriter, r *dns.Msg) {
		answer := new(dns.Msg)
		answer.SetReply(r)
		for _, q := range r.Question {
			addr := "127.0.0.1"
			if lookup != nil {
				addr = lookup(q.Name[:len(q.Name)-1])
			}
			if q.Qtype == dns.TypeA && addr != "" {
				answer.Answer = append(answer.Answer, &dns.A{
					Hdr: dns.RR_Header{Name: q.Name, Rrtype: dns.TypeA, Class: dns.ClassINET}, A: net.ParseIP(addr),
				})
			}
		}
		_ = w.WriteMsg(answer)
	})}
	go func() { _ = server.ActivateAndServe() }()
	t.Cleanup(func() { _ = server.Shutdown() })
	return ln.Addr().String()
}
