// Package setup turns a few answers into a correct, secure installation. It has no user interface. It derives open
// questions from the answers, and a plan of what to write. Only Apply touches the disk. The command line uses it in a
// terminal and in scripts; other front ends can too.
package setup

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
	"or3.chat/cloud/internal/dotenv"
	"or3.chat/cloud/setting"
)

// Host is the kind of host that the directory is for.
type Host string

// The hosts.
const (
	// HostProgram is this program unchanged: only its configuration is written.
	HostProgram Host = "program"
	// HostGo is a custom Go program, whose list of providers is also written.
	HostGo Host = "go"
	// HostNuxt is a copy of OR3 Chat, whose list of provider modules is also written.
	HostNuxt Host = "nuxt"
)

// Hosts lists all hosts, for people.
var Hosts = []Host{HostProgram, HostGo, HostNuxt}

// Options are the dependencies of a Setup.
type Options struct {
	// Dir is the absolute path of the directory to set up.
	Dir string
	// Host is detected from the content of the directory if it is empty.
	Host Host
	// Registry has the providers that are compiled in.
	Registry *or3cloud.Registry
	// Environ holds the variables that a server started from here would inherit, as NAME=value.
	Environ []string
	// Executable is the path of this program, for the files that start it.
	Executable string
	// Rand is the source of keys.
	Rand io.Reader
}

// Setup is a directory that can be set up. Its methods do not change it.
type Setup struct {
	folder
	opts     Options
	registry *or3cloud.Registry // with those of OR3 Chat's own host
	catalog  config.Catalogue
	settings map[string]or3cloud.Setting
	// env is the text of the .env file, or nil if there is none. values are the values in it.
	env     []byte
	values  map[string]string
	environ map[string]string
}

// EnvFile is the name of the configuration file.
const EnvFile = ".env"

// Open reads the directory. An error explains why it cannot be set up.
func Open(o Options) (*Setup, error) {
	s := &Setup{folder: folder(o.Dir), opts: o, settings: map[string]or3cloud.Setting{}, environ: map[string]string{}}
	var err error
	if s.registry, err = WithChat(o.Registry); err != nil {
		return nil, err
	}
	if s.catalog, err = config.NewCatalogue(s.registry); err != nil {
		return nil, err
	}
	for _, g := range s.catalog {
		for _, one := range g.Settings {
			s.settings[one.Name] = one
		}
	}
	for _, kv := range o.Environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			s.environ[name] = value
		}
	}
	if info, err := os.Stat(o.Dir); err != nil || !info.IsDir() {
		return nil, fmt.Errorf("%s is not a directory: %w", o.Dir, orNoDirectory(err))
	}
	if s.env, err = s.read(EnvFile); err != nil {
		return nil, err
	}
	if slices.Contains(s.env, 0) {
		return nil, fmt.Errorf("%s is not UTF-8 text; save it as UTF-8 first", s.path(EnvFile))
	}
	s.values = dotenv.Parse(string(s.env), func(name string) (string, bool) { v, ok := s.environ[name]; return v, ok }).Values
	if s.opts.Host == "" {
		s.opts.Host = s.host()
	}
	if !slices.Contains(Hosts, s.opts.Host) {
		return nil, fmt.Errorf("%q is not a kind of host; the kinds are %s, %s and %s", s.opts.Host, HostProgram, HostGo, HostNuxt)
	}
	return s, nil
}

func orNoDirectory(err error) error {
	if err == nil {
		err = errors.New("it is a file")
	}
	return err
}

// Host returns the kind of host that the directory is for.
func (s *Setup) Host() Host { return s.opts.Host }

// Dir returns the directory.
func (s *Setup) Dir() string { return s.opts.Dir }

// decided returns the value of a variable according to the answers, the preset and the .env file. ok is false if it has
// its default.
func (s *Setup) decided(a Answers, name string) (text string, ok bool) {
	if text, ok := a.Values[name]; ok {
		return text, true
	}
	preset := s.preset(a)
	fixed, isFixed := preset.fixed(s.opts.Host)[name]
	if isFixed && fixed != unasked {
		return fixed, true
	}
	if text := s.present(name); text != "" || isFixed {
		return text, text != ""
	}
	text, ok = preset.proposals[name]
	return text, ok
}

// present returns the value of a variable in the .env file. As at the start, its alias takes precedence.
func (s *Setup) present(name string) string {
	if alias := s.settings[name].Alias; alias != "" && s.values[alias] != "" {
		return s.values[alias]
	}
	return s.values[name]
}

// planned returns everything that is decided, in addition to the other variables of the .env file.
func (s *Setup) planned(a Answers) map[string]string {
	all := maps.Clone(s.values)
	if all == nil {
		all = map[string]string{}
	}
	for name, one := range s.settings {
		if text, ok := s.decided(a, name); ok {
			all[name] = text
			if one.Alias != "" {
				delete(all, one.Alias)
			}
		}
	}
	return all
}

// resolve returns the configuration for the answers, without the keys that have not been generated yet.
func (s *Setup) resolve(a Answers) (*config.Config, []or3cloud.Problem) {
	cfg, problems, _ := config.Load(s.catalog, config.Sources{Dir: s.opts.Dir, Planned: s.planned(a)})
	links, _ := config.CheckLinks(cfg)
	missing, _ := s.checkProviders(cfg)
	return cfg, slices.Concat(problems, missing, links)
}

// checkProviders asks the providers. Those of a Nuxt host need not be compiled into this program.
func (s *Setup) checkProviders(cfg *config.Config) (problems, warnings []or3cloud.Problem) {
	if s.opts.Host == HostNuxt {
		return config.CheckOwnProviders(cfg, s.registry)
	}
	return config.CheckProviders(cfg, s.opts.Registry)
}

// providers returns the ids of the chosen providers by kind. It returns none if there are no accounts.
func providers(cfg *config.Config) map[or3cloud.ProviderKind]string {
	chosen := map[or3cloud.ProviderKind]string{}
	for _, role := range cfg.Roles() {
		chosen[role.Kind] = role.Provider
	}
	return chosen
}

// selected returns the chosen providers that are known, each once, sorted by id.
func (s *Setup) selected(cfg *config.Config) (known []or3cloud.Provider) {
	ids := cfg.SelectedProviders()
	slices.Sort(ids)
	for _, id := range ids {
		if p, ok := s.registry.Lookup(id); ok {
			known = append(known, p)
		}
	}
	return known
}

// relevant returns the settings of the host and of the chosen providers, in the order of the reference, each once.
func (s *Setup) relevant(cfg *config.Config) []or3cloud.Setting {
	all := setting.Host()
	seen := map[string]bool{}
	for _, p := range s.selected(cfg) {
		all = append(all, p.Settings...)
	}
	return slices.DeleteFunc(all, func(one or3cloud.Setting) bool {
		again := seen[one.Name]
		seen[one.Name] = true
		return again
	})
}
