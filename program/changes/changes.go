// Package changes prints the log of a workspace on the command line.
package changes

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strconv"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/spf13/cobra"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/operator"
)

// Command returns the command, without its implementation.
func Command() *cobra.Command {
	return &cobra.Command{
		Use:   "log WORKSPACE [VERSION]",
		Short: "Print the log of a workspace, or one entry of it",
		Long: "Print the log of a workspace as it is stored, a line of JSON for each entry, oldest first; or only the entry with a version. It is for\n" +
			"finding out what was written, and when: sqlite3 cannot read packed texts. Each entry says what has happened to it:\n\n" +
			"  winner     it is the current state of its record\n" +
			"  lost       it was never the winner of its record\n" +
			"  replaced   another one came later; devices no longer get it\n" +
			"  pinned     another one came later; devices still get it\n" +
			"  collected  it no longer exists, apart from its bytes\n\n" +
			"Entries that were collected long ago are not in the log. The output contains what members have written, including their notifications.",
		Example: "  or3-cloud log Family\n  or3-cloud log 0b5c7a52-3f1d-4f57-9c5e-2f4f4d1c0a11 17\n  or3-cloud log Family --data /backup/copy | grep '\"mark\":\"lost\"'",
	}
}

// Wanted returns which entries the arguments after the workspace ask for: the first version, and how many at most; 0
// means all. An error is a mistake on the command line.
func Wanted(args []string) (from int64, most int, err error) {
	if len(args) == 0 {
		return 1, 0, nil
	}
	if from, err = strconv.ParseInt(args[0], 10, 64); err != nil || from < 1 {
		return 0, 0, fmt.Errorf("VERSION takes a number of at least 1, not %q", args[0])
	}
	return from, 1, nil
}

// Print prints entries, page by page.
func Print(ctx context.Context, desk operator.Caller, w io.Writer, workspaceID string, from int64, most int) error {
	for {
		page, err := operator.ReadLog.Ask(ctx, desk, operator.LogQuery{WorkspaceID: workspaceID, From: from, Limit: most})
		if err != nil {
			return err
		}
		for _, e := range page.Entries {
			if most == 1 && e.Version != from {
				break
			}
			if err := printLine(w, e); err != nil {
				return err
			}
			if from = e.Version + 1; most == 1 {
				return nil
			}
		}
		switch {
		case most == 1:
			return fmt.Errorf("the log has no version %d: it was never issued, or was collected", from)
		case len(page.Entries) == 0:
			return nil
		}
	}
}

// printLine prints an entry. It contains what members have written, and nothing in it may control the terminal.
func printLine(w io.Writer, e or3cloud.LogEntry) error {
	var line bytes.Buffer
	encoder := json.NewEncoder(&line)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(e); err != nil {
		return err
	}
	out := make([]byte, 0, line.Len())
	for rest := bytes.TrimSuffix(line.Bytes(), []byte("\n")); len(rest) > 0; {
		r, size := utf8.DecodeRune(rest)
		if rest = rest[size:]; unicode.IsPrint(r) && (r != utf8.RuneError || size > 1) {
			out = utf8.AppendRune(out, r)
			continue
		}
		for _, unit := range utf16.Encode([]rune{r}) { // it can occur in strings only
			out = fmt.Appendf(out, `\u%04x`, unit)
		}
	}
	_, err := w.Write(append(out, '\n'))
	return err
}
