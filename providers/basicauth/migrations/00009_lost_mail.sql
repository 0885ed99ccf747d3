-- Why mail was not delivered, for administrators. No address and nothing of a letter is in it.

-- +goose Up
-- Of the last attempt; NULL before the first one.
ALTER TABLE mail_outbox ADD COLUMN fault_at INTEGER;
ALTER TABLE mail_outbox ADD COLUMN fault_step TEXT;
ALTER TABLE mail_outbox ADD COLUMN fault_code INTEGER;
ALTER TABLE mail_outbox ADD COLUMN fault TEXT;
ALTER TABLE mail_outbox ADD COLUMN fault_advice TEXT;

-- Mail that was given up last.
CREATE TABLE lost_mail (
    id           INTEGER PRIMARY KEY,
    account_id   TEXT REFERENCES accounts (id) ON DELETE CASCADE,
    kind         TEXT NOT NULL,
    created_at   INTEGER NOT NULL,
    lost_at      INTEGER NOT NULL,
    attempts     INTEGER NOT NULL,
    reason       TEXT NOT NULL,
    fault_at     INTEGER,
    fault_step   TEXT,
    fault_code   INTEGER,
    fault        TEXT,
    fault_advice TEXT
) STRICT;

CREATE INDEX lost_mail_by_account ON lost_mail (account_id);
