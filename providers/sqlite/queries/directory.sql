-- name: FindWorkspaces :many
SELECT w.id, w.name, w.created_at,
  CAST((SELECT count(*) FROM members m WHERE m.workspace = w.num) AS INTEGER) AS members,
  CAST(coalesce((SELECT u.email FROM members m JOIN users u ON u.id = m.user_id
    WHERE m.workspace = w.num AND m.role = 'owner' ORDER BY m.created_at, u.id LIMIT 1), '') AS TEXT) AS owner
FROM workspaces w
WHERE w.deleted_at IS NULL AND (CAST(@name AS TEXT) = '' OR w.id = @name OR w.name = @name)
ORDER BY w.created_at, w.num LIMIT @max;
