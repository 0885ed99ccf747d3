-- name: WorkspaceUse :one
SELECT bytes, files FROM storage_usage WHERE workspace = @workspace;

-- name: PromisedRoom :many
-- The contents that intents keep room for, and how much.
SELECT digest, CAST(max(size_bytes) AS INTEGER) AS room FROM upload_intents WHERE workspace = @workspace AND expires_at > @now GROUP BY digest;

-- name: AnyIntent :one
SELECT 1 FROM upload_intents WHERE workspace = @workspace LIMIT 1;

-- name: DropExpiredIntents :exec
DELETE FROM upload_intents WHERE workspace = @workspace AND expires_at <= @now;

-- name: InsertIntent :exec
INSERT INTO upload_intents (workspace, digest, id, size_bytes, expires_at)
VALUES (@workspace, @digest, @id, @size_bytes, @expires_at)
ON CONFLICT (workspace, digest, id) DO UPDATE SET
  size_bytes = max(size_bytes, excluded.size_bytes), expires_at = max(expires_at, excluded.expires_at);

-- name: IntentDigest :one
SELECT digest FROM upload_intents WHERE workspace = @workspace AND id = @id;

-- name: DropIntentsOf :exec
DELETE FROM upload_intents WHERE workspace = @workspace AND digest = @digest;

-- name: CancelIntent :execrows
DELETE FROM upload_intents WHERE workspace = @workspace AND id = @id AND expires_at > @now;

-- name: ReleaseHold :exec
-- A row that counts at least what was uploaded replaces the hold.
DELETE FROM upload_intents WHERE workspace = @workspace AND digest = @digest AND id = '' AND size_bytes <= @size_bytes;

-- name: CountIntents :one
SELECT CAST(coalesce(sum(id <> ''), 0) AS INTEGER) AS open, CAST(coalesce(sum(id = ''), 0) AS INTEGER) AS holds
FROM upload_intents WHERE workspace = @workspace;

-- name: DropFirstHold :exec
-- The hold that ends first.
DELETE FROM upload_intents WHERE upload_intents.workspace = @workspace AND upload_intents.id = '' AND upload_intents.digest = (
  SELECT i.digest FROM upload_intents i WHERE i.workspace = @workspace AND i.id = '' ORDER BY i.expires_at, i.digest LIMIT 1
);

-- name: PayerOf :one
-- The owner who has been in a workspace the longest, whose quota its files count against.
SELECT user_id FROM members WHERE workspace = @workspace AND role = 'owner' ORDER BY created_at, user_id LIMIT 1;

-- name: PaidBy :many
-- The workspaces whose files count against the quota of a user: deleted ones too, until their files are gone.
SELECT m.workspace FROM members m JOIN workspaces w ON w.num = m.workspace
WHERE m.user_id = @user_id AND m.role = 'owner' AND (w.deleted_at IS NULL OR w.deleted_at > CAST(@since AS INTEGER))
  AND NOT EXISTS (
    SELECT 1 FROM members o WHERE o.workspace = m.workspace AND o.role = 'owner'
      AND (o.created_at < m.created_at OR o.created_at = m.created_at AND o.user_id < m.user_id)
  );
