package httpapi

import (
	"context"
	"net/http"
)

// carrier is the context in which a request carries what the steps of the pipeline know about it. All steps share one,
// because a context for each step would copy the request each time.
type carrier struct {
	context.Context
	identity   Identity
	identified bool
	record     *Record // nil until there is one
	front      any     // nil until there is one

	// What record and the response writer point to, if they were created for this carrier.
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

// WithFront returns r with the front's own data. It changes r itself if r has a carrier.
func WithFront(r *http.Request, what any) *http.Request {
	if c, ok := r.Context().(*carrier); ok && c.front == nil {
		c.front = what
		return r
	}
	return r.WithContext(&carrier{Context: r.Context(), front: what})
}

// FrontOf returns the front's data of r, or nil.
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
