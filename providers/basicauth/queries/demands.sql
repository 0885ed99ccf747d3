-- name: FactorDemand :one
-- Since when a second factor is demanded of an account, and whether it may have one.
SELECT a.factor_demanded_at, a.factor_excused_until,
       CAST(EXISTS (SELECT 1 FROM totp t WHERE t.account_id = a.id AND t.confirmed_at IS NOT NULL) AS BOOLEAN) AS totp,
       CAST((SELECT COUNT(*) FROM passkeys p WHERE p.account_id = a.id) AS INTEGER) AS passkeys
FROM accounts a WHERE a.id = @id;

-- name: DemandFactor :exec
UPDATE accounts SET factor_demanded_at = CAST(@now AS INTEGER) WHERE id = @id AND factor_demanded_at IS NULL;

-- name: DemandFactorOfAll :exec
UPDATE accounts SET factor_demanded_at = CAST(@now AS INTEGER) WHERE factor_demanded_at IS NULL;

-- name: ForgetFactorDemands :exec
UPDATE accounts SET factor_demanded_at = NULL WHERE factor_demanded_at IS NOT NULL;

-- name: ExcuseFactor :exec
UPDATE accounts SET factor_excused_until = @until WHERE id = @id;
