-- name: MeasureStock :one
-- What no administrator asks for. The rest is counted as for them (CountWorkspaces).
SELECT CAST((SELECT count(*) FROM users) AS INTEGER) AS users,
  CAST((SELECT count(*) FROM upload_intents) AS INTEGER) AS uploads,
  CAST((SELECT coalesce(sum(size_bytes), 0) FROM upload_intents) AS INTEGER) AS upload_bytes,
  CAST((SELECT count(*) FROM blob_orphans) AS INTEGER) AS orphans;

-- name: MeasureDevices :many
-- How many devices are how far behind: bucket is the place of the first bound that is not exceeded.
SELECT CAST(CASE WHEN d.behind <= 0 THEN 0 WHEN d.behind <= 10 THEN 1 WHEN d.behind <= 100 THEN 2 WHEN d.behind <= 1000 THEN 3
    WHEN d.behind <= 10000 THEN 4 WHEN d.behind <= 100000 THEN 5 ELSE 6 END AS INTEGER) AS bucket,
  CAST(count(*) AS INTEGER) AS devices, CAST(sum(d.behind) AS INTEGER) AS behind
FROM (SELECT max(n.version - c.version, 0) AS behind FROM device_cursors c JOIN counters n ON n.workspace = c.workspace
  WHERE c.updated_at >= @since) d
GROUP BY 1;

-- name: MeasureJobs :many
SELECT status, CAST(count(*) AS INTEGER) AS jobs FROM jobs GROUP BY status;

-- name: MeasureDeliveries :many
SELECT status, CAST(count(*) AS INTEGER) AS deliveries FROM webhook_deliveries GROUP BY status;
