package config

import (
	"encoding/json"
	"fmt"
	"net"
	"net/url"
	"slices"
	"strconv"
	"strings"

	or3cloud "or3.chat/cloud"
	weborigin "or3.chat/cloud/internal/origin"
)

// derive applies the defaults and checks that need more than one variable or more than the kind.
func (l *loader) derive(c *Config) {
	c.deriveDefault(ForceHTTPS, strconv.FormatBool(c.Production()))
	// If OR3_FORCE_HTTPS is set at all, only true is true, also where the default is true (contract, env §3).
	c.get(ForceHTTPS).boolean = c.String(ForceHTTPS) == "true"

	mode := "open"
	if !c.Bool(AutoProvision) {
		mode = "disabled"
	}
	c.deriveDefault(RegistrationMode, mode)

	if c.Strict() && c.Bool(SSRAuthEnabled) && c.String(RegistrationMode) == "invite_only" && c.String(InviteSecret) == "" {
		l.problems = append(l.problems, SecretProblem(InviteSecret))
	}

	for _, name := range []string{SyncEnabled, StorageEnabled} {
		v := c.get(name)
		v.boolean = v.boolean && c.Bool(SSRAuthEnabled)
	}
	if dir, ok := l.environ["STATE_DIRECTORY"]; ok && dir != "" {
		first, _, _ := strings.Cut(dir, ":")
		c.deriveDefault(DataDir, first)
	}
	l.normaliseForwardedFor(c.get(ForwardedForHeader))
	for _, name := range []string{AuthProvider, SyncProvider, StorageProvider, DataDir} {
		if v := c.get(name); v.Text == "" {
			l.problems = append(l.problems, *v.problem("is empty", "Give a value, or remove the variable for the default "+v.Setting.Default+"."))
		}
	}
	l.checkAddr(c.get(Addr))
	l.checkPublicURL(c.get(PublicURL))
	l.checkOrigins(c.get("OR3_ALLOWED_ORIGINS"))
	if v := c.get(RateLimitOverrides); v.Text != "" && !json.Valid([]byte(v.Text)) {
		l.warnings = append(l.warnings, fmt.Sprintf("%s%s is not JSON and is ignored", RateLimitOverrides, origin(v.Origin)))
	}
}

// deriveDefault sets the text of a variable that nobody has set.
func (c *Config) deriveDefault(name, text string) {
	if v := c.get(name); !v.IsSet {
		v.Text = text
	}
}

func (l *loader) normaliseForwardedFor(v *Value) {
	text := strings.ToLower(strings.TrimSpace(v.Text))
	if !slices.Contains([]string{"x-forwarded-for", "x-real-ip"}, text) {
		l.warnings = append(l.warnings, fmt.Sprintf("%s: %s is neither x-forwarded-for nor x-real-ip; x-forwarded-for is used", ForwardedForHeader, v.Shown()))
		text = v.Setting.Default
	}
	v.Text = text
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

func (l *loader) checkPublicURL(v *Value) {
	if v.Text == "" {
		return
	}
	if !isOrigin(strings.TrimSuffix(v.Text, "/")) {
		l.problems = append(l.problems, *v.problem("is not an origin", "Use scheme, host and if needed port, for example https://cloud.example.org."))
		return
	}
	v.Text = strings.TrimSuffix(v.Text, "/")
}

func (l *loader) checkOrigins(v *Value) {
	for _, o := range v.list {
		if _, ok := weborigin.Parse(o); !ok {
			l.warnings = append(l.warnings, fmt.Sprintf("%s: %q is not an origin such as https://chat.example.org and will match nothing", v.Setting.Name, o))
		}
	}
}

// isOrigin reports whether s is scheme://host[:port] of HTTP and nothing else.
func isOrigin(s string) bool {
	u, err := url.Parse(s)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && u.User == nil &&
		u.Path == "" && u.RawQuery == "" && !u.ForceQuery && u.Fragment == ""
}

// CheckProviders looks for faults beyond single settings: what the selected providers find, and in strict mode providers that are
// not compiled in. Outside strict mode the host says those when it starts, and leaves the features off.
func CheckProviders(c *Config, reg *or3cloud.Registry) []or3cloud.Problem {
	var problems []or3cloud.Problem
	for _, role := range c.Roles() {
		if _, ok := reg.Lookup(role.Provider); ok || !c.Strict() {
			continue
		}
		problems = append(problems, or3cloud.Problem{
			Variable: role.Variable,
			Fault:    fmt.Sprintf("the provider %q is not compiled into this binary, which has: %s", role.Provider, providerList(reg)),
			Fix: fmt.Sprintf("Select one of those; or import the package of %s in cmd/or3-cloud/providers_generated.go and build again; or set %s=false.",
				role.Provider, role.Switch),
		})
	}
	for _, id := range c.SelectedProviders() {
		if p, ok := reg.Lookup(id); ok && p.Check != nil {
			problems = append(problems, p.Check(c, c.Strict())...)
		}
	}
	return problems
}

func providerList(reg *or3cloud.Registry) string {
	var ids []string
	for _, p := range reg.Providers() {
		ids = append(ids, p.ID)
	}
	if ids == nil {
		return "none"
	}
	return strings.Join(ids, ", ")
}

// SecretProblem describes a secret that is needed and was not given, for the Check of providers and for strict mode.
func SecretProblem(name string) or3cloud.Problem {
	return or3cloud.Problem{
		Variable: name,
		Fault:    "is not set, and strict mode generates no secrets",
		Fix:      fmt.Sprintf(`Run: echo "%s=$(openssl rand -base64 32)" >> .env (or point %s_FILE to a file with it).`, name, name),
	}
}
