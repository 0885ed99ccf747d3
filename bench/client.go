package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strconv"
	"sync/atomic"

	"or3.chat/cloud/bench/internal/corpus"
)

// client is one connection with the cookies of one device. It is a lean HTTP client, because server and clients share
// the machine and what clients use up would look like the server's cost.
type client struct {
	addr    string
	header  string // further header lines, each with its line end
	from    net.IP
	cookies []*http.Cookie
	conn    net.Conn
	in      *bufio.Reader
	answer  []byte
}

// clients counts the clients of the run.
var clients atomic.Uint32

// newClient returns a client with a loopback address of its own: servers limit sign-ins by address.
func newClient(addr string) *client {
	n := clients.Add(1)
	return &client{addr: addr, header: "Origin: http://" + addr + "\r\n", from: net.IPv4(127, 1+byte(n>>16), byte(n>>8), byte(n))}
}

func (c *client) close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// begin sends a request and reads the head of the answer.
func (c *client) begin(method, path string, body []byte) (*http.Response, error) {
	return c.send(method, path, body, nil)
}

// send is begin with a body that goes on after its first part; then the header says how long it is.
func (c *client) send(method, path string, body []byte, rest io.Reader) (*http.Response, error) {
	if c.conn == nil {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: c.from}}
		conn, err := dialer.Dial("tcp", c.addr)
		if err != nil {
			return nil, err
		}
		c.conn, c.in = conn, bufio.NewReaderSize(conn, 64<<10)
	}
	var h bytes.Buffer
	h.WriteString(method + " " + path + " HTTP/1.1\r\nHost: " + c.addr + "\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n" + c.header)
	if len(c.cookies) > 0 {
		h.WriteString("Cookie: ")
		for i, k := range c.cookies {
			if i > 0 {
				h.WriteString("; ")
			}
			h.WriteString(k.Name + "=" + k.Value)
		}
		h.WriteString("\r\n")
	}
	if body != nil && rest == nil {
		h.WriteString("Content-Type: application/json\r\nContent-Length: " + strconv.Itoa(len(body)) + "\r\n")
	}
	h.WriteString("\r\n")
	buffers := net.Buffers{h.Bytes(), body}
	_, err := buffers.WriteTo(c.conn)
	if err == nil && rest != nil {
		_, err = io.CopyBuffer(struct{ io.Writer }{c.conn}, rest, make([]byte, 1<<20))
	}
	if err != nil {
		c.close()
		return nil, err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.close()
		return nil, err
	}
	for _, k := range res.Cookies() {
		c.cookies = slices.DeleteFunc(c.cookies, func(o *http.Cookie) bool { return o.Name == k.Name })
		if k.MaxAge >= 0 {
			c.cookies = append(c.cookies, k)
		}
	}
	return res, nil
}

// do sends a request and returns the answer's body, which is valid until the next call. Anything but 200 is an error.
func (c *client) do(method, path string, body []byte) ([]byte, error) {
	res, err := c.begin(method, path, body)
	if err != nil {
		return nil, err
	}
	if n := int(res.ContentLength); n >= 0 {
		c.answer = slices.Grow(c.answer[:0], n)[:n]
		_, err = io.ReadFull(res.Body, c.answer)
	} else {
		c.answer, err = io.ReadAll(res.Body)
	}
	if err != nil {
		c.close()
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %d %.300s", method, path, res.StatusCode, c.answer)
	}
	return c.answer, nil
}

// call is do with JSON on both sides.
func (c *client) call(method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	answer, err := c.do(method, path, body)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

type object = map[string]any

// device is a signed-in client of OR3 Cloud.
type device struct {
	*client
	user, workspace string
	ops             *corpus.Source
	// version is the workspace's counter as the last push told it.
	version int64
}

const password = "Correct-Horse-7-battery"

// signUp registers an account and returns its first device.
func signUp(s *server, c *corpus.Corpus, email string) (*device, error) {
	d := &device{client: newClient(s.addr)}
	err := d.call("POST", "/api/basic-auth/register", object{"email": email, "password": password, "confirmPassword": password}, nil)
	if err != nil {
		return nil, err
	}
	return d, d.begun(c)
}

// signIn returns a further device of an account.
func signIn(s *server, c *corpus.Corpus, email string) (*device, error) {
	d := &device{client: newClient(s.addr)}
	if err := d.call("POST", "/api/basic-auth/sign-in", object{"email": email, "password": password}, nil); err != nil {
		return nil, err
	}
	return d, d.begun(c)
}

func (d *device) begun(c *corpus.Corpus) error {
	var b struct {
		Session struct {
			User      struct{ ID string }
			Workspace struct{ ID string }
		}
	}
	if err := d.call("GET", "/api/auth/session", nil, &b); err != nil {
		return err
	}
	d.user, d.workspace = b.Session.User.ID, b.Session.Workspace.ID
	if d.user == "" || d.workspace == "" {
		return fmt.Errorf("not signed in: %s", d.answer)
	}
	d.ops = c.Source(d.user)
	return nil
}

// at returns a device with the same session that talks to another server, over a connection of its own.
func (d *device) at(s *server) *device {
	c := newClient(s.addr)
	c.cookies = slices.Clone(d.cookies)
	return &device{client: c, user: d.user, workspace: d.workspace, ops: d.ops}
}

// push sends a prepared body of n ops and demands that all succeed.
func (d *device) push(body []byte, n int) error {
	answer, err := d.do("POST", "/api/sync/push", body)
	if err != nil {
		return err
	}
	if got := bytes.Count(answer, []byte(`"success":true`)); got != n {
		return fmt.Errorf("%d of %d ops succeeded: %.500s", got, n, answer)
	}
	d.version, err = lastNumber(answer, `"serverVersion":`)
	return err
}

// pullBody returns the body of a pull as clients send it: with all seven tables.
func pullBody(workspace string, cursor int64, limit int) []byte {
	return fmt.Appendf(nil, `{"scope":{"workspaceId":"%s"},"cursor":%d,"limit":%d,"tables":["threads","messages","projects","posts","kv","file_meta","notifications"]}`,
		workspace, cursor, limit)
}

// page is what a pull's answer tells without being decoded.
type page struct {
	rows   int
	cursor int64
	more   bool
}

// pull pulls one page and counts its rows.
func (d *device) pull(body []byte) (p page, err error) {
	answer, err := d.do("POST", "/api/sync/pull", body)
	if err != nil {
		return p, err
	}
	p.rows = bytes.Count(answer, []byte(`{"serverVersion":`))
	p.cursor, err = lastNumber(answer, `"nextCursor":`)
	p.more = bytes.Contains(answer[max(0, len(answer)-200):], []byte(`"hasMore":true`))
	return p, err
}

// head returns the newest version of the device's workspace.
func (d *device) head() (int64, error) {
	for cursor := d.version; ; {
		p, err := d.pull(pullBody(d.workspace, cursor, 1000))
		if err != nil || !p.more {
			return p.cursor, err
		}
		cursor = p.cursor
	}
}

// lastNumber returns the integer behind the last place of a name in an answer.
func lastNumber(answer []byte, name string) (int64, error) {
	i := bytes.LastIndex(answer, []byte(name))
	if i < 0 {
		return 0, fmt.Errorf("no %s in %.300s", name, answer)
	}
	rest := answer[i+len(name):]
	end := bytes.IndexFunc(rest, func(r rune) bool { return r < '0' || r > '9' })
	return strconv.ParseInt(string(rest[:max(end, 0)]), 10, 64)
}
