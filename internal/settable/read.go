package settable

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/dotenv"
	"or3.chat/cloud/internal/setup"
	"or3.chat/cloud/setting"
)

// Mask replaces a value that is not shown. Writing it back changes nothing.
const Mask = "******"

// The origins of values, for people. A flag is another one.
const (
	OriginEnvironment = "environment"
	OriginEnvFile     = ".env"
	OriginSecretFile  = "file"
	OriginDefault     = "default"
)

// Options are the dependencies of a Configuration.
type Options struct {
	// Registry has the providers that are compiled in.
	Registry *or3cloud.Registry
	// Sources are the sources that the server was started with.
	Sources config.Sources
	// Rand generates the key of revisions.
	Rand io.Reader
}

// Configuration is the .env file that the server was started with. A process has one, however often it opens its data.
type Configuration struct {
	registry  *or3cloud.Registry
	catalogue config.Catalogue
	sources   config.Sources
	environ   map[string]string
	path      string // absolute, because the working directory may be renamed
	keys      []Key
	secret    [sha256.Size]byte
	lacking   []or3cloud.Problem // the providers that were missing at the start

	writing sync.Mutex
}

// New returns the configuration of a server that was started with these sources.
func New(o Options) (*Configuration, error) {
	c := &Configuration{registry: o.Registry, sources: o.Sources, environ: map[string]string{}}
	var err error
	if c.keys, err = keys(o.Registry); err != nil {
		return nil, err
	}
	if c.catalogue, err = config.NewCatalogue(o.Registry); err != nil {
		return nil, err
	}
	if c.path, err = filepath.Abs(o.Sources.EnvFile); err != nil {
		return nil, err
	}
	if _, err := io.ReadFull(o.Rand, c.secret[:]); err != nil {
		return nil, err
	}
	for _, kv := range o.Sources.Environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			c.environ[name] = value
		}
	}
	if text, err := c.read(); err == nil { // what the start has read
		cfg, _ := c.load(text)
		c.lacking = c.missing(cfg)
	}
	return c, nil
}

// Entry is a key with its value in the file.
type Entry struct {
	Key
	// Value is nil if the file has none, and Mask if it is not shown.
	Value  *string
	Masked bool
	// Origin is where the server takes the value from. The environment takes precedence over the file.
	Origin string
}

// Entries are all keys, in order.
type Entries struct {
	Entries []Entry
	// Revision identifies the file that was read. Write compares it.
	Revision string
}

// read returns the text of the file, or nil if there is none or if something other than a file is there, such as
// /dev/null.
func (c *Configuration) read() ([]byte, error) {
	if !c.writable() {
		return nil, nil
	}
	text, err := setup.ReadEnv(c.path)
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return text, nil
}

func (c *Configuration) writable() bool {
	info, err := os.Stat(c.path)
	return err != nil || info.Mode().IsRegular()
}

// Entries reads the file.
func (c *Configuration) Entries() (Entries, error) {
	text, err := c.read()
	if err != nil {
		return Entries{}, err
	}
	values := c.shown(text)
	out := Entries{Entries: make([]Entry, 0, len(c.keys)), Revision: c.revision(text)}
	for _, k := range c.keys {
		e := Entry{Key: k, Origin: c.origin(k, values)}
		if value, ok := values[k.Name]; ok && value != "" {
			if e.Masked = k.masks(); e.Masked {
				value = Mask
			}
			e.Value = &value
		}
		out.Entries = append(out.Entries, e)
	}
	return out, nil
}

// shown returns the values in the file. It masks a value of another name that equals a secret.
func (c *Configuration) shown(text []byte) map[string]string {
	secret := map[string]bool{}
	for _, g := range c.catalogue {
		for _, s := range g.Settings {
			secret[s.Name] = s.Secret
		}
	}
	return dotenv.Parse(string(text), func(name string) (string, bool) {
		if secret[name] || soundsSecret(name) {
			return Mask, true
		}
		value, ok := c.environ[name]
		return value, ok
	}).Values
}

// origin returns where the server takes the value of a key from.
func (c *Configuration) origin(k Key, values map[string]string) string {
	file := k.Setting.Name + "_FILE"
	switch {
	case c.sources.Flags[k.Name] != "":
		return "flag " + c.sources.FlagNames[k.Name]
	case c.environ[k.Name] != "":
		return OriginEnvironment
	case values[k.Name] != "":
		return OriginEnvFile
	case k.Setting.Secret && (c.environ[file] != "" || values[file] != ""):
		return OriginSecretFile
	}
	return OriginDefault
}

// revision identifies a text without revealing anything about it to those who do not know this process's key.
func (c *Configuration) revision(text []byte) string {
	mac := hmac.New(sha256.New, c.secret[:])
	if text != nil {
		mac.Write(append([]byte{1}, text...))
	}
	return hex.EncodeToString(mac.Sum(nil)[:16])
}

// Problems returns what would keep a server from starting with the current file, or from serving what it serves now:
// missing providers, unless they were missing when it started.
func (c *Configuration) Problems() ([]or3cloud.Problem, error) {
	text, err := c.read()
	if err != nil {
		return nil, err
	}
	cfg, problems := c.load(text)
	for _, p := range c.missing(cfg) {
		if !slices.Contains(c.lacking, p) {
			problems = append(problems, p)
		}
	}
	return problems, nil
}

// missing returns the providers of a configuration that are missing. Outside strict mode, a start continues without
// them, and perhaps without accounts.
func (c *Configuration) missing(cfg *config.Config) (problems []or3cloud.Problem) {
	for _, role := range cfg.Roles() {
		if _, ok := c.registry.Serving(role.Kind, role.Provider); !ok {
			problems = append(problems, c.registry.Missing(role.Kind, role.Variable, role.Provider, role.Switch))
		}
	}
	return problems
}

// load parses a text as a start does.
func (c *Configuration) load(text []byte) (*config.Config, []or3cloud.Problem) {
	src := c.sources
	src.EnvText = slices.Concat([]byte{}, text)
	cfg, problems, _ := config.Load(c.catalogue, src)
	missing, _ := config.CheckProviders(cfg, c.registry)
	links, _ := config.CheckLinks(cfg)
	return cfg, slices.Concat(problems, missing, links)
}

// strictly returns what a strict start would find wrong with certain settings in a text. It includes values of a
// provider that is not selected, and of OR3 Chat.
func (c *Configuration) strictly(text []byte, changed map[string]or3cloud.Setting) (problems []or3cloud.Problem) {
	names := maps.Clone(changed)
	catalogue := make(config.Catalogue, 0, len(c.catalogue)+1)
	for _, g := range c.catalogue {
		g.Settings = slices.DeleteFunc(slices.Clone(g.Settings), func(s or3cloud.Setting) bool { _, ok := names[s.Name]; return ok })
		catalogue = append(catalogue, g)
	}
	asked := config.Group{}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		asked.Settings = append(asked.Settings, names[name])
	}
	src := c.sources
	src.EnvText = slices.Concat([]byte{}, text)
	src.Planned = map[string]string{setting.StrictConfig: "true"}
	cfg, found, _ := config.Load(append(catalogue, asked), src)
	missing, _ := config.CheckProviders(cfg, c.registry)
	for _, p := range append(found, missing...) {
		if _, ok := names[p.Variable]; ok {
			problems = append(problems, p)
		}
	}
	return problems
}
