-- name: InsertEvent :exec
INSERT INTO security_events (account_id, kind, at, ip_address, user_agent, detail)
VALUES (@account_id, @kind, @at, @ip_address, @user_agent, @detail);

-- name: AccountEvents :many
SELECT kind, at, ip_address, user_agent, detail FROM security_events
WHERE account_id = @account_id ORDER BY at DESC, id DESC LIMIT @count;

-- name: DeleteOldEvents :exec
DELETE FROM security_events WHERE at <= @before;

-- name: DeleteSurplusEvents :exec
-- The newest of each kind stay, so that noise of one kind covers no other.
DELETE FROM security_events WHERE id IN (
    SELECT e.id FROM security_events e WHERE e.account_id = @account_id AND e.kind = @kind
    ORDER BY e.at DESC, e.id DESC LIMIT @most OFFSET @keep
);
