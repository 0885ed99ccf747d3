package providertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// webhookBench is a sync bench with webhooks.
type webhookBench struct {
	*syncBench
	store or3cloud.WebhookStore
	queue or3cloud.WebhookQueue
	made  int
}

// withWebhooks runs f if the provider keeps webhooks.
func withWebhooks(f func(*testing.T, *webhookBench)) func(*testing.T, *syncBench) {
	return func(t *testing.T, b *syncBench) {
		store, ok := b.Sync.(or3cloud.WebhookStore)
		if !ok {
			t.Skip("no WebhookStore")
		}
		f(t, &webhookBench{syncBench: b, store: store, queue: b.Sync.(or3cloud.WebhookQueue)})
	}
}

// webhook returns a webhook that is not stored yet.
func (b *webhookBench) webhook(user, ws string) or3cloud.Webhook {
	b.made++
	return or3cloud.Webhook{
		ID: fmt.Sprintf("10000000-0000-4000-8000-%012d", b.made), Scope: or3cloud.WebhookUser, UserID: user, WorkspaceID: ws,
		URL: "https://example.org/", Label: fmt.Sprint("hook ", b.made), Events: []string{or3cloud.EventThreadCreated, or3cloud.EventThreadUpdated},
		SealedSecret: []byte("sealed"), Enabled: true,
	}
}

// hook makes a webhook.
func (b *webhookBench) hook(user, ws string) or3cloud.Webhook {
	b.t.Helper()
	return must(b.store.CreateWebhook(b.ctx, b.webhook(user, ws), 1000))(b.t)
}

func (b *webhookBench) member(name string, role or3cloud.Role) string {
	b.t.Helper()
	user := must(b.Workspaces.GetOrCreateUser(b.ctx, identity(name)))(b.t)
	b.join(user, role)
	return user
}

func pointer[T any](v T) *T { return &v }

// enqueue makes deliveries of everything that waits. The body of each is the op.
func (b *webhookBench) enqueue() {
	b.t.Helper()
	for more := true; more; {
		more = must(b.queue.EnqueueEvents(b.ctx, time.Now().Add(-72*time.Hour), b.deliver))(b.t)
	}
}

func (b *webhookBench) deliver(w *or3cloud.Webhook, op *or3cloud.AppliedOp) (*or3cloud.WebhookDelivery, error) {
	body := fmt.Sprintf("%s %s %s existed:%t", op.Operation, op.Table, op.PK, op.Existed)
	if op.WorkspaceID != w.WorkspaceID || op.OwnerID != "" && op.OwnerID != w.UserID || op.At.IsZero() || op.Operation == or3cloud.OpPut && len(op.Payload) == 0 {
		b.t.Errorf("%s: %+v for %+v", body, op, w)
	}
	return b.delivery(w.ID, body), nil
}

func (b *webhookBench) delivery(webhookID, body string) *or3cloud.WebhookDelivery {
	b.made++
	now := b.now()
	return &or3cloud.WebhookDelivery{
		ID: fmt.Sprintf("20000000-0000-4000-8000-%012d", b.made), WebhookID: webhookID, EventID: fmt.Sprintf("30000000-0000-4000-8000-%012d", b.made),
		Event: "e", Body: []byte(body), Attempt: 1, Status: or3cloud.DeliveryPending, NextAt: now, CreatedAt: now,
	}
}

// now is the store's time.
func (b *webhookBench) now() time.Time {
	b.t.Helper()
	id := must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "clock", ""))(b.t)
	for _, ws := range must(b.Workspaces.ListUserWorkspaces(b.ctx, b.user))(b.t) {
		if ws.ID == id {
			must(0, b.Workspaces.RemoveWorkspace(b.ctx, b.user, id))(b.t)
			return ws.CreatedAt
		}
	}
	b.t.Fatal("the workspace is not there")
	return time.Time{}
}

// log returns the deliveries of a webhook, oldest first, as status and body.
func (b *webhookBench) log(id string) (out []string) {
	b.t.Helper()
	for _, d := range slices.Backward(must(b.store.GetDeliveryLogs(b.ctx, id, time.Time{}))(b.t)) {
		out = append(out, string(d.Status)+" "+string(d.Body))
	}
	return out
}

func (b *webhookBench) want(id string, want ...string) {
	b.t.Helper()
	if got := b.log(id); !slices.Equal(got, want) {
		b.t.Errorf("\n got %s\nwant %s", strings.Join(got, "; "), strings.Join(want, "; "))
	}
}

func (b *webhookBench) claim(limit, perUser int) []or3cloud.ClaimedDelivery {
	b.t.Helper()
	return must(b.queue.ClaimDeliveries(b.ctx, "worker", limit, perUser))(b.t)
}

func (b *webhookBench) finish(d or3cloud.WebhookDelivery, status or3cloud.DeliveryStatus) {
	b.t.Helper()
	d.Status = status
	must(0, b.queue.FinishDelivery(b.ctx, d))(b.t)
}

func testWebhooks(t *testing.T, b *webhookBench) {
	editor, viewer := b.member("editor", or3cloud.RoleEditor), b.member("viewer", or3cloud.RoleViewer)
	stranger := must(b.Workspaces.GetOrCreateUser(b.ctx, identity("stranger")))(t)
	in := b.webhook(viewer, b.ws)
	made := must(b.store.CreateWebhook(b.ctx, in, 2))(t)
	in.Health, in.CreatedAt, in.UpdatedAt = or3cloud.WebhookHealthUnknown, made.CreatedAt, made.UpdatedAt
	if made.CreatedAt.IsZero() || made.CreatedAt != made.UpdatedAt || fmt.Sprintf("%+v", made) != fmt.Sprintf("%+v", in) {
		t.Errorf("%+v, want %+v", made, in)
	}
	if got := must(b.store.GetWebhook(b.ctx, in.ID))(t); fmt.Sprintf("%+v", got) != fmt.Sprintf("%+v", in) {
		t.Errorf("%+v, want %+v", got, in)
	}
	b.Advance(time.Second)
	second := must(b.store.CreateWebhook(b.ctx, b.webhook(viewer, b.ws), 2))(t)
	own := must(b.Workspaces.CreateWorkspace(b.ctx, viewer, "Own", ""))(t)
	for _, ws := range []string{b.ws, own} { // the limit counts all workspaces
		_, err := b.store.CreateWebhook(b.ctx, b.webhook(viewer, ws), 2)
		wantCode(t, "one more", err, or3cloud.CodeInvalid)
	}
	b.hook(editor, b.ws)
	_, err := b.store.CreateWebhook(b.ctx, b.webhook(stranger, b.ws), 2)
	wantCode(t, "a webhook of a stranger", err, or3cloud.CodeForbidden)
	_, err = b.store.CreateWebhook(b.ctx, b.webhook(viewer, "nothing"), 9)
	wantCode(t, "a webhook of nothing", err, or3cloud.CodeForbidden)
	if list := must(b.store.ListWebhooks(b.ctx, viewer, b.ws))(t); len(list) != 2 || list[0].ID != second.ID || list[1].ID != in.ID {
		t.Errorf("%+v", list)
	}
	if list := must(b.store.ListWebhooks(b.ctx, viewer, own))(t); len(list) != 0 {
		t.Errorf("%+v", list)
	}

	b.Advance(time.Second)
	change := or3cloud.WebhookChange{URL: pointer("https://example.net/"), Label: pointer(""), Events: []string{or3cloud.EventNotification}, Enabled: pointer(false)}
	got := must(b.store.UpdateWebhook(b.ctx, viewer, in.ID, change))(t)
	if got.URL != "https://example.net/" || got.Label != "" || !slices.Equal(got.Events, change.Events) || got.Enabled || !got.UpdatedAt.After(got.CreatedAt) {
		t.Errorf("%+v", got)
	}
	if got := must(b.store.UpdateWebhook(b.ctx, viewer, in.ID, or3cloud.WebhookChange{Enabled: pointer(true)}))(t); !got.Enabled || got.URL != "https://example.net/" {
		t.Errorf("%+v", got)
	}
	for _, user := range []string{editor, stranger, b.user} {
		_, err := b.store.UpdateWebhook(b.ctx, user, in.ID, change)
		wantCode(t, "a change by another user", err, or3cloud.CodeForbidden)
		wantCode(t, "a removal by another user", b.store.DeleteWebhook(b.ctx, user, in.ID), or3cloud.CodeForbidden)
	}
	if n := must(b.store.DisableAllWebhooks(b.ctx, viewer, b.ws))(t); n != 2 {
		t.Errorf("%d were disabled", n)
	}
	if n := must(b.store.DisableAllWebhooks(b.ctx, viewer, b.ws))(t); n != 0 {
		t.Errorf("%d were disabled again", n)
	}
	_, err = b.store.DisableAllWebhooks(b.ctx, stranger, b.ws)
	wantCode(t, "disable all of a stranger", err, or3cloud.CodeForbidden)
	if list := must(b.store.ListWebhooks(b.ctx, editor, b.ws))(t); len(list) != 1 || !list[0].Enabled {
		t.Errorf("another user's: %+v", list)
	}
	wantCode(t, "remove", b.store.DeleteWebhook(b.ctx, viewer, in.ID), "")
	for name, err := range map[string]error{
		"remove":  b.store.DeleteWebhook(b.ctx, viewer, in.ID),
		"change":  errOf(b.store.UpdateWebhook(b.ctx, viewer, in.ID, change)),
		"look at": errOf(b.store.GetWebhook(b.ctx, in.ID)),
	} {
		wantCode(t, name+" what is gone", err, or3cloud.CodeNotFound)
	}
	must(b.store.CreateWebhook(b.ctx, b.webhook(viewer, own), 2))(t) // there is room again
}

func errOf[T any](_ T, err error) error { return err }

// testWebhookEvents pushes ops with every outcome; what was applied is enqueued once, in order, even if it was replaced
// since.
func testWebhookEvents(t *testing.T, b *webhookBench) {
	b.push(b.put("before", 1))
	hook := b.hook(b.user, b.ws)
	other := must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Other", ""))(t)
	elsewhere := b.hook(b.user, other)
	first := b.put("a", 2)
	b.push(first, b.put("a", 1), b.put("a", 3))
	b.push(first)
	b.push(b.del("a", 4), b.put("a", 3), b.put("a", 5), b.put("before", 2), b.op(or3cloud.TableMessages, or3cloud.OpPut, "m", 1))
	b.enqueue()
	want := []string{
		"pending put threads a existed:false", "pending put threads a existed:true", "pending delete threads a existed:true",
		"pending put threads a existed:false", "pending put threads before existed:true", "pending put messages m existed:false",
	}
	b.want(hook.ID, want...)
	b.want(elsewhere.ID)
	b.enqueue()
	b.want(hook.ID, want...)

	// While it is disabled it is told nothing, neither what comes nor what was waiting.
	must(b.store.UpdateWebhook(b.ctx, b.user, hook.ID, or3cloud.WebhookChange{Enabled: pointer(false)}))(t)
	b.push(b.put("missed", 1))
	b.enqueue()
	must(b.store.UpdateWebhook(b.ctx, b.user, hook.ID, or3cloud.WebhookChange{Enabled: pointer(true)}))(t)
	b.push(b.put("c", 1))
	b.enqueue()
	for i := range want {
		want[i] = strings.Replace(want[i], "pending", "cancelled", 1)
	}
	b.want(hook.ID, append(want, "pending put threads c existed:false")...)

	// What has waited for too long is skipped.
	b.push(b.put("old", 1))
	if _, err := b.queue.EnqueueEvents(b.ctx, b.now().Add(time.Hour), b.deliver); err != nil {
		t.Fatal(err)
	}
	b.enqueue()
	if log := b.log(hook.ID); len(log) != len(want)+1 {
		t.Errorf("%q", log)
	}
}

// testWebhookNotifications: only its owner is told of a notification.
func testWebhookNotifications(t *testing.T, b *webhookBench) {
	guest := b.member("guest", or3cloud.RoleEditor)
	mine, theirs := b.hook(b.user, b.ws), b.hook(guest, b.ws)
	note := func(pk, user string) or3cloud.Op {
		return b.op(or3cloud.TableNotifications, or3cloud.OpPut, pk, 1, `"user_id":"`+user+`"`)
	}
	b.push(note("n", b.user))
	must(b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: guest, Ops: []or3cloud.Op{note("g", guest)}}))(t)
	b.enqueue()
	b.want(mine.ID, "pending put notifications n existed:false")
	b.want(theirs.ID, "pending put notifications g existed:false")
}

// testWebhookQueue hands deliveries out: each once, when it is due, and users take turns.
func testWebhookQueue(t *testing.T, b *webhookBench) {
	guest := b.member("guest", or3cloud.RoleEditor)
	mine, theirs := b.hook(b.user, b.ws), b.hook(guest, b.ws)
	for i := range 6 {
		b.push(b.put(fmt.Sprint(i), 1))
	}
	b.enqueue()
	claimed := b.claim(4, 3)
	count := map[string]int{}
	for _, c := range claimed {
		count[c.Webhook.ID]++
		if c.Status != or3cloud.DeliveryInFlight || c.ClaimedBy != "worker" || c.ClaimedAt.IsZero() || c.WebhookID != c.Webhook.ID ||
			string(c.Webhook.SealedSecret) != "sealed" || c.Attempt != 1 || c.Event != "e" || !strings.HasPrefix(string(c.Body), "put threads ") {
			t.Errorf("%+v", c)
		}
	}
	if len(claimed) != 4 || count[mine.ID] != 2 || count[theirs.ID] != 2 {
		t.Errorf("users do not take turns: %v", count)
	}
	if more := b.claim(100, 3); len(more) != 2 {
		t.Errorf("%d more where each user may have one more", len(more))
	}
	if more := b.claim(100, 3); len(more) != 0 {
		t.Errorf("%d are handed out beyond the bound of a user", len(more))
	}

	// The outcomes of an attempt.
	var of []or3cloud.WebhookDelivery
	for _, c := range claimed {
		if c.Webhook.ID == mine.ID {
			of = append(of, c.WebhookDelivery)
		}
	}
	done := of[0]
	done.Last = or3cloud.DeliveryAttempt{HTTPStatus: 204, Answer: "fine", Duration: 12 * time.Millisecond}
	b.finish(done, or3cloud.DeliverySuccess)
	again := of[1]
	again.Attempt, again.NextAt = 2, b.now().Add(time.Minute)
	again.Last = or3cloud.DeliveryAttempt{HTTPStatus: 500, Error: "no", Answer: "oops", Duration: time.Second}
	b.finish(again, or3cloud.DeliveryPending)
	b.finish(done, or3cloud.DeliveryFailed) // it is no longer in flight
	for _, d := range must(b.store.GetDeliveryLogs(b.ctx, mine.ID, time.Time{}))(t) {
		switch d.ID {
		case done.ID:
			if d.Status != or3cloud.DeliverySuccess || d.Last != done.Last || d.Attempt != 1 {
				t.Errorf("%+v", d)
			}
		case again.ID:
			if d.Status != or3cloud.DeliveryPending || d.Last != again.Last || d.Attempt != 2 || d.NextAt.UnixMilli() != again.NextAt.UnixMilli() {
				t.Errorf("%+v", d)
			}
		}
	}
	for _, c := range b.claim(100, 100) {
		if c.ID == again.ID {
			t.Error("it is handed out before it is due")
		}
	}
	b.Advance(2 * time.Minute)
	if late := b.claim(100, 100); len(late) != 1 || late[0].ID != again.ID || late[0].Attempt != 2 || late[0].Last != again.Last {
		t.Errorf("%+v", late)
	}

	// The worker that claimed them is gone.
	if n := must(b.queue.ResetStaleDeliveries(b.ctx, b.now().Add(-time.Hour)))(t); n != 0 {
		t.Errorf("%d were taken back at once", n)
	}
	b.Advance(5 * time.Minute)
	if n := must(b.queue.ResetStaleDeliveries(b.ctx, b.now().Add(-time.Minute)))(t); n != 11 {
		t.Errorf("%d were taken back", n)
	}
	if all := b.claim(100, 100); len(all) != 11 {
		t.Errorf("%d are handed out again", len(all))
	}
}

// testWebhookTurns: a webhook whose receiver does not answer does not block the user's others.
func testWebhookTurns(t *testing.T, b *webhookBench) {
	slow := b.hook(b.user, b.ws)
	for i := range 20 {
		b.push(b.put(fmt.Sprint(i), 1))
	}
	b.enqueue()
	if claimed := b.claim(3, 5); len(claimed) != 3 {
		t.Fatalf("%d deliveries", len(claimed))
	}
	b.Advance(time.Second)
	quick := b.hook(b.user, b.ws)
	b.push(b.put("20", 1), b.put("21", 1), b.put("22", 1))
	b.enqueue()
	claimed := b.claim(100, 5)
	if len(claimed) != 2 || claimed[0].Webhook.ID != quick.ID || claimed[1].Webhook.ID != quick.ID || string(claimed[0].Body) != "put threads 20 existed:false" {
		t.Errorf("%+v, want two of %s, which comes after %s", claimed, quick.ID, slow.ID)
	}
}

// testWebhookEnds removes everything that a webhook depends on.
func testWebhookEnds(t *testing.T, b *webhookBench) {
	access, ok := b.Workspaces.(or3cloud.WorkspaceAccessStore)
	if !ok {
		t.Skip("no WorkspaceAccessStore")
	}
	member, gone := b.member("member", or3cloud.RoleEditor), b.member("gone", or3cloud.RoleEditor)
	deleted := must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Deleted", ""))(t)
	kept := b.hook(b.user, b.ws)
	hooks := map[string]string{
		"disabled": b.hook(b.user, b.ws).ID, "deleted": b.hook(b.user, b.ws).ID, "of a former member": b.hook(member, b.ws).ID,
		"of a removed user": b.hook(gone, b.ws).ID, "of a deleted workspace": b.hook(b.user, deleted).ID,
	}
	b.push(b.put("a", 1))
	must(b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: or3cloud.Scope{WorkspaceID: deleted}, UserID: b.user, Ops: []or3cloud.Op{b.put("a", 1)}}))(t)
	b.enqueue()
	must(b.store.UpdateWebhook(b.ctx, b.user, hooks["disabled"], or3cloud.WebhookChange{Enabled: pointer(false)}))(t)
	wantCode(t, "delete", b.store.DeleteWebhook(b.ctx, b.user, hooks["deleted"]), "")
	wantCode(t, "end a membership", access.RemoveMember(b.ctx, b.ws, member), "")
	if remover, ok := b.Workspaces.(or3cloud.UserRemover); ok {
		wantCode(t, "remove a user", remover.RemoveUser(b.ctx, identity("gone")), "")
	}
	wantCode(t, "delete a workspace", b.Workspaces.RemoveWorkspace(b.ctx, b.user, deleted), "")
	b.push(b.put("b", 1))
	b.enqueue()
	for _, c := range b.claim(100, 100) {
		if c.Webhook.ID != kept.ID {
			t.Errorf("delivered to %+v", c)
		}
	}
	if len(b.log(kept.ID)) != 2 {
		t.Errorf("%q", b.log(kept.ID))
	}
	must(0, b.queue.PurgeDeliveries(b.ctx, time.Time{}))(t)
	for name, id := range hooks {
		_, err := b.store.GetWebhook(b.ctx, id)
		if name == "disabled" {
			wantCode(t, name, err, "")
			b.want(id, "cancelled put threads a existed:false")
			continue
		}
		wantCode(t, name, err, or3cloud.CodeNotFound)
		if log := b.log(id); len(log) != 0 {
			t.Errorf("%s: %q", name, log)
		}
	}
	// Someone who comes back starts with none.
	b.join(member, or3cloud.RoleEditor)
	if list := must(b.store.ListWebhooks(b.ctx, member, b.ws))(t); len(list) != 0 {
		t.Errorf("%+v", list)
	}
}

func testWebhookHealth(t *testing.T, b *webhookBench) {
	hook := b.hook(b.user, b.ws)
	health := func(want or3cloud.WebhookHealth) {
		t.Helper()
		if got := must(b.store.GetWebhook(b.ctx, hook.ID))(t).Health; got != want {
			t.Errorf("%s, want %s", got, want)
		}
		if got := must(b.store.ListWebhooks(b.ctx, b.user, b.ws))(t)[0].Health; got != want {
			t.Errorf("%s in the list, want %s", got, want)
		}
	}
	record := func(status or3cloud.DeliveryStatus) {
		t.Helper()
		b.Advance(time.Second)
		d := b.delivery(hook.ID, "x")
		d.Status = status
		must(0, b.queue.RecordDelivery(b.ctx, *d))(t)
	}
	health(or3cloud.WebhookHealthUnknown)
	for _, c := range []struct {
		status or3cloud.DeliveryStatus
		want   or3cloud.WebhookHealth
	}{
		{or3cloud.DeliverySuccess, or3cloud.WebhookHealthUnknown}, {or3cloud.DeliverySuccess, or3cloud.WebhookHealthUnknown},
		{or3cloud.DeliverySuccess, or3cloud.WebhookHealthy}, {or3cloud.DeliveryCancelled, or3cloud.WebhookHealthy},
		{or3cloud.DeliveryFailed, or3cloud.WebhookFailing}, {or3cloud.DeliverySuccess, or3cloud.WebhookFailing},
		{or3cloud.DeliverySuccess, or3cloud.WebhookFailing}, {or3cloud.DeliverySuccess, or3cloud.WebhookHealthy},
	} {
		record(c.status)
		health(c.want)
	}
	b.Advance(time.Second)
	must(b.store.UpdateWebhook(b.ctx, b.user, hook.ID, or3cloud.WebhookChange{Label: pointer("x")}))(t)
	health(or3cloud.WebhookHealthy)
	must(b.store.UpdateWebhook(b.ctx, b.user, hook.ID, or3cloud.WebhookChange{URL: pointer("https://example.net/")}))(t)
	health(or3cloud.WebhookHealthUnknown)
}

// testWebhookBounds makes far more events than a webhook keeps.
func testWebhookBounds(t *testing.T, b *webhookBench) {
	hook := b.hook(b.user, b.ws)
	total := or3cloud.OpenDeliveries + 50
	var ops []or3cloud.Op
	for i := range total {
		ops = append(ops, b.put(fmt.Sprint(i), 1))
	}
	b.push(ops...)
	seen := map[string]bool{}
	for len(seen) < total {
		b.enqueue()
		open := 0
		for _, line := range b.log(hook.ID) {
			if strings.HasPrefix(line, "pending") {
				open++
			}
		}
		if open > or3cloud.OpenDeliveries {
			t.Fatalf("%d deliveries are open", open)
		}
		claimed := b.claim(100, 100)
		if len(claimed) == 0 {
			t.Fatalf("%d of %d events have come", len(seen), total)
		}
		for _, c := range claimed {
			if seen[string(c.Body)] {
				t.Errorf("%s twice", c.Body)
			}
			seen[string(c.Body)] = true
			b.finish(c.WebhookDelivery, or3cloud.DeliverySuccess)
		}
	}

	// The log keeps the newest, as many as it may.
	for i := range or3cloud.KeptDeliveries {
		d := b.delivery(hook.ID, fmt.Sprint("test ", i))
		d.CreatedAt = d.CreatedAt.Add(time.Duration(i) * time.Millisecond)
		d.Status = or3cloud.DeliverySuccess
		must(0, b.queue.RecordDelivery(b.ctx, *d))(t)
	}
	log := b.log(hook.ID)
	if len(log) != or3cloud.KeptDeliveries || log[len(log)-1] != fmt.Sprint("success test ", or3cloud.KeptDeliveries-1) {
		t.Errorf("%d entries, the last %q", len(log), log[len(log)-1])
	}

	// And for as long as it may; what is open stays.
	b.Advance(time.Hour)
	since := b.now()
	b.push(b.put("open", 1))
	b.enqueue()
	must(0, b.queue.PurgeDeliveries(b.ctx, since.Add(24*time.Hour)))(t)
	b.want(hook.ID, "pending put threads open existed:false")
	if list := must(b.store.GetDeliveryLogs(b.ctx, hook.ID, since.Add(24*time.Hour)))(t); len(list) != 0 {
		t.Errorf("%+v", list)
	}

	// An answer shows as much of it as fits.
	const each, large = 100 << 10, 30
	for i := range large {
		d := b.delivery(hook.ID, fmt.Sprintf("%*d", each, i))
		d.Status = or3cloud.DeliverySuccess
		must(0, b.queue.RecordDelivery(b.ctx, *d))(t)
	}
	list := must(b.store.GetDeliveryLogs(b.ctx, hook.ID, time.Time{}))(t)
	if n := len(list); n == 0 || n*each > or3cloud.LogBytes || !strings.HasSuffix(string(list[0].Body), fmt.Sprint(" ", large-1)) {
		t.Errorf("%d entries of %d bytes", n, each)
	}
}

// testWebhookRace lets workers claim at once: each delivery is handed out once.
func testWebhookRace(t *testing.T, b *webhookBench) {
	b.hook(b.user, b.ws)
	var ops []or3cloud.Op
	for i := range 40 {
		ops = append(ops, b.put(fmt.Sprint(i), 1))
	}
	b.push(ops...)
	const workers = 8
	parallel(workers, func(int) {
		if _, err := b.queue.EnqueueEvents(b.ctx, time.Time{}, func(w *or3cloud.Webhook, op *or3cloud.AppliedOp) (*or3cloud.WebhookDelivery, error) {
			now := time.Unix(1_771_000_000, 0)
			return &or3cloud.WebhookDelivery{
				ID: op.PK + opID(int64(len(op.PK))), WebhookID: w.ID, EventID: op.PK, Event: "e", Body: []byte(op.PK), Attempt: 1,
				Status: or3cloud.DeliveryPending, NextAt: now, CreatedAt: now,
			}, nil
		}); err != nil {
			t.Error(err)
		}
	})
	got := make([][]or3cloud.ClaimedDelivery, workers)
	parallel(workers, func(i int) {
		var err error
		if got[i], err = b.queue.ClaimDeliveries(context.WithoutCancel(b.ctx), fmt.Sprint("worker ", i), 40, 1000); err != nil {
			t.Error(err)
		}
	})
	seen := map[string]int{}
	for _, claimed := range got {
		for _, c := range claimed {
			seen[string(c.Body)]++
		}
	}
	if len(seen) != len(ops) {
		t.Errorf("%d of %d deliveries", len(seen), len(ops))
	}
	for body, n := range seen {
		if n != 1 {
			t.Errorf("%s was handed out %d times", body, n)
		}
	}
}
