// Command mycloud is OR3 Cloud with a provider of our own for accounts.
package main

import (
	"or3.chat/cloud/program"
	"or3.chat/cloud/providers/fs"
	"or3.chat/cloud/providers/sqlite"

	"example.org/mycloud/household"
)

func main() { program.Main(household.Register, sqlite.Register, fs.Register) }
