-- name: InsertRecoveryCode :exec
INSERT INTO recovery_codes (account_id, fingerprint) VALUES (@account_id, @fingerprint);

-- name: CountRecoveryCodes :one
SELECT CAST(COUNT(*) AS INTEGER) AS n FROM recovery_codes WHERE account_id = @account_id;

-- name: UseRecoveryCode :execrows
DELETE FROM recovery_codes WHERE account_id = @account_id AND fingerprint = @fingerprint;

-- name: DeleteRecoveryCodes :exec
DELETE FROM recovery_codes WHERE account_id = @account_id;
