-- name: CursorFloor :one
-- The lowest version that a device heard of since a moment has seen, or -1 if there is no such device.
SELECT CAST(coalesce(min(version), -1) AS INTEGER) FROM device_cursors WHERE workspace = @workspace AND updated_at >= @since;

-- name: DropTombstone :execrows
-- Nothing is deleted if the record has got another winner meanwhile.
DELETE FROM tombstones WHERE id = @id;

-- name: RaiseHorizon :exec
UPDATE counters SET horizon = max(horizon, @horizon) WHERE workspace = @workspace;

-- name: OrphanSince :one
SELECT since FROM blob_orphans WHERE workspace = @workspace AND digest = @digest;

-- name: RetireGeneration :exec
INSERT INTO retired_generations (workspace, hash, generation, retired_at)
VALUES (@workspace, @hash, @generation, @retired_at) ON CONFLICT DO NOTHING;

-- name: GenerationRetired :one
SELECT EXISTS (SELECT 1 FROM retired_generations WHERE workspace = @workspace AND hash = @hash AND generation = @generation);

-- name: RetiredGenerations :many
SELECT hash, generation FROM retired_generations WHERE workspace = @workspace ORDER BY hash, generation;

-- name: ForgetRetired :exec
DELETE FROM retired_generations WHERE workspace = @workspace AND hash = @hash AND generation = @generation;

-- name: AnyWorkspace :one
SELECT num FROM workspaces WHERE id = @workspace_id;

-- name: WorkspacesAfter :many
SELECT num, id FROM workspaces WHERE num > @num ORDER BY num LIMIT @max;

-- name: GiveBack :exec
-- Nothing is given back below zero, whatever a restored copy says.
UPDATE counters SET bytes = max(0, bytes - @bytes) WHERE workspace = @workspace;

-- name: SigningKey :one
SELECT key FROM signing_keys WHERE purpose = @purpose;

-- name: OldOrphans :many
SELECT digest FROM blob_orphans WHERE workspace = @workspace AND since < @before LIMIT @max;

-- name: ForgetOrphan :exec
DELETE FROM blob_orphans WHERE workspace = @workspace AND digest = @digest AND since < @before;
