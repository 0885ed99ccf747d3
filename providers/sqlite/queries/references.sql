-- name: OpenIntents :one
SELECT CAST(count(*) AS INTEGER) FROM upload_intents WHERE workspace = @workspace AND digest = @digest AND id <> '' AND expires_at > @now;
