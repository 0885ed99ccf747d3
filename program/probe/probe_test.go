package probe

import (
	"crypto/tls"
	"errors"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"

	"or3.chat/cloud/httpapi"

	or3cloud "or3.chat/cloud"
)

// TestWhatIsAskedIsTheServer probes servers at every kind of address, and others that answer in their place.
func TestWhatIsAskedIsTheServer(t *testing.T) {
	serve := func(network, addr string, h httpapi.Handler) net.Addr {
		t.Helper()
		ln, err := net.Listen(network, addr)
		if err != nil {
			t.Fatal(err)
		}
		s := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { httpapi.Respond(w, r, h) })}
		go s.Serve(ln)
		t.Cleanup(func() { s.Close() })
		return ln.Addr()
	}
	healthy := func(w http.ResponseWriter, r *http.Request) error {
		if r.URL.Path != Ready || r.Host != "localhost" {
			return or3cloud.Errorf(or3cloud.CodeNotFound, "another question: %s of %s", r.URL, r.Host)
		}
		return nil
	}
	opening := func(http.ResponseWriter, *http.Request) error {
		return or3cloud.Errorf(or3cloud.CodeUnavailable, "The stores are opening")
	}
	port := func(a net.Addr) string { _, port, _ := net.SplitHostPort(a.String()); return port }
	everywhere, one := serve("tcp", ":0", healthy), serve("tcp", "127.0.0.1:0", healthy)
	socket := filepath.Join(t.TempDir(), "s")
	serve("unix", socket, healthy)
	for name, tc := range map[string]struct{ addr, fault string }{
		"everywhere":      {":" + port(everywhere), ""},
		"all of IPv4":     {"0.0.0.0:" + port(everywhere), ""},
		"all of IPv6":     {"[::]:" + port(everywhere), ""},
		"one address":     {one.String(), ""},
		"a Unix socket":   {"unix:" + socket, ""},
		"no socket":       {"unix:" + socket + ".not", "no such file"},
		"stores that are": {serve("tcp", "127.0.0.1:0", opening).String(), "status 503: The stores are opening"},
		"any port":        {"127.0.0.1:0", "set a port in OR3_ADDR"},
	} {
		err := Server{Addr: tc.addr}.ready(t.Context())
		if (err == nil) != (tc.fault == "") || err != nil && !strings.Contains(err.Error(), tc.fault) {
			t.Errorf("%s: %v, want %q", name, err, tc.fault)
		}
	}
}

// TestAServerWithHTTPSIsAsked probes one that has a certificate and one that waits for it.
func TestAServerWithHTTPSIsAsked(t *testing.T) {
	for _, has := range []bool{true, false} {
		s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Host != "chat.example.org" || r.TLS.ServerName != r.Host {
				t.Errorf("%q, %q", r.Host, r.TLS.ServerName)
			}
			w.Write([]byte(`{"status":"ok","uptime":1}`))
		}))
		s.TLS = &tls.Config{GetConfigForClient: func(*tls.ClientHelloInfo) (*tls.Config, error) {
			if has {
				return nil, nil
			}
			return nil, errors.New("no certificate")
		}}
		s.Config.ErrorLog = log.New(io.Discard, "", 0)
		s.StartTLS()
		t.Cleanup(s.Close)
		server := Server{Addr: s.Listener.Addr().String(), Domain: "chat.example.org"}
		if err := server.Alive(t.Context()); err != nil {
			t.Error(err)
		}
		if err := server.ready(t.Context()); has && err != nil || !has && !errors.Is(err, errNoCertificate) {
			t.Error(err)
		}
	}
}
