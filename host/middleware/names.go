package middleware

import (
	"fmt"
	"log/slog"
	"net/http"
	"net/netip"
	"net/url"
	"strings"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/setting"
)

// Names are the host names that a server answers to. Any page can make its own name resolve to an address of this
// machine or network (DNS rebinding), and then has the same origin as the server; only that name gives it away. It is
// safe for concurrent use.
type Names struct {
	public string
	known  map[string]bool
	once   once
}

// NamesOptions are the sources of a server's names.
type NamesOptions struct {
	// PublicURL is OR3_PUBLIC_URL, or empty.
	PublicURL string
	// AllowedOrigins are those of OR3_ALLOWED_ORIGINS: a page that may change everything may as well be ours.
	AllowedOrigins []string
	// Machine has the names of the machine itself.
	Machine []string
	Log     *slog.Logger
}

// NewNames returns the names of a server.
func NewNames(o NamesOptions) *Names {
	n := &Names{public: o.PublicURL, known: map[string]bool{}, once: once{log: o.Log}}
	for _, name := range o.Machine {
		n.known[hostName(name)] = true
	}
	for _, origin := range append([]string{o.PublicURL}, o.AllowedOrigins...) {
		if u, err := url.Parse(origin); err == nil && u.Host != "" {
			n.known[hostName(u.Host)] = true
		}
	}
	return n
}

// hostName returns the name in a host with or without a port, in lower case.
func hostName(host string) string {
	host = strings.ToLower(host)
	if strings.HasPrefix(host, "[") {
		name, _, _ := strings.Cut(host[1:], "]")
		return name
	}
	name, _, _ := strings.Cut(host, ":")
	return strings.TrimSuffix(name, ".")
}

// Known reports whether the host that a request addresses is this server. Addresses and names without a dot, such as
// localhost or a container's, are always accepted: no stranger can make them lead here. An unknown host proves nothing.
// Without a public URL a trusted proxy decides which names it serves.
func (n *Names) Known(id httpapi.Identity) bool {
	name := hostName(id.Host)
	if !strings.Contains(name, ".") || strings.HasSuffix(name, ".localhost") || n.known[name] || id.Forwarded && n.public == "" {
		return true
	}
	_, err := netip.ParseAddr(name)
	return err == nil
}

// Answer answers r itself, and returns true, if it is addressed to an unknown name. The status is 503: usually a
// setting is missing, and clients keep their edits on a 503.
func (n *Names) Answer(w http.ResponseWriter, r *http.Request) bool {
	id := httpapi.IdentityOf(r)
	if n.Known(id) {
		return false
	}
	name, variable, example := hostName(id.Host), setting.PublicURL, "http://"+id.Host
	if id.HTTPS {
		example = "https://" + id.Host
	}
	if !plain(id.Host) {
		name, example = "this name", "https://cloud.example.org"
	}
	text := fmt.Sprintf("This server is not set up to be reached as %s. If it should be, its operator can set %s=%s and restart it.", name, variable, example)
	if n.public != "" {
		variable = setting.AllowedOrigins
		text = fmt.Sprintf("The address of this server is %s. If it should be reached as %s too, its operator can add %s to %s and restart it.",
			n.public, name, example, variable)
	}
	if id.Unbelieved != "" {
		text += " If a reverse proxy at " + id.Unbelieved + " is in front of it, the operator can make the server trust its headers with OR3_TRUSTED_PROXIES=" + id.Unbelieved + "."
	}
	n.once.warn(name, "refused a request under a name that is not known to be this server's; if people should use it, set "+variable,
		"name", name, "example", variable+"="+example)
	refuse(w, r, "Unknown address", text, "")
	return true
}

// plain reports whether a host is one that may be repeated.
func plain(host string) bool {
	return len(host) <= 255 && strings.Trim(host, "abcdefghijklmnopqrstuvwxyz0123456789.:-_") == ""
}
