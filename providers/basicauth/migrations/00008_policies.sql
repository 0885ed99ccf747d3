-- Whose account the installation's first administrator has, and the second factor that an operator demands.

-- +goose Up
-- 1 for the first account, which the operator made: its user administers the deployment from the moment it is made.
-- Accounts from before this column are none.
ALTER TABLE accounts ADD COLUMN founder INTEGER NOT NULL DEFAULT 0;
-- When a second factor was first demanded of the account; NULL if none is.
ALTER TABLE accounts ADD COLUMN factor_demanded_at INTEGER;
-- Until when an operator lets the account go on without one.
ALTER TABLE accounts ADD COLUMN factor_excused_until INTEGER;

CREATE UNIQUE INDEX accounts_founder ON accounts (founder) WHERE founder = 1;
