package or3cloud

import (
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Setting is one configuration variable. Each provider declares its own; together with the host's (package setting) they form the
// catalogue from which parsing, the error list, "or3-cloud config" and the documentation are made (5.2).
type Setting struct {
	// Name is the environment variable.
	Name string
	// Alias is an older or container name of the same variable, which wins over Name when both are set; mostly empty.
	Alias string
	// Group is the title under which people find the setting, next to those of the same subject.
	Group string
	// Label is what people call it, in a few words.
	Label string
	// Default is the value when nothing is set; empty means none.
	Default string
	// Example is a value that somebody could have, for a setting whose Default or Options do not show what one looks like.
	Example string
	// Help is one sentence for operators.
	Help string
	// Kind decides how the text is read; empty means text.
	Kind SettingKind
	// Secret values are never shown, only their length, and may be given as a file with the suffix _FILE.
	Secret bool
	// Make is a command that prints a new value, for those that no one should think up; empty for others.
	Make string
	// Demanded says that strict mode refuses to start without a value, DemandedWhen in which configurations only.
	Demanded     bool
	DemandedWhen Condition
	// MinLength is how many characters a secret needs to be strong enough for what it keys; 0 asks for nothing. A shorter
	// one refuses the start in strict mode and is warned of elsewhere.
	MinLength int
	// Min and Max bound an integer when Max > Min.
	Min, Max int64
	// Options, if set, are the only accepted texts.
	Options []string
	// Check, if set, looks at a new value beyond Kind and Options, for set-up. It returns what is wrong with it, without the value, and
	// what to do instead; no fault is "". The start does not ask it: installations have the values that they have.
	Check func(text string) (fault, fix string)
	// Settable says that administrators see the setting in the admin pages, and change it there (contract, env, the marks W; a
	// provider marks what it wants). What decides who administers, and the files that hold secrets, are not.
	Settable bool
	// Asked says that set-up asks for the setting, AskedWhen in which configurations only. The others have a default or are made,
	// and wait in the reference for whoever needs them.
	Asked     bool
	AskedWhen Condition
}

// CheckPath is a Check of paths: no shell reads a configuration, so none puts the home directory in place of a ~.
func CheckPath(text string) (fault, fix string) {
	if strings.HasPrefix(text, "~") {
		return "begins with ~, which only a shell replaces", "Write the whole path, for example /home/you/or3-cloud."
	}
	return "", ""
}

// Condition holds in a configuration in which a setting has a value, any value at all if Value is empty. The zero Condition
// always holds.
type Condition struct{ Setting, Value string }

// Holds reports whether it holds in a configuration.
func (c Condition) Holds(cfg Config) bool {
	if c.Setting == "" {
		return true
	}
	if c.Value == "" {
		return cfg.String(c.Setting) != ""
	}
	return cfg.String(c.Setting) == c.Value
}

// MinKeyLength is the least length of a secret that keys an HMAC-SHA-256, in characters: a shorter one is weaker than the
// HMAC.
const MinKeyLength = 32

// MakeKey is the command that makes a secret of MinKeyLength or more.
const MakeKey = "openssl rand -base64 32"

// keyBytes is how much randomness Generate puts into a key.
const keyBytes = 32

// Generate returns a new value for a setting with Make, as that command would print it: 256 bits of randomness or more, in characters
// that mean the same in every .env file.
func (s Setting) Generate(random io.Reader) (string, error) {
	key := make([]byte, max(keyBytes, s.MinLength))
	if _, err := io.ReadFull(random, key); err != nil {
		return "", fmt.Errorf("generate %s: %w", s.Name, err)
	}
	return base64.StdEncoding.EncodeToString(key), nil
}

// SettingKind is the type of a Setting.
type SettingKind string

// The kinds. KindBool follows the host's rule that only the opposite literal changes the default; KindFlag is the
// sqlite package's looser one (contract, env); KindPositive falls back to the default when the text is no positive number.
const (
	KindText     SettingKind = ""
	KindBool     SettingKind = "bool"
	KindFlag     SettingKind = "flag"
	KindInt      SettingKind = "int"
	KindPositive SettingKind = "positive"
	KindList     SettingKind = "list"
)

// Lacking returns what strict mode misses among settings.
func Lacking(settings []Setting, cfg Config) (problems []Problem) {
	for _, s := range settings {
		if s.Demanded && cfg.String(s.Name) == "" && s.DemandedWhen.Holds(cfg) {
			problems = append(problems, s.Missing())
		}
	}
	return problems
}

// Missing is the problem of a strict configuration without a value for s.
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

// TooShort reports whether text is a secret with too few characters for what it keys; ShortFault says so. White space around a secret
// makes it no stronger.
func (s Setting) TooShort(text string) bool {
	return s.Secret && text != "" && utf8.RuneCountInString(strings.TrimSpace(text)) < s.MinLength
}

// ShortFault is what is wrong with a secret that is TooShort; Remedy is the way out.
func (s Setting) ShortFault() string {
	return fmt.Sprintf("is too short for a key: it needs at least %d characters", s.MinLength)
}

// Remedy is the command line that gives s a value made by Make, in the .env file.
func (s Setting) Remedy() string {
	return fmt.Sprintf(`Run: echo "%s=$(%s)" >> .env`, s.Name, s.Make)
}
