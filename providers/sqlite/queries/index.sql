-- name: IndexPiece :one
SELECT data FROM index_pieces WHERE id = @id;

-- name: InsertIndexPiece :exec
INSERT INTO index_pieces (id, data) VALUES (@id, @data);

-- name: IndexGeneration :one
SELECT generation FROM index_state WHERE id = 1;

-- name: SetIndexGeneration :exec
UPDATE index_state SET generation = @generation WHERE id = 1;

-- name: IndexRuns :many
SELECT id, age, entries, pieces, chunks FROM index_runs ORDER BY age DESC;

-- name: InsertIndexRun :exec
INSERT INTO index_runs (id, age, entries, pieces, chunks) VALUES (@id, @age, @entries, @pieces, @chunks);

-- name: DropIndexRun :exec
DELETE FROM index_runs WHERE id = @id;

-- name: LastIndexRow :one
-- The highest id of a row, or -1. A run that is linked has rows.
SELECT CAST(coalesce(max(id), -1) AS INTEGER) FROM index_pieces;

-- name: IndexPieceAfter :one
-- The next row after an id, or -1.
SELECT CAST(coalesce(min(id), -1) AS INTEGER) FROM index_pieces WHERE id > @id;

-- name: DropIndexPieces :exec
DELETE FROM index_pieces WHERE id BETWEEN @first AND @last;

-- name: Indexed :exec
UPDATE counters SET indexed = max(indexed, @version) WHERE workspace = @workspace;

-- name: NotIndexed :many
-- The workspaces whose last entries are not in runs.
SELECT workspace, indexed, version FROM counters WHERE workspace > @workspace AND version > indexed ORDER BY workspace LIMIT @max;

-- name: IndexedVersion :one
SELECT indexed FROM counters WHERE workspace = @workspace;

-- name: EntriesGone :one
SELECT gone FROM index_state WHERE id = 1;

-- name: AddEntriesGone :exec
UPDATE index_state SET gone = max(0, gone + @entries) WHERE id = 1;
