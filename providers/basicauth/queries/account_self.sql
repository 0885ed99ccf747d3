-- name: SetDisplayName :exec
UPDATE accounts SET display_name = @display_name, updated_at = @now WHERE id = @id;

-- name: SetEmail :exec
UPDATE accounts SET email = @email, updated_at = @now WHERE id = @id;

-- name: PendingEmail :one
SELECT t.data FROM one_time_tokens t
JOIN accounts a ON a.id = t.account_id
JOIN sessions s ON s.id = t.session_id
WHERE t.account_id = @account_id AND t.kind = @kind AND t.expires_at > @now AND t.token_version = a.token_version
  AND s.token_version = a.token_version AND s.revoked_at IS NULL AND s.expires_at > @now AND s.ends_at > @now
ORDER BY t.created_at DESC LIMIT 1;

-- name: ExtendAccess :one
-- A session's access tokens live until a moment, unless there are some that live longer.
UPDATE sessions SET access_until = MAX(access_until, @access_until) WHERE id = @id
RETURNING expires_at;
