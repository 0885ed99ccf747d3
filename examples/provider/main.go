// Command mycloud is OR3 Cloud with providers of our own for accounts.
package main

import (
	"or3.chat/cloud/program"
	"or3.chat/cloud/providers/fs"
	"or3.chat/cloud/providers/sqlite"

	"example.org/mycloud/household"
	"example.org/mycloud/portal"
)

func main() { program.Main(portal.Register, household.Register, sqlite.Register, fs.Register) }
