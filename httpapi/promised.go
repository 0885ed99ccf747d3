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

// askEvery is how often the promises are looked at under which a body is being read.
const askEvery = time.Second

// Promise is something that a handler was told before it had read all of the body. It returns the refusal if it does not
// hold for the session as it is now. A nil Promise is that a user is signed in.
type Promise func(*or3cloud.SessionContext) error

// PromisedBody is the body of a request. What its handler was promised before its end, a session and permissions, has to hold until
// then: it is asked for again once a second, and when the end has come. If a promise is broken the handler gets the refusal
// in place of the end. So nothing can come of a body that has outlived its permission, and whoever trickles is not waited
// for. A handler that asks for nothing before it has read everything costs nothing.
type PromisedBody struct {
	io.ReadCloser
	ask    func([]Promise) error
	answer http.ResponseWriter
	reads  atomic.Int64

	mu       sync.Mutex
	promises []Promise
	refusal  error
	ended    bool          // nothing is promised any more
	watch    chan struct{} // closed when a watched body ends; nil while nothing was promised
}

// NewPromisedBody returns the body of a request whose answer goes to w. ask looks at promises; it is called by several goroutines.
func NewPromisedBody(w http.ResponseWriter, from io.ReadCloser, ask func([]Promise) error) *PromisedBody {
	b := new(PromisedBody)
	b.Begin(w, from, ask)
	return b
}

// Begin makes of a zero PromisedBody what NewPromisedBody returns.
func (b *PromisedBody) Begin(w http.ResponseWriter, from io.ReadCloser, ask func([]Promise) error) {
	b.ReadCloser, b.ask, b.answer = from, ask, w
}

// Progress changes whenever something has been read.
func (b *PromisedBody) Progress() int64 {
	if b == nil {
		return 0
	}
	return b.reads.Load()
}

// Ended reports whether there is no rest that could depend on a promise.
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

// end looks at the promises for the last time.
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

// Leave ends the watch. It must be called when the request has been answered. A nil PromisedBody has none.
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

// watchOver looks at the promises while the body is coming in. A read under way is made to return by its deadline. That the
// store does not answer breaks no promise; the end of the body decides.
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
