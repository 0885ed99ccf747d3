package webhooks

import (
	"cmp"
	"context"
	"math/bits"
	"slices"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// The limits of one step.
const (
	// waiting is how many webhooks EnqueueEvents looks at, looked at how many entries of the log it reads for each of
	// them.
	waiting = 20
	looked  = 500
	// stepBytes is approximately how many bytes of bodies one job of the writer writes.
	stepBytes = 1 << 20
	// dropped is how many deliveries one job of the writer removes.
	dropped = 100
)

// told are the tables whose changes webhooks report.
var told = []string{or3cloud.TableMessages, or3cloud.TableNotifications, or3cloud.TablePosts, or3cloud.TableThreads}

// EnqueueEvents implements or3cloud.WebhookQueue.
func (h *Webhooks) EnqueueEvents(ctx context.Context, since time.Time, deliver func(*or3cloud.Webhook, *or3cloud.AppliedOp) (*or3cloud.WebhookDelivery, error)) (more bool, err error) {
	rows, err := h.e.Q.WaitingWebhooks(ctx, db.WaitingWebhooksParams{Most: or3cloud.OpenDeliveries, Max: waiting})
	if err != nil {
		return false, sqlitex.Translate(err)
	}
	if len(rows) > 0 {
		if err := h.e.CheckRoom(); err != nil {
			return false, err // the events wait in the log
		}
	}
	for _, row := range rows {
		st := step{e: h.e, row: row, since: since.UnixMilli(), deliver: deliver}
		if err := st.read(ctx); err != nil {
			return false, err
		}
		if err := st.write(ctx); err != nil {
			return false, err
		}
		more = more || st.upto < row.Version && len(st.made) < st.room()
	}
	return more || len(rows) == waiting, nil
}

// step moves one webhook through the log.
type step struct {
	e       *engine.Engine
	row     db.WaitingWebhooksRow
	since   int64
	deliver func(*or3cloud.Webhook, *or3cloud.AppliedOp) (*or3cloud.WebhookDelivery, error)

	upto int64 // the version up to which the webhook has been told
	made []or3cloud.WebhookDelivery
	size int // of their bodies
}

// room is how many more deliveries may be open.
func (st *step) room() int { return or3cloud.OpenDeliveries - int(st.row.Open) }

// read goes through the log until there are enough deliveries for one job of the writer. It holds the texts of one
// block at a time.
func (st *step) read(ctx context.Context) error {
	hook, err := webhook(st.row.Webhook, st.row.WorkspaceID)
	if err != nil {
		return err
	}
	workspace, wanted := st.row.Webhook.Workspace.Int64, block.Wanted{
		After: st.row.Webhook.Position, Tables: layout.TableSet(told), User: layout.PackID(nil, hook.UserID),
	}
	st.upto = wanted.After
	return st.e.View(ctx, func(r *engine.Reader) error {
		blocks := entries.Of(r).After(workspace, wanted.After, st.row.Version)
		defer blocks.Close()
		for seen := 0; blocks.Next(); seen += blocks.Len() {
			if seen >= looked {
				return nil
			}
			// Whatever has happened to them since, as long as they exist.
			mask, err := blocks.Visible(block.Marks{Skip: blocks.Marks.Collected()}, wanted)
			if err == nil && mask != 0 {
				err = blocks.Unpack(mask)
			}
			for ; mask != 0 && err == nil; mask &= mask - 1 {
				if len(st.made) == st.room() || st.size >= stepBytes {
					return nil
				}
				err = st.tell(&hook, blocks, bits.TrailingZeros64(mask))
			}
			if err == nil {
				st.upto, err = blocks.Version(blocks.Len() - 1)
			}
			if err != nil {
				return err
			}
		}
		st.upto = max(st.upto, st.row.Version)
		return blocks.Close()
	})
}

// tell creates a delivery for an entry, if it was applied.
func (st *step) tell(hook *or3cloud.Webhook, blocks *entries.Blocks, i int) error {
	e, err := blocks.Entry(i)
	if err != nil {
		return err
	}
	st.upto = e.Version
	if e.Lost || e.At < st.since || e.Dropped() {
		return nil
	}
	op := or3cloud.AppliedOp{
		WorkspaceID: hook.WorkspaceID, Table: layout.TableName(e.Table), Operation: e.Operation, Payload: e.Payload(),
		Existed: e.Prev > 0 && !e.Revived, OwnerID: layout.UnpackID(e.Owner), At: time.UnixMilli(e.At),
	}
	if op.PK, err = e.PK(); err != nil {
		return err
	}
	d, err := st.deliver(hook, &op)
	if err == nil && d != nil {
		st.made, st.size = append(st.made, *d), st.size+len(d.Body)
	}
	return err
}

// write stores the deliveries and moves the webhook's position, unless it has moved or has been disabled.
func (st *step) write(ctx context.Context) error {
	num := st.row.Webhook.Num
	return st.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		moved, err := t.Q.MoveWebhook(ctx, db.MoveWebhookParams{Num: num, After: st.row.Webhook.Position, Upto: st.upto})
		if err != nil || moved == 0 {
			return err
		}
		for _, d := range st.made {
			if err := insert(ctx, t.Q, num, d); err != nil {
				return err
			}
		}
		return nil
	})
}

func insert(ctx context.Context, q *db.Queries, webhook int64, d or3cloud.WebhookDelivery) error {
	return q.InsertDelivery(ctx, db.InsertDeliveryParams{
		ID: d.ID, Webhook: webhook, EventID: d.EventID, Event: d.Event, Attempt: int64(d.Attempt), Status: string(d.Status),
		NextAt: d.NextAt.UnixMilli(), CreatedAt: d.CreatedAt.UnixMilli(), HttpStatus: int64(d.Last.HTTPStatus), Error: d.Last.Error,
		Duration: d.Last.Duration.Milliseconds(), Answer: d.Last.Answer, Body: d.Body,
	})
}

// ClaimDeliveries implements or3cloud.WebhookQueue.
func (h *Webhooks) ClaimDeliveries(ctx context.Context, worker string, limit, perUser int) (out []or3cloud.ClaimedDelivery, err error) {
	due, err := h.due(ctx, limit, perUser)
	if err != nil || len(due) == 0 {
		return nil, err
	}
	err = h.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		hooks := map[int64]or3cloud.Webhook{}
		for _, num := range due {
			d, err := t.Q.ClaimDelivery(ctx, db.ClaimDeliveryParams{Num: num, Worker: worker, Now: t.At})
			if engine.NoRows(err) {
				continue // another worker was faster, or it was cancelled
			}
			if err != nil {
				return err
			}
			w, known := hooks[d.Webhook]
			if !known {
				row, err := t.Q.WebhookByNumber(ctx, d.Webhook)
				if err != nil {
					return err
				}
				if w, err = webhook(row.Webhook, row.WorkspaceID); err != nil {
					return err
				}
				hooks[d.Webhook] = w
			}
			out = append(out, or3cloud.ClaimedDelivery{Webhook: w, WebhookDelivery: delivery(d, w.ID)})
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// due returns pending deliveries in the order in which they are handed out: the users take turns, and so do the
// webhooks of a user, those with the least in flight first.
func (h *Webhooks) due(ctx context.Context, limit, perUser int) (nums []int64, err error) {
	rows, err := h.e.Q.DueDeliveries(ctx, db.DueDeliveriesParams{Now: h.e.Now().UnixMilli(), Most: int64(perUser)})
	if err != nil || len(rows) == 0 {
		return nil, sqlitex.Translate(err)
	}
	busy, err := h.e.Q.InFlight(ctx)
	if err != nil {
		return nil, sqlitex.Translate(err)
	}
	ofHook, ofUser := map[int64]int{}, map[string]int{}
	for _, b := range busy {
		ofHook[b.Webhook]++
		ofUser[b.UserID]++
	}
	type place struct {
		db.DueDeliveriesRow
		turn int // of the webhook, then of the user
	}
	places := make([]place, len(rows))
	slices.SortFunc(rows, func(a, b db.DueDeliveriesRow) int {
		return cmp.Or(cmp.Compare(a.NextAt, b.NextAt), cmp.Compare(a.Num, b.Num)) // the one that has been due the longest first
	})
	inTurn := func(a, b place) int { return cmp.Compare(a.turn, b.turn) }
	for i, r := range rows {
		ofHook[r.Webhook]++
		places[i] = place{r, ofHook[r.Webhook]}
	}
	slices.SortStableFunc(places, inTurn)
	for i, p := range places {
		ofUser[p.UserID]++
		places[i].turn = ofUser[p.UserID]
	}
	slices.SortStableFunc(places, inTurn)
	for _, p := range places {
		if len(nums) == limit || p.turn > perUser {
			break
		}
		nums = append(nums, p.Num)
	}
	return nums, nil
}

// FinishDelivery implements or3cloud.WebhookQueue.
func (h *Webhooks) FinishDelivery(ctx context.Context, d or3cloud.WebhookDelivery) error {
	return h.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		row, err := t.Q.OpenDelivery(ctx, d.ID)
		if engine.NoRows(err) {
			return nil
		}
		if err != nil {
			return err
		}
		if d.Status == or3cloud.DeliveryPending && !row.Enabled {
			d.Status = or3cloud.DeliveryCancelled // the webhook has been disabled
		}
		err = t.Q.FinishDelivery(ctx, db.FinishDeliveryParams{
			Num: row.Num, Status: string(d.Status), Attempt: int64(d.Attempt), NextAt: d.NextAt.UnixMilli(), HttpStatus: int64(d.Last.HTTPStatus),
			Error: d.Last.Error, Duration: d.Last.Duration.Milliseconds(), Answer: d.Last.Answer,
		})
		if err != nil || d.Status == or3cloud.DeliveryPending {
			return err
		}
		return t.Q.TrimDeliveries(ctx, db.TrimDeliveriesParams{Webhook: row.Webhook, Keep: or3cloud.KeptDeliveries})
	})
}

// RecordDelivery implements or3cloud.WebhookQueue.
func (h *Webhooks) RecordDelivery(ctx context.Context, d or3cloud.WebhookDelivery) error {
	if err := h.e.CheckRoom(); err != nil {
		return err
	}
	return h.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		row, err := t.Q.WebhookByID(ctx, d.WebhookID)
		if engine.NoRows(err) {
			return errNotFound
		}
		if err == nil {
			err = insert(ctx, t.Q, row.Webhook.Num, d)
		}
		if err != nil {
			return err
		}
		return t.Q.TrimDeliveries(ctx, db.TrimDeliveriesParams{Webhook: row.Webhook.Num, Keep: or3cloud.KeptDeliveries})
	})
}

// ResetStaleDeliveries implements or3cloud.WebhookQueue. A worker that claimed something before this process began is
// gone.
func (h *Webhooks) ResetStaleDeliveries(ctx context.Context, before time.Time) (n int, err error) {
	busy, err := h.e.Q.InFlight(ctx)
	if err != nil || len(busy) == 0 {
		return 0, sqlitex.Translate(err)
	}
	if before.Before(h.opened) {
		before = h.opened
	}
	err = h.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		reset, err := t.Q.ResetStaleDeliveries(ctx, db.ResetStaleDeliveriesParams{Now: t.At, Before: before.UnixMilli()})
		n = int(reset)
		return err
	})
	return n, err
}

// PurgeDeliveries implements or3cloud.WebhookQueue.
func (h *Webhooks) PurgeDeliveries(ctx context.Context, before time.Time) error {
	err := h.drop(ctx, (*db.Queries).DropDelivery, func(ctx context.Context) ([]int64, error) {
		return h.e.Q.ExpiredDeliveries(ctx, db.ExpiredDeliveriesParams{Before: before.UnixMilli(), Max: dropped})
	})
	if err != nil {
		return err
	}
	if err := h.forgetEvents(ctx, before); err != nil {
		return err
	}
	if err := h.forgetCompletions(ctx, before); err != nil {
		return err
	}
	live, err := h.e.Q.WebhookNumbers(ctx)
	if err != nil {
		return sqlitex.Translate(err)
	}
	for num := int64(0); ; {
		if num, err = h.e.Q.NextWithDeliveries(ctx, num); engine.NoRows(err) {
			return nil
		} else if err != nil {
			return sqlitex.Translate(err)
		}
		if _, found := slices.BinarySearch(live, num); found {
			continue
		}
		err = h.drop(ctx, (*db.Queries).DropDelivery, func(ctx context.Context) ([]int64, error) {
			return h.e.Q.DeliveriesOf(ctx, db.DeliveriesOfParams{Webhook: num, Max: dropped})
		})
		if err != nil {
			return err
		}
	}
}

// drop removes what find finds, in steps that hold the writer only briefly.
func (h *Webhooks) drop(ctx context.Context, one func(*db.Queries, context.Context, int64) error, find func(context.Context) ([]int64, error)) error {
	for {
		nums, err := find(ctx)
		if err != nil || len(nums) == 0 {
			return sqlitex.Translate(err)
		}
		err = h.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
			for _, num := range nums {
				if err := one(t.Q, ctx, num); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil || len(nums) < dropped {
			return err
		}
	}
}
