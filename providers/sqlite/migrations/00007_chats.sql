-- +goose Up

-- Where the messages of a thread are, those that are marked deleted included: in the order of idx, order_key and pk.
-- Both texts are in UTF-16 order, as in records. Derived from the winners of messages (table 3).
CREATE TABLE chat_places (
  workspace INTEGER NOT NULL,
  pk        BLOB NOT NULL,
  thread    BLOB NOT NULL,
  idx       REAL NOT NULL,
  order_key BLOB NOT NULL,
  PRIMARY KEY (workspace, pk)
) STRICT, WITHOUT ROWID;

-- A version that stands for what has last changed a message of a thread, or deleted the thread. A row counts as an
-- entry, and stays.
CREATE TABLE chat_threads (
  workspace INTEGER NOT NULL,
  thread    BLOB NOT NULL,
  version   INTEGER NOT NULL,
  PRIMARY KEY (workspace, thread)
) STRICT, WITHOUT ROWID;

INSERT INTO chat_places (workspace, pk, thread, idx, order_key)
SELECT workspace, pk,
  coalesce(CAST(json_extract(payload, '$.thread_id') AS BLOB), x''),
  coalesce(CAST(json_extract(payload, '$.index') AS REAL), 0),
  coalesce(CAST(json_extract(payload, '$.order_key') AS BLOB), x'')
FROM (
  SELECT r.workspace, r.pk, CASE WHEN json_valid(CAST(l.payload AS TEXT)) THEN CAST(l.payload AS TEXT) ELSE '{}' END AS payload
  FROM records r JOIN log l ON l.id = (r.workspace << 43) | r.version
  WHERE r.tbl = 3 AND (r.state & 3) <> 2 AND l.payload IS NOT NULL
);

CREATE INDEX chat_places_in_order ON chat_places (workspace, thread, idx, order_key, pk);

INSERT INTO chat_threads (workspace, thread, version)
SELECT c.workspace, c.thread, max(r.version)
FROM chat_places c JOIN records r ON r.workspace = c.workspace AND r.tbl = 3 AND r.pk = c.pk
GROUP BY c.workspace, c.thread;

UPDATE counters SET bytes = bytes + 512 * (SELECT count(*) FROM chat_threads t WHERE t.workspace = counters.workspace);
