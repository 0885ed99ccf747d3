-- +goose Up

-- What webhooks of administrators tell of (adminevent.Queue). Such a webhook was told of every event up to its
-- position. data is JSON.
CREATE TABLE admin_events (
  num          INTEGER PRIMARY KEY AUTOINCREMENT,
  name         TEXT NOT NULL,
  at           INTEGER NOT NULL,
  workspace_id TEXT NOT NULL,
  data         TEXT NOT NULL
) STRICT;

CREATE INDEX admin_events_by_name ON admin_events (name);
CREATE INDEX webhooks_of_admins ON webhooks (scope) WHERE scope = 'admin';
