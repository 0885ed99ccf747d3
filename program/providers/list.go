// Package providers lists the providers of a program, and builds a program with others.
package providers

import (
	"encoding/json"
	"fmt"
	"io"
	"runtime/debug"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/config"
)

// Provider is one that is compiled in or selected, or both.
type Provider struct {
	ID string `json:"id"`
	// Kinds are the roles that it can take; for a missing one, those that it was selected for.
	Kinds []or3cloud.ProviderKind `json:"kinds"`
	// CompiledIn says that this program has it, Package where it is from, and Version in which version of its module.
	CompiledIn bool   `json:"compiledIn"`
	Package    string `json:"package,omitempty"`
	Version    string `json:"version,omitempty"`
	// Selected are the roles that the configuration selects it for.
	Selected []or3cloud.ProviderKind `json:"selected"`
	// Fix is how to get one that is missing.
	Fix string `json:"fix,omitempty"`
}

// ListCommand returns the command that lists the providers of a program. load reads the configuration. It takes no
// arguments.
func ListCommand(out io.Writer, load func() (*config.Config, *or3cloud.Registry, error)) *cobra.Command {
	asJSON := false
	cmd := &cobra.Command{
		Use:   "providers",
		Short: "List the providers: compiled in, selected, and missing",
		Long: "List the providers that are compiled into this program, with what they can be used for, what the configuration selects them for, and\n" +
			"where they are from; and those that it selects and that are missing, with how to get them.",
		Example: "  or3-cloud providers\n  or3-cloud providers --json",
		RunE: func(*cobra.Command, []string) error {
			cfg, registry, err := load()
			if err != nil {
				return err
			}
			info, _ := debug.ReadBuildInfo()
			list := List(cfg, registry, info)
			if !asJSON {
				return Print(out, list)
			}
			e := json.NewEncoder(out)
			e.SetIndent("", "  ")
			return e.Encode(list)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	return cmd
}

// kinds are all roles.
var kinds = []or3cloud.ProviderKind{or3cloud.ProviderAuth, or3cloud.ProviderSync, or3cloud.ProviderStorage}

// List returns the providers of a program, built as info says, in the order of their ids, and then those that are
// missing. A provider that cannot take a role for which it is selected is missing there.
func List(cfg *config.Config, registry *or3cloud.Registry, info *debug.BuildInfo) []Provider {
	list := []Provider{}
	for _, p := range registry.Providers() {
		one := Provider{ID: p.ID, Kinds: p.Serves, CompiledIn: true, Package: p.Package, Version: versionOf(p.Package, info), Selected: []or3cloud.ProviderKind{}}
		if one.Kinds == nil {
			one.Kinds = kinds
		}
		for _, role := range cfg.Roles() {
			if role.Provider == p.ID && slices.Contains(one.Kinds, role.Kind) {
				one.Selected = append(one.Selected, role.Kind)
			}
		}
		list = append(list, one)
	}
	for _, role := range cfg.Roles() {
		if _, ok := registry.Serving(role.Kind, role.Provider); ok {
			continue
		}
		list = append(list, Provider{
			ID: role.Provider, Kinds: []or3cloud.ProviderKind{role.Kind}, Selected: []or3cloud.ProviderKind{role.Kind},
			Fix: registry.Missing(role.Kind, role.Variable, role.Provider, role.Switch).Fix,
		})
	}
	return list
}

// versionOf returns the version of the module of a package; empty where the build does not say.
func versionOf(path string, info *debug.BuildInfo) string {
	if info == nil {
		return ""
	}
	best := debug.Module{}
	for _, m := range append([]*debug.Module{&info.Main}, info.Deps...) {
		if (path == m.Path || strings.HasPrefix(path, m.Path+"/")) && len(m.Path) > len(best.Path) {
			best = *m
		}
	}
	if best.Replace != nil {
		best.Version = best.Replace.Version
	}
	if best.Version == "(devel)" {
		return ""
	}
	return best.Version
}

// Print writes a table, and below it how to get what is missing.
func Print(out io.Writer, list []Provider) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "PROVIDER\tFOR\tSELECTED\tFROM")
	for _, p := range list {
		from := "not compiled in"
		if p.CompiledIn {
			from = strings.TrimSpace(p.Package + " " + p.Version)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", p.ID, words(p.Kinds), words(p.Selected), from)
	}
	if err := w.Flush(); err != nil {
		return err
	}
	for _, p := range list {
		if p.Fix != "" {
			if _, err := fmt.Fprintf(out, "\n%s is missing for %s. %s\n", p.ID, words(p.Selected), p.Fix); err != nil {
				return err
			}
		}
	}
	return nil
}

func words(kinds []or3cloud.ProviderKind) string {
	if len(kinds) == 0 {
		return "–"
	}
	var texts []string
	for _, k := range kinds {
		texts = append(texts, string(k))
	}
	return strings.Join(texts, ", ")
}
