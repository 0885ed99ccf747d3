package program

import (
	"encoding/json"
	"io"
)

// printJSON prints what a command answers with --json.
func printJSON(w io.Writer, answer any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(answer)
}
