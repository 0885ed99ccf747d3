-- name: AccountsPage :many
-- The accounts that were made after one of a time and an id.
SELECT id, created_at FROM accounts
WHERE created_at > @created_at OR (created_at = @created_at AND id > @id)
ORDER BY created_at, id LIMIT @rows;

-- name: AccountOverview :one
SELECT a.id, a.email, a.display_name, a.created_at, a.disabled_at, a.founder,
       CAST((SELECT COUNT(*) FROM sessions s
             WHERE s.account_id = a.id AND s.revoked_at IS NULL AND s.expires_at > @now) AS INTEGER) AS sessions,
       CAST(EXISTS (SELECT 1 FROM totp t WHERE t.account_id = a.id AND t.confirmed_at IS NOT NULL) AS BOOLEAN) AS totp,
       CAST((SELECT COUNT(*) FROM recovery_codes c WHERE c.account_id = a.id) AS INTEGER) AS recovery_codes
FROM accounts a WHERE a.id = @id;

-- name: EndAccess :execrows
-- Ends every session and one-time link of an account, without a change of the password.
UPDATE accounts SET token_version = token_version + 1, updated_at = @now WHERE id = @id;

-- name: SetDisabled :execrows
UPDATE accounts SET disabled_at = @disabled_at, updated_at = @now WHERE id = @id;

-- name: DeleteAccount :execrows
DELETE FROM accounts WHERE id = @id;

-- name: RememberDeleted :exec
INSERT INTO deleted_accounts (id, access_until) VALUES (@id, @access_until)
ON CONFLICT (id) DO UPDATE SET access_until = excluded.access_until;

-- name: DeletedAccounts :many
SELECT id, access_until FROM deleted_accounts WHERE access_until > @now;

-- name: ForgetDeleted :exec
DELETE FROM deleted_accounts WHERE access_until <= @now;

-- name: AccountTotals :one
SELECT CAST(COUNT(*) AS INTEGER) AS accounts, CAST(COUNT(disabled_at) AS INTEGER) AS disabled FROM accounts;

-- name: CountSignedIn :one
SELECT CAST(COUNT(*) AS INTEGER) AS sessions, CAST(COUNT(DISTINCT account_id) AS INTEGER) AS signed_in
FROM sessions WHERE revoked_at IS NULL AND expires_at > @now AND ends_at > @now;

-- name: AccountNames :many
SELECT id, created_at, email, display_name FROM accounts
WHERE created_at > @created_at OR (created_at = @created_at AND id > @id)
ORDER BY created_at, id LIMIT @rows;

-- name: SignedIn :many
SELECT s.id, s.account_id, a.email, a.display_name, s.created_at, s.last_seen_at, s.expires_at, s.ip_address, s.user_agent
FROM sessions s JOIN accounts a ON a.id = s.account_id
WHERE s.revoked_at IS NULL AND s.expires_at > @now AND s.ends_at > @now
  AND (s.last_seen_at < @last_seen_at OR (s.last_seen_at = @last_seen_at AND s.id < @id))
ORDER BY s.last_seen_at DESC, s.id DESC LIMIT @rows;
