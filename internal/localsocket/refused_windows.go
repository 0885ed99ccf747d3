package localsocket

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isRefused reports whether there is a socket on which nothing listens.
func isRefused(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }
