-- name: InsertEvent :exec
INSERT INTO security_events (account_id, kind, at, ip_address, user_agent, detail)
VALUES (@account_id, @kind, @at, @ip_address, @user_agent, @detail);

-- name: AccountEvents :many
SELECT kind, at, ip_address, user_agent, detail FROM security_events
WHERE account_id = @account_id ORDER BY at DESC, id DESC LIMIT @count;

-- name: DeleteOldEvents :exec
DELETE FROM security_events WHERE at <= @before;
