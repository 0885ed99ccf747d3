// Package dotenv reads .env files as OR3 Chat's host does, and changes single values in them without touching the rest.
package dotenv

import (
	"maps"
	"slices"
	"strings"
	"unicode"
)

// File is the content of a .env file.
type File struct {
	Values map[string]string
	// Names are the names in Values, in order of first appearance.
	Names []string
	// Bad has the lines that are neither empty, nor a comment, nor NAME=value.
	Bad []BadLine
}

// BadLine is a line that cannot be parsed. The first line of a file has the number 1.
type BadLine struct {
	Number int
	Text   string
}

// Parse parses a .env file exactly as the JavaScript host of OR3 Chat does (packages dotenv and c12), because both
// programs use the same file. The libraries for Go disagree with it about an unquoted #, backslashes in double quotes,
// back-quotes and $NAME. If the two programs read a secret differently, every user is signed out.
//
//   - NAME=value or "NAME: value", optionally after the word export. Of two equal names, the last counts.
//   - A value in single, double or back quotes may span lines. Double quotes turn \n and \r into line ends. No other
//     backslash is special.
//   - An unquoted value ends at the first #, with or without a space before it.
//   - $NAME and ${NAME} stand for another value of the file or of the environment, in all kinds of quotes. \$ is a
//     dollar sign. A reference to an unknown name stays as it is.
func Parse(text string, environ func(string) (string, bool)) File {
	found, bad := scan(normalise(text).text)
	f := File{Values: map[string]string{}, Bad: bad}
	for _, a := range found {
		if _, seen := f.Values[a.name]; !seen {
			f.Names = append(f.Names, a.name)
		}
		f.Values[a.name] = unquote(a.value)
	}
	f.expand(environ)
	return f
}

// normal is a text whose lines end with \n and that has no byte order mark.
type normal struct {
	text string
	// at maps each byte, and the end, to its original position.
	at []int
}

func normalise(original string) normal {
	var b strings.Builder
	b.Grow(len(original))
	at := make([]int, 0, len(original)+1)
	i := 0
	if strings.HasPrefix(original, byteOrderMark) {
		i = len(byteOrderMark)
	}
	for ; i < len(original); i++ {
		at = append(at, i)
		c := original[i]
		if c == '\r' {
			c = '\n'
			if i+1 < len(original) && original[i+1] == '\n' {
				i++
			}
		}
		b.WriteByte(c)
	}
	return normal{b.String(), append(at, len(original))}
}

const byteOrderMark = "\ufeff"

// assignment is a NAME=value in a text.
type assignment struct {
	name string
	// value is as written, with its quotes, and trimmed: text[start:end].
	value      string
	start, end int
	// begin and next delimit the lines of the assignment.
	begin, next int
}

// scan finds the assignments in a normal text, and the bad lines.
func scan(text string) (found []assignment, bad []BadLine) {
	for line, begin := 1, 0; begin < len(text); {
		a, ok := cutAssignment(text[begin:])
		if !ok {
			skipped, _, more := strings.Cut(text[begin:], "\n")
			if s := strings.TrimSpace(skipped); s != "" && s[0] != '#' {
				bad = append(bad, BadLine{line, s})
			}
			a.next = len(skipped)
			if more {
				a.next++
			}
		}
		line += strings.Count(text[begin:begin+a.next], "\n")
		a.start, a.end, a.begin, a.next = a.start+begin, a.end+begin, begin, a.next+begin
		if ok {
			found = append(found, a)
		}
		begin = a.next
	}
	return found, bad
}

// cutAssignment takes one assignment from the start of text.
func cutAssignment(text string) (a assignment, ok bool) {
	s := strings.TrimLeft(text, " \t")
	if after, found := strings.CutPrefix(s, "export"); found && strings.TrimLeft(after, " \t") != after {
		s = strings.TrimLeft(after, " \t")
	}
	end := 0
	for end < len(s) && isNameByte(s[end]) {
		end++
	}
	a.name, s = s[:end], s[end:]
	if a.name == "" {
		return assignment{}, false
	}
	if after, found := strings.CutPrefix(s, ":"); found && after != "" && strings.ContainsRune(" \t", rune(after[0])) {
		s = after
	} else if after, found := strings.CutPrefix(strings.TrimLeft(s, " \t"), "="); found {
		s = after
	} else {
		return assignment{}, false
	}
	s = strings.TrimLeft(s, " \t")
	a.start = len(text) - len(s)
	quoted, rest, found := cutQuoted(s)
	if found {
		a.value = quoted
	} else {
		a.value, rest, _ = strings.Cut(s, "\n")
		a.value, _, _ = strings.Cut(a.value, "#")
		trimmed := strings.TrimLeftFunc(a.value, unicode.IsSpace)
		a.start += len(a.value) - len(trimmed)
		a.value = strings.TrimSpace(trimmed)
	}
	a.end, a.next = a.start+len(a.value), len(text)-len(rest)
	return a, true
}

// cutQuoted takes a quoted value from the start of s, if only a comment follows it on its last line. A quote after a
// backslash does not end the value, unless nothing else does.
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

// unquote removes the quotes of a value and, in double ones, expands line ends.
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
func (f *File) expand(environ func(string) (string, bool)) {
	raw := maps.Clone(f.Values)
	lookup := func(name string) (string, bool) {
		if value, ok := environ(name); ok {
			return value, true
		}
		value, ok := raw[name]
		return value, ok
	}
	for name, value := range raw {
		e := expander{lookup: lookup, budget: maxReferences}
		f.Values[name] = e.expand(value, []string{name})
	}
}

// maxReferences limits the work for one value, so that a file of doubling references cannot block the start.
const maxReferences = 1000

// expander replaces references in one value, and in the values that they refer to.
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
		case slices.Contains(parents, name): // a loop expands to nothing
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
