-- An older copy of the database was put back: what has ended or was used up since is not known, so nothing that can be
-- is good any more.

-- name: EndAllSessions :exec
UPDATE sessions SET revoked_at = CAST(@now AS INTEGER) WHERE revoked_at IS NULL;

-- name: DeleteAllTokens :exec
DELETE FROM one_time_tokens;

-- name: DeleteAllRecoveryCodes :exec
DELETE FROM recovery_codes;

-- name: UseAllTOTPSteps :exec
UPDATE totp SET last_step = max(last_step, @step);

-- Links in mail no longer work, and notices were sent already or tell of what is not there.
-- name: DeleteAllMail :exec
DELETE FROM mail_outbox;
