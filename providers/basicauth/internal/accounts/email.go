package accounts

import (
	"context"
	"net/http"
	"net/url"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/refuse"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// EmailMails is how many mails one account can send to new addresses in an hour: they may belong to strangers.
const EmailMails = 5

// EmailChange is the content of a token that confirms an address.
type EmailChange struct {
	Email string `json:"email"`
}

// AskNewAddress sends a link to the new address and tells the old one. It makes earlier links for other new addresses
// worthless.
func (s *Accounts) AskNewAddress(r *or3cloud.Request, who factors.Actor, email string) error {
	v := s.guard.Limits.Take("basic-auth:email-mails:"+who.ID, ratelimit.Limit{Max: EmailMails, Window: time.Hour})
	if !v.Allowed {
		return refuse.RateLimited(v.RetryAfter)
	}
	ctx := r.Context()
	return s.stepUp.As(ctx, who, func(q store.Queries, who factors.Actor) error {
		a := who.Account()
		if err := q.DeleteAccountTokens(ctx, db.DeleteAccountTokensParams{AccountID: store.Optional(a.ID), Kind: string(onetime.Email)}); err != nil {
			return err
		}
		token, _, err := s.onetime.Issue(ctx, q, onetime.Email, a, who.SessionID, EmailChange{email})
		if err != nil {
			return err
		}
		letter := letters.ConfirmLetter(s.letters.Link(url.Values{"confirm-email": {token}}.Encode()), s.letters.OccasionOf(r))
		letter.To = email
		if err := s.letters.Outbox.Add(ctx, q, a.ID, string(onetime.Email), letter, onetime.Email.Lifetime()); err != nil {
			return err
		}
		if err := s.guard.Record(ctx, q, r, a.ID, guard.EventEmailChangeAsked, ""); err != nil {
			return err
		}
		return s.letters.Notify(ctx, q, r, a, letters.NoticeEmailAsked, email)
	})
}

// ChangeAddressNow changes the actor's address without a confirmation, as a server without mail does.
func (s *Accounts) ChangeAddressNow(r *or3cloud.Request, who factors.Actor, email string) error {
	var token *http.Cookie
	err := s.stepUp.As(r.Context(), who, func(q store.Queries, who factors.Actor) (err error) {
		if err = s.SetEmail(r.Context(), q, r, who.ID, email); err != nil {
			return err
		}
		token, err = s.sessions.RenewAccess(r, q, who.SessionID, who.ID)
		return err
	})
	if err != nil {
		return err
	}
	s.sessions.ReplaceAccess(r, token)
	return nil
}

// SetEmail changes the address of an account and tells the old one. It makes links for a forgotten password that went
// to the old address worthless.
func (s *Accounts) SetEmail(ctx context.Context, q store.Queries, r *or3cloud.Request, accountID, email string) error {
	a, err := q.AccountByID(ctx, accountID)
	if err != nil {
		return err
	}
	err = q.SetEmail(ctx, db.SetEmailParams{ID: a.ID, Email: email, Now: s.now().UnixMilli()})
	if sqlitex.IsUnique(err) {
		return refuse.EmailTaken()
	}
	if err != nil {
		return err
	}
	for _, kind := range []onetime.Kind{onetime.Reset, onetime.Email} {
		if err := q.DeleteAccountTokens(ctx, db.DeleteAccountTokensParams{AccountID: store.Optional(a.ID), Kind: string(kind)}); err != nil {
			return err
		}
	}
	if err := s.guard.Record(ctx, q, r, a.ID, guard.EventEmailChanged, ""); err != nil {
		return err
	}
	return s.letters.Notify(ctx, q, r, a, letters.NoticeEmailChanged, email)
}
