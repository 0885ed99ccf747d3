// Package breaker makes a failed fsync final. After one, the kernel may have dropped what it could not write and then
// report success the next time. So nothing more may be acknowledged, and no second attempt trusted, until a new process
// has read what is really on the disk (docs/architecture.md, Faults).
package breaker

import (
	"fmt"
	"log/slog"
	"sync/atomic"

	or3cloud "or3.chat/cloud"
)

// Options are the dependencies of a Breaker. All except Fatal and Silence are required.
type Options struct {
	// Store names the store for the log and the operator, such as "the sync database".
	Store string
	Log   *slog.Logger
	// Refuse returns the answer to every later write, given the failure.
	Refuse func(cause error) *or3cloud.Error
	// Fatal is called with the failure, once (or3cloud.Env).
	Fatal func(error)
	// Silence is called before Fatal. It stops whatever vouches for the store.
	Silence func()
}

// Breaker guards all writes to one store. It is closed until Trip opens it permanently.
type Breaker struct {
	o      Options
	reason atomic.Pointer[or3cloud.Error]
}

// New returns a Breaker that lets everything through.
func New(o Options) *Breaker { return &Breaker{o: o} }

// Err returns why nothing may be written any more, or nil while writes may proceed.
func (b *Breaker) Err() error {
	if err := b.reason.Load(); err != nil {
		return err
	}
	return nil // not err: a nil *Error in an interface is not nil
}

// Trip stops all writes because err occurred. during names the operation, such as "commit". It may be called again,
// from any goroutine; the first failure counts.
func (b *Breaker) Trip(during string, err error) {
	if !b.reason.CompareAndSwap(nil, b.o.Refuse(err)) {
		return
	}
	if b.o.Silence != nil {
		b.o.Silence()
	}
	b.o.Log.Error(b.o.Store+" accepts no more writes until or3-cloud is restarted", "during", during, "error", err)
	if b.o.Fatal != nil {
		b.o.Fatal(fmt.Errorf("%s, %s: %w", b.o.Store, during, err))
	}
}
