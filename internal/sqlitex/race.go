//go:build race

package sqlitex

import (
	"runtime"
	"unsafe"

	"github.com/ncruces/go-sqlite3"
)

// Used tells the race detector that a goroutine uses a connection, which only one may do at a time. The detector cannot
// see that on its own: SQLite's memory is mapped by the operating system, and statements of one connection share
// nothing else.
func Used(c *sqlite3.Conn) { runtime.RaceWrite(unsafe.Pointer(c)) }
