package dotenv

import (
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// asSystemd parses a line as EnvironmentFile= does (systemd 254, parse_env_file_internal).
func asSystemd(line string) (name, value string) {
	name, rest, _ := strings.Cut(line, "=")
	var b, spaces strings.Builder // spaces inside a value count, those at its end do not
	state := "before"
	for i := 0; i < len(rest); i++ {
		c := rest[i]
		switch state {
		case "before":
			switch {
			case c == '\'' || c == '"':
				state = string(c)
			case c == '\\':
				state = "escaped"
			case c != ' ' && c != '\t':
				b.WriteByte(c)
				state = "plain"
			}
		case "plain":
			switch c {
			case '\\':
				state = "escaped"
			case ' ', '\t':
				spaces.WriteByte(c)
				continue
			default:
				b.WriteString(spaces.String())
				b.WriteByte(c)
			}
			spaces.Reset()
		case "escaped":
			b.WriteByte(c)
			state = "plain"
		case "'":
			if state = "'"; c == '\'' {
				state = "before"
			} else {
				b.WriteByte(c)
			}
		case `"`:
			switch {
			case c == '"':
				state = "before"
			case c == '\\' && i+1 < len(rest):
				i++
				if !strings.ContainsRune("\"\\`$", rune(rest[i])) {
					b.WriteByte('\\')
				}
				b.WriteByte(rest[i])
			default:
				b.WriteByte(c)
			}
		}
	}
	return strings.TrimSpace(name), b.String()
}

// asCompose parses a line as env_file: does, with no other variable set. ok is false if that is an error or not one
// value.
func asCompose(line string) (name, value string, ok bool) {
	line = strings.TrimLeft(strings.TrimPrefix(line, "export"), " \t")
	i := strings.IndexAny(line, "=:")
	if i < 0 {
		return "", "", false
	}
	name, rest := strings.TrimSpace(line[:i]), strings.TrimLeft(line[i+1:], " \t")
	if rest == "" || rest[0] != '\'' && rest[0] != '"' {
		rest, _, _ = strings.Cut(rest, "#") // newer versions require a space before it
		rest = strings.TrimRight(rest, " \t")
		return name, rest, !strings.ContainsAny(rest, "$")
	}
	end := 1
	for end < len(rest) && (rest[end] != rest[0] || rest[end-1] == '\\') {
		end++
	}
	if end == len(rest) || strings.TrimSpace(rest[end+1:]) != "" {
		return name, "", false
	}
	value = rest[1:end]
	if rest[0] == '\'' {
		return name, value, true
	}
	var b strings.Builder
	for i := 0; i < len(value); i++ {
		switch {
		case value[i] == '$':
			return name, "", false // contains a reference
		case value[i] == '\\' && i+1 < len(value):
			if i++; strings.ContainsRune(`abcfnrtv0`, rune(value[i])) {
				return name, "", false
			}
		}
		b.WriteByte(value[i])
	}
	return name, b.String(), true
}

// TestOtherReadersReadTheSame checks that systemd and Compose parse what Misread does not name as OR3 Chat does, and
// that Edit chooses such a form if there is one.
func TestOtherReadersReadTheSame(t *testing.T) {
	check := func(t interface{ Fatalf(string, ...any) }, value, text string) {
		line := strings.TrimSuffix(text[strings.LastIndex(text, "KEY="):], "\n")
		if name, got := asSystemd(line); name != "KEY" || got != value {
			t.Fatalf("systemd reads %q as %s=%q, want %q", line, name, got, value)
		}
		if name, got, ok := asCompose(line); !ok || name != "KEY" || got != value {
			t.Fatalf("compose reads %q as %s=%q %v, want %q", line, name, got, ok, value)
		}
	}
	for _, value := range []string{
		"plain", "two words", `it's "good"`, `it's #1`, `say "a#b"`, "pa$$word", `a\b`, `say "x\y"`, "back`quote", "Our Cloud <cloud@example.org>",
		`a"b'c` + "`d", `ends in '`, `ends in "`, "Ünï 'cödé' \"x\"",
	} {
		for _, before := range []string{"", "KEY=old\n", "KEY='old'\n", "KEY=\"old\"\n", "KEY=`old`\n"} {
			text, err := Edit(before, heading, []Change{{Name: "KEY", Value: value}})
			if err != nil {
				t.Fatal(err)
			}
			if got := Misread(text); len(got) > 0 {
				t.Errorf("%q has a way to be written that all read alike, and is %s", value, text)
				continue
			}
			check(t, value, text)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		value := rapid.StringMatching("[a1 '\"`$#\\\\n;{}=]{0,8}").Draw(t, "value")
		before := rapid.SampledFrom([]string{"", "KEY=old\n", "KEY='old'\n", "KEY=\"old\"\n", "KEY=`old`\n"}).Draw(t, "before")
		text, err := Edit(before, heading, []Change{{Name: "KEY", Value: value}})
		if err == nil && len(Misread(text)) == 0 {
			check(t, value, text)
		}
	})
}

// TestMisread checks the variables that other readers parse differently.
func TestMisread(t *testing.T) {
	const text = "A=1\nB=\"two words\" # a comment\nC=3 # a comment\nexport D=4\nE: 5\nF=`6`\nG='\\$7'\nH=$A\nI='9'\nJ=`1`\nJ=2\nK=\nL=\"a\\nb\"\n"
	if got := Misread(text); !slices.Equal(got, []string{"B", "C", "D", "E", "F", "G", "H", "L"}) {
		t.Error(got)
	}
}
