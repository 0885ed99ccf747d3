package dotenv

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Change gives a variable another value, or removes it from the file.
type Change struct {
	Name, Value string
	Unset       bool
}

// Edit applies changes to a .env file and returns the result. It preserves everything else: comments, order, other
// variables, line ends, a byte order mark. A variable that already has the value stays as written. Of several
// assignments of a name, it changes the last, which is the one that counts. New variables go to the end of the file,
// below a comment with the heading. It parses the result before returning it. An error means that a value cannot be
// written in this file.
func Edit(text, heading string, changes []Change) (string, error) {
	for _, c := range changes {
		if c.Name == "" || strings.TrimFunc(c.Name, func(r rune) bool { return r < 0x80 && isNameByte(byte(r)) }) != "" {
			return "", fmt.Errorf("%q is not the name of a variable", c.Name)
		}
		var err error
		if text, err = edit(text, heading, c); err != nil {
			return "", err
		}
	}
	return text, nil
}

func edit(text, heading string, c Change) (string, error) {
	n := normalise(text)
	found, _ := scan(n.text)
	of := slices.DeleteFunc(slices.Clone(found), func(a assignment) bool { return a.name != c.Name })
	if c.Unset {
		for _, a := range slices.Backward(of) {
			// A comment after the value is not ours to remove.
			comment := strings.TrimLeft(strings.TrimSuffix(n.text[a.end:a.next], "\n"), " \t")
			next := a.next
			if comment != "" {
				next = a.next - len(strings.TrimLeft(n.text[a.end:a.next], " \t"))
			}
			text = text[:n.at[a.begin]] + text[n.at[next]:]
		}
		if !sound(n.text, text, c) {
			return "", fmt.Errorf("%s cannot be removed from the file without changing something else; remove its line", c.Name)
		}
		return text, nil
	}
	var quote byte
	if len(of) > 0 {
		last := of[len(of)-1]
		if literal(unquote(last.value)) == c.Value && !refers(unquote(last.value)) {
			return text, nil
		}
		if last.value != "" && strings.ContainsRune("'\"`", rune(last.value[0])) {
			quote = last.value[0]
		}
	}
	for _, value := range writings(c.Value, quote) {
		candidate := appended(text, heading, c.Name, value)
		if len(of) > 0 {
			last := of[len(of)-1]
			if last.end < len(n.text) && n.text[last.end] == '#' {
				value += " " // other readers want a space before a comment
			}
			candidate = text[:n.at[last.start]] + value + text[n.at[last.end]:]
		}
		if sound(n.text, candidate, c) {
			return candidate, nil
		}
	}
	return "", fmt.Errorf("the value of %s cannot be written into this file; look for quotes in it that are not closed", c.Name)
}

// appended returns the text with one more assignment at its end.
func appended(text, heading, name, value string) string {
	end := "\n"
	switch ends := strings.Count(text, "\r\n"); {
	case ends > strings.Count(text, "\n")-ends:
		end = "\r\n"
	case !strings.Contains(text, "\n") && strings.Contains(text, "\r"):
		end = "\r"
	}
	body := strings.TrimPrefix(text, byteOrderMark)
	if body != "" && !strings.HasSuffix(body, "\n") && !strings.HasSuffix(body, "\r") {
		text += end
	}
	if heading = "# " + heading; !slices.Contains(strings.Split(normalise(text).text, "\n"), heading) {
		if body != "" {
			text += end
		}
		text += heading + end
	}
	return text + name + "=" + value + end
}

// writings returns the ways to write a value, best first: those that other readers parse too, and those with the
// existing quotes. The first one that parses back to the value is used, so one that cannot hold it does no harm.
func writings(value string, quote byte) []string {
	if strings.Trim(value, plain) == "" {
		return []string{value}
	}
	dollars := strings.ReplaceAll(value, "$", `\$`)
	lines := strings.NewReplacer("\n", `\n`, "\r", `\r`).Replace(dollars)
	all := []string{`"` + lines + `"`, "'" + dollars + "'", "`" + dollars + "`", dollars}
	if strings.ContainsAny(value, `\"`) { // in double quotes, other readers remove a backslash
		all[0], all[1] = all[1], all[0]
	}
	rank := func(written string) (n int) {
		if !common(written) {
			n += 2
		}
		if written[0] != quote {
			n++
		}
		return n
	}
	slices.SortStableFunc(all, func(a, b string) int { return rank(a) - rank(b) })
	return all
}

// common reports whether systemd (EnvironmentFile=) and Docker Compose (env_file:) parse a value as OR3 Chat does. Only
// OR3 Chat treats back-quotes as quotes. In single quotes, only OR3 Chat removes the backslash before a dollar sign. In
// double quotes, all of them do, but each has further backslash rules of its own. Without quotes, systemd removes all
// backslashes.
func common(written string) bool {
	if written == "" {
		return true
	}
	inner := written[1:max(1, len(written)-1)]
	switch quote := written[0]; {
	case quote == '`', strings.IndexByte("'\"", quote) >= 0 && (len(written) == 1 || written[len(written)-1] != quote):
		return false
	case quote == '\'':
		return !strings.ContainsAny(inner, "'$") && !strings.HasSuffix(inner, `\`)
	case quote == '"':
		rest := strings.ReplaceAll(inner, `\$`, "")
		return !strings.ContainsAny(rest, `"\$`)
	default:
		return !strings.ContainsAny(written, "\\$#\n") && strings.TrimSpace(written) == written
	}
}

// Misread returns the names of variables whose values systemd and Docker Compose parse differently from OR3 Chat, in
// the order of the file. Apart from quotes, neither knows "NAME: value", and systemd knows neither export nor comments
// after a value.
func Misread(text string) (names []string) {
	n := normalise(text)
	found, _ := scan(n.text)
	last := map[string]assignment{}
	for _, a := range found {
		last[a.name] = a
	}
	for _, a := range found {
		before, behind := strings.TrimSpace(n.text[a.begin:a.start]), strings.TrimSpace(n.text[a.end:a.next])
		if a.begin == last[a.name].begin && (before != a.name+"=" || behind != "" || !common(a.value)) {
			names = append(names, a.name)
		}
	}
	return names
}

// plain are the characters that no reader treats specially.
const plain = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-./:@%+,="

// sound reports whether edited differs from before in this change only.
func sound(before, edited string, c Change) bool {
	was, wasBad := scan(before)
	is, isBad := scan(normalise(edited).text)
	if !slices.EqualFunc(wasBad, isBad, func(a, b BadLine) bool { return a.Text == b.Text }) {
		return false
	}
	values := func(found []assignment) (others map[string]string, own string, times int) {
		others = map[string]string{}
		for _, a := range found {
			if others[a.name] = unquote(a.value); a.name == c.Name {
				own = unquote(a.value)
				times++
			}
		}
		delete(others, c.Name)
		return others, own, times
	}
	wasOthers, _, wasTimes := values(was)
	isOthers, own, times := values(is)
	if !maps.Equal(wasOthers, isOthers) {
		return false
	}
	if c.Unset {
		return times == 0
	}
	return times == max(wasTimes, 1) && literal(own) == c.Value && !refers(own)
}

// literal returns a value without references.
func literal(value string) string {
	e := expander{lookup: func(string) (string, bool) { return "", false }, budget: maxReferences}
	return e.expand(value, nil)
}

// refers reports whether a value may be expanded if other variables exist.
func refers(value string) bool {
	found := false
	e := expander{lookup: func(string) (string, bool) { found = true; return "", false }, budget: maxReferences}
	e.expand(value, nil)
	return found
}
