package basicauth

import (
	"encoding/json"
	"net/http"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/basicauth/internal/accounts"
	"or3.chat/cloud/providers/basicauth/internal/db"
	"or3.chat/cloud/providers/basicauth/internal/factors"
	"or3.chat/cloud/providers/basicauth/internal/form"
	"or3.chat/cloud/providers/basicauth/internal/guard"
	"or3.chat/cloud/providers/basicauth/internal/letters"
	"or3.chat/cloud/providers/basicauth/internal/onetime"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// accountLimit is how many changes of an account one client address may make in a minute.
const accountLimit = 30

// accountRoutes are the endpoints with which people manage their own account.
func (p *provider) accountRoutes() []or3cloud.Route {
	return []or3cloud.Route{
		p.get("account", p.showAccount),
		p.limited("display-name", accountLimit, p.changeDisplayName),
		p.limited("email", accountLimit, p.changeEmail),
		p.limited("email/cancel", accountLimit, p.cancelEmail),
		p.get("sessions", p.listSessions),
		p.limited("sessions/revoke", accountLimit, p.revokeSession),
		p.limited("sessions/revoke-others", accountLimit, p.revokeOtherSessions),
		p.get("events", p.listEvents),
		p.get("deletion", p.showDeletion),
		p.limited("delete-account", accountLimit, p.deleteAccount),
	}
}

// accountAnswer is what people see of their account.
type accountAnswer struct {
	Account accountSummary `json:"account"`
	// Device is the browser that asks.
	Device letters.Device `json:"device,omitzero"`
	factors.Set
}

type accountSummary struct {
	ID          string    `json:"id"`
	Email       string    `json:"email"`
	DisplayName string    `json:"displayName,omitempty"`
	CreatedAt   time.Time `json:"createdAt"`
	// PendingEmail is the new address that has still to be confirmed.
	PendingEmail string `json:"pendingEmail,omitempty"`
}

// showAccount is GET /api/basic-auth/account.
func (p *provider) showAccount(c call) error {
	who, err := p.stepUp.SignedIn(c.Context(), c.Request)
	if err != nil {
		return err
	}
	a := accountAnswer{Account: accountSummary{
		ID: who.ID, Email: who.Email, DisplayName: who.DisplayName.String, CreatedAt: moment(who.CreatedAt),
	}, Device: letters.DeviceOf(c.UserAgent())}
	pending, err := p.store.Read.PendingEmail(c.Context(), db.PendingEmailParams{
		AccountID: store.Optional(who.ID), Kind: string(onetime.Email), Now: p.now().UnixMilli(), Latest: store.Latest(p.now()),
	})
	if err == nil {
		var change accounts.EmailChange
		err = json.Unmarshal([]byte(pending), &change)
		a.Account.PendingEmail = change.Email
	}
	if err != nil && !store.Absent(err) {
		return err
	}
	if a.Set, err = p.factors.Of(c.Context(), p.store.Read, who.ID); err != nil {
		return err
	}
	return c.reply(a)
}

// moment is a stored time as answers show it.
func moment(milliseconds int64) time.Time { return time.UnixMilli(milliseconds).UTC() }

// changeDisplayName is POST /api/basic-auth/display-name.
func (p *provider) changeDisplayName(c call) error {
	who, f, err := asked(c, p.stepUp.SignedIn)
	if err != nil {
		return err
	}
	name, err := form.DisplayName(f["displayName"])
	if err != nil {
		return err
	}
	ctx := c.Context()
	var token *http.Cookie
	err = p.stepUp.As(ctx, who, func(q store.Queries, who factors.Actor) error {
		if err := q.SetDisplayName(ctx, db.SetDisplayNameParams{ID: who.ID, DisplayName: store.Optional(name), Now: p.now().UnixMilli()}); err != nil {
			return err
		}
		if err := p.guard.Record(ctx, q, c.Request, who.ID, guard.EventDisplayNameChanged, ""); err != nil {
			return err
		}
		token, err = p.sessions.RenewAccess(c.Request, q, who.SessionID, who.ID)
		return err
	})
	if err != nil {
		return err
	}
	p.sessions.ReplaceAccess(c.Request, token)
	return c.answer(true)
}

// listEvents is GET /api/basic-auth/events.
func (p *provider) listEvents(c call) error {
	type event struct {
		Kind      string         `json:"kind"`
		At        time.Time      `json:"at"`
		IPAddress string         `json:"ipAddress,omitempty"`
		UserAgent string         `json:"userAgent,omitempty"`
		Device    letters.Device `json:"device,omitzero"`
	}
	who, err := p.stepUp.SignedIn(c.Context(), c.Request)
	if err != nil {
		return err
	}
	rows, err := p.store.Read.AccountEvents(c.Context(), db.AccountEventsParams{AccountID: who.ID, Count: 50})
	if err != nil {
		return err
	}
	out := make([]event, len(rows))
	for i, r := range rows {
		out[i] = event{r.Kind, moment(r.At), r.IpAddress.String, r.UserAgent.String, letters.DeviceOf(r.UserAgent.String)}
	}
	return c.reply(map[string]any{"events": out})
}
