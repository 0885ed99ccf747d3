package networks

import (
	"net/netip"
	"testing"
)

func TestParse(t *testing.T) {
	for _, c := range []struct {
		entry, in, out string
	}{
		{"10.0.0.0/8", "10.255.0.1", "11.0.0.1"},
		{"10.1.2.3/8", "10.255.0.1", "11.0.0.1"}, // the host bits do not count
		{"192.0.2.7", "192.0.2.7", "192.0.2.8"},
		{"2001:db8::/32", "2001:db8:1::1", "2001:db9::1"},
		{"::1", "::1", "::2"},
		{"::ffff:192.0.2.0/120", "192.0.2.9", "192.0.3.9"},
		{"::ffff:192.0.2.7", "192.0.2.7", "192.0.2.8"},
		{"Loopback", "127.8.8.8", "128.0.0.1"},
		{"private", "192.168.1.1", "193.168.1.1"},
		{"private", "fd12::1", "2001:db8::1"},
	} {
		list, err := Parse([]string{c.entry})
		if err != nil {
			t.Errorf("%s: %v", c.entry, err)
			continue
		}
		has := func(text string) (found bool) {
			for _, p := range list {
				found = found || p.Contains(netip.MustParseAddr(text))
			}
			return found
		}
		if !has(c.in) || has(c.out) {
			t.Errorf("%s is %v", c.entry, list)
		}
	}
}

func TestParseRefuses(t *testing.T) {
	for _, entry := range []string{"10.0.0.0/33", "proxy.example.org", "10.0.0", "fe80::1%eth0", "", "*", "::ffff:0.0.0.0/80", "10.0.0.0/-1"} {
		if list, err := Parse([]string{"10.0.0.1", entry}); err == nil {
			t.Errorf("%q is %v", entry, list)
		}
	}
}
