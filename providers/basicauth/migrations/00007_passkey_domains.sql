-- Which domain a passkey belongs to, so that those of an earlier public domain can be told from those that work.

-- +goose Up
-- The relying party id; NULL for passkeys from before this column that were not used since.
ALTER TABLE passkeys ADD COLUMN rp_id TEXT;
