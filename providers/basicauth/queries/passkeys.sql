-- name: CountPasskeys :one
SELECT CAST(COUNT(*) AS INTEGER) AS n FROM passkeys WHERE account_id = @account_id;

-- name: Passkeys :many
SELECT * FROM passkeys WHERE account_id = @account_id ORDER BY created_at, id;

-- name: Passkey :one
SELECT * FROM passkeys WHERE id = @id;

-- name: InsertPasskey :exec
INSERT INTO passkeys (id, account_id, name, credential, created_at)
VALUES (@id, @account_id, @name, @credential, @now);

-- name: RenamePasskey :execrows
UPDATE passkeys SET name = @name WHERE id = @id AND account_id = @account_id;

-- name: UsePasskey :exec
UPDATE passkeys SET credential = @credential, last_used_at = CAST(@now AS INTEGER) WHERE id = @id;

-- name: DeletePasskey :many
DELETE FROM passkeys WHERE id = @id AND account_id = @account_id RETURNING name;

-- name: DeletePasskeys :exec
DELETE FROM passkeys WHERE account_id = @account_id;
