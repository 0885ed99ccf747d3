-- name: Windows :many
SELECT * FROM rate_windows WHERE expires_at > @now;

-- name: KeepWindow :exec
INSERT INTO rate_windows (key, hits, expires_at) VALUES (@key, @hits, @expires_at)
ON CONFLICT (key) DO UPDATE SET hits = excluded.hits, expires_at = excluded.expires_at;

-- name: DeleteWindow :exec
DELETE FROM rate_windows WHERE key = @key;

-- name: DeleteExpiredWindows :exec
DELETE FROM rate_windows WHERE expires_at <= @now OR expires_at > @latest;
