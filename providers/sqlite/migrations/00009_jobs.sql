-- +goose Up

-- Background jobs (or3cloud.JobStore). Their users and workspaces may be another store's. lease_until is 0 without a
-- lease. due_at is when something has to be done about the job if nothing happens: an open one fails, a finished one
-- goes. resumable says that another worker can go on with it. Each piece of an answer changes the row, so what is large
-- is elsewhere.
CREATE TABLE jobs (
  num             INTEGER PRIMARY KEY AUTOINCREMENT,
  id              TEXT NOT NULL UNIQUE,
  user_id         TEXT NOT NULL,
  workspace_id    TEXT NOT NULL,
  thread_id       TEXT NOT NULL,
  message_id      TEXT NOT NULL,
  model           TEXT NOT NULL,
  kind            TEXT NOT NULL CHECK (kind IN ('chat', 'workflow')),
  status          TEXT NOT NULL CHECK (status IN ('streaming', 'complete', 'error', 'aborted')),
  chunks          INTEGER NOT NULL,
  started_at      INTEGER NOT NULL,
  completed_at    INTEGER NOT NULL,
  error           TEXT NOT NULL,
  idempotency_key TEXT NOT NULL,
  admission_id    TEXT NOT NULL,
  generation_id   TEXT NOT NULL,
  history_phase   TEXT NOT NULL,
  attempts        INTEGER NOT NULL,
  lease_owner     TEXT NOT NULL,
  lease_until     INTEGER NOT NULL,
  due_at          INTEGER NOT NULL,
  timeout         INTEGER NOT NULL,
  retention       INTEGER NOT NULL,
  resumable       INTEGER NOT NULL CHECK (resumable IN (0, 1))
) STRICT;

CREATE UNIQUE INDEX jobs_by_key ON jobs (user_id, idempotency_key) WHERE idempotency_key <> '';
CREATE INDEX jobs_by_admission ON jobs (user_id, admission_id) WHERE admission_id <> '';
CREATE INDEX jobs_of_user ON jobs (user_id, status, num);
CREATE INDEX jobs_open ON jobs (num) WHERE status = 'streaming';
CREATE INDEX jobs_by_due ON jobs (due_at);
CREATE INDEX jobs_in_history ON jobs (num, lease_until) WHERE history_phase IN ('admission_pending', 'finalization_pending');

-- What is large of a job, at most once each: 0 tool calls, 1 the state of a workflow, 2 usage and 4 the context, all
-- JSON, and 3 the execution, encrypted.
CREATE TABLE job_parts (
  job   INTEGER NOT NULL REFERENCES jobs (num) ON DELETE CASCADE,
  part  INTEGER NOT NULL,
  value BLOB NOT NULL,
  PRIMARY KEY (job, part)
) STRICT;

-- The texts of jobs, in pieces of some KiB: 0 the answer, 1 the reasoning. place is where a piece begins, ends where it
-- ends, in UTF-16 code units; bytes is how long the text is up to there.
CREATE TABLE job_texts (
  job   INTEGER NOT NULL REFERENCES jobs (num) ON DELETE CASCADE,
  part  INTEGER NOT NULL,
  place INTEGER NOT NULL,
  ends  INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  text  TEXT NOT NULL,
  PRIMARY KEY (job, part, place)
) STRICT, WITHOUT ROWID;

-- Admissions that were cancelled before they came.
CREATE TABLE job_cancellations (
  user_id   TEXT NOT NULL,
  admission TEXT NOT NULL,
  at        INTEGER NOT NULL,
  PRIMARY KEY (user_id, admission)
) STRICT, WITHOUT ROWID;

CREATE INDEX job_cancellations_by_age ON job_cancellations (at);
