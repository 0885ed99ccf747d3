// Package leaktest helps tests to show that a log contains no secret. It collects the secrets in a test's requests and
// answers, and looks for each of them in the output of the program. It is for tests only.
package leaktest

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// shortest is the length below which a value is too common to look for. A code of six digits, for example, may occur in
// the time of any log line.
const shortest = 8

// members are the names of JSON members whose values must never be logged.
var members = []string{
	"password", "confirmPassword", "currentPassword", "newPassword", "confirmNewPassword", "email",
	"token", "inviteToken", "challenge", "recoveryCode", "recoveryCodes", "secret", "uri",
}

// Watch collects secrets. The zero value is ready, and it is safe for concurrent use.
type Watch struct {
	mu      sync.Mutex
	secrets map[string]string // value → where it was seen
}

// Note adds a secret, with the place where it was seen.
func (w *Watch) Note(place, secret string) {
	if len(secret) < shortest {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.secrets == nil {
		w.secrets = map[string]string{}
	}
	w.secrets[secret] = place
}

// Exchange adds the secrets of a request and its answer: cookies, tokens in URLs, and members of JSON bodies.
func (w *Watch) Exchange(r *http.Request, body []byte, answer http.Header, answerBody []byte) {
	for _, c := range r.Cookies() {
		w.Note("cookie "+c.Name, c.Value)
	}
	for _, c := range (&http.Response{Header: answer}).Cookies() {
		w.Note("cookie "+c.Name, c.Value)
	}
	w.address(r.URL.String())
	w.body(body)
	w.body(answerBody)
}

func (w *Watch) body(raw []byte) {
	var v any
	if json.Unmarshal(raw, &v) == nil {
		w.value("", v)
	}
}

func (w *Watch) value(name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for name, member := range v {
			w.value(name, member)
		}
	case []any:
		for _, element := range v {
			w.value(name, element)
		}
	case string:
		switch {
		case slices.Contains(members, name):
			w.Note("member "+name, v)
		case name == "url":
			w.address(v)
		}
	}
}

// address adds the tokens in a URL's query.
func (w *Watch) address(text string) {
	u, err := url.Parse(text)
	if err != nil {
		return
	}
	for _, name := range []string{"token", "invite"} {
		w.Note("query parameter "+name, u.Query().Get(name))
	}
}

// Transport returns a RoundTripper that adds the secrets of whatever passes through next. It reads only bodies that are
// declared as JSON.
func (w *Watch) Transport(next http.RoundTripper) http.RoundTripper { return transport{w, next} }

type transport struct {
	watch *Watch
	next  http.RoundTripper
}

// RoundTrip implements http.RoundTripper.
func (t transport) RoundTrip(r *http.Request) (*http.Response, error) {
	var sent []byte
	if r.Body != nil && isJSON(r.Header) {
		raw, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body.Close()
		sent = raw
		r = r.Clone(r.Context())
		r.Body = io.NopCloser(bytes.NewReader(raw))
	}
	res, err := t.next.RoundTrip(r)
	if err != nil {
		t.watch.Exchange(r, sent, nil, nil)
		return nil, err
	}
	var got []byte
	// A large answer contains rows and no credentials.
	if isJSON(res.Header) && res.ContentLength >= 0 && res.ContentLength < 64<<10 {
		if got, err = io.ReadAll(res.Body); err != nil {
			return nil, err
		}
		res.Body.Close()
		res.Body = io.NopCloser(bytes.NewReader(got))
	}
	t.watch.Exchange(r, sent, res.Header, got)
	return res, nil
}

func isJSON(h http.Header) bool { return strings.HasPrefix(h.Get("Content-Type"), "application/json") }

// Count returns the number of secrets collected.
func (w *Watch) Count() int {
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.secrets)
}

// Check fails the test for each secret that appears in the log, literally or in a form in which logs write it.
func (w *Watch) Check(t testing.TB, log string) {
	t.Helper()
	w.mu.Lock()
	defer w.mu.Unlock()
	for secret, place := range w.secrets {
		for _, form := range forms(secret) {
			if i := strings.Index(log, form); i >= 0 {
				line := log[strings.LastIndexByte(log[:i], '\n')+1:]
				line, _, _ = strings.Cut(line, "\n")
				t.Errorf("the log holds the value of a %s: %s", place, line)
				break
			}
		}
	}
}

// forms returns the ways in which a text is written in a log: literally, escaped for a URL, and quoted.
func forms(s string) []string {
	out := []string{s}
	quoted, _ := json.Marshal(s)
	for _, form := range []string{url.QueryEscape(s), url.PathEscape(s), strings.Trim(string(quoted), `"`)} {
		if !slices.Contains(out, form) {
			out = append(out, form)
		}
	}
	return out
}
