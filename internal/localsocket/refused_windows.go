package localsocket

import (
	"errors"

	"golang.org/x/sys/windows"
)

// isRefused reports whether a socket is there and nobody listens on it.
func isRefused(err error) bool { return errors.Is(err, windows.WSAECONNREFUSED) }
