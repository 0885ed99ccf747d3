package e2e

import (
	"cmp"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// captured has the recorded traffic. Secrets in it are replaced by marks such as <token>, <password> and <host>.
const captured = "../testdata/captured"

// recording is one scenario of the captured traffic: what a real client and the TypeScript server said to each other.
type recording struct {
	Scenario string `json:"scenario"`
	// OK says whether the scenario succeeded on the TypeScript server.
	OK        bool       `json:"ok"`
	Exchanges []exchange `json:"exchanges"`
}

// exchange is one recorded request with its answer, or a marker in between.
type exchange struct {
	// Step, if set, makes the exchange a marker that says what happened next.
	Step string `json:"step"`
	// T is when the request was sent and MS how long the answer took, in milliseconds.
	T       float64 `json:"t"`
	MS      float64 `json:"ms"`
	Device  string  `json:"device"`
	Request struct {
		Method  string          `json:"method"`
		Path    string          `json:"path"`
		Headers recordedHeader  `json:"headers"`
		Body    json.RawMessage `json:"body"`
	} `json:"request"`
	Response struct {
		Status  int             `json:"status"`
		Headers recordedHeader  `json:"headers"`
		Body    json.RawMessage `json:"body"`
	} `json:"response"`
	// index is the position in the file, for messages.
	index int
}

// route is the path without its query.
func (e *exchange) route() string {
	path, _, _ := strings.Cut(e.Request.Path, "?")
	return path
}

func (e *exchange) String() string {
	return fmt.Sprintf("exchange %d: %s %s %.80s", e.index, e.Device, e.Request.Method, e.Request.Path)
}

// recordedHeader holds recorded headers: texts, except for cookies.
type recordedHeader struct {
	text map[string]string
	// CookieNames are the cookies that the browser sent.
	cookieNames []string
	// setCookie are the cookies that the server set.
	setCookie []recordedCookie
}

// recordedCookie is a set-cookie header without the secret.
type recordedCookie struct {
	Name       string   `json:"name"`
	Value      string   `json:"value"`
	Attributes []string `json:"attributes"`
}

// UnmarshalJSON sorts the headers by kind.
func (h *recordedHeader) UnmarshalJSON(data []byte) error {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(data, &all); err != nil {
		return err
	}
	h.text = map[string]string{}
	for name, value := range all {
		var err error
		switch name {
		case "cookie-names":
			err = json.Unmarshal(value, &h.cookieNames)
		case "set-cookie":
			err = json.Unmarshal(value, &h.setCookie)
		default:
			var s string
			err = json.Unmarshal(value, &s)
			h.text[name] = s
		}
		if err != nil {
			return fmt.Errorf("header %s: %w", name, err)
		}
	}
	return nil
}

// sent reports whether the browser sent a cookie.
func (h *recordedHeader) sent(cookie string) bool { return slices.Contains(h.cookieNames, cookie) }

// binaryBody is how bytes are recorded.
type binaryBody struct {
	Binary bool   `json:"$binary"`
	Bytes  int    `json:"bytes"`
	SHA256 string `json:"sha256"`
}

// recordings returns the names of all scenarios.
func recordings(t testing.TB) []string {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(captured, "*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no recordings in %s: %v", captured, err)
	}
	names := make([]string, len(files))
	for i, f := range files {
		names[i] = strings.TrimSuffix(filepath.Base(f), ".json")
	}
	return names
}

// readRecording reads a scenario and puts its exchanges in the order in which the answers arrived. That is the order
// in which a server that takes one request at a time gives the recorded answers; the order of sending is not, where
// requests overlapped.
func readRecording(t testing.TB, name string) *recording {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(captured, name+".json"))
	if err != nil {
		t.Fatal(err)
	}
	var r recording
	if err := json.Unmarshal(data, &r); err != nil {
		t.Fatal(err)
	}
	next := 0.0
	for i := len(r.Exchanges) - 1; i >= 0; i-- {
		e := &r.Exchanges[i]
		e.index = i
		if e.Step != "" {
			e.T = next // a marker belongs right before the request that follows it
		}
		next = e.T
	}
	slices.SortStableFunc(r.Exchanges, func(a, b exchange) int { return cmp.Compare(a.T+a.MS, b.T+b.MS) })
	return &r
}
