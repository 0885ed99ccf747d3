package providertest

import (
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
	"or3.chat/cloud/jobs"
)

// completed returns the jobs of the provider, and a user's webhook for complete answers.
func (b *webhookBench) completed(user, ws string) or3cloud.Webhook {
	b.t.Helper()
	w := b.webhook(user, ws)
	w.Events = []string{or3cloud.EventThreadCreated, or3cloud.EventMessageCompleted}
	return must(b.store.CreateWebhook(b.ctx, w, 1000))(b.t)
}

// tellCompletions makes deliveries of all answers that wait.
func (b *webhookBench) tellCompletions(since time.Time) {
	b.t.Helper()
	for more := true; more; {
		more = must(b.queue.EnqueueCompletions(b.ctx, since, func(w *or3cloud.Webhook, m *or3cloud.CompletedMessage) (*or3cloud.WebhookDelivery, error) {
			if m.WorkspaceID != w.WorkspaceID || m.At.IsZero() {
				b.t.Errorf("%+v for %+v", m, w)
			}
			return b.delivery(w.ID, fmt.Sprintf("%s %s %s %s", m.ThreadID, m.MessageID, m.ModelID, m.JobID)), nil
		}))(b.t)
	}
}

// ended begins a job of a workspace and ends it.
func ended(b *syncBench, store jobs.Store, ws string, kind jobs.Kind, out jobs.Outcome) string {
	b.t.Helper()
	a := must(store.CreateJob(b.ctx, jobs.Order{
		UserID: b.user, WorkspaceID: ws, ThreadID: "t", MessageID: "m", Model: "x/y", Kind: kind, MostOfAll: 1000, MostOfUser: 1000,
	}))(b.t)
	if out.Status == jobs.Aborted {
		must(store.AbortJob(b.ctx, a.ID, b.user))(b.t)
	} else {
		must(store.FinishJob(b.ctx, a.ID, out))(b.t)
		if again := must(store.FinishJob(b.ctx, a.ID, out))(b.t); again {
			b.t.Errorf("the job %s has ended twice", a.ID)
		}
	}
	return a.ID
}

// testWebhookCompletions ends jobs in every way: each complete answer is reported once, to the webhooks for it, and to
// no others.
func testWebhookCompletions(t *testing.T, b *webhookBench) {
	store, ok := b.Sync.(jobs.Store)
	if !ok {
		t.Skip("no jobs.Store")
	}
	viewer := b.member("viewer", or3cloud.RoleViewer)
	elsewhere := must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Elsewhere", ""))(t)
	own, others := b.completed(b.user, b.ws), b.completed(viewer, b.ws)
	silent, other, disabled := b.hook(b.user, b.ws), b.completed(b.user, elsewhere), b.completed(b.user, b.ws)
	enable := func(on bool) {
		t.Helper()
		must(b.store.UpdateWebhook(b.ctx, b.user, disabled.ID, or3cloud.WebhookChange{Enabled: pointer(on)}))(t)
	}
	ended(b.syncBench, store, b.ws, jobs.Chat, jobs.Outcome{Status: jobs.Failed, Error: "no"})
	ended(b.syncBench, store, b.ws, jobs.Chat, jobs.Outcome{Status: jobs.Aborted})
	ended(b.syncBench, store, b.ws, jobs.Workflow, jobs.Outcome{Status: jobs.Complete})
	ended(b.syncBench, store, "unknown", jobs.Chat, jobs.Outcome{Status: jobs.Complete})
	job := ended(b.syncBench, store, b.ws, jobs.Chat, jobs.Outcome{Status: jobs.Complete})
	must(0, b.queue.ReportCompletion(b.ctx, or3cloud.CompletedMessage{WorkspaceID: b.ws, ThreadID: "t2", MessageID: "m2", ModelID: "z"}))(t)
	enable(false) // it loses what waits
	enable(true)
	b.tellCompletions(time.Time{})
	b.tellCompletions(time.Time{})
	for _, id := range []string{own.ID, others.ID} {
		b.want(id, "pending t m x/y "+job, "pending t2 m2 z ")
	}
	for _, id := range []string{silent.ID, other.ID, disabled.ID} {
		b.want(id)
	}
}

// testWebhookCompletionBounds ends answers that are reported to no one.
func testWebhookCompletionBounds(t *testing.T, b *webhookBench) {
	hook, gone := b.completed(b.user, b.ws), b.completed(b.user, b.ws)
	report := func(id string) {
		t.Helper()
		must(0, b.queue.ReportCompletion(b.ctx, or3cloud.CompletedMessage{WorkspaceID: b.ws, ThreadID: "t", MessageID: id}))(t)
	}
	for i := range or3cloud.WaitingCompletions + 50 {
		report(fmt.Sprint(i))
	}
	must(0, b.store.DeleteWebhook(b.ctx, b.user, gone.ID))(t)
	told := 0
	for b.tellCompletions(time.Time{}); ; b.tellCompletions(time.Time{}) {
		claimed := b.claim(1000, 1000)
		if len(claimed) == 0 {
			break
		}
		if len(claimed) > or3cloud.OpenDeliveries {
			t.Errorf("%d deliveries are open", len(claimed))
		}
		for _, c := range claimed {
			told++
			b.finish(c.WebhookDelivery, or3cloud.DeliverySuccess)
		}
	}
	if told != or3cloud.WaitingCompletions {
		t.Errorf("%d answers were told, want %d", told, or3cloud.WaitingCompletions)
	}

	// What is too old is skipped, or was dropped before.
	report("old")
	b.tellCompletions(b.now().Add(time.Hour))
	report("older")
	must(0, b.queue.PurgeDeliveries(b.ctx, b.now().Add(time.Hour)))(t)
	b.tellCompletions(time.Time{})
	if claimed := b.claim(1000, 1000); len(claimed) != 0 || slices.Contains(b.log(hook.ID), "pending t old  ") {
		t.Errorf("%+v", claimed)
	}
}

// testAdminEventsOfJobs ends jobs in every way, and lets one time out.
func testAdminEventsOfJobs(t *testing.T, b *adminWebhookBench) {
	store, ok := b.Sync.(jobs.Store)
	if !ok {
		t.Skip("no jobs.Store")
	}
	hook, elsewhere := b.hook(""), b.hook(must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Elsewhere", ""))(t))
	b.tell()
	had := len(b.log(hook.ID))
	ended(b.syncBench, store, b.ws, jobs.Chat, jobs.Outcome{Status: jobs.Aborted})
	ids := []string{
		ended(b.syncBench, store, b.ws, jobs.Chat, jobs.Outcome{Status: jobs.Complete, Error: "none", Cause: "none"}),
		ended(b.syncBench, store, b.ws, jobs.Workflow, jobs.Outcome{Status: jobs.Failed, Error: "for the user", Cause: "for operators"}),
	}
	silent := must(store.CreateJob(b.ctx, jobs.Order{UserID: b.user, Kind: jobs.Chat, MostOfAll: 1000, MostOfUser: 1000}))(t)
	b.Advance(2 * jobs.DefaultTimeout)
	b.ahead = 2 * jobs.DefaultTimeout
	must(store.CollectJobs(b.ctx))(t)
	b.tell()
	b.tell()
	log := b.log(hook.ID)[had:]
	want := []struct{ id, name, status, kind, cause string }{
		{ids[0], adminevent.JobCompleted, "completed", "chat", ""}, {ids[1], adminevent.JobFailed, "failed", "workflow", "for operators"},
		{silent.ID, adminevent.JobFailed, "failed", "chat", "*"},
	}
	if len(log) != len(want) {
		t.Fatalf("%q", log)
	}
	for i, want := range want {
		var got adminevent.Job
		text, name := log[i][len("pending "):], want.name
		err := json.Unmarshal([]byte(text[len(name):]), &got)
		cause := ""
		if got.Error != nil {
			cause = *got.Error
		}
		if err != nil || text[:len(name)] != name || got.ID != want.id || got.Status != want.status || got.Kind != want.kind || got.CreatedBy != b.user ||
			cause != want.cause && (want.cause != "*" || cause == "") || got.StartedAt == 0 || got.CompletedAt < got.StartedAt {
			t.Errorf("%s, want %+v", log[i], want)
		}
	}
	b.want(elsewhere.ID)
}
