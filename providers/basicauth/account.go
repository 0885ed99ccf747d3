package basicauth

import (
	"encoding/json"
	"log/slog"
	"net/http"
	"time"

	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/sessions"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// self has the endpoints with which people manage their own account.
type self struct {
	opts     *options
	log      *slog.Logger
	now      func() time.Time
	store    *store.Store
	guard    *guard.Guard
	sessions *sessions.Sessions
	factors  *factors.Factors
	stepUp   *factors.StepUp
	demands  *factors.Demands
	accounts *accounts.Accounts
}

// accountAnswer is what people see of their account.
type accountAnswer struct {
	Account accountSummary `json:"account"`
	// Device is the browser that sends the request.
	Device letters.Device `json:"device,omitzero"`
	factors.Set
	// Demand is the second factor that the operator demands; absent if there is none.
	Demand *demandAnswer `json:"secondFactorDemand,omitempty"`
}

// demandAnswer says what is demanded of an account.
type demandAnswer struct {
	// Met says that the account has a second factor.
	Met bool `json:"met"`
	// Due is the time from which the account can do nothing without one.
	Due time.Time `json:"due"`
	// Restricted says that this is the case now.
	Restricted bool `json:"restricted"`
}

type accountSummary struct {
	ID          string    `json:"id"`
	Email       string    `json:"email"`
	DisplayName string    `json:"displayName,omitempty"`
	CreatedAt   time.Time `json:"createdAt"`
	// PendingEmail is the new address that has not been confirmed yet.
	PendingEmail string `json:"pendingEmail,omitempty"`
}

// showAccount is GET /api/basic-auth/account.
func (s *self) showAccount(c call) error {
	who, err := s.stepUp.SignedIn(c.Context(), c.Request)
	if err != nil {
		return err
	}
	a := accountAnswer{Account: accountSummary{
		ID: who.ID, Email: who.Email, DisplayName: who.DisplayName.String, CreatedAt: moment(who.CreatedAt),
	}, Device: letters.DeviceOf(c.UserAgent())}
	pending, err := s.store.Read.PendingEmail(c.Context(), db.PendingEmailParams{
		AccountID: store.Optional(who.ID), Kind: string(onetime.Email), Now: s.now().UnixMilli(), Latest: store.Latest(s.now()),
	})
	if err == nil {
		var change accounts.EmailChange
		err = json.Unmarshal([]byte(pending), &change)
		a.Account.PendingEmail = change.Email
	}
	if err != nil && !store.Absent(err) {
		return err
	}
	if a.Set, err = s.factors.Of(c.Context(), s.store.Read, who.ID); err != nil {
		return err
	}
	demand, err := s.demands.Of(c.Context(), who.ID)
	if err != nil {
		return err
	}
	if demand.Demanded {
		a.Demand = &demandAnswer{demand.Met, demand.Due.UTC(), demand.Restricted}
	}
	return c.reply(a)
}

// moment is a stored time in the form of answers.
func moment(milliseconds int64) time.Time { return time.UnixMilli(milliseconds).UTC() }

// changeDisplayName is POST /api/basic-auth/display-name.
func (s *self) changeDisplayName(c call) error {
	who, f, err := asked(c, s.stepUp.Unrestricted)
	if err != nil {
		return err
	}
	name, err := form.DisplayName(f["displayName"])
	if err != nil {
		return err
	}
	ctx := c.Context()
	var token *http.Cookie
	err = s.stepUp.As(ctx, who, func(q store.Queries, who factors.Actor) error {
		if err := q.SetDisplayName(ctx, db.SetDisplayNameParams{ID: who.ID, DisplayName: store.Optional(name), Now: s.now().UnixMilli()}); err != nil {
			return err
		}
		if err := s.guard.Record(ctx, q, c.Request, who.ID, guard.EventDisplayNameChanged, ""); err != nil {
			return err
		}
		token, err = s.sessions.RenewAccess(c.Request, q, who.SessionID, who.ID)
		return err
	})
	if err != nil {
		return err
	}
	s.sessions.ReplaceAccess(c.Request, token)
	return c.answer(true)
}

// listEvents is GET /api/basic-auth/events.
func (s *self) listEvents(c call) error {
	type event struct {
		Kind      string         `json:"kind"`
		At        time.Time      `json:"at"`
		IPAddress string         `json:"ipAddress,omitempty"`
		UserAgent string         `json:"userAgent,omitempty"`
		Device    letters.Device `json:"device,omitzero"`
	}
	who, err := s.stepUp.SignedIn(c.Context(), c.Request)
	if err != nil {
		return err
	}
	rows, err := s.store.Read.AccountEvents(c.Context(), db.AccountEventsParams{AccountID: who.ID, Count: 50})
	if err != nil {
		return err
	}
	out := make([]event, len(rows))
	for i, r := range rows {
		out[i] = event{r.Kind, moment(r.At), r.IpAddress.String, r.UserAgent.String, letters.DeviceOf(r.UserAgent.String)}
	}
	return c.reply(map[string]any{"events": out})
}
