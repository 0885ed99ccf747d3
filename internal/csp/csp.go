// Package csp parses and writes Content-Security-Policies (W3C, CSP Level 3). It knows the directives and the syntax of
// sources.
package csp

import (
	"fmt"
	"slices"
	"strings"
)

// Directive is one directive of a policy, with its sources in order.
type Directive struct {
	Name    string
	Sources []string
}

// Policy is a list of directives.
type Policy []Directive

// names are the directives that have sources. Those that report, upgrade or sandbox are left to the proxy.
var names = []string{
	"base-uri", "child-src", "connect-src", "default-src", "font-src", "form-action", "frame-ancestors", "frame-src", "img-src",
	"manifest-src", "media-src", "object-src", "script-src", "script-src-attr", "script-src-elem", "style-src", "style-src-attr",
	"style-src-elem", "worker-src",
}

// Parse parses directives separated by semicolons, as in the header. An unknown directive or an invalid source is an
// error, because browsers would silently ignore it.
func Parse(text string) (Policy, error) {
	var p Policy
	for part := range strings.SplitSeq(text, ";") {
		fields := strings.Fields(part)
		if len(fields) == 0 {
			continue
		}
		d := Directive{Name: strings.ToLower(fields[0]), Sources: fields[1:]}
		if !slices.Contains(names, d.Name) {
			return nil, fmt.Errorf("%q is not a directive with sources", fields[0])
		}
		if len(d.Sources) == 0 {
			return nil, fmt.Errorf("%s has no source", d.Name)
		}
		for _, source := range d.Sources {
			if !isSource(source) {
				return nil, fmt.Errorf("%q is not a source of %s", source, d.Name)
			}
		}
		p = append(p, d)
	}
	return p, nil
}

// isSource reports whether browsers may understand a source: visible ASCII without separators, and keywords in quotes.
func isSource(s string) bool {
	if strings.ContainsFunc(s, func(r rune) bool { return r <= ' ' || r > '~' || strings.ContainsRune(`,;"<>`, r) }) {
		return false
	}
	if quoted := strings.HasPrefix(s, "'"); quoted || strings.HasSuffix(s, "'") {
		return quoted && len(s) > 2 && strings.Count(s, "'") == 2 && strings.HasSuffix(s, "'")
	}
	return strings.ContainsAny(s, ".:*") || s == "localhost"
}

// With returns the policy with the sources of another one added. A directive that the policy lacks starts with the
// sources of the one that would apply instead, so that With only ever allows more.
func (p Policy) With(further Policy) Policy {
	out := slices.Clone(p)
	for _, d := range further {
		i := slices.IndexFunc(out, func(have Directive) bool { return have.Name == d.Name })
		if i < 0 {
			out = append(out, Directive{Name: d.Name, Sources: slices.Clone(p.holds(d.Name))})
			i = len(out) - 1
		}
		sources := slices.DeleteFunc(slices.Clone(out[i].Sources), func(s string) bool { return s == "'none'" })
		for _, source := range d.Sources {
			if !slices.Contains(sources, source) {
				sources = append(sources, source)
			}
		}
		out[i].Sources = sources
	}
	return out
}

// holds returns the sources that apply for a directive that the policy lacks.
func (p Policy) holds(name string) []string {
	chain := []string{name}
	if base, ok := strings.CutSuffix(name, "-elem"); ok {
		chain = append(chain, base)
	} else if base, ok := strings.CutSuffix(name, "-attr"); ok {
		chain = append(chain, base)
	}
	switch name {
	case "base-uri", "form-action", "frame-ancestors":
		return nil
	case "worker-src":
		chain = append(chain, "child-src", "script-src")
	case "frame-src":
		chain = append(chain, "child-src")
	}
	for _, name := range append(chain, "default-src") {
		for _, d := range p {
			if d.Name == name {
				return d.Sources
			}
		}
	}
	return nil
}

// String returns the policy as in the header.
func (p Policy) String() string {
	parts := make([]string, len(p))
	for i, d := range p {
		parts[i] = strings.Join(append([]string{d.Name}, d.Sources...), " ")
	}
	return strings.Join(parts, "; ")
}
