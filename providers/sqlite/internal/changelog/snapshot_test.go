package changelog

import (
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/signed"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

func FuzzSnapshotToken(f *testing.F) {
	in := or3cloud.SnapshotRequest{Scope: or3cloud.Scope{WorkspaceID: "w"}, UserID: "u"}
	good := snapshotToken{watermark: 1 << 42, issuedAt: 1_771_000_000_000, tables: layout.AllTables, table: 7, version: 1 << 42}
	f.Add(good.claims(in).Hash)
	f.Add("")
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, position string) {
		tok, ok := snapshotTokenOf(signed.Claims{Operation: snapshotOperation, Hash: position})
		if !ok {
			return
		}
		if again, ok := snapshotTokenOf(tok.claims(in)); !ok || again != tok {
			t.Fatalf("%q is %+v, which becomes %+v", position, tok, again)
		}
	})
}
