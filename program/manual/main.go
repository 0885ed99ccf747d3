// Command manual writes the manual pages and the shell completions from the command line: manual DIRECTORY. The time on
// the pages is that of SOURCE_DATE_EPOCH, so that they are the same wherever they are made.
package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra/doc"

	"or3.chat/cloud/program"
	"or3.chat/cloud/release/epoch"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "manual: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) != 1 {
		return errors.New("name the directory to write to")
	}
	at, err := epoch.Time()
	if err != nil {
		return err
	}
	pages, completions := filepath.Join(args[0], "man1"), filepath.Join(args[0], "completions")
	for _, dir := range []string{pages, completions} {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
	}
	root := program.Commands()
	root.DisableAutoGenTag = true
	root.InitDefaultCompletionCmd()
	header := doc.GenManHeader{Section: "1", Date: &at, Source: "OR3 Cloud", Manual: "OR3 Cloud"}
	return errors.Join(
		doc.GenManTree(root, &header, pages),
		root.GenBashCompletionFileV2(filepath.Join(completions, "or3-cloud.bash"), true),
		root.GenZshCompletionFile(filepath.Join(completions, "_or3-cloud")),
		root.GenFishCompletionFile(filepath.Join(completions, "or3-cloud.fish"), true),
		root.GenPowerShellCompletionFileWithDesc(filepath.Join(completions, "or3-cloud.ps1")),
	)
}
