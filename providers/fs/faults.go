package fs

import (
	"errors"
	"syscall"
	"time"

	or3cloud "or3.chat/cloud"
)

// retryAfter is how long a client is asked to wait after a passing fault. It is short because the base client tries
// five times in quick succession and then gives a file up (contract, storage Pitfall 4).
const retryAfter = 2 * time.Second

// diskFault turns an error of the disk into the client's answer: a full disk is 507, everything else passing trouble,
// 503. It is never a 404, which clients take as an order to delete (contract, storage Pitfall 2).
func diskFault(err error) error {
	var known *or3cloud.Error
	switch {
	case err == nil || errors.As(err, &known):
		return err
	case errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT):
		return or3cloud.WrapError(err, or3cloud.CodeInsufficientStorage, "Insufficient storage")
	default:
		return unavailable(err)
	}
}

func unavailable(cause error) *or3cloud.Error {
	return or3cloud.Unavailable(cause, "Storage unavailable", retryAfter)
}
