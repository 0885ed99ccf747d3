-- name: UserPage :many
SELECT id, email, display_name FROM users WHERE id > @after ORDER BY id LIMIT @max;

-- name: UsersByIdentity :many
SELECT DISTINCT u.id, u.email, u.display_name FROM auth_accounts a JOIN users u ON u.id = a.user_id
WHERE a.provider_user_id = @provider_user_id AND (CAST(@provider AS TEXT) = '' OR a.provider = @provider) LIMIT @max;

-- name: UserByID :many
SELECT id, email, display_name FROM users WHERE id = @id;

-- name: WorkspacePage :many
SELECT num, name, description, CAST(deleted_at IS NOT NULL AS BOOLEAN) AS deleted FROM workspaces WHERE num < @before ORDER BY num DESC LIMIT @max;

-- name: DescribeWorkspace :one
SELECT w.id, w.name, w.description, w.created_at, w.deleted_at,
  CAST((SELECT count(*) FROM members m WHERE m.workspace = w.num) AS INTEGER) AS members,
  CAST(coalesce(u.id, '') AS TEXT) AS owner_id, CAST(coalesce(u.email, '') AS TEXT) AS owner
FROM workspaces w LEFT JOIN users u ON u.id = (
  SELECT m.user_id FROM members m WHERE m.workspace = w.num AND m.role = 'owner' ORDER BY m.created_at, m.user_id LIMIT 1)
WHERE w.num = @num;

-- name: RestoreWorkspace :exec
UPDATE workspaces SET deleted_at = NULL WHERE num = @num;

-- name: WorkspaceIDs :many
SELECT id FROM workspaces WHERE deleted_at IS NULL
  AND num > CASE WHEN CAST(@after AS TEXT) = '' THEN 0 ELSE (SELECT a.num FROM workspaces a WHERE a.id = @after) END
ORDER BY num LIMIT @max;

-- name: WorkspaceSetting :one
SELECT s.value FROM workspace_settings s JOIN workspaces w ON w.num = s.workspace WHERE w.id = @workspace_id AND s.key = @key;

-- name: CountOtherSettings :one
SELECT CAST(count(*) AS INTEGER) FROM workspace_settings WHERE workspace = @workspace AND key <> @key;

-- name: SetWorkspaceSetting :exec
INSERT INTO workspace_settings (workspace, key, value) VALUES (@workspace, @key, @value)
ON CONFLICT (workspace, key) DO UPDATE SET value = excluded.value;

-- name: DeploymentAdmins :many
SELECT u.id, u.email, u.display_name, d.granted_at FROM deployment_admins d JOIN users u ON u.id = d.user_id ORDER BY d.granted_at, u.id;

-- name: GrantDeploymentAdmin :exec
INSERT INTO deployment_admins (user_id, granted_by, granted_at) VALUES (@user_id, @granted_by, @granted_at) ON CONFLICT (user_id) DO NOTHING;

-- name: RevokeDeploymentAdmin :exec
DELETE FROM deployment_admins WHERE user_id = @user_id;

-- name: ForgetAdmins :exec
UPDATE deployment_admins SET granted_by = '' WHERE granted_by <> '' AND granted_by = @user_id;

-- name: IsDeploymentAdmin :one
SELECT CAST(EXISTS (SELECT 1 FROM deployment_admins WHERE user_id = @user_id) AS BOOLEAN);

-- name: IdentityIsAdmin :one
SELECT CAST(EXISTS (
  SELECT 1 FROM auth_accounts a JOIN deployment_admins d ON d.user_id = a.user_id WHERE a.provider = @provider AND a.provider_user_id = @provider_user_id
) AS BOOLEAN);

-- name: NoteFounder :execrows
-- Nothing changes if the identity is the one that is noted.
INSERT INTO founder (id, provider, provider_user_id) VALUES (1, @provider, @provider_user_id)
ON CONFLICT (id) DO UPDATE SET provider = excluded.provider, provider_user_id = excluded.provider_user_id
WHERE founder.provider <> excluded.provider OR founder.provider_user_id <> excluded.provider_user_id;
