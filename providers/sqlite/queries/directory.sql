-- name: FindWorkspaces :many
SELECT w.id, w.name, w.description, w.created_at, w.deleted_at,
  CAST((SELECT count(*) FROM members m WHERE m.workspace = w.num) AS INTEGER) AS members,
  CAST(coalesce(u.id, '') AS TEXT) AS owner_id, CAST(coalesce(u.email, '') AS TEXT) AS owner
FROM workspaces w LEFT JOIN users u ON u.id = (
  SELECT m.user_id FROM members m WHERE m.workspace = w.num AND m.role = 'owner' ORDER BY m.created_at, m.user_id LIMIT 1)
WHERE w.deleted_at IS NULL AND (CAST(@name AS TEXT) = '' OR w.id = @name OR w.name = @name)
ORDER BY w.created_at, w.num LIMIT @max;
