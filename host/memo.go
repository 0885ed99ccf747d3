package host

import (
	"net/http"
	"sync"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
)

// memo keeps the session of one request until more of its body arrives.
type memo struct {
	header http.Header           // of the answer, for cookies that are rotated
	body   *httpapi.PromisedBody // nil if the request has none
	own    httpapi.PromisedBody  // what body points to

	mu       sync.Mutex
	asked    *sessions // nil until the session has been requested
	progress int64     // of the body, when the session was resolved
	proven   *or3cloud.ProviderSession
	user     string // who was signed in when the session was first resolved
	session  *or3cloud.SessionContext
	err      error
}

// memoOf returns the memo of r; nil if r is not one of our requests.
func memoOf(r *http.Request) *memo {
	m, _ := httpapi.FrontOf(r).(*memo)
	return m
}

// withMemo gives a request a place to keep its session. Its body must be left when the request has been answered.
func withMemo(w http.ResponseWriter, r *http.Request) (*http.Request, *memo) {
	m := &memo{header: w.Header()}
	r = httpapi.WithFront(r, m)
	if r.Body == nil || r.Body == http.NoBody {
		return r, m
	}
	m.body = &m.own
	m.body.Begin(w, r.Body, func(promises []httpapi.Promise) error { return m.ask(r, promises) })
	r.Body = m.body
	return r, m
}

// resolve returns the session of r. If more of the body has arrived since it was last resolved, it is resolved again,
// from the identity that was proven the first time: proving that again could take another rotation.
func (m *memo) resolve(s *sessions, r *http.Request) (*or3cloud.SessionContext, error) {
	progress := m.body.Progress()
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.asked == nil:
		header := m.header
		if httpapi.RecordOf(r).Started() {
			header = nil // too late for cookies
		}
		m.asked = s
		if m.session, m.proven, m.err = s.resolve(r, header); m.err == nil {
			m.user = m.session.User.ID
		}
	case m.user != "" && m.progress != progress:
		m.session, m.err = s.again(r, m.proven, m.user)
	}
	m.progress = progress
	if m.user != "" {
		m.body.Hold(nil)
	}
	return m.session, m.err
}

// identity returns what the request has proven.
func (m *memo) identity() *or3cloud.ProviderSession {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.proven
}

// ask resolves the session once more and returns the refusal of the first promise that no longer holds.
func (m *memo) ask(r *http.Request, promises []httpapi.Promise) error {
	m.mu.Lock()
	sessions, proven, user := m.asked, m.proven, m.user
	m.mu.Unlock()
	s, err := sessions.again(r, proven, user)
	if err != nil {
		return err
	}
	if !s.Authenticated {
		return or3cloud.Errorf(or3cloud.CodeUnauthenticated, "Unauthorized")
	}
	if s.Restriction != nil {
		return s.Restriction
	}
	for _, holds := range promises {
		if err := holds(s); err != nil {
			return err
		}
	}
	return nil
}
