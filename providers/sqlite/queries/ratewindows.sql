-- name: RateWindows :many
SELECT * FROM rate_windows WHERE expires_at > @now AND expires_at <= @latest;

-- name: KeepRateWindow :exec
INSERT INTO rate_windows (key, hits, expires_at) VALUES (@key, @hits, @expires_at)
ON CONFLICT (key) DO UPDATE SET hits = excluded.hits, expires_at = excluded.expires_at;

-- name: DeleteRateWindow :exec
DELETE FROM rate_windows WHERE key = @key;

-- name: DeleteEndedRateWindows :exec
DELETE FROM rate_windows WHERE expires_at <= @now;

-- name: DeleteLateRateWindows :exec
DELETE FROM rate_windows WHERE expires_at > @latest;

-- name: DeleteSurplusRateWindows :exec
-- Those that end last stay.
DELETE FROM rate_windows WHERE key IN (SELECT w.key FROM rate_windows w ORDER BY w.expires_at DESC LIMIT -1 OFFSET @keep);
