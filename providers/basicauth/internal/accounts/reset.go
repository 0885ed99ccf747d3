package accounts

import (
	"context"
	"encoding/json"
	"net/url"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// How many reset links one account gets by mail within the time; further requests are dropped silently, so that no one
// can flood a mailbox.
const (
	ResetMails       = 3
	ResetMailsWithin = time.Hour
)

// ResetRequest is an address that someone has typed into the form for a forgotten password.
type ResetRequest struct {
	Email string           `json:"email"`
	By    letters.Occasion `json:"by"`
}

// ResolveReset turns a request into a link, if it is for an account that may have one.
func (s *Accounts) ResolveReset(ctx context.Context, q store.Queries, content []byte) error {
	var request ResetRequest
	if err := json.Unmarshal(content, &request); err != nil {
		return err
	}
	a, err := q.AccountByEmail(ctx, request.Email)
	if store.Absent(err) || err == nil && a.DisabledAt.Valid {
		return nil
	}
	if err != nil {
		return err
	}
	n, err := q.CountEventsSince(ctx, db.CountEventsSinceParams{
		AccountID: a.ID, Kind: string(guard.EventResetRequested), After: s.now().Add(-ResetMailsWithin).UnixMilli(),
		Latest: store.Latest(s.now()),
	})
	if err != nil || n >= ResetMails {
		return err
	}
	fragment, _, err := s.ResetFragment(ctx, q, a)
	if err != nil {
		return err
	}
	s.log.Info("account event", "event", string(guard.EventResetRequested), "account", a.ID, "address", request.By.Address)
	err = guard.KeepEvent(ctx, q, db.InsertEventParams{
		AccountID: a.ID, Kind: string(guard.EventResetRequested), At: s.now().UnixMilli(),
		IpAddress: store.Optional(request.By.Address), UserAgent: store.Optional(request.By.Agent),
	})
	if err != nil {
		return err
	}
	letter := letters.ResetLetter(s.letters.Link(fragment), request.By)
	letter.To = a.Email
	return s.letters.Outbox.Add(ctx, q, a.ID, string(onetime.Reset), letter, onetime.Reset.Lifetime())
}

// ResetFragment makes a one-time token with which the owner of an account chooses a new password, as the fragment of a
// link, and returns when it expires. It must run in a write transaction.
func (s *Accounts) ResetFragment(ctx context.Context, q store.Queries, a db.Account) (fragment string, expires time.Time, err error) {
	token, expires, err := s.onetime.Issue(ctx, q, onetime.Reset, a, "", struct{}{})
	return url.Values{"reset": {token}}.Encode(), expires, err
}
