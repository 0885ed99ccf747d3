-- name: AddAdminEvent :execrows
-- Where no one is told, nothing is kept.
INSERT INTO admin_events (name, at, workspace_id, data)
SELECT @name, @at, @workspace_id, @data WHERE EXISTS (SELECT 1 FROM webhooks h WHERE h.scope = 'admin' AND h.enabled = 1);

-- name: TrimAdminEvents :exec
DELETE FROM admin_events WHERE num IN (SELECT e.num FROM admin_events e WHERE e.name = @name ORDER BY e.num DESC LIMIT 100 OFFSET @keep);

-- name: AdminsAreTold :one
SELECT EXISTS (SELECT 1 FROM webhooks h WHERE h.scope = 'admin' AND h.enabled = 1);

-- name: AdminEventsAfter :many
SELECT * FROM admin_events WHERE num > @after ORDER BY num LIMIT @max;

-- name: OldAdminEvents :many
SELECT num FROM admin_events WHERE at < @before LIMIT @max;

-- name: DropAdminEvent :exec
DELETE FROM admin_events WHERE num = @num;

-- name: InsertAdminWebhook :exec
-- It begins with what comes next.
INSERT INTO webhooks (id, scope, workspace, url, label, events, custom_hooks, secret, enabled, position, since, created_at, updated_at)
VALUES (@id, 'admin', @workspace, @url, @label, @events, @custom_hooks, @secret, @enabled,
  (SELECT COALESCE(max(e.num), 0) FROM admin_events e), @now, @now, @now);

-- name: CountAdminWebhooks :one
SELECT CAST(count(*) AS INTEGER) FROM webhooks WHERE scope = 'admin';

-- name: AdminWebhooks :many
SELECT id FROM webhooks WHERE scope = 'admin' ORDER BY num DESC;

-- name: SkipAdminEvents :exec
UPDATE webhooks SET position = max(position, (SELECT COALESCE(max(e.num), 0) FROM admin_events e)) WHERE webhooks.num = @num;

-- name: WaitingAdminWebhooks :many
-- Enabled ones that were not told of all events, and that have room for more.
SELECT sqlc.embed(h), CAST(COALESCE(w.id, '') AS TEXT) AS workspace_id, CAST((SELECT max(e.num) FROM admin_events e) AS INTEGER) AS newest,
  CAST((SELECT count(*) FROM webhook_deliveries d WHERE d.webhook = h.num AND d.status IN ('pending', 'in_flight')) AS INTEGER) AS open
FROM webhooks h LEFT JOIN workspaces w ON w.num = h.workspace
WHERE h.scope = 'admin' AND h.enabled = 1 AND h.position < (SELECT COALESCE(max(e.num), 0) FROM admin_events e)
  AND (SELECT count(*) FROM webhook_deliveries d WHERE d.webhook = h.num AND d.status IN ('pending', 'in_flight')) < CAST(@most AS INTEGER)
ORDER BY h.num;

-- name: WorkspaceOfEvent :one
SELECT id, name, created_by, created_at FROM workspaces WHERE num = @num;
