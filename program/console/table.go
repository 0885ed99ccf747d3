package console

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// Table prints rows in columns. Cells hold what others have chosen, such as the names of people and of workspaces: a terminal obeys none
// of it, and no cell begins another column or row.
type Table struct{ w *tabwriter.Writer }

// NewTable begins a table with headings.
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

// Flush prints the table. Most callers have no use for the error: the terminal is gone, then.
func (t Table) Flush() error { return t.w.Flush() }

// joiner is in the middle of many emojis.
const joiner = '\u200d'

// Text is a text on one line that a terminal shows and does not obey: whatever is no printable character is replaced.
func Text(text string) string {
	return strings.Map(func(r rune) rune {
		if r != joiner && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, text)
}
