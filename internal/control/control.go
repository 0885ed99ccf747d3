// Package control is how an operator's commands reach a running server: JSON over HTTP on a socket in the data
// directory, which only the server's user can open. Opening it grants every right, like the database files beside it.
//
// A command that finds no server runs in its own process. Both ways use Commands, so that they behave alike.
package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	or3cloud "or3.chat/cloud"
)

// maxBody limits a question or an answer, in bytes.
const maxBody = 64 << 20

// Command gets its input as JSON and returns its result, which is sent as JSON.
type Command func(ctx context.Context, input []byte) (any, error)

// Func turns a function into a Command. It refuses input with unknown members: it comes from another version of the
// program, and ignoring a part of it could do harm.
func Func[In, Out any](f func(context.Context, In) (Out, error)) Command {
	return func(ctx context.Context, input []byte) (any, error) {
		var in In
		d := json.NewDecoder(bytes.NewReader(input))
		d.DisallowUnknownFields()
		if err := d.Decode(&in); err != nil {
			return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "the running server does not understand this command, so it is another version: %v", err)
		}
		return f(ctx, in)
	}
}

// Commands are the commands of an instance by name, such as "user/add".
type Commands map[string]Command

// Caller runs commands, in this process or another.
type Caller interface {
	// Call runs a command and decodes its answer into out, which may be nil. A refusal is an *or3cloud.Error.
	Call(ctx context.Context, name string, in, out any) error
}

// Call implements Caller for the commands of this process.
func (c Commands) Call(ctx context.Context, name string, in, out any) error {
	input, err := json.Marshal(in)
	if err != nil {
		return err
	}
	result, err := c.run(ctx, name, input)
	if err != nil {
		return readable(err).asError()
	}
	answer, err := json.Marshal(result)
	if err != nil {
		return err
	}
	return decode(answer, out)
}

func (c Commands) run(ctx context.Context, name string, input []byte) (any, error) {
	command, ok := c[name]
	if !ok {
		return nil, or3cloud.Errorf(or3cloud.CodeUnsupported, "the running server does not know the command %q, so it is another version", name)
	}
	return command(ctx, input)
}

// ServeHTTP runs the command that the path names.
func (c Commands) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	var result any
	input, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err == nil {
		result, err = c.run(r.Context(), strings.TrimPrefix(r.URL.Path, "/"), input)
	}
	if err != nil {
		w.WriteHeader(http.StatusUnprocessableEntity)
		result = readable(err)
	}
	// If writing fails, the command has gone away.
	_ = json.NewEncoder(w).Encode(result)
}

// failure is an error as sent to the operator.
type failure struct {
	Code    or3cloud.Code `json:"code"`
	Message string        `json:"message"`
}

// readable keeps the cause of an error, which browsers do not get to see: the operator is the one who can do something
// about it.
func readable(err error) failure {
	var e *or3cloud.Error
	if !errors.As(err, &e) {
		return failure{or3cloud.CodeInternal, err.Error()}
	}
	if e.Cause != nil {
		return failure{e.Code, fmt.Sprintf("%s: %v", e.Message, e.Cause)}
	}
	return failure{e.Code, e.Message}
}

func (f failure) asError() error { return &or3cloud.Error{Code: f.Code, Message: f.Message} }

func decode(answer []byte, out any) error {
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("the server's answer cannot be read: %w", err)
	}
	return nil
}
