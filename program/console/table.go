package console

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// Table prints rows in columns. Cells contain what others have chosen, such as the names of people and of workspaces:
// nothing in them may control the terminal, and no cell starts another column or row.
type Table struct{ w *tabwriter.Writer }

// NewTable starts a table with headings.
func NewTable(w io.Writer, headings ...string) Table {
	t := Table{tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)}
	fmt.Fprintln(t.w, strings.Join(headings, "\t"))
	return t
}

// Row adds a row.
func (t Table) Row(cells ...any) {
	texts := make([]string, len(cells))
	for i, cell := range cells {
		texts[i] = Text(fmt.Sprint(cell))
	}
	fmt.Fprintln(t.w, strings.Join(texts, "\t"))
}

// Flush prints the table. Most callers ignore the error: the terminal is gone then.
func (t Table) Flush() error { return t.w.Flush() }

// joiner is in the middle of many emojis.
const joiner = '\u200d'

// Text is a text on one line that cannot control a terminal: every character that is not printable is replaced.
func Text(text string) string {
	return strings.Map(func(r rune) rune {
		if r != joiner && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
