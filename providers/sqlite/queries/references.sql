-- name: ReferenceCounts :many
SELECT tbl, CAST(count(*) AS INTEGER) AS total FROM blob_refs WHERE workspace = @workspace AND digest = @digest GROUP BY tbl;

-- name: OpenIntents :one
SELECT CAST(count(*) AS INTEGER) FROM upload_intents WHERE workspace = @workspace AND digest = @digest AND id <> '' AND expires_at > @now;
