//go:build !unix

package datadir

import "io/fs"

// reachOf is always reachNone, because the mode does not show here who may open a file.
func reachOf(fs.FileInfo) reach { return reachNone }

func groupOf(fs.FileInfo) string { return "" }
