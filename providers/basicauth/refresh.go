package basicauth

import (
	"time"

	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
)

// refreshSession is POST /api/basic-auth/refresh. The cookie is checked before the limiter: a valid one must never be
// limited, because clients take any failure here for a sign-out (contract, auth Pitfall 10).
func (n *entrance) refreshSession(c call) error {
	tokens := sessions.Values(c.Request.Request, sessions.RefreshCookie)
	g, err := n.sessions.Renew(c.Context(), c.Request, tokens)
	if err != nil {
		return err
	}
	if g != nil {
		writeLimit(c, n.guard.Limits.Check(limitKey(c, "refresh"), ratelimit.Limit{Max: refreshLimit, Window: time.Minute}))
		n.sessions.SetCookies(c.Request, g)
		return c.answer(true)
	}
	if err := n.front.limit(c, "refresh", refreshLimit); err != nil {
		return err
	}
	var why guard.Event
	if c.URL.Query().Has("why") { // the contract has no such answer
		if why, err = n.sessions.WhyEnded(c.Context(), tokens); err != nil {
			return err
		}
	}
	n.sessions.ClearCookies(c.Request)
	if silent := c.URL.Query().Get("silent"); silent == "1" || silent == "true" {
		return c.reply(struct {
			OK    bool        `json:"ok"`
			Ended guard.Event `json:"ended,omitempty"`
		}{Ended: why})
	}
	return refuse.Expired()
}
