package sessions

import (
	"context"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/patience"
	"or3.chat/cloud/providers/basicauth/internal/store"
)

// Anything that remembers a proven identity hears of everything that ends it, or is told that something was missed.
func TestWatchersMissNothing(t *testing.T) {
	until := time.Now().Add(time.Hour)
	r := NewRevocations(store.NewClock(time.Now))
	ctx, leave := context.WithCancel(t.Context())
	quick, slow, gone := r.Watch(t.Context()), r.Watch(t.Context()), r.Watch(ctx)
	leave()
	if v := patience.Receive(t, "the end of a watcher that left", gone); v != (or3cloud.Revocation{}) {
		t.Error(v)
	}
	r.RevokeSession("s", until)
	r.revokeGeneration(generation{"t", "mark"}, until)
	r.raiseVersion("a", 2, until)
	for _, want := range []or3cloud.Revocation{{SessionID: "s"}, {SessionID: "t"}, {UserID: "a"}} {
		if got := patience.Receive(t, "a revocation", quick); got != want {
			t.Errorf("%+v, want %+v", got, want)
		}
	}
	for range unread {
		r.RevokeSession("u", until)
		patience.Receive(t, "a revocation", quick)
	}
	n := 0
	for range slow { // ends, because it was closed
		n++
	}
	if n != unread {
		t.Errorf("%d revocations were kept for a slow watcher", n)
	}
	r.Close()
	for range quick {
		t.Error("a revocation that was none")
	}
	for range r.Watch(t.Context()) {
		t.Error("a revocation after the end")
	}
}
