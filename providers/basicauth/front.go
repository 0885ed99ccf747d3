package basicauth

import (
	"context"
	"net/http"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/passwd"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// maxBody fits the longest valid body, with every character written as an escape.
const maxBody = 32 << 10

// front is the part of the pipeline that all endpoints share.
type front struct {
	host  or3cloud.HostServices
	guard *guard.Guard
	opts  *options
}

// call is one request to an endpoint. Its body has been read before the endpoint decides anything.
type call struct {
	*or3cloud.Request
	w       http.ResponseWriter
	text    []byte
	textErr error // why text is incomplete
}

// limited is an endpoint with a budget per network address and minute.
func (f *front) limited(name string, max int, handle func(call) error) or3cloud.Route {
	return f.route(name, func(c call) error {
		if err := f.limit(c, name, max); err != nil {
			return err
		}
		return handle(c)
	})
}

// request is what the provider's own routes pass to methods that the host calls as well.
func (f *front) request(w http.ResponseWriter, r *http.Request) *or3cloud.Request {
	return &or3cloud.Request{Request: r, ClientIP: f.host.ClientIP(r), ResponseHeader: w.Header()}
}

// route is an endpoint that changes something.
func (f *front) route(name string, handle func(call) error) or3cloud.Route {
	return f.endpoint(http.MethodPost, name, handle)
}

// get is an endpoint that only reads. It has no budget: what it needs is in memory or one look-up.
func (f *front) get(name string, handle func(call) error) or3cloud.Route {
	return f.endpoint(http.MethodGet, name, handle)
}

// endpoint puts the part of the pipeline that all endpoints share in front of a handler.
func (f *front) endpoint(method, name string, handle func(call) error) or3cloud.Route {
	return or3cloud.Route{
		Method: method, Path: "/api/basic-auth/" + name, MaxBody: maxBody,
		Handle: func(w http.ResponseWriter, r *http.Request) error {
			httpapi.NoStore(w)
			host, known := f.host.RequestHost(r)
			if !f.opts.sameOrigin(r.Header, host, known) {
				return or3cloud.Errorf(or3cloud.CodeForbidden, "Forbidden")
			}
			c := call{Request: f.request(w, r), w: w}
			if method != http.MethodGet {
				c.text, c.textErr = httpapi.ReadBody(r)
			}
			c.Request.Request = r.WithContext(passwd.WithOrigin(r.Context(), ratelimit.Network(c.ClientIP)))
			return store.Fault(handle(c))
		},
	}
}

// limit counts a request against its address's budget and says in headers what is left.
func (f *front) limit(c call, name string, max int) error {
	v := f.guard.Limits.Take(limitKey(c, name), ratelimit.Limit{Max: max, Window: time.Minute})
	if v.Allowed {
		v.Remaining--
	}
	writeLimit(c, v)
	if !v.Allowed {
		return refuse.RateLimited(v.RetryAfter)
	}
	return nil
}

func limitKey(c call, name string) string {
	return "basic-auth:" + name + ":" + ratelimit.Network(c.ClientIP)
}

func writeLimit(c call, v ratelimit.Verdict) { httpapi.BudgetHeaders(c.w, v.Limit, v.Remaining) }

// answer writes {"ok":…}, so that a handler can end with it.
func (c call) answer(ok bool) error {
	return c.reply(struct {
		OK bool `json:"ok"`
	}{ok})
}

// reply writes v as JSON. It returns an error only if v cannot be written as JSON; in that case nothing has been sent.
func (c call) reply(v any) error { return httpapi.WriteJSON(c.w, http.StatusOK, v) }

// body decodes the request's body.
func (c call) body() (form.Fields, error) {
	if c.textErr != nil {
		return nil, httpapi.BodyError(c.Request.Request, c.textErr, "Invalid request")
	}
	return form.Parse(c.text)
}

// asked returns who sent a request, as found by StepUp.SignedIn or RecentlyProven, and then the body.
func asked(c call, by func(context.Context, *or3cloud.Request) (factors.Actor, error)) (factors.Actor, form.Fields, error) {
	who, err := by(c.Context(), c.Request)
	if err != nil {
		return who, nil, err
	}
	f, err := c.body()
	return who, f, err
}

// sameOrigin applies the Origin rule of contract security-middleware §5: a browser says where a request comes from, and
// that must be a page of this instance or of the allow-list. Requests without either header do not come from a browser.
// The host refuses foreign pages too; this rule also looks at the Referer, and at requests that only read.
func (o *options) sameOrigin(h http.Header, host string, hostKnown bool) bool {
	if !hostKnown {
		host = ""
	}
	from := httpapi.Sender(h)
	return from == "" || o.pages.Own(from, host)
}
