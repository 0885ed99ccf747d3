package version

import (
	_ "embed"
	"runtime/debug"
	"strings"

	or3cloud "or3.chat/cloud"
)

// Made is what a build says of itself, and what it is made of.
type Made struct {
	Info
	Modules []Module `json:"modules"`
}

// Module is a module of Go in the program.
type Module struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	// License is its licence by the name of SPDX; empty for a module that this program does not know.
	License string `json:"license,omitempty"`
}

// licenses has a line for each module that the program may be made of: its path and its licence.
//
//go:embed licenses.txt
var licenses string

// Contents describes the running program and the modules in it.
func Contents(given string, registered *or3cloud.Registry) Made {
	out := Made{Info: This(given).With(registered), Modules: []Module{}}
	known := licensesByModule()
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, dep := range info.Deps {
			out.Modules = append(out.Modules, Module{dep.Path, dep.Version, known[dep.Path]})
		}
	}
	return out
}

func licensesByModule() map[string]string {
	known := map[string]string{}
	for line := range strings.Lines(licenses) {
		if module, license, ok := strings.Cut(strings.TrimSpace(line), " "); ok {
			known[module] = license
		}
	}
	return known
}
