//go:build !noproviders

package main

import (
	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth"
	"or3.chat/cloud/providers/fs"
	"or3.chat/cloud/providers/sqlite"
)

// providers are linked into this binary.
var providers = []func(*or3cloud.Registry) error{
	basicauth.Register,
	fs.Register,
	sqlite.Register,
}
