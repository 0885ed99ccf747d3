//go:build !linux

package handover

import "net"

// portHolder would name the process that listens on a port; this system does not say without further privileges.
func portHolder(int) string { return "" }

// peerProcess would name the process at the other end of a Unix socket.
func peerProcess(net.Conn) string { return "" }
