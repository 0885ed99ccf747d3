// Command generate writes the file that lists a program's providers. go generate runs it with [-tag TAG] [-out FILE]
// PACKAGE...
package main

import (
	"flag"
	"fmt"
	"os"

	"or3.chat/cloud/internal/linked"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "generate:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var p linked.Program
	flags := flag.NewFlagSet("generate", flag.ContinueOnError)
	flags.StringVar(&p.Tag, "tag", "", "build constraint of the file")
	out := flags.String("out", "providers.go", "file to write")
	if err := flags.Parse(args); err != nil {
		return err
	}
	p.Packages = flags.Args()
	source, err := p.Source()
	if err != nil {
		return err
	}
	is, err := os.ReadFile(*out)
	if err == nil && !linked.Generated(is) {
		return fmt.Errorf("%s %w", *out, linked.ErrForeign)
	}
	return os.WriteFile(*out, source, 0o644)
}
