// Package networks reads lists of networks as operators write them.
package networks

import (
	"fmt"
	"net/netip"
	"strings"
)

// named are the networks that have a name in a list.
var named = map[string][]string{
	"loopback": {"127.0.0.0/8", "::1/128"},
	// RFC 1918, RFC 4193, and the link-local addresses of RFC 3927 and RFC 4291.
	"private": {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "fc00::/7", "169.254.0.0/16", "fe80::/10"},
}

// Parse parses networks in CIDR form, single addresses, and the names "loopback" and "private". The error names the
// first invalid entry. IPv4 in IPv6 counts as IPv4.
func Parse(entries []string) ([]netip.Prefix, error) {
	var out []netip.Prefix
	for _, entry := range entries {
		list, ok := named[strings.ToLower(entry)]
		if !ok {
			list = []string{entry}
		}
		for _, text := range list {
			p, err := parse(text)
			if err != nil {
				return nil, err
			}
			out = append(out, p)
		}
	}
	return out, nil
}

func parse(text string) (netip.Prefix, error) {
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return netip.Prefix{}, fmt.Errorf("%q is neither an address nor a network", text)
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), nil
	}
	p, err := netip.ParsePrefix(text)
	if err != nil {
		return netip.Prefix{}, fmt.Errorf("%q is not a network", text)
	}
	if p.Addr().Is4In6() {
		if p.Bits() < 96 {
			return netip.Prefix{}, fmt.Errorf("%q is not a network", text)
		}
		p = netip.PrefixFrom(p.Addr().Unmap(), p.Bits()-96)
	}
	return p.Masked(), nil
}
