package webhooks

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// AddCompletion records that an answer is complete, in the transaction in which it ends, for each webhook that receives
// the event.
func AddCompletion(ctx context.Context, t *engine.Tx, m or3cloud.CompletedMessage) error {
	return t.Q.AddCompletions(ctx, db.AddCompletionsParams{
		At: t.At, ThreadID: m.ThreadID, MessageID: m.MessageID, ModelID: m.ModelID, JobID: m.JobID, WorkspaceID: m.WorkspaceID, Event: completed,
		Most: or3cloud.WaitingCompletions,
	})
}

// completed is the event as it appears in the list of a webhook.
const completed = `"` + or3cloud.EventMessageCompleted + `"`

// ReportCompletion implements or3cloud.WebhookQueue.
func (h *Webhooks) ReportCompletion(ctx context.Context, m or3cloud.CompletedMessage) error {
	told, err := h.e.Q.CompletionsAreTold(ctx, db.CompletionsAreToldParams{WorkspaceID: m.WorkspaceID, Event: completed})
	if err != nil || !told {
		return sqlitex.Translate(err)
	}
	if err := h.e.CheckRoom(); err != nil {
		return err
	}
	return h.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error { return AddCompletion(ctx, t, m) })
}

// EnqueueCompletions implements or3cloud.WebhookQueue.
func (h *Webhooks) EnqueueCompletions(
	ctx context.Context, since time.Time, deliver func(*or3cloud.Webhook, *or3cloud.CompletedMessage) (*or3cloud.WebhookDelivery, error),
) (more bool, err error) {
	rows, err := h.e.Q.WaitingForCompletions(ctx, db.WaitingForCompletionsParams{Most: or3cloud.OpenDeliveries, Max: waiting})
	if err != nil {
		return false, sqlitex.Translate(err)
	}
	if len(rows) > 0 {
		if err := h.e.CheckRoom(); err != nil {
			return false, err // they wait
		}
	}
	for _, row := range rows {
		hook, err := webhook(row.Webhook, row.WorkspaceID)
		if err != nil {
			return false, err
		}
		room := or3cloud.OpenDeliveries - row.Open
		ended, err := h.e.Q.CompletionsOf(ctx, db.CompletionsOfParams{Webhook: row.Webhook.Num, Max: room})
		if err != nil {
			return false, sqlitex.Translate(err)
		}
		made := make(map[int64]*or3cloud.WebhookDelivery, len(ended))
		for _, c := range ended {
			if made[c.Num] = nil; c.At < since.UnixMilli() {
				continue
			}
			made[c.Num], err = deliver(&hook, &or3cloud.CompletedMessage{
				WorkspaceID: hook.WorkspaceID, ThreadID: c.ThreadID, MessageID: c.MessageID, ModelID: c.ModelID, JobID: c.JobID, At: time.UnixMilli(c.At),
			})
			if err != nil {
				return false, err
			}
		}
		err = h.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
			for _, c := range ended {
				struck, err := t.Q.DropCompletion(ctx, c.Num)
				if d := made[c.Num]; err == nil && struck > 0 && d != nil { // otherwise the webhook has been disabled
					err = insert(ctx, t.Q, row.Webhook.Num, *d)
				}
				if err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return false, err
		}
	}
	return len(rows) == waiting, nil
}

// forgetCompletions removes those from before a time, which are no longer delivered to any webhook.
func (h *Webhooks) forgetCompletions(ctx context.Context, before time.Time) error {
	drop := func(q *db.Queries, ctx context.Context, num int64) error {
		_, err := q.DropCompletion(ctx, num)
		return err
	}
	return h.drop(ctx, drop, func(ctx context.Context) ([]int64, error) {
		return h.e.Q.OldCompletions(ctx, db.OldCompletionsParams{Before: before.UnixMilli(), Max: dropped})
	})
}
