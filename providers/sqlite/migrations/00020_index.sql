-- +goose Up

-- Which op ids there are, and which entry is the winner of a record, is looked up in an index of runs (internal/index),
-- which is derived from the log. It replaces the tables op_ids and records.

-- One row. generation says which state of the index belongs to a transaction, gone how many entries were collected
-- since the last merge that has looked for such.
CREATE TABLE index_state (
  id         INTEGER PRIMARY KEY CHECK (id = 1),
  generation INTEGER NOT NULL,
  gone       INTEGER NOT NULL
) STRICT;

INSERT INTO index_state (id, generation, gone) VALUES (1, 0, 0);

-- Sorted lists that never change. age orders them: a key has the value of the run with the highest age that has it.
CREATE TABLE index_runs (
  id      INTEGER PRIMARY KEY,
  age     INTEGER NOT NULL,
  entries INTEGER NOT NULL,
  pieces  INTEGER NOT NULL,
  chunks  INTEGER NOT NULL
) STRICT;

-- The rows of a run, under run << 32 | number: pieces with keys, and then chunks with its filter and where its pieces
-- begin. Rows without a run are deleted.
CREATE TABLE index_pieces (
  id   INTEGER PRIMARY KEY,
  data BLOB NOT NULL
) STRICT;

-- Up to which version the runs know the entries of a workspace; those that came later are in memory.
ALTER TABLE counters ADD COLUMN indexed INTEGER NOT NULL DEFAULT 0;

-- The entries that are winning deletes: a work list of the collector.
CREATE TABLE tombstones (
  id INTEGER PRIMARY KEY
) STRICT;

-- The version of the last pinned entry of each kv row that has one (see superseded.pinned).
CREATE TABLE pins (
  workspace INTEGER NOT NULL,
  pk        BLOB NOT NULL,
  version   INTEGER NOT NULL,
  PRIMARY KEY (workspace, pk)
) STRICT, WITHOUT ROWID;

INSERT INTO signing_keys (purpose, key) VALUES ('index', randomblob(32));

INSERT INTO tombstones (id) SELECT (workspace << 43) | version FROM records WHERE (state & 3) = 2;
INSERT INTO pins (workspace, pk, version) SELECT workspace, pk, pinned FROM records WHERE tbl = 2 AND pinned > 0;

-- log.op was 0 for a put and 1 for a delete. Twice the state that the record has with the entry is added, so that the
-- index needs nothing but the log; see records.state. The fingerprints of op_ids go in front of log.op_id. The program
-- does both when it starts, in steps, and then drops op_ids and records.
