-- name: TOTP :one
SELECT * FROM totp WHERE account_id = @account_id;

-- A secret that counts is not replaced: it has to be removed first.
-- name: EnrolTOTP :execrows
INSERT INTO totp (account_id, secret, session_id, created_at) VALUES (@account_id, @secret, @session_id, @now)
ON CONFLICT (account_id) DO UPDATE
SET secret = excluded.secret, session_id = excluded.session_id, last_step = 0, created_at = excluded.created_at
WHERE totp.confirmed_at IS NULL;

-- name: ConfirmTOTP :execrows
UPDATE totp SET confirmed_at = CAST(@now AS INTEGER), last_step = @step, session_id = NULL
WHERE account_id = @account_id AND confirmed_at IS NULL;

-- The condition is what makes each code count once. A step beyond the newest one that can be is from a clock that was
-- ahead.
-- name: UseTOTPStep :execrows
UPDATE totp SET last_step = @step
WHERE account_id = @account_id AND confirmed_at IS NOT NULL AND (last_step < @step OR last_step > @newest);

-- name: ResealTOTP :exec
UPDATE totp SET secret = @secret WHERE account_id = @account_id;

-- name: DeleteTOTP :execrows
DELETE FROM totp WHERE account_id = @account_id;
