// Package models is a model server for the benchmark, and clients that ask it, directly or through others.
package models

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"time"
)

// Token is what the server streams for one token, as OpenRouter writes it.
const Token = `data: {"id":"gen-1764367200-AbCdEfGhIjKlMnOpQrSt","provider":"Example","model":"example/model","object":"chat.completion.chunk","created":1764367200,` +
	`"choices":[{"index":0,"delta":{"role":"assistant","content":" word"},"finish_reason":null,"native_finish_reason":null,"logprobs":null}]}` + "\n\n"

const doneEvent = "data: [DONE]\n\n"

// Start serves in this process, until stop is called. A chat says how many tokens it wants, and with which pause.
func Start() (addr string, stop func(), err error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", nil, err
	}
	s := &http.Server{Handler: http.HandlerFunc(answer)}
	go s.Serve(ln)
	return ln.Addr().String(), func() { s.Close() }, nil
}

func answer(w http.ResponseWriter, r *http.Request) {
	var want struct {
		Tokens int
		Pause  time.Duration
	}
	if err := json.NewDecoder(r.Body).Decode(&want); err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	w.Header().Set("Content-Type", "text/event-stream")
	control := http.NewResponseController(w)
	for i := range want.Tokens {
		if i > 0 {
			time.Sleep(want.Pause)
		}
		if _, err := io.WriteString(w, Token); err != nil || control.Flush() != nil {
			return
		}
	}
	_, _ = io.WriteString(w, doneEvent)
}

// Chat is the body of a request for an answer.
func Chat(tokens int, pause time.Duration) []byte {
	return fmt.Appendf(nil, `{"model":"example/model","stream":true,"messages":[{"role":"user","content":%q}],"_threadId":"t","tokens":%d,"pause":%d}`,
		strings.Repeat("word ", 400), tokens, pause)
}

// Asker asks for answers over one connection.
type Asker struct {
	Addr, Path string
	// Header are further lines of the header, each with its end.
	Header string

	conn net.Conn
	in   *bufio.Reader
}

// Ask reads an answer and returns how long its first byte took.
func (a *Asker) Ask(body []byte) (time.Duration, error) {
	start := time.Now()
	res, err := a.send("POST", body)
	if err != nil {
		return 0, err
	}
	first := make([]byte, 1)
	if _, err := io.ReadFull(res.Body, first); err != nil {
		return 0, fmt.Errorf("%s: %d: %w", a.Path, res.StatusCode, err)
	}
	took := time.Since(start)
	n, err := io.Copy(io.Discard, res.Body)
	if err == nil && (res.StatusCode != http.StatusOK || (n+1)%int64(len(Token)) != int64(len(doneEvent))) {
		err = fmt.Errorf("%s: %d with %d bytes", a.Path, res.StatusCode, n+1)
	}
	return took, err
}

// send sends a request and reads the header of its answer.
func (a *Asker) send(method string, body []byte) (*http.Response, error) {
	if a.conn == nil {
		conn, err := net.Dial("tcp", a.Addr)
		if err != nil {
			return nil, err
		}
		a.conn, a.in = conn, bufio.NewReader(conn)
	}
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: %s\r\n%sContent-Type: application/json\r\nContent-Length: %d\r\n\r\n%s", method, a.Path, a.Addr, a.Header, len(body), body)
	if _, err := a.conn.Write(b.Bytes()); err != nil {
		return nil, err
	}
	return http.ReadResponse(a.in, nil)
}

// Close closes the connection.
func (a *Asker) Close() {
	if a.conn != nil {
		_ = a.conn.Close()
	}
}

// Together lets n askers each read an answer, all at once.
func Together(n int, open func(int) *Asker, body []byte) error {
	return AtOnce(n, func(i int) error {
		a := open(i)
		defer a.Close()
		_, err := a.Ask(body)
		return err
	})
}

// AtOnce does something n times, all at once.
func AtOnce(n int, do func(int) error) error {
	var wg sync.WaitGroup
	errs := make([]error, n)
	for i := range n {
		wg.Go(func() { errs[i] = do(i) })
	}
	wg.Wait()
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}
