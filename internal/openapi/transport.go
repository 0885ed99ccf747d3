package openapi

import (
	"bytes"
	"cmp"
	"io"
	"mime"
	"net/http"
	"strings"
	"testing"
)

// Transport returns a round tripper that fails a test for each request or answer that is not as the description says,
// and for each route below /api that it lacks. Only bodies in JSON are read before the test gets them.
func Transport(tb testing.TB, next http.RoundTripper) http.RoundTripper {
	tb.Helper()
	doc, err := Read()
	if err != nil {
		tb.Fatal(err)
	}
	return &transport{tb, doc, next}
}

type transport struct {
	tb   testing.TB
	doc  *Document
	next http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t *transport) RoundTrip(req *http.Request) (*http.Response, error) {
	res, err := t.next.RoundTrip(req)
	if err != nil {
		return res, err
	}
	op := t.doc.Find(req.Method, req.URL.Path)
	if op == nil && req.Method == http.MethodHead {
		op = t.doc.Find(http.MethodGet, req.URL.Path)
	}
	if op == nil {
		if strings.HasPrefix(req.URL.Path, "/api/") && res.StatusCode != http.StatusNotFound && req.Method != http.MethodOptions {
			t.tb.Errorf("%s %s is answered with %d and not in %s", req.Method, req.URL.Path, res.StatusCode, File)
		}
		return res, nil
	}
	text, err := read(res)
	if err != nil {
		return res, nil // the reader of the body gets the same error
	}
	t.check(op, req, res, text)
	return res, nil
}

// read reads a body in JSON, and leaves it for others to read.
func read(res *http.Response) (text []byte, err error) {
	if kind, _, _ := mime.ParseMediaType(res.Header.Get("Content-Type")); kind != "application/json" || res.Request.Method == http.MethodHead {
		return nil, nil
	}
	if text, err = io.ReadAll(res.Body); err != nil {
		res.Body = body{io.MultiReader(bytes.NewReader(text), failing{err}), res.Body}
		return nil, err
	}
	res.Body = body{bytes.NewReader(text), res.Body}
	return text, nil
}

// check compares a request and its answer with their operation. text is the body of an answer in JSON.
func (t *transport) check(op *Operation, req *http.Request, res *http.Response, text []byte) {
	kind := res.Header.Get("Content-Type")
	_, _, err := op.answer(res.StatusCode)
	if err == nil && kind != "" && req.Method != http.MethodHead {
		err = op.CheckAnswer(res.StatusCode, kind, text, false)
	}
	if err != nil {
		t.tb.Errorf("the answer %d to %s is not as %s says: %v\n%.1000s", res.StatusCode, op.Name, File, err, text)
	}
	// A push is answered well, whatever becomes of its writes.
	if res.StatusCode >= 300 || bytes.Contains(text, []byte(`"success":false`)) || req.GetBody == nil {
		return
	}
	sent, err := req.GetBody()
	if err != nil {
		return
	}
	if text, err = io.ReadAll(sent); err == nil {
		// Routes for JSON accept requests that do not name the type.
		err = op.CheckRequest(cmp.Or(req.Header.Get("Content-Type"), "application/json"), text, false)
	}
	if err != nil {
		t.tb.Errorf("the request of %s that was answered %d is not as %s says: %v\n%.1000s", op.Name, res.StatusCode, File, err, text)
	}
}

// body is what was read of an answer, which is closed as before.
type body struct {
	io.Reader
	io.Closer
}

type failing struct{ err error }

func (f failing) Read([]byte) (int, error) { return 0, f.err }
