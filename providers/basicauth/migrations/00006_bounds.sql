-- Indexes for the bounds on what one account can make grow: the newest of each kind stay.

-- +goose Up
CREATE INDEX security_events_by_kind ON security_events (account_id, kind, at);
CREATE INDEX mail_outbox_by_account ON mail_outbox (account_id, kind);
