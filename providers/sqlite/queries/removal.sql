-- name: MembershipsOf :many
-- The live workspaces of a user, with how many others are in each and how many of these own it.
SELECT w.num, w.id, w.name, m.role,
  CAST((SELECT count(*) FROM members o WHERE o.workspace = w.num AND o.user_id <> m.user_id) AS INTEGER) AS other_members,
  CAST((SELECT count(*) FROM members o WHERE o.workspace = w.num AND o.user_id <> m.user_id AND o.role = 'owner') AS INTEGER) AS other_owners
FROM members m JOIN workspaces w ON w.num = m.workspace
WHERE m.user_id = @user_id AND w.deleted_at IS NULL
ORDER BY m.created_at, w.num;

-- name: DeleteMemberships :exec
DELETE FROM members WHERE user_id = @user_id;

-- name: DeleteInvitesOf :exec
DELETE FROM invites WHERE accepted_by <> '' AND accepted_by = @user_id;

-- name: ForgetInviter :exec
UPDATE invites SET invited_by = '' WHERE invited_by <> '' AND invited_by = @user_id;

-- name: DeleteIdentities :exec
DELETE FROM auth_accounts WHERE user_id = @user_id;

-- name: DeleteUser :exec
DELETE FROM users WHERE id = @user_id;

-- name: DropAllCursorsOf :exec
DELETE FROM device_cursors WHERE device_cursors.user_id = @user_id
  AND device_cursors.workspace IN (SELECT m.workspace FROM members m WHERE m.user_id = @user_id);
