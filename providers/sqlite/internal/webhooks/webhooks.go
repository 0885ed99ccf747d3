// Package webhooks keeps the webhooks of workspace members and of administrators, and their deliveries. The queue of a
// member's webhook is the log itself, from a position that moves in the transaction that stores deliveries, so a push
// costs nothing extra; ends of answers, which are in no log, are rows (completions.go).
package webhooks

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/members"
)

// Webhooks implements or3cloud.WebhookStore and or3cloud.WebhookQueue.
type Webhooks struct {
	e          *engine.Engine
	workspaces *members.Workspaces
	// opened is when this process opened the database, which no other one uses at the same time.
	opened time.Time
}

// New returns the webhooks of the members of workspaces.
func New(e *engine.Engine, workspaces *members.Workspaces) *Webhooks {
	return &Webhooks{e, workspaces, e.Now()}
}

var errNotFound = or3cloud.Errorf(or3cloud.CodeNotFound, "Webhook not found")

// own returns a webhook of a user who may read its workspace, or of administrators.
func own(ctx context.Context, t *engine.Tx, userID, id string) (db.Webhook, error) {
	row, err := t.Q.WebhookByID(ctx, id)
	switch w := row.Webhook; {
	case engine.NoRows(err):
		return w, errNotFound
	case err != nil:
		return w, err
	case userID == or3cloud.Administrators:
		if !ofAdmins(w) {
			return w, members.ErrForbidden
		}
		return w, nil
	case w.Scope != string(or3cloud.WebhookUser) || w.UserID.String != userID:
		return w, members.ErrForbidden
	default:
		return w, members.Permit(t, userID, w.Workspace.Int64, or3cloud.PermWorkspaceRead)
	}
}

func ofAdmins(w db.Webhook) bool { return w.Scope == string(or3cloud.WebhookAdmin) }

// CreateWebhook implements or3cloud.WebhookStore.
func (h *Webhooks) CreateWebhook(ctx context.Context, w or3cloud.Webhook, most int) (or3cloud.Webhook, error) {
	if w.Scope == or3cloud.WebhookAdmin {
		return h.createOfAdmins(ctx, w, most)
	}
	num, err := h.workspaces.Number(ctx, w.WorkspaceID)
	if err == nil {
		err = h.e.CheckRoom()
	}
	if err != nil {
		return w, err
	}
	err = h.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		if err := members.Permit(t, w.UserID, num, or3cloud.PermWorkspaceRead); err != nil {
			return err
		}
		has, err := t.Q.CountWebhooks(ctx, w.UserID)
		if err != nil {
			return err
		}
		if has >= int64(most) {
			return or3cloud.Errorf(or3cloud.CodeInvalid, "Webhook limit exceeded")
		}
		return t.Q.InsertWebhook(ctx, db.InsertWebhookParams{
			ID: w.ID, Scope: string(w.Scope), UserID: sql.NullString{String: w.UserID, Valid: true}, Workspace: num, Url: w.URL, Label: w.Label,
			Events: encode(w.Events), CustomHooks: encode(w.CustomHooks), Secret: w.SealedSecret, Enabled: number(w.Enabled), Now: t.At,
		})
	})
	if err != nil {
		return w, err
	}
	return h.GetWebhook(ctx, w.ID)
}

// encode writes a list of names.
func encode(names []string) string {
	out, err := json.Marshal(append([]string{}, names...))
	if err != nil {
		panic(err) // texts can always be written
	}
	return string(out)
}

func number(b bool) int64 {
	if b {
		return 1
	}
	return 0
}

// webhook converts a row, without its health.
func webhook(row db.Webhook, workspaceID string) (w or3cloud.Webhook, err error) {
	w = or3cloud.Webhook{
		ID: row.ID, Scope: or3cloud.WebhookScope(row.Scope), UserID: row.UserID.String, WorkspaceID: workspaceID, URL: row.Url, Label: row.Label,
		SealedSecret: row.Secret, Enabled: row.Enabled == 1, Health: or3cloud.WebhookHealthUnknown,
		CreatedAt: time.UnixMilli(row.CreatedAt), UpdatedAt: time.UnixMilli(row.UpdatedAt),
	}
	if ofAdmins(row) {
		w.UserID = or3cloud.Administrators
	}
	err = errors.Join(json.Unmarshal([]byte(row.Events), &w.Events), json.Unmarshal([]byte(row.CustomHooks), &w.CustomHooks))
	return w, err
}

// GetWebhook implements or3cloud.WebhookStore.
func (h *Webhooks) GetWebhook(ctx context.Context, id string) (or3cloud.Webhook, error) {
	row, err := h.e.Q.WebhookByID(ctx, id)
	if engine.NoRows(err) {
		return or3cloud.Webhook{}, errNotFound
	}
	if err != nil {
		return or3cloud.Webhook{}, sqlitex.Translate(err)
	}
	w, err := webhook(row.Webhook, row.WorkspaceID)
	if err != nil {
		return w, err
	}
	last, err := h.e.Q.LastOutcomes(ctx, db.LastOutcomesParams{Webhook: row.Webhook.Num, Since: row.Webhook.Since})
	w.Health = health(last)
	return w, sqlitex.Translate(err)
}

// healthy is how many deliveries in a row have to succeed.
const healthy = 3

// health judges the last finished deliveries.
func health(last []string) or3cloud.WebhookHealth {
	for _, status := range last {
		if status == string(or3cloud.DeliveryFailed) {
			return or3cloud.WebhookFailing
		}
	}
	if len(last) < healthy {
		return or3cloud.WebhookHealthUnknown
	}
	return or3cloud.WebhookHealthy
}

// ListWebhooks implements or3cloud.WebhookStore.
func (h *Webhooks) ListWebhooks(ctx context.Context, userID, workspaceID string) (out []or3cloud.Webhook, err error) {
	ids, err := h.idsOf(ctx, userID, workspaceID)
	if err != nil {
		return nil, sqlitex.Translate(err)
	}
	for _, id := range ids {
		w, err := h.GetWebhook(ctx, id)
		switch {
		case err == nil:
			out = append(out, w)
		case or3cloud.CodeOf(err) != or3cloud.CodeNotFound: // otherwise it has been deleted
			return nil, err
		}
	}
	return out, nil
}

func (h *Webhooks) idsOf(ctx context.Context, userID, workspaceID string) ([]string, error) {
	if userID == or3cloud.Administrators {
		return h.e.Q.AdminWebhooks(ctx)
	}
	num, err := h.workspaces.Number(ctx, workspaceID)
	if err != nil {
		return nil, err
	}
	return h.e.Q.WebhooksOf(ctx, db.WebhooksOfParams{UserID: userID, Workspace: num})
}

// UpdateWebhook implements or3cloud.WebhookStore.
func (h *Webhooks) UpdateWebhook(ctx context.Context, userID, id string, change or3cloud.WebhookChange) (or3cloud.Webhook, error) {
	err := h.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		row, err := own(ctx, t, userID, id)
		if err != nil {
			return err
		}
		next := db.ChangeWebhookParams{
			Num: row.Num, Url: row.Url, Label: row.Label, Events: row.Events, CustomHooks: row.CustomHooks, Enabled: row.Enabled,
			Since: row.Since, Now: t.At,
		}
		if change.URL != nil && *change.URL != row.Url {
			next.Url, next.Since = *change.URL, t.At
		}
		if change.Label != nil {
			next.Label = *change.Label
		}
		if change.Events != nil {
			next.Events = encode(change.Events)
		}
		if change.CustomHooks != nil {
			next.CustomHooks = encode(change.CustomHooks)
		}
		if change.Enabled != nil {
			next.Enabled = number(*change.Enabled)
		}
		switch {
		case next.Enabled < row.Enabled:
			err = cancel(ctx, t, row.Num)
		case next.Enabled > row.Enabled && ofAdmins(row):
			err = t.Q.SkipAdminEvents(ctx, row.Num)
		case next.Enabled > row.Enabled:
			err = t.Q.SkipToPresent(ctx, row.Num)
		}
		return errors.Join(err, t.Q.ChangeWebhook(ctx, next))
	})
	if err != nil {
		return or3cloud.Webhook{}, err
	}
	return h.GetWebhook(ctx, id)
}

// cancel drops what waits for a webhook that gets nothing any more.
func cancel(ctx context.Context, t *engine.Tx, num int64) error {
	return errors.Join(t.Q.CancelDeliveries(ctx, num), t.Q.DropCompletionsOf(ctx, num))
}

// DeleteWebhook implements or3cloud.WebhookStore.
func (h *Webhooks) DeleteWebhook(ctx context.Context, userID, id string) error {
	return h.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		row, err := own(ctx, t, userID, id)
		if err != nil {
			return err
		}
		return t.Q.DeleteWebhook(ctx, row.Num)
	})
}

// DisableAllWebhooks implements or3cloud.WebhookStore.
func (h *Webhooks) DisableAllWebhooks(ctx context.Context, userID, workspaceID string) (disabled int, err error) {
	workspace, err := h.workspaces.Number(ctx, workspaceID)
	if err != nil {
		return 0, err
	}
	err = h.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		if err := members.Permit(t, userID, workspace, or3cloud.PermWorkspaceRead); err != nil {
			return err
		}
		nums, err := t.Q.EnabledWebhooksOf(ctx, db.EnabledWebhooksOfParams{UserID: userID, Workspace: workspace})
		for _, num := range nums {
			err = errors.Join(err, cancel(ctx, t, num), t.Q.DisableWebhook(ctx, db.DisableWebhookParams{Now: t.At, Num: num}))
		}
		disabled = len(nums)
		return err
	})
	return disabled, err
}

// GetDeliveryLogs implements or3cloud.WebhookStore.
func (h *Webhooks) GetDeliveryLogs(ctx context.Context, webhookID string, since time.Time) (out []or3cloud.WebhookDelivery, err error) {
	row, err := h.e.Q.WebhookByID(ctx, webhookID)
	if engine.NoRows(err) {
		return nil, nil
	}
	var nums []int64
	if err == nil {
		nums, err = h.e.Q.DeliveriesSince(ctx, db.DeliveriesSinceParams{Webhook: row.Webhook.Num, Since: since.UnixMilli()})
	}
	if err != nil {
		return nil, sqlitex.Translate(err)
	}
	size := 0
	for _, num := range nums {
		d, err := h.e.Q.Delivery(ctx, num)
		if engine.NoRows(err) {
			continue // it has been removed
		}
		if err != nil {
			return nil, sqlitex.Translate(err)
		}
		// Bodies are sent as strings in JSON, where a quote takes two bytes.
		if size += 2*len(d.Body) + 2*len(d.Answer) + 500; size > or3cloud.LogBytes {
			break
		}
		out = append(out, delivery(d, webhookID))
	}
	return out, nil
}

// delivery converts a row.
func delivery(row db.WebhookDelivery, webhookID string) or3cloud.WebhookDelivery {
	return or3cloud.WebhookDelivery{
		ID: row.ID, WebhookID: webhookID, EventID: row.EventID, Event: row.Event, Body: row.Body, Attempt: int(row.Attempt),
		Status: or3cloud.DeliveryStatus(row.Status), ClaimedBy: row.ClaimedBy, ClaimedAt: moment(row.ClaimedAt),
		NextAt: time.UnixMilli(row.NextAt), CreatedAt: time.UnixMilli(row.CreatedAt),
		Last: or3cloud.DeliveryAttempt{
			HTTPStatus: int(row.HttpStatus), Error: row.Error, Answer: row.Answer, Duration: time.Duration(row.Duration) * time.Millisecond,
		},
	}
}

func moment(at int64) (t time.Time) {
	if at > 0 {
		t = time.UnixMilli(at)
	}
	return t
}
