-- +goose Up
-- The token that was exchanged for this one; NULL for the first one of a session, and for those from before this
-- column.
ALTER TABLE refresh_tokens ADD COLUMN predecessor TEXT;
-- When an access token that was issued with this one was first seen.
ALTER TABLE refresh_tokens ADD COLUMN used_at INTEGER;
-- When another token took the place of this one, because its answer seemed to be lost. It has rotated_at as well.
ALTER TABLE refresh_tokens ADD COLUMN replaced_at INTEGER;

CREATE INDEX refresh_tokens_replaced ON refresh_tokens (replaced_at) WHERE replaced_at IS NOT NULL;

-- When the clock was found to have been set back last; 0 for never. Access tokens from before are renewed.
CREATE TABLE clock (set_back_at INTEGER NOT NULL) STRICT;
INSERT INTO clock VALUES (0);
