package basicauth

import (
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// secondFactor is POST /api/basic-auth/second-factor.
func (n *entrance) secondFactor(c call) error {
	f, err := c.body()
	if err != nil {
		return err
	}
	challenge, s, err := factors.ParseSecondFactor(f)
	if err != nil {
		return err
	}
	var g *sessions.Grant
	var refusal error // apart from the error, so that what is written with it stays
	err = n.store.Tx(c.Context(), func(q store.Queries) (err error) {
		g, refusal, err = n.factors.Answer(c.Context(), q, c.Request, challenge, s)
		return err
	})
	if err != nil {
		return err
	}
	if refusal != nil {
		return refusal
	}
	n.sessions.SetCookies(c.Request, g)
	return c.answer(true)
}
