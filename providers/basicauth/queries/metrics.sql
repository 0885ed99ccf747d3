-- name: MeasureAccounts :one
SELECT CAST((SELECT count(*) FROM accounts) AS INTEGER) AS accounts,
  CAST((SELECT count(*) FROM accounts a WHERE a.disabled_at IS NOT NULL) AS INTEGER) AS disabled,
  CAST((SELECT count(*) FROM sessions s WHERE s.revoked_at IS NULL AND s.expires_at > @now AND s.ends_at > @now) AS INTEGER) AS sessions,
  CAST((SELECT count(*) FROM mail_outbox) AS INTEGER) AS mail,
  CAST((SELECT count(*) FROM mail_outbox m WHERE m.attempts > 0) AS INTEGER) AS retried_mail,
  CAST((SELECT coalesce(min(o.created_at), 0) FROM mail_outbox o) AS INTEGER) AS oldest_mail;
