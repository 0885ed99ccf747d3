package webhook

import (
	"context"
	"slices"
	"time"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
)

// tellAdmins creates deliveries for the events that administrators have not been told of.
func (e *Engine) tellAdmins(ctx context.Context) error {
	if e.opt.Admins == nil {
		return nil
	}
	for more := true; more && ctx.Err() == nil; {
		var err error
		if more, err = e.opt.Admins.EnqueueAdminEvents(ctx, e.opt.Now().Add(-e.opt.Retention), e.adminDeliveries); err != nil {
			return err
		}
	}
	return nil
}

// adminDeliveries returns the deliveries of an event to a webhook: the event itself, if it asked for that, and the call
// of the hook.
func (e *Engine) adminDeliveries(w *or3cloud.Webhook, event *adminevent.Event) (out []or3cloud.WebhookDelivery, err error) {
	var names []string
	if slices.Contains(w.Events, event.Name) {
		names = append(names, event.Name)
	}
	if hook := adminevent.Hook(event.Name); hook != "" && slices.Contains(w.CustomHooks, hook) {
		names = append(names, hook)
	}
	of := *w
	of.WorkspaceID = event.WorkspaceID
	for _, name := range names {
		d, err := e.make(&of, name, event.At, jsontext.Value(event.Data))
		if err != nil {
			return nil, err
		}
		out = append(out, *d)
	}
	return out, nil
}

// faultPause is how long administrators are not told of further faults of a store after they were told of some: ten
// thousand damaged files are found one by one.
const faultPause = 10 * time.Minute

// told is what administrators know about the faults of a store.
type told struct {
	faults int
	at     time.Time
}

// reportFaults reports faults that administrators do not know of. After a restart, it reports again whatever is still
// damaged.
func (e *Engine) reportFaults(ctx context.Context) error {
	if e.opt.Admins == nil || e.opt.Faults == nil {
		return nil
	}
	now := e.opt.Now()
	for _, f := range e.opt.Faults.Faults() {
		key := f.ID + " " + f.State
		known := e.told[key]
		if f.Faults <= known.faults {
			known.faults = f.Faults // damage after a repair is news
			e.told[key] = known
			continue
		}
		if since := now.Sub(known.at); !known.at.IsZero() && since >= 0 && since < faultPause {
			continue
		}
		data, err := json.Marshal(f)
		if err != nil {
			return err
		}
		name := adminevent.SyncError
		if f.ID == string(or3cloud.ProviderStorage) {
			name = adminevent.StorageError
		}
		kept, err := e.opt.Admins.ReportAdminEvent(ctx, adminevent.Event{Name: name, Data: data})
		if err != nil {
			return err
		}
		if kept { // otherwise a webhook created later is told
			e.told[key] = told{f.Faults, now}
			e.opt.Faults.Told(f)
		}
	}
	return nil
}
