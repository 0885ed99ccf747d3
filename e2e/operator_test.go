package e2e

import (
	"crypto/rand"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/sqlite"
)

// setRole gives a user a role in a workspace of a stopped server.
func setRole(t testing.TB, s *server, workspaceID, userID string, role or3cloud.Role) {
	t.Helper()
	store, err := sqlite.Open(t.Context(), sqlite.Options{Path: s.database("sync"), Log: slog.New(slog.DiscardHandler), Now: time.Now, Rand: rand.Reader})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	if err := store.SetMemberRole(t.Context(), workspaceID, userID, role); err != nil {
		t.Fatal(err)
	}
}

// database returns the path of the database whose name contains a text.
func (s *server) database(name string) string {
	s.t.Helper()
	for file := range s.files() {
		if strings.HasSuffix(file, ".sqlite") && strings.Contains(filepath.Base(file), name) {
			return filepath.Join(s.data, file)
		}
	}
	s.t.Fatalf("no database %q among %v", name, s.files())
	return ""
}
