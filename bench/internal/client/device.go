package client

import (
	"bytes"
	"fmt"
	"slices"
	"strconv"

	"or3.chat/cloud/bench/internal/corpus"
)

// Device is a signed-in client of OR3 Cloud.
type Device struct {
	*Client
	User, Workspace string
	Ops             *corpus.Source
	// Version is the workspace's counter as the last push told it.
	Version int64
}

// Password is that of every account.
const Password = "Correct-Horse-7-battery"

// SignUp registers an account and returns its first device.
func SignUp(addr string, c *corpus.Corpus, email string) (*Device, error) {
	d := &Device{Client: New(addr)}
	err := d.Call("POST", "/api/basic-auth/register", Object{"email": email, "password": Password, "confirmPassword": Password}, nil)
	if err != nil {
		return nil, err
	}
	return d, d.begun(c)
}

// SignIn returns a further device of an account.
func SignIn(addr string, c *corpus.Corpus, email string) (*Device, error) {
	d := &Device{Client: New(addr)}
	if err := d.Call("POST", "/api/basic-auth/sign-in", Object{"email": email, "password": Password}, nil); err != nil {
		return nil, err
	}
	return d, d.begun(c)
}

func (d *Device) begun(c *corpus.Corpus) error {
	var b struct {
		Session struct {
			User      struct{ ID string }
			Workspace struct{ ID string }
		}
	}
	if err := d.Call("GET", "/api/auth/session", nil, &b); err != nil {
		return err
	}
	d.User, d.Workspace = b.Session.User.ID, b.Session.Workspace.ID
	if d.User == "" || d.Workspace == "" {
		return fmt.Errorf("not signed in: %s", d.answer)
	}
	d.Ops = c.Source(d.User)
	return nil
}

// At returns a device with the same session that talks to another server, over a connection of its own.
func (d *Device) At(addr string) *Device {
	c := New(addr)
	c.Cookies = slices.Clone(d.Cookies)
	return &Device{Client: c, User: d.User, Workspace: d.Workspace, Ops: d.Ops}
}

// Push sends a prepared body of n ops and demands that all succeed.
func (d *Device) Push(body []byte, n int) error {
	answer, err := d.Do("POST", "/api/sync/push", body)
	if err != nil {
		return err
	}
	if got := bytes.Count(answer, []byte(`"success":true`)); got != n {
		return fmt.Errorf("%d of %d ops succeeded: %.500s", got, n, answer)
	}
	d.Version, err = lastNumber(answer, `"serverVersion":`)
	return err
}

// PullBody returns the body of a pull as clients send it: with all seven tables.
func PullBody(workspace string, cursor int64, limit int) []byte {
	return fmt.Appendf(nil, `{"scope":{"workspaceId":"%s"},"cursor":%d,"limit":%d,"tables":["threads","messages","projects","posts","kv","file_meta","notifications"]}`,
		workspace, cursor, limit)
}

// Page is what a pull's answer tells without being decoded.
type Page struct {
	Rows   int
	Cursor int64
	More   bool
}

// Pull pulls one page and counts its rows.
func (d *Device) Pull(body []byte) (p Page, err error) {
	answer, err := d.Do("POST", "/api/sync/pull", body)
	if err != nil {
		return p, err
	}
	p.Rows = bytes.Count(answer, []byte(`{"serverVersion":`))
	p.Cursor, err = lastNumber(answer, `"nextCursor":`)
	p.More = bytes.Contains(answer[max(0, len(answer)-200):], []byte(`"hasMore":true`))
	return p, err
}

// Head returns the newest version of the device's workspace.
func (d *Device) Head() (int64, error) {
	for cursor := d.Version; ; {
		p, err := d.Pull(PullBody(d.Workspace, cursor, 1000))
		if err != nil || !p.More {
			return p.Cursor, err
		}
		cursor = p.Cursor
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
