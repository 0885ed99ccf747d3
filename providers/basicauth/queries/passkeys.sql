-- name: CountPasskeys :one
-- Those of an account that belong to a domain or to one that is not known; all of them if rp_id is empty.
SELECT CAST(COUNT(*) AS INTEGER) AS n FROM passkeys
WHERE account_id = @account_id AND (CAST(@rp_id AS TEXT) = '' OR rp_id IS NULL OR rp_id = CAST(@rp_id AS TEXT));

-- name: PasskeyDomains :many
SELECT account_id, rp_id FROM passkeys WHERE rp_id IS NOT NULL;

-- name: Passkeys :many
SELECT * FROM passkeys WHERE account_id = @account_id ORDER BY created_at, id;

-- name: Passkey :one
SELECT * FROM passkeys WHERE id = @id;

-- name: InsertPasskey :exec
INSERT INTO passkeys (id, account_id, name, credential, created_at, rp_id)
VALUES (@id, @account_id, @name, @credential, @now, @rp_id);

-- name: RenamePasskey :execrows
UPDATE passkeys SET name = @name WHERE id = @id AND account_id = @account_id;

-- name: UsePasskey :exec
UPDATE passkeys SET credential = @credential, rp_id = @rp_id, last_used_at = CAST(@now AS INTEGER) WHERE id = @id;

-- name: DeletePasskey :many
DELETE FROM passkeys WHERE id = @id AND account_id = @account_id RETURNING name;

-- name: DeletePasskeys :exec
DELETE FROM passkeys WHERE account_id = @account_id;
