// Package config owns the catalogue of environment variables and merges a .env file, the environment and flags into one
// checked configuration that records where each value came from.
package config

import (
	"bytes"
	"fmt"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/dotenv"
	"or3.chat/cloud/setting"
)

// Origin is the source of a value, for people: "default", "environment", "flag --addr", ".env" or the path of a file.
type Origin string

// The origins that contain no name.
const (
	OriginDefault     Origin = "default"
	OriginEnvironment Origin = "environment"
)

// Sources are the places to look for values.
type Sources struct {
	// Planned are the values that a set-up intends to write. They take precedence over all others.
	Planned map[string]string
	// Dir is the base of relative paths of secret files. Empty means the working directory.
	Dir string
	// EnvText replaces the text of EnvFile if EnvFile has not been written yet. nil means that EnvFile is read.
	EnvText []byte
	// EnvFile is the path of a .env file. A missing file is a fault only if EnvFileRequired.
	EnvFile         string
	EnvFileRequired bool
	// Environ holds NAME=value strings, as os.Environ returns them.
	Environ []string
	// Flags maps variables to the values of the command-line flags that were given, and FlagNames to how the flags are
	// written.
	Flags, FlagNames map[string]string
}

// Value is a resolved variable.
type Value struct {
	Setting or3cloud.Setting
	// Text is the value as text, after defaults and derivations.
	Text string
	// IsSet is false for a default.
	IsSet  bool
	Origin Origin

	number  int64
	boolean bool
	list    []string
}

// Config is the resolved configuration. It implements or3cloud.Config.
type Config struct {
	names  []string // in catalogue order
	values map[string]*Value
}

// Load resolves all variables of the catalogue. It returns every fault at once. Warnings are things that an operator
// should know but that do not prevent the start. The Config is complete even if there are problems, with defaults in
// place of bad values.
func Load(c Catalogue, src Sources) (cfg *Config, problems, warnings []or3cloud.Problem) {
	l := loader{catalogue: c, environ: environMap(src.Environ), src: src}
	l.readEnvFile()
	cfg = &Config{values: map[string]*Value{}}
	found := map[string]findings{} // by provider
	for _, g := range c {
		for _, s := range g.Settings {
			v, f := l.resolve(s)
			found[g.Provider] = found[g.Provider].add(f)
			cfg.names = append(cfg.names, s.Name)
			cfg.values[s.Name] = v
			if s.Alias != "" {
				cfg.values[s.Alias] = v
			}
		}
	}
	l.findings = l.add(found[hostOwned])
	l.derive(cfg)
	for _, id := range cfg.SelectedProviders() {
		if id != hostOwned {
			l.findings = l.add(found[id])
		}
	}
	l.checkNames(cfg)
	for _, d := range l.doubts {
		if cfg.Strict() {
			l.problems = append(l.problems, d)
		} else {
			l.warnings = append(l.warnings, d)
		}
	}
	return cfg, l.problems, l.warnings
}

// findings are the faults of values. Problems prevent the start. Doubts are values that are too weak, or that the
// contract reads differently from what the operator meant; they prevent the start only in strict mode.
type findings struct {
	problems, doubts []or3cloud.Problem
}

func (f findings) add(g findings) findings {
	return findings{append(f.problems, g.problems...), append(f.doubts, g.doubts...)}
}

// loader is the state of one Load.
type loader struct {
	catalogue Catalogue
	src       Sources
	environ   map[string]string
	envFile   map[string]string
	envNames  []string // in the order of the file
	findings
	warnings []or3cloud.Problem
}

func environMap(environ []string) map[string]string {
	m := make(map[string]string, len(environ))
	for _, kv := range environ {
		if name, value, ok := strings.Cut(kv, "="); ok {
			m[name] = value
		}
	}
	return m
}

// readEnvFile reads the .env file and reports lines and names that should not be in it.
func (l *loader) readEnvFile() {
	if l.src.EnvFile == "" {
		return
	}
	name := "--env-file"
	if !l.src.EnvFileRequired {
		name = l.src.EnvFile
	}
	var (
		text  = l.src.EnvText
		doubt *or3cloud.Problem
		err   error
	)
	if text == nil {
		text, doubt, err = readTrusted(l.src.EnvFile, maxEnvFile, l.shared())
	}
	if os.IsNotExist(err) && !l.src.EnvFileRequired {
		return
	}
	if u, ok := err.(untrusted); ok {
		l.problems = append(l.problems, or3cloud.Problem{Variable: name, Fault: l.src.EnvFile + " " + u.fault, Fix: u.fix + otherwise})
		return
	}
	if err != nil {
		l.problems = append(l.problems, l.unreadable(name, err))
		return
	}
	if doubt != nil {
		l.warnings = append(l.warnings, *doubt)
	}
	if encoding := foreignEncoding(text); encoding != "" {
		l.problems = append(l.problems, or3cloud.Problem{
			Variable: name,
			Fault:    fmt.Sprintf("%s is %s, and not UTF-8 text", l.src.EnvFile, encoding),
			Fix:      "Save it as UTF-8. Windows PowerShell writes UTF-16 with >; there, use Set-Content -Encoding utf8.",
		})
		return
	}
	d := dotenv.Parse(string(text), func(name string) (string, bool) { v, ok := l.environ[name]; return v, ok })
	l.envFile = d.Values
	for _, line := range d.Bad {
		if !strings.Contains(strings.ToUpper(line.Text), "OR3_") {
			l.warnings = append(l.warnings, or3cloud.Problem{
				Variable: fmt.Sprintf("%s, line %d", l.src.EnvFile, line.Number), Fault: "neither NAME=value nor a comment; ignored",
			})
			continue
		}
		l.doubts = append(l.doubts, or3cloud.Problem{
			Variable: fmt.Sprintf("%s, line %d", l.src.EnvFile, line.Number),
			Fault:    "is neither NAME=value nor a comment, and ignored", Fix: "Write NAME=value, or a # in front of it.",
		})
	}
	l.envNames = d.Names
	for _, name := range d.Names {
		if !utf8.ValidString(d.Values[name]) && strings.HasPrefix(name, "OR3_") {
			l.warnings = append(l.warnings, or3cloud.Problem{
				Variable: name, Fault: fmt.Sprintf("has characters that are not UTF-8, which other programs read as something else (from %s)", l.src.EnvFile),
				Fix: "Save the file as UTF-8.",
			})
		}
	}
}

// shared reports whether the environment declares that modes and owners of files mean nothing. A file cannot declare
// that about itself.
func (l *loader) shared() bool { return l.environ[setting.SharedVolume] == "true" }

// unreadable explains why the .env file cannot be read. A file that only root may read suits systemd's
// EnvironmentFile=, but the server's user cannot read it.
func (l *loader) unreadable(name string, err error) or3cloud.Problem {
	p := or3cloud.Problem{
		Variable: name,
		Fault:    fmt.Sprintf("%s cannot be read: %v", l.src.EnvFile, withoutPath(err)),
		Fix:      "Give the path of a readable file, or leave the flag out.",
	}
	switch {
	case !l.src.EnvFileRequired:
		p.Fix = "Make it a file that the user of this process may read, or move it away, or name another one with --env-file."
	case os.IsPermission(err):
		p.Fix = fmt.Sprintf("Under systemd, name the file in EnvironmentFile= instead of --env-file: systemd reads it as root and hands the variables over. "+
			"Elsewhere give it to the user of this process: chown %d %s", os.Geteuid(), l.src.EnvFile)
	}
	return p
}

// foreignEncoding names the encoding of a text that is not UTF-8, as far as its first bytes tell, or returns "" for
// UTF-8.
func foreignEncoding(text []byte) string {
	switch {
	case bytes.HasPrefix(text, []byte{0xff, 0xfe}), bytes.HasPrefix(text, []byte{0xfe, 0xff}):
		return "UTF-16"
	case bytes.IndexByte(text, 0) >= 0:
		return "UTF-16 or binary"
	}
	return ""
}

// checkNames looks for names with our prefix that nothing reads. One that is close to a known name is most likely
// misspelt, so the setting that was meant has its default.
func (l *loader) checkNames(c *Config) {
	check := func(name, source string) {
		near, unknown := l.catalogue.unknownName(name)
		switch {
		case near != "":
			l.doubts = append(l.doubts, or3cloud.Problem{
				Variable: name, Fault: fmt.Sprintf("is unknown and ignored (from %s)", source), Fix: "Did you mean " + near + "?",
			})
		case unknown:
			l.warnings = append(l.warnings, or3cloud.Problem{Variable: name, Fault: fmt.Sprintf("is unknown and ignored (from %s)", source)})
		default:
			if meant := l.catalogue.misspelt(name); meant != "" {
				l.warnings = append(l.warnings, or3cloud.Problem{
					Variable: name, Fault: fmt.Sprintf("is unknown and ignored (from %s)", source), Fix: "Did you mean " + meant + "?",
				})
			}
		}
	}
	// An empty variable is not set, so nothing is ignored.
	for _, name := range l.envNames {
		if l.envFile[name] != "" {
			check(name, l.src.EnvFile)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(l.environ)) {
		if l.environ[name] != "" {
			check(name, string(OriginEnvironment))
		}
	}
}

// lookup finds the strongest source that has a variable. An empty variable counts as not set, from every source,
// because container tools write NAME= for unset variables. The contract does otherwise (env, introduction).
func (l *loader) lookup(name string) (text string, origin Origin, ok bool) {
	for _, source := range []struct {
		values map[string]string
		origin Origin
	}{
		{l.src.Planned, ""},
		{l.src.Flags, Origin("flag " + l.src.FlagNames[name])},
		{l.environ, OriginEnvironment},
		{l.envFile, Origin(l.src.EnvFile)},
	} {
		if text := source.values[name]; text != "" {
			return text, source.origin, true
		}
	}
	return "", "", false
}

// resolve finds and parses one variable. It reports a bad value and replaces it with the default.
func (l *loader) resolve(s or3cloud.Setting) (*Value, findings) {
	text, origin, isSet := l.lookup(s.Name)
	if s.Alias != "" {
		if t, o, found := l.lookup(s.Alias); found {
			text, origin, isSet = t, Origin(fmt.Sprintf("%s, as %s", o, s.Alias)), true
		}
	}
	var f findings
	if s.Secret {
		var p *or3cloud.Problem
		text, origin, isSet, p = l.resolveSecret(s, text, origin, isSet)
		if p != nil {
			f.problems = append(f.problems, *p)
		}
	}
	if !isSet {
		text, origin = s.Default, OriginDefault
	}
	v := &Value{Setting: s, Text: text, IsSet: isSet, Origin: origin}
	if d := v.doubt(); d != nil {
		f.doubts = append(f.doubts, *d)
	}
	if p := v.parse(); p != nil {
		f.problems = append(f.problems, *p)
		*v = Value{Setting: s, Text: s.Default, Origin: OriginDefault}
		_ = v.parse()
	}
	return v, f
}

// The size limits of a file that a NAME_FILE variable names, and of a .env file.
const (
	maxSecretFile = 64 << 10
	maxEnvFile    = 16 << 20
)

// resolveSecret adds the form NAME_FILE. An empty secret counts as unset: signing with it would be worse than refusing.
func (l *loader) resolveSecret(s or3cloud.Setting, text string, origin Origin, isSet bool) (string, Origin, bool, *or3cloud.Problem) {
	path, _, fileSet := l.lookup(s.Name + "_FILE")
	if !fileSet {
		return text, origin, isSet, nil
	}
	if isSet {
		return "", "", false, &or3cloud.Problem{
			Variable: s.Name,
			Fault:    fmt.Sprintf("both %s and %s_FILE are set", s.Name, s.Name),
			Fix:      "Remove one of the two.",
		}
	}
	if l.src.Dir != "" && !filepath.IsAbs(path) {
		path = filepath.Join(l.src.Dir, path)
	}
	data, doubt, err := readTrusted(path, maxSecretFile, l.shared())
	if u, ok := err.(untrusted); ok {
		return "", "", false, &or3cloud.Problem{Variable: s.Name + "_FILE", Fault: path + " " + u.fault, Fix: u.fix + otherwise}
	}
	if err != nil {
		return "", "", false, &or3cloud.Problem{
			Variable: s.Name + "_FILE",
			Fault:    fmt.Sprintf("%s cannot be read: %v", path, withoutPath(err)),
			Fix:      "Name a readable file that holds the secret and nothing else.",
		}
	}
	if doubt != nil {
		l.warnings = append(l.warnings, *doubt)
	}
	text = strings.TrimRight(string(data), "\r\n")
	if text == "" {
		return "", "", false, &or3cloud.Problem{
			Variable: s.Name + "_FILE",
			Fault:    path + " is empty",
			Fix:      "Write the secret into it, for example: " + or3cloud.MakeKey + " > " + path,
		}
	}
	return text, Origin(path), true, nil
}

// withoutPath strips the path from an error of package os, because the caller already names it.
func withoutPath(err error) error {
	if pe, ok := err.(*os.PathError); ok {
		return pe.Err
	}
	return err
}

// doubt looks for values that the contract reads as the default or as false although they were meant otherwise, and for
// secrets that are too short for their purpose.
func (v *Value) doubt() *or3cloud.Problem {
	s := v.Setting
	if !v.IsSet {
		return nil
	}
	switch s.Kind {
	case or3cloud.KindBool:
		if v.Text != "true" && v.Text != "false" {
			return v.problem("is neither true nor false and counts as "+strconv.FormatBool(s.Default == "true"), "Use true or false.")
		}
	case or3cloud.KindFlag:
		if !slices.Contains([]string{"1", "true", "yes", "0", "false", "no"}, strings.ToLower(v.Text)) {
			return v.problem("is neither true nor false and counts as false", "Use true or false.")
		}
	case or3cloud.KindPositive:
		if _, ok := positive(v.Text); !ok {
			return v.problem("is not a number from 1 and counts as "+s.Default, "Use a whole number from 1.")
		}
	}
	if s.TooShort(v.Text) {
		return v.problem(s.ShortFault(), s.Remedy())
	}
	return nil
}

// positive parses a number of KindPositive.
func positive(text string) (int64, bool) {
	if strings.ContainsAny(text, "_xX") { // Go's syntax, which the contract does not know
		return 0, false
	}
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	if f = math.Floor(f); err != nil || !(f >= 1) || f > or3cloud.MaxSafeInteger {
		return 0, false
	}
	return int64(f), true
}

// parse parses Text according to the kind of the setting.
func (v *Value) parse() *or3cloud.Problem {
	s := v.Setting
	if len(s.Options) > 0 && v.IsSet && !slices.Contains(s.Options, v.Text) {
		return v.problem("is not one of the accepted values", "Use one of: "+strings.Join(s.Options, ", ")+".")
	}
	switch s.Kind {
	case or3cloud.KindBool:
		// Only the opposite of the default changes it: 1, yes and TRUE are not true (contract, env).
		v.boolean = s.Default == "true"
		if v.Text == strconv.FormatBool(!v.boolean) {
			v.boolean = !v.boolean
		}
	case or3cloud.KindFlag:
		switch strings.ToLower(v.Text) {
		case "1", "true", "yes":
			v.boolean = true
		}
	case or3cloud.KindInt:
		if v.Text == "" {
			return nil
		}
		n, err := strconv.ParseInt(strings.TrimSpace(v.Text), 10, 64)
		if err != nil {
			return v.problem("is not a whole number", "Use "+numberRange(s)+".")
		}
		return v.setNumber(n)
	case or3cloud.KindPositive:
		n, ok := positive(v.Text)
		if !ok {
			if !v.IsSet {
				return nil
			}
			*v = Value{Setting: s, Text: s.Default, Origin: OriginDefault}
			return v.parse()
		}
		return v.setNumber(n)
	case or3cloud.KindList:
		for item := range strings.SplitSeq(v.Text, ",") {
			if item = strings.TrimSpace(item); item != "" {
				v.list = append(v.list, item)
			}
		}
	}
	return nil
}

func (v *Value) setNumber(n int64) *or3cloud.Problem {
	if s := v.Setting; s.Max > s.Min && (n < s.Min || n > s.Max) {
		return v.problem("is out of range", "Use "+numberRange(s)+".")
	}
	v.number = n
	return nil
}

func numberRange(s or3cloud.Setting) string {
	switch {
	case s.Max <= s.Min:
		return "a whole number"
	case s.Max == math.MaxInt64:
		return fmt.Sprintf("a whole number from %d", s.Min)
	default:
		return fmt.Sprintf("a whole number from %d to %d", s.Min, s.Max)
	}
}

// problem returns a fault of the value, without revealing a secret.
func (v *Value) problem(fault, fix string) *or3cloud.Problem {
	return &or3cloud.Problem{Variable: v.Setting.Name, Fault: v.Shown() + " " + fault + origin(v.Origin), Fix: fix}
}

func origin(o Origin) string {
	if o == "" || o == OriginDefault {
		return ""
	}
	return fmt.Sprintf(" (from %s)", o)
}

// maxShown is how much of a value a message shows.
const maxShown = 60

// Shown returns the value for people: quoted and cut, or only the length of a secret.
func (v *Value) Shown() string {
	switch {
	case v.Setting.Secret && v.Text == "":
		return "(none)"
	case v.Setting.Secret:
		return fmt.Sprintf("(secret, %d characters)", len([]rune(v.Text)))
	case len(v.Text) > maxShown:
		return strconv.Quote(strings.ToValidUTF8(v.Text[:maxShown], "")) + "…"
	default:
		return strconv.Quote(v.Text)
	}
}

// Values returns all variables in the order of the catalogue.
func (c *Config) Values() []Value {
	out := make([]Value, len(c.names))
	for i, name := range c.names {
		out[i] = *c.values[name]
	}
	return out
}

// Lookup returns a variable with its origin. ok is false if the catalogue has no such name.
func (c *Config) Lookup(name string) (v Value, ok bool) {
	p, ok := c.values[name]
	if !ok {
		return Value{}, false
	}
	return *p, true
}

func (c *Config) get(name string) *Value {
	v, ok := c.values[name]
	if !ok {
		panic("config: no setting is named " + name)
	}
	return v
}

// String returns the text of a variable.
func (c *Config) String(name string) string { return c.get(name).Text }

// Int returns the number of a variable, or 0 if it has none.
func (c *Config) Int(name string) int64 { return c.get(name).number }

// Bool returns the boolean value of a variable.
func (c *Config) Bool(name string) bool { return c.get(name).boolean }

// List returns the items of a variable. The caller may change the slice.
func (c *Config) List(name string) []string { return slices.Clone(c.get(name).list) }

// Production reports whether NODE_ENV is production.
func (c *Config) Production() bool { return c.String(setting.NodeEnv) == "production" }

// Strict reports whether unsafe conveniences are refused: in production, or if OR3_STRICT_CONFIG is set.
func (c *Config) Strict() bool { return c.Production() || c.Bool(setting.StrictConfig) }

// DataPath returns the absolute path of the data directory.
func (c *Config) DataPath() (string, error) {
	path, err := filepath.Abs(c.String(setting.DataDir))
	if err != nil {
		return "", fmt.Errorf("the data directory %s is a relative path, and the working directory cannot be told: %w; start the program in a directory that exists, or name an absolute path with --data or %s",
			c.String(setting.DataDir), err, setting.DataDir)
	}
	return path, nil
}

// Role is a role that a provider fills.
type Role struct {
	Kind or3cloud.ProviderKind
	// Variable is the variable that selects the provider, and Provider the provider's id.
	Variable, Provider string
	// Switch is the variable that disables the role.
	Switch string
}

// Roles returns the roles to fill. There are none if accounts are off. The sync provider is needed even if sync is off,
// because it keeps users and workspaces.
func (c *Config) Roles() []Role {
	if !c.Bool(setting.SSRAuthEnabled) {
		return nil
	}
	roles := []Role{
		{or3cloud.ProviderAuth, setting.AuthProvider, c.String(setting.AuthProvider), setting.SSRAuthEnabled},
		{or3cloud.ProviderSync, setting.SyncProvider, c.String(setting.SyncProvider), setting.SSRAuthEnabled},
	}
	if c.Bool(setting.StorageEnabled) {
		roles = append(roles, Role{or3cloud.ProviderStorage, setting.StorageProvider, c.String(setting.StorageProvider), setting.StorageEnabled})
	}
	return roles
}

// SelectedProviders returns the ids of the providers that fill the roles, each once.
func (c *Config) SelectedProviders() []string {
	var ids []string
	for _, role := range c.Roles() {
		if !slices.Contains(ids, role.Provider) {
			ids = append(ids, role.Provider)
		}
	}
	return ids
}
