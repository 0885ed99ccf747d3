// Command typecheck checks the types of packages and of their tests for the system that GOOS and GOARCH name:
//
//	GOOS=windows GOARCH=amd64 CGO_ENABLED=0 go run or3.chat/cloud/internal/typecheck ./...
//
// go vet does so, too, but compiles what the packages import, and starts a process for each of them.
package main

import (
	"errors"
	"fmt"
	"os"

	"golang.org/x/tools/go/packages"
)

func main() {
	found, err := check("", os.Environ(), os.Args[1:]...)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Printf("%d packages and tests\n", found)
}

// check returns how many packages and tests match the patterns in a folder, and what is wrong with them.
func check(dir string, environ []string, patterns ...string) (found int, err error) {
	// Bodies of functions are checked in the packages alone, not in what they import.
	all, err := packages.Load(&packages.Config{
		Mode:  packages.NeedName | packages.NeedCompiledGoFiles | packages.NeedImports | packages.NeedDeps | packages.NeedTypes | packages.NeedTypesSizes,
		Tests: true, Dir: dir, Env: environ,
	}, patterns...)
	if err != nil {
		return 0, err
	}
	var errs []error
	for _, p := range all {
		for _, one := range p.Errors {
			errs = append(errs, one)
		}
	}
	return len(all), errors.Join(errs...)
}
