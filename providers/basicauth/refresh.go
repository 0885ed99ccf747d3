package basicauth

import (
	"time"

	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
)

// refreshSession is POST /api/basic-auth/refresh. The cookie is looked at before the limiter: a valid one must never
// be limited, because clients take any failure here for a sign-out (contract, auth Pitfall 10).
func (p *provider) refreshSession(c call) error {
	g, err := p.renew(c.Context(), c.Request, values(c.Request.Request, refreshCookie))
	if err != nil {
		return err
	}
	if g != nil {
		writeLimit(c, p.limits.Check(limitKey(c, "refresh"), ratelimit.Limit{Max: refreshLimit, Window: time.Minute}))
		p.setCookies(c.Request, g)
		return c.answer(true)
	}
	if err := p.limit(c, "refresh", refreshLimit); err != nil {
		return err
	}
	p.clearCookies(c.Request)
	if silent := c.URL.Query().Get("silent"); silent == "1" || silent == "true" {
		return c.answer(false)
	}
	return refuse.Expired()
}
