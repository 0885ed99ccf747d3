package sqlite

import (
	"path/filepath"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/jobs"
)

// TestJobsAcrossARestart reopens the database: what can be continued waits for a worker, with everything it needs, and
// what cannot has failed as soon as its lease is over.
func TestJobsAcrossARestart(t *testing.T) {
	path := filepath.Join(t.TempDir(), "sync.sqlite")
	s, _ := openTest(t, func(o *Options) { o.Path = path })
	begin := func(execution []byte) string {
		a, err := s.CreateJob(t.Context(), jobs.Order{
			UserID: "ann", Kind: jobs.Chat, Execution: execution, LeaseOwner: "before", Lease: time.Minute, MostOfAll: 9, MostOfUser: 9,
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.UpdateJob(t.Context(), a.ID, jobs.Update{LeaseOwner: "before", Content: "half"}); err != nil {
			t.Fatal(err)
		}
		return a.ID
	}
	resumed, lost := begin([]byte("sealed")), begin(nil)
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}

	s, c := openTest(t, func(o *Options) { o.Path = path })
	if got, err := s.ClaimNextJob(t.Context(), "after", time.Minute); got != nil || err != nil {
		t.Errorf("before the lease is over: %+v, %v", got, err)
	}
	c.advance(2 * time.Minute)
	got, err := s.ClaimNextJob(t.Context(), "after", time.Minute)
	if err != nil || got == nil || got.ID != resumed || got.Attempts != 2 || string(got.Execution) != "sealed" {
		t.Errorf("%+v, %v", got, err)
	}
	if _, err := s.CollectJobs(t.Context()); err != nil {
		t.Fatal(err)
	}
	v, err := s.GetJob(t.Context(), lost, "ann", jobs.Place{})
	if err != nil || v.Status != jobs.Failed || v.Content.Text != "half" {
		t.Errorf("%+v, %v", v, err)
	}
}

// TestJobsOfARemovedUser: nothing of them is left, and the jobs of others stay.
func TestJobsOfARemovedUser(t *testing.T) {
	s, _ := openTest(t)
	id := or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "ann"}
	user, err := s.GetOrCreateUser(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, owner := range []string{user, "other"} {
		a, err := s.CreateJob(t.Context(), jobs.Order{UserID: owner, Kind: jobs.Chat, Execution: []byte("x"), MostOfAll: 9, MostOfUser: 9})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.UpdateJob(t.Context(), a.ID, jobs.Update{Content: "text"}); err != nil {
			t.Fatal(err)
		}
		if _, err := s.CancelAdmission(t.Context(), owner, "early"); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.RemoveUser(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"jobs", "job_texts", "job_parts", "job_cancellations"} {
		if n := rowsOf(t, s, table); n != 1 {
			t.Errorf("%d rows in %s, want the other user's", n, table)
		}
	}
}

// TestJobsOfADeletedWorkspace: they end with it, no matter whose they are, and what is needed to continue them is
// deleted.
func TestJobsOfADeletedWorkspace(t *testing.T) {
	s, _ := openTest(t)
	owner, ws := workspaceOf(t, s)
	other, err := s.CreateWorkspace(t.Context(), owner, "Other", "")
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, in := range []string{ws, other, "elsewhere"} {
		a, err := s.CreateJob(t.Context(), jobs.Order{
			UserID: owner, WorkspaceID: in, Kind: jobs.Chat, Execution: []byte("sealed"), Content: "text", LeaseOwner: "w", MostOfAll: 9, MostOfUser: 9,
		})
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, a.ID)
	}
	if err := s.RemoveWorkspace(t.Context(), owner, ws); err != nil {
		t.Fatal(err)
	}
	for _, table := range []string{"jobs", "job_texts", "job_parts"} {
		if n := rowsOf(t, s, table); n != 2 {
			t.Errorf("%d rows in %s, want those of the other workspaces", n, table)
		}
	}
	if held, err := s.RenewJobLease(t.Context(), ids[0], "w", 0); held || or3cloud.CodeOf(err) != or3cloud.CodeNotFound {
		t.Errorf("its worker goes on: %v, %v", held, err)
	}
}

// TestJobsOfMembersAlone: viewers and people who are not members cannot start any in a workspace of the store.
func TestJobsOfMembersAlone(t *testing.T) {
	s, _ := openTest(t)
	owner, ws := workspaceOf(t, s)
	for name, in := range map[string]struct {
		user, workspace string
		want            or3cloud.Code
	}{"the owner": {owner, ws, ""}, "a stranger": {"stranger", ws, or3cloud.CodeForbidden}, "another store's": {"stranger", "elsewhere", ""}} {
		_, err := s.CreateJob(t.Context(), jobs.Order{UserID: in.user, WorkspaceID: in.workspace, Kind: jobs.Chat, MostOfAll: 9, MostOfUser: 9})
		if or3cloud.CodeOf(err) != in.want {
			t.Errorf("%s: %v, want code %q", name, err, in.want)
		}
	}
}
