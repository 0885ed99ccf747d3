package doctor

import (
	"fmt"

	"github.com/spf13/cobra"

	"or3.chat/cloud/internal/setup"
)

// Host is what the operator says runs in a directory; empty to find out.
type Host string

// Bind adds the flag.
func (h *Host) Bind(cmd *cobra.Command) {
	cmd.Flags().StringVar((*string)(h), "host", "", "what runs here: program, go or nuxt (default: detected; with --env-file, --addr, --data or --web: program)")
}

// IsNuxt reports whether a directory is examined as that of a Nuxt host. Flags of a server mean one of this program.
func (h Host) IsNuxt(dir string, serverFlags bool) (bool, error) {
	switch setup.Host(h) {
	case "":
		return !serverFlags && setup.HostOf(dir) == setup.HostNuxt, nil
	case setup.HostNuxt:
		return true, nil
	case setup.HostProgram, setup.HostGo:
		return false, nil
	}
	return false, fmt.Errorf("%q is not a kind of host; the kinds are %s, %s and %s", string(h), setup.HostProgram, setup.HostGo, setup.HostNuxt)
}

// nuxt examines what a Nuxt host has besides its configuration.
func (e *examination) nuxt() {
	if e.Nuxt == "" {
		return
	}
	problems, warnings := setup.InspectNuxt(e.Nuxt, e.Config, e.Registry)
	e.find(Error, AreaProviders, problems...)
	e.find(Warning, AreaProviders, warnings...)
}
