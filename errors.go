package or3cloud

import (
	"errors"
	"fmt"
	"time"
)

// Code classifies an Error. The list is closed: each code has exactly one HTTP status, mapped in httpapi.
type Code string

// The codes, each with its HTTP status.
const (
	CodeInvalid             Code = "invalid"              // 400: the request can never succeed as it is
	CodeUnauthenticated     Code = "unauthenticated"      // 401: not signed in
	CodeForbidden           Code = "forbidden"            // 403: signed in, but not allowed
	CodeNotFound            Code = "not_found"            // 404: permanently absent; never for a temporary failure
	CodeConflict            Code = "conflict"             // 409
	CodeGone                Code = "gone"                 // 410: expired snapshot
	CodeTooLarge            Code = "too_large"            // 413
	CodeUnsupportedMedia    Code = "unsupported_media"    // 415
	CodeRangeUnsatisfiable  Code = "range_unsatisfiable"  // 416
	CodeRateLimited         Code = "rate_limited"         // 429
	CodeInternal            Code = "internal"             // 500: a bug or failure of the server
	CodeUnsupported         Code = "unsupported"          // 501: the selected provider lacks the ability
	CodeUnavailable         Code = "unavailable"          // 503: a temporary failure, try again
	CodeInsufficientStorage Code = "insufficient_storage" // 507: the disk is full
)

// Error is the only error type that decides what a client sees. Any other error is the server's fault: the client gets
// a 500 with fixed text, and the cause goes to the log.
type Error struct {
	Code Code
	// Message is sent to the client verbatim, as statusMessage and message (contract, security-middleware §7).
	// It must not contain causes, secrets or file paths.
	Message string
	// RetryAfter, if positive, is sent as a Retry-After header in whole seconds, rounded up.
	RetryAfter time.Duration
	// Data, if not nil, is sent as the data member of the error body.
	Data any
	// Cause is logged once at the edge and never leaves the process.
	Cause error
}

// Errorf returns an Error with a code and a formatted message for the client.
func Errorf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// WrapError returns an Error that hides cause behind a code and a message for the client.
func WrapError(cause error, code Code, message string) *Error {
	return &Error{Code: code, Message: message, Cause: cause}
}

// Unavailable returns a 503 that asks the client to come back after the given time. Every temporary failure is a 503,
// because clients keep their edits on a 503 and lose them on most other answers (contract, client-behaviour Pitfall 1).
func Unavailable(cause error, message string, retryAfter time.Duration) *Error {
	return &Error{Code: CodeUnavailable, Message: message, RetryAfter: retryAfter, Cause: cause}
}

// Error implements error. The text includes the cause and is meant for logs.
func (e *Error) Error() string {
	if e.Cause != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Cause)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }

// Is reports whether target is the same refusal, so that a named one, such as ErrInviteExists, is recognised even after
// it crossed a process boundary.
func (e *Error) Is(target error) bool {
	other, ok := target.(*Error)
	return ok && other.Code == e.Code && other.Message == e.Message
}

// CodeOf returns the code of the first Error in err's chain, CodeInternal for any other error, and "" for nil.
func CodeOf(err error) Code {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	return CodeInternal
}
