package syncapi

import (
	"context"
	"errors"
	"net/http"
	"sync"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/syncwire"
)

// chunkSize is what an answer grows by, in bytes.
const chunkSize = 64 << 10

// chunks keeps the pieces of earlier answers.
var chunks = sync.Pool{New: func() any { return new([chunkSize]byte) }}

// answer is a JSON text in pieces. A page can be megabytes: as one buffer it would be copied each time it grows, and
// then either be kept at its largest size or be allocated again for the next page. It is complete before its first byte
// is sent, so that a slow client holds no read transaction and an error can still be answered as one.
//
// Its memory is counted as memory of the request.
type answer struct {
	tab  *membudget.Tab
	held int64 // bytes that were taken from tab
	paid int64 // of these, what is not used yet
	text []byte
	full [][]byte
	mine []*[chunkSize]byte // the pieces to give back
}

// errNoMemory says that there is no memory right now for an answer to grow.
var errNoMemory = errors.New("no memory for the answer")

// newAnswer returns an answer that begins with a text. It waits until there is memory for its first piece.
func newAnswer(ctx context.Context, tab *membudget.Tab, begin string) (answer, error) {
	return prepaidAnswer(ctx, tab, begin, chunkSize)
}

// prepaidAnswer returns an answer that begins with a text and can grow to size bytes. It waits until there is memory
// for that.
func prepaidAnswer(ctx context.Context, tab *membudget.Tab, begin string, size int64) (answer, error) {
	if err := waitFor(ctx, tab, size); err != nil {
		return answer{}, err
	}
	a := answer{tab: tab, held: size, paid: size - chunkSize}
	a.grow(chunkSize)
	a.text = append(a.text, begin...)
	return a, nil
}

// waitFor takes n bytes on a tab.
func waitFor(ctx context.Context, tab *membudget.Tab, n int64) error {
	err := tab.Grow(ctx, n)
	if err != nil && or3cloud.CodeOf(err) == or3cloud.CodeInternal {
		return or3cloud.Unavailable(err, "Service Unavailable", time.Second)
	}
	return err
}

// largestPage is what a page may take: its rows, the last of which may exceed the limit, and the growth of their ids
// when they are quoted.
const largestPage = 4 * or3cloud.AnswerBytes

// page fills the answer with a page. read delivers the rows and holds a transaction while it does, so it is not made to
// wait: if there is no memory for them, it is called again once there is enough for any page.
func (a *answer) page(r *http.Request, begin string, read func() error) (err error) {
	ctx, tab := r.Context(), &httpapi.RecordOf(r).Memory
	if *a, err = newAnswer(ctx, tab, begin); err != nil {
		return err
	}
	if err = read(); !errors.Is(err, errNoMemory) {
		return err
	}
	held := a.held
	a.free()
	tab.Shrink(held)
	if *a, err = prepaidAnswer(ctx, tab, begin, largestPage); err != nil {
		return err
	}
	if err = read(); errors.Is(err, errNoMemory) {
		return or3cloud.Unavailable(err, "Service Unavailable", time.Second)
	}
	tab.Shrink(a.paid)
	a.paid = 0
	return err
}

// room makes sure that about n more bytes fit without a copy. It does not wait, because a transaction may be open.
func (a *answer) room(n int) error {
	if cap(a.text)-len(a.text) >= n {
		return nil
	}
	need := int64(max(n, chunkSize))
	if a.paid < need {
		if !a.tab.TryGrow(need) {
			return errNoMemory
		}
		a.held, a.paid = a.held+need, a.paid+need
	}
	a.paid -= need
	a.grow(n)
	return nil
}

// append copies a text into the answer, over as many pieces as it needs.
func (a *answer) append(text []byte) error {
	for {
		n := min(len(text), cap(a.text)-len(a.text))
		a.text = append(a.text, text[:n]...)
		if text = text[n:]; len(text) == 0 {
			return nil
		}
		if err := a.room(1); err != nil {
			return err
		}
	}
}

// grow begins another piece.
func (a *answer) grow(n int) {
	if len(a.text) > 0 {
		a.full = append(a.full, a.text)
	}
	if n > chunkSize {
		a.text = make([]byte, 0, n)
		return
	}
	piece := chunks.Get().(*[chunkSize]byte)
	a.mine = append(a.mine, piece)
	a.text = piece[:0]
}

// share adds a text that others hold as well. A large one is not copied.
func (a *answer) share(text []byte) {
	if len(text) <= cap(a.text)-len(a.text) && len(text) < syncwire.ItemRoom {
		a.text = append(a.text, text...)
		return
	}
	a.full = append(a.full, a.text, text)
	a.text = a.text[len(a.text):]
}

// send answers 200 with the text.
func (a *answer) send(w http.ResponseWriter) { httpapi.WriteRaw(w, append(a.full, a.text)...) }

// free returns the pieces; one that a large row has made is left to the garbage collector. The answer must not be used
// after it.
func (a *answer) free() {
	for _, piece := range a.mine {
		chunks.Put(piece)
	}
	*a = answer{tab: a.tab}
}
