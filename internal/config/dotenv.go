package config

import (
	"maps"
	"slices"
	"strings"
)

// dotenv is a parsed .env file.
type dotenv struct {
	values map[string]string
	// order has the names as they first appear.
	order []string
	// bad has the lines that are neither empty, nor a comment, nor NAME=value.
	bad []badLine
}

// badLine is a line of a .env file that cannot be read.
type badLine struct {
	number int
	// ours says that it has the beginning of one of our names, so that somebody meant a setting by it.
	ours bool
}

// parseDotenv reads a .env file exactly as the JavaScript host of OR3 Chat does (packages dotenv and c12), because both
// programs are pointed at the same file. The libraries for Go disagree with it about an unquoted #, about backslashes in double
// quotes, about back-quotes and about $NAME, and a secret that is read in two ways signs everybody out.
//
//   - NAME=value or "NAME: value", optionally after the word export; the last of two equal names counts.
//   - A value in single, double or back quotes may span lines. Double quotes turn \n and \r into line ends; no other
//     backslash is special.
//   - An unquoted value ends at the first #, with or without a space before it.
//   - $NAME and ${NAME} stand for another value of the file or of the environment, in all kinds of quotes; \$ is a dollar sign, and the name of
//     nothing stays as it is.
func parseDotenv(text string, environ func(string) (string, bool)) dotenv {
	d := dotenv{values: map[string]string{}}
	text = strings.TrimPrefix(text, "\ufeff")
	text = strings.ReplaceAll(strings.ReplaceAll(text, "\r\n", "\n"), "\r", "\n")
	for line := 1; text != ""; {
		name, value, rest, ok := cutAssignment(text)
		if !ok {
			var skipped string
			skipped, rest, _ = strings.Cut(text, "\n")
			if s := strings.TrimSpace(skipped); s != "" && s[0] != '#' {
				d.bad = append(d.bad, badLine{line, strings.Contains(strings.ToUpper(s), "OR3_")})
			}
		} else {
			if _, seen := d.values[name]; !seen {
				d.order = append(d.order, name)
			}
			d.values[name] = unquote(value)
		}
		line += strings.Count(text[:len(text)-len(rest)], "\n")
		text = rest
	}
	d.expand(environ)
	return d
}

// cutAssignment takes one assignment from the start of text. The value is as written, with its quotes, and trimmed.
func cutAssignment(text string) (name, value, rest string, ok bool) {
	s := strings.TrimLeft(text, " \t")
	if after, found := strings.CutPrefix(s, "export"); found && strings.TrimLeft(after, " \t") != after {
		s = strings.TrimLeft(after, " \t")
	}
	end := 0
	for end < len(s) && isNameByte(s[end]) {
		end++
	}
	name, s = s[:end], s[end:]
	if name == "" {
		return "", "", text, false
	}
	if after, found := strings.CutPrefix(s, ":"); found && after != "" && strings.ContainsRune(" \t", rune(after[0])) {
		s = after
	} else if after, found := strings.CutPrefix(strings.TrimLeft(s, " \t"), "="); found {
		s = after
	} else {
		return "", "", text, false
	}
	s = strings.TrimLeft(s, " \t")
	if quoted, rest, found := cutQuoted(s); found {
		return name, quoted, rest, true
	}
	value, rest, _ = strings.Cut(s, "\n")
	value, _, _ = strings.Cut(value, "#")
	return name, strings.TrimSpace(value), rest, true
}

// cutQuoted takes a quoted value from the start of s if nothing but a comment follows it on its last line. A quote
// after a backslash does not end the value, unless there is no other way to end it.
func cutQuoted(s string) (quoted, rest string, ok bool) {
	if s == "" || !strings.ContainsRune("'\"`", rune(s[0])) {
		return "", s, false
	}
	var ends []int // candidates; the last one is the first quote without a backslash
	for i := 1; i < len(s); i++ {
		if s[i] != s[0] {
			continue
		}
		ends = append(ends, i)
		if s[i-1] != '\\' {
			break
		}
	}
	for k := len(ends) - 1; k >= 0; k-- {
		tail, rest, _ := strings.Cut(s[ends[k]+1:], "\n")
		if t := strings.TrimSpace(tail); t == "" || t[0] == '#' {
			return s[:ends[k]+1], rest, true
		}
	}
	return "", s, false
}

// unquote removes the quotes of a value and, for double ones, expands line ends.
func unquote(value string) string {
	if value == "" || !strings.ContainsRune("'\"`", rune(value[0])) {
		return value
	}
	quote := value[0]
	if len(value) > 1 && value[len(value)-1] == quote {
		value = value[1 : len(value)-1]
	}
	if quote == '"' {
		value = strings.ReplaceAll(strings.ReplaceAll(value, `\n`, "\n"), `\r`, "\r")
	}
	return value
}

// expand replaces the references to other variables.
func (d *dotenv) expand(environ func(string) (string, bool)) {
	raw := maps.Clone(d.values)
	lookup := func(name string) (string, bool) {
		if value, ok := environ(name); ok {
			return value, true
		}
		value, ok := raw[name]
		return value, ok
	}
	for name, value := range raw {
		e := expander{lookup: lookup, budget: maxReferences}
		d.values[name] = e.expand(value, []string{name})
	}
}

// maxReferences bounds the work for one value, so that a file of doubling references cannot stop the start.
const maxReferences = 1000

// expander replaces references in one value and in what they stand for.
type expander struct {
	lookup func(string) (string, bool)
	budget int
}

func (e *expander) expand(value string, parents []string) string {
	var b strings.Builder
	for {
		before, after, found := strings.Cut(value, "$")
		if !found || e.budget == 0 {
			b.WriteString(value)
			return b.String()
		}
		e.budget--
		name, rest := cutRef(after)
		literal := "$" + after[:len(after)-len(rest)]
		value = rest
		if escaped, ok := strings.CutSuffix(before, `\`); ok {
			b.WriteString(escaped + literal)
			continue
		}
		b.WriteString(before)
		target, known := e.lookup(name)
		switch {
		case !known:
			b.WriteString(literal)
		case slices.Contains(parents, name): // a loop stands for nothing
		default:
			b.WriteString(e.expand(target, append(slices.Clone(parents), name)))
		}
	}
}

// cutRef takes NAME or {NAME} from the start of s.
func cutRef(s string) (name, rest string) {
	s = strings.TrimPrefix(s, "{")
	end := 0
	for end < len(s) && s[end] != '.' && s[end] != '-' && (isNameByte(s[end]) || s[end] == ':') {
		end++
	}
	return s[:end], strings.TrimPrefix(s[end:], "}")
}

func isNameByte(c byte) bool {
	return c == '_' || c == '.' || c == '-' || '0' <= c && c <= '9' || 'A' <= c && c <= 'Z' || 'a' <= c && c <= 'z'
}
