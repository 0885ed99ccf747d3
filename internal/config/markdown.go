package config

import (
	"fmt"
	"math"
	"strings"

	or3cloud "or3.chat/cloud"
)

// markdownHead opens the generated page.
const markdownHead = `# Configuration

<!-- Generated from the catalogue by "make generate". Do not edit. -->

Values come from a .env file in the working directory (or the one in --env-file), from environment variables, and from
command-line flags. Later sources take precedence. "or3-cloud config" prints every value and its source.

- **Booleans.** Only the opposite of the default changes a value. "1", "yes" and "TRUE" do not mean true, unless the
  variable is marked as a flag.
- **Secrets** can also be in a file: NAME_FILE=/path/to/file. The server generates missing secrets and keeps them in the
  data directory, except in strict mode.
- **Strict mode** (NODE_ENV=production or OR3_STRICT_CONFIG=true) refuses to start with anything that is unsuitable for
  production, and lists all of it at once.
- **A .env file** is read as OR3 Chat reads it: an unquoted value ends at the first #, and $NAME stands for another
  variable. Write \$ for a dollar sign.
- **Memory** for requests is not a setting. It follows from GOMEMLIMIT, the cgroup or the machine. "or3-cloud config" ends
  with both numbers (memory.limit, memory.budget) and the source of the limit; see [Memory](operations.md#memory).
`

// Markdown returns the catalogue as a page of documentation.
func (c Catalogue) Markdown() string {
	var b strings.Builder
	b.WriteString(markdownHead)
	for _, g := range c {
		title := g.Title
		if g.Provider != hostOwned {
			title += " (provider " + g.Provider + ")"
		}
		fmt.Fprintf(&b, "\n## %s\n\n| Variable | Default | Example | Meaning |\n|---|---|---|---|\n", title)
		for _, s := range g.Settings {
			fmt.Fprintf(&b, "| %s | %s | %s | **%s.** %s |\n", nameCell(s), valueCell(s, s.Default), valueCell(s, s.Example), s.Label, meaningCell(s))
		}
	}
	return b.String()
}

func nameCell(s or3cloud.Setting) string {
	cell := "`" + s.Name + "`"
	if s.Alias != "" {
		cell += ", `" + s.Alias + "`"
	}
	return cell
}

// valueCell returns the value in a form that lets the browser break a list.
func valueCell(s or3cloud.Setting, text string) string {
	if text == "" {
		return "–"
	}
	if s.Kind == or3cloud.KindList {
		text = strings.ReplaceAll(text, ",", ", ")
	}
	return "`" + strings.ReplaceAll(text, "|", `\|`) + "`"
}

func meaningCell(s or3cloud.Setting) string {
	parts := []string{strings.ReplaceAll(s.Help, "|", `\|`)}
	switch {
	case s.Secret && s.Make != "":
		parts = append(parts, "Secret; `"+s.Make+"` generates one.")
	case s.Secret:
		parts = append(parts, "Secret.")
	case len(s.Options) > 0:
		parts = append(parts, "One of: "+strings.Join(s.Options, ", ")+".")
	case s.Kind == or3cloud.KindInt && s.Max > s.Min && s.Max < math.MaxInt64:
		parts = append(parts, fmt.Sprintf("From %d to %d.", s.Min, s.Max))
	case s.Kind == or3cloud.KindInt && s.Max > s.Min:
		parts = append(parts, fmt.Sprintf("At least %d.", s.Min))
	case s.Kind == or3cloud.KindList:
		parts = append(parts, "Comma-separated.")
	case s.Kind == or3cloud.KindFlag:
		parts = append(parts, "A flag: 1, true and yes are true.")
	case s.Kind == or3cloud.KindPositive:
		parts = append(parts, "Anything other than a positive number means the default.")
	}
	if s.MinLength > 0 {
		parts = append(parts, fmt.Sprintf("At least %d characters.", s.MinLength))
	}
	if s.Demanded {
		demand := "Strict mode requires it"
		switch when := s.DemandedWhen; {
		case when.Setting == "":
		case when.Value == "":
			demand += fmt.Sprintf(" if `%s` is set", when.Setting)
		default:
			demand += fmt.Sprintf(" if `%s=%s`", when.Setting, when.Value)
		}
		parts = append(parts, demand+".")
	}
	return strings.Join(parts, " ")
}
