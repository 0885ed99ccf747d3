-- +goose Up

-- What administrators have done, and what was refused (audit.Store). settings is a JSON array of names. refusal is
-- empty if it was done.
CREATE TABLE audit (
  num          INTEGER PRIMARY KEY AUTOINCREMENT,
  at           INTEGER NOT NULL,
  actor_kind   TEXT NOT NULL,
  actor_id     TEXT NOT NULL,
  actor_name   TEXT NOT NULL,
  action       TEXT NOT NULL,
  refusal      TEXT NOT NULL,
  workspace_id TEXT NOT NULL,
  user_id      TEXT NOT NULL,
  settings     TEXT NOT NULL,
  object       TEXT NOT NULL,
  address      TEXT NOT NULL,
  request_id   TEXT NOT NULL,
  times        INTEGER NOT NULL
) STRICT;

CREATE INDEX audit_by_kind ON audit (actor_kind, action, refusal);
CREATE INDEX audit_by_age ON audit (at);
