-- name: InsertOneTimeToken :exec
INSERT INTO one_time_tokens (fingerprint, kind, account_id, token_version, session_id, data, created_at, expires_at)
VALUES (@fingerprint, @kind, @account_id, @token_version, @session_id, @data, @created_at, @expires_at);

-- name: OneTimeToken :one
-- A token that a session has begun is worth nothing once the session has ended.
SELECT t.fingerprint, t.account_id, t.session_id, t.data, t.attempts, t.created_at, t.expires_at
FROM one_time_tokens t
LEFT JOIN accounts a ON a.id = t.account_id
LEFT JOIN sessions s ON s.id = t.session_id
WHERE t.fingerprint = @fingerprint AND t.kind = @kind AND t.expires_at > @now AND t.created_at <= @latest
  AND (t.account_id IS NULL OR (a.token_version = t.token_version AND a.disabled_at IS NULL))
  AND (t.session_id IS NULL OR (s.account_id = a.id AND s.token_version = a.token_version
       AND s.revoked_at IS NULL AND s.expires_at > @now AND s.ends_at > @now));

-- name: DeleteOneTimeToken :execrows
DELETE FROM one_time_tokens WHERE fingerprint = @fingerprint;

-- name: DeleteAccountTokens :exec
DELETE FROM one_time_tokens WHERE account_id = @account_id AND kind = @kind;

-- name: CountAttempt :one
UPDATE one_time_tokens SET attempts = attempts + 1 WHERE fingerprint = @fingerprint
RETURNING attempts;

-- name: DeleteExpiredOneTimeTokens :exec
DELETE FROM one_time_tokens WHERE expires_at <= @now OR created_at > @latest;

-- name: DeleteSurplusTokens :exec
DELETE FROM one_time_tokens WHERE fingerprint IN (
    SELECT t.fingerprint FROM one_time_tokens t WHERE t.account_id = @account_id AND t.kind = @kind
    ORDER BY t.created_at DESC, t.fingerprint LIMIT -1 OFFSET @keep
);

-- name: DeleteSurplusCeremony :exec
-- Makes room for one more token without an account. The plus sign makes SQLite look for the oldest in the order of the
-- expiry.
DELETE FROM one_time_tokens WHERE fingerprint = (
    SELECT t.fingerprint FROM one_time_tokens t WHERE +t.account_id IS NULL ORDER BY t.expires_at LIMIT 1
) AND (SELECT COUNT(*) FROM one_time_tokens c WHERE c.account_id IS NULL) > CAST(@keep AS INTEGER);
