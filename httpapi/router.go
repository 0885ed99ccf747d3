package httpapi

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/membudget"
	"or3.chat/cloud/internal/ratelimit"
)

// Router finds the route of a request by its exact path. It replaces http.ServeMux, which answers a wrong method with
// 405 and an unclean path with a redirect. The contract has neither.
type Router struct {
	// Guard, if set, may refuse a request to a route before anything else looks at it.
	Guard func(*http.Request, or3cloud.Route) error
	// Explain, if set, may add to the error of an answer.
	Explain func(*http.Request, error) error
	// Budget is the memory that requests share, or nil if it is unlimited. Caller tells whose share a request uses.
	Budget *membudget.Budget
	Caller Caller
	// Prefix is the prefix of every path. "" means /api/.
	Prefix string

	routes map[place]or3cloud.Route
	ids    bool // whether a path has an id
}

// place is the key of a route.
type place struct{ method, path string }

// Add adds a route. One of the last three segments of a path may be ":id", which matches one non-empty segment. owner
// names the one who adds it, for the error if the route is taken.
func (t *Router) Add(owner string, route or3cloud.Route) error {
	prefix := cmp.Or(t.Prefix, "/api/")
	if !strings.HasPrefix(route.Path, prefix) || route.Method == "" || route.Handle == nil {
		return fmt.Errorf("%s: route %q %q needs a method, a path below %s and a handler", owner, route.Method, route.Path, prefix)
	}
	at := place{route.Method, route.Path}
	if _, taken := t.routes[at]; taken {
		return fmt.Errorf("%s: route %s %s is served already", owner, at.method, at.path)
	}
	if t.routes == nil {
		t.routes = map[place]or3cloud.Route{}
	}
	t.routes[at] = route
	t.ids = t.ids || strings.Contains(route.Path, "/:id")
	return nil
}

// Routes returns all routes, sorted by path and method.
func (t *Router) Routes() []or3cloud.Route {
	return slices.SortedFunc(maps.Values(t.routes), func(a, b or3cloud.Route) int {
		return cmp.Or(cmp.Compare(a.Path, b.Path), cmp.Compare(a.Method, b.Method))
	})
}

// Serve answers r by its route, or with the JSON 404.
func (t *Router) Serve(w http.ResponseWriter, r *http.Request) error {
	err := t.serve(w, r)
	if err != nil && t.Explain != nil {
		err = t.Explain(r, err)
	}
	return err
}

func (t *Router) serve(w http.ResponseWriter, r *http.Request) error {
	route, ok := t.Find(r)
	if !ok {
		return NotFound(w, r)
	}
	record := RecordOf(r)
	record.Route, record.Method = route.Path, route.Method
	if t.Guard != nil {
		if err := t.Guard(r, route); err != nil {
			NoStore(w) // the answer depends on the sender
			return err
		}
	}
	checkFraming(r)
	if t.Budget != nil {
		memory := &record.Memory
		memory.Open(t.Budget, func() (string, bool, error) { return t.owner(r) })
		defer memory.Close()
		if route.Buffer > 0 {
			if err := noMemory(memory.Grow(r.Context(), route.Buffer)); err != nil {
				return err
			}
		}
	}
	if limit := route.MaxBody; limit >= 0 {
		if limit == 0 {
			limit = SmallBody
		}
		if t.Budget != nil {
			limit = min(limit, t.Budget.Largest())
		}
		limitBody(w, r, limit, t.Caller, route.Anonymous)
		if limit <= UnknownBody {
			if err := readWhole(r); err != nil {
				return err
			}
		}
	}
	return route.Handle(w, r)
}

// owner names the share of memory that a request uses: its user's, or else its network's.
func (t *Router) owner(r *http.Request) (name string, known bool, err error) {
	if t.Caller != nil {
		if name, err = t.Caller(r); err != nil || name != "" {
			return name, true, err
		}
	}
	return ratelimit.Network(IdentityOf(r).ClientIP), false, nil
}

// Find returns the route of r, and sets the path value "id" if the route has one. GET's route also serves HEAD, unless
// HEAD has its own.
func (t *Router) Find(r *http.Request) (or3cloud.Route, bool) {
	route, ok := t.find(r, r.Method)
	if !ok && r.Method == http.MethodHead {
		route, ok = t.find(r, http.MethodGet)
	}
	return route, ok
}

func (t *Router) find(r *http.Request, method string) (or3cloud.Route, bool) {
	path := r.URL.Path
	if route, ok := t.routes[place{method, path}]; ok || !t.ids {
		return route, ok
	}
	end := len(path)
	for range 3 { // ":id" may stand for one of the last segments
		slash := strings.LastIndexByte(path[:end], '/')
		if slash < 0 || slash == end-1 {
			break
		}
		if route, ok := t.routes[place{method, path[:slash] + "/:id" + path[end:]}]; ok {
			r.SetPathValue("id", path[slash+1:end])
			return route, true
		}
		end = slash
	}
	return or3cloud.Route{}, false
}
