package basicauth

import (
	"net/http"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
)

// register is POST /api/basic-auth/register. A refusal clears the cookies, as the endpoint always did; temporary
// failures and rate limits do not, because that would sign someone out for nothing (contract, auth Pitfalls 10, 13).
// Nor does a request from another origin, which does not get here.
func (n *entrance) register(c call) error {
	body, g, err := n.createFromRequest(c)
	switch or3cloud.CodeOf(err) {
	case "":
		n.sessions.SetCookies(c.Request, g)
		if n.opts.registration == accounts.RegistrationInvite && !g.Admitted {
			c.SetCookie(n.inviteCookie(body.Invite, 10*time.Minute))
		}
		return c.answer(true)
	case or3cloud.CodeInvalid, or3cloud.CodeForbidden, or3cloud.CodeUnauthenticated:
		n.sessions.ClearCookies(c.Request)
	}
	return err
}

// inviteCookie carries an invite to the first session of the account, which accepts it (contract, auth §9).
func (n *entrance) inviteCookie(token string, lifetime time.Duration) *http.Cookie {
	return n.sessions.Cookie("or3_invite_token", "/", token, lifetime)
}

func (n *entrance) createFromRequest(c call) (body form.RegisterBody, g *sessions.Grant, err error) {
	if err := n.front.limit(c, "register", registerLimit); err != nil {
		return body, nil, err
	}
	f, err := c.body()
	if err != nil {
		return body, nil, err
	}
	if body, err = form.ParseRegister(f); err != nil {
		return body, nil, err
	}
	day := "basic-auth:registered:" + ratelimit.Network(c.ClientIP)
	if v := n.guard.Limits.Take(day, ratelimit.Limit{Max: accountsPerDay, Window: guard.LongestWindow}); !v.Allowed {
		return body, nil, refuse.RateLimited(v.RetryAfter)
	}
	if g, err = n.accounts.Create(c.Context(), c.Request, body); err != nil {
		n.guard.Limits.Return(day)
	}
	return body, g, err
}

// accountsPerDay is how many accounts can be created from one client address in a day: a whole school comes from one
// address on its first day, and so does a script that creates accounts to get more workspaces. The operator can add
// more.
const accountsPerDay = 500
