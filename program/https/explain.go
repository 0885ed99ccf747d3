package https

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/mholt/acmez/v3/acme"

	"or3.chat/cloud/internal/oserror"
	"or3.chat/cloud/setting"
)

// explanation says what keeps a certificate from being issued, and what helps.
type explanation struct {
	fault, fix string
	// until is the earliest time for the next request, according to the authority; zero if it has not said.
	until time.Time
}

// outOfOrder explains errors of an authority, which the library cannot read when they come without a text.
var (
	outOfOrder = explanation{fault: "the authority has a problem of its own", fix: "Wait: the server tries again automatically."}
	failing    = regexp.MustCompile(`HTTP 5\d\d`)
)

// respite is how long to wait if an authority refuses more requests without saying for how long.
const respite = time.Hour

// explain says in plain words why an authority, or the connection to it, refuses a certificate for a name.
func explain(name string, err error, now time.Time, plain bool) explanation {
	var problem acme.Problem
	if errors.As(err, &problem) {
		return ofAuthority(name, problem, now, plain)
	}
	var (
		unknown   *net.DNSError
		untrusted x509.UnknownAuthorityError
		asked     *url.Error
	)
	switch {
	case errors.Is(err, errBarred):
		return explanation{fault: "the authority has asked the server to wait", fix: "Wait."}
	case errors.As(err, &untrusted):
		return explanation{fault: "the authority's own certificate is from an issuer that this machine does not trust",
			fix: "For an authority of your own name its root in " + setting.ACMERoots + "; otherwise install the machine's package of certificates (ca-certificates)."}
	case errors.As(err, &unknown):
		return explanation{fault: "the name of the authority, " + unknown.Name + ", cannot be looked up",
			fix: "Let this machine reach a name server (/etc/resolv.conf)" + correctCA(unknown.Name)}
	case errors.As(err, &asked):
		host := asked.URL
		if u, err := url.Parse(asked.URL); err == nil {
			host = u.Host
		}
		why := asked.Err.Error()
		if errors.Is(err, context.DeadlineExceeded) {
			why = "it does not answer in time"
		}
		return explanation{fault: fmt.Sprintf("the authority, %s, cannot be reached: %s", host, why),
			fix: "Let this machine open connections to " + host + correctCA(host)}
	case err != nil && failing.MatchString(err.Error()):
		return outOfOrder
	case err == nil:
		return explanation{fault: "the authority has not issued one", fix: "Wait for the next attempt."}
	}
	return explanation{fault: oserror.Explain(err).Error(), fix: "See its message; with OR3_LOG_LEVEL=debug the log has every step."}
}

// correctCA is the rest of a hint about an authority that cannot be reached.
func correctCA(host string) string {
	if strings.HasSuffix(host, "letsencrypt.org") {
		return "."
	}
	return ", or correct " + setting.ACMECA + "."
}

// ofAuthority is explain for what the authority itself has said. Authorities name their errors differently, so their
// words count, too.
func ofAuthority(name string, p acme.Problem, now time.Time, plain bool) explanation {
	words := strings.ToLower(p.Detail)
	says := func(texts ...string) bool {
		for _, text := range texts {
			if strings.Contains(words, text) {
				return true
			}
		}
		return false
	}
	ports := "ports 80 and 443"
	if !plain {
		ports = "port 443"
	}
	elsewhere := fmt.Sprintf("Point the A record of %s to this machine's public address, and an AAAA record too or none; if they already do, make %s of that address lead here.", name, ports)
	switch {
	case p.Type == acme.ProblemTypeRateLimited || p.Status == http.StatusTooManyRequests:
		until := retryAfter(p.Detail, now)
		return explanation{until: until, fault: "the authority has reached a rate limit, and wants no requests before " + until.UTC().Format(time.DateTime) + " UTC",
			fix: "Wait: the server tries again automatically. Keep the data directory, so that no certificate is asked for twice, and experiment with " + setting.ACMEStaging + "=true."}
	case p.Type == acme.ProblemTypeCAA:
		return explanation{fault: "a CAA record of " + name + " or a domain above it lets only other authorities issue certificates",
			fix: "Add the authority to the CAA record, or remove that."}
	case p.Type == acme.ProblemTypeRejectedIdentifier:
		return explanation{fault: "the authority issues no certificates for " + name, fix: "Use another domain, or another authority with " + setting.ACMECA + "."}
	case p.Type == acme.ProblemTypeExternalAccountRequired:
		return explanation{fault: "the authority requires an existing account", fix: "Use one that does not, with " + setting.ACMECA + "."}
	case p.Type == acme.ProblemTypeInvalidContact || p.Type == acme.ProblemTypeUnsupportedContact:
		return explanation{fault: "the authority does not accept the e-mail address", fix: "Correct " + setting.ACMEEmail + ", or leave it out."}
	case p.Type == acme.ProblemTypeDNS || says("nxdomain", "no valid ip addresses", "could not resolve", "while resolving"):
		return explanation{fault: "the name " + name + " does not resolve: the authority finds no address for it", fix: elsewhere}
	case p.Type == acme.ProblemTypeConnection || says("failed to connect", "connection refused", "timeout"):
		return explanation{fault: fmt.Sprintf("the authority cannot connect to %s at %s", name, ports),
			fix: fmt.Sprintf("Open %s in the firewall, and forward them at the router, if there is one, to this machine. %s", ports, elsewhere)}
	case p.Type == acme.ProblemTypeUnauthorized || p.Type == acme.ProblemTypeTLS || p.Type == acme.ProblemTypeIncorrectResponse:
		return explanation{fault: "another server answers the authority under the name " + name, fix: elsewhere}
	case p.Status >= http.StatusInternalServerError:
		return outOfOrder
	}
	return explanation{fault: "the authority refuses: " + p.Detail, fix: "See its message."}
}

// promised finds the time in what an authority says about its limits, in the two forms of Let's Encrypt.
var promised = regexp.MustCompile(`retry after (\d{4}-\d\d-\d\d)[ T](\d\d:\d\d:\d\d)`)

// retryAfter is the earliest time for the next request to an authority.
func retryAfter(detail string, now time.Time) time.Time {
	if m := promised.FindStringSubmatch(detail); m != nil {
		if at, err := time.ParseInLocation(time.DateTime, m[1]+" "+m[2], time.UTC); err == nil && at.After(now) {
			return at
		}
	}
	return now.Add(respite)
}
