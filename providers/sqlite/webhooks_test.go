package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// A delivery that was under way when the process was killed is handed out again after the next start, without a wait;
// one of the current process is not.
func TestDeliveriesOfAnEarlierProcessAreTakenBack(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sync.sqlite")
	s, _ := openTest(t, func(o *Options) { o.Path = path })
	user, ws := workspaceOf(t, s)
	hook := or3cloud.Webhook{ID: "hook", Scope: or3cloud.WebhookUser, UserID: user, WorkspaceID: ws, URL: "https://example.org/", SealedSecret: []byte("s"), Enabled: true}
	if _, err := s.CreateWebhook(t.Context(), hook, 1); err != nil {
		t.Fatal(err)
	}
	if _, err := pushOps(s, user, ws, threadOp(t, 1)); err != nil {
		t.Fatal(err)
	}
	claim := func(s *Store, want int) {
		t.Helper()
		stale := s.opts.Now().Add(-5 * time.Minute)
		if _, err := s.ResetStaleDeliveries(t.Context(), stale); err != nil {
			t.Fatal(err)
		}
		claimed, err := s.ClaimDeliveries(t.Context(), "worker", 10, 10)
		if err != nil || len(claimed) != want {
			t.Fatalf("%d deliveries, %v; want %d", len(claimed), err, want)
		}
	}
	more, err := s.EnqueueEvents(t.Context(), time.Time{}, func(w *or3cloud.Webhook, op *or3cloud.AppliedOp) (*or3cloud.WebhookDelivery, error) {
		return &or3cloud.WebhookDelivery{ID: op.PK, WebhookID: w.ID, EventID: "e", Event: "e", Body: []byte("{}"), Attempt: 1, Status: or3cloud.DeliveryPending}, nil
	})
	if err != nil || more {
		t.Fatal(more, err)
	}
	claim(s, 1)
	claim(s, 0)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	again, c := openTest(t, func(o *Options) { o.Path = path })
	c.advance(time.Second)
	claim(again, 1)
	claim(again, 0)

	// Nothing of a removed user stays, even where deliveries no longer run.
	if err := again.RemoveUser(t.Context(), or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "u"}); err != nil {
		t.Fatal(err)
	}
	if err := (&maintenance{s: again}).pass(t.Context()); err != nil {
		t.Fatal(err)
	}
	if hooks, deliveries := rowsOf(t, again, "webhooks"), rowsOf(t, again, "webhook_deliveries"); hooks+deliveries > 0 {
		t.Errorf("%d webhooks and %d deliveries are left", hooks, deliveries)
	}
}
