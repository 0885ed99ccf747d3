//go:build unix && !linux

package config

import "os"

// readOnly is not looked at here; secrets of containers are mounted on Linux.
func readOnly(*os.File) bool { return false }
