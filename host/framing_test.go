package host

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"path/filepath"
	"strings"
	"testing"
)

// broken are bodies in chunks with broken framing, where %s is what the route takes, and with it its size in hex.
var broken = map[string]func(body string) string{
	"no size":                 func(body string) string { return "\r\n" + body + "\r\n0\r\n\r\n" },
	"a size that is none":     func(body string) string { return "xyz\r\n" + body + "\r\n0\r\n\r\n" },
	"a negative size":         func(body string) string { return "-1\r\n" + body + "\r\n0\r\n\r\n" },
	"a size beyond all":       func(body string) string { return "fffffffffffffffff\r\n" + body + "\r\n0\r\n\r\n" },
	"a line without CR":       func(body string) string { return fmt.Sprintf("%x\n%s\n0\n\n", len(body), body) },
	"a chunk without its end": func(body string) string { return fmt.Sprintf("%x\r\n%s0\r\n\r\n", len(body), body) },
	"a fault after the first": func(body string) string { return fmt.Sprintf("%x\r\n%s\r\nzz\r\n", len(body), body) },
	"a trailer that is none":  func(body string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\nno trailer\r\n\r\n", len(body), body) },
	"a long extension": func(body string) string {
		return fmt.Sprintf("%x;%s\r\n%s\r\n0\r\n\r\n", len(body), strings.Repeat("x", 8<<10), body)
	},
	"an early end":                      func(body string) string { return fmt.Sprintf("%x\r\n%s", len(body)+1, body) },
	"an early end between two chunks":   func(body string) string { return fmt.Sprintf("%x\r\n%s\r\n", len(body), body) },
	"an early end in front of trailers": func(body string) string { return fmt.Sprintf("%x\r\n%s\r\n0\r\n", len(body), body) },
}

// TestABrokenChunkedBodyIsABadRequest sends each route a body whose chunks are malformed, from a member who may do all
// of it: it is refused permanently, since it will not get better, and nothing of it remains.
func TestABrokenChunkedBodyIsABadRequest(t *testing.T) {
	s := newScene(t, "DISABLE_RATE_LIMIT=1")
	rows := map[string]stall{}
	for _, c := range allStalls() {
		rows[c.route] = c
	}
	before, uploads, fresh := s.state(), s.uploads(), ""
	if uploads != 2 {
		t.Fatalf("%d uploads have begun", uploads)
	}
	routes := append(s.running.Load().router.Routes(), s.health.Routes()...)
	for _, route := range routes {
		name := route.Method + " " + route.Path
		c, ok := rows[name]
		if !ok {
			c = stall{route: name, path: func(s *scene) string { return strings.Replace(route.Path, "/api/storage/resumable/:id", s.piece, 1) }}
		}
		if route.Method == http.MethodOptions {
			continue // does not use a body
		}
		taking := strings.HasSuffix(route.Path, "/resumable/:id") && (route.Method == http.MethodPatch || route.Method == http.MethodPost)
		for fault, body := range broken {
			if taking { // what has arrived is kept, so each takes an upload of its own
				c.path = func(s *scene) string { return fresh }
				fresh = s.beginUpload()
			}
			res, text := s.sendChunks(c, body)
			if res == nil || res.StatusCode != http.StatusBadRequest {
				t.Errorf("%s with %s: %+v %s", name, fault, res, text)
			}
			if taking {
				q := s.begin(stall{route: "DELETE " + fresh, unread: true, header: "Tus-Resumable: 1.0.0\r\n"})
				if q.early == nil || q.early.StatusCode != 204 {
					t.Errorf("%s with %s: the upload is not there any more: %+v", name, fault, q.early)
				}
			}
			for _, header := range []string{"Set-Cookie", "Location", "Retry-After"} {
				if res != nil && res.Header.Get(header) != "" {
					t.Errorf("%s with %s: a refusal with %s", name, fault, header)
				}
			}
		}
	}
	if after := s.state(); after != before {
		t.Errorf("something has changed: %s", difference(before, after))
	}
	if after := s.uploads(); after != uploads {
		t.Errorf("%d uploads were begun", after-uploads)
	}
}

// uploads counts the uploads in pieces.
func (s *scene) uploads() int {
	names, err := filepath.Glob(filepath.Join(s.instance.Options().DataDir, "*", "partial", "*.json"))
	if err != nil {
		s.t.Fatal(err)
	}
	return len(names)
}

// sendChunks sends a whole request and closes the sending half of the connection.
func (s *scene) sendChunks(c stall, broken func(string) string) (*http.Response, []byte) {
	s.t.Helper()
	method, path, _ := strings.Cut(c.route, " ")
	if c.path != nil {
		path = c.path(s)
	}
	body, more := "{}", c.header
	if c.body != nil {
		body = c.body(s)
	}
	if more == "" {
		more = "Content-Type: application/json\r\n"
	}
	if c.more != nil {
		more += c.more(s)
	}
	conn, err := net.Dial("tcp", strings.TrimPrefix(s.url, "http://"))
	if err != nil {
		s.t.Fatal(err)
	}
	defer conn.Close()
	at, err := url.Parse(s.url + path)
	if err != nil {
		s.t.Fatal(err)
	}
	sender := s.victim
	if c.as != nil {
		sender = c.as(s)
	}
	var cookies []string
	for _, cookie := range sender.client.Jar.Cookies(at) {
		cookies = append(cookies, cookie.Name+"="+cookie.Value)
	}
	go func() {
		fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: %s\r\nCookie: %s\r\nTransfer-Encoding: chunked\r\n%s\r\n%s",
			method, path, s.host, strings.Join(cookies, "; "), more, broken(body))
		conn.(*net.TCPConn).CloseWrite()
	}()
	res, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		s.t.Errorf("%s: %v", c.route, err)
		return nil, nil
	}
	defer res.Body.Close()
	text, _ := io.ReadAll(res.Body)
	return res, text
}
