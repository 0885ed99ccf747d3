// Command or3-cloud is the self-hosted cloud for OR3 Chat: accounts, sync and files in one program.
package main

import "or3.chat/cloud/program"

//go:generate go run or3.chat/cloud/internal/linked/generate -tag !noproviders or3.chat/cloud/providers/basicauth or3.chat/cloud/providers/fs or3.chat/cloud/providers/sqlite

func main() { program.Main(providers...) }
