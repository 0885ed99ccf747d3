// Package completions asks model servers to complete a chat, in the format of OpenAI's API that OpenRouter, Ollama,
// vLLM and LiteLLM share, and passes on what they stream. It knows which server has a model, what that server may see
// of a request, and how long to wait for it. It knows neither sessions nor limits.
package completions

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/setting"
)

// openRouter is where chats go unless a setting names another server.
const openRouter = "https://openrouter.ai/api/v1"

// Upstream is a model server. Only the operator chooses them, never a request.
type Upstream struct {
	// Name is the prefix of its models, before a slash. It is empty for OpenRouter or its replacement.
	Name string
	// Base is the address of its API, without a trailing slash.
	Base string
	// Key is the operator's key. It may be empty.
	Key string
}

// String returns the operator's name for it.
func (u Upstream) String() string { return cmp.Or(u.Name, "OpenRouter") }

// Upstreams are all model servers.
type Upstreams struct {
	router Upstream
	named  []Upstream
	served bool
}

// Configured returns the model servers of a configuration, and its faults.
func Configured(cfg or3cloud.Config) (*Upstreams, []or3cloud.Problem) {
	out := &Upstreams{router: Upstream{Base: openRouter, Key: strings.TrimSpace(cfg.String(setting.OpenRouterKey))}}
	var problems []or3cloud.Problem
	refuse := func(variable, fault, fix string) {
		problems = append(problems, or3cloud.Problem{Variable: variable, Fault: fault, Fix: fix})
	}
	if u, err := url.Parse(cfg.String(setting.OpenRouterURL)); err == nil && u.Host != "" {
		out.router.Base = base(u)
	}
	if !isKey(out.router.Key) && out.router.Key != "" {
		refuse(setting.OpenRouterKey, "has characters that no key has", "Use the key alone, without quotes or spaces in it.")
	}
	// An invalid entry may be a key in the wrong place, so messages give its number and do not show it.
	for i, entry := range cfg.List(setting.ModelUpstreams) {
		name, address, _ := strings.Cut(entry, "=")
		name, address = strings.TrimSpace(name), strings.TrimSpace(address)
		u, err := url.Parse(address)
		const fix = "Use name=address, for example ollama=http://127.0.0.1:11434/v1; keys belong into " + setting.ModelKeys + "."
		switch {
		case !isName(name):
			refuse(setting.ModelUpstreams, fmt.Sprintf("has no name of a server in entry %d", i+1), fix)
		case out.find(name) != nil:
			refuse(setting.ModelUpstreams, fmt.Sprintf("has in entry %d a name for the second time", i+1), fix)
		case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
			refuse(setting.ModelUpstreams, fmt.Sprintf("has no plain address in entry %d", i+1), fix)
		default:
			out.named = append(out.named, Upstream{Name: name, Base: base(u)})
		}
	}
	for i, entry := range strings.FieldsFunc(cfg.String(setting.ModelKeys), func(r rune) bool { return r == ',' || r == '\n' || r == '\r' }) {
		name, key, _ := strings.Cut(entry, "=")
		name, key = strings.TrimSpace(name), strings.TrimSpace(key)
		const fix = "Use name=key, for example ollama=KEY, with the names of " + setting.ModelUpstreams + "."
		switch u := out.find(name); {
		case name == "" && key == "":
		case !isName(name) || !isKey(key):
			refuse(setting.ModelKeys, fmt.Sprintf("has an entry that is not name=key, number %d", i+1), fix)
		case u == nil:
			refuse(setting.ModelKeys, fmt.Sprintf("has in entry %d a name that is not a server of %s", i+1, setting.ModelUpstreams), fix)
		default:
			u.Key = key
		}
	}
	out.served = out.Offered() || cfg.String(setting.OpenRouterURL) != "" || cfg.Bool(setting.OpenRouterUserKey) || cfg.Bool(setting.BackgroundEnabled)
	return out, problems
}

// base returns an address without credentials, query and fragment, which do not belong before a path or in a log.
func base(u *url.URL) string {
	plain := url.URL{Scheme: u.Scheme, Host: u.Host, Path: strings.TrimRight(u.Path, "/")}
	return plain.String()
}

// maxName is the longest name of a server, in bytes.
const maxName = 64

func isName(s string) bool {
	return s != "" && len(s) <= maxName && !strings.ContainsFunc(s, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || strings.ContainsRune("._-", r))
	})
}

// isKey reports whether a header can carry s.
func isKey(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' })
}

func (u *Upstreams) find(name string) *Upstream {
	for i := range u.named {
		if u.named[i].Name == name {
			return &u.named[i]
		}
	}
	return nil
}

// All returns every server that the operator has chosen. OpenRouter counts only if there is a key for it.
func (u *Upstreams) All() (all []Upstream) {
	if u.router.Key != "" {
		all = append(all, u.router)
	}
	return append(all, u.named...)
}

// Offered reports whether there is a server that needs no key of the user's.
func (u *Upstreams) Offered() bool { return len(u.All()) > 0 }

// Served reports whether chats go through this server: because the operator has chosen a model server, whose keys are
// used, or enabled background answers. Otherwise browsers keep asking OpenRouter themselves, with their users' keys
// (6.1).
func (u *Upstreams) Served() bool { return u.served }

// Of returns the server of a model, and the model's name there.
func (u *Upstreams) Of(model string) (Upstream, string) {
	if name, rest, ok := strings.Cut(model, "/"); ok {
		if named := u.find(name); named != nil {
			return *named, rest
		}
	}
	return u.router, model
}
