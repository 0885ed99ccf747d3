-- name: SetDisplayName :exec
UPDATE accounts SET display_name = @display_name, updated_at = @now WHERE id = @id;

-- name: SetEmail :exec
UPDATE accounts SET email = @email, updated_at = @now WHERE id = @id;

-- name: PendingEmail :one
SELECT t.data FROM one_time_tokens t
JOIN accounts a ON a.id = t.account_id
JOIN sessions s ON s.id = t.session_id
WHERE t.account_id = @account_id AND t.kind = @kind AND t.expires_at > @now AND t.created_at <= @latest AND t.token_version = a.token_version
  AND s.token_version = a.token_version AND s.revoked_at IS NULL AND s.expires_at > @now AND s.ends_at > @now
ORDER BY t.created_at DESC LIMIT 1;

-- name: ExtendAccess :one
-- A session's access tokens live until a moment, unless there are some that live longer. One that has ended gets none.
UPDATE sessions SET access_until = MAX(access_until, CAST(@access_until AS INTEGER))
WHERE sessions.id = @id AND account_id = @account_id AND revoked_at IS NULL AND expires_at > @now
  AND EXISTS (SELECT 1 FROM accounts a WHERE a.id = sessions.account_id AND a.token_version = sessions.token_version AND a.disabled_at IS NULL)
RETURNING expires_at;
