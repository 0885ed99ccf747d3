package jobs

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/jobs"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// FindJob implements jobs.Admissions.
func (j *Jobs) FindJob(ctx context.Context, key, userID string) (job jobs.Job, err error) {
	err = j.view(ctx, func(q *db.Queries) error {
		id, err := q.JobByKey(ctx, db.JobByKeyParams{UserID: userID, Key: key})
		if engine.NoRows(err) {
			return errNotFound
		}
		if err != nil {
			return sqlitex.Translate(err)
		}
		r, err := find(ctx, q, id)
		if err != nil {
			return err
		}
		job, err = whole(ctx, q, r)
		return err
	})
	return job, err
}

// CancelAdmission implements jobs.Admissions.
func (j *Jobs) CancelAdmission(ctx context.Context, userID, admissionID string) (out jobs.Cancellation, err error) {
	if err := within(userID, admissionID); err != nil {
		return out, err
	}
	if userID == "" || admissionID == "" {
		return out, or3cloud.Errorf(or3cloud.CodeInvalid, "An admission needs a user and an id")
	}
	err = j.e.Do(ctx, func(ctx context.Context, t *engine.Tx) error {
		out.JobID, err = engine.Optional(t.Q.JobByAdmission(ctx, db.JobByAdmissionParams{UserID: userID, Key: admissionID}))
		if err == nil && out.JobID == "" {
			out.JobID, err = engine.Optional(t.Q.JobByKey(ctx, db.JobByKeyParams{UserID: userID, Key: admissionID}))
		}
		if err != nil {
			return err
		}
		if out.JobID != "" {
			out.Aborted, err = abort(ctx, t, out.JobID, userID)
			return err
		}
		out.Pending = true
		if err := t.Q.CancelAdmission(ctx, db.CancelAdmissionParams{UserID: userID, Admission: admissionID, At: t.At}); err != nil {
			return err
		}
		return t.Q.TrimCancellations(ctx, db.TrimCancellationsParams{UserID: userID, Keep: jobs.MaxCancellations})
	})
	if err != nil {
		return jobs.Cancellation{}, err
	}
	return out, nil
}
