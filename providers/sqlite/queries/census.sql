-- name: CountWorkspaces :one
SELECT CAST(count(*) AS INTEGER) AS workspaces, CAST(count(deleted_at) AS INTEGER) AS deleted FROM workspaces;

-- name: SumUse :one
SELECT CAST(coalesce(sum(files), 0) AS INTEGER) AS files, CAST(coalesce(sum(bytes), 0) AS INTEGER) AS bytes FROM storage_usage;

-- name: SumLogs :one
SELECT CAST(coalesce(sum(bytes), 0) AS INTEGER) FROM counters;

-- name: LargestWorkspaces :many
-- Those after a size and a number, the largest first. Their sizes alone are sorted; what else there is of them is read
-- once they are found.
SELECT w.num, w.name, w.id, w.description, CAST(w.deleted_at IS NOT NULL AS BOOLEAN) AS deleted, CAST(s.size AS INTEGER) AS size
FROM (
  SELECT k.num AS num, coalesce(c.bytes, 0) + coalesce(u.bytes, 0) AS size
  FROM workspaces k LEFT JOIN counters c ON c.workspace = k.num LEFT JOIN storage_usage u ON u.workspace = k.num
  WHERE coalesce(c.bytes, 0) + coalesce(u.bytes, 0) < CAST(@size AS INTEGER)
    OR (coalesce(c.bytes, 0) + coalesce(u.bytes, 0) = CAST(@size AS INTEGER) AND k.num < @num)
  ORDER BY size DESC, k.num DESC LIMIT @max
) s JOIN workspaces w ON w.num = s.num
ORDER BY s.size DESC, w.num DESC;

-- name: WorkspaceWeight :one
SELECT CAST(coalesce((SELECT c.bytes FROM counters c WHERE c.workspace = @num), 0) AS INTEGER) AS log_bytes,
  CAST(coalesce((SELECT u.bytes FROM storage_usage u WHERE u.workspace = @num), 0) AS INTEGER) AS file_bytes,
  CAST(coalesce((SELECT u.files FROM storage_usage u WHERE u.workspace = @num), 0) AS INTEGER) AS files;

-- name: WorkspaceCounter :one
SELECT version, bytes FROM counters WHERE workspace = @workspace;

-- name: WorkspaceDevices :many
SELECT c.user_id, c.device, c.version, c.updated_at, CAST(coalesce(u.email, '') AS TEXT) AS email
FROM device_cursors c LEFT JOIN users u ON u.id = c.user_id
WHERE c.workspace = @workspace ORDER BY c.updated_at DESC LIMIT @max;

-- name: WorkspacesBefore :many
SELECT num, id, name, description, CAST(deleted_at IS NOT NULL AS BOOLEAN) AS deleted FROM workspaces WHERE num < @before ORDER BY num DESC LIMIT @max;
