package providertest

import (
	"cmp"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
)

// adminWebhookBench is a bench with webhooks of administrators.
type adminWebhookBench struct {
	*webhookBench
	events adminevent.Queue
	ahead  time.Duration // of the store's clock
}

// pending returns a delivery for now. Asking the store for its time, as delivery does, would be an event.
func (b *adminWebhookBench) pending(webhookID, body string) or3cloud.WebhookDelivery {
	b.made++
	now := time.Now().Add(b.ahead)
	return or3cloud.WebhookDelivery{
		ID: fmt.Sprintf("40000000-0000-4000-8000-%012d", b.made), WebhookID: webhookID, EventID: "e", Event: "e", Body: []byte(body), Attempt: 1,
		Status: or3cloud.DeliveryPending, NextAt: now, CreatedAt: now,
	}
}

// withAdminWebhooks runs f if the provider keeps webhooks of administrators.
func withAdminWebhooks(f func(*testing.T, *adminWebhookBench)) func(*testing.T, *syncBench) {
	return withWebhooks(func(t *testing.T, b *webhookBench) {
		events, ok := b.Sync.(adminevent.Queue)
		if !ok {
			t.Skip("no adminevent.Queue")
		}
		f(t, &adminWebhookBench{webhookBench: b, events: events})
	})
}

// ofAdmins returns a webhook of administrators that is not stored yet.
func (b *adminWebhookBench) ofAdmins(workspaceID string) or3cloud.Webhook {
	w := b.webhook(or3cloud.Administrators, workspaceID)
	w.Scope, w.Events, w.CustomHooks = or3cloud.WebhookAdmin, []string{adminevent.UserCreated}, []string{"a:action:b"}
	return w
}

func (b *adminWebhookBench) hook(workspaceID string) or3cloud.Webhook {
	b.t.Helper()
	return must(b.store.CreateWebhook(b.ctx, b.ofAdmins(workspaceID), 50))(b.t)
}

// tell makes a delivery of each event that waits, with its name and data as the body.
func (b *adminWebhookBench) tell() {
	b.t.Helper()
	for more := true; more; {
		more = must(b.events.EnqueueAdminEvents(b.ctx, time.Now().Add(-72*time.Hour), func(w *or3cloud.Webhook, e *adminevent.Event) ([]or3cloud.WebhookDelivery, error) {
			if e.At.IsZero() || w.WorkspaceID != "" && w.WorkspaceID != e.WorkspaceID || w.Scope != or3cloud.WebhookAdmin {
				b.t.Errorf("%+v for %+v", e, w)
			}
			return []or3cloud.WebhookDelivery{b.pending(w.ID, e.Name+" "+string(e.Data))}, nil
		}))(b.t)
	}
}

func (b *adminWebhookBench) report(name, workspaceID string) bool {
	b.t.Helper()
	return must(b.events.ReportAdminEvent(b.ctx, adminevent.Event{Name: name, WorkspaceID: workspaceID, Data: []byte(`{"id":"x"}`)}))(b.t)
}

// testAdminWebhooks creates, changes and removes webhooks of administrators: users neither see nor change them, nor the
// other way round.
func testAdminWebhooks(t *testing.T, b *adminWebhookBench) {
	users := b.webhookBench.hook(b.user, b.ws)
	in := b.ofAdmins(b.ws)
	made := must(b.store.CreateWebhook(b.ctx, in, 2))(t)
	in.Health, in.CreatedAt, in.UpdatedAt = or3cloud.WebhookHealthUnknown, made.CreatedAt, made.UpdatedAt
	if fmt.Sprintf("%+v", made) != fmt.Sprintf("%+v", in) {
		t.Errorf("%+v, want %+v", made, in)
	}
	every := must(b.store.CreateWebhook(b.ctx, b.ofAdmins(""), 2))(t)
	_, err := b.store.CreateWebhook(b.ctx, b.ofAdmins(""), 2)
	wantCode(t, "one more", err, or3cloud.CodeInvalid)
	_, err = b.store.CreateWebhook(b.ctx, b.ofAdmins("nothing"), 9)
	wantCode(t, "a webhook of nothing", err, or3cloud.CodeNotFound)
	if list := must(b.store.ListWebhooks(b.ctx, or3cloud.Administrators, ""))(t); len(list) != 2 || list[0].ID != every.ID || list[1].ID != made.ID {
		t.Errorf("%+v", list)
	}
	if list := must(b.store.ListWebhooks(b.ctx, b.user, b.ws))(t); len(list) != 1 || list[0].ID != users.ID {
		t.Errorf("of the user: %+v", list)
	}
	change := or3cloud.WebhookChange{Label: pointer("other"), Events: []string{adminevent.SyncError}, CustomHooks: []string{}}
	got := must(b.store.UpdateWebhook(b.ctx, or3cloud.Administrators, made.ID, change))(t)
	if got.Label != "other" || !slices.Equal(got.Events, change.Events) || len(got.CustomHooks) != 0 || got.URL != made.URL {
		t.Errorf("%+v", got)
	}
	if n := must(b.store.DisableAllWebhooks(b.ctx, b.user, b.ws))(t); n != 1 {
		t.Errorf("%d webhooks were disabled", n)
	}
	for name, err := range map[string]error{
		"a change by a user":                errOf(b.store.UpdateWebhook(b.ctx, b.user, made.ID, change)),
		"a removal by a user":               b.store.DeleteWebhook(b.ctx, b.user, made.ID),
		"a change of a user's webhook":      errOf(b.store.UpdateWebhook(b.ctx, or3cloud.Administrators, users.ID, change)),
		"the removal of a user's":           b.store.DeleteWebhook(b.ctx, or3cloud.Administrators, users.ID),
		"a change by a user with no id":     errOf(b.store.UpdateWebhook(b.ctx, "", made.ID, change)),
		"the removal by a user with no id ": b.store.DeleteWebhook(b.ctx, "", made.ID),
	} {
		wantCode(t, name, err, or3cloud.CodeForbidden)
	}
	if got := must(b.store.GetWebhook(b.ctx, made.ID))(t); !got.Enabled {
		t.Error("a user has disabled it")
	}
	must(0, b.store.DeleteWebhook(b.ctx, or3cloud.Administrators, made.ID))(t)
	b.hook("") // there is room again
}

// testAdminEvents does everything that webhooks of administrators report.
func testAdminEvents(t *testing.T, b *adminWebhookBench) {
	if b.report(adminevent.SyncError, "") {
		t.Error("an event is kept although no one is told")
	}
	must(b.Workspaces.GetOrCreateUser(b.ctx, identity("earlier")))(t)
	hook := b.hook("")
	b.tell()
	b.want(hook.ID)

	user := must(b.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "p", ProviderUserID: "new", Email: "new@example.org"}))(t)
	must(b.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "p", ProviderUserID: "new"}))(t)
	ws := must(b.Workspaces.GetOrCreateDefaultWorkspace(b.ctx, user))(t).ID
	must(b.Workspaces.GetOrCreateDefaultWorkspace(b.ctx, user))(t)
	second := must(b.Workspaces.CreateWorkspace(b.ctx, user, "Second", ""))(t)
	want := []string{"admin.user.created new@example.org", "admin.workspace.created My Workspace", "admin.workspace.created Second"}
	if access, ok := b.Workspaces.(or3cloud.WorkspaceAccessStore); ok {
		for _, role := range []or3cloud.Role{or3cloud.RoleViewer, or3cloud.RoleViewer, or3cloud.RoleEditor} {
			must(0, access.SetMemberRole(b.ctx, second, b.user, role))(t)
		}
		must(0, access.RemoveMember(b.ctx, second, b.user))(t)
		must(0, access.RemoveMember(b.ctx, second, b.user))(t)
		want = append(want, "admin.user.role_changed null to viewer", "admin.user.role_changed viewer to editor", "admin.user.role_changed editor to null")
	}
	if admins, ok := b.Workspaces.(or3cloud.DeploymentAdminStore); ok {
		for range 2 {
			must(0, admins.GrantDeploymentAdmin(b.ctx, user, ""))(t)
		}
		for range 2 {
			must(0, admins.RevokeDeploymentAdmin(b.ctx, user))(t)
		}
		want = append(want, "admin.user.role_changed null to deployment_admin", "admin.user.role_changed deployment_admin to null")
	}
	must(0, b.Workspaces.RemoveWorkspace(b.ctx, user, second))(t)
	want = append(want, "admin.workspace.deleted Second")
	if directory, ok := b.Workspaces.(or3cloud.WorkspaceAdministrator); ok {
		for range 2 {
			must(0, directory.SoftDeleteWorkspace(b.ctx, ws))(t)
		}
		want = append(want, "admin.workspace.deleted My Workspace")
	}
	if err := b.Workspaces.UpdateWorkspace(b.ctx, b.user, second, "x", ""); err == nil {
		t.Error("a stranger has changed a workspace")
	}
	if !b.report(adminevent.StorageError, b.ws) {
		t.Error("an event is not kept")
	}
	want = append(want, "admin.storage.error")
	b.tell()
	b.tell()
	var got []string
	for _, line := range b.log(hook.ID) {
		name, text, _ := strings.Cut(strings.TrimPrefix(line, "pending "), " ")
		var data struct {
			Name, Email, Role *string
			Before            *string `json:"previous_role"`
		}
		if err := json.Unmarshal([]byte(text), &data); err != nil {
			t.Errorf("%s: %v", line, err)
		}
		orNull := func(s *string) string { return *cmp.Or(s, pointer("null")) }
		switch {
		case name == adminevent.RoleChanged:
			name += " " + orNull(data.Before) + " to " + orNull(data.Role)
		case data.Email != nil:
			name += " " + *data.Email
		case data.Name != nil:
			name += " " + *data.Name
		}
		got = append(got, name)
	}
	if !slices.Equal(got, want) {
		t.Errorf("\n got %q\nwant %q", got, want)
	}
}

// testAdminEventsOfAWorkspace: a webhook with a workspace is told of that one only, and of its end.
func testAdminEventsOfAWorkspace(t *testing.T, b *adminWebhookBench) {
	ws := must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Mine", ""))(t)
	hook, disabled := b.hook(ws), b.hook("")
	must(b.store.UpdateWebhook(b.ctx, or3cloud.Administrators, disabled.ID, or3cloud.WebhookChange{Enabled: pointer(false)}))(t)
	b.report("admin.storage.error", b.ws)
	b.report("admin.storage.error", ws)
	b.report("admin.sync.error", "")
	must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Other", ""))(t)
	must(0, b.Workspaces.RemoveWorkspace(b.ctx, b.user, ws))(t)
	b.tell()
	if log := b.log(hook.ID); len(log) != 2 || !strings.Contains(log[0], `admin.storage.error {"id":"x"}`) || !strings.Contains(log[1], "admin.workspace.deleted") {
		t.Errorf("%q", log)
	}
	// One that is enabled again does not get what came in between.
	must(b.store.UpdateWebhook(b.ctx, or3cloud.Administrators, disabled.ID, or3cloud.WebhookChange{Enabled: pointer(true)}))(t)
	b.report("admin.sync.error", "")
	b.tell()
	b.want(disabled.ID, `pending admin.sync.error {"id":"x"}`)
	if claimed := b.claim(100, 100); len(claimed) != 3 {
		t.Errorf("%d deliveries are handed out", len(claimed))
	}
}

// testAdminEventBounds lets a kind of events grow beyond its limit, and a receiver that does not answer.
func testAdminEventBounds(t *testing.T, b *adminWebhookBench) {
	hook := b.hook("")
	b.report(adminevent.SyncError, "rare")
	for range adminevent.KeptOfAKind + 50 {
		b.report(adminevent.StorageError, "")
	}
	b.tell()
	if log := b.log(hook.ID); len(log) != or3cloud.OpenDeliveries || !strings.Contains(log[0], adminevent.SyncError) {
		t.Errorf("%d deliveries are open, the first is %q", len(log), log[0])
	}
	told := 0
	for claimed := b.claim(1000, 1000); len(claimed) > 0; claimed = b.claim(1000, 1000) {
		for _, c := range claimed {
			b.finish(c.WebhookDelivery, or3cloud.DeliverySuccess)
			told++
		}
		b.tell()
	}
	if told != adminevent.KeptOfAKind+1 {
		t.Errorf("%d events were told, want %d", told, adminevent.KeptOfAKind+1)
	}

	// What is too old is skipped and dropped.
	b.report(adminevent.SyncError, "old")
	b.Advance(time.Hour)
	b.ahead = time.Hour
	must(0, b.queue.PurgeDeliveries(b.ctx, time.Now().Add(b.ahead)))(t)
	b.report(adminevent.SyncError, "new")
	b.tell()
	if claimed := b.claim(1000, 1000); len(claimed) != 1 {
		t.Errorf("%d events were told", len(claimed))
	}
}
