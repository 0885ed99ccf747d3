//go:build !unix

package owner

import "or3.chat/cloud/internal/datadir"

// foreignOwner is never true here: administrators do not create files that others cannot open.
func foreignOwner(string) (datadir.Owner, bool, error) { return datadir.Owner{}, false, nil }

// Become changes nothing here.
func Become(path string) (Home, error) { return Home{Path: path}, nil }

// Look returns the data directory as this process reaches it.
func Look(path string) (Home, error) { return Home{Path: path}, nil }
