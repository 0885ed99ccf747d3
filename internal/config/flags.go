package config

import (
	"fmt"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/setting"
)

// FlagUsage returns the help text of a flag that overrides a host setting, taken from the setting itself.
func FlagUsage(name string) string {
	all := setting.Host()
	s := all[slices.IndexFunc(all, func(s or3cloud.Setting) bool { return s.Name == name })]
	usage := fmt.Sprintf("%s, in place of %s; for example %s", strings.ToLower(s.Label), s.Name, s.Example)
	if s.Default != "" {
		usage += fmt.Sprintf(" (default %s)", s.Default)
	}
	return usage
}
