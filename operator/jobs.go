package operator

import (
	"context"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/jobs"
)

// The questions about background jobs, and the answers. They contain no chat content.
type (
	// JobQuery selects jobs; empty fields match everything.
	JobQuery struct {
		Status jobs.Status `json:"status,omitempty"`
		// User is part of the e-mail address or name of a user, or the id.
		User        string `json:"user,omitempty"`
		WorkspaceID string `json:"workspaceId,omitempty"`
		// Before is the id of a job; only older ones are returned.
		Before string `json:"before,omitempty"`
		// Limit is 1 to jobs.MostListed.
		Limit int `json:"limit"`
	}
	// Job is a background job.
	Job struct {
		ID     string      `json:"id"`
		Kind   jobs.Kind   `json:"kind"`
		Status jobs.Status `json:"status"`
		// Waiting says that it is open and that no worker is working on it.
		Waiting     bool   `json:"waiting,omitempty"`
		UserID      string `json:"userId"`
		Email       string `json:"email,omitempty"`
		WorkspaceID string `json:"workspaceId,omitempty"`
		ThreadID    string `json:"threadId,omitempty"`
		Model       string `json:"model,omitempty"`
		// Attempts is how many workers have worked on it.
		Attempts    int       `json:"attempts"`
		StartedAt   time.Time `json:"startedAt"`
		CompletedAt time.Time `json:"completedAt,omitzero"`
		// Cause is why it failed, as far as operators may know. History is how far its answer is on its way into
		// the chat.
		Cause   string            `json:"cause,omitempty"`
		History jobs.HistoryPhase `json:"history,omitempty"`
	}
	// Jobs are those that were found, the newest first.
	Jobs struct {
		Jobs []Job `json:"jobs"`
	}
	// JobID names a job.
	JobID struct {
		JobID string `json:"jobId"`
	}
)

// jobStore is what the use cases need of the store.
type jobStore interface {
	jobs.Store
	jobs.Census
}

const kindOfJobs = "Background job store"

// The use cases of background jobs.
var (
	// ListJobs returns jobs, the newest first.
	ListJobs = onStore("job/list", kindOfJobs, listJobs)
	// CountJobs counts them.
	CountJobs = onStore("job/count", kindOfJobs, func(ctx context.Context, _ *Desk, store jobStore, _ Nothing) (jobs.Counts, error) {
		return store.CountAllJobs(ctx)
	})
	// AbortJob ends an open job of any user; the output so far stays. If it is not open, the error is CodeNotFound. The
	// worker learns of it within seconds.
	AbortJob = onStore("job/abort", kindOfJobs, func(ctx context.Context, _ *Desk, store jobStore, in JobID) (Done, error) {
		done, err := store.AbortJob(ctx, in.JobID, jobs.AnyUser)
		if err == nil && !done {
			err = or3cloud.Errorf(or3cloud.CodeNotFound, "no background job with the id %q is open; see or3-cloud job list", in.JobID)
		}
		return Done{done}, err
	})
)

func listJobs(ctx context.Context, d *Desk, store jobStore, in JobQuery) (out Jobs, err error) {
	out.Jobs = []Job{}
	users, _ := d.instance.Providers().Workspaces.(or3cloud.UserDirectory)
	var of or3cloud.User
	if in.User != "" {
		if of, err = searchUser(ctx, users, in.User); err != nil {
			return out, err
		}
	}
	list, err := store.ListJobs(ctx, jobs.Filter{Status: in.Status, UserID: of.ID, WorkspaceID: in.WorkspaceID, Before: in.Before, Limit: in.Limit})
	if err != nil {
		return out, err
	}
	emails, now := map[string]string{of.ID: of.Email}, d.instance.Options().Now()
	for _, j := range list {
		email, known := emails[j.UserID]
		if !known && users != nil {
			if found, err := users.SearchUsers(ctx, j.UserID, 1); err == nil && len(found) == 1 {
				email = found[0].Email
			}
			emails[j.UserID] = email
		}
		out.Jobs = append(out.Jobs, Job{
			ID: j.ID, Kind: j.Kind, Status: j.Status, Waiting: j.Status == jobs.Streaming && !j.LeaseUntil.After(now), UserID: j.UserID, Email: email,
			WorkspaceID: j.WorkspaceID, ThreadID: j.ThreadID, Model: j.Model, Attempts: j.Attempts, StartedAt: j.StartedAt, CompletedAt: j.CompletedAt,
			Cause: j.Cause, History: j.HistoryPhase,
		})
	}
	return out, nil
}

// searchUser returns the only user with that name.
func searchUser(ctx context.Context, users or3cloud.UserDirectory, name string) (of or3cloud.User, err error) {
	var found []or3cloud.User
	if users != nil {
		if found, err = users.SearchUsers(ctx, name, MaxPage); err != nil {
			return of, err
		}
	}
	for _, u := range found {
		if u.ID == name || strings.EqualFold(u.Email, name) {
			return u, nil
		}
	}
	if len(found) != 1 {
		return of, or3cloud.Errorf(or3cloud.CodeInvalid, "%d users match %q; give a complete e-mail address or an id", len(found), name)
	}
	return found[0], nil
}
