-- +goose Up

-- The windows of the host's rate limits (or3cloud.RateLimitStore).
CREATE TABLE rate_windows (
  key        TEXT PRIMARY KEY,
  -- The times of the hits, a JSON array of milliseconds, oldest first.
  hits       TEXT NOT NULL,
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX rate_windows_by_expiry ON rate_windows (expires_at);
