// Command or3-cloud is the self-hosted cloud for OR3 Chat: accounts, sync and files in one program.
package main

import "or3.chat/cloud/program"

func main() { program.Main(providers...) }
