package middleware

import (
	"net/http"
	"sync"

	"or3.chat/cloud/httpapi"
)

// MarkParameter is the parameter of a query whose request is remembered: whoever has sent it can ask the operator's socket what the
// server has made of it, and so see what the proxies on the way do.
const MarkParameter = "arrival"

// The bounds of what is remembered. Anybody can send marks; they push each other out, and no one is told but the operator.
const (
	maxArrivals = 64
	maxMark     = 64
	maxHost     = 255
)

// Arrivals remembers how requests with a mark have come. The zero value is ready.
type Arrivals struct {
	mu   sync.Mutex
	last []arrival // the oldest first
}

type arrival struct {
	mark string
	id   httpapi.Identity
}

// Note remembers a request if it has a mark. It comes behind Proxy.Identify.
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

// Of returns how the last request with a mark has come.
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
