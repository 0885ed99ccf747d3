-- name: NewestTime :one
-- Whatever else is written, one of these times is written with it, or soon before.
SELECT CAST(MAX(COALESCE((SELECT MAX(at) FROM security_events), 0), COALESCE((SELECT MAX(last_seen_at) FROM sessions), 0),
                COALESCE((SELECT MAX(updated_at) FROM accounts), 0)) AS INTEGER) AS newest;

-- name: SetBackAt :one
SELECT set_back_at FROM clock;

-- name: KeepSetBack :exec
UPDATE clock SET set_back_at = @now;

-- The rest brings times that were written while the clock was ahead back to what they can be now.

-- name: SettleSessions :exec
UPDATE sessions SET created_at = MIN(created_at, CAST(@now AS INTEGER)), last_seen_at = MIN(last_seen_at, CAST(@now AS INTEGER)),
    expires_at = MIN(expires_at, CAST(@idle_end AS INTEGER)), ends_at = MIN(ends_at, CAST(@absolute_end AS INTEGER)), access_until = MIN(access_until, CAST(@access_end AS INTEGER)),
    revoked_at = MIN(revoked_at, CAST(@now AS INTEGER)), authenticated_at = CASE WHEN authenticated_at > CAST(@latest AS INTEGER) THEN 0 ELSE authenticated_at END;

-- name: SettleTokens :exec
-- A token without a time of its exchange is not known to be the last one before its successor.
UPDATE refresh_tokens SET created_at = MIN(created_at, CAST(@now AS INTEGER)), expires_at = MIN(expires_at, CAST(@idle_end AS INTEGER)),
    rotated_at = CASE WHEN rotated_at > CAST(@latest AS INTEGER) THEN 0 ELSE rotated_at END,
    used_at = MIN(used_at, CAST(@now AS INTEGER)), replaced_at = MIN(replaced_at, CAST(@now AS INTEGER))
WHERE created_at > CAST(@latest AS INTEGER) OR expires_at > CAST(@idle_end AS INTEGER) OR rotated_at > CAST(@latest AS INTEGER) OR used_at > CAST(@latest AS INTEGER) OR replaced_at > CAST(@latest AS INTEGER);

-- name: SettleTOTP :exec
UPDATE totp SET created_at = MIN(created_at, CAST(@now AS INTEGER)), confirmed_at = MIN(confirmed_at, CAST(@now AS INTEGER)),
    last_step = CASE WHEN last_step > CAST(@newest AS INTEGER) THEN 0 ELSE last_step END
WHERE created_at > CAST(@now AS INTEGER) OR confirmed_at > CAST(@now AS INTEGER) OR last_step > CAST(@newest AS INTEGER);

-- name: SettleAccounts :exec
UPDATE accounts SET created_at = MIN(created_at, CAST(@now AS INTEGER)), updated_at = MIN(updated_at, CAST(@now AS INTEGER)), disabled_at = MIN(disabled_at, CAST(@now AS INTEGER)),
    factor_demanded_at = MIN(factor_demanded_at, CAST(@now AS INTEGER)), factor_excused_until = MIN(factor_excused_until, CAST(@latest_excuse AS INTEGER))
WHERE created_at > CAST(@now AS INTEGER) OR updated_at > CAST(@now AS INTEGER) OR disabled_at > CAST(@now AS INTEGER)
   OR factor_demanded_at > CAST(@now AS INTEGER) OR factor_excused_until > CAST(@latest_excuse AS INTEGER);

-- name: SettleDeletedAccounts :exec
UPDATE deleted_accounts SET access_until = CAST(@access_end AS INTEGER) WHERE access_until > CAST(@access_end AS INTEGER);

-- name: SettlePasskeys :exec
UPDATE passkeys SET created_at = MIN(created_at, CAST(@now AS INTEGER)), last_used_at = MIN(last_used_at, CAST(@now AS INTEGER))
WHERE created_at > CAST(@now AS INTEGER) OR last_used_at > CAST(@now AS INTEGER);

-- name: SettleEvents :exec
UPDATE security_events SET at = CAST(@now AS INTEGER) WHERE at > CAST(@latest AS INTEGER);
