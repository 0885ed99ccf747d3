package trail_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/audit"
	"or3.chat/cloud/internal/trail"
)

// store keeps entries in memory and counts writes.
type store struct {
	mu      sync.Mutex
	entries []audit.Entry
	writes  int
	err     error
}

func (s *store) AppendAudit(_ context.Context, entries ...audit.Entry) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.writes++
	if s.err != nil {
		return s.err
	}
	s.entries = append(s.entries, entries...)
	return nil
}

func (s *store) ListAudit(context.Context, audit.Query) (audit.Page, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return audit.Page{Entries: s.entries}, nil
}

func (s *store) is(t *testing.T, writes, entries int) {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.writes != writes || len(s.entries) != entries {
		t.Errorf("%d writes of %d entries, want %d of %d", s.writes, len(s.entries), writes, entries)
	}
}

// bubble runs f with a trail that uses the test's time.
func bubble(t *testing.T, f func(*testing.T, *store, *trail.Recorder)) {
	synctest.Test(t, func(t *testing.T) {
		s := &store{}
		trail := trail.Start(s, slog.New(slog.DiscardHandler), time.Now)
		f(t, s, trail)
		trail.Close()
	})
}

func refused(action audit.Action, address string) audit.Entry {
	return audit.Entry{
		Actor: audit.Actor{Kind: audit.ActorAnonymous}, Action: action, Address: address, Refusal: or3cloud.CodeUnauthenticated,
	}
}

var done = audit.Entry{Actor: audit.Actor{Kind: audit.ActorSuperAdmin}, Action: audit.ConfigWrite}

// An action is recorded before the call returns, even if the client has hung up.
func TestWhatWasDoneIsWrittenAtOnce(t *testing.T) {
	bubble(t, func(t *testing.T, s *store, trail *trail.Recorder) {
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		trail.Record(ctx, done)
		s.is(t, 1, 1)
		if e := s.entries[0]; !e.At.Equal(time.Now()) || e.Action != done.Action {
			t.Errorf("%+v", e)
		}
	})
}

// A flood of refusals is written once a second, with one entry for each distinct one, and leaves room for those of
// another kind.
func TestAFloodOfRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, s *store, trail *trail.Recorder) {
		for i := range 10_000 {
			trail.Record(t.Context(), refused(audit.SignIn, "192.0.2.1"))
			trail.Record(t.Context(), refused(audit.WorkspaceCreate, fmt.Sprint(i)))
		}
		trail.Record(t.Context(), refused(audit.AdminGrant, "192.0.2.9"))
		s.is(t, 0, 0)
		time.Sleep(10 * time.Second)
		synctest.Wait()
		s.is(t, 1, 34)
		if e := s.entries[0]; e.Action != audit.SignIn || e.Times != 10_000 {
			t.Errorf("%+v", e)
		}
		if e := s.entries[33]; e.Action != audit.AdminGrant || e.Address != "192.0.2.9" {
			t.Errorf("the refusal of another kind is not the last: %+v", e)
		}
		for i := range 5000 {
			trail.Record(t.Context(), refused(audit.Action(fmt.Sprintf("kind.a%d", i)), "192.0.2.1"))
		}
		time.Sleep(2 * time.Second)
		synctest.Wait()
		s.is(t, 2, 34+1024)
	})
}

// Entries that the store cannot take are retried in order, and Close writes those that wait.
func TestWhatCannotBeWrittenWaits(t *testing.T) {
	bubble(t, func(t *testing.T, s *store, trail *trail.Recorder) {
		s.err = errors.New("no room")
		trail.Record(t.Context(), done)
		trail.Record(t.Context(), done)
		trail.Record(t.Context(), refused(audit.SignIn, "192.0.2.1"))
		time.Sleep(5 * time.Second)
		synctest.Wait()
		s.mu.Lock()
		s.err = nil
		s.mu.Unlock()
		trail.Close()
		if len(s.entries) != 3 || s.entries[0].Refusal != "" || s.entries[1].Refusal != "" || s.entries[2].Times > 1 {
			t.Errorf("%+v", s.entries)
		}
	})
}

func TestAListHasTheLatestRefusals(t *testing.T) {
	bubble(t, func(t *testing.T, _ *store, trail *trail.Recorder) {
		trail.Record(t.Context(), refused(audit.SignIn, "192.0.2.1"))
		page, err := trail.List(t.Context(), audit.Query{})
		if err != nil || len(page.Entries) != 1 {
			t.Errorf("%+v, %v", page, err)
		}
	})
}

func TestWithoutAStoreNothingIsKept(t *testing.T) {
	trail := trail.Start(nil, slog.New(slog.DiscardHandler), time.Now)
	trail.Record(t.Context(), done)
	if _, err := trail.List(t.Context(), audit.Query{}); or3cloud.CodeOf(err) != or3cloud.CodeUnsupported {
		t.Errorf("%v", err)
	}
	trail.Close()
}
