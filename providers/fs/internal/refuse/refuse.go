// Package refuse has the answers that clients get when something cannot be stored or read (contract, storage §7).
package refuse

import (
	"errors"
	"syscall"
	"time"

	or3cloud "or3.chat/cloud"
)

// RetryAfter is how long a client is asked to wait after a temporary failure. It is short because the base client tries
// five times in quick succession and then gives a file up (contract, storage Pitfall 4).
const RetryAfter = 2 * time.Second

// Disk turns an error of the disk into the client's answer: a full disk is 507; everything else is taken for temporary
// and is 503. It is never a 404, which clients take as an order to delete (contract, storage Pitfall 2).
func Disk(err error) error {
	var known *or3cloud.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return or3cloud.WrapError(err, or3cloud.CodeInsufficientStorage, "Insufficient storage")
	default:
		return Unavailable(err)
	}
}

// Unavailable is a temporary failure of the store: 503, after which a client tries again.
func Unavailable(cause error) *or3cloud.Error {
	return or3cloud.Unavailable(cause, "Storage unavailable", RetryAfter)
}

// Revoked reports whether a body was cut off because its sender has lost the permission to send it.
func Revoked(err error) bool {
	code := or3cloud.CodeOf(err)
	return code == or3cloud.CodeUnauthenticated || code == or3cloud.CodeForbidden
}
