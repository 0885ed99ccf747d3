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

-- name: FilesBetween :many
SELECT id FROM files WHERE id > @after AND id <= @upto;

-- name: ReferencesBetween :many
SELECT id, digests FROM blob_refs WHERE id > @after AND id <= @upto;

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

-- name: InsertWaypoint :exec
INSERT INTO waypoints (workspace, tbl, pk, version) VALUES (@workspace, @tbl, @pk, @version);

-- name: WaypointAfter :one
SELECT version FROM waypoints WHERE workspace = @workspace AND tbl = @tbl AND pk = @pk AND version > @version ORDER BY version LIMIT 1;

-- name: DeleteWaypoint :exec
DELETE FROM waypoints WHERE workspace = @workspace AND tbl = @tbl AND pk = @pk AND version = @version;

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
SELECT idx, order_key, pk, version FROM chat_places
WHERE workspace = @workspace AND thread = @thread AND (idx, order_key, pk) > (CAST(@idx AS REAL), CAST(@order_key AS BLOB), CAST(@pk AS BLOB))
ORDER BY idx, order_key, pk;

-- name: ChatBefore :many
SELECT idx, order_key, pk, version FROM chat_places
WHERE workspace = @workspace AND thread = @thread AND (idx, order_key, pk) < (CAST(@idx AS REAL), CAST(@order_key AS BLOB), CAST(@pk AS BLOB))
ORDER BY idx DESC, order_key DESC, pk DESC;
