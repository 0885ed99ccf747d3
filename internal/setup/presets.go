package setup

import (
	"fmt"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/setting"
)

// Preset is a starting point that suits many: the providers, and the settings that follow.
type Preset struct {
	ID    string `json:"id"`
	Label string `json:"label"`
	Help  string `json:"help"`

	// trio maps kinds to provider ids. It is nil for a preset without accounts.
	trio map[or3cloud.ProviderKind]string
	// public means that the server is reachable from elsewhere, and so in production mode.
	public bool
	// nuxtOnly means that its providers are those of OR3 Chat's own host.
	nuxtOnly bool
	// values are decided, and unasked ones left as they are. proposals can be overridden by answers.
	values, proposals map[string]string
}

// unasked is the value of a preset that leaves a variable as it is, without a question.
const unasked = "\x00"

// Recommended is the default preset.
const Recommended = "recommended"

var trio = map[or3cloud.ProviderKind]string{
	or3cloud.ProviderAuth: "basic-auth", or3cloud.ProviderSync: "sqlite", or3cloud.ProviderStorage: "fs",
}

// inPublic are the proposals for a server behind a reverse proxy on the same machine.
var inPublic = map[string]string{setting.RegistrationMode: setting.RegistrationInviteOnly, setting.TrustedProxies: "loopback"}

var presets = []Preset{
	{
		ID: Recommended, Label: "Recommended: a server for several people",
		Help: "Accounts, sync and files in one directory, behind a reverse proxy that speaks HTTPS.",
		trio: trio, public: true, proposals: inPublic,
	},
	{
		ID: "personal-local", Label: "Personal: for you, on this machine",
		Help: "The same without a public address: it listens on this machine, and no one else can register.",
		trio: trio,
		values: map[string]string{
			setting.RegistrationMode: setting.RegistrationDisabled,
			setting.PublicURL:        unasked, setting.TrustedProxies: unasked, setting.SMTPURL: unasked, setting.SMTPFrom: unasked,
		},
	},
	{
		ID: "scale-out", Label: "Scale-out: PostgreSQL and S3",
		Help: "For more than one server: sync in PostgreSQL, files in a bucket.",
		trio: map[or3cloud.ProviderKind]string{
			or3cloud.ProviderAuth: "basic-auth", or3cloud.ProviderSync: "postgres", or3cloud.ProviderStorage: "s3",
		},
		public: true, proposals: inPublic,
	},
	{
		ID: "local-only", Label: "Local only: no cloud",
		Help: "The client alone, without accounts: everything stays in the browser.",
	},
	{
		ID: "clerk-convex", Label: "Clerk and Convex (legacy)",
		Help: "What earlier installations of OR3 Chat have: two services, and a host with Node.js.",
		trio: map[or3cloud.ProviderKind]string{
			or3cloud.ProviderAuth: "clerk", or3cloud.ProviderSync: "convex", or3cloud.ProviderStorage: "convex",
		},
		nuxtOnly: true,
		values: map[string]string{
			setting.Addr: unasked, setting.DataDir: unasked, setting.PublicURL: unasked, setting.RegistrationMode: unasked,
			setting.TrustedProxies: unasked, setting.SMTPURL: unasked, setting.SMTPFrom: unasked,
		},
	},
}

// selectors are the variables that select the providers.
var selectors = []struct {
	kind     or3cloud.ProviderKind
	variable string
}{
	{or3cloud.ProviderAuth, setting.AuthProvider}, {or3cloud.ProviderSync, setting.SyncProvider}, {or3cloud.ProviderStorage, setting.StorageProvider},
}

// fixed returns the variables that the preset decides for a host.
func (p Preset) fixed(host Host) map[string]string {
	values := map[string]string{setting.SSRAuthEnabled: fmt.Sprint(p.trio != nil)}
	for _, s := range selectors {
		if p.trio != nil {
			values[s.variable] = p.trio[s.kind]
		}
	}
	switch {
	case host == HostNuxt: // whose own commands set NODE_ENV
		values[setting.StrictConfig] = "true"
		values[setting.Addr], values[setting.TrustedProxies] = unasked, unasked
	case p.public:
		values[setting.NodeEnv] = "production"
	default:
		values[setting.StrictConfig] = "true"
	}
	for name, text := range p.values {
		values[name] = text
	}
	return values
}

// Presets returns the presets whose providers the host has.
func (s *Setup) Presets() (listed []Preset) {
	for _, p := range presets {
		if s.offers(p) {
			listed = append(listed, p)
		}
	}
	return listed
}

func (s *Setup) offers(p Preset) bool {
	if p.nuxtOnly {
		return s.opts.Host == HostNuxt
	}
	for kind, id := range p.trio {
		if _, ok := s.opts.Registry.Serving(kind, id); !ok {
			return false
		}
	}
	return true
}

// preset returns the chosen one.
func (s *Setup) preset(a Answers) Preset {
	for _, p := range presets {
		if p.ID == a.Preset {
			return p
		}
	}
	return presets[0]
}

// DefaultPreset returns the preset of the existing installation. For a new one, it returns Recommended, or the first
// that is possible. It returns "" if the existing providers match no preset, so that choosing one means choosing other
// providers.
func (s *Setup) DefaultPreset() string {
	if s.present(setting.SSRAuthEnabled) == "false" {
		return "local-only"
	}
	here := false
	for _, selector := range selectors {
		here = here || s.present(selector.variable) != ""
	}
	local := s.present(setting.StrictConfig) == "true" && s.present(setting.NodeEnv) != "production" && s.opts.Host != HostNuxt
	for _, p := range s.Presets() {
		same := p.trio != nil && (!p.public || !local)
		for _, selector := range selectors {
			same = same && s.present(selector.variable) == p.trio[selector.kind]
		}
		if same {
			return p.ID
		}
	}
	switch listed := s.Presets(); {
	case here:
		return ""
	case slices.ContainsFunc(listed, func(p Preset) bool { return p.ID == Recommended }):
		return Recommended
	default:
		return listed[0].ID // a program without providers
	}
}

// checkPreset returns what is wrong with the name of a preset.
func (s *Setup) checkPreset(id string) error {
	var listed []string
	for _, p := range s.Presets() {
		if p.ID == id {
			return nil
		}
		listed = append(listed, p.ID)
	}
	why := "is not a preset"
	for _, p := range presets {
		switch {
		case p.ID != id:
		case p.nuxtOnly:
			why = "writes files of a Nuxt host, and this directory is not one"
		default:
			why = "needs providers that are not compiled into this program"
		}
	}
	return fmt.Errorf("%q %s; there are %s", id, why, strings.Join(listed, ", "))
}
