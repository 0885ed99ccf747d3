-- name: InsertSession :exec
INSERT INTO sessions (id, account_id, token_version, created_at, authenticated_at, last_seen_at, expires_at, ends_at, access_until, ip_address, user_agent)
VALUES (@id, @account_id, @token_version, @now, @now, @now, @expires_at, @ends_at, @access_until, @ip_address, @user_agent);

-- name: ExtendSession :exec
UPDATE sessions SET expires_at = @expires_at, ends_at = @ends_at, access_until = @access_until, last_seen_at = @now,
    ip_address = @ip_address, user_agent = @user_agent
WHERE id = @id;

-- name: RevokeSession :many
UPDATE sessions SET revoked_at = CAST(@now AS INTEGER)
WHERE id = @id AND revoked_at IS NULL
RETURNING id, account_id, access_until;

-- name: RevokeAccountSessions :many
UPDATE sessions SET revoked_at = CAST(@now AS INTEGER)
WHERE account_id = @account_id AND revoked_at IS NULL
RETURNING id, access_until;

-- name: RevokedSessions :many
SELECT id, access_until FROM sessions
WHERE access_until > @now AND revoked_at IS NOT NULL;

-- name: OutdatedAccounts :many
SELECT a.id, a.token_version, CAST(MAX(s.access_until) AS INTEGER) AS access_until
FROM sessions s JOIN accounts a ON a.id = s.account_id
WHERE s.access_until > @now AND s.token_version < a.token_version
GROUP BY a.id, a.token_version;

-- name: DeleteExpiredSessions :exec
DELETE FROM sessions WHERE expires_at <= @now;

-- name: InsertToken :exec
INSERT INTO refresh_tokens (fingerprint, session_id, created_at, expires_at, sealed, predecessor)
VALUES (@fingerprint, @session_id, @created_at, @expires_at, @sealed, @predecessor);

-- name: Token :one
-- A repeatable token is the one before the session's live token, as far as that was never used.
SELECT t.expires_at, t.rotated_at, t.replaced_at, t.predecessor,
       CAST(COALESCE(l.fingerprint, '') AS TEXT) AS live_fingerprint, CAST(COALESCE(l.created_at, 0) AS INTEGER) AS live_created_at,
       CAST(COALESCE(l.predecessor = t.fingerprint AND l.used_at IS NULL, 0) AS BOOLEAN) AS repeatable,
       s.id AS session_id, s.token_version AS session_version, s.expires_at AS session_expires_at, s.ends_at AS session_ends_at,
       s.revoked_at, a.id AS account_id, a.email, a.display_name, a.token_version, a.origin, a.founder, a.disabled_at
FROM refresh_tokens t
JOIN sessions s ON s.id = t.session_id
JOIN accounts a ON a.id = s.account_id
LEFT JOIN refresh_tokens l ON l.session_id = s.id AND l.rotated_at IS NULL
WHERE t.fingerprint = @fingerprint;

-- name: LiveToken :one
SELECT fingerprint, sealed FROM refresh_tokens
WHERE session_id = @session_id AND rotated_at IS NULL;

-- name: RotateToken :execrows
UPDATE refresh_tokens SET rotated_at = CAST(@now AS INTEGER), sealed = NULL
WHERE fingerprint = @fingerprint AND rotated_at IS NULL;

-- name: ReplaceToken :execrows
-- The live token, whose answer was lost, gives way to another one.
UPDATE refresh_tokens SET rotated_at = CAST(@now AS INTEGER), replaced_at = CAST(@now AS INTEGER), sealed = NULL
WHERE fingerprint = @fingerprint AND rotated_at IS NULL AND used_at IS NULL;

-- name: RepeatToken :execrows
UPDATE refresh_tokens SET rotated_at = CAST(@now AS INTEGER)
WHERE fingerprint = @fingerprint AND rotated_at IS NOT NULL AND replaced_at IS NULL;

-- name: NoteUse :exec
-- Only a live token can still be replaced, so the use of another one is not worth a note.
UPDATE refresh_tokens SET used_at = CAST(@now AS INTEGER)
WHERE session_id = @session_id AND rotated_at IS NULL AND used_at IS NULL AND substr(fingerprint, 1, 16) = CAST(@generation AS TEXT);

-- name: ReplacedTokens :many
SELECT session_id, fingerprint, CAST(replaced_at AS INTEGER) AS replaced_at FROM refresh_tokens
WHERE replaced_at > CAST(@after AS INTEGER);

-- name: EraseSeals :exec
UPDATE refresh_tokens SET sealed = NULL WHERE sealed IS NOT NULL AND (created_at <= @before OR created_at > @latest);

-- name: DeleteExpiredTokens :exec
DELETE FROM refresh_tokens WHERE expires_at <= @now;

-- name: SessionAccount :one
SELECT s.id AS session_id, s.authenticated_at, a.*
FROM sessions s JOIN accounts a ON a.id = s.account_id
WHERE s.id = @session_id AND a.id = @account_id AND a.disabled_at IS NULL AND s.token_version = a.token_version
  AND s.revoked_at IS NULL AND s.expires_at > @now AND s.ends_at > @now;

-- name: ProveSession :exec
UPDATE sessions SET authenticated_at = @now WHERE id = @id;

-- name: AccountSessions :many
SELECT id, created_at, last_seen_at, expires_at, ip_address, user_agent FROM sessions
WHERE account_id = @account_id AND revoked_at IS NULL AND expires_at > @now
ORDER BY last_seen_at DESC, id;

-- name: RevokeOwnSession :many
UPDATE sessions SET revoked_at = CAST(@now AS INTEGER)
WHERE id = @id AND account_id = @account_id AND revoked_at IS NULL
RETURNING id, access_until;

-- name: EndOldestSessions :many
UPDATE sessions SET revoked_at = CAST(@now AS INTEGER)
WHERE id IN (
    SELECT s.id FROM (
        SELECT o.id, MIN(o.last_seen_at, CAST(@now AS INTEGER)) AS seen_at FROM sessions o
        WHERE o.account_id = @account_id AND o.revoked_at IS NULL
    ) s
    ORDER BY s.seen_at DESC, s.id LIMIT -1 OFFSET @keep
)
RETURNING id, access_until;

-- name: RevokeOtherSessions :many
UPDATE sessions SET revoked_at = CAST(@now AS INTEGER)
WHERE account_id = @account_id AND id <> @keep AND revoked_at IS NULL
RETURNING id, access_until;

-- name: DeleteOldEndedSessions :exec
-- The newest stay, because they say which browsers are known, and those whose access tokens have still to be refused.
DELETE FROM sessions WHERE id IN (
    SELECT s.id FROM sessions s
    WHERE s.account_id = @account_id AND s.revoked_at IS NOT NULL AND s.access_until <= @before
    ORDER BY s.last_seen_at DESC, s.id LIMIT @most OFFSET @keep
);

-- name: HasTokens :one
SELECT CAST(EXISTS (SELECT 1 FROM refresh_tokens WHERE session_id = @session_id LIMIT 1 OFFSET @below) AS BOOLEAN) AS many;

-- name: ShortenSessions :execrows
-- Sessions end no later than the lifetimes of now say, counted from when they began and were used last.
UPDATE sessions SET expires_at = MIN(expires_at, ends_at, last_seen_at + CAST(@idle AS INTEGER), created_at + CAST(@absolute AS INTEGER)),
    ends_at = MIN(ends_at, created_at + CAST(@absolute AS INTEGER))
WHERE revoked_at IS NULL AND (expires_at > last_seen_at + CAST(@idle AS INTEGER) OR ends_at > created_at + CAST(@absolute AS INTEGER));

-- name: ShortenTokens :exec
UPDATE refresh_tokens SET expires_at = MIN(expires_at, created_at + CAST(@idle AS INTEGER))
WHERE rotated_at IS NULL AND expires_at > created_at + CAST(@idle AS INTEGER);

-- name: EndShortenedSessions :exec
-- Their access tokens are refused as well.
UPDATE sessions SET revoked_at = CAST(@now AS INTEGER)
WHERE revoked_at IS NULL AND access_until > CAST(@now AS INTEGER) AND (expires_at <= CAST(@now AS INTEGER) OR ends_at <= CAST(@now AS INTEGER));
