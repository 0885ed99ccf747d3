package console

import (
	"encoding/json"
	"errors"
	"io"

	or3cloud "or3.chat/cloud"
)

// PrintJSON prints the answer of a command with --json.
func PrintJSON(w io.Writer, answer any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(answer)
}

// Spoken is an error in the form for people, without the leading code for logs.
func Spoken(err error) error {
	var e *or3cloud.Error
	if errors.As(err, &e) && e.Cause == nil {
		return errors.New(e.Message)
	}
	return err
}
