package middleware

import (
	"errors"
	"html"
	"io"
	"log/slog"
	"net/http"
	"net/netip"
	"strings"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/origin"
)

// CodeProxy is the code in the data of an answer to a request that a reverse proxy seems to have passed on incorrectly.
const CodeProxy = "proxy_misconfigured"

// OriginMismatch is the administration's refusal of a request from a foreign page (contract, workspaces-and-admin §3).
const OriginMismatch = "Forbidden: Origin mismatch"

// Advice says what is wrong between the browser and the server: to people in the answer, and to the operator in the
// log, once for each problem. It is safe for concurrent use.
type Advice struct {
	pages  httpapi.ForeignPages
	public string
	once   once
}

// NewAdvice returns the advice of an instance with a public URL, empty if it has none, whose rule about pages is pages.
func NewAdvice(publicURL string, pages httpapi.ForeignPages, log *slog.Logger) *Advice {
	return &Advice{pages: pages, public: publicURL, once: once{log: log}}
}

// maxTold limits how many problems of a kind are logged.
const maxTold = 16

// once warns once for each of the first problems of a kind.
type once struct {
	log *slog.Logger

	mu   sync.Mutex
	told map[string]bool
}

func (o *once) warn(fault, message string, attrs ...any) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.log == nil || o.told[fault] || len(o.told) >= maxTold {
		return
	}
	if o.told == nil {
		o.told = map[string]bool{}
	}
	o.told[fault] = true
	o.log.Warn(message, attrs...)
}

// Explain adds to err, the answer to r of a route or of the rule about foreign pages, why a page of our own may have
// been taken for a foreign one. What a browser calls foreign stays foreign; if no browser says either, only the data or
// the log says more.
func (a *Advice) Explain(r *http.Request, err error) error {
	var e *or3cloud.Error
	if !errors.As(err, &e) || e.Code != or3cloud.CodeForbidden || e.Message != "Forbidden" && e.Message != OriginMismatch || e.Data != nil {
		return err
	}
	id, page := httpapi.IdentityOf(r), httpapi.Sender(r.Header)
	own, ok := origin.Parse(page)
	if !ok || a.pages.Own(page, id.Host) {
		return err
	}
	site := r.Header.Get("Sec-Fetch-Site")
	if site != "" && site != "same-origin" && site != "none" || len(r.Header.Values("Sec-Fetch-Site")) > 1 || len(r.Header.Values("Origin")) > 1 {
		return err
	}
	if site == "" && id.Unbelieved == "" && id.Host != "" && (id.Forwarded || !loopback(id.Host)) {
		return err // nothing suggests a proxy, and the name of a foreign page must not be suggested as a setting
	}
	address := own.String()
	if !plain(strings.TrimPrefix(strings.TrimPrefix(address, "https://"), "http://")) {
		return err
	}
	f := a.fault(id, address)
	a.once.warn(f.name+address, "refused a change by a page: "+f.found+"; if the page is this server's own, "+f.fix,
		"page", address, "host", id.Host, "path", r.URL.Path)
	if site == "" && id.Unbelieved == "" && !id.Forwarded && id.Host != "" {
		return err // only the address suggests a proxy: the operator may know better, and the answer stays that of the contract
	}
	explained := *e
	text := "You have opened this server as " + address + ", but " + f.found + ". If that address is right, the operator of the server can " + f.fix + "."
	explained.Data = map[string]any{"code": CodeProxy, "reason": text}
	if site != "" || id.Forwarded && id.Host == "" {
		explained.Message = text
	}
	return &explained
}

// fault is what is wrong, in words that continue after "but" and "can".
type fault struct{ name, found, fix string }

// fault says why a page at an address is not known to belong to the server.
func (a *Advice) fault(id httpapi.Identity, address string) fault {
	setting := "set OR3_PUBLIC_URL=" + address
	if a.public != "" {
		setting = "set OR3_PUBLIC_URL, which is " + a.public + ", to it or add it to OR3_ALLOWED_ORIGINS"
	}
	switch {
	case id.Unbelieved != "":
		return fault{"untrusted", "what the reverse proxy at " + id.Unbelieved + " says about it is not trusted",
			"set OR3_TRUSTED_PROXIES=" + id.Unbelieved + ", or " + setting + ", and restart the server"}
	case id.Host == "":
		return fault{"no host", "the reverse proxy does not say so",
			"let the proxy send the header X-Forwarded-Host, or " + setting + " and restart the server"}
	case id.Forwarded:
		return fault{"other host", "the reverse proxy calls it " + shown(id.Host),
			"let the proxy send the address in the header X-Forwarded-Host, or " + setting + " and restart the server"}
	default:
		return fault{"other host", "it is known as " + shown(id.Host) + " here",
			"let the reverse proxy pass the header Host on as the browser has sent it, or " + setting + " and restart the server"}
	}
}

// loopback reports whether a host is one that people's browsers do not use, but proxies do.
func loopback(host string) bool {
	name := hostName(host)
	addr, err := netip.ParseAddr(name)
	return name == "localhost" || err == nil && addr.IsLoopback()
}

// shown is a host in a form that may be repeated.
func shown(host string) string {
	if !plain(host) {
		return "something else"
	}
	return host
}

// refuse answers with 503 and a text that says what a deployment lacks: usually a setting, and clients keep their edits
// on a 503.
func refuse(w http.ResponseWriter, r *http.Request, title, text, code string) {
	if strings.HasPrefix(r.URL.Path, "/api/") {
		httpapi.NoStore(w)
		err := or3cloud.Unavailable(nil, text, retryRefused)
		if code != "" {
			err.Data = map[string]any{"code": code}
		}
		httpapi.WriteError(w, r, err)
		return
	}
	httpapi.GiveUp(w, r)
	h := w.Header()
	h.Set("Content-Type", "text/html; charset=utf-8")
	h.Set("Content-Security-Policy", "default-src 'none'; frame-ancestors 'none'")
	h.Set("Cache-Control", "no-store")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, "<!doctype html><html lang=\"en\"><meta name=\"viewport\" content=\"width=device-width\"><title>"+title+"</title>"+
		"<h1>"+title+"</h1><p>"+html.EscapeString(text)+"</p></html>\n")
}

// retryRefused is when a client may try again; until the operator has changed something, it will be refused.
const retryRefused = 10 * time.Second
