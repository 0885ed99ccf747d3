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

// Timeouts of the HTTP server. Bodies have deadlines of their own (LimitBody). Answers have none, because a download
// takes as long as it takes.
const (
	headerTimeout  = 10 * time.Second
	idleTimeout    = 120 * time.Second
	maxHeaderBytes = 64 << 10
	// lastAnswers is how long connections get to finish at the very end, when every answer is a 503. With TLS it is as
	// long as any client may take for its first request, because a client in a handshake is about to send one. Without
	// TLS, browsers open connections in advance and send nothing.
	lastAnswers = time.Second
)

// Front is what Serve serves. It answers every request at any time, even while it is not open.
type Front interface {
	Handler() http.Handler
	// Drain begins a shutdown: from now on requests are answered 503, and whatever has no end of its own ends. The
	// channel closes when no request is in progress.
	Drain() <-chan struct{}
	// Close closes what requests need. It does not wait for them.
	Close() error
}

// ServeOptions are the options of Serve.
type ServeOptions struct {
	Log *slog.Logger
	// Grace is how long requests in progress may take once a shutdown has begun.
	Grace time.Duration
	// HeaderTimeout is how long a client may take to send its header. 0 means ten seconds.
	HeaderTimeout time.Duration
}

// Serve answers requests on ln until ctx ends, and then closes front and ln. It keeps the port open as long as
// possible. When ctx ends, new requests are answered 503, event streams end at once, and other requests in progress get
// their grace. Then Serve closes the front, and only then the listener. A refused connection costs clients their edits,
// but a 503 does not (contract, client-behaviour Pitfall 1).
//
// Serve may be called before the front is opened. It returns nil after an orderly shutdown.
func Serve(ctx context.Context, ln net.Listener, front Front, o ServeOptions) error {
	var busy pending
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
	// Not Shutdown yet: as soon as it begins, it drops requests that have just been read without answering them. Here
	// no more connections are accepted, the accepted ones get their answers, and what is left is idle.
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
		// HTTP/2 says goodbye, so clients learn which requests were not read and send them again.
		parting, over := context.WithTimeout(context.WithoutCancel(ctx), patience)
		defer over()
		_ = srv.Shutdown(parting)
	}
	_ = srv.Close()
	return err
}

// pending tracks the connections that may be owed an answer: those with a request in progress, and those so new that
// their first request has not been read yet.
type pending struct {
	conns  sync.Map                      // of net.Conn to an *atomic.Bool that reports whether it is pending
	count  atomic.Int64                  // the number of pending connections
	secure atomic.Bool                   // whether the connections use TLS
	empty  atomic.Pointer[chan struct{}] // signalled when nothing is pending, once wait has begun
}

// observe is called for each change of a connection's state. Changes of one connection arrive one after the other.
func (c *pending) observe(conn net.Conn, state http.ConnState) {
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
		c.count.Add(1)
	case !joins && was:
		if c.count.Add(-1) == 0 {
			c.tell()
		}
	}
}

func (c *pending) tell() {
	if empty := c.empty.Load(); empty != nil {
		select {
		case *empty <- struct{}{}:
		default:
		}
	}
}

// wait waits until nothing is pending or ctx ends. It is called once, after the last connection was accepted.
func (c *pending) wait(ctx context.Context) {
	empty := make(chan struct{}, 1)
	c.empty.Store(&empty)
	if c.count.Load() == 0 { // a connection that finished before the line above sent no signal
		return
	}
	select {
	case <-empty:
	case <-ctx.Done():
	}
}
