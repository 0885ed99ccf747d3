package encoded

import (
	"errors"
	"io"
	"net/http"
	"sync"
)

// growth is a compressed form while it is made. Those that send it follow.
type growth struct {
	mu    sync.Mutex
	more  *sync.Cond
	data  []byte // does not change once it has ended
	ended bool
	whole bool // and nothing went wrong
}

func newGrowth() *growth {
	g := &growth{}
	g.more = sync.NewCond(&g.mu)
	return g
}

// Write implements io.Writer for the one that makes the form.
func (g *growth) Write(piece []byte) (int, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.data = append(g.data, piece...)
	g.more.Broadcast()
	return len(piece), nil
}

// end says that nothing follows.
func (g *growth) end(whole bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.ended, g.whole = true, whole
	g.more.Broadcast()
}

// grows reports whether something may follow.
func (g *growth) grows() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return !g.ended
}

var errBroken = errors.New("the form could not be made whole")

// after returns what there is behind the first n bytes, and waits for it; io.EOF at the end.
func (g *growth) after(n int) ([]byte, error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for !g.ended && len(g.data) == n {
		g.more.Wait()
	}
	switch {
	case len(g.data) > n:
		return g.data[n:], nil
	case g.whole:
		return nil, io.EOF
	}
	return nil, errBroken
}

// send sends a form as it grows. If that goes wrong the connection is broken off, so that a part is not taken for the
// whole.
func (g *growth) send(w http.ResponseWriter) {
	w.WriteHeader(http.StatusOK)
	flusher := http.NewResponseController(w)
	for sent := 0; ; {
		piece, err := g.after(sent)
		if err == io.EOF {
			return
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
		if _, err := w.Write(piece); err != nil {
			return
		}
		_ = flusher.Flush()
		sent += len(piece)
	}
}
