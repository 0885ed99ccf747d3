package operator

import (
	"net"
	"testing"
)

func TestBaseURL(t *testing.T) {
	for _, tc := range []struct {
		public, addr, want string
	}{
		{"https://cloud.example.org", "127.0.0.1:3000", "https://cloud.example.org"},
		{"", "127.0.0.1:3000", "http://127.0.0.1:3000"},
		{"", "0.0.0.0:80", "http://localhost:80"},
		{"", "[::]:3000", "http://localhost:3000"},
		{"", "[::1]:3000", "http://[::1]:3000"},
	} {
		addr, err := net.ResolveTCPAddr("tcp", tc.addr)
		if err != nil {
			t.Fatal(err)
		}
		if got := BaseURL(tc.public, addr); got != tc.want {
			t.Errorf("%v: %s", tc, got)
		}
	}
	if got := BaseURL("", &net.UnixAddr{Name: "/s", Net: "unix"}); got != "http://localhost" {
		t.Error(got)
	}
}
