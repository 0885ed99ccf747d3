//go:build !unix

package datadir

import "io/fs"

// reachOf is always reachNone: who may open a file does not show in its mode here.
func reachOf(fs.FileInfo) reach { return reachNone }

func groupOf(fs.FileInfo) string { return "" }
