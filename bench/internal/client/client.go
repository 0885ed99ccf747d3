// Package client is a lean client of OR3 Cloud and of the servers that it is compared with.
package client

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"

	"or3.chat/cloud/bench/internal/measure"
)

// Client is one connection with the cookies of one device. It is a lean HTTP client, because server and clients share
// the machine and what clients use up would look like the server's cost.
type Client struct {
	Header  string // further header lines, each with its line end
	Cookies []*http.Cookie

	addr   string
	from   net.IP
	conn   net.Conn
	in     *bufio.Reader
	head   []byte
	answer []byte
}

// clients counts the clients of the run.
var clients atomic.Uint32

// New returns a client with a loopback address of its own: servers limit sign-ins by address.
func New(addr string) *Client {
	n := clients.Add(1)
	return &Client{addr: addr, Header: "Origin: http://" + addr + "\r\n", from: net.IPv4(127, 1+byte(n>>16), byte(n>>8), byte(n))}
}

// Close closes the connection. The next request opens another one.
func (c *Client) Close() {
	if c.conn != nil {
		c.conn.Close()
		c.conn = nil
	}
}

// Fresh returns a client with the same session and a connection of its own from the same address.
func (c *Client) Fresh() *Client {
	f := *c
	f.conn, f.in, f.head, f.answer = nil, nil, nil, nil
	return &f
}

// Begin sends a request and reads the head of the answer.
func (c *Client) Begin(method, path string, body []byte) (*http.Response, error) {
	return c.Send(method, path, body, nil)
}

// Send is Begin with a body that goes on after its first part; then the header says how long it is.
func (c *Client) Send(method, path string, body []byte, rest io.Reader) (*http.Response, error) {
	err := c.write(method, path, body, rest == nil)
	if err == nil && rest != nil {
		_, err = io.CopyBuffer(struct{ io.Writer }{c.conn}, rest, make([]byte, 1<<20))
	}
	var res *http.Response
	if err == nil {
		res, err = http.ReadResponse(c.in, nil)
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	for _, k := range res.Cookies() {
		c.keep(k)
	}
	return res, nil
}

// small is the size up to which a body is sent with its head from one buffer.
const small = 4 << 10

// write sends a request, over a new connection if there is none.
func (c *Client) write(method, path string, body []byte, whole bool) error {
	if c.conn == nil {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: c.from}}
		conn, err := dialer.Dial("tcp", c.addr)
		if err != nil {
			return err
		}
		c.conn, c.in = conn, bufio.NewReaderSize(counted{conn}, 64<<10)
	}
	h := c.head[:0]
	for _, part := range [...]string{method, " ", path, " HTTP/1.1\r\nHost: ", c.addr, "\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n", c.Header} {
		h = append(h, part...)
	}
	for i, k := range c.Cookies {
		before := "; "
		if i == 0 {
			before = "Cookie: "
		}
		h = append(append(append(append(h, before...), k.Name...), '='), k.Value...)
	}
	if len(c.Cookies) > 0 {
		h = append(h, "\r\n"...)
	}
	if body != nil && whole {
		h = append(h, "Content-Type: application/json\r\nContent-Length: "...)
		h = append(strconv.AppendInt(h, int64(len(body)), 10), "\r\n"...)
	}
	h = append(h, "\r\n"...)
	c.head = h
	if len(body) <= small {
		c.head = append(h, body...)
		_, err := c.conn.Write(c.head)
		return err
	}
	buffers := net.Buffers{h, body}
	_, err := buffers.WriteTo(c.conn)
	return err
}

// keep keeps a cookie, or forgets it.
func (c *Client) keep(k *http.Cookie) {
	c.Cookies = slices.DeleteFunc(c.Cookies, func(o *http.Cookie) bool { return o.Name == k.Name })
	if k.MaxAge >= 0 {
		c.Cookies = append(c.Cookies, k)
	}
}

// Do sends a request and returns the answer's body, which is valid until the next call. Anything but 200 is an error.
func (c *Client) Do(method, path string, body []byte) ([]byte, error) {
	err := c.write(method, path, body, true)
	status := 0
	if err == nil {
		status, err = c.read()
	}
	if err != nil {
		c.Close()
		return nil, err
	}
	if status != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %d %.300s", method, path, status, c.answer)
	}
	return c.answer, nil
}

// read reads an answer and looks at what Do needs of its head. http.ReadResponse, which makes a map of it, would cost
// as much as the server's whole work on a poll.
func (c *Client) read() (status int, err error) {
	line, err := c.in.ReadSlice('\n')
	if err != nil {
		return 0, err
	}
	if len(line) < len("HTTP/1.1 200") || !bytes.HasPrefix(line, []byte("HTTP/1.1 ")) {
		return 0, fmt.Errorf("no answer of HTTP/1.1: %.100q", line)
	}
	if status, err = strconv.Atoi(string(line[9:12])); err != nil {
		return 0, err
	}
	length, chunked, last := int64(-1), false, false
	for {
		if line, err = c.in.ReadSlice('\n'); err != nil {
			return 0, err
		}
		if line = bytes.TrimRight(line, "\r\n"); len(line) == 0 {
			break
		}
		name, value, _ := bytes.Cut(line, []byte{':'})
		value = bytes.TrimSpace(value)
		switch {
		case is(name, "Content-Length"):
			if length, err = strconv.ParseInt(string(value), 10, 64); err != nil {
				return 0, err
			}
		case is(name, "Transfer-Encoding"):
			chunked = is(value, "chunked")
		case is(name, "Connection"):
			last = is(value, "close")
		case is(name, "Set-Cookie"):
			k, err := http.ParseSetCookie(string(value))
			if err != nil {
				return 0, err
			}
			c.keep(k)
		}
	}
	switch {
	case chunked:
		if c.answer, err = io.ReadAll(httputil.NewChunkedReader(c.in)); err == nil {
			_, err = c.in.ReadSlice('\n') // the end of the trailer, which is empty
		}
	case length >= 0:
		c.answer = slices.Grow(c.answer[:0], int(length))[:length]
		_, err = io.ReadFull(c.in, c.answer)
	default:
		c.answer, err = io.ReadAll(c.in)
		last = true
	}
	if last {
		c.Close()
	}
	return status, err
}

// is reports whether a name or a value of a head is a word, in whatever case.
func is(b []byte, word string) bool {
	return len(b) == len(word) && strings.EqualFold(string(b), word)
}

// Call is Do with JSON on both sides.
func (c *Client) Call(method, path string, in, out any) error {
	var body []byte
	if in != nil {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	answer, err := c.Do(method, path, body)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// Object is a JSON object.
type Object = map[string]any

// counted counts what is read.
type counted struct{ io.Reader }

// Read reads.
func (r counted) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	measure.Received.Add(int64(n))
	return n, err
}
