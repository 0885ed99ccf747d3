package basicauth

import (
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// changeEmail is POST /api/basic-auth/email. With mail the new address has to be confirmed; without mail, the change is
// immediate.
func (s *self) changeEmail(c call) error {
	who, f, err := asked(c, s.stepUp.UnrestrictedAndProven)
	if err != nil {
		return err
	}
	email, ok := f.Text("email", 1, form.MaxEmail)
	email = form.NormalEmail(email)
	if !ok || !form.ValidEmail(email) || email == who.Email {
		return refuse.Email()
	}
	switch _, err := s.store.Read.AccountByEmail(c.Context(), email); {
	case err == nil:
		return refuse.EmailTaken()
	case !store.Absent(err):
		return err
	}
	if s.opts.mail {
		err = s.accounts.AskNewAddress(c.Request, who, email)
	} else {
		err = s.accounts.ChangeAddressNow(c.Request, who, email)
	}
	if err != nil {
		return err
	}
	return c.reply(map[string]any{"ok": true, "pending": s.opts.mail})
}

// cancelEmail is POST /api/basic-auth/email/cancel.
func (s *self) cancelEmail(c call) error {
	who, err := s.stepUp.Unrestricted(c.Context(), c.Request)
	if err != nil {
		return err
	}
	ctx := c.Context()
	err = s.stepUp.As(ctx, who, func(q store.Queries, who factors.Actor) error {
		return q.DeleteAccountTokens(ctx, db.DeleteAccountTokensParams{AccountID: store.Optional(who.ID), Kind: string(onetime.Email)})
	})
	if err != nil {
		return err
	}
	return c.answer(true)
}
