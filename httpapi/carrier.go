package httpapi

import (
	"context"
	"net/http"
)

// carrier is the context in which a request carries what the steps of the pipeline know of it. One is enough for all of them: a
// context of its own for each would cost a copy of the request each time.
type carrier struct {
	context.Context
	identity   Identity
	identified bool
	record     *Record // nil until there is one
	front      any     // nil until there is one

	// What record and the answer's writer point to if they were made for this carrier.
	ownRecord   Record
	ownRecorder recorder
}

type contextKey int

const (
	recordKey contextKey = iota
	identityKey
	frontKey
)

// Value implements context.Context.
func (c *carrier) Value(key any) any {
	switch key {
	case recordKey:
		if c.record != nil {
			return c.record
		}
	case identityKey:
		if c.identified {
			return &c.identity
		}
	case frontKey:
		if c.front != nil {
			return c.front
		}
	}
	return c.Context.Value(key)
}

// WithFront returns r with what a front remembers of it, or changes r if there is a place for that.
func WithFront(r *http.Request, what any) *http.Request {
	if c, ok := r.Context().(*carrier); ok && c.front == nil {
		c.front = what
		return r
	}
	return r.WithContext(&carrier{Context: r.Context(), front: what})
}

// FrontOf returns what a front remembers of r; nil if it remembers nothing.
func FrontOf(r *http.Request) any { return r.Context().Value(frontKey) }

// withOwnRecord is WithRecord with a new record.
func withOwnRecord(w http.ResponseWriter, r *http.Request) (http.ResponseWriter, *http.Request, *Record) {
	c, ok := r.Context().(*carrier)
	if !ok || c.record != nil {
		c = &carrier{Context: r.Context()}
		r = r.WithContext(c)
	}
	c.record = &c.ownRecord
	c.ownRecorder = recorder{ResponseWriter: w, rec: c.record}
	return &c.ownRecorder, r, c.record
}
