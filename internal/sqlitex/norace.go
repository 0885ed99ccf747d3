//go:build !race

package sqlitex

import "github.com/ncruces/go-sqlite3"

// Used does nothing without the race detector.
func Used(*sqlite3.Conn) {}
