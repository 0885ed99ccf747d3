package streamapi

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/completions"
)

// exchange is one chat between its client and an upstream.
type exchange struct {
	w    http.ResponseWriter
	r    *http.Request
	to   completions.Upstream
	key  string
	lent bool // the key is the operator's
	// streamed says that the client wants events.
	streamed bool
	budget   budget
	// complete says that the client has received all of an answer.
	complete bool
}

// warn tells the operator of something, in the log line of the request.
func (x *exchange) warn(format string, args ...any) {
	httpapi.RecordOf(x.r).Warning = fmt.Sprintf("the model server %s: ", x.to) + fmt.Sprintf(format, args...)
}

// failed answers a chat when its upstream has not begun to answer.
func (x *exchange) failed(err error) error {
	if err := x.ended(err); err != nil {
		return err
	}
	x.warn("%v", err)
	if errors.Is(err, completions.ErrLate) {
		return refuse(x.w, http.StatusGatewayTimeout, "OpenRouter has not answered in time", 0)
	}
	return refuse(x.w, http.StatusBadGateway, "Failed to reach OpenRouter", 0)
}

// ended returns the refusal if an answer has ended through no fault of its upstream: the permission for it has ended,
// no one waits for it any more, or the server is stopping.
func (x *exchange) ended(err error) error {
	switch code := or3cloud.CodeOf(err); {
	case code == or3cloud.CodeUnauthenticated, code == or3cloud.CodeForbidden:
		return err
	case x.r.Context().Err() != nil:
		return errEnded
	}
	return nil
}

// errEnded ends an answer without a text: it has begun, or there is no one to read it.
var errEnded = or3cloud.Unavailable(nil, "Service Unavailable", time.Second)

// The statuses with which an upstream refuses the key and not the chat: it is not valid, has no credit, or is used too
// much.
var keyRefusals = []int{http.StatusUnauthorized, http.StatusPaymentRequired, http.StatusForbidden, http.StatusTooManyRequests}

// handOn passes on an upstream's answer.
func (x *exchange) handOn(answer *completions.Answer) error {
	kind, plain := answer.Kind()
	h := x.w.Header()
	switch status := answer.Status; {
	case status/100 == 2 && plain && kind == "text/event-stream", status == http.StatusOK && plain && kind == "":
		httpapi.EventHeader(x.w)
		h.Set("Connection", "keep-alive")
		x.budget.tell(x.w)
		return x.relay(answer, answer.Whole)
	case status == http.StatusOK && plain && !x.streamed && kind == "application/json":
		h.Set("Content-Type", kind)
		x.budget.tell(x.w)
		return x.relay(answer, func() bool { return true })
	case status >= 400 && status <= 599:
		text := answer.Text(x.key)
		if after := answer.Header.Get("Retry-After"); after != "" && len(after) <= len(http.TimeFormat) {
			h.Set("Retry-After", after)
		}
		if status >= 500 || x.lent && slices.Contains(keyRefusals, status) {
			x.warn("it answered with status %d", status)
		}
		return refuse(x.w, status, text, 0)
	default: // a redirect, which no key may follow, a page, a compressed answer
		return x.failed(fmt.Errorf("it answered with status %d and no event stream", status))
	}
}

// relay passes an answer on as it arrives. One that does not end properly is cut off, so that no client takes it for
// the whole.
func (x *exchange) relay(answer *completions.Answer, whole func() bool) error {
	control := http.NewResponseController(x.w)
	x.w.WriteHeader(http.StatusOK)
	buffer := make([]byte, piece)
	var hidden veil
	if x.lent {
		hidden.key = []byte(x.key)
	}
	// The first piece is the header, the last one the end of the answer: an empty write gives the client time for them.
	for n, err := 0, error(nil); ; n, err = answer.Read(buffer) {
		_, failed := x.w.Write(hidden.pass(buffer[:n], err != nil))
		if failed == nil {
			failed = control.Flush()
		}
		if failed != nil {
			return x.unread(failed)
		}
		if err == io.EOF && !whole() {
			err = completions.ErrCut
		}
		switch {
		case err == io.EOF:
			x.complete = true
			return nil
		case err != nil:
			if err := x.ended(err); err != nil {
				return err
			}
			x.warn("%v", err)
			return errEnded
		}
	}
}

// unread ends an answer that its client does not read.
func (x *exchange) unread(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		httpapi.RecordOf(x.r).Warning = "the client has stopped reading"
	}
	return errEnded
}

// veil keeps the operator's key out of an answer: a faulty model server may repeat what it was sent. Everything else is
// passed on unchanged.
type veil struct{ key, held []byte }

// pass returns the part of the next piece, and of what was held back before, that is passed on. It holds back what a
// key may begin with at the end of a piece, and nothing of the last one; events end differently.
func (v *veil) pass(p []byte, last bool) []byte {
	if len(v.key) == 0 {
		return p
	}
	if len(v.held) > 0 {
		p = append(v.held, p...)
		v.held = nil
	}
	if bytes.Contains(p, v.key) {
		p = bytes.ReplaceAll(p, v.key, []byte("[key]"))
	}
	n := min(len(v.key)-1, len(p))
	if last || n == 0 || bytes.IndexByte(v.key, p[len(p)-1]) < 0 {
		return p
	}
	for ; n > 0; n-- {
		if goes, ok := bytes.CutSuffix(p, v.key[:n]); ok {
			v.held = bytes.Clone(v.key[:n])
			return goes
		}
	}
	return p
}
