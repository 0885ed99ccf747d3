-- +goose Up

-- Whose store this is, and of which run and moment (internal/sqlitex/stamp.go). Other programs read it before they
-- change anything. restored_at is when an older copy was last put back.
CREATE TABLE store_stamp (
  id          INTEGER PRIMARY KEY CHECK (id = 1),
  store       TEXT NOT NULL,
  instance    TEXT NOT NULL,
  run         TEXT NOT NULL,
  previous    TEXT NOT NULL,
  step        INTEGER NOT NULL,
  high        INTEGER NOT NULL,
  at          INTEGER NOT NULL,
  restored_at INTEGER
) STRICT;
