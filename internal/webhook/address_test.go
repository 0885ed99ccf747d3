package webhook

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"net"
	"net/netip"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/patience"
)

// options returns the tests' options. Deliveries may go anywhere.
func options(t testing.TB) Options {
	return Options{
		Key: "a key for tests that is long enough", Allow: Anywhere, PerMinute: 120, Timeout: patience.Limit, RetryWindow: time.Hour,
		Retention: 72 * time.Hour, Log: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: time.Now, Rand: rand.Reader,
	}
}

func engine(t testing.TB, change ...func(*Options)) *Engine {
	t.Helper()
	o := options(t)
	for _, f := range change {
		f(&o)
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

func TestPublic(t *testing.T) {
	for text, want := range map[string]bool{
		"8.8.8.8": true, "1.1.1.1": true, "172.15.255.255": true, "172.32.0.1": true, "100.63.0.1": true, "100.128.0.1": true, "223.255.255.255": true,
		"0.0.0.0": false, "0.1.2.3": false, "10.0.0.1": false, "100.64.0.1": false, "100.127.255.255": false, "127.0.0.1": false,
		"127.255.255.254": false, "169.254.169.254": false, "172.16.0.1": false, "172.31.255.255": false, "192.168.0.1": false,
		"192.0.0.1": false, "192.0.2.1": false, "198.18.0.1": false, "198.19.255.255": false, "198.51.100.1": false, "203.0.113.1": false,
		"224.0.0.1": false, "239.255.255.255": false, "240.0.0.1": false, "255.255.255.255": false,
		"2606:4700:4700::1111": true, "2a00:1450::1": true, "2001:4860:4860::8888": true,
		"::": false, "::1": false, "::2": false, "fe80::1": false, "fe80::1%eth0": false, "2606:4700::1%eth0": false, "fc00::1": false,
		"fd12:3456::1": false, "fec0::1": false, "ff02::1": false, "2001:db8::1": false, "3fff::1": false, "100::1": false,
		"2001::1": false, "2001:10::1": false, "2002:0808:0808::1": false, "5f00::1": false, "4000::1": false,
		"::ffff:8.8.8.8": true, "::ffff:127.0.0.1": false, "::ffff:10.0.0.1": false, "::ffff:169.254.169.254": false, "::127.0.0.1": false,
		"64:ff9b::8.8.8.8": true, "64:ff9b::127.0.0.1": false, "64:ff9b::10.0.0.1": false, "64:ff9b::a9fe:a9fe": false,
		"64:ff9b:1::8.8.8.8": false, "64:ff9b::1:0:0": false,
	} {
		if got := Public(netip.MustParseAddr(text)); got != want {
			t.Errorf("%s: %t, want %t", text, got, want)
		}
	}
	if Public(netip.Addr{}) {
		t.Error("no address is public")
	}
}

// FuzzPublic writes an address in all equivalent forms. If one of them is not public, none may be.
func FuzzPublic(f *testing.F) {
	for _, seed := range []string{"127.0.0.1", "8.8.8.8", "::1", "2606:4700::1", "fe80::1", "::ffff:10.0.0.1", "64:ff9b::7f00:1"} {
		f.Add(netip.MustParseAddr(seed).AsSlice())
	}
	private := []netip.Prefix{
		netip.MustParsePrefix("10.0.0.0/8"), netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("169.254.0.0/16"),
		netip.MustParsePrefix("172.16.0.0/12"), netip.MustParsePrefix("192.168.0.0/16"), netip.MustParsePrefix("100.64.0.0/10"),
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("fc00::/7"), netip.MustParsePrefix("fe80::/10"),
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		public := Public(a)
		plain := a.Unmap()
		if public && (!plain.IsGlobalUnicast() || plain.IsPrivate()) {
			t.Errorf("%s is public", a)
		}
		for _, p := range private {
			if public && p.Contains(plain) {
				t.Errorf("%s is public and in %s", a, p)
			}
		}
		if Public(plain) != public {
			t.Errorf("%s and %s differ", a, plain)
		}
		if Public(a.WithZone("eth0")) && a.Is6() {
			t.Errorf("%s with a zone is public", a)
		}
		if !plain.Is4() {
			return
		}
		mapped := netip.AddrFrom16(plain.As16())
		through := nat64.Addr().As16()
		v4 := plain.As4()
		copy(through[12:], v4[:])
		for _, other := range []netip.Addr{mapped, netip.AddrFrom16(through)} {
			if Public(other) != public {
				t.Errorf("%s is %t, and %s is not", plain, public, other)
			}
		}
	})
}

func TestCheckURL(t *testing.T) {
	e := engine(t, func(o *Options) { o.Allow = Public })
	for url, ok := range map[string]bool{
		"https://example.org/hook": true, "http://example.org:8080/hook?a=b": true, "https://8.8.8.8/": true, "https://[2606:4700::1111]/": true,
		"https://1.2.example.org/": true, "https://10.example/": true,
		"": false, "example.org/hook": false, "ftp://example.org/": false, "javascript:alert(1)": false, "https:///path": false, "https:example.org": false,
		"https://user@example.org/": false, "https://user:password@example.org/": false, "https://example.org:port/": false,
		"http://127.0.0.1/": false, "http://[::1]/": false, "http://10.0.0.1/": false, "http://169.254.169.254/latest": false, "http://0.0.0.0/": false,
		"http://0/": false, "http://2130706433/": false, "http://0x7f000001/": false, "http://0x7f.0.0.1/": false, "http://0177.0.0.1/": false,
		"http://127.1/": false, "http://127.0.0.1./": false, "http://1.2.3.4.5/": false, "http://example.0x/": false, "http://[fe80::1%25eth0]/": false,
		"http://[::ffff:127.0.0.1]/": false, "http://[64:ff9b::7f00:1]/": false, "http://localhost:3000/": false, "http://LOCALHOST./": false,
		"http://db.localhost/": false, "http://printer.local/": false, "http://metadata.google.internal/": false,
		"https://example.org/" + string(make([]byte, 3000)): false,
	} {
		if err := e.CheckURL(url); (err == nil) != ok || err != nil && or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Errorf("%s: %v", url, err)
		}
	}
	https := engine(t, func(o *Options) { o.HTTPS = true })
	if https.CheckURL("http://example.org/") == nil || https.CheckURL("https://example.org/") != nil {
		t.Error("http in production")
	}
	for _, url := range []string{"http://127.0.0.1:1/", "http://localhost:1/", "http://[::1]/"} {
		if err := engine(t).CheckURL(url); err != nil {
			t.Errorf("%s where all addresses are allowed: %v", url, err)
		}
	}
}

// The address that is dialled decides, whatever name or form led to it.
func TestTheDialledAddressDecides(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	_, port, _ := net.SplitHostPort(listener.Addr().String())
	blocked := engine(t, func(o *Options) { o.Allow = Public }).transport()
	for _, host := range []string{"127.0.0.1", "localhost", "0.0.0.0", "::ffff:127.0.0.1", "::"} {
		conn, err := blocked.DialContext(t.Context(), "tcp", net.JoinHostPort(host, port))
		if !errors.Is(err, errNotPublic) {
			t.Errorf("%s: %v, %v", host, conn, err)
		}
	}
	conn, err := engine(t).transport().DialContext(t.Context(), "tcp", net.JoinHostPort("localhost", port))
	if err != nil {
		t.Fatal(err)
	}
	conn.Close()
}
