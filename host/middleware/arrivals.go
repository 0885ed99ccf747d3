package middleware

import (
	"net/http"
	"sync"

	"or3.chat/cloud/httpapi"
)

// MarkParameter is the query parameter of requests to remember: their sender can ask the operator's socket what the
// server has made of them, and so see what the proxies on the way do.
const MarkParameter = "arrival"

// The limits of what is remembered. Anyone can send marks; they push each other out, and only the operator can read
// them.
const (
	maxArrivals = 64
	maxMark     = 64
	maxHost     = 255
)

// Arrivals remembers how requests with a mark arrived. The zero value is ready to use.
type Arrivals struct {
	mu   sync.Mutex
	last []arrival // the oldest first
}

type arrival struct {
	mark string
	id   httpapi.Identity
}

// Note remembers a request if it has a mark. It comes after Proxy.Identify.
func (a *Arrivals) Note(r *http.Request) {
	if r.URL.RawQuery == "" {
		return
	}
	mark, id := r.URL.Query().Get(MarkParameter), httpapi.IdentityOf(r)
	if mark == "" || len(mark) > maxMark || len(id.Host) > maxHost {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.last) == maxArrivals {
		a.last = append(a.last[:0], a.last[1:]...)
	}
	a.last = append(a.last, arrival{mark, id})
}

// Of returns how the last request with a mark arrived.
func (a *Arrivals) Of(mark string) (id httpapi.Identity, ok bool) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, one := range a.last {
		if one.mark == mark {
			id, ok = one.id, true
		}
	}
	return id, ok
}
