-- +goose Up

-- Users and workspaces. Times are Unix milliseconds throughout.

CREATE TABLE users (
  id               TEXT PRIMARY KEY,
  email            TEXT NOT NULL DEFAULT '',
  display_name     TEXT NOT NULL DEFAULT '',
  active_workspace INTEGER REFERENCES workspaces (num),
  created_at       INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE auth_accounts (
  provider         TEXT NOT NULL,
  provider_user_id TEXT NOT NULL,
  user_id          TEXT NOT NULL REFERENCES users (id),
  created_at       INTEGER NOT NULL,
  PRIMARY KEY (provider, provider_user_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX auth_accounts_by_user ON auth_accounts (user_id);

-- num is the workspace's half of a log id (20 bits) and is never used again.
CREATE TABLE workspaces (
  num         INTEGER PRIMARY KEY AUTOINCREMENT CHECK (num < 1048576),
  id          TEXT NOT NULL UNIQUE,
  name        TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '',
  created_at  INTEGER NOT NULL,
  deleted_at  INTEGER
) STRICT;

CREATE TABLE members (
  user_id    TEXT NOT NULL REFERENCES users (id),
  workspace  INTEGER NOT NULL REFERENCES workspaces (num),
  role       TEXT NOT NULL CHECK (role IN ('owner', 'editor', 'viewer')),
  created_at INTEGER NOT NULL,
  PRIMARY KEY (user_id, workspace)
) STRICT, WITHOUT ROWID;

CREATE INDEX members_by_workspace ON members (workspace, created_at);

CREATE INDEX users_by_active_workspace ON users (active_workspace) WHERE active_workspace IS NOT NULL;

-- Invites to workspaces, each for one e-mail address. Of the token only the SHA-256 is kept.
CREATE TABLE invites (
  id          TEXT PRIMARY KEY,
  workspace   INTEGER NOT NULL REFERENCES workspaces (num),
  email       TEXT NOT NULL,
  role        TEXT NOT NULL CHECK (role IN ('owner', 'editor', 'viewer')),
  status      TEXT NOT NULL DEFAULT 'pending' CHECK (status IN ('pending', 'accepted', 'revoked', 'expired')),
  -- Users; empty when it was the operator, or when the user is gone.
  invited_by  TEXT NOT NULL DEFAULT '',
  accepted_by TEXT NOT NULL DEFAULT '',
  token_hash  TEXT NOT NULL UNIQUE,
  expires_at  INTEGER NOT NULL,
  accepted_at INTEGER,
  revoked_at  INTEGER,
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX invites_by_workspace ON invites (workspace, created_at);
CREATE INDEX invites_by_accepted ON invites (accepted_by) WHERE accepted_by <> '';
CREATE INDEX invites_by_inviter ON invites (invited_by) WHERE invited_by <> '';

-- The change log. Each payload is stored once, here.

-- version is the workspace's counter; horizon the highest version of a winning delete that was dropped.
CREATE TABLE counters (
  workspace INTEGER PRIMARY KEY REFERENCES workspaces (num),
  version   INTEGER NOT NULL DEFAULT 0,
  horizon   INTEGER NOT NULL DEFAULT 0
) STRICT;

-- id is workspace << 43 | server_version, so that a page of one workspace is one range of rowids. Versions may start
-- at the current Unix time in milliseconds after a restore, which 43 bits hold until the year 2248.
-- op is 0 for put and 1 for delete; owner is the user to whom alone the entry is shown (notifications), or NULL. prev
-- is the version of the entry that this one replaced as the winner of its record, 0 if there was none. The payload
-- comes last: what does not read it does not touch its pages.
CREATE TABLE log (
  id      INTEGER PRIMARY KEY,
  tbl     INTEGER NOT NULL,
  op      INTEGER NOT NULL,
  prev    INTEGER NOT NULL,
  clock   INTEGER NOT NULL,
  at      INTEGER NOT NULL,
  pk      BLOB NOT NULL,
  op_id   BLOB NOT NULL,
  hlc     TEXT NOT NULL,
  device  TEXT NOT NULL,
  owner   BLOB,
  payload BLOB
) STRICT;

-- The entries of the log that are not the winner of their record, and since when: the work list of the collector.
-- replaced_by is the version that replaced the entry, or its own version if it lost on arrival.
CREATE TABLE superseded (
  id          INTEGER PRIMARY KEY,
  replaced_by INTEGER NOT NULL,
  at          INTEGER NOT NULL
) STRICT;

-- The winner of each record, found by (workspace, table, pk). pk is in UTF-16 order (see jsstring.SortKey), because
-- that is the order of a snapshot. state is 0 live, 1 put with deleted:true, 2 deleted; 4 is added for a row of
-- workspace Files and Trash.
CREATE TABLE records (
  workspace INTEGER NOT NULL,
  tbl       INTEGER NOT NULL,
  pk        BLOB NOT NULL,
  version   INTEGER NOT NULL,
  clock     INTEGER NOT NULL,
  hlc       TEXT NOT NULL,
  op_id     BLOB NOT NULL,
  state     INTEGER NOT NULL,
  PRIMARY KEY (workspace, tbl, pk)
) STRICT, WITHOUT ROWID;

-- Op ids that were accepted, per workspace: a replay is found, and an op id reserved, by one insert.
CREATE TABLE op_ids (
  workspace INTEGER NOT NULL,
  op_id     BLOB NOT NULL,
  version   INTEGER NOT NULL,
  PRIMARY KEY (workspace, op_id)
) STRICT, WITHOUT ROWID;

-- The pk that owns a kv name. Clients have a unique index on the name and stop for good at a second pk.
CREATE TABLE kv_names (
  workspace INTEGER NOT NULL,
  name      BLOB NOT NULL,
  pk        BLOB NOT NULL,
  PRIMARY KEY (workspace, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE device_cursors (
  workspace  INTEGER NOT NULL,
  device     TEXT NOT NULL,
  version    INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (workspace, device)
) STRICT, WITHOUT ROWID;

-- What the log says about files, kept in the transaction of the push that changes it.

-- The live file_meta rows.
CREATE TABLE files (
  workspace  INTEGER NOT NULL,
  digest     TEXT NOT NULL,
  pk         BLOB NOT NULL,
  size_bytes INTEGER NOT NULL,
  updated_at REAL NOT NULL,
  storage_id TEXT NOT NULL,
  mime_type  TEXT NOT NULL,
  name       TEXT NOT NULL,
  kind       TEXT NOT NULL,
  PRIMARY KEY (workspace, digest, pk)
) STRICT, WITHOUT ROWID;

-- Who references a digest: live file_meta rows, live messages and live posts.
CREATE TABLE blob_refs (
  workspace INTEGER NOT NULL,
  digest    TEXT NOT NULL,
  tbl       INTEGER NOT NULL,
  pk        BLOB NOT NULL,
  PRIMARY KEY (workspace, digest, tbl, pk)
) STRICT, WITHOUT ROWID;

CREATE INDEX blob_refs_by_record ON blob_refs (workspace, tbl, pk);

-- When a digest lost its last reference. Digests that never had one are not here.
CREATE TABLE blob_orphans (
  workspace INTEGER NOT NULL,
  digest    TEXT NOT NULL,
  since     INTEGER NOT NULL,
  PRIMARY KEY (workspace, digest)
) STRICT, WITHOUT ROWID;

-- Generations of blobs that were handed over for deletion, irrevocably.
CREATE TABLE retired_generations (
  workspace  INTEGER NOT NULL,
  hash       TEXT NOT NULL,
  generation TEXT NOT NULL,
  retired_at INTEGER NOT NULL,
  PRIMARY KEY (workspace, hash, generation)
) STRICT, WITHOUT ROWID;

-- What the live file_meta rows of a workspace add up to. A row counts as 1 TiB at most, so that no client can make the
-- sum overflow.
CREATE TABLE storage_usage (
  workspace INTEGER PRIMARY KEY,
  bytes     INTEGER NOT NULL,
  files     INTEGER NOT NULL
) STRICT;

-- +goose StatementBegin
CREATE TRIGGER file_added AFTER INSERT ON files BEGIN
  INSERT INTO storage_usage (workspace, bytes, files) VALUES (new.workspace, min(new.size_bytes, 1 << 40), 1)
  ON CONFLICT (workspace) DO UPDATE SET bytes = bytes + excluded.bytes, files = files + 1;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER file_changed AFTER UPDATE OF size_bytes ON files BEGIN
  UPDATE storage_usage SET bytes = bytes + min(new.size_bytes, 1 << 40) - min(old.size_bytes, 1 << 40) WHERE workspace = new.workspace;
END;
-- +goose StatementEnd

-- +goose StatementBegin
CREATE TRIGGER file_removed AFTER DELETE ON files BEGIN
  UPDATE storage_usage SET bytes = bytes - min(old.size_bytes, 1 << 40), files = files - 1 WHERE workspace = old.workspace;
END;
-- +goose StatementEnd

-- Room that is promised. A row with an id is an open intent; the one without holds the room of a committed upload until
-- a file_meta row counts it.
CREATE TABLE upload_intents (
  workspace  INTEGER NOT NULL,
  digest     TEXT NOT NULL,
  id         TEXT NOT NULL,
  size_bytes INTEGER NOT NULL,
  expires_at INTEGER NOT NULL,
  PRIMARY KEY (workspace, digest, id)
) STRICT, WITHOUT ROWID;
