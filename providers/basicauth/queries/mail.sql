-- name: InsertMail :exec
INSERT INTO mail_outbox (account_id, kind, sealed, created_at, expires_at, next_attempt_at)
VALUES (@account_id, @kind, @sealed, @now, @expires_at, @now);

-- name: DueMail :one
-- What has failed before waits for what is new: a person may be waiting for that, and one bad address must not hold it
-- up.
SELECT * FROM mail_outbox WHERE next_attempt_at <= @now ORDER BY attempts, next_attempt_at, id LIMIT 1;

-- name: MakeMailDue :exec
UPDATE mail_outbox SET next_attempt_at = MIN(next_attempt_at, @now);

-- name: NextMailAttempt :one
SELECT CAST(COALESCE(MIN(next_attempt_at), 0) AS INTEGER) AS at FROM mail_outbox;

-- name: SettleMail :exec
-- What was written while the clock was ahead is tried now, and given up no later than what is written now.
UPDATE mail_outbox SET next_attempt_at = CASE WHEN next_attempt_at > CAST(@latest_attempt AS INTEGER) THEN CAST(@now AS INTEGER) ELSE next_attempt_at END,
    expires_at = MIN(expires_at, CAST(@latest_end AS INTEGER))
WHERE next_attempt_at > CAST(@latest_attempt AS INTEGER) OR expires_at > CAST(@latest_end AS INTEGER);

-- name: AttemptMail :exec
UPDATE mail_outbox SET attempts = attempts + 1, next_attempt_at = @next_attempt_at WHERE id = @id;

-- name: NoteMailFault :exec
UPDATE mail_outbox SET fault_at = @fault_at, fault_step = @fault_step, fault_code = @fault_code, fault = @fault, fault_advice = @fault_advice
WHERE id = @id;

-- name: InsertLostMail :exec
INSERT INTO lost_mail (account_id, kind, created_at, lost_at, attempts, reason, fault_at, fault_step, fault_code, fault, fault_advice)
VALUES (@account_id, @kind, @created_at, @lost_at, @attempts, @reason, @fault_at, @fault_step, @fault_code, @fault, @fault_advice);

-- name: TrimLostMail :exec
DELETE FROM lost_mail WHERE id <= (SELECT MAX(l.id) FROM lost_mail l) - CAST(@keep AS INTEGER);

-- name: LostMail :many
SELECT sqlc.embed(l), CAST(COALESCE(a.email, '') AS TEXT) AS email
FROM lost_mail l LEFT JOIN accounts a ON a.id = l.account_id ORDER BY l.id DESC;

-- name: CountMail :one
-- Requests for a link do not count: they are not letters yet.
SELECT CAST(COUNT(*) AS INTEGER) FROM mail_outbox WHERE kind <> @request;

-- name: WaitingMail :many
SELECT m.id, m.account_id, m.kind, m.created_at, m.expires_at, m.attempts, m.next_attempt_at,
       m.fault_at, m.fault_step, m.fault_code, m.fault, m.fault_advice, CAST(COALESCE(a.email, '') AS TEXT) AS email
FROM mail_outbox m LEFT JOIN accounts a ON a.id = m.account_id
WHERE m.kind <> @request ORDER BY m.next_attempt_at, m.id LIMIT @rows;

-- name: DeleteMail :exec
DELETE FROM mail_outbox WHERE id = @id;

-- name: DeleteExpiredMail :many
DELETE FROM mail_outbox WHERE expires_at <= @now RETURNING *;

-- name: CountEventsSince :one
SELECT CAST(COUNT(*) AS INTEGER) AS n FROM security_events
WHERE account_id = @account_id AND kind = @kind AND at > @after AND at <= @latest;

-- name: KnownDevices :many
-- The browsers with which people have signed in to an account, as far as sessions are still kept.
SELECT DISTINCT ip_address, user_agent FROM sessions WHERE account_id = @account_id;

-- name: DeleteSurplusMail :execrows
DELETE FROM mail_outbox WHERE id IN (
    SELECT m.id FROM mail_outbox m WHERE m.account_id IS @account_id AND m.kind = @kind
    ORDER BY m.id DESC LIMIT -1 OFFSET @keep
);
