//go:build race

package sqlitex

import (
	"runtime"
	"unsafe"

	"github.com/ncruces/go-sqlite3"
)

// Used tells the race detector that a goroutine uses a connection, which only one may at a time. It cannot see that by
// itself: the memory of SQLite is mapped by the operating system, and statements of one connection share nothing else.
func Used(c *sqlite3.Conn) { runtime.RaceWrite(unsafe.Pointer(c)) }
