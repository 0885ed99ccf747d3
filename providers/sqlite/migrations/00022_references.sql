-- +goose Up

-- What names which content is looked up in the index (internal/index), under the digest; what a winner names is kept
-- under its entry. So a push that names files writes at the ends of tables, and not in their middle.

DROP TRIGGER file_added;
DROP TRIGGER file_changed;
DROP TRIGGER file_removed;

-- The program moves the rows of both when it starts, in steps, and then drops them.
ALTER TABLE files RENAME TO older_files;
ALTER TABLE blob_refs RENAME TO older_blob_refs;

-- The live file_meta rows, by the entry that is the winner. What they add up to is in storage_usage.
CREATE TABLE files (
  id         INTEGER PRIMARY KEY,
  size_bytes INTEGER NOT NULL,
  updated_at REAL NOT NULL,
  storage_id TEXT NOT NULL,
  mime_type  TEXT NOT NULL,
  name       TEXT NOT NULL,
  kind       TEXT NOT NULL
) STRICT;

-- The digests that live messages and posts name, by the entry that is the winner: see layout.AppendDigest. Rows that
-- name none are not here.
CREATE TABLE blob_refs (
  id      INTEGER PRIMARY KEY,
  digests BLOB NOT NULL
) STRICT;
