-- The blocks of the log. They are read by the room entries alone.

-- name: BlockHeads :one
-- The last block that begins in a range.
SELECT id, heads FROM blocks WHERE id >= @begin AND id <= @upto ORDER BY id DESC LIMIT 1;

-- name: BlockText :one
SELECT text FROM blocks WHERE id = @id;

-- name: BlocksFrom :many
-- The blocks of a workspace, which begins at the first id, from the one that may hold an entry on. Texts are not among
-- the columns: a step reads all of them.
SELECT b.id, b.heads, CAST(coalesce(m.skip, 0) AS INTEGER) AS skip, CAST(coalesce(m.other, 0) AS INTEGER) AS other
FROM blocks b LEFT JOIN marks m ON m.id = b.id
WHERE b.id >= (SELECT CAST(coalesce(max(f.id), @entry) AS INTEGER) AS id FROM blocks f WHERE f.id >= @begin AND f.id <= @entry) AND b.id <= @upto
ORDER BY b.id;

-- name: InsertBlock :exec
INSERT INTO blocks (id, heads, text) VALUES (@id, @heads, @text);

-- name: ReplaceBlock :exec
UPDATE blocks SET heads = @heads, text = @text WHERE id = @id;

-- name: DeleteBlock :exec
DELETE FROM blocks WHERE id = @id;

-- name: Marks :one
SELECT skip, other FROM marks WHERE id = @id;

-- name: AddMarks :exec
INSERT INTO marks (id, skip, other) VALUES (@id, @skip, @other)
ON CONFLICT (id) DO UPDATE SET skip = skip | excluded.skip, other = other | excluded.other;

-- name: SetMarks :exec
INSERT INTO marks (id, skip, other) VALUES (@id, @skip, @other)
ON CONFLICT (id) DO UPDATE SET skip = excluded.skip, other = excluded.other;

-- name: DeleteMarks :exec
DELETE FROM marks WHERE id = @id;

-- name: AddPinned :exec
INSERT INTO pinned (id, replaced_by, at) VALUES (@id, @replaced_by, @at) ON CONFLICT DO NOTHING;

-- name: DropPinned :execrows
DELETE FROM pinned WHERE id = @id;

-- name: CollectablePins :many
SELECT id FROM pinned
WHERE id > @after AND id <= @upto AND at < @before AND (replaced_by <= @floor OR at < @silent) ORDER BY id LIMIT @max;

-- name: TombstonesAfter :many
SELECT id FROM tombstones WHERE id > @after AND id <= @upto ORDER BY id LIMIT @max;

-- name: CollectedAfter :many
-- Marks of blocks that have entries which were collected.
SELECT id FROM marks WHERE id > @after AND id <= @upto AND skip & other <> 0 ORDER BY id LIMIT @max;

-- name: BlockAfter :one
-- The next block after an id, or -1.
SELECT CAST(coalesce(min(id), -1) AS INTEGER) FROM blocks WHERE id > @id;

-- name: Progress :one
-- How far the collector and the joiner of small blocks have come in a workspace.
SELECT version, collected, joined FROM counters WHERE workspace = @workspace;

-- name: SetCollected :exec
UPDATE counters SET collected = max(collected, @version) WHERE workspace = @workspace;

-- name: SetJoined :exec
UPDATE counters SET joined = max(joined, @version) WHERE workspace = @workspace;
