package basicauth

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
)

// changePassword is POST /api/basic-auth/change-password. It ends all sessions of the account, this one included, and
// their access tokens with them. A page that asks to keep its session gets a new one in the same answer.
func (s *self) changePassword(c call) error {
	ctx := c.Context()
	who, f, err := asked(c, s.signedInOrCleared)
	if err != nil {
		return err
	}
	body, err := form.ParseChangePassword(f)
	if err != nil {
		return err
	}
	if err := s.accounts.CheckNewPassword(body.Next, "newPassword", who.Email, who.DisplayName.String); err != nil {
		return err
	}
	ok, err := s.guard.Guess(ctx, c.Request, who.Email, who.PasswordHash, body.Current)
	if err != nil {
		return err
	}
	if !ok {
		s.log.Warn("password change refused", "address", c.ClientIP, "email", guard.RedactEmail(who.Email))
		return refuse.Credentials()
	}
	hash, err := s.guard.Passwords.Hash(ctx, body.Next)
	if err != nil {
		return err
	}
	g, err := s.accounts.ExchangePassword(c.Request, who, hash, body.KeepSession)
	if err != nil {
		return err
	}
	if g != nil {
		s.sessions.SetCookies(c.Request, g)
	} else {
		s.sessions.ClearCookies(c.Request)
	}
	return c.answer(true)
}

// signedInOrCleared is SignedIn for an endpoint that clears the cookies of a browser that is signed out.
func (s *self) signedInOrCleared(ctx context.Context, r *or3cloud.Request) (factors.Actor, error) {
	who, err := s.stepUp.Unrestricted(ctx, r)
	if or3cloud.CodeOf(err) == or3cloud.CodeUnauthenticated {
		s.sessions.ClearCookies(r)
	}
	return who, err
}
