-- +goose Up

-- Up to which version the log is in chat_places and chat_threads. Workspaces in which no one has read a chat have
-- neither.
CREATE TABLE chat_heads (
  workspace INTEGER PRIMARY KEY,
  version   INTEGER NOT NULL
) STRICT;

INSERT INTO chat_heads (workspace, version)
SELECT c.workspace, c.version FROM counters c
WHERE EXISTS (SELECT 1 FROM chat_places p WHERE p.workspace = c.workspace) OR EXISTS (SELECT 1 FROM chat_threads t WHERE t.workspace = c.workspace);

-- version is the entry that has put the message there: its winner at the version of the head.
ALTER TABLE chat_places ADD COLUMN version INTEGER NOT NULL DEFAULT 0;

UPDATE chat_places SET version = coalesce((
  SELECT r.version FROM records r WHERE r.workspace = chat_places.workspace AND r.tbl = 3 AND r.pk = chat_places.pk
), 0);
