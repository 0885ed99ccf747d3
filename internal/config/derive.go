package config

import (
	"fmt"
	"io/fs"
	"net"
	"net/mail"
	"net/netip"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/completions"
	"or3.chat/cloud/internal/csp"
	"or3.chat/cloud/internal/networks"
	weborigin "or3.chat/cloud/internal/origin"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/setting"
)

// derive applies the defaults and checks that need several variables, or that the kind does not cover.
func (l *loader) derive(c *Config) {
	c.deriveDefault(setting.ForceHTTPS, strconv.FormatBool(c.Production()))
	// If OR3_FORCE_HTTPS is set at all, only true is true, even where the default is true (contract, env §3).
	c.get(setting.ForceHTTPS).boolean = c.String(setting.ForceHTTPS) == "true"

	c.deriveDefault(setting.RegistrationMode, setting.Registration(c))

	// If there is no key and none may be generated, webhooks are off unless they were enabled explicitly.
	c.deriveDefault(setting.WebhooksEnabled, strconv.FormatBool(!c.Strict() || c.String(setting.WebhooksKey) != ""))
	c.get(setting.WebhooksEnabled).boolean = c.String(setting.WebhooksEnabled) == "true"

	if c.Strict() && c.Bool(setting.SSRAuthEnabled) {
		l.problems = append(l.problems, or3cloud.Lacking(setting.Host(), c)...)
	}

	for _, name := range []string{setting.SyncEnabled, setting.StorageEnabled} {
		v := c.get(name)
		v.boolean = v.boolean && c.Bool(setting.SSRAuthEnabled)
	}
	webhooks := c.get(setting.WebhooksEnabled)
	webhooks.boolean = webhooks.boolean && c.Bool(setting.SyncEnabled)
	if dir, ok := l.environ["STATE_DIRECTORY"]; ok && dir != "" {
		first, _, _ := strings.Cut(dir, ":")
		c.deriveDefault(setting.DataDir, first)
	}
	l.normaliseForwardedFor(c.get(setting.ForwardedForHeader))
	l.checkDomain(c)
	if port := c.get(setting.Port); port.Text != "" {
		host, _, _ := net.SplitHostPort(c.get(setting.Addr).Text)
		c.deriveDefault(setting.Addr, net.JoinHostPort(host, port.Text))
	}
	l.checkMode(c.get(setting.NodeEnv))
	l.checkAddr(c.get(setting.Addr))
	l.checkMetricsAddr(c)
	l.checkOTLP(c)
	l.checkSocketMode(c.get(setting.SocketMode))
	l.checkPublicURL(c.get(setting.PublicURL))
	l.checkHTTPS(c)
	l.deriveEHLOName(c)
	l.checkOrigins(c.get(setting.AllowedOrigins))
	l.checkProxies(c)
	l.checkMediaTypes(c.get(setting.AllowedMIMETypes))
	l.checkClient(c)
	l.checkContact(c.get(setting.SecurityContact), c.get(setting.SecurityLanguages))
	l.checkAdmin(c)
	l.checkModels(c)
	l.checkRateLimits(c.get(setting.RateLimitOverrides), c.get(setting.DisableRateLimit))
}

// checkMediaTypes looks for entries that cannot equal any media type.
func (l *loader) checkMediaTypes(v *Value) {
	for _, entry := range v.list {
		t, _, _ := strings.Cut(strings.ToLower(entry), ";")
		kind, sub, _ := strings.Cut(strings.TrimSpace(t), "/")
		if isHeaderName(kind) && isHeaderName(sub) && !strings.Contains(kind+sub, "*") || sub == "*" && (kind == "*" || isHeaderName(kind)) {
			continue
		}
		l.doubt(v, fmt.Sprintf("has %q, which is not a media type and matches nothing", entry), "Use for example image/png, image/* for all images, or */* for all files.")
	}
}

// checkClient checks the headers for the client's pages, and the addresses passed to the client.
func (l *loader) checkClient(c *Config) {
	base := c.get(setting.BasePath)
	switch trimmed := strings.TrimRight(base.Text, "/"); {
	case trimmed == "":
		base.Text = ""
	case !isPath(trimmed) || trimmed == "/api" || strings.HasPrefix(trimmed, "/api/"):
		l.problems = append(l.problems, *base.problem("is not a path below which a client can be", "Use for example /chat, or leave it out."))
		base.Text = ""
	default:
		base.Text = trimmed
	}
	if sources := c.get(setting.CSPSources); sources.Text != "" {
		if _, err := csp.Parse(sources.Text); err != nil {
			l.problems = append(l.problems, *sources.problem("cannot be added to a policy: "+err.Error(),
				"Use for example connect-src https://models.example.org; frame-src https://example.org."))
			sources.Text = ""
		}
	}
	if v := c.get(setting.OpenRouterURL); v.Text != "" {
		if u, err := url.Parse(v.Text); err != nil || (u.Scheme != "http" && u.Scheme != "https") || !isHost(u.Hostname()) {
			l.problems = append(l.problems, *v.problem("is not an address", "Use for example https://models.example.org/api/v1."))
			v.Text = ""
		}
	}
	// These become links on a page, where a javascript: URL would be a program.
	for _, name := range []string{setting.TermsURL, setting.PrivacyURL, setting.LogoURL} {
		v := c.get(name)
		u, err := url.Parse(v.Text)
		if err != nil || u.Scheme != "" && u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "mailto" {
			l.problems = append(l.problems, *v.problem("is not the address of a page", "Use for example https://example.org/terms, or a path such as /terms."))
			v.Text = ""
		}
	}
}

// language is a tag such as en or de-AT (RFC 5646).
var language = regexp.MustCompile(`^[A-Za-z]{2,8}(-[A-Za-z0-9]{1,8})*$`)

// checkContact refuses values that a security.txt must not contain (RFC 9116), because people who report a
// vulnerability would get no answer.
func (l *loader) checkContact(to, languages *Value) {
	for _, entry := range to.list {
		if fault, fix := contactFault(entry); fault != "" {
			l.problems = append(l.problems, *to.problem(fmt.Sprintf("has %q, %s", entry, fault), fix))
			to.Text, to.list = "", nil
			break
		}
	}
	for _, entry := range languages.list {
		if !language.MatchString(entry) {
			l.problems = append(l.problems, *languages.problem(fmt.Sprintf("has %q, which is not a language", entry), "Use for example en,de."))
			languages.Text, languages.list = "", nil
			break
		}
	}
	if len(to.list) == 0 && languages.IsSet {
		l.doubt(languages, "has no effect without "+setting.SecurityContact, "Set both, or neither.")
	}
}

// contactFault returns what is wrong with a contact address.
func contactFault(text string) (fault, fix string) {
	u, err := url.Parse(text)
	printable := !strings.ContainsFunc(text, func(r rune) bool { return r <= ' ' || r > '~' })
	switch {
	case err == nil && printable && u.Scheme == "https" && isHost(u.Hostname()) && u.User == nil,
		err == nil && printable && u.Scheme == "mailto" && isMailbox(u.Opaque),
		err == nil && printable && u.Scheme == "tel" && u.Opaque != "":
		return "", ""
	case isMailbox(text):
		return "which needs mailto: in front of it", "Write mailto:" + text + "."
	case err == nil && u.Scheme == "http":
		return "which is not https", "Use an address that begins with https://."
	}
	return "which is not an address to report to", "Use for example mailto:security@example.org or https://example.org/report."
}

// isMailbox reports whether a text is a mail address that can be part of a URL without escaping.
func isMailbox(text string) bool { return isMailAddress(text) && !strings.ContainsAny(text, " \"") }

// isMailAddress reports whether a text is a bare mail address.
func isMailAddress(text string) bool {
	a, err := mail.ParseAddress(text)
	return err == nil && a.Address == text
}

// checkAdmin checks who may reach the administration, and where.
func (l *loader) checkAdmin(c *Config) {
	base := c.get(setting.AdminBasePath)
	switch trimmed := strings.TrimRight(base.Text, "/"); {
	case isPath(trimmed) && trimmed != "/api" && !strings.HasPrefix(trimmed, "/api/"):
		base.Text = trimmed
	default: // the root, for example, which would lock everyone out of every page
		l.doubt(base, "is not a path, and "+base.Setting.Default+" is used", "Use for example /admin.")
		base.Text = base.Setting.Default
	}
	if password := c.get(setting.AdminPassword); password.Text != "" && c.get(setting.AdminUsername).Text == "" {
		l.doubt(password, "has no effect without "+setting.AdminUsername, "Set both, or neither.")
	}
	expiry := c.get(setting.AdminJWTExpiry)
	if _, _, ok := setting.AdminSession(expiry.Text); !ok {
		l.doubt(expiry, "is not a duration, and "+expiry.Setting.Default+" is used", "Use for example 24h, 30m or 7d.")
		expiry.Text = expiry.Setting.Default
	}
	hosts := c.get(setting.AdminAllowedHosts)
	for _, host := range hosts.list {
		if strings.ContainsAny(host, "/*@ ") || strings.Trim(host, ".:") == "" {
			l.problems = append(l.problems, *hosts.problem(fmt.Sprintf("has %q, which is not a host name", host), "Use names alone, for example admin.example.org."))
		}
	}
	from := c.get(setting.AdminAllowedNetworks)
	if _, err := networks.Parse(from.list); err != nil {
		l.problems = append(l.problems, *from.problem("is not a list of networks: "+err.Error(),
			"Use addresses and networks, for example 10.0.0.0/8, 192.0.2.7, loopback or private."))
	}
}

// checkModels checks the model servers and their keys.
func (l *loader) checkModels(c *Config) {
	_, problems := completions.Configured(c)
	l.problems = append(l.problems, problems...)
	only, override := c.get(setting.OpenRouterUserKey), c.get(setting.OpenRouterOverride)
	if only.boolean && override.IsSet && !override.boolean {
		l.doubt(override, "contradicts "+setting.OpenRouterUserKey+", which wins", "Remove one of the two.")
	}
}

// isPath reports whether s is a path of plain segments, which proxies, browsers and builds all write the same way.
func isPath(s string) bool {
	rest, ok := strings.CutPrefix(s, "/")
	if !ok || rest == "" {
		return false
	}
	for segment := range strings.SplitSeq(rest, "/") {
		if strings.Trim(segment, ".") == "" || strings.ContainsFunc(segment, func(r rune) bool {
			return r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-._~", r)
		}) {
			return false
		}
	}
	return true
}

// checkRateLimits looks for budgets that differ from what was meant.
func (l *loader) checkRateLimits(overrides, off *Value) {
	if _, faults := ratelimit.Limits(overrides.Text); len(faults) > 0 {
		l.doubt(overrides, strings.Join(faults, ", and "), `Use an object such as {"sync:push":{"windowMs":60000,"maxRequests":200}}; `+
			fmt.Sprintf("a window is %d ms at most, and has %d requests at most.", ratelimit.LongestWindow.Milliseconds(), ratelimit.MostRequests))
	}
	if off.IsSet && !slices.Contains([]string{"1", "0", "false", "no"}, off.Text) {
		l.doubt(off, "is not 1 and switches nothing off", "Use 1, or leave it out.")
	}
}

func (l *loader) doubt(v *Value, fault, fix string) {
	l.doubts = append(l.doubts, *v.problem(fault, fix))
}

// checkMode looks for a NODE_ENV that was meant as production. Only that exact word counts (contract, env).
func (l *loader) checkMode(v *Value) {
	if !v.IsSet || slices.Contains([]string{"production", "development", "test"}, v.Text) {
		return
	}
	l.doubt(v, "is not production, so nothing is strict and cookies are not Secure",
		"Use production, development or test.")
}

// checkProxies checks which proxies may declare where a request comes from.
func (l *loader) checkProxies(c *Config) {
	v, trust := c.get(setting.TrustedProxies), c.get(setting.TrustProxy)
	proxies, err := networks.Parse(v.list)
	if err != nil {
		l.problems = append(l.problems, *v.problem("is not a list of networks: "+err.Error(),
			"Use addresses and networks, for example 10.0.0.0/8, 192.0.2.7, loopback or private."))
		v.list = nil
	}
	if slices.ContainsFunc(proxies, func(n netip.Prefix) bool { return n.Bits() == 0 }) {
		l.warnings = append(l.warnings, *v.problem("trusts every address, so the first entry of the chain decides who the client is, and anyone can write that",
			"List only the networks of the proxies."))
	}
	if len(v.list) > 0 && trust.IsSet && !trust.boolean {
		l.doubt(trust, "contradicts "+setting.TrustedProxies+", which wins", "Remove one of the two.")
	}
}

// deriveDefault sets the text of a variable that is not set.
func (c *Config) deriveDefault(name, text string) {
	if v := c.get(name); !v.IsSet {
		v.Text = text
	}
}

// normaliseForwardedFor accepts any valid header name, because proxies use many for this purpose.
func (l *loader) normaliseForwardedFor(v *Value) {
	text := strings.ToLower(strings.TrimSpace(v.Text))
	if !isHeaderName(text) {
		l.doubt(v, "is not the name of a header, and "+v.Setting.Default+" is used", "Use for example x-forwarded-for.")
		text = v.Setting.Default
	}
	v.Text = text
}

// isHeaderName reports whether s is a token in lower case (RFC 9110 §5.6.2).
func isHeaderName(s string) bool {
	return s != "" && strings.IndexFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || '0' <= r && r <= '9' || strings.ContainsRune("!#$%&'*+-.^_`|~", r))
	}) < 0
}

func (l *loader) checkAddr(v *Value) {
	if path, ok := strings.CutPrefix(v.Text, "unix:"); ok {
		if path == "" {
			l.problems = append(l.problems, *v.problem("names no socket", "Use unix:PATH, for example unix:/run/or3-cloud/http.sock."))
		}
		return
	}
	_, port, err := net.SplitHostPort(v.Text)
	if n, perr := strconv.Atoi(port); err != nil || perr != nil || n < 0 || n > 65535 {
		l.problems = append(l.problems, *v.problem("is not an address to listen on", "Use host:port, for example 127.0.0.1:3000, or unix:PATH."))
	}
}

// checkMetricsAddr makes a port alone one of this machine, and warns of an address at which anyone may ask.
func (l *loader) checkMetricsAddr(c *Config) {
	v := c.get(setting.MetricsAddr)
	if v.Text == "" {
		return
	}
	host, port, err := net.SplitHostPort(v.Text)
	if !isPort(port) || port == "" || err != nil {
		l.problems = append(l.problems, *v.problem("is not an address to listen on", "Use host:port, for example 127.0.0.1:9464."))
		return
	}
	if host == "" {
		host = "127.0.0.1"
		v.Text = net.JoinHostPort(host, port)
	}
	if addr, err := netip.ParseAddr(host); (err != nil && host != "localhost" || err == nil && !addr.IsLoopback()) && c.String(setting.MetricsToken) == "" {
		l.warnings = append(l.warnings, *v.problem("lets everyone who reaches it read the metrics",
			"Set "+setting.MetricsToken+", or use an address of this machine, for example 127.0.0.1:"+port+"."))
	}
}

// checkOTLP refuses an address that metrics cannot be sent to, and headers that cannot be read.
func (l *loader) checkOTLP(c *Config) {
	v := c.get(setting.OTLPEndpoint)
	u, err := url.Parse(v.Text)
	plain := err == nil && (u.Scheme == "http" || u.Scheme == "https") && isHost(u.Hostname()) && u.User == nil && u.RawQuery == "" && u.Fragment == ""
	if v.Text != "" && !plain {
		l.problems = append(l.problems, *v.problem("is not the base URL of a collector",
			"Use an address such as http://127.0.0.1:4318, and "+setting.OTLPHeaders+" for secrets."))
	}
	v = c.get(setting.OTLPHeaders)
	if _, ok := setting.OTLPHeaderMap(v.Text); !ok {
		l.problems = append(l.problems, *v.problem("is not a list of headers", "Use name=value with commas between, for example authorization=Bearer%20TOKEN."))
	}
}

// SocketMode returns the mode of a Unix socket to listen on.
func (c *Config) SocketMode() fs.FileMode {
	mode, _ := parseMode(c.String(setting.SocketMode))
	return mode
}

// parseMode parses the permission bits of a file in octal digits.
func parseMode(text string) (fs.FileMode, bool) {
	n, err := strconv.ParseUint(strings.TrimPrefix(text, "0o"), 8, 32)
	return fs.FileMode(n), err == nil && n <= 0o777
}

// checkSocketMode refuses a mode that excludes the server's own user.
func (l *loader) checkSocketMode(v *Value) {
	if mode, ok := parseMode(v.Text); !ok || mode&0o600 != 0o600 {
		l.problems = append(l.problems, *v.problem("is not a mode that lets the server's user read and write",
			"Use three octal digits: 0660 for the socket's group, 0666 for everyone on this machine."))
	}
}

func (l *loader) checkPublicURL(v *Value) {
	if v.Text == "" {
		return
	}
	text := strings.TrimSuffix(v.Text, "/")
	switch o, ok := weborigin.Parse(text); {
	case ok && isOrigin(text):
		v.Text = o.String() // as browsers write it, because links and passkeys are compared with that
	case strings.ContainsFunc(text, func(r rune) bool { return r > unicode.MaxASCII }):
		l.problems = append(l.problems, *v.problem("has letters that browsers write in another way in an address",
			"Use the form that begins with xn--, for example https://xn--bcher-kva.example for https://bücher.example; a browser's address bar gives it when the address is copied."))
	default:
		l.problems = append(l.problems, *v.problem("is not an origin", "Use scheme, host and if needed port, for example https://cloud.example.org."))
	}
}

// deriveEHLOName needs the public URL as checkPublicURL leaves it. It does nothing if mail is off.
func (l *loader) deriveEHLOName(c *Config) {
	v := c.get(setting.EHLOName)
	if v.IsSet && !isEHLOName(v.Text) {
		l.problems = append(l.problems, *v.problem("is neither a full domain name nor an address in brackets",
			"Use for example cloud.example.org or [192.0.2.7], or leave it out."))
		*v = Value{Setting: v.Setting, Origin: OriginDefault}
	}
	if c.String(setting.SMTPURL) != "" {
		machine, _ := os.Hostname() // without one, the address is used
		c.deriveDefault(setting.EHLOName, defaultEHLOName(c.String(setting.PublicURL), c.String(setting.SMTPFrom), machine))
	}
}

func (l *loader) checkOrigins(v *Value) {
	for _, o := range v.list {
		if _, ok := weborigin.Parse(o); !ok {
			l.doubt(v, fmt.Sprintf("has %q, which is not an origin and matches nothing", o), "Use for example https://chat.example.org.")
		}
	}
}

// isOrigin reports whether s is scheme://host[:port] of HTTP and nothing else.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && isHost(u.Hostname()) && isPort(u.Port()) && u.User == nil &&
		u.Path == "" && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

// isHost reports whether s is a name or an address as browsers write it, in either case.
func isHost(s string) bool {
	if _, err := netip.ParseAddr(s); err == nil {
		return true
	}
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !isLetter(r) && !isDigit(r) && !strings.ContainsRune("-._", r) })
}

// isPort reports whether s is empty or the port of an address that people can open.
func isPort(s string) bool {
	n, err := strconv.ParseUint(s, 10, 16)
	return s == "" || err == nil && n > 0
}

// CheckLinks checks, for the server, the origin that links are made from. Only mail and invites need it. A server in
// strict mode without an origin, or with an unencrypted one, is most likely not fully configured. Commands that make a
// link check it themselves, and others need none.
func CheckLinks(c *Config) (problems, warnings []or3cloud.Problem) {
	v := c.get(setting.PublicURL)
	if !c.Strict() || !c.Bool(setting.SSRAuthEnabled) || strings.HasPrefix(v.Text, "https://") {
		return nil, nil
	}
	fault := "is not set"
	if v.Text != "" {
		fault = v.Shown() + " is not https" + origin(v.Origin)
	}
	p := or3cloud.Problem{
		Variable: setting.PublicURL, Fault: fault + "; links in mail and invites are made from it",
		Fix: "Set it to the origin that people use, for example https://cloud.example.org.",
	}
	if c.String(setting.SMTPURL) != "" || c.String(setting.RegistrationMode) == setting.RegistrationInviteOnly {
		return []or3cloud.Problem{p}, nil
	}
	return nil, []or3cloud.Problem{p}
}

// CheckProviders looks for faults that no single setting shows: what the selected providers demand, find and warn of,
// and in strict mode providers that are not compiled in. Outside strict mode, the host reports these at the start and
// disables the features.
func CheckProviders(c *Config, reg *or3cloud.Registry) (problems, warnings []or3cloud.Problem) {
	return checkProviders(c, reg, c.Strict())
}

// CheckOwnProviders is CheckProviders for the engine, whose host may have providers that are not compiled in here.
func CheckOwnProviders(c *Config, reg *or3cloud.Registry) (problems, warnings []or3cloud.Problem) {
	return checkProviders(c, reg, false)
}

func checkProviders(c *Config, reg *or3cloud.Registry, all bool) (problems, warnings []or3cloud.Problem) {
	asked := map[string]bool{}
	for _, role := range c.Roles() {
		p, ok := reg.Serving(role.Kind, role.Provider)
		switch {
		case ok && !asked[p.ID]:
			asked[p.ID] = true
			problems, warnings = append(problems, p.Problems(c, c.Strict())...), append(warnings, p.Warnings(c, c.Strict())...)
		case !ok && all:
			problems = append(problems, reg.Missing(role.Kind, role.Variable, role.Provider, role.Switch))
		}
	}
	return problems, warnings
}
