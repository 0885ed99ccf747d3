//go:build unix && !linux

package config

import "os"

// readOnly always reports false on this system. Containers mount secrets on Linux.
func readOnly(*os.File) bool { return false }
