-- name: UserByIdentity :one
SELECT user_id FROM auth_accounts WHERE provider = @provider AND provider_user_id = @provider_user_id;

-- name: InsertUser :exec
INSERT INTO users (id, email, display_name, created_at) VALUES (@id, @email, @display_name, @created_at);

-- name: InsertAccount :exec
INSERT INTO auth_accounts (provider, provider_user_id, user_id, created_at)
VALUES (@provider, @provider_user_id, @user_id, @created_at);

-- name: ActiveWorkspace :one
SELECT w.num, w.id, w.name, w.description, w.created_at, m.role
FROM users u
JOIN members m ON m.user_id = u.id AND m.workspace = u.active_workspace
JOIN workspaces w ON w.num = m.workspace
WHERE u.id = @user_id AND w.deleted_at IS NULL;

-- name: OldestWorkspace :one
SELECT w.num, w.id, w.name, w.description, w.created_at, m.role
FROM members m JOIN workspaces w ON w.num = m.workspace
WHERE m.user_id = @user_id AND w.deleted_at IS NULL
ORDER BY m.created_at, w.num LIMIT 1;

-- name: UserExists :one
SELECT 1 FROM users WHERE id = @user_id;

-- name: SetActiveWorkspace :exec
UPDATE users SET active_workspace = @workspace WHERE id = @user_id;

-- name: MemberRole :one
SELECT m.role FROM workspaces w JOIN members m ON m.workspace = w.num
WHERE w.id = @workspace_id AND w.deleted_at IS NULL AND m.user_id = @user_id;

-- name: ListWorkspaces :many
SELECT w.id, w.name, w.description, w.created_at, m.role,
  CAST(coalesce(u.active_workspace = w.num, 0) AS BOOLEAN) AS active
FROM members m
JOIN workspaces w ON w.num = m.workspace
JOIN users u ON u.id = m.user_id
WHERE m.user_id = @user_id AND w.deleted_at IS NULL
ORDER BY w.created_at DESC, w.num DESC;

-- name: InsertWorkspace :one
INSERT INTO workspaces (id, name, description, created_by, created_at)
VALUES (@id, @name, @description, @created_by, @created_at) RETURNING num;

-- name: InsertCounter :exec
INSERT INTO counters (workspace) VALUES (@workspace);

-- name: UpsertMember :exec
INSERT INTO members (workspace, user_id, role, created_at) VALUES (@workspace, @user_id, @role, @created_at)
ON CONFLICT (user_id, workspace) DO UPDATE SET role = excluded.role;

-- name: DeleteMember :exec
DELETE FROM members WHERE workspace = @workspace AND user_id = @user_id;

-- name: WorkspaceForMember :one
SELECT w.num, w.deleted_at, m.role FROM workspaces w JOIN members m ON m.workspace = w.num
WHERE w.id = @workspace_id AND m.user_id = @user_id;

-- name: WorkspaceDeletedAt :one
SELECT deleted_at FROM workspaces WHERE num = @num;

-- name: LiveWorkspace :one
SELECT num FROM workspaces WHERE id = @workspace_id AND deleted_at IS NULL;

-- name: OtherOwners :one
SELECT CAST(count(*) AS INTEGER) FROM members WHERE workspace = @workspace AND role = 'owner' AND user_id <> @user_id;

-- name: ListMembers :many
SELECT m.user_id, u.email, m.role FROM members m JOIN users u ON u.id = m.user_id
WHERE m.workspace = @workspace ORDER BY m.created_at, m.user_id;

-- name: UpdateWorkspace :exec
UPDATE workspaces SET name = @name, description = @description WHERE num = @num;

-- name: SoftDeleteWorkspace :exec
UPDATE workspaces SET deleted_at = @deleted_at WHERE num = @num;

-- name: RehomeUsers :exec
-- Moves every user whose active workspace this was to the oldest other membership, or to none.
UPDATE users SET active_workspace = (
  SELECT m.workspace FROM members m JOIN workspaces w ON w.num = m.workspace
  WHERE m.user_id = users.id AND w.deleted_at IS NULL
  ORDER BY m.created_at, w.num LIMIT 1
) WHERE active_workspace = @workspace;

-- name: ClearActiveWorkspace :exec
UPDATE users SET active_workspace = NULL WHERE id = @user_id AND active_workspace = @workspace;

-- name: DropCursorsOf :exec
DELETE FROM device_cursors WHERE workspace = @workspace AND user_id = @user_id;

-- name: MadeBy :one
-- How many workspaces a user has made that are there, or were deleted after a moment; and when the first of these was.
SELECT CAST(count(*) AS INTEGER) AS made, CAST(coalesce(min(deleted_at), 0) AS INTEGER) AS first_deleted
FROM workspaces WHERE created_by <> '' AND created_by = @user_id AND (deleted_at IS NULL OR deleted_at > @since);

-- name: IdentitiesOf :many
SELECT provider, provider_user_id FROM auth_accounts WHERE user_id = @user_id ORDER BY provider, provider_user_id;
