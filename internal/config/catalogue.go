package config

import (
	"fmt"
	"slices"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/setting"
)

// hostOwned is the Provider of groups that belong to the host.
const hostOwned = ""

// Group is a chapter of the catalogue.
type Group struct {
	// Title is the heading of the chapter in the documentation.
	Title string
	// Provider is the id of the provider that the settings belong to, or empty for the host's. Faults in the settings
	// of a provider that is not selected are ignored.
	Provider string
	Settings []or3cloud.Setting
}

// Catalogue lists every variable that the program reads, each once. It is the source of parsing, the list of faults,
// "or3-cloud config" and docs/configuration.md.
type Catalogue []Group

// NewCatalogue returns the host's settings followed by those of the registered providers. A provider may redeclare a
// variable of the host. Two declarations that disagree on kind or secrecy are an error.
func NewCatalogue(reg *or3cloud.Registry) (Catalogue, error) {
	var c Catalogue
	seen := map[string]or3cloud.Setting{}
	owner := map[string]string{}
	declare := func(provider, by string, settings []or3cloud.Setting) error {
		begin := len(c)
		for _, s := range settings {
			if first, dup := seen[s.Name]; dup {
				if first.Kind != s.Kind || first.Secret != s.Secret {
					return fmt.Errorf("setting %s is declared in two ways: by %s and by %s", s.Name, owner[s.Name], by)
				}
				continue
			}
			seen[s.Name], owner[s.Name] = s, by
			i := begin + slices.IndexFunc(c[begin:], func(g Group) bool { return g.Title == s.Group })
			if i < begin {
				i = len(c)
				c = append(c, Group{Title: s.Group, Provider: provider})
			}
			c[i].Settings = append(c[i].Settings, s)
		}
		return nil
	}
	if err := declare(hostOwned, "the host", setting.Host()); err != nil {
		return nil, err
	}
	for _, p := range reg.Providers() {
		if err := declare(p.ID, p.Package, p.Settings); err != nil {
			return nil, err
		}
	}
	return c, nil
}
