-- name: JobByID :one
SELECT num, id, user_id, workspace_id, thread_id, message_id, model, kind, status, chunks, started_at, completed_at, error, idempotency_key,
  admission_id, generation_id, history_phase, attempts, lease_owner, lease_until, timeout, retention, resumable, notice, cause,
  call_id, call_device, call_token, call_until, resumed,
  CAST(coalesce((SELECT t.ends FROM job_texts t WHERE t.job = j.num AND t.part = 0 ORDER BY t.place DESC LIMIT 1), 0) AS INTEGER) AS content_length,
  CAST(coalesce((SELECT t.ends FROM job_texts t WHERE t.job = j.num AND t.part = 1 ORDER BY t.place DESC LIMIT 1), 0) AS INTEGER) AS reasoning_length
FROM jobs j WHERE id = @id;

-- name: JobParts :many
SELECT part, value FROM job_parts WHERE job = @job AND part <= @upto;

-- name: JobTextFrom :many
SELECT place, text FROM job_texts WHERE job = @job AND part = @part AND ends > @place ORDER BY place;

-- name: LastJobText :one
SELECT place, ends, bytes, text FROM job_texts WHERE job = @job AND part = @part ORDER BY place DESC LIMIT 1;

-- name: KeepJobText :exec
INSERT INTO job_texts (job, part, place, ends, bytes, text) VALUES (@job, @part, @place, @ends, @bytes, @text)
ON CONFLICT (job, part, place) DO UPDATE SET ends = excluded.ends, bytes = excluded.bytes, text = excluded.text;

-- name: JobPart :one
SELECT value FROM job_parts WHERE job = @job AND part = @part;

-- name: KeepJobPart :exec
INSERT INTO job_parts (job, part, value) VALUES (@job, @part, @value) ON CONFLICT (job, part) DO UPDATE SET value = excluded.value;

-- name: DropJobPart :exec
DELETE FROM job_parts WHERE job = @job AND part = @part;

-- name: DropJobText :exec
DELETE FROM job_texts WHERE job = @job AND part = @part;

-- name: JobByKey :one
SELECT id FROM jobs WHERE user_id = @user_id AND idempotency_key = @key AND idempotency_key <> '';

-- name: JobByAdmission :one
SELECT id FROM jobs WHERE user_id = @user_id AND admission_id = @key AND admission_id <> '' ORDER BY num DESC LIMIT 1;

-- name: CountOpenJobs :one
SELECT CAST(count(*) AS INTEGER) FROM jobs WHERE status = 'streaming';

-- name: CountOpenJobsOf :one
SELECT CAST(count(*) AS INTEGER) FROM jobs WHERE status = 'streaming' AND user_id = @user_id;

-- name: InsertJob :one
INSERT INTO jobs (id, user_id, workspace_id, thread_id, message_id, model, kind, status, chunks, started_at, completed_at, error, idempotency_key,
  admission_id, generation_id, history_phase, attempts, lease_owner, lease_until, due_at, timeout, retention, resumable, notice)
VALUES (@id, @user_id, @workspace_id, @thread_id, @message_id, @model, @kind, 'streaming', 0, @now, 0, '', @idempotency_key,
  @admission_id, @generation_id, @history_phase, @attempts, @lease_owner, @lease_until, @due_at, @timeout, @retention, @resumable, @notice)
RETURNING num;

-- name: TouchJob :exec
UPDATE jobs SET chunks = @chunks, due_at = @due_at WHERE num = @num;

-- name: EndJob :exec
UPDATE jobs SET status = @status, error = @error, cause = @cause, completed_at = @now, due_at = @due_at, lease_owner = '', lease_until = 0, resumable = 0, notice = @notice,
  call_id = '', call_device = '', call_token = '', call_until = 0, resumed = 0,
  history_phase = CASE history_phase WHEN 'ready' THEN 'finalization_pending' ELSE history_phase END
WHERE num = @num;

-- name: LeaseJob :exec
UPDATE jobs SET lease_owner = @owner, lease_until = @until, attempts = @attempts, due_at = @due_at, resumed = 0 WHERE num = @num;

-- name: RestartJob :exec
UPDATE jobs SET chunks = 0 WHERE num = @num;

-- name: MakeResumable :exec
UPDATE jobs SET resumable = 1, due_at = @due_at WHERE num = @num;

-- name: HandJobOff :exec
UPDATE jobs SET call_id = @call, call_device = @device, call_token = '', call_until = 0, lease_owner = '', lease_until = 0, due_at = @due_at
WHERE num = @num;

-- name: ClaimCall :exec
UPDATE jobs SET call_token = @token, call_until = @until WHERE num = @num;

-- name: SettleCall :exec
UPDATE jobs SET call_id = '', call_device = '', call_token = '', call_until = 0, resumed = 1, due_at = @due_at WHERE num = @num;

-- name: AwaitFinalization :exec
UPDATE jobs SET history_phase = 'finalization_pending', completed_at = @completed_at WHERE num = @num;

-- name: NextJob :one
SELECT id FROM jobs WHERE status = 'streaming' AND resumable = 1 AND history_phase IN ('', 'ready') AND lease_until <= @now AND call_id = ''
  AND (attempts < @most OR resumed = 1) ORDER BY num LIMIT 1;

-- name: SetHistoryPhase :exec
UPDATE jobs SET history_phase = CASE WHEN CAST(@phase AS TEXT) = 'ready' AND status <> 'streaming' THEN 'finalization_pending' ELSE CAST(@phase AS TEXT) END WHERE num = @num;

-- name: PendingHistoryJobs :many
SELECT id FROM jobs WHERE history_phase IN ('admission_pending', 'finalization_pending') AND lease_until <= @now ORDER BY num LIMIT @max;

-- name: JobsToTell :many
-- Those whose answer is still on its way into the history wait for it.
SELECT id FROM jobs WHERE notice = 2 AND history_phase NOT IN ('admission_pending', 'finalization_pending') ORDER BY num LIMIT @max;

-- name: JobIsTold :exec
UPDATE jobs SET notice = 0 WHERE id = @id;

-- name: ListedJobs :many
-- The newest of those with a state; of one user or workspace if they are named.
SELECT id FROM jobs
WHERE (CAST(@status AS TEXT) = '' OR status = @status) AND (CAST(@user_id AS TEXT) = '' OR user_id = @user_id)
  AND (CAST(@workspace_id AS TEXT) = '' OR workspace_id = @workspace_id)
  AND (CAST(@before AS TEXT) = '' OR num < (SELECT b.num FROM jobs b WHERE b.id = CAST(@before AS TEXT)))
ORDER BY num DESC LIMIT @max;

-- name: JobCounts :many
SELECT status, CAST(count(*) AS INTEGER) AS jobs FROM jobs GROUP BY status;

-- name: CountLeasedJobs :one
SELECT CAST(count(*) AS INTEGER) FROM jobs WHERE status = 'streaming' AND lease_until > @now;

-- name: OpenJobsOfTheFuture :one
SELECT CAST(EXISTS (
  SELECT 1 FROM jobs WHERE status = 'streaming' AND (lease_until > @latest OR due_at > CAST(@latest AS INTEGER) + timeout)
) AS BOOLEAN);

-- name: SettleOpenJobs :exec
UPDATE jobs SET lease_until = min(lease_until, CAST(@latest AS INTEGER)), due_at = min(due_at, CAST(@latest AS INTEGER) + timeout)
WHERE status = 'streaming';

-- name: DueJobs :many
SELECT id FROM jobs WHERE due_at <= @now ORDER BY due_at LIMIT @max;

-- name: JobIsDue :one
SELECT CAST(due_at <= @now AS BOOLEAN) FROM jobs WHERE num = @num;

-- name: SurplusJobs :many
-- Those whose answer is in the history, or goes nowhere, give way first.
SELECT num FROM jobs WHERE user_id = @user_id AND status <> 'streaming'
ORDER BY history_phase IN ('admission_pending', 'finalization_pending') DESC, num DESC LIMIT -1 OFFSET @keep;

-- name: DropJob :exec
DELETE FROM jobs WHERE num = @num;

-- name: DropJobsOf :exec
DELETE FROM jobs WHERE user_id = @user_id;

-- name: DropJobsIn :exec
DELETE FROM jobs WHERE jobs.workspace_id = (SELECT w.id FROM workspaces w WHERE w.num = @workspace);

-- name: Cancelled :one
SELECT CAST(EXISTS (SELECT 1 FROM job_cancellations WHERE user_id = @user_id AND admission IN (@key, @admission)) AS BOOLEAN);

-- name: CancelAdmission :exec
INSERT INTO job_cancellations (user_id, admission, at) VALUES (@user_id, @admission, @at) ON CONFLICT (user_id, admission) DO UPDATE SET at = excluded.at;

-- name: TrimCancellations :exec
DELETE FROM job_cancellations WHERE job_cancellations.user_id = @user_id AND job_cancellations.admission IN (
  SELECT c.admission FROM job_cancellations c WHERE c.user_id = @user_id ORDER BY c.at DESC, c.admission LIMIT -1 OFFSET @keep);

-- name: DropCancellationsOf :exec
DELETE FROM job_cancellations WHERE user_id = @user_id;

-- name: OldCancellations :one
SELECT CAST(EXISTS (SELECT 1 FROM job_cancellations WHERE at < @before) AS BOOLEAN);

-- name: DropOldCancellations :exec
DELETE FROM job_cancellations WHERE at < @before;
