-- name: CountPasskeys :one
SELECT CAST(COUNT(*) AS INTEGER) AS n FROM passkeys WHERE account_id = @account_id;
