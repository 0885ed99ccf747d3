-- +goose Up

-- The identity that was made a deployment administrator with its user last (or3cloud.ExternalIdentity.Founder). It is
-- made one once, also if its user is gone and made again.
CREATE TABLE founder (
  id               INTEGER PRIMARY KEY CHECK (id = 1),
  provider         TEXT NOT NULL,
  provider_user_id TEXT NOT NULL
) STRICT;
