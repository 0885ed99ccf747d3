-- +goose Up

-- notice says who is told of the end of a job by a notification (jobs.Notices): 0 no one, 1 its user when it ends, 2
-- its user, now. cause is why it has failed, as operators read it.
ALTER TABLE jobs ADD COLUMN notice INTEGER NOT NULL DEFAULT 0 CHECK (notice IN (0, 1, 2));
ALTER TABLE jobs ADD COLUMN cause TEXT NOT NULL DEFAULT '';

CREATE INDEX jobs_to_tell ON jobs (num) WHERE notice = 2;
CREATE INDEX jobs_of_workspace ON jobs (workspace_id);

-- Answers that have come to their end, which a webhook has not been told of yet. No op says that an answer is complete,
-- so the log cannot be asked (or3cloud.CompletedMessage).
CREATE TABLE completions (
  num        INTEGER PRIMARY KEY AUTOINCREMENT,
  webhook    INTEGER NOT NULL REFERENCES webhooks (num) ON DELETE CASCADE,
  at         INTEGER NOT NULL,
  thread_id  TEXT NOT NULL,
  message_id TEXT NOT NULL,
  model_id   TEXT NOT NULL,
  job_id     TEXT NOT NULL
) STRICT;

CREATE INDEX completions_of_webhook ON completions (webhook, num);
CREATE INDEX completions_by_age ON completions (at);
