package httpapi

import (
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"
)

// Timeouts of the HTTP server. Bodies have deadlines of their own (LimitBody); answers have none, because a download may take as
// long as it takes.
const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 120 * time.Second
	maxHeaderBytes = 64 << 10
	// lastAnswers is how long connections get to finish at the very end, when nothing but 503 is answered. With TLS it is
	// as long as any client may take for its first request, because whoever shakes hands is about to send one; without it,
	// browsers open connections in advance and send nothing.
	lastAnswers = time.Second
)

// Front is what Serve serves: it answers everything, at any time, also while it is not open.
type Front interface {
	Handler() http.Handler
	// Drain begins a shutdown: from now on requests are answered 503, and what has no end of its own ends. The channel is closed
	// when no request is under way.
	Drain() <-chan struct{}
	// Close closes what requests need. It does not wait for them.
	Close() error
}

// ServeOptions are how a front is served.
type ServeOptions struct {
	Log *slog.Logger
	// Grace is how long requests under way may take after the beginning of a shutdown.
	Grace time.Duration
	// HeaderTimeout is how long a client may take for a header; 0 stands for ten seconds.
	HeaderTimeout time.Duration
}

// Serve answers requests on ln until ctx ends, and then closes front and ln. The port stays open as long as possible: from the end
// of ctx on new requests are answered 503, event streams end at once, the other requests under way get their grace, then the
// front is closed, and only then the listener. A refused connection costs clients their edits, a 503 does not (contract,
// client-behaviour Pitfall 1).
//
// Serve may be called before the front is opened. It returns nil after an orderly shutdown.
func Serve(ctx context.Context, ln net.Listener, front Front, o ServeOptions) error {
	var busy crowd
	base, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	srv := &http.Server{
		Handler:           front.Handler(),
		ReadHeaderTimeout: cmp.Or(o.HeaderTimeout, headerTimeout),
		IdleTimeout:       idleTimeout,
		MaxHeaderBytes:    maxHeaderBytes,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug),
		ConnState:         busy.observe,
		BaseContext:       func(net.Listener) context.Context { return base },
	}
	failed := make(chan error, 1)
	go func() { failed <- srv.Serve(ln) }()
	select {
	case err := <-failed:
		return errors.Join(err, front.Close())
	case <-ctx.Done():
	}
	timer := time.NewTimer(o.Grace)
	defer timer.Stop()
	select {
	case <-front.Drain():
	case <-timer.C:
		o.Log.Warn("requests are still under way after the grace period and are cut off")
		cancel()
	}
	err := front.Close()
	// Not Shutdown yet: from its first moment on it drops requests that have just been read, without an answer. Here nobody
	// is accepted any more, whoever was accepted is answered, and then what is left is idle.
	_ = ln.Close()
	<-failed
	patience := lastAnswers
	if busy.secure.Load() {
		patience = srv.ReadHeaderTimeout
	}
	last, stop := context.WithTimeout(context.WithoutCancel(ctx), patience)
	defer stop()
	busy.wait(last)
	if busy.secure.Load() {
		// HTTP/2 says goodbye: clients learn which requests were not read, and send them again.
		parting, over := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer over()
		_ = srv.Shutdown(parting)
	}
	_ = srv.Close()
	return err
}

// crowd has the connections on which an answer may be due: those with a request under way, and those that are so new
// that their first request is not read yet.
type crowd struct {
	conns   sync.Map                      // of net.Conn, a *atomic.Bool that says whether it is a member
	members atomic.Int64                  // how many are
	secure  atomic.Bool                   // whether TLS is spoken
	empty   atomic.Pointer[chan struct{}] // signalled when there are no members, once someone waits
}

// observe is told each change of a connection's state. Those of one connection come one after the other.
func (c *crowd) observe(conn net.Conn, state http.ConnState) {
	var member *atomic.Bool
	if known, ok := c.conns.Load(conn); ok {
		member = known.(*atomic.Bool)
	} else {
		member = new(atomic.Bool)
		c.conns.Store(conn, member)
		if _, ok := conn.(*tls.Conn); ok {
			c.secure.Store(true)
		}
	}
	if state == http.StateClosed || state == http.StateHijacked {
		c.conns.Delete(conn)
	}
	joins := state == http.StateNew || state == http.StateActive
	switch was := member.Swap(joins); {
	case joins && !was:
		c.members.Add(1)
	case !joins && was:
		if c.members.Add(-1) == 0 {
			c.tell()
		}
	}
}

func (c *crowd) tell() {
	if empty := c.empty.Load(); empty != nil {
		select {
		case *empty <- struct{}{}:
		default:
		}
	}
}

// wait waits until there are no members or ctx ends. It is called once, when nobody is accepted any more.
func (c *crowd) wait(ctx context.Context) {
	empty := make(chan struct{}, 1)
	c.empty.Store(&empty)
	if c.members.Load() == 0 { // whoever has left before the line above has told no one
		return
	}
	select {
	case <-empty:
	case <-ctx.Done():
	}
}
