//go:build !unix

package handover

import (
	"errors"
	"net"
	"syscall"
)

// bindPrivately makes a socket; the directory decides who may connect.
func bindPrivately(path string) (net.Listener, error) { return net.Listen("unix", path) }

func lockDirectory(string) (unlock func(), err error) { return func() {}, nil }

// isRefused reports whether no one listens on a socket (WSAECONNREFUSED).
func isRefused(err error) bool { return errors.Is(err, syscall.Errno(10061)) }
