package nuxt

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// global is the variable that a page's script leaves for Nuxt.
const global = "__NUXT__"

// errNoConfig says that a script does not hold the configuration.
var errNoConfig = errors.New("no configuration is assigned")

// place is a node with the values of the parameters that are known where it stands.
type place struct {
	*node
	params map[string]place
}

// script is one that assigns Nuxt's configuration.
type script struct {
	src string
	// config is the object of the configuration.
	config place
}

// readScript reads a script that mentions Nuxt's variable.
func readScript(src string) (script, error) {
	statements, err := parse(src)
	if err != nil {
		return script{}, err
	}
	s := script{src: src}
	for _, statement := range statements {
		if err := s.run(place{node: statement}); err != nil {
			return script{}, err
		}
	}
	switch {
	case s.config.node == nil:
		return script{}, errNoConfig
	case s.config.kind != object:
		return script{}, errors.New("the configuration is not an object")
	}
	return s, nil
}

// run follows what a statement assigns to Nuxt's variable.
func (s *script) run(at place) error {
	if at.node == nil {
		return nil
	}
	if at.kind != assignment {
		for _, part := range at.list {
			if at.kind == other {
				if err := s.run(place{part, at.params}); err != nil {
					return err
				}
			}
		}
		return nil
	}
	path, ours := variable(at.base)
	if !ours {
		return nil
	}
	value := resolve(place{at.value, at.params})
	if len(path) > 0 && path[0] != "config" { // of one app among several
		path = path[1:]
	}
	switch {
	case len(path) == 0:
		if value.kind != object {
			return nil
		}
		config, err := value.get("config")
		if err == nil && config.value != nil {
			s.config = resolve(place{config.value, config.params})
		}
		return err
	case len(path) == 1 && path[0] == "config":
		s.config = value
		return nil
	case path[0] == "config":
		return errors.New("parts of the configuration are assigned one by one")
	}
	return nil
}

// variable returns the path behind Nuxt's variable that an expression names, if it does.
func variable(n *node) (path []string, ours bool) {
	for n != nil && n.kind == member {
		if n.text == global && n.base.kind == name && slices.Contains([]string{"window", "self", "globalThis"}, n.base.text) {
			return path, true
		}
		path = append([]string{n.text}, path...)
		n = n.base
	}
	return path, n != nil && n.kind == name && n.text == global
}

// resolve follows the name of a parameter to the value that it has, and a call of a function to what it returns.
func resolve(at place) place {
	for range maxDepth {
		switch {
		case at.kind == name:
			next, known := at.params[at.text]
			if !known {
				return at
			}
			at = next
		case at.kind == call && at.base.kind == function:
			f := at.base
			if f.value == nil || len(at.list) > len(f.params) {
				return at
			}
			params := map[string]place{}
			for i, param := range f.params {
				touched := slices.ContainsFunc(f.list, func(statement *node) bool { return mentions(statement, param) })
				if i < len(at.list) && !touched {
					params[param] = place{at.list[i], at.params}
				}
			}
			at = place{f.value, params}
		default:
			return at
		}
	}
	return at
}

// mentions reports whether a name occurs in an expression.
func mentions(n *node, word string) bool {
	if n == nil {
		return false
	}
	if n.kind == name && n.text == word || mentions(n.base, word) || mentions(n.value, word) {
		return true
	}
	return slices.ContainsFunc(n.members, func(p property) bool { return mentions(p.value, word) }) ||
		slices.ContainsFunc(n.list, func(part *node) bool { return mentions(part, word) })
}

// found is a property with the parameters that are known in its value.
type found struct {
	property
	params map[string]place
}

// get returns the property of an object that counts, which is the last one of a key; the zero value if there is none.
// What is spread from elsewhere behind it could be that one, too.
func (at place) get(key string) (found, error) {
	for _, p := range slices.Backward(at.members) {
		if !p.spread {
			if p.key == key {
				return found{p, at.params}, nil
			}
			continue
		}
		inner := resolve(place{p.value, at.params})
		if inner.kind != object {
			return found{}, fmt.Errorf("%q may be in what is spread", key)
		}
		if f, err := inner.get(key); err != nil || f.value != nil {
			return f, err
		}
	}
	return found{}, nil
}

// edit is a piece of a text and what comes in its place.
type edit struct {
	start, end int
	text       string
}

// merge returns the script with values merged into the public object of the configuration, deeply: objects are merged,
// all else is replaced, and what values do not name stays as it is written.
func (s script) merge(values map[string]any) (string, error) {
	public, err := s.config.get("public")
	if err != nil {
		return "", err
	}
	if public.value == nil {
		text, err := rendered(values)
		if err != nil {
			return "", err
		}
		if len(s.config.members) > 0 {
			text += ","
		}
		at := s.config.start + 1
		return s.src[:at] + "public:" + text + s.src[at:], nil
	}
	text, err := s.merged(place{public.value, public.params}, values)
	if err != nil {
		return "", err
	}
	if public.short {
		text = public.written + ":" + text
	}
	return s.src[:public.start] + text + s.src[public.end:], nil
}

// merged returns the text of an object with values merged into it.
func (s script) merged(into place, values map[string]any) (string, error) {
	outer := into
	into = resolve(into)
	switch into.kind {
	case object:
	case constant, literalText, array:
		return rendered(values)
	default:
		return "", errors.New("it has a value that is not a literal")
	}
	moved := outer.node != into.node
	var parts []string
	written := map[string]bool{}
	for i, p := range into.members {
		switch ours, named := values[p.key]; {
		case p.spread:
			return "", errors.New("something is spread into the public configuration")
		case slices.ContainsFunc(into.members[i+1:], func(later property) bool { return later.key == p.key && !later.spread }):
			continue // the later one counts
		case named:
			text, err := s.value(place{p.value, into.params}, ours)
			if err != nil {
				return "", err
			}
			parts = append(parts, p.written+":"+text)
			written[p.key] = true
		case moved && !closed(p.value):
			return "", fmt.Errorf("the value of %q depends on where it stands", p.key)
		default:
			parts = append(parts, p.written+":"+s.src[p.start:p.end])
		}
	}
	for _, key := range slices.Sorted(maps.Keys(values)) {
		if written[key] {
			continue
		}
		text, err := rendered(values[key])
		if err != nil {
			return "", err
		}
		parts = append(parts, quoted(key)+":"+text)
	}
	return "{" + strings.Join(parts, ",") + "}", nil
}

// value returns the text of ours in the place of a value.
func (s script) value(of place, ours any) (string, error) {
	if inner, ok := ours.(map[string]any); ok {
		return s.merged(of, inner)
	}
	return rendered(ours)
}

// closed reports whether an expression means the same wherever it stands.
func closed(n *node) bool {
	if n == nil {
		return true
	}
	if n.kind == name || n.kind == function || n.kind == assignment || !closed(n.base) || !closed(n.value) {
		return false
	}
	for _, p := range n.members {
		if !closed(p.value) {
			return false
		}
	}
	return !slices.ContainsFunc(n.list, func(n *node) bool { return !closed(n) })
}

// rendered returns a value as JavaScript that may stand in a page: without a "<" or a line separator.
func rendered(value any) (string, error) {
	text, err := json.Marshal(value)
	if err != nil {
		return "", fmt.Errorf("print the configuration: %w", err)
	}
	return string(text), nil
}

// text returns the string at a path below the configuration, "" if there is none.
func (s script) text(path ...string) string {
	at := s.config
	for _, key := range path {
		p, err := at.get(key)
		if err != nil || p.value == nil {
			return ""
		}
		at = resolve(place{p.value, p.params})
	}
	if at.kind != literalText {
		return ""
	}
	return at.node.text
}
