package eventsapi

import (
	"context"
	"net/http"
	"sync/atomic"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/internal/seats"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/safeint"
)

// Timing of a stream.
const (
	// checkEvery is how often a stream's permission is checked again.
	checkEvery = time.Second
	// quietChecks is the number of checks without an event after which a heartbeat is sent: proxies cut silent
	// connections, usually after 30 or 60 seconds.
	quietChecks = 15
	// patience is how long a reader may leave an event unread before its stream is cut.
	patience = 3 * time.Second
	// retryLeast and retrySpread tell browsers when to reconnect: not all at the same moment after a restart.
	retryLeast  = 2 * time.Second
	retrySpread = 3 * time.Second
)

// Host is what the endpoint needs of the host.
type Host interface {
	or3cloud.Front
	// Reauthorize checks again whether a session that Authorize has returned for r may still do p in its workspace. It
	// must neither rotate credentials nor write.
	Reauthorize(r *http.Request, s *or3cloud.SessionContext, p or3cloud.Permission) error
}

// Options are what the endpoint depends on.
type Options struct {
	Host    Host
	Watcher or3cloud.Watcher
	Bounds  Bounds
	// Closing ends all streams when it is closed, so that they do not hold up a shutdown.
	Closing <-chan struct{}
}

// API streams the versions of workspaces.
type API struct {
	opt     Options
	seats   *seats.Seats
	streams atomic.Uint64 // opened so far
}

// New returns the API.
func New(o Options) *API { return &API{opt: o, seats: o.Bounds.seats()} }

// Routes returns the endpoint. A foreign page could not read a stream, but it could take all of a user's seats.
func (a *API) Routes() []or3cloud.Route {
	return []or3cloud.Route{{Method: http.MethodGet, Path: "/api/sync/events", Effects: true, Handle: a.serve}}
}

func (a *API) serve(w http.ResponseWriter, r *http.Request) error {
	s, err := a.opt.Host.Authorize(r, or3cloud.PermWorkspaceRead, r.URL.Query().Get("workspaceId"))
	if err != nil {
		return err
	}
	if r.Method == http.MethodHead {
		httpapi.EventHeader(w)
		return nil
	}
	leave, err := a.take(s.User.ID)
	if err != nil {
		return err
	}
	defer leave()
	ctx, stop := context.WithCancel(r.Context())
	defer stop()
	current, updates, err := a.opt.Watcher.Watch(ctx, s.Workspace.ID)
	if err != nil {
		return err
	}
	out := newWriter(w, s.Workspace.ID)
	defer out.Close()
	n := a.streams.Add(1)
	if !out.begin(retryLeast+spread(n, retrySpread), current, r.Header.Get("Last-Event-ID")) {
		return nil
	}
	timer := time.NewTimer(spread(n, checkEvery))
	defer timer.Stop()
	for quiet := 0; ; {
		select {
		case v, open := <-updates:
			if !open || !out.version(v) {
				return nil
			}
			quiet = 0
		case <-timer.C:
			// An error of the store ends the stream as well: what cannot be confirmed is not allowed.
			if a.opt.Host.Reauthorize(r, s, or3cloud.PermWorkspaceRead) != nil {
				return nil
			}
			if quiet++; quiet >= quietChecks {
				if !out.heartbeat() {
					return nil
				}
				quiet = 0
			}
			timer.Reset(checkEvery)
		case <-a.opt.Closing:
			return nil
		case <-r.Context().Done():
			return nil
		}
	}
}

// spread returns the n-th of durations up to max that are spread evenly, however many there are: multiples of the
// golden ratio never cluster as random numbers do.
func spread(n uint64, max time.Duration) time.Duration {
	const golden = 0x9e3779b97f4a7c15 // of 2^64
	return time.Duration(float64(n*golden) / (1 << 64) * float64(max))
}

// known reports whether a client that sends a Last-Event-ID already has version v.
func known(lastEventID string, v int64) bool {
	n, ok := safeint.Parse([]byte(lastEventID))
	return ok && n == v
}
