-- +goose Up

-- Addresses to which events are sent. Those of scope user belong to a member and tell of one workspace, those of scope
-- admin may tell of all. events and custom_hooks are JSON. The log is the queue: a webhook was told of every version of
-- its workspace up to position. since is when url was set: what became of earlier deliveries says nothing of it.
CREATE TABLE webhooks (
  num          INTEGER PRIMARY KEY AUTOINCREMENT,
  id           TEXT NOT NULL UNIQUE,
  scope        TEXT NOT NULL CHECK (scope IN ('user', 'admin')),
  user_id      TEXT REFERENCES users (id),
  workspace    INTEGER REFERENCES workspaces (num),
  url          TEXT NOT NULL,
  label        TEXT NOT NULL,
  events       TEXT NOT NULL,
  custom_hooks TEXT NOT NULL,
  secret       BLOB NOT NULL,
  enabled      INTEGER NOT NULL CHECK (enabled IN (0, 1)),
  position     INTEGER NOT NULL,
  since        INTEGER NOT NULL,
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL
) STRICT;

CREATE INDEX webhooks_by_user ON webhooks (user_id, workspace);
CREATE INDEX webhooks_by_workspace ON webhooks (workspace);

-- Deliveries of webhooks (by num). Those of a webhook that is gone are removed in the background. The body comes last.
CREATE TABLE webhook_deliveries (
  num         INTEGER PRIMARY KEY,
  id          TEXT NOT NULL UNIQUE,
  webhook     INTEGER NOT NULL,
  event_id    TEXT NOT NULL,
  event       TEXT NOT NULL,
  attempt     INTEGER NOT NULL,
  status      TEXT NOT NULL CHECK (status IN ('pending', 'in_flight', 'success', 'failed', 'cancelled')),
  claimed_by  TEXT NOT NULL,
  claimed_at  INTEGER NOT NULL,
  next_at     INTEGER NOT NULL,
  created_at  INTEGER NOT NULL,
  http_status INTEGER NOT NULL,
  error       TEXT NOT NULL,
  duration    INTEGER NOT NULL,
  answer      TEXT NOT NULL,
  body        BLOB NOT NULL
) STRICT;

CREATE INDEX webhook_deliveries_log ON webhook_deliveries (webhook, num, created_at, status);
CREATE INDEX webhook_deliveries_by_age ON webhook_deliveries (created_at);
CREATE INDEX webhook_deliveries_open ON webhook_deliveries (webhook, next_at, status) WHERE status IN ('pending', 'in_flight');
CREATE INDEX webhook_deliveries_in_flight ON webhook_deliveries (claimed_at, webhook) WHERE status = 'in_flight';
