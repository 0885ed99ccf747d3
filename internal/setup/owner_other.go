//go:build !unix

package setup

import (
	"io/fs"
	"os"
)

// keepOwner does nothing: a directory passes its permissions on here.
func keepOwner(*os.File, fs.FileInfo) error { return nil }

// private says nothing against a file: modes mean nothing here.
func (folder) private(string) bool { return true }

// lured says nothing against a link: no process here is root's.
func lured(string, fs.FileInfo) bool { return false }
