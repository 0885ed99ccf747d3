package webhooks

import (
	"context"
	"database/sql"
	"encoding/json"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/adminevents"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// createOfAdmins creates a webhook of administrators. The caller has checked that it may.
func (h *Webhooks) createOfAdmins(ctx context.Context, w or3cloud.Webhook, most int) (or3cloud.Webhook, error) {
	workspace := sql.NullInt64{Valid: w.WorkspaceID != ""}
	if workspace.Valid {
		var err error
		workspace.Int64, err = h.workspaces.Number(ctx, w.WorkspaceID)
		if or3cloud.CodeOf(err) == or3cloud.CodeForbidden {
			err = or3cloud.Errorf(or3cloud.CodeNotFound, "Workspace not found")
		}
		if err != nil {
			return w, err
		}
	}
	if err := h.e.CheckRoom(); err != nil {
		return w, err
	}
	err := h.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		has, err := t.Q.CountAdminWebhooks(ctx)
		if err != nil {
			return err
		}
		if has >= int64(most) {
			return or3cloud.Errorf(or3cloud.CodeInvalid, "Admin webhook limit exceeded")
		}
		return t.Q.InsertAdminWebhook(ctx, db.InsertAdminWebhookParams{
			ID: w.ID, Workspace: workspace, Url: w.URL, Label: w.Label, Events: encode(w.Events), CustomHooks: encode(w.CustomHooks),
			Secret: w.SealedSecret, Enabled: number(w.Enabled), Now: t.At,
		})
	})
	if err != nil {
		return w, err
	}
	return h.GetWebhook(ctx, w.ID)
}

// ReportAdminEvent implements adminevent.Queue.
func (h *Webhooks) ReportAdminEvent(ctx context.Context, e adminevent.Event) (kept bool, err error) {
	told, err := h.e.Q.AdminsAreTold(ctx)
	if err != nil || !told {
		return false, sqlitex.Translate(err)
	}
	err = h.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		kept, err = adminevents.Add(ctx, t, e.Name, e.WorkspaceID, json.RawMessage(e.Data))
		return err
	})
	return kept, err
}

// EnqueueAdminEvents implements adminevent.Queue.
func (h *Webhooks) EnqueueAdminEvents(ctx context.Context, since time.Time, deliver func(*or3cloud.Webhook, *adminevent.Event) ([]or3cloud.WebhookDelivery, error)) (more bool, err error) {
	rows, err := h.e.Q.WaitingAdminWebhooks(ctx, or3cloud.OpenDeliveries)
	if err != nil {
		return false, sqlitex.Translate(err)
	}
	if len(rows) > 0 {
		if err := h.e.CheckRoom(); err != nil {
			return false, err // the events wait
		}
	}
	for _, row := range rows {
		st := step{e: h.e, row: db.WaitingWebhooksRow{Webhook: row.Webhook, WorkspaceID: row.WorkspaceID, Open: row.Open}, since: since.UnixMilli()}
		if err := st.readEvents(ctx, deliver); err != nil {
			return false, err
		}
		if st.upto == 0 {
			continue // there is no room for the next ones
		}
		if err := st.write(ctx); err != nil {
			return false, err
		}
		more = more || st.upto < row.Newest && len(st.made) < st.room()
	}
	return more, nil
}

// readEvents goes through events until there are enough deliveries for one job of the writer.
func (st *step) readEvents(ctx context.Context, deliver func(*or3cloud.Webhook, *adminevent.Event) ([]or3cloud.WebhookDelivery, error)) error {
	hook, err := webhook(st.row.Webhook, st.row.WorkspaceID)
	if err != nil {
		return err
	}
	rows, err := st.e.Q.AdminEventsAfter(ctx, db.AdminEventsAfterParams{After: st.row.Webhook.Position, Max: looked})
	if err != nil {
		return sqlitex.Translate(err)
	}
	for _, row := range rows {
		if row.At >= st.since && (hook.WorkspaceID == "" || hook.WorkspaceID == row.WorkspaceID) {
			e := adminevent.Event{Name: row.Name, WorkspaceID: row.WorkspaceID, At: time.UnixMilli(row.At), Data: []byte(row.Data)}
			made, err := deliver(&hook, &e)
			if err != nil {
				return err
			}
			if len(st.made)+len(made) > st.room() {
				return nil
			}
			st.made = append(st.made, made...)
		}
		st.upto = row.Num
	}
	return nil
}

// forgetEvents removes events from before a time, which are no longer delivered to any webhook.
func (h *Webhooks) forgetEvents(ctx context.Context, before time.Time) error {
	return h.drop(ctx, (*db.Queries).DropAdminEvent, func(ctx context.Context) ([]int64, error) {
		return h.e.Q.OldAdminEvents(ctx, db.OldAdminEventsParams{Before: before.UnixMilli(), Max: dropped})
	})
}
