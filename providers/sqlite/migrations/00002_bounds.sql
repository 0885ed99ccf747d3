-- +goose Up

-- What an op says, as 16 bytes (see fingerprint in prepare.go); NULL for ops from before.
ALTER TABLE op_ids ADD COLUMN fingerprint BLOB;

-- winners counts the winners that a record has had, and every 64th is a waypoint: a snapshot finds the winner of a past
-- version from there in a few steps, however often the record was written since.
ALTER TABLE records ADD COLUMN winners INTEGER NOT NULL DEFAULT 0;

CREATE TABLE waypoints (
  workspace INTEGER NOT NULL,
  tbl       INTEGER NOT NULL,
  pk        BLOB NOT NULL,
  version   INTEGER NOT NULL,
  PRIMARY KEY (workspace, tbl, pk, version)
) STRICT, WITHOUT ROWID;

-- An entry by which a kv row lost a name to another one is pinned: pulls deliver it even when it is superseded, so that
-- it stays in front of the entry that took the name. records.pinned is the version of a record's last pinned entry.
ALTER TABLE records ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
ALTER TABLE superseded ADD COLUMN pinned INTEGER NOT NULL DEFAULT 0;
CREATE INDEX superseded_pinned ON superseded (id) WHERE pinned = 1;

-- version is the entry by which the row of pk had the name last: if that is the row's winner, it has the name now. It
-- is 0, for not known, in rows from before.
ALTER TABLE kv_names ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

-- Notifications (table 4) of several users are apart even if they have one id: their records are found by pk, a zero
-- byte and the owner, so that no one can block an id for others.
UPDATE records SET pk = CAST(pk || x'00' || (SELECT l.owner FROM log l WHERE l.id = (records.workspace << 43) | records.version) AS BLOB)
WHERE tbl = 4 AND (SELECT l.owner FROM log l WHERE l.id = (records.workspace << 43) | records.version) IS NOT NULL;

-- Keys that sign what clients carry for the store. They live as long as what they sign refers to.
CREATE TABLE signing_keys (
  purpose TEXT PRIMARY KEY,
  key     BLOB NOT NULL
) STRICT, WITHOUT ROWID;

INSERT INTO signing_keys (purpose, key) VALUES ('snapshot', randomblob(32));
