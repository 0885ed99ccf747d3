package httpapi

import (
	"io"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	or3cloud "or3.chat/cloud"
)

// askEvery is how often the promises behind a body are checked while it is being read.
const askEvery = time.Second

// Promise is a condition that a handler relied on before it had read the whole body. It returns the refusal if the
// condition no longer holds for the current session. A nil Promise means that a user is signed in.
type Promise func(*or3cloud.SessionContext) error

// PromisedBody is the body of a request whose handler checked a session or permissions before the body's end. Such a
// promise has to hold until then. It is checked again once a second and at the end. If it is broken, the handler gets
// the refusal instead of the end of the body. So a body that outlives its permission has no effect, and the server does
// not wait for a sender that trickles. A handler that checks nothing until it has read everything pays nothing for
// this.
type PromisedBody struct {
	io.ReadCloser
	ask    func([]Promise) error
	answer http.ResponseWriter
	reads  atomic.Int64

	mu       sync.Mutex
	promises []Promise
	refusal  error
	ended    bool          // no promise matters any more
	watch    chan struct{} // closed when a watched body ends; nil until there is a promise
}

// NewPromisedBody returns the body of a request whose answer goes to w. ask checks promises. Several goroutines call
// it.
func NewPromisedBody(w http.ResponseWriter, from io.ReadCloser, ask func([]Promise) error) *PromisedBody {
	b := new(PromisedBody)
	b.Begin(w, from, ask)
	return b
}

// Begin turns a zero PromisedBody into what NewPromisedBody returns.
func (b *PromisedBody) Begin(w http.ResponseWriter, from io.ReadCloser, ask func([]Promise) error) {
	b.ReadCloser, b.ask, b.answer = from, ask, w
}

// Progress returns a number that changes whenever something was read.
func (b *PromisedBody) Progress() int64 {
	if b == nil {
		return 0
	}
	return b.reads.Load()
}

// Ended reports whether nothing is left that could depend on a promise.
func (b *PromisedBody) Ended() bool {
	if b == nil {
		return true
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.ended
}

// Hold makes the rest of the body depend on a promise.
func (b *PromisedBody) Hold(p Promise) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ended {
		return
	}
	if p != nil {
		b.promises = append(b.promises, p)
	}
	if b.watch == nil {
		b.watch = make(chan struct{})
		go b.watchOver(b.watch)
	}
}

// Read implements io.Reader.
func (b *PromisedBody) Read(p []byte) (int, error) {
	if err := b.refused(); err != nil {
		return 0, err
	}
	n, err := b.ReadCloser.Read(p)
	b.reads.Add(1)
	if refusal := b.refused(); refusal != nil {
		return 0, refusal
	}
	if err == io.EOF {
		if refusal := b.end(); refusal != nil {
			return 0, refusal
		}
	}
	return n, err
}

func (b *PromisedBody) refused() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refusal
}

// end checks the promises one last time.
func (b *PromisedBody) end() error {
	b.mu.Lock()
	promised, promises := b.watch != nil && !b.ended, slices.Clone(b.promises)
	b.mu.Unlock()
	if promised {
		if err := b.ask(promises); err != nil {
			b.mu.Lock()
			b.refusal = err
			b.mu.Unlock()
		}
	}
	b.Leave()
	return b.refused()
}

// Leave ends the watch. It must be called when the request has been answered. It does nothing for a nil PromisedBody.
func (b *PromisedBody) Leave() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended && b.watch != nil {
		close(b.watch)
	}
	b.ended = true
}

// watchOver checks the promises while the body arrives. It uses the deadline to make a pending read return. A store
// that does not answer breaks no promise; the check at the end of the body decides.
func (b *PromisedBody) watchOver(end <-chan struct{}) {
	tick := time.NewTicker(askEvery)
	defer tick.Stop()
	for {
		select {
		case <-end:
			return
		case <-tick.C:
		}
		b.mu.Lock()
		promises := slices.Clone(b.promises)
		b.mu.Unlock()
		err := b.ask(promises)
		if code := or3cloud.CodeOf(err); code != or3cloud.CodeUnauthenticated && code != or3cloud.CodeForbidden {
			continue
		}
		b.mu.Lock()
		defer b.mu.Unlock()
		if !b.ended {
			b.refusal = err
			_ = http.NewResponseController(b.answer).SetReadDeadline(time.Now())
		}
		return
	}
}
