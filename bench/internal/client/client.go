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
	"slices"
	"strconv"
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
	f.conn, f.in, f.answer = nil, nil, nil
	return &f
}

// Begin sends a request and reads the head of the answer.
func (c *Client) Begin(method, path string, body []byte) (*http.Response, error) {
	return c.Send(method, path, body, nil)
}

// Send is Begin with a body that goes on after its first part; then the header says how long it is.
func (c *Client) Send(method, path string, body []byte, rest io.Reader) (*http.Response, error) {
	if c.conn == nil {
		dialer := net.Dialer{LocalAddr: &net.TCPAddr{IP: c.from}}
		conn, err := dialer.Dial("tcp", c.addr)
		if err != nil {
			return nil, err
		}
		c.conn, c.in = conn, bufio.NewReaderSize(counted{conn}, 64<<10)
	}
	var h bytes.Buffer
	h.WriteString(method + " " + path + " HTTP/1.1\r\nHost: " + c.addr + "\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n" + c.Header)
	if len(c.Cookies) > 0 {
		h.WriteString("Cookie: ")
		for i, k := range c.Cookies {
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
		c.Close()
		return nil, err
	}
	res, err := http.ReadResponse(c.in, nil)
	if err != nil {
		c.Close()
		return nil, err
	}
	for _, k := range res.Cookies() {
		c.Cookies = slices.DeleteFunc(c.Cookies, func(o *http.Cookie) bool { return o.Name == k.Name })
		if k.MaxAge >= 0 {
			c.Cookies = append(c.Cookies, k)
		}
	}
	return res, nil
}

// Do sends a request and returns the answer's body, which is valid until the next call. Anything but 200 is an error.
func (c *Client) Do(method, path string, body []byte) ([]byte, error) {
	res, err := c.Begin(method, path, body)
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
		c.Close()
		return nil, err
	}
	if res.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s %s: %d %.300s", method, path, res.StatusCode, c.answer)
	}
	return c.answer, nil
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
