package webhook

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/adminevent"
)

// admins is a queue of events in memory. Without a webhook it keeps nothing.
type admins struct {
	hook   *or3cloud.Webhook
	events []adminevent.Event
}

func (a *admins) ReportAdminEvent(_ context.Context, e adminevent.Event) (bool, error) {
	if a.hook == nil {
		return false, nil
	}
	e.At = time.Now()
	a.events = append(a.events, e)
	return true, nil
}

func (a *admins) EnqueueAdminEvents(context.Context, time.Time, func(*or3cloud.Webhook, *adminevent.Event) ([]or3cloud.WebhookDelivery, error)) (bool, error) {
	return false, nil
}

// faults returns the faults that a function returns.
type faults func() []adminevent.Fault

func (f faults) Faults() []adminevent.Fault { return f() }

func (faults) Told(adminevent.Fault) {}

func TestWhatAdministratorsAreSent(t *testing.T) {
	e := engine(t)
	event := adminevent.Event{
		Name: adminevent.WorkspaceDeleted, WorkspaceID: "ws", At: time.UnixMilli(1_771_000_000_123), Data: []byte(`{"id":"ws","name":"<Mine>"}`),
	}
	const hook = "admin.workspace:action:deleted"
	for _, c := range []struct {
		events, hooks, want []string
	}{
		{[]string{adminevent.WorkspaceDeleted}, nil, []string{adminevent.WorkspaceDeleted}},
		{[]string{adminevent.WorkspaceCreated}, []string{"admin.workspace:action:created"}, nil},
		{nil, []string{hook}, []string{hook}},
		{adminevent.Names[:], []string{"x:filter:y", hook}, []string{adminevent.WorkspaceDeleted, hook}},
	} {
		w := or3cloud.Webhook{ID: "w", Scope: or3cloud.WebhookAdmin, UserID: or3cloud.Administrators, Events: c.events, CustomHooks: c.hooks}
		made, err := e.adminDeliveries(&w, &event)
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, d := range made {
			names = append(names, d.Event)
			want := fmt.Sprintf(`{"event":%q,"event_id":%q,"timestamp":"2026-02-13T16:26:40.123Z","workspace_id":"ws","scope":"admin","data":{"id":"ws","name":"<Mine>"}}`, d.Event, d.EventID)
			if string(d.Body) != want || d.WebhookID != "w" {
				t.Errorf("\n got %s\nwant %s", d.Body, want)
			}
		}
		if !slices.Equal(names, c.want) {
			t.Errorf("%v, %v: %v, want %v", c.events, c.hooks, names, c.want)
		}
	}
	test, err := e.make(&or3cloud.Webhook{Scope: or3cloud.WebhookAdmin, UserID: or3cloud.Administrators}, TestEvent, event.At, testData{true, true})
	if err != nil || string(test.Body) != fmt.Sprintf(`{"event":"webhook.test","event_id":%q,"timestamp":"2026-02-13T16:26:40.123Z","workspace_id":null,"scope":"admin","data":{"ok":true,"test":true}}`, test.EventID) {
		t.Errorf("%s, %v", test.Body, err)
	}
}

// Ten thousand damaged files, found one by one, make a few events. Damage after a repair makes another one.
func TestFaultsAreReportedNowAndThen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, damaged := &admins{}, 0
		e := engine(t, func(o *Options) {
			o.Admins = q
			o.Faults = faults(func() []adminevent.Fault {
				return []adminevent.Fault{{ID: "sync", State: "damaged"}, {ID: "storage", State: "damaged", Faults: damaged}}
			})
		})
		pass := func(minutes, faults int, want ...int) {
			t.Helper()
			time.Sleep(time.Duration(minutes) * time.Minute)
			damaged = faults
			if err := e.reportFaults(t.Context()); err != nil {
				t.Fatal(err)
			}
			var got []int
			for _, event := range q.events {
				var f adminevent.Fault
				if err := json.Unmarshal(event.Data, &f); err != nil || event.Name != adminevent.StorageError {
					t.Errorf("%s %s, %v", event.Name, event.Data, err)
				}
				got = append(got, f.Faults)
			}
			if !slices.Equal(got, want) {
				t.Errorf("told of %v, want %v", got, want)
			}
		}
		pass(0, 3) // no webhook to tell
		q.hook = &or3cloud.Webhook{}
		pass(1, 3, 3)
		for n := range 9000 {
			damaged = n
			if err := e.reportFaults(t.Context()); err != nil {
				t.Fatal(err)
			}
		}
		pass(1, 9000, 3)
		pass(9, 10_000, 3, 10_000)
		pass(60, 10_000, 3, 10_000)
		pass(60, 0, 3, 10_000)
		pass(0, 1, 3, 10_000, 1)
	})
}
