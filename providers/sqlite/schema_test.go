package sqlite

import (
	"crypto/sha256"
	"encoding/hex"
	"io/fs"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"or3.chat/cloud/providers/sqlite/internal/db"
)

// released holds the SHA-256 of every migration that is part of a release. A released file never changes: databases
// in the field were made by it.
var released = map[string]string{}

func TestReleasedMigrationsNeverChange(t *testing.T) {
	files, err := fs.Glob(migrationFiles, "migrations/*.sql")
	if err != nil || len(files) == 0 {
		t.Fatalf("migrations: %v, %v", files, err)
	}
	for name, want := range released {
		body, err := migrationFiles.ReadFile("migrations/" + name)
		if sum := sha256.Sum256(body); err != nil || hex.EncodeToString(sum[:]) != want {
			t.Errorf("%s has changed since it was released: add a new migration instead (%v)", name, err)
		}
	}
}

// TestHotPathsUseIndexes asks SQLite how it would run each statement of the hot paths: none may scan a table or sort.
func TestHotPathsUseIndexes(t *testing.T) {
	s, _ := openTest(t)
	for name, text := range map[string]string{
		"Counter": db.SQLCounter, "SetCounter": db.SQLSetCounter, "ReserveOpID": db.SQLReserveOpID, "OpIDVersion": db.SQLOpIDVersion,
		"DeleteOpID": db.SQLDeleteOpID, "Record": db.SQLRecord, "InsertRecord": db.SQLInsertRecord, "UpdateRecord": db.SQLUpdateRecord,
		"InsertEntry": db.SQLInsertEntry, "Entry": db.SQLEntry, "Supersede": db.SQLSupersede, "Changes": db.SQLChanges,
		"RecordsAfter": db.SQLRecordsAfter, "KVNameOwner": db.SQLKVNameOwner, "ClaimKVName": db.SQLClaimKVName,
		"UpsertFile": db.SQLUpsertFile, "DeleteFile": db.SQLDeleteFile, "RecordRefs": db.SQLRecordRefs, "InsertRef": db.SQLInsertRef,
		"DeleteRef": db.SQLDeleteRef, "AnyRef": db.SQLAnyRef, "Orphan": db.SQLOrphan, "Adopt": db.SQLAdopt,
		"AdvanceCursor": db.SQLAdvanceCursor,
	} {
		rows, err := s.db.Read.Query("EXPLAIN QUERY PLAN " + text)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		for rows.Next() {
			var id, parent, unused int
			var detail string
			if err := rows.Scan(&id, &parent, &unused, &detail); err != nil {
				t.Fatal(err)
			}
			if strings.HasPrefix(detail, "SCAN") || strings.Contains(detail, "TEMP B-TREE") {
				t.Errorf("%s: %s", name, detail)
			}
		}
		if err := rows.Err(); err != nil {
			t.Fatal(err)
		}
		rows.Close()
	}
}

func TestPackedIDs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.OneOf(
			rapid.String(),
			rapid.StringMatching(`[0-9a-fA-F]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}`),
			rapid.StringMatching(`sha256:[0-9a-fA-F]{64}`),
		).Draw(t, "id")
		if got := unpackID(packID(nil, id)); got != id {
			t.Fatalf("%q came back as %q", id, got)
		}
	})
	if n := len(packID(nil, "0f0e3c52-6a50-4b5e-8f3e-1f5f6a7b8c9d")); n != 17 {
		t.Errorf("a UUID takes %d bytes, want 17", n)
	}
}

func FuzzSnapshotToken(f *testing.F) {
	good := snapshotToken{workspace: 3, watermark: 1 << 42, issuedAt: 1_771_000_000_000, tables: allTables, table: 7, pk: []byte("kv:x")}
	f.Add(good.encode())
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		tok, ok := decodeSnapshotToken(text)
		if !ok {
			return
		}
		if again, ok := decodeSnapshotToken(tok.encode()); !ok || again.id() != tok.id() || string(again.pk) != string(tok.pk) {
			t.Fatalf("%q decodes to %+v, which encodes to something else", text, tok)
		}
	})
}
