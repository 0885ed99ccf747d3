package ratelimit

import "net/netip"

// Network returns the key under which an address is limited. An IPv6 client owns a whole /64, so the rest of the
// address must not give it new budgets. A text that is not an address is its own key.
func Network(clientIP string) string {
	addr, err := netip.ParseAddr(clientIP)
	if err != nil {
		return clientIP
	}
	if addr = addr.Unmap(); addr.Is4() {
		return addr.String()
	}
	prefix, err := addr.WithZone("").Prefix(64)
	if err != nil {
		return clientIP
	}
	return prefix.String()
}
