-- name: MeasureMail :one
SELECT CAST((SELECT count(*) FROM mail_outbox) AS INTEGER) AS mail,
  CAST((SELECT count(*) FROM mail_outbox m WHERE m.attempts > 0) AS INTEGER) AS retried_mail,
  CAST((SELECT coalesce(min(o.created_at), 0) FROM mail_outbox o) AS INTEGER) AS oldest_mail;
