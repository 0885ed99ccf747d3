-- name: AppendAudit :exec
INSERT INTO audit (at, actor_kind, actor_id, actor_name, action, refusal, workspace_id, user_id, settings, object, address, request_id, times)
VALUES (@at, @actor_kind, @actor_id, @actor_name, @action, @refusal, @workspace_id, @user_id, @settings, @object, @address, @request_id, @times);

-- name: TrimAuditKind :exec
-- The rowid is the last column of the index, so nothing is sorted.
DELETE FROM audit WHERE num IN (
  SELECT a.num FROM audit a WHERE a.actor_kind = @actor_kind AND a.action = @action AND a.refusal = @refusal
  ORDER BY a.num DESC LIMIT 1000 OFFSET @keep
);

-- name: ExpireAudit :exec
DELETE FROM audit WHERE num IN (SELECT a.num FROM audit a WHERE a.at < @before LIMIT 1000);

-- name: ListAudit :many
-- Newest first, before an entry. What is empty or 0 says nothing.
SELECT * FROM audit
WHERE num < CAST(@before AS INTEGER) AND num >= CAST(@lowest AS INTEGER)
  AND (CAST(@actor AS TEXT) = '' OR actor_id = CAST(@actor AS TEXT) OR actor_kind = CAST(@actor AS TEXT)
    OR actor_name = CAST(@actor AS TEXT) COLLATE NOCASE)
  AND (CAST(@action AS TEXT) = '' OR substr(action || '.', 1, length(CAST(@action AS TEXT)) + 1) = CAST(@action AS TEXT) || '.')
  AND (CAST(@workspace_id AS TEXT) = '' OR workspace_id = CAST(@workspace_id AS TEXT))
  AND (CAST(@outcome AS TEXT) = '' OR (refusal = '') = (CAST(@outcome AS TEXT) = 'ok'))
  AND (CAST(@since AS INTEGER) = 0 OR at >= CAST(@since AS INTEGER))
  AND (CAST(@until AS INTEGER) = 0 OR at < CAST(@until AS INTEGER))
ORDER BY num DESC LIMIT @max;

-- name: AuditStretch :one
-- The oldest entry of a stretch before another one; 0 if there are not so many.
SELECT CAST(coalesce((SELECT a.num FROM audit a WHERE a.num < CAST(@before AS INTEGER) ORDER BY a.num DESC LIMIT 1 OFFSET @most), 0) AS INTEGER);
