-- The tables of the layout of November 2026 that a push writes: one row for an entry, one for its op id, one for its
-- record.
CREATE TABLE workspaces (
  num         INTEGER PRIMARY KEY AUTOINCREMENT CHECK (num < 1048576),
  id          TEXT NOT NULL UNIQUE,
  name        TEXT NOT NULL,
  description TEXT NOT NULL DEFAULT '',
  created_at  INTEGER NOT NULL,
  deleted_at  INTEGER
, created_by TEXT NOT NULL DEFAULT '') STRICT;
CREATE TABLE counters (
  workspace INTEGER PRIMARY KEY REFERENCES workspaces (num),
  version   INTEGER NOT NULL DEFAULT 0,
  horizon   INTEGER NOT NULL DEFAULT 0
, bytes INTEGER NOT NULL DEFAULT 0) STRICT;
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
CREATE TABLE superseded (
  id          INTEGER PRIMARY KEY,
  replaced_by INTEGER NOT NULL,
  at          INTEGER NOT NULL
, pinned INTEGER NOT NULL DEFAULT 0) STRICT;
CREATE TABLE records (
  workspace INTEGER NOT NULL,
  tbl       INTEGER NOT NULL,
  pk        BLOB NOT NULL,
  version   INTEGER NOT NULL,
  clock     INTEGER NOT NULL,
  hlc       TEXT NOT NULL,
  op_id     BLOB NOT NULL,
  state     INTEGER NOT NULL, winners INTEGER NOT NULL DEFAULT 0, pinned INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (workspace, tbl, pk)
) STRICT, WITHOUT ROWID;
CREATE TABLE op_ids (
  workspace INTEGER NOT NULL,
  op_id     BLOB NOT NULL,
  version   INTEGER NOT NULL, fingerprint BLOB,
  PRIMARY KEY (workspace, op_id)
) STRICT, WITHOUT ROWID;
CREATE TABLE kv_names (
  workspace INTEGER NOT NULL,
  name      BLOB NOT NULL,
  pk        BLOB NOT NULL, version INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (workspace, name)
) STRICT, WITHOUT ROWID;
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
CREATE TABLE blob_refs (
  workspace INTEGER NOT NULL,
  digest    TEXT NOT NULL,
  tbl       INTEGER NOT NULL,
  pk        BLOB NOT NULL,
  PRIMARY KEY (workspace, digest, tbl, pk)
) STRICT, WITHOUT ROWID;
CREATE TABLE storage_usage (
  workspace INTEGER PRIMARY KEY,
  bytes     INTEGER NOT NULL,
  files     INTEGER NOT NULL
) STRICT;
CREATE INDEX blob_refs_by_record ON blob_refs (workspace, tbl, pk);
CREATE INDEX superseded_pinned ON superseded (id) WHERE pinned = 1;
CREATE TRIGGER file_added AFTER INSERT ON files BEGIN
  INSERT INTO storage_usage (workspace, bytes, files) VALUES (new.workspace, min(new.size_bytes, 1 << 40), 1)
  ON CONFLICT (workspace) DO UPDATE SET bytes = bytes + excluded.bytes, files = files + 1;
END;
CREATE TRIGGER file_changed AFTER UPDATE OF size_bytes ON files BEGIN
  UPDATE storage_usage SET bytes = bytes + min(new.size_bytes, 1 << 40) - min(old.size_bytes, 1 << 40) WHERE workspace = new.workspace;
END;
