// Package https makes a server speak HTTPS itself: it gets certificates for the domains of OR3_DOMAIN from an authority
// (ACME, RFC 8555) and renews them, and answers at the port for plain HTTP. It is the only package that knows the
// library behind it.
//
// A start never waits for the authority. A Site serves with the certificates that are on the disk, and gets the others
// when its data is open. There is no certificate for any other name, and none is requested because a client has named
// it.
package https

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/caddyserver/certmagic"
	"go.uber.org/zap"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/oserror"
	"or3.chat/cloud/program/handover"
	"or3.chat/cloud/setting"
)

// directory is where certificates and the account with the authority are, below the data directory.
const directory = "certificates"

// alpn is the protocol for validation by the authority at the HTTPS port (RFC 8737).
const alpn = "acme-tls/1"

func init() { certmagic.UserAgent = "or3-cloud" }

// Names are the domains of a server with everything needed to get certificates for them; nil for a server that speaks
// plain HTTP.
type Names struct {
	domains []string
	public  *url.URL
	grace   time.Duration
	dir     string
	issuer  certmagic.ACMEIssuer // as it is configured
	log     *slog.Logger
	// check is how often to look for certificates to renew; 0 means the library's default.
	check  time.Duration
	pauses []time.Duration
}

// pauses come after each failed attempt; the last one again and again. Let's Encrypt allows five failures an hour for a
// name, and attempts after the first one go to its staging service.
var pauses = []time.Duration{time.Minute, 2 * time.Minute, 5 * time.Minute, 10 * time.Minute, 20 * time.Minute, time.Hour, 3 * time.Hour, 6 * time.Hour}

// New returns the names of a configuration.
func New(c *config.Config, log *slog.Logger) (*Names, error) {
	n := &Names{domains: c.List(setting.Domain), log: log, pauses: pauses, grace: time.Duration(c.Int(setting.ShutdownTimeout)) * time.Millisecond}
	if len(n.domains) == 0 {
		return nil, nil
	}
	data, err := c.DataPath()
	if err != nil {
		return nil, err
	}
	if n.public, err = url.Parse(c.String(setting.PublicURL)); err != nil {
		return nil, err
	}
	n.dir = filepath.Join(data, directory)
	n.issuer = certmagic.ACMEIssuer{CA: c.String(setting.ACMECA), Email: c.String(setting.ACMEEmail), Agreed: true}
	switch {
	case n.issuer.CA != "":
	case c.Bool(setting.ACMEStaging):
		n.issuer.CA = certmagic.LetsEncryptStagingCA
	default:
		n.issuer.CA, n.issuer.TestCA = certmagic.LetsEncryptProductionCA, certmagic.LetsEncryptStagingCA
	}
	if n.issuer.Email == "" {
		n.issuer.Email = " " // none, and the library does not ask for one
	}
	if file := c.String(setting.ACMERoots); file != "" {
		n.issuer.TrustedRoots, err = roots(file)
	}
	return n, err
}

// roots reads a PEM file.
func roots(file string) (*x509.CertPool, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", setting.ACMERoots, oserror.Explain(err))
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(text) {
		return nil, fmt.Errorf("%s: there is no certificate in %s; it must be a PEM file, which has lines that begin with -----BEGIN CERTIFICATE-----", setting.ACMERoots, file)
	}
	return pool, nil
}

// Domains are the names; none for a server that speaks plain HTTP.
func (n *Names) Domains() []string {
	if n == nil {
		return nil
	}
	return n.domains
}

// Site is what a server serves at its sockets in one turn.
type Site struct {
	*Names
	socket *handover.Socket
	magic  *certmagic.Config
	cache  *certmagic.Cache
	issuer *certmagic.ACMEIssuer

	trying sync.WaitGroup
	mu     sync.Mutex
	stop   context.CancelFunc // of trying; nil after the end
	ctx    context.Context
	barred map[string]time.Time // until when the authority wants no requests for a domain
}

// Open makes a site from a socket, with the certificates that are on the disk. Serve must follow.
func (n *Names) Open(s *handover.Socket) *Site {
	site := &Site{Names: n, socket: s, barred: map[string]time.Time{}}
	if n == nil {
		return site
	}
	site.ctx, site.stop = context.WithCancel(context.Background())
	logger := zap.New(zapLog{n.log})
	site.cache = certmagic.NewCache(certmagic.CacheOptions{
		GetConfigForCert:   func(certmagic.Certificate) (*certmagic.Config, error) { return site.magic, nil },
		RenewCheckInterval: n.check, Logger: logger,
	})
	site.magic = certmagic.New(site.cache, certmagic.Config{
		Storage: &certmagic.FileStorage{Path: n.dir}, OCSP: certmagic.OCSPConfig{DisableStapling: true}, OnEvent: site.happened, Logger: logger,
	})
	template := n.issuer
	template.Logger = logger
	// The library would listen itself if nothing else did.
	host, port := where(s.Listener)
	template.ListenHost, template.AltTLSALPNPort = host, port
	template.DisableHTTPChallenge = s.Plain == nil
	if s.Plain != nil {
		plainHost, plainPort := where(s.Plain)
		template.AltHTTPPort = plainPort
		if plainHost != host {
			template.ListenHost = ""
		}
	}
	site.issuer = certmagic.NewACMEIssuer(site.magic, template)
	site.magic.Issuers = []certmagic.Issuer{site.issuer}
	for _, name := range n.domains {
		if _, err := site.magic.CacheManagedCertificate(site.ctx, name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			n.log.Error("a certificate on the disk cannot be used", "domain", name, "error", err)
		}
	}
	return site
}

// where is the host and the port of a TCP listener; the host is empty if it is all of them.
func where(ln net.Listener) (host string, port int) {
	at, ok := ln.Addr().(*net.TCPAddr)
	if !ok {
		return "", 0
	}
	if !at.IP.IsUnspecified() {
		host = at.IP.String()
	}
	return host, at.Port
}

// Serve lets serve, which is that of a host, answer requests until ctx ends. The port for plain HTTP is open that long.
func (s *Site) Serve(ctx context.Context, serve func(context.Context, net.Listener) error) error {
	if s.Names == nil {
		return serve(ctx, s.socket.Listener)
	}
	defer s.end()
	plain := func() error { return nil }
	if s.socket.Plain != nil {
		until, cancel := context.WithCancel(context.WithoutCancel(ctx))
		served := make(chan error, 1)
		go func() {
			served <- httpapi.Serve(until, s.socket.Plain, front{http.HandlerFunc(s.plain)}, httpapi.ServeOptions{Log: s.log, Grace: s.grace})
		}()
		plain = func() error {
			cancel()
			return <-served
		}
	}
	err := serve(ctx, tls.NewListener(s.socket.Listener, s.tls()))
	return errors.Join(err, plain())
}

// end stops what Manage has started.
func (s *Site) end() {
	s.mu.Lock()
	s.stop()
	s.stop = nil
	s.mu.Unlock()
	s.trying.Wait()
	s.cache.Stop()
}

// tls is the configuration for browsers. Only the domains have certificates.
func (s *Site) tls() *tls.Config {
	return &tls.Config{
		MinVersion: tls.VersionTLS12, NextProtos: []string{"h2", "http/1.1", alpn},
		GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
			if name := strings.ToLower(hello.ServerName); !slices.Contains(s.domains, name) {
				return nil, fmt.Errorf("%q is not one of %s", name, setting.Domain)
			}
			return s.magic.GetCertificate(hello)
		},
	}
}

// front is a front without anything to open.
type front struct{ handler http.Handler }

func (f front) Handler() http.Handler { return f.handler }

func (front) Drain() <-chan struct{} {
	over := make(chan struct{})
	close(over)
	return over
}

func (front) Close() error { return nil }

// plain answers at the port for plain HTTP: the authority, and browsers, which are redirected to HTTPS. They are
// redirected only to one of the domains, whatever they ask for.
func (s *Site) plain(w http.ResponseWriter, r *http.Request) {
	name := strings.ToLower((&url.URL{Host: r.Host}).Hostname())
	if !slices.Contains(s.domains, name) {
		name = s.domains[0]
	} else if s.issuer.HandleHTTPChallenge(w, r) {
		return
	}
	httpapi.NoStore(w)
	if _, ok := s.until(name); !ok {
		w.Header().Set("Retry-After", "10")
		http.Error(w, "The server has no certificate for "+name+" yet. Its log says why. Please try again in a moment.", http.StatusServiceUnavailable)
		return
	}
	to := url.URL{Scheme: "https", Host: name, Path: r.URL.Path, RawPath: r.URL.RawPath, RawQuery: r.URL.RawQuery}
	if port := s.public.Port(); port != "" {
		to.Host = net.JoinHostPort(name, port)
	}
	if !strings.HasPrefix(to.Path, "/") {
		to.Path, to.RawPath = "/", ""
	}
	w.Header().Set("Location", to.String())
	w.WriteHeader(http.StatusPermanentRedirect)
}

// until is the expiry of the certificate of a domain; ok is false if there is none.
func (s *Site) until(name string) (end time.Time, ok bool) {
	for _, c := range s.cache.AllMatchingCertificates(name) {
		if c.Leaf != nil && c.Leaf.NotAfter.After(end) {
			end, ok = c.Leaf.NotAfter, true
		}
	}
	return end, ok
}
