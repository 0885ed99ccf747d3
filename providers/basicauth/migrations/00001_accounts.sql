-- Times are Unix milliseconds.

-- +goose Up
CREATE TABLE accounts (
    id            TEXT PRIMARY KEY,
    email         TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    display_name  TEXT,
    -- Raised with every change that must end all sessions.
    token_version INTEGER NOT NULL DEFAULT 0,
    -- How the account came to be: 'open', 'invite', 'setup', 'bootstrap' or 'operator'. The last three were admitted by
    -- the operator, whatever the registration mode says.
    origin        TEXT NOT NULL DEFAULT 'open',
    -- Set while the operator has switched the account off.
    disabled_at   INTEGER,
    created_at    INTEGER NOT NULL,
    updated_at    INTEGER NOT NULL
) STRICT;

-- Accounts that are gone while access tokens for them could still be valid. Such a token is refused until it has
-- expired.
CREATE TABLE deleted_accounts (
    id           TEXT PRIMARY KEY,
    access_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

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
    -- The session ends here whatever it is used for.
    ends_at       INTEGER NOT NULL,
    -- When the person last proved who they are, with a password or a passkey.
    authenticated_at INTEGER NOT NULL,
    -- When the session was last renewed, and from where.
    last_seen_at  INTEGER NOT NULL,
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

-- The second factor that an authenticator app computes. The secret is sealed; it counts once confirmed_at is set.
CREATE TABLE totp (
    account_id   TEXT PRIMARY KEY REFERENCES accounts (id) ON DELETE CASCADE,
    secret       BLOB NOT NULL,
    confirmed_at INTEGER,
    -- The time step of the last code that was accepted: it and all before it are used up.
    last_step    INTEGER NOT NULL DEFAULT 0,
    created_at   INTEGER NOT NULL
) STRICT;

-- Codes for the day on which a second factor is lost; used ones are deleted. Kept as SHA-256: they are random.
CREATE TABLE recovery_codes (
    account_id  TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    fingerprint TEXT NOT NULL,
    PRIMARY KEY (account_id, fingerprint)
) STRICT, WITHOUT ROWID;

-- WebAuthn credentials.
CREATE TABLE passkeys (
    -- The credential id, base64url without padding.
    id           TEXT PRIMARY KEY,
    account_id   TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    name         TEXT NOT NULL,
    -- The public key and what else the next assertion is checked against, as JSON.
    credential   TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    last_used_at INTEGER
) STRICT;

CREATE INDEX passkeys_by_account ON passkeys (account_id);

-- Whatever is handed out once and taken back once: reset links, address confirmations, second steps of a sign-in,
-- passkey ceremonies. The row is deleted by its use, which is what makes it single-use.
CREATE TABLE one_time_tokens (
    -- SHA-256 of the token, lower-case hex.
    fingerprint   TEXT PRIMARY KEY,
    kind          TEXT NOT NULL,
    -- NULL for a passkey ceremony that begins without an account.
    account_id    TEXT REFERENCES accounts (id) ON DELETE CASCADE,
    -- The token_version of the account at that moment: a change of the password makes the token worthless.
    token_version INTEGER NOT NULL DEFAULT 0,
    -- What the kind needs besides, as JSON.
    data          TEXT NOT NULL DEFAULT '{}',
    -- How many wrong attempts it has seen.
    attempts      INTEGER NOT NULL DEFAULT 0,
    created_at    INTEGER NOT NULL,
    expires_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX one_time_tokens_by_account ON one_time_tokens (account_id, kind);
CREATE INDEX one_time_tokens_by_expiry ON one_time_tokens (expires_at);

-- Mail that still has to be handed to the mail server. It may hold links, so the content is sealed.
CREATE TABLE mail_outbox (
    id              INTEGER PRIMARY KEY,
    account_id      TEXT REFERENCES accounts (id) ON DELETE CASCADE,
    kind            TEXT NOT NULL,
    sealed          BLOB NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL,
    attempts        INTEGER NOT NULL DEFAULT 0,
    next_attempt_at INTEGER NOT NULL
) STRICT;

CREATE INDEX mail_outbox_by_attempt ON mail_outbox (next_attempt_at);

-- What happened to accounts, for their owners and for the operator. It names no secrets.
CREATE TABLE security_events (
    id         INTEGER PRIMARY KEY,
    account_id TEXT NOT NULL REFERENCES accounts (id) ON DELETE CASCADE,
    kind       TEXT NOT NULL,
    at         INTEGER NOT NULL,
    ip_address TEXT,
    user_agent TEXT,
    detail     TEXT
) STRICT;

CREATE INDEX security_events_by_account ON security_events (account_id, at);
CREATE INDEX security_events_by_time ON security_events (at);

-- The windows of the rate limits, so that a restart forgets none.
CREATE TABLE rate_windows (
    key        TEXT PRIMARY KEY,
    -- The times of the hits, a JSON array of milliseconds, oldest first.
    hits       TEXT NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE INDEX rate_windows_by_expiry ON rate_windows (expires_at);
