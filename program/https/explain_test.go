package https

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"or3.chat/cloud/program/https/acmetest"
	"or3.chat/cloud/setting"
)

// TestWhatIsWrongIsExplained makes an authority refuse certificates for the reasons that people meet, and reads the
// log.
func TestWhatIsWrongIsExplained(t *testing.T) {
	soon := time.Now().Add(3 * time.Hour).UTC().Truncate(time.Second)
	for name, c := range map[string]struct {
		prepare func(t *testing.T, o *acmetest.Options)
		words   []string
	}{
		"the name leads to another machine": {
			func(t *testing.T, o *acmetest.Options) {
				o.Lookup = func(string) string { return "127.0.0.2" }
				other := httptest.NewTLSServer(http.NotFoundHandler())
				t.Cleanup(other.Close)
				for _, port := range []int{o.HTTP, o.TLS} {
					ln, err := net.Listen("tcp", fmt.Sprintf("127.0.0.2:%d", port))
					if err != nil {
						t.Skip("this system has one loopback address:", err)
					}
					if port == o.TLS {
						ln = tls.NewListener(ln, &tls.Config{Certificates: other.TLS.Certificates})
					}
					server := http.Server{Handler: http.NotFoundHandler()}
					go func() { _ = server.Serve(ln) }()
					t.Cleanup(func() { server.Close() })
				}
			},
			[]string{"another server answers the authority under the name chat.test", "Point the A record of chat.test"},
		},
		"a name without an address": {
			func(_ *testing.T, o *acmetest.Options) { o.Lookup = func(string) string { return "" } },
			[]string{"the name chat.test does not resolve", "Point the A record of chat.test"},
		},
		"closed ports": {
			func(_ *testing.T, o *acmetest.Options) { o.Lookup = func(string) string { return "127.0.0.3" } },
			[]string{"the authority cannot connect to chat.test at ports 80 and 443", "in the firewall", "at the router"},
		},
		"a rate limit": {
			func(_ *testing.T, o *acmetest.Options) {
				o.Refuse = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path != "/order-plz" {
						return false
					}
					w.Header().Set("Content-Type", "application/problem+json")
					w.WriteHeader(http.StatusTooManyRequests)
					fmt.Fprintf(w, `{"type":"urn:ietf:params:acme:error:rateLimited","status":429,"detail":"too many certificates (5) already issued for this exact set of identifiers in the last 168h0m0s, retry after %s UTC: see https://letsencrypt.org/docs/rate-limits/"}`,
						soon.Format(time.DateTime))
					return true
				}
			},
			[]string{"wants no requests before " + soon.Format(time.DateTime) + " UTC", "next_try=" + soon.Format("2006-01-02T15:04:05"), "Keep the data directory"},
		},
		"an authority that is out of order": {
			func(_ *testing.T, o *acmetest.Options) {
				o.Refuse = func(w http.ResponseWriter, r *http.Request) bool {
					if r.URL.Path == "/dir" {
						return false
					}
					w.Header().Set("Content-Type", "application/problem+json")
					w.WriteHeader(http.StatusServiceUnavailable)
					fmt.Fprint(w, `{"type":"urn:ietf:params:acme:error:serverInternal","status":503,"detail":"The service is down for maintenance"}`)
					return true
				}
			},
			[]string{"the authority has a problem of its own", "tries again automatically"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			socket, o := sockets(t)
			c.prepare(t, &o)
			a := acmetest.Start(t, o)
			s := serve(t, socket, a, configured(t, t.TempDir(), a), nil)
			s.site.Manage()
			s.says(append(c.words, "level=ERROR", "there is no certificate for chat.test")...)
		})
	}
}

// TestAnAuthorityThatIsAwayIsExplained makes the server contact a closed port, and an authority whose certificate it
// does not know. Then the port opens, and the server gets its certificate without a restart.
func TestAnAuthorityThatIsAwayIsExplained(t *testing.T) {
	socket, o := sockets(t)
	closed, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := closed.Addr().String()
	closed.Close()
	a := acmetest.Start(t, o)
	s := serve(t, socket, a, configured(t, t.TempDir(), a, setting.ACMECA+"=https://"+addr+"/dir"), nil)
	s.site.Manage()
	s.says("level=ERROR", "the authority, "+addr+", cannot be reached", "Let this machine open connections", setting.ACMECA)
	s.end()

	socket, _ = sockets(t)
	s = serve(t, socket, a, configured(t, t.TempDir(), a, setting.ACMERoots+"="), nil)
	s.site.Manage()
	s.says("level=ERROR", "from an issuer that this machine does not trust", setting.ACMERoots)
}

// TestTheServerTriesAgain makes the authority refuse twice.
func TestTheServerTriesAgain(t *testing.T) {
	socket, o := sockets(t)
	refused := 0
	o.Refuse = func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Path != "/order-plz" || refused == 2 {
			return false
		}
		refused++
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusForbidden)
		fmt.Fprint(w, `{"type":"urn:ietf:params:acme:error:rejectedIdentifier","status":403,"detail":"policy forbids it"}`)
		return true
	}
	a := acmetest.Start(t, o)
	s := serve(t, socket, a, configured(t, t.TempDir(), a), func(n *Names) { n.pauses = []time.Duration{time.Millisecond} })
	s.site.Manage()
	s.certified()
	if n := strings.Count(s.log.String(), "the authority issues no certificates for chat.test"); n != 2 {
		t.Errorf("%d failures were explained", n)
	}
}

// TestTheLibraryAsksNoAuthorityThatWantsPatience renews during a rate limit.
func TestTheLibraryAsksNoAuthorityThatWantsPatience(t *testing.T) {
	socket, o := sockets(t)
	a := acmetest.Start(t, o)
	s := serve(t, socket, a, configured(t, t.TempDir(), a), nil)
	event := map[string]any{"identifier": "chat.test", "renewal": true}
	if err := s.site.happened(t.Context(), "cert_obtaining", event); err != nil {
		t.Error(err)
	}
	event["error"] = fmt.Errorf("renew: %w", acme.Problem{Type: acme.ProblemTypeRateLimited, Status: 429, Detail: "too many"})
	if err := s.site.happened(t.Context(), "cert_failed", event); err != nil {
		t.Error(err)
	}
	if err := s.site.happened(t.Context(), "cert_obtaining", event); !errors.Is(err, errBarred) {
		t.Error(err)
	}
	if err := s.site.happened(t.Context(), "cert_obtaining", map[string]any{"identifier": "other.test"}); err != nil {
		t.Error(err)
	}
}

func TestExplanations(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		err   error
		plain bool
		fault string
		until time.Time
	}{
		{acme.Problem{Type: acme.ProblemTypeDNS, Detail: "DNS problem: NXDOMAIN looking up A for chat.test"}, true, "does not resolve", time.Time{}},
		{acme.Problem{Type: acme.ProblemTypeConnection, Detail: "203.0.113.5: Fetching http://chat.test/…: Timeout during connect"}, true, "at ports 80 and 443", time.Time{}},
		{acme.Problem{Type: acme.ProblemTypeConnection, Detail: "203.0.113.5: Connection refused"}, false, "at port 443", time.Time{}},
		{acme.Problem{Type: acme.ProblemTypeUnauthorized, Detail: "203.0.113.5: Invalid response from http://chat.test/…: 404"}, true, "another server answers", time.Time{}},
		{acme.Problem{Type: acme.ProblemTypeCAA, Detail: "CAA record for chat.test prevents issuance"}, true, "CAA record", time.Time{}},
		{acme.Problem{Type: acme.ProblemTypeInvalidContact}, true, "e-mail address", time.Time{}},
		{acme.Problem{Type: acme.ProblemTypeExternalAccountRequired}, true, "requires an existing account", time.Time{}},
		{acme.Problem{Type: acme.ProblemTypeBadCSR, Detail: "what no one knows"}, true, "what no one knows", time.Time{}},
		{acme.Problem{Status: 429}, true, "2026-11-29 13:00:00 UTC", now.Add(time.Hour)},
		{acme.Problem{Status: 429, Detail: "retry after 2026-11-30T10:00:00Z: see"}, true, "2026-11-30 10:00:00 UTC", time.Date(2026, 11, 30, 10, 0, 0, 0, time.UTC)},
		{acme.Problem{Status: 429, Detail: "retry after 2020-11-30 10:00:00 UTC"}, true, "2026-11-29 13:00:00 UTC", now.Add(time.Hour)},
		{&net.DNSError{Name: "ca.test", Err: "no such host"}, true, "ca.test, cannot be looked up", time.Time{}},
		{&fs.PathError{Op: "open", Path: "/data/certificates", Err: fs.ErrPermission}, true, "/data/certificates", time.Time{}},
		{context.DeadlineExceeded, true, "deadline", time.Time{}},
		{errBarred, true, "asked the server to wait", time.Time{}},
		{nil, true, "has not issued one", time.Time{}},
	} {
		err := c.err
		if err != nil {
			err = fmt.Errorf("[chat.test] Obtain: %w", err)
		}
		got := explain("chat.test", err, now, c.plain)
		if !strings.Contains(got.fault, c.fault) || !got.until.Equal(c.until) || !strings.HasSuffix(got.fix, ".") {
			t.Errorf("%v: %+v", c.err, got)
		}
	}
}
