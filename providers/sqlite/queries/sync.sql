-- The statements of the hot paths. They are prepared once per connection and run with the driver's own API; they
-- stand here so that they are checked against the schema like all others.

-- name: RoleInWorkspace :one
SELECT m.role FROM members m JOIN workspaces w ON w.num = m.workspace
WHERE m.user_id = @user_id AND m.workspace = @workspace AND w.deleted_at IS NULL;

-- name: Counter :one
SELECT version, horizon, bytes FROM counters WHERE workspace = @workspace;

-- name: SetCounter :exec
UPDATE counters SET version = @version, bytes = bytes + @bytes WHERE workspace = @workspace;

-- After an older copy was put back: each counter goes on above any version that may have been given out.
-- name: RaiseCounters :exec
UPDATE counters SET version = max(version + @margin, @version);

-- A step of the mark (internal/sqlitex).
-- name: Step :exec
UPDATE store_stamp SET step = @step, high = max(high, @high), at = @at WHERE id = 1;

-- name: HighestNumbers :one
SELECT CAST(coalesce(max(version), 0) AS INTEGER) AS version, CAST(coalesce(max(workspace), 0) AS INTEGER) AS workspace FROM counters;

-- name: InsertEntry :exec
INSERT INTO log (id, tbl, op, prev, clock, at, pk, op_id, hlc, device, owner, payload)
VALUES (@id, @tbl, @op, @prev, @clock, @at, @pk, @op_id, @hlc, @device, @owner, @payload);

-- name: Entry :one
SELECT tbl, op, prev, clock, at, pk, op_id, hlc, device, owner, payload FROM log WHERE id = @id;

-- name: EntryHead :one
-- An entry without its payload, which may be megabytes.
SELECT tbl, op, prev, clock, at, pk, op_id, hlc, device, owner FROM log WHERE id = @id;

-- name: EntryExists :one
SELECT 1 FROM log WHERE id = @id;

-- name: NotIndexedEntries :many
-- What the index is derived from.
SELECT l.id, l.tbl, l.op, l.prev, l.pk, l.op_id, l.owner, CAST(s.id IS NULL AS BOOLEAN) AS wins,
  CAST(length(l.pk) + coalesce(length(l.payload), 0) AS INTEGER) AS bytes, CAST(f.id IS NOT NULL AS BOOLEAN) AS file, b.digests
FROM log l LEFT JOIN superseded s ON s.id = l.id LEFT JOIN files f ON f.id = l.id LEFT JOIN blob_refs b ON b.id = l.id
WHERE l.id > @after AND l.id <= @upto ORDER BY l.id LIMIT @max;

-- name: InsertTombstone :exec
INSERT INTO tombstones (id) VALUES (@id);

-- name: DeleteTombstone :exec
DELETE FROM tombstones WHERE id = @id;

-- name: PinOf :one
SELECT version FROM pins WHERE workspace = @workspace AND pk = @pk;

-- name: Pin :exec
INSERT INTO pins (workspace, pk, version) VALUES (@workspace, @pk, @version) ON CONFLICT (workspace, pk) DO UPDATE SET version = excluded.version;

-- name: Unpin :exec
DELETE FROM pins WHERE workspace = @workspace AND pk = @pk;

-- name: Supersede :exec
INSERT INTO superseded (id, replaced_by, at, pinned) VALUES (@id, @replaced_by, @at, @pinned);

-- name: InsertWaypoint :exec
INSERT INTO waypoints (workspace, tbl, pk, version) VALUES (@workspace, @tbl, @pk, @version);

-- name: WaypointAfter :one
SELECT version FROM waypoints WHERE workspace = @workspace AND tbl = @tbl AND pk = @pk AND version > @version ORDER BY version LIMIT 1;

-- name: DeleteWaypoint :exec
DELETE FROM waypoints WHERE workspace = @workspace AND tbl = @tbl AND pk = @pk AND version = @version;

-- name: Changes :many
SELECT l.id, l.tbl, l.op, l.clock, l.pk, l.op_id, l.hlc, l.device, l.payload
FROM log l LEFT JOIN superseded s ON s.id = l.id
WHERE l.id > @after AND l.id <= @upto
  AND ((1 << l.tbl) & @tables) <> 0
  AND (l.owner IS NULL OR l.owner = @owner)
  AND (s.id IS NULL OR s.pinned = 1)
ORDER BY l.id LIMIT @max;

-- name: KVNameOwner :one
SELECT pk, version FROM kv_names WHERE workspace = @workspace AND name = @name;

-- name: ClaimKVName :exec
INSERT INTO kv_names (workspace, name, pk, version) VALUES (@workspace, @name, @pk, @version) ON CONFLICT DO NOTHING;

-- name: KeepKVName :exec
UPDATE kv_names SET version = @version WHERE workspace = @workspace AND name = @name AND pk = @pk;

-- name: ReleaseKVName :exec
DELETE FROM kv_names WHERE workspace = @workspace AND name = @name;

-- name: InsertFile :exec
INSERT INTO files (id, size_bytes, updated_at, storage_id, mime_type, name, kind)
VALUES (@id, @size_bytes, @updated_at, @storage_id, @mime_type, @name, @kind);

-- name: DeleteFile :one
DELETE FROM files WHERE id = @id RETURNING size_bytes;

-- name: File :one
SELECT size_bytes, updated_at, storage_id, mime_type, name, kind FROM files WHERE id = @id;

-- name: AddUse :exec
INSERT INTO storage_usage (workspace, bytes, files) VALUES (@workspace, @bytes, @files)
ON CONFLICT (workspace) DO UPDATE SET bytes = bytes + excluded.bytes, files = files + excluded.files;

-- name: InsertRefs :exec
INSERT INTO blob_refs (id, digests) VALUES (@id, @digests);

-- name: DeleteRefs :one
DELETE FROM blob_refs WHERE id = @id RETURNING digests;

-- name: Orphan :exec
INSERT INTO blob_orphans (workspace, digest, since) VALUES (@workspace, @digest, @since)
ON CONFLICT (workspace, digest) DO UPDATE SET since = excluded.since;

-- name: DeviceCursor :one
SELECT version, updated_at FROM device_cursors WHERE workspace = @workspace AND user_id = @user_id AND device = @device;

-- name: InsertCursor :exec
INSERT INTO device_cursors (workspace, user_id, device, version, updated_at)
VALUES (@workspace, @user_id, @device, @version, @updated_at);

-- name: AdvanceCursor :exec
UPDATE device_cursors SET version = max(version, @version), updated_at = @updated_at
WHERE workspace = @workspace AND user_id = @user_id AND device = @device;

-- name: TrimCursors :exec
-- Keeps the cursors of a user that were reported last.
DELETE FROM device_cursors
WHERE device_cursors.workspace = @workspace AND device_cursors.user_id = @user_id AND device_cursors.device IN (
  SELECT c.device FROM device_cursors c WHERE c.workspace = @workspace AND c.user_id = @user_id
  ORDER BY c.updated_at DESC, c.device LIMIT -1 OFFSET @keep
);

-- name: ChatHead :one
SELECT version FROM chat_heads WHERE workspace = @workspace;

-- name: SetChatHead :exec
INSERT INTO chat_heads (workspace, version) VALUES (@workspace, @version)
ON CONFLICT (workspace) DO UPDATE SET version = excluded.version;

-- name: ChatPlace :one
SELECT thread, idx, order_key FROM chat_places WHERE workspace = @workspace AND pk = @pk;

-- name: PlaceInChat :exec
INSERT INTO chat_places (workspace, pk, thread, idx, order_key, version) VALUES (@workspace, @pk, @thread, @idx, @order_key, @version)
ON CONFLICT (workspace, pk) DO UPDATE SET thread = excluded.thread, idx = excluded.idx, order_key = excluded.order_key, version = excluded.version;

-- name: RemoveFromChat :exec
DELETE FROM chat_places WHERE workspace = @workspace AND pk = @pk;

-- name: ReviseChat :exec
UPDATE chat_threads SET version = @version WHERE workspace = @workspace AND thread = @thread;

-- name: BeginChat :exec
INSERT INTO chat_threads (workspace, thread, version) VALUES (@workspace, @thread, @version);

-- name: ChatRevision :one
SELECT version FROM chat_threads WHERE workspace = @workspace AND thread = @thread;

-- name: ChatAfter :many
SELECT c.idx, c.order_key, c.pk, l.payload
FROM chat_places c
  CROSS JOIN log l ON l.id = (c.workspace << 43) | c.version
WHERE c.workspace = @workspace AND c.thread = @thread
  AND (c.idx, c.order_key, c.pk) > (CAST(@idx AS REAL), CAST(@order_key AS BLOB), CAST(@pk AS BLOB))
ORDER BY c.idx, c.order_key, c.pk LIMIT @max;

-- name: ChatBefore :many
SELECT c.idx, c.order_key, c.pk, l.payload
FROM chat_places c
  CROSS JOIN log l ON l.id = (c.workspace << 43) | c.version
WHERE c.workspace = @workspace AND c.thread = @thread
  AND (c.idx, c.order_key, c.pk) < (CAST(@idx AS REAL), CAST(@order_key AS BLOB), CAST(@pk AS BLOB))
ORDER BY c.idx DESC, c.order_key DESC, c.pk DESC LIMIT @max;
