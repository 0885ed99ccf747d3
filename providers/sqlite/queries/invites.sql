-- name: InsertInvite :exec
INSERT INTO invites (id, workspace, email, role, invited_by, token_hash, expires_at, created_at, updated_at)
VALUES (@id, @workspace, @email, @role, @invited_by, @token_hash, @expires_at, @now, @now);

-- name: ExpireInvites :exec
UPDATE invites SET status = 'expired', updated_at = @now
WHERE workspace = @workspace AND status = 'pending' AND expires_at <= @now;

-- name: ListInvites :many
SELECT * FROM invites
WHERE workspace = @workspace AND (CAST(@status AS TEXT) = '' OR status = @status)
ORDER BY created_at DESC, id LIMIT @max;

-- name: InviteByToken :one
-- Of a workspace that is deleted there is none.
SELECT i.* FROM invites i JOIN workspaces w ON w.num = i.workspace
WHERE i.token_hash = @token_hash AND w.id = @workspace_id AND w.deleted_at IS NULL;

-- name: InviteWithNames :one
-- The same, with what people call its workspace and the user who invited.
SELECT sqlc.embed(i), w.name AS workspace_name,
  CAST(COALESCE(u.display_name, '') AS TEXT) AS inviter_name, CAST(COALESCE(u.email, '') AS TEXT) AS inviter_email
FROM invites i JOIN workspaces w ON w.num = i.workspace LEFT JOIN users u ON u.id = i.invited_by
WHERE i.token_hash = @token_hash AND w.id = @workspace_id AND w.deleted_at IS NULL;

-- name: InviteExists :one
SELECT 1 FROM invites i JOIN workspaces w ON w.num = i.workspace WHERE i.id = @id AND w.id = @workspace_id;

-- name: RevokeInvite :exec
UPDATE invites SET status = 'revoked', revoked_at = CAST(@now AS INTEGER), updated_at = @now WHERE id = @id AND status = 'pending';

-- name: RevokePendingInvites :exec
UPDATE invites SET status = 'revoked', revoked_at = CAST(@now AS INTEGER), updated_at = @now WHERE status = 'pending';

-- name: AcceptInvite :exec
UPDATE invites SET status = 'accepted', accepted_at = CAST(@now AS INTEGER), accepted_by = @user_id, updated_at = @now
WHERE id = @id AND status = 'pending';

-- name: CountInvites :one
SELECT CAST(count(*) AS INTEGER) FROM invites WHERE workspace = @workspace;

-- name: TrimInvites :exec
-- Keeps the newest invites, and every pending one.
DELETE FROM invites WHERE invites.workspace = @workspace AND invites.status <> 'pending' AND invites.id IN (
  SELECT i.id FROM invites i WHERE i.workspace = @workspace ORDER BY i.status = 'pending' DESC, i.created_at DESC LIMIT -1 OFFSET @keep
);
