//go:build !unix

package program

import "or3.chat/cloud/internal/datadir"

// foreignOwner is never true here: administrators do not make files that others cannot open.
func foreignOwner(string) (datadir.Owner, bool, error) { return datadir.Owner{}, false, nil }

// workAsOwner changes nothing here.
func workAsOwner(path string) (home, error) { return home{path: path}, nil }
