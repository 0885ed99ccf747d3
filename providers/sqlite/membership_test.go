package sqlite

import (
	"context"
	"runtime"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// A push that waited behind the end of its membership is refused, although it was permitted when it joined the queue.
func TestAPushThatWaitedBehindTheEndOfItsMembershipIsRefused(t *testing.T) {
	s, _ := openTest(t)
	ann, ws := workspaceOf(t, s)
	bob, err := s.GetOrCreateUser(t.Context(), or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "bob"})
	if err == nil {
		err = s.SetMemberRole(t.Context(), ws, bob, or3cloud.RoleEditor)
	}
	if err != nil {
		t.Fatal(err)
	}
	held, release := make(chan struct{}), make(chan struct{})
	go s.engine.Do(context.Background(), func(context.Context, *engine.Tx) error { close(held); <-release; return nil })
	<-held
	// Both wait in the order in which they came.
	removed, pushed := make(chan error, 1), make(chan error, 1)
	go func() { removed <- s.RemoveMember(context.Background(), ws, bob) }()
	inLine(s, 1)
	go func() { _, err := pushOps(s, bob, ws, threadOp(t, 1)); pushed <- err }()
	inLine(s, 2)
	close(release)
	if err := <-removed; err != nil {
		t.Fatal(err)
	}
	if err := <-pushed; or3cloud.CodeOf(err) != or3cloud.CodeForbidden {
		t.Errorf("the push: %v", err)
	}
	if n := count(t, s, ann, ws); n != 0 {
		t.Errorf("it has left %d rows", n)
	}
}

// inLine waits until n jobs wait for the writer.
func inLine(s *Store, n int) {
	for s.engine.Waiting() < n {
		runtime.Gosched()
	}
}
