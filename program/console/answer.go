package console

import (
	"encoding/json"
	"errors"
	"io"

	or3cloud "or3.chat/cloud"
)

// PrintJSON prints what a command answers with --json.
func PrintJSON(w io.Writer, answer any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(answer)
}

// Spoken is an error as a person reads it, without the code in front that logs want.
func Spoken(err error) error {
	var e *or3cloud.Error
	if errors.As(err, &e) && e.Cause == nil {
		return errors.New(e.Message)
	}
	return err
}
