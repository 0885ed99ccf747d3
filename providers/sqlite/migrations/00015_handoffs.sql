-- +goose Up

-- A call of a tool that a job waits for, which only one browser of its user has (jobs.Handoffs): '' if it waits for
-- none. call_device is that browser, call_token has the call until call_until. resumed says that the result has come,
-- and that the next worker goes on where the last one has stopped.
ALTER TABLE jobs ADD COLUMN call_id TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN call_device TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN call_token TEXT NOT NULL DEFAULT '';
ALTER TABLE jobs ADD COLUMN call_until INTEGER NOT NULL DEFAULT 0;
ALTER TABLE jobs ADD COLUMN resumed INTEGER NOT NULL DEFAULT 0 CHECK (resumed IN (0, 1));
