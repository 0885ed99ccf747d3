-- +goose Up

-- The log is kept in blocks. They replace the tables log and superseded, which the program empties into them when it
-- starts, in steps, and then drops.

-- The entries of the log: the accepted ops of one push, or of a stretch of one, as far as they fit;
-- docs/decisions/blocks.md shows how to find one by hand. id is workspace << 43 | version of the first entry. heads are
-- what the engine must know of the entries (internal/block has the format), text is a JSON array of the entries as
-- pulls send them, plain or packed.
CREATE TABLE blocks (
  id    INTEGER PRIMARY KEY,
  heads BLOB NOT NULL,
  text  BLOB NOT NULL
) STRICT;

-- What has become of the entries of a block since it was written, a bit for each; a block without a row has none. Pulls
-- leave out what skip has. other has, of those, the entries that were collected, and of the rest those that were
-- replaced and are pinned: pulls deliver them all the same.
CREATE TABLE marks (
  id    INTEGER PRIMARY KEY,
  skip  INTEGER NOT NULL,
  other INTEGER NOT NULL
) STRICT;

-- Pinned entries that were replaced and are old enough, by which version and when: a work list of the collector.
CREATE TABLE pinned (
  id          INTEGER PRIMARY KEY,
  replaced_by INTEGER NOT NULL,
  at          INTEGER NOT NULL
) STRICT;

-- Up to which version the collector has gone through what was replaced, and up to which one small blocks were joined.
ALTER TABLE counters ADD COLUMN collected INTEGER NOT NULL DEFAULT 0;
ALTER TABLE counters ADD COLUMN joined INTEGER NOT NULL DEFAULT 0;
