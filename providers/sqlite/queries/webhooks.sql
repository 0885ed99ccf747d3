-- name: InsertWebhook :exec
-- It begins with what comes next.
INSERT INTO webhooks (id, scope, user_id, workspace, url, label, events, custom_hooks, secret, enabled, position, since, created_at, updated_at)
SELECT @id, @scope, @user_id, c.workspace, @url, @label, @events, @custom_hooks, @secret, @enabled, c.version, @now, @now, @now
FROM counters c WHERE c.workspace = @workspace;

-- name: CountWebhooks :one
SELECT CAST(count(*) AS INTEGER) FROM webhooks WHERE user_id = CAST(@user_id AS TEXT);

-- name: WebhookByID :one
SELECT sqlc.embed(h), CAST(COALESCE(w.id, '') AS TEXT) AS workspace_id
FROM webhooks h LEFT JOIN workspaces w ON w.num = h.workspace WHERE h.id = @id;

-- name: WebhookByNumber :one
SELECT sqlc.embed(h), CAST(COALESCE(w.id, '') AS TEXT) AS workspace_id
FROM webhooks h LEFT JOIN workspaces w ON w.num = h.workspace WHERE h.num = @num;

-- name: WebhooksOf :many
SELECT id FROM webhooks WHERE user_id = CAST(@user_id AS TEXT) AND workspace = CAST(@workspace AS INTEGER) ORDER BY num DESC;

-- name: LastOutcomes :many
SELECT status FROM webhook_deliveries
WHERE webhook = @webhook AND created_at >= @since AND status IN ('success', 'failed') ORDER BY num DESC LIMIT 3;

-- name: ChangeWebhook :exec
UPDATE webhooks SET url = @url, label = @label, events = @events, custom_hooks = @custom_hooks, enabled = @enabled, since = @since, updated_at = @now WHERE num = @num;

-- name: SkipToPresent :exec
UPDATE webhooks SET position = max(position, (SELECT version FROM counters c WHERE c.workspace = webhooks.workspace)) WHERE num = @num;

-- name: CancelDeliveries :exec
UPDATE webhook_deliveries SET status = 'cancelled' WHERE webhook = @webhook AND status IN ('pending', 'in_flight') AND status = 'pending';

-- name: DeleteWebhook :exec
DELETE FROM webhooks WHERE num = @num;

-- name: DeleteWebhooksOf :exec
DELETE FROM webhooks WHERE user_id = CAST(@user_id AS TEXT);

-- name: DeleteWebhooksOfMember :exec
DELETE FROM webhooks WHERE user_id = CAST(@user_id AS TEXT) AND workspace = CAST(@workspace AS INTEGER);

-- name: DeleteWebhooksIn :exec
-- Those of administrators stay: they tell of the deletion.
DELETE FROM webhooks WHERE workspace = CAST(@workspace AS INTEGER) AND scope = 'user';

-- name: EnabledWebhooksOf :many
SELECT num FROM webhooks WHERE user_id = CAST(@user_id AS TEXT) AND workspace = CAST(@workspace AS INTEGER) AND enabled = 1;

-- name: DisableWebhook :exec
UPDATE webhooks SET enabled = 0, updated_at = @now WHERE num = @num;

-- name: DeliveriesSince :many
SELECT num FROM webhook_deliveries WHERE webhook = @webhook AND created_at >= @since ORDER BY num DESC;

-- name: Delivery :one
SELECT * FROM webhook_deliveries WHERE num = @num;

-- name: WaitingWebhooks :many
-- Enabled ones that the log has more for, and that have room for more.
SELECT sqlc.embed(h), w.id AS workspace_id, c.version,
  CAST((SELECT count(*) FROM webhook_deliveries d WHERE d.webhook = h.num AND d.status IN ('pending', 'in_flight')) AS INTEGER) AS open
FROM webhooks h JOIN workspaces w ON w.num = h.workspace JOIN counters c ON c.workspace = h.workspace
WHERE h.scope = 'user' AND h.enabled = 1 AND h.position < c.version
  AND (SELECT count(*) FROM webhook_deliveries d WHERE d.webhook = h.num AND d.status IN ('pending', 'in_flight')) < CAST(@most AS INTEGER)
ORDER BY h.num LIMIT @max;

-- name: MoveWebhook :execrows
UPDATE webhooks SET position = @upto WHERE num = @num AND position = @after AND enabled = 1;

-- name: InsertDelivery :exec
INSERT INTO webhook_deliveries (id, webhook, event_id, event, attempt, status, claimed_by, claimed_at, next_at, created_at, http_status, error, duration, answer, body)
VALUES (@id, @webhook, @event_id, @event, @attempt, @status, @claimed_by, @claimed_at, @next_at, @created_at, @http_status, @error, @duration, @answer, @body);

-- name: TrimDeliveries :exec
DELETE FROM webhook_deliveries WHERE num IN (
  SELECT d.num FROM webhook_deliveries d WHERE d.webhook = @webhook AND d.status IN ('success', 'failed', 'cancelled')
  ORDER BY d.num DESC LIMIT -1 OFFSET @keep
);

-- name: InFlight :many
-- The webhook and the user of each delivery under way.
SELECT d.webhook, CAST(COALESCE(h.user_id, '') AS TEXT) AS user_id
FROM webhook_deliveries d JOIN webhooks h ON h.num = d.webhook WHERE d.status = 'in_flight';

-- name: DueDeliveries :many
-- Of each webhook as many as one user may have in flight. The join says which table comes first.
SELECT d.num, d.next_at, d.webhook, CAST(COALESCE(h.user_id, '') AS TEXT) AS user_id
FROM webhooks h CROSS JOIN webhook_deliveries d
WHERE h.enabled = 1 AND d.num IN (
  SELECT x.num FROM webhook_deliveries x
  WHERE x.webhook = h.num AND x.status IN ('pending', 'in_flight') AND x.status = 'pending' AND x.next_at <= CAST(@now AS INTEGER)
  ORDER BY x.next_at LIMIT @most
);

-- name: ClaimDelivery :one
UPDATE webhook_deliveries SET status = 'in_flight', claimed_by = @worker, claimed_at = @now
WHERE num = @num AND status = 'pending' RETURNING *;

-- name: OpenDelivery :one
SELECT d.num, d.webhook, CAST(COALESCE(h.enabled, 0) AS BOOLEAN) AS enabled
FROM webhook_deliveries d LEFT JOIN webhooks h ON h.num = d.webhook WHERE d.id = @id AND d.status = 'in_flight';

-- name: FinishDelivery :exec
UPDATE webhook_deliveries SET status = @status, attempt = @attempt, next_at = @next_at, http_status = @http_status, error = @error,
  duration = @duration, answer = @answer
WHERE num = @num;

-- name: ResetStaleDeliveries :execrows
UPDATE webhook_deliveries SET status = 'pending', next_at = @now WHERE status = 'in_flight' AND claimed_at < @before;

-- name: ExpiredDeliveries :many
SELECT num FROM webhook_deliveries WHERE created_at < @before AND status IN ('success', 'failed', 'cancelled') LIMIT @max;

-- name: NextWithDeliveries :one
SELECT webhook FROM webhook_deliveries WHERE webhook > @after ORDER BY webhook LIMIT 1;

-- name: WebhookNumbers :many
SELECT num FROM webhooks;

-- name: DeliveriesOf :many
SELECT num FROM webhook_deliveries WHERE webhook = @webhook LIMIT @max;

-- name: DropDelivery :exec
DELETE FROM webhook_deliveries WHERE num = @num;

-- name: AddCompletions :exec
-- For each webhook of the workspace that asks for it and has room; where there is none, nothing is kept.
INSERT INTO completions (webhook, at, thread_id, message_id, model_id, job_id)
SELECT h.num, @at, @thread_id, @message_id, @model_id, @job_id
FROM workspaces w JOIN webhooks h ON h.workspace = w.num
WHERE w.id = @workspace_id AND h.scope = 'user' AND h.enabled = 1 AND instr(h.events, @event) > 0
  AND (SELECT count(*) FROM completions c WHERE c.webhook = h.num) < CAST(@most AS INTEGER);

-- name: CompletionsAreTold :one
SELECT EXISTS (
  SELECT 1 FROM workspaces w JOIN webhooks h ON h.workspace = w.num
  WHERE w.id = @workspace_id AND h.scope = 'user' AND h.enabled = 1 AND instr(h.events, @event) > 0
);

-- name: WaitingForCompletions :many
-- Enabled webhooks that were not told of all answers, and that have room for more.
SELECT sqlc.embed(h), CAST(COALESCE(w.id, '') AS TEXT) AS workspace_id,
  CAST((SELECT count(*) FROM webhook_deliveries d WHERE d.webhook = h.num AND d.status IN ('pending', 'in_flight')) AS INTEGER) AS open
FROM webhooks h JOIN workspaces w ON w.num = h.workspace
WHERE h.num IN (SELECT c.webhook FROM completions c) AND h.enabled = 1
  AND (SELECT count(*) FROM webhook_deliveries d WHERE d.webhook = h.num AND d.status IN ('pending', 'in_flight')) < CAST(@most AS INTEGER)
ORDER BY h.num LIMIT @max;

-- name: CompletionsOf :many
SELECT num, at, thread_id, message_id, model_id, job_id FROM completions WHERE webhook = @webhook ORDER BY num LIMIT @max;

-- name: DropCompletion :execrows
DELETE FROM completions WHERE num = @num;

-- name: DropCompletionsOf :exec
DELETE FROM completions WHERE webhook = @webhook;

-- name: OldCompletions :many
SELECT num FROM completions WHERE at < @before LIMIT @max;
