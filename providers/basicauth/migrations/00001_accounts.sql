-- Times are Unix milliseconds.

-- +goose Up
CREATE TABLE accounts (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    display_name  TEXT,
    -- Raised with every change that must end all sessions.
    token_version INTEGER NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

-- A session is one signed-in browser. It keeps its id while its refresh tokens are rotated.
CREATE TABLE sessions (
    id            TEXT PRIMARY KEY,
    account_id    TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    -- The token_version of the account when the session began.
    token_version INTEGER NOT NULL,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL,
    -- No access token of the session is valid after this moment.
    access_until  INTEGER NOT NULL,
    revoked_at    INTEGER,
    ip_address    TEXT,
    user_agent    TEXT
) STRICT;

CREATE INDEX sessions_by_account ON sessions (account_id);
CREATE INDEX sessions_by_expiry ON sessions (expires_at);
CREATE INDEX sessions_by_access ON sessions (access_until);

-- Refresh tokens are kept as SHA-256 in lower-case hex. Rotated ones stay until they expire, to recognise a replay.
CREATE TABLE refresh_tokens (
    fingerprint TEXT PRIMARY KEY,
    session_id  TEXT NOT NULL REFERENCES sessions (id) ON DELETE CASCADE,
    created_at  INTEGER NOT NULL,
    expires_at  INTEGER NOT NULL,
    rotated_at  INTEGER,
    -- The token itself, encrypted, for as long as its predecessor is in the grace window.
    sealed      BLOB
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX refresh_tokens_one_live ON refresh_tokens (session_id) WHERE rotated_at IS NULL;
CREATE INDEX refresh_tokens_by_session ON refresh_tokens (session_id);
CREATE INDEX refresh_tokens_by_expiry ON refresh_tokens (expires_at);
CREATE INDEX refresh_tokens_sealed ON refresh_tokens (created_at) WHERE sealed IS NOT NULL;
