package jobs

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/providers/sqlite/internal/db"
)

// ListJobs implements jobs.Census.
func (j *Jobs) ListJobs(ctx context.Context, f jobs.Filter) ([]jobs.Job, error) {
	switch {
	case f.Limit < 1 || f.Limit > jobs.MostListed:
		return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "A list has 1 to %d jobs", jobs.MostListed)
	case f.Status != "" && !f.Status.Valid():
		return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Unknown status of a job")
	}
	ids, err := j.e.Q.ListedJobs(ctx, db.ListedJobsParams{
		Status: string(f.Status), UserID: f.UserID, WorkspaceID: f.WorkspaceID, Before: f.Before, Max: int64(f.Limit),
	})
	return j.those(ctx, ids, err)
}

// CountAllJobs implements jobs.Census.
func (j *Jobs) CountAllJobs(ctx context.Context) (out jobs.Counts, err error) {
	err = j.view(ctx, func(q *db.Queries) error {
		rows, err := q.JobCounts(ctx)
		if err != nil {
			return err
		}
		for _, r := range rows {
			*map[jobs.Status]*int{
				jobs.Streaming: &out.Waiting, jobs.Complete: &out.Complete, jobs.Failed: &out.Failed, jobs.Aborted: &out.Aborted,
			}[jobs.Status(r.Status)] = int(r.Jobs)
		}
		leased, err := q.CountLeasedJobs(ctx, j.e.Now().UnixMilli())
		out.Running, out.Waiting = int(leased), out.Waiting-int(leased)
		return err
	})
	return out, sqlitex.Translate(err)
}
