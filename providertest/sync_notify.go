package providertest

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/clientmodel"
)

// testNotify lets the server notify a user: both clients take the notification, live, once, and from then on it is
// theirs.
func testNotify(t *testing.T, b *syncBench) {
	notifier, ok := b.Sync.(or3cloud.Notifier)
	if !ok {
		t.Skip("no Notifier")
	}
	ann := b.user
	bob := must(b.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "bob"}))(t)
	b.join(bob, or3cloud.RoleViewer)
	b.push(b.put("a", 1))
	n := or3cloud.Notification{
		ID: or3cloud.NotificationID("test", ann), WorkspaceID: b.ws, UserID: ann, Type: or3cloud.NotifyWarning,
		Title: "Look \"here\" <b>\U0001F600", Body: strings.Repeat("ä", or3cloud.MaxNotificationBody+1), ThreadID: "t1",
	}
	notify := func(n or3cloud.Notification) error { return notifier.Notify(b.ctx, n) }

	ctx, cancel := context.WithCancel(b.ctx)
	defer cancel()
	var updates <-chan int64
	if w, ok := b.Sync.(or3cloud.Watcher); ok {
		_, updates, _ = w.Watch(ctx, b.ws)
	}
	devices := []*clientmodel.Base{clientmodel.NewBase()}
	if err := devices[0].Sync(b.puller(), 10); err != nil {
		t.Fatal(err)
	}
	if err := notify(n); err != nil {
		t.Fatal(err)
	}
	if updates != nil {
		if v := <-updates; v != 2 {
			t.Errorf("update %d, want 2", v)
		}
	}
	key := clientmodel.Key{Table: or3cloud.TableNotifications, PK: n.ID}
	shown := func(when string, owner string, want bool) (row map[string]any) {
		t.Helper()
		b.user = owner
		defer func() { b.user = ann }()
		base := clientmodel.NewBase()
		if err := base.Sync(b.puller(), 1); err != nil {
			t.Fatalf("%s: base client: %v", when, err)
		}
		states := []clientmodel.State{base.Live()}
		if _, ok := b.Sync.(or3cloud.Snapshotter); ok {
			later := clientmodel.NewLater()
			if err := later.Bootstrap(b.snapshotter(), b.puller(), 1); err != nil {
				t.Fatalf("%s: newest client: %v", when, err)
			}
			fresh := clientmodel.NewLater()
			if err := fresh.Sync(b.puller(), 1); err != nil {
				t.Fatalf("%s: newest client, pulling: %v", when, err)
			}
			states = append(states, later.Live(), fresh.Live())
		}
		for i, state := range states {
			text, ok := state[key]
			if ok != want {
				t.Fatalf("%s: client %d of %s shows it: %t", when, i, owner, ok)
			}
			if ok && json.Unmarshal([]byte(text), &row) != nil {
				t.Fatalf("%s: %s", when, text)
			}
		}
		return row
	}
	row := shown("written", ann, true)
	shown("written", bob, false)
	body, _ := row["body"].(string)
	if row["title"] != n.Title || row["user_id"] != ann || row["type"] != "system.warning" || row["thread_id"] != "t1" || row["deleted"] != false ||
		len([]rune(body)) != or3cloud.MaxNotificationBody || !strings.HasSuffix(body, "ä…") {
		t.Errorf("%v", row)
	}
	if err := devices[0].Sync(b.puller(), 10); err != nil || devices[0].Live()[key] == "" {
		t.Errorf("an open base client: %v", err)
	}

	counter := func() int64 {
		return must(b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: ann}))(t).ServerVersion
	}
	again := n
	again.Title = "Something else"
	if err := notify(again); err != nil || counter() != 2 {
		t.Errorf("told again: %v, counter %d", err, counter())
	}
	// The user reads it, with a clock that is behind the server's, and clears it.
	read := b.op(or3cloud.TableNotifications, or3cloud.OpPut, n.ID, 1_700_000_000, fmt.Sprintf(`"user_id":%q,"read_at":1700000000`, ann))
	if r := b.push(read).Results[0]; !r.Applied {
		t.Errorf("reading it: %+v", r)
	}
	if row := shown("read", ann, true); row["read_at"] == nil {
		t.Errorf("it is unread: %v", row)
	}
	if r := b.push(b.op(or3cloud.TableNotifications, or3cloud.OpDelete, n.ID, 1_700_000_001)).Results[0]; !r.Applied {
		t.Errorf("clearing it: %+v", r)
	}
	if err := notify(n); err != nil {
		t.Error(err)
	}
	shown("cleared", ann, false)

	stranger := must(b.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "stranger"}))(t)
	before := counter()
	for what, change := range map[string]func(*or3cloud.Notification){
		"no member":         func(n *or3cloud.Notification) { n.UserID = stranger },
		"unknown workspace": func(n *or3cloud.Notification) { n.WorkspaceID = "none" },
	} {
		bad := n
		bad.ID = or3cloud.NotificationID(what)
		change(&bad)
		if err := notify(bad); or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
			t.Errorf("%s: %v", what, err)
		}
	}
	for what, change := range map[string]func(*or3cloud.Notification){
		"no UUID": func(n *or3cloud.Notification) { n.ID = "x" }, "nobody": func(n *or3cloud.Notification) { n.UserID = "" },
		"no type": func(n *or3cloud.Notification) { n.Type = "" }, "no title": func(n *or3cloud.Notification) { n.Title = "" },
	} {
		bad := n
		bad.ID = or3cloud.NotificationID(what)
		if change(&bad); notify(bad) == nil {
			t.Errorf("%s: written", what)
		}
	}
	if after := counter(); after != before {
		t.Errorf("what was refused took versions %d to %d", before+1, after)
	}
}
