//go:build !unix

package setup

import (
	"io/fs"
	"os"
)

// keepOwner does nothing, because files inherit the permissions of their directory here.
func keepOwner(*os.File, fs.FileInfo) error { return nil }

// private always reports true, because modes mean nothing here.
func (folder) private(string) bool { return true }

// lured always reports false, because no process runs as root here.
func lured(string, fs.FileInfo) bool { return false }
