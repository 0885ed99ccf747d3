-- name: AccountByEmail :one
SELECT * FROM accounts WHERE email = @email;

-- name: AccountByID :one
SELECT * FROM accounts WHERE id = @id;

-- name: CountAccounts :one
SELECT CAST(COUNT(*) AS INTEGER) AS n FROM accounts;

-- name: InsertAccount :exec
INSERT INTO accounts (id, email, password_hash, display_name, origin, founder, created_at, updated_at)
VALUES (@id, @email, @password_hash, @display_name, @origin, @founder, @now, @now);

-- The old hash in the condition makes sure that a password that was changed meanwhile is not put back.
-- name: UpgradePasswordHash :execrows
UPDATE accounts SET password_hash = @new_hash
WHERE id = @id AND password_hash = @old_hash;

-- name: ChangePassword :execrows
UPDATE accounts SET password_hash = @new_hash, token_version = token_version + 1, updated_at = @now
WHERE id = @id AND password_hash = @old_hash;

-- name: AnyAccount :one
SELECT CAST(EXISTS (SELECT 1 FROM accounts) AS BOOLEAN) AS found;

-- name: AnyFounder :one
SELECT CAST(EXISTS (SELECT 1 FROM accounts WHERE founder = 1) AS BOOLEAN) AS found;

-- The highest cost of the bcrypt hashes that are left; 0 without any.
-- name: LegacyCost :one
SELECT CAST(COALESCE(MAX(CAST(substr(password_hash, 5, 2) AS INTEGER)), 0) AS INTEGER) AS cost
FROM accounts WHERE password_hash LIKE '$2%';
