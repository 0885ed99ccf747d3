package middleware

import (
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/networks"
)

// header is what a proxy sends, by name; a name may have several lines.
type header [][2]string

// identityOf returns the identity that p finds for a request from peer.
func identityOf(p Proxy, peer string, h header) (id httpapi.Identity) {
	r := httptest.NewRequest("GET", "/", nil)
	r.RemoteAddr, r.Host = peer, " Chat.Example:3000 "
	for _, line := range h {
		r.Header.Add(line[0], line[1])
	}
	p.Identify(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { id = httpapi.IdentityOf(r) })).
		ServeHTTP(httptest.NewRecorder(), r)
	return id
}

func proxies(t *testing.T, list ...string) []netip.Prefix {
	t.Helper()
	out, err := networks.Parse(list)
	if err != nil {
		t.Fatal(err)
	}
	return out
}

func TestProxyIdentity(t *testing.T) {
	const peer = "192.0.2.1:999"
	all := Proxy{Everyone: true}
	for _, c := range []struct {
		name     string
		proxy    Proxy
		headers  header
		ip, host string
		https    bool
	}{
		{"no trust ignores all headers", Proxy{}, header{{"X-Forwarded-For", "203.0.113.9"}, {"X-Forwarded-Host", "evil"}, {"X-Forwarded-Proto", "https"}},
			"192.0.2.1", "chat.example:3000", false},
		{"first entry", all, header{{"X-Forwarded-For", " 203.0.113.9 , 10.0.0.1"}, {"X-Forwarded-Host", " Chat.Example , b"}}, "203.0.113.9", "chat.example", false},
		{"with a port", all, header{{"X-Forwarded-For", "203.0.113.9:51234"}}, "203.0.113.9", "", false},
		{"IPv6", all, header{{"X-Forwarded-For", "2001:DB8::1"}}, "2001:db8::1", "", false},
		{"IPv6 in brackets", all, header{{"X-Forwarded-For", "[2001:db8::1]"}}, "2001:db8::1", "", false},
		{"IPv6 with a port", all, header{{"X-Forwarded-For", "[2001:db8::1]:443"}}, "2001:db8::1", "", false},
		{"IPv6 with a zone", all, header{{"X-Forwarded-For", "[fe80::1%eth0]:443"}}, "fe80::1", "", false},
		{"IPv4 in IPv6", all, header{{"X-Forwarded-For", "::ffff:203.0.113.9"}}, "203.0.113.9", "", false},
		{"garbage falls back to the socket", all, header{{"X-Forwarded-For", "<script>"}}, "192.0.2.1", "", false},
		{"unknown falls back to the socket", all, header{{"X-Forwarded-For", "unknown"}}, "192.0.2.1", "", false},
		{"missing host fails closed", all, nil, "192.0.2.1", "", false},
		{"default port of https", all, header{{"X-Forwarded-Host", "Chat.Example:443"}, {"X-Forwarded-Proto", "https"}}, "192.0.2.1", "chat.example", true},
		{"default port of http", all, header{{"X-Forwarded-Host", "chat.example:80"}}, "192.0.2.1", "chat.example", false},
		{"port of the other scheme", all, header{{"X-Forwarded-Host", "chat.example:80"}, {"X-Forwarded-Proto", "https"}}, "192.0.2.1", "chat.example:80", true},
		{"protocols of two proxies", all, header{{"X-Forwarded-Proto", "https,http"}}, "192.0.2.1", "", true},
		{"capitals", all, header{{"X-Forwarded-Proto", "HTTPS"}}, "192.0.2.1", "", true},
		{"websocket", all, header{{"X-Forwarded-Proto", "wss"}}, "192.0.2.1", "", true},
		{"empty entries", all, header{{"X-Forwarded-For", ""}, {"X-Forwarded-For", " , 203.0.113.9,"}, {"X-Forwarded-Host", ", chat.example"}, {"X-Forwarded-Proto", ",https"}},
			"203.0.113.9", "chat.example", true},
		{"in quotes", all, header{{"X-Forwarded-For", `"[2001:db8::1]:443"`}, {"X-Forwarded-Host", `"chat.example:443"`}, {"X-Forwarded-Proto", `"https"`}}, "2001:db8::1", "chat.example", true},
		{"real ip", Proxy{Everyone: true, ClientHeader: "x-real-ip"}, header{{"X-Real-Ip", "2001:db8::1"}, {"X-Forwarded-For", "203.0.113.9"}}, "2001:db8::1", "", false},
		{"another header", Proxy{Everyone: true, ClientHeader: "cf-connecting-ip"}, header{{"CF-Connecting-IP", "203.0.113.1"}, {"X-Forwarded-For", "203.0.113.9"}},
			"203.0.113.1", "", false},
		{"Forwarded only when it is asked for", all, header{{"Forwarded", "for=203.0.113.1;host=evil;proto=https"}}, "192.0.2.1", "", false},
		{"Forwarded", Proxy{Everyone: true, ClientHeader: "forwarded"},
			header{{"Forwarded", `For="[2001:db8::1]:4711";Proto=HTTPS;Host="chat.example:443", for=10.0.0.1;proto=http`}, {"X-Forwarded-For", "203.0.113.9"}},
			"2001:db8::1", "chat.example", true},
	} {
		t.Run(c.name, func(t *testing.T) {
			if id := identityOf(c.proxy, peer, c.headers); id.ClientIP != c.ip || id.Host != c.host || id.HTTPS != c.https {
				t.Errorf("%+v", id)
			}
		})
	}
}

func TestTrustedProxies(t *testing.T) {
	chain := func(values ...string) (h header) {
		for _, v := range values {
			h = append(h, [2]string{"X-Forwarded-For", v})
		}
		return append(h, [2]string{"X-Forwarded-Host", "public.example"})
	}
	for _, c := range []struct {
		name, peer string
		trusted    []string
		headers    header
		ip, host   string
	}{
		{"a stranger is not believed", "203.0.113.5:1", []string{"10.0.0.0/8"}, chain("198.51.100.1"), "203.0.113.5", "chat.example:3000"},
		{"one proxy", "10.0.0.1:1", []string{"10.0.0.0/8"}, chain("198.51.100.1"), "198.51.100.1", "public.example"},
		{"what the client has sent is not believed", "10.0.0.1:1", []string{"10.0.0.0/8"}, chain("1.1.1.1, 198.51.100.1"), "198.51.100.1", "public.example"},
		{"two proxies", "10.0.0.1:1", []string{"10.0.0.0/8", "192.0.2.7"}, chain("1.1.1.1, 198.51.100.1, 192.0.2.7"), "198.51.100.1", "public.example"},
		{"several lines", "10.0.0.1:1", []string{"10.0.0.0/8"}, chain("1.1.1.1", "198.51.100.1", "10.9.9.9"), "198.51.100.1", "public.example"},
		{"all entries are proxies", "10.0.0.1:1", []string{"private"}, chain("10.0.0.3, 10.0.0.2"), "10.0.0.3", "public.example"},
		{"what stands before garbage is anyone's", "10.0.0.1:1", []string{"private"}, chain("198.51.100.1, x, 10.0.0.2"), "10.0.0.2", "public.example"},
		{"a proxy behind the socket of another", "10.0.0.1:1", []string{"private"}, chain("6.6.6.6, 198.51.100.1, unix:"), "198.51.100.1", "public.example"},
		{"an entry that is empty", "10.0.0.1:1", []string{"private"}, chain("6.6.6.6, 198.51.100.1, ", ","), "198.51.100.1", "public.example"},
		{"an entry in quotes", "10.0.0.1:1", []string{"private"}, chain(`6.6.6.6, "198.51.100.1:80"`), "198.51.100.1", "public.example"},
		{"only sockets", "10.0.0.1:1", []string{"private"}, chain("unix:"), "10.0.0.1", "public.example"},
		{"IPv6", "[fd00::1]:1", []string{"private"}, chain("[2001:db8::9]:8080, fd00::2"), "2001:db8::9", "public.example"},
		{"IPv4 in IPv6", "[::ffff:10.0.0.1]:1", []string{"10.0.0.0/8"}, chain("198.51.100.1"), "198.51.100.1", "public.example"},
		{"loopback by name", "127.0.0.1:1", []string{"loopback"}, chain("198.51.100.1"), "198.51.100.1", "public.example"},
		{"a Unix socket", "@", []string{"loopback"}, chain("198.51.100.1"), "198.51.100.1", "public.example"},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := Proxy{Proxies: proxies(t, c.trusted...)}
			if id := identityOf(p, c.peer, c.headers); id.ClientIP != c.ip || id.Host != c.host {
				t.Errorf("%+v", id)
			}
		})
	}
}

// A client that opens a quote must not hide what the proxy appends.
func TestForwardedQuotes(t *testing.T) {
	p := Proxy{Proxies: proxies(t, "10.0.0.0/8"), ClientHeader: "forwarded"}
	for _, sent := range []string{`for="`, `for="1.1.1.1`, `for=1.1.1.1;by="x\`, `for="[2001:db8::1]:1`} {
		if id := identityOf(p, "10.0.0.1:1", header{{"Forwarded", sent + `, for=198.51.100.1`}}); id.ClientIP != "198.51.100.1" {
			t.Errorf("%s: %+v", sent, id)
		}
	}
}

// FuzzForwarded looks for a header that replaces the client that the nearest proxy has seen by someone else.
func FuzzForwarded(f *testing.F) {
	for _, seed := range []string{`for="`, "1.1.1.1", `a="b;c",d`, `;,;=,`, "[::1", `"\`} {
		f.Add(seed)
	}
	trusted, err := networks.Parse([]string{"10.0.0.0/8"})
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, sent string) {
		for header, entry := range map[string]string{"forwarded": "for=198.51.100.1", "x-forwarded-for": "198.51.100.1"} {
			p := Proxy{Proxies: trusted, ClientHeader: header}
			r := httptest.NewRequest("GET", "/", nil)
			r.RemoteAddr = "10.0.0.1:1"
			r.Header[http.CanonicalHeaderKey(header)] = []string{sent + ", " + entry}
			if id := p.identity(r); id.ClientIP != "198.51.100.1" {
				t.Errorf("%s %q: %+v", header, sent, id)
			}
		}
	})
}
