// Writes ops into the layout of schema.sql with SQLite's C library alone: no HTTP, no JSON, no thread, nothing checked and nothing
// answered. It does for an op what that layout demands: reserve the op id, look the winner up, append to the log, replace the
// winner, keep names and references.
//
//	writer DATABASE SCHEMA
//
// It reads ops from standard input and writes "ready\n" when they have come; after one more byte it writes them and says "done\n"; and so
// on. Numbers are little-endian, 64 bits wide; texts have their length in front, -1 for NULL.
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>

enum { VERSION_BITS = 43, WORKSPACE = 1 };

typedef struct {
  int64_t size; // -1 is NULL
  const char *data;
} text;

typedef struct {
  int64_t table, op, state, clock;
  text key, pk, op_id, hlc, device, payload, name;
  int64_t has_file, keeps_refs, digests;
  int64_t file_size;
  double file_updated;
  text storage, mime, file_name, kind;
  text digest[64]; // a post of the corpus names a few
} row;

static sqlite3 *db;
static sqlite3_stmt *begin, *commit, *counter, *set_counter, *reserve, *record, *insert_entry, *supersede, *insert_record, *update_record,
    *kv_owner, *claim_name, *upsert_file, *refs, *insert_ref;
static int64_t version;

static void die(const char *what) {
  fprintf(stderr, "writer: %s: %s\n", what, db ? sqlite3_errmsg(db) : "no database");
  exit(1);
}

static sqlite3_stmt *prepare(const char *sql) {
  sqlite3_stmt *s;
  if (sqlite3_prepare_v3(db, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL) != SQLITE_OK) die(sql);
  return s;
}

static void run(const char *sql) {
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) die(sql);
}

static void integer(sqlite3_stmt *s, int i, int64_t v) { sqlite3_bind_int64(s, i, v); }

static void blob(sqlite3_stmt *s, int i, text t) {
  if (t.size < 0) sqlite3_bind_null(s, i);
  else sqlite3_bind_blob64(s, i, t.data, t.size, SQLITE_STATIC);
}

static void string(sqlite3_stmt *s, int i, text t) { sqlite3_bind_text64(s, i, t.data, t.size, SQLITE_STATIC, SQLITE_UTF8); }

// step runs a statement to its first row, if it has one.
static int step(sqlite3_stmt *s) {
  int rc = sqlite3_step(s);
  if (rc != SQLITE_ROW && rc != SQLITE_DONE) die(sqlite3_sql(s));
  return rc == SQLITE_ROW;
}

static void finish(sqlite3_stmt *s) {
  step(s);
  sqlite3_reset(s);
}

static int compare(const void *a, int64_t na, text b) {
  int c = memcmp(a, b.data, na < b.size ? na : b.size);
  return c ? c : na < b.size ? -1 : na > b.size;
}

static void apply(const row *r, int64_t at) {
  version++;
  integer(reserve, 1, WORKSPACE), blob(reserve, 2, r->op_id), integer(reserve, 3, version);
  finish(reserve);
  if (r->name.size >= 0) {
    integer(kv_owner, 1, WORKSPACE), blob(kv_owner, 2, r->name);
    finish(kv_owner);
  }
  integer(record, 1, WORKSPACE), integer(record, 2, r->table), blob(record, 3, r->key);
  int exists = step(record), wins = 1;
  int64_t prev = 0;
  if (exists) {
    prev = sqlite3_column_int64(record, 0);
    int64_t clock = sqlite3_column_int64(record, 1);
    int hlc = compare(sqlite3_column_text(record, 2), sqlite3_column_bytes(record, 2), r->hlc);
    int op = compare(sqlite3_column_blob(record, 3), sqlite3_column_bytes(record, 3), r->op_id);
    wins = clock < r->clock || (clock == r->clock && (hlc < 0 || (hlc == 0 && op < 0)));
  }
  sqlite3_reset(record);
  int64_t id = (int64_t)WORKSPACE << VERSION_BITS | version;
  integer(insert_entry, 1, id), integer(insert_entry, 2, r->table), integer(insert_entry, 3, r->op), integer(insert_entry, 4, wins ? prev : 0);
  integer(insert_entry, 5, r->clock), integer(insert_entry, 6, at), blob(insert_entry, 7, r->pk), blob(insert_entry, 8, r->op_id);
  string(insert_entry, 9, r->hlc), string(insert_entry, 10, r->device), blob(insert_entry, 11, r->payload);
  finish(insert_entry);
  if (!wins || exists) {
    integer(supersede, 1, wins ? ((int64_t)WORKSPACE << VERSION_BITS | prev) : id), integer(supersede, 2, version), integer(supersede, 3, at);
    finish(supersede);
  }
  if (!wins) return;
  if (exists) {
    integer(update_record, 1, version), integer(update_record, 2, r->clock), string(update_record, 3, r->hlc), blob(update_record, 4, r->op_id);
    integer(update_record, 5, r->state), integer(update_record, 6, WORKSPACE), integer(update_record, 7, r->table), blob(update_record, 8, r->key);
    finish(update_record);
  } else {
    integer(insert_record, 1, WORKSPACE), integer(insert_record, 2, r->table), blob(insert_record, 3, r->key), integer(insert_record, 4, version);
    integer(insert_record, 5, r->clock), string(insert_record, 6, r->hlc), blob(insert_record, 7, r->op_id), integer(insert_record, 8, r->state);
    finish(insert_record);
  }
  if (r->name.size >= 0) {
    integer(claim_name, 1, WORKSPACE), blob(claim_name, 2, r->name), blob(claim_name, 3, r->key);
    finish(claim_name);
    return;
  }
  if (r->has_file) {
    integer(upsert_file, 1, WORKSPACE), string(upsert_file, 2, r->digest[0]), blob(upsert_file, 3, r->key), integer(upsert_file, 4, r->file_size);
    sqlite3_bind_double(upsert_file, 5, r->file_updated);
    string(upsert_file, 6, r->storage), string(upsert_file, 7, r->mime), string(upsert_file, 8, r->file_name), string(upsert_file, 9, r->kind);
    finish(upsert_file);
  }
  if (!r->keeps_refs) return;
  if (exists) {
    integer(refs, 1, WORKSPACE), integer(refs, 2, r->table), blob(refs, 3, r->key);
    finish(refs);
  }
  for (int i = 0; i < r->digests; i++) {
    integer(insert_ref, 1, WORKSPACE), string(insert_ref, 2, r->digest[i]), integer(insert_ref, 3, r->table), blob(insert_ref, 4, r->key);
    finish(insert_ref);
  }
}

// write_all writes ops in transactions of size ops; batch of them were one push, each of which reads and writes the counter.
static void write_all(const row *rows, int64_t n, int64_t size, int64_t batch) {
  for (int64_t i = 0; i < n; i++) {
    struct timeval now;
    if (i % size == 0) finish(begin);
    if (i % batch == 0) {
      integer(counter, 1, WORKSPACE);
      if (!step(counter)) die("no counter");
      version = sqlite3_column_int64(counter, 0);
      sqlite3_reset(counter);
      gettimeofday(&now, NULL);
    }
    apply(&rows[i], (int64_t)now.tv_sec * 1000 + now.tv_usec / 1000);
    if ((i + 1) % batch == 0 || i + 1 == n) {
      integer(set_counter, 1, version), integer(set_counter, 2, WORKSPACE);
      finish(set_counter);
    }
    if ((i + 1) % size == 0 || i + 1 == n) finish(commit);
  }
}

static int64_t read_int(void) {
  int64_t v;
  if (fread(&v, sizeof v, 1, stdin) != 1) exit(0); // the bench has ended
  return v;
}

static char *read_bytes(int64_t n) {
  char *b = malloc(n ? n : 1);
  if (!b || (n && fread(b, n, 1, stdin) != 1)) die("input");
  return b;
}

static int64_t take_int(char **at) {
  int64_t v;
  memcpy(&v, *at, sizeof v);
  *at += sizeof v;
  return v;
}

static text take(char **at) {
  text t = {take_int(at), NULL};
  if (t.size >= 0) t.data = *at, *at += t.size;
  return t;
}

static row take_row(char **at) {
  row r = {0};
  r.table = take_int(at), r.op = take_int(at), r.state = take_int(at), r.clock = take_int(at);
  r.key = take(at), r.pk = take(at), r.op_id = take(at), r.hlc = take(at), r.device = take(at), r.payload = take(at), r.name = take(at);
  r.keeps_refs = take_int(at);
  if ((r.has_file = take_int(at))) {
    r.file_size = take_int(at);
    memcpy(&r.file_updated, *at, sizeof r.file_updated);
    *at += sizeof r.file_updated;
    r.storage = take(at), r.mime = take(at), r.file_name = take(at), r.kind = take(at);
  }
  r.digests = take_int(at);
  if (r.digests > (int64_t)(sizeof r.digest / sizeof r.digest[0])) die("too many references");
  for (int i = 0; i < r.digests; i++) r.digest[i] = take(at);
  return r;
}

static void open_database(const char *path, const char *schema) {
  if (sqlite3_open(path, &db) != SQLITE_OK) die(path);
  run("PRAGMA auto_vacuum=INCREMENTAL; PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA foreign_keys=ON; PRAGMA temp_store=MEMORY;"
      "PRAGMA journal_size_limit=16777216; PRAGMA cache_size=-32768");
  run(schema);
  run("INSERT INTO workspaces (num, id, name, created_at) VALUES (1, 'w', 'w', 0); INSERT INTO counters (workspace) VALUES (1)");
  begin = prepare("BEGIN IMMEDIATE");
  commit = prepare("COMMIT");
  counter = prepare("SELECT version FROM counters WHERE workspace = ?");
  set_counter = prepare("UPDATE counters SET version = ? WHERE workspace = ?");
  reserve = prepare("INSERT INTO op_ids (workspace, op_id, version) VALUES (?, ?, ?) ON CONFLICT DO NOTHING");
  record = prepare("SELECT version, clock, hlc, op_id FROM records WHERE workspace = ? AND tbl = ? AND pk = ?");
  insert_entry = prepare("INSERT INTO log (id, tbl, op, prev, clock, at, pk, op_id, hlc, device, payload) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)");
  supersede = prepare("INSERT INTO superseded (id, replaced_by, at) VALUES (?, ?, ?)");
  insert_record = prepare("INSERT INTO records (workspace, tbl, pk, version, clock, hlc, op_id, state) VALUES (?, ?, ?, ?, ?, ?, ?, ?)");
  update_record = prepare("UPDATE records SET version = ?, clock = ?, hlc = ?, op_id = ?, state = ? WHERE workspace = ? AND tbl = ? AND pk = ?");
  kv_owner = prepare("SELECT pk FROM kv_names WHERE workspace = ? AND name = ?");
  claim_name = prepare("INSERT INTO kv_names (workspace, name, pk) VALUES (?, ?, ?) ON CONFLICT DO NOTHING");
  upsert_file = prepare("INSERT INTO files (workspace, digest, pk, size_bytes, updated_at, storage_id, mime_type, name, kind)"
                        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT (workspace, digest, pk) DO UPDATE SET size_bytes = excluded.size_bytes,"
                        " updated_at = excluded.updated_at, storage_id = excluded.storage_id, mime_type = excluded.mime_type, name = excluded.name,"
                        " kind = excluded.kind");
  refs = prepare("SELECT digest FROM blob_refs WHERE workspace = ? AND tbl = ? AND pk = ?");
  insert_ref = prepare("INSERT INTO blob_refs (workspace, digest, tbl, pk) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING");
}

static char *whole(const char *path) {
  FILE *f = fopen(path, "r");
  char *b = calloc(1, 1 << 16);
  if (!f || !b || fread(b, 1, (1 << 16) - 1, f) == 0) die(path);
  fclose(f);
  return b;
}

int main(int argc, char **argv) {
  if (argc != 3) die("takes a database and a schema");
  open_database(argv[1], whole(argv[2]));
  for (;;) {
    int64_t n = read_int(), size = read_int(), batch = read_int(), bytes = read_int();
    char *input = read_bytes(bytes), *at = input;
    row *rows = malloc(n * sizeof(row));
    if (!rows) die("memory");
    for (int64_t i = 0; i < n; i++) rows[i] = take_row(&at);
    puts("ready");
    fflush(stdout);
    if (getchar() == EOF) return 0;
    write_all(rows, n, size, batch);
    puts("done");
    fflush(stdout);
    free(rows);
    free(input);
  }
}
