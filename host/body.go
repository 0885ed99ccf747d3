package host

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

// promise is something that a handler was told before it had read all of the body. It returns the refusal if it does not
// hold for the session as it is now. A nil promise is that somebody is signed in.
type promise func(*or3cloud.SessionContext) error

// body is the body of a request. What its handler was promised before its end, a session and permissions, has to hold until
// then: it is asked for again once a second, and when the end has come. If a promise is broken the handler gets the refusal
// in place of the end. So nothing can come of a body that has outlived its permission, and whoever trickles is not waited
// for. A handler that asks for nothing before it has read everything costs nothing.
type body struct {
	io.ReadCloser
	ask     func([]promise) error
	control *http.ResponseController
	reads   atomic.Int64

	mu       sync.Mutex
	promises []promise
	refusal  error
	ended    bool          // nothing is promised any more
	watch    chan struct{} // closed when a watched body ends; nil while nothing was promised
}

func newBody(w http.ResponseWriter, from io.ReadCloser, ask func([]promise) error) *body {
	return &body{ReadCloser: from, ask: ask, control: http.NewResponseController(w)}
}

// progress changes whenever something has been read.
func (b *body) progress() int64 {
	if b == nil {
		return 0
	}
	return b.reads.Load()
}

// hold makes the rest of the body depend on a promise.
func (b *body) hold(p promise) {
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
func (b *body) Read(p []byte) (int, error) {
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

func (b *body) refused() error {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.refusal
}

// end looks at the promises for the last time.
func (b *body) end() error {
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
	b.leave()
	return b.refused()
}

// leave ends the watch.
func (b *body) leave() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.ended && b.watch != nil {
		close(b.watch)
	}
	b.ended = true
}

// watchOver looks at the promises while the body is coming in. A read under way is made to return by its deadline. That the
// store does not answer breaks no promise; the end of the body decides.
func (b *body) watchOver(end <-chan struct{}) {
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
			_ = b.control.SetReadDeadline(time.Now())
		}
		return
	}
}
