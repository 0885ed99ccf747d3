// Command or3-cloud is the self-hosted cloud for OR3 Chat: accounts, sync and files in one program.
package main

import (
	"os"
)

func main() {
	os.Exit(newApp().main(os.Args[1:]))
}
