package or3cloud

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Setting is one configuration variable. Each provider declares its own. Together with the host's (package setting)
// they form the catalogue behind parsing, the error list, "or3-cloud config" and the documentation (5.2).
type Setting struct {
	// Name is the environment variable.
	Name string
	// Alias is an older name of the variable, or its name in containers. It wins over Name if both are set. It is
	// usually empty.
	Alias string
	// Group is the title under which the documentation and the admin pages list the setting.
	Group string
	// Label is the setting's name in a few plain words.
	Label string
	// Default is the value if nothing is set. Empty means none.
	Default string
	// Example is a realistic value, for a setting whose Default or Options do not show what one looks like.
	Example string
	// Help is one sentence for operators.
	Help string
	// Kind decides how the text is parsed. Empty means text.
	Kind SettingKind
	// Secret values are never shown, only their length. They may be read from a file named by the setting with the
	// suffix _FILE.
	Secret bool
	// Make is a command that prints a new value, for values that people should not make up. It is empty for other
	// settings.
	Make string
	// Demanded means that strict mode refuses to start without a value. DemandedWhen limits that to certain
	// configurations.
	Demanded     bool
	DemandedWhen Condition
	// MinLength is how many characters a secret needs to be strong enough as a key; 0 means no minimum. A shorter one
	// prevents the start in strict mode and causes a warning otherwise.
	MinLength int
	// Min and Max bound an integer when Max > Min.
	Min, Max int64
	// Options, if set, lists the only accepted texts.
	Options []string
	// Check, if set, checks a new value beyond Kind and Options during set-up. It returns what is wrong, without the
	// value, and what to do instead; fault is "" if nothing is. The start does not call it, because existing
	// installations must keep working with their values.
	Check func(text string) (fault, fix string)
	// Settable means that administrators can see and change the setting in the admin pages (contract, env, the marks W;
	// a provider marks what it wants). Settings that decide who is an administrator, and files that hold secrets, are
	// not settable.
	Settable bool
	// Asked means that set-up asks for the setting. AskedWhen limits that to certain configurations. Other settings
	// have a default or are generated, and are documented in the reference.
	Asked     bool
	AskedWhen Condition
}

// CheckPath is a Check of paths. It rejects ~, because no shell reads the configuration and would replace it with the
// home directory.
func CheckPath(text string) (fault, fix string) {
	if strings.HasPrefix(text, "~") {
		return "begins with ~, which only a shell replaces", "Write the whole path, for example /home/you/or3-cloud."
	}
	return "", ""
}

// Condition holds if a setting has a value, or any value at all if Value is empty. The zero Condition always holds.
type Condition struct{ Setting, Value string }

// Holds reports whether the condition holds in a configuration.
func (c Condition) Holds(cfg Config) bool {
	if c.Setting == "" {
		return true
	}
	if c.Value == "" {
		return cfg.String(c.Setting) != ""
	}
	return cfg.String(c.Setting) == c.Value
}

// MinKeyLength is the minimum length, in characters, of a secret that keys an HMAC-SHA-256. A shorter key is weaker
// than the HMAC.
const MinKeyLength = 32

// MakeKey is the command that generates a secret of at least MinKeyLength.
const MakeKey = "openssl rand -base64 32"

// keyBytes is the number of random bytes in a key from Generate.
const keyBytes = 32

// Generate returns a new value for a setting with Make, as that command would print it: at least 256 bits of
// randomness, in characters that mean the same in every .env file.
func (s Setting) Generate(random io.Reader) (string, error) {
	key := make([]byte, max(keyBytes, s.MinLength))
	if _, err := io.ReadFull(random, key); err != nil {
		return "", fmt.Errorf("generate %s: %w", s.Name, err)
	}
	return base64.StdEncoding.EncodeToString(key), nil
}

// SettingKind is the type of a Setting.
type SettingKind string

// The kinds. KindBool follows the host's rule that only the opposite literal changes the default. KindFlag is the
// looser rule of the sqlite package (contract, env). KindPositive falls back to the default if the text is not a
// positive number.
const (
	KindText     SettingKind = ""
	KindBool     SettingKind = "bool"
	KindFlag     SettingKind = "flag"
	KindInt      SettingKind = "int"
	KindPositive SettingKind = "positive"
	KindList     SettingKind = "list"
)

// Lacking returns the problems of settings that strict mode demands but that have no value.
func Lacking(settings []Setting, cfg Config) (problems []Problem) {
	for _, s := range settings {
		if s.Demanded && cfg.String(s.Name) == "" && s.DemandedWhen.Holds(cfg) {
			problems = append(problems, s.Missing())
		}
	}
	return problems
}

// Missing returns the problem of a strict configuration without a value for s.
func (s Setting) Missing() Problem {
	p := Problem{Variable: s.Name, Fault: "is not set, and strict mode demands it", Fix: "Set it."}
	if s.Secret {
		p.Fault = "is not set, and strict mode generates no secrets"
	}
	switch {
	case s.Make != "":
		p.Fix = s.Remedy()
		if s.Secret {
			p.Fix += fmt.Sprintf(" (or point %s_FILE to a file with it)", s.Name)
		}
		p.Fix += "."
	case s.Example != "":
		p.Fix = fmt.Sprintf("Set it, for example %s=%s.", s.Name, s.Example)
	}
	return p
}

// TooShort reports whether text is a secret that is too short to be a key. White space around it does not count,
// because it adds no strength. ShortFault describes the fault.
func (s Setting) TooShort(text string) bool {
	return s.Secret && text != "" && utf8.RuneCountInString(strings.TrimSpace(text)) < s.MinLength
}

// ShortFault returns the fault of a secret that is TooShort. Remedy returns the fix.
func (s Setting) ShortFault() string {
	return fmt.Sprintf("is too short for a key: it needs at least %d characters", s.MinLength)
}

// Remedy returns the command line that writes a value made by Make into the .env file.
func (s Setting) Remedy() string {
	return fmt.Sprintf(`Run: echo "%s=$(%s)" >> .env`, s.Name, s.Make)
}
