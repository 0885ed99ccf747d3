-- +goose Up

-- A device cursor belongs to the user who reports it, so that no member moves another's forward. A cursor from before
-- goes to the only member of its workspace. Where there are several it keeps the user '': no one moves it any more, and
-- it holds collection back until it has been silent for too long.
ALTER TABLE device_cursors RENAME TO unowned_cursors;

CREATE TABLE device_cursors (
  workspace  INTEGER NOT NULL,
  user_id    TEXT NOT NULL,
  device     TEXT NOT NULL,
  version    INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  PRIMARY KEY (workspace, user_id, device)
) STRICT, WITHOUT ROWID;

INSERT INTO device_cursors (workspace, user_id, device, version, updated_at)
SELECT c.workspace,
  coalesce((
    SELECT m.user_id FROM members m WHERE m.workspace = c.workspace
      AND (SELECT count(*) FROM members o WHERE o.workspace = c.workspace) = 1
  ), ''),
  c.device, c.version, c.updated_at
FROM unowned_cursors c;

DROP TABLE unowned_cursors;

-- Who made a workspace; it counts among that user's for as long as it or its content may be there. Those from before
-- count for the owner who has been in them the longest.
ALTER TABLE workspaces ADD COLUMN created_by TEXT NOT NULL DEFAULT '';

UPDATE workspaces SET created_by = coalesce((
  SELECT m.user_id FROM members m WHERE m.workspace = workspaces.num AND m.role = 'owner' ORDER BY m.created_at, m.user_id LIMIT 1
), '');

CREATE INDEX workspaces_by_creator ON workspaces (created_by, deleted_at) WHERE created_by <> '';

-- What the entries of a workspace take, and the names of kv rows, which are never given back: see entrySize.
ALTER TABLE counters ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;

UPDATE counters SET bytes =
  coalesce((
    SELECT sum(512 + length(l.pk) + coalesce(length(l.payload), 0)) FROM log l
    WHERE l.id BETWEEN (counters.workspace << 43) AND (counters.workspace << 43) + (1 << 43) - 1
  ), 0) + 512 * (SELECT count(*) FROM kv_names k WHERE k.workspace = counters.workspace);
