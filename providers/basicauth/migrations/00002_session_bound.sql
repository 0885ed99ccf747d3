-- What a session has begun ends with it: each such row names its session.

-- +goose Up
-- Rows from before name none. They live for minutes, and the person who began them begins again.
DELETE FROM one_time_tokens WHERE kind IN ('email', 'passkey_add');
DELETE FROM totp WHERE confirmed_at IS NULL;

-- NULL for what needs no session.
ALTER TABLE one_time_tokens ADD COLUMN session_id TEXT REFERENCES sessions (id) ON DELETE CASCADE;
CREATE INDEX one_time_tokens_by_session ON one_time_tokens (session_id) WHERE session_id IS NOT NULL;

-- The session that may confirm the secret. Once it is confirmed nothing depends on the session any more.
ALTER TABLE totp ADD COLUMN session_id TEXT;
