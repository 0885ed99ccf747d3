package doctor

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/control"
	"or3.chat/cloud/internal/origin"
	"or3.chat/cloud/internal/oserror"
	"or3.chat/cloud/program/probe"
	"or3.chat/cloud/setting"
)

const (
	// forgedAddress is the address that a client would claim to have (RFC 5737).
	forgedAddress = "192.0.2.77"
	// expiry is how long before the expiry of a certificate doctor warns.
	expiry = 14 * 24 * time.Hour
)

// address finds out whether the server could listen, or whether the running one is there.
func (e *examination) address(ctx context.Context) {
	if slices.ContainsFunc(e.Problems, func(p or3cloud.Problem) bool { return p.Variable == setting.Addr }) {
		return // it is not an address, as the configuration says
	}
	e.look(AreaAddress)
	addr := e.Config.String(setting.Addr)
	if e.Running {
		if err := e.answers(ctx, addr); err != nil {
			e.find(Warning, AreaAddress, or3cloud.Problem{
				Variable: setting.Addr, Fault: fmt.Sprintf("is %s, where the running server does not answer: %v", addr, err),
				Why: "it was started with another address than this configuration's",
				Fix: "Restart it, or give this command the server's --env-file, --addr and environment.",
			})
		}
		return
	}
	ln, err := e.Listen()
	if err != nil && strings.HasSuffix(err.Error(), "the process with pid 1, systemd") {
		return // it holds the socket for the server (socket activation)
	}
	switch ours := err != nil && e.answers(ctx, addr) == nil; {
	case ours && e.DataDir == "":
		e.Running = true // a server that stores nothing, which has no socket for operators
		return
	case ours:
		e.find(Warning, AreaAddress, or3cloud.Problem{
			Variable: setting.Addr, Fault: fmt.Sprintf("is %s, where an OR3 Cloud server answers that does not claim this data directory", addr),
			Why: "two servers cannot share an address",
			Fix: "Stop it, or choose another address with --addr or " + setting.Addr + "; if it is this one, see why it has no control socket in its log.",
		})
		return
	}
	if err != nil {
		fault, fix := split(err.Error(), "choose another address with --addr or "+setting.Addr)
		e.find(Error, AreaAddress, or3cloud.Problem{Variable: setting.Addr, Fault: fault, Why: "the server cannot listen", Fix: fix})
		return
	}
	e.listener = ln
}

// Split makes a problem from an error that says both what is wrong and what to do.
func Split(variable string, err error) or3cloud.Problem {
	fault, fix := split(oserror.Explain(err).Error(), "name another path")
	return or3cloud.Problem{Variable: variable, Fault: fault, Fix: fix}
}

// split divides the error of a start into what is wrong and what to do.
func split(text, otherwise string) (fault, fix string) {
	fix = otherwise
	at := len(text)
	for _, end := range []string{". ", "; "} {
		if i := strings.Index(text, end); i >= 0 && i < at {
			at, fault, fix = i, text[:i], text[i+len(end):]
		}
	}
	if fault == "" {
		fault = text
	}
	return fault, strings.TrimSuffix(strings.ToUpper(fix[:1])+fix[1:], ".") + "."
}

// answers asks the running server for its health, at the configured address.
func (e *examination) answers(ctx context.Context, addr string) error {
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	return probe.Server{Addr: addr, Domain: e.Config.Domain()}.Alive(ctx)
}

// publicURL opens the server as people do, and checks what arrives. If none is running, this process stands in for
// it.
func (e *examination) publicURL(ctx context.Context) {
	if e.listener != nil {
		defer e.listener.Close() // a server that is started in the meantime gets the address
	}
	public := e.Config.String(setting.PublicURL)
	base, err := url.Parse(public)
	if public == "" || err != nil || base.Host == "" {
		return
	}
	if !e.Running {
		stand := e.standIn()
		if stand == nil {
			return // nothing that could answer
		}
		defer stand.Close()
	}
	e.look(AreaPublicURL)
	ctx, cancel := context.WithTimeout(ctx, askPatience)
	defer cancel()
	mark := rand.Text()
	if !e.reach(ctx, base, mark, false) || e.Arrived == nil {
		return
	}
	id, known, err := e.Arrived(ctx, mark)
	switch {
	case known:
		e.judge(base, id)
	case err == nil:
		e.find(Warning, AreaPublicURL, or3cloud.Problem{
			Variable: setting.PublicURL, Fault: fmt.Sprintf("is %s, and from here another OR3 Cloud server answers: requests sent there do not reach this one", base),
			Why: "people do not reach this server, and links in mail lead to the other one",
			Fix: "Let the proxy pass everything on to " + e.Config.String(setting.Addr) + ", without a cache, or correct " + setting.PublicURL + ".",
		})
		return
	}
	if len(e.Config.List(setting.TrustedProxies)) > 0 {
		return // of a chain, only what trusted proxies have added counts; this machine may be one of them
	}
	// Again, as a client that claims to have another address.
	if mark = rand.Text(); !e.reach(ctx, base, mark, true) {
		return
	}
	if id, ok, _ := e.Arrived(ctx, mark); ok && id.ClientIP == forgedAddress {
		e.find(Error, AreaPublicURL, or3cloud.Problem{
			Variable: setting.TrustProxy, Fault: "trusts what a client itself says about its address: the proxy passes it on unchanged",
			Why: "everyone can choose an address, and rate limits and sign-in guards are useless",
			Fix: "Name the proxies in " + setting.TrustedProxies + " instead, or have the proxy overwrite the header: proxy_set_header X-Forwarded-For $remote_addr in nginx.",
		})
	}
}

// reach sends one request to the public URL and reports whether the server, or the stand-in, answered.
func (e *examination) reach(ctx context.Context, base *url.URL, mark string, forged bool) bool {
	at := *base
	at.Path, at.RawQuery = e.Config.String(setting.BasePath)+probe.Health, url.Values{middleware.MarkParameter: {mark}}.Encode()
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, at.String(), nil)
	if err != nil {
		return false
	}
	if forged {
		header := e.Config.String(setting.ForwardedForHeader)
		req.Header.Set("X-Forwarded-For", forgedAddress)
		if strings.EqualFold(header, "forwarded") {
			req.Header.Set("Forwarded", "for="+forgedAddress)
		} else if header != "" {
			req.Header.Set(header, forgedAddress)
		}
	}
	res, err := e.client().Do(req)
	unreachable := func(fault, fix string) bool {
		e.find(Warning, AreaPublicURL, or3cloud.Problem{
			Variable: setting.PublicURL, Fault: fmt.Sprintf("is %s, and from here %s", base, fault),
			Why: "people may not reach the server, and links in mail may lead nowhere", Fix: fix,
		})
		return false
	}
	if err != nil {
		return unreachable(cause(err, base))
	}
	defer res.Body.Close()
	e.compareClock(base.Host, res.Header.Get("Date"))
	e.certificate(base, res.TLS)
	switch {
	case res.StatusCode >= 300 && res.StatusCode < 400:
		to := "nowhere"
		if url, err := res.Location(); err == nil {
			to = url.Redacted()
		}
		return unreachable("it leads elsewhere: "+to, "Set "+setting.PublicURL+" to the origin of the server, or make the proxy forward "+probe.Health+".")
	case res.StatusCode == http.StatusBadGateway || res.StatusCode == http.StatusServiceUnavailable || res.StatusCode == http.StatusGatewayTimeout:
		return unreachable(fmt.Sprintf("a proxy answers %d: it does not reach the server", res.StatusCode),
			"Let it connect to the address of "+setting.Addr+", "+e.Config.String(setting.Addr)+".")
	}
	if err := probe.IsHealth(res); err != nil {
		return unreachable("another server answers: "+err.Error(), "Let the proxy pass everything on to "+e.Config.String(setting.Addr)+", or correct "+setting.PublicURL+".")
	}
	return true
}

// client sends requests to the public URL. It follows no redirects: where they lead is a finding.
func (e *examination) client() *http.Client {
	c := http.Client{Transport: &http.Transport{Proxy: http.ProxyFromEnvironment, DisableKeepAlives: true}}
	if e.Client != nil {
		c = *e.Client
	}
	c.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &c
}

// certificate warns if the certificate expires soon.
func (e *examination) certificate(base *url.URL, state *tls.ConnectionState) {
	if state == nil || len(state.PeerCertificates) == 0 {
		return
	}
	if end := state.PeerCertificates[0].NotAfter; end.Sub(e.Now()) < expiry {
		e.find(Warning, AreaPublicURL, or3cloud.Problem{
			Variable: setting.PublicURL, Fault: fmt.Sprintf("has a certificate that expires on %s", end.UTC().Format(time.DateOnly)),
			Why: "browsers refuse the server from then on",
			Fix: "Renew the certificate of " + base.Hostname() + " at the proxy, and see why it is not renewed automatically; with " + setting.Domain + " the server's log says why.",
		})
	}
}

// cause says why the public URL cannot be reached, and what helps.
func cause(err error, base *url.URL) (fault, fix string) {
	var (
		unknown   *net.DNSError
		timeout   net.Error
		authority x509.UnknownAuthorityError
		name      x509.HostnameError
		invalid   x509.CertificateInvalidError
		plain     tls.RecordHeaderError
	)
	switch err = probe.Unwrapped(err); {
	case errors.As(err, &unknown):
		return "the name " + base.Hostname() + " is not known", "Make an A or AAAA record for it, or correct " + setting.PublicURL + "."
	case errors.As(err, &authority):
		return "its certificate is from an authority that is not trusted", "Get one from a public authority, as Caddy and certbot do; clients refuse others."
	case errors.As(err, &name):
		return "its certificate is for another name", "Get a certificate for " + base.Hostname() + "."
	case errors.As(err, &invalid):
		return "its certificate is not valid: " + invalid.Error(), "Renew it, and look at the clocks of both machines."
	case errors.As(err, &plain):
		return "it does not speak HTTPS", "Make the proxy speak HTTPS at this port, or correct " + setting.PublicURL + "."
	case errors.As(err, &timeout) && timeout.Timeout(), errors.Is(err, context.DeadlineExceeded):
		return "nothing answers in time", "Open the port in the firewall and at the router. If people reach it and only this machine does not, nothing is wrong."
	}
	return "it cannot be reached: " + err.Error(), "Start the reverse proxy, and make it listen there."
}

// standIn answers at the server's address while no server runs, and records what arrives. It is nil if it cannot
// listen.
func (e *examination) standIn() *http.Server {
	if e.listener == nil || e.Identify == nil || e.Config.Domain() != "" { // it would need the certificate
		return nil
	}
	var arrivals middleware.Arrivals
	e.Arrived = func(_ context.Context, mark string) (id httpapi.Identity, known bool, err error) {
		id, known = arrivals.Of(mark)
		return id, known, nil
	}
	server := &http.Server{ReadHeaderTimeout: askPatience, Handler: e.Identify(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		httpapi.NoStore(w)
		if r.URL.Query().Get(middleware.MarkParameter) == "" { // to anyone else the server is down, which costs clients nothing
			w.Header().Set("Retry-After", "5")
			http.Error(w, "not started yet", http.StatusServiceUnavailable)
			return
		}
		arrivals.Note(r)
		w.Header().Set("Content-Type", "application/json")
		_, _ = io.WriteString(w, `{"status":"ok","uptime":0}`+"\n")
	}))}
	go func() { _ = server.Serve(e.listener) }()
	return server
}

// judge compares what the server sees of a request with the URL that was requested.
func (e *examination) judge(base *url.URL, arrived httpapi.Identity) {
	say := func(severity Severity, variable, fault, why, fix string) {
		e.find(severity, AreaPublicURL, or3cloud.Problem{Variable: variable, Fault: fault, Why: why, Fix: fix})
	}
	const oneClient = "all people behind it count as one client, and one of them who guesses passwords locks all of them out"
	if arrived.Unbelieved != "" {
		say(Error, setting.TrustedProxies, "does not name the proxy at "+arrived.Unbelieved+", so what it says is not trusted", oneClient,
			"Add it: "+setting.TrustedProxies+"="+strings.Join(append(e.Config.List(setting.TrustedProxies), arrived.Unbelieved), ","))
		return
	}
	const headers = "; in nginx: proxy_set_header X-Forwarded-Proto $scheme, and the others of docs/operations.md"
	if base.Scheme == "https" && !arrived.HTTPS {
		fault := "is https, but the proxy in front of the server sends no header that says so"
		if arrived.Forwarded && !arrived.ProtoUntold {
			fault = "is https, but the proxy in front of the server reports http"
		}
		say(Error, setting.PublicURL, fault, "browsers are redirected forever, or no one can sign in", "Make the proxy send X-Forwarded-Proto"+headers+".")
	}
	want := origin.NormalHost(base.Scheme, base.Host)
	switch {
	case arrived.Host == "":
		say(Warning, setting.PublicURL, "is reached through a proxy that does not pass on the requested name", "pages under another name of the server cannot change anything",
			"Make the proxy send X-Forwarded-Host"+headers+".")
	case arrived.Host != want:
		say(Warning, setting.PublicURL, fmt.Sprintf("is %s, but the proxy calls the server %s", base, arrived.Host), "pages under another name of the server cannot change anything",
			"Make the proxy send X-Forwarded-Host with the name that the browser requested"+headers+".")
	}
	if _, err := netip.ParseAddr(arrived.ClientIP); arrived.Forwarded && (arrived.ClientUntold || err != nil) {
		say(Error, setting.ForwardedForHeader, "is "+e.Config.String(setting.ForwardedForHeader)+", in which the proxy does not name the client's address", oneClient,
			"Make the proxy send it (in nginx: proxy_set_header X-Forwarded-For $remote_addr), or set the header that it does send.")
	}
}

// arrivedCommand is the name of the command that asks a running server how a request arrived.
const arrivedCommand = "arrived"

// arrived is the answer.
type arrived struct {
	Known    bool
	Identity httpapi.Identity
}

// Commands returns the commands with which a server answers doctor. find is Host.Arrived.
func Commands(find func(mark string) (httpapi.Identity, bool)) control.Commands {
	return control.Commands{arrivedCommand: control.Func(func(_ context.Context, mark string) (a arrived, err error) {
		a.Identity, a.Known = find(mark)
		return a, nil
	})}
}

// AskServer returns Subject.Arrived for a running server. Servers from before doctor do not know the command.
func AskServer(server control.Caller) func(context.Context, string) (httpapi.Identity, bool, error) {
	return func(ctx context.Context, mark string) (httpapi.Identity, bool, error) {
		var a arrived
		err := server.Call(ctx, arrivedCommand, mark, &a)
		return a.Identity, err == nil && a.Known, err
	}
}
