package providertest

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// testReferences checks the sync side of the claim protocol (contract, storage Pitfalls 11 to 13).
func testReferences(t *testing.T, b *syncBench) {
	claimer, ok := b.Sync.(or3cloud.ReferenceClaimer)
	if !ok {
		t.Skip("no ReferenceClaimer")
	}
	h := func(n int) or3cloud.BlobHash { return or3cloud.BlobHash(fmt.Sprintf("sha256:%064x", n)) }
	retire := func(hash or3cloud.BlobHash, gen string, since time.Time) bool {
		return must(claimer.RetireGeneration(b.ctx, or3cloud.RetireRequest{
			WorkspaceID: b.ws, Hash: hash, Generation: gen, UnreferencedSince: since,
		}))(t)
	}
	far := time.Now().AddDate(100, 0, 0)
	meta := func(hash or3cloud.BlobHash, clock int64, extra ...string) or3cloud.Op {
		return b.op(or3cloud.TableFileMeta, or3cloud.OpPut, string(hash), clock, extra...)
	}
	message := func(pk string, clock int64, hashes string, extra ...string) or3cloud.Op {
		return b.op(or3cloud.TableMessages, or3cloud.OpPut, pk, clock, append([]string{fmt.Sprintf(`"file_hashes":%q`, hashes)}, extra...)...)
	}
	b.push(meta(h(1), 1), meta(h(2), 1, `"deleted":true`), message("m1", 1, fmt.Sprintf(`["%s"]`, strings.ToUpper(h(2).Digest()))),
		message("m2", 1, fmt.Sprintf(`["%s"]`, h(3)), `"deleted":true`),
		b.op(or3cloud.TablePosts, or3cloud.OpPut, "p", 1, fmt.Sprintf(`"file_hashes":"[\"%s\"]"`, h(4))))
	for hash, want := range map[or3cloud.BlobHash]bool{
		h(1): false, // live file_meta
		h(2): false, // deleted file_meta, but a live message names it
		h(3): true,  // only a deleted message
		h(4): false, // a live post
		h(5): true,  // never by anything
	} {
		if got := retire(hash, "g1", far); got != want {
			t.Errorf("retire %s: %t, want %t", hash[:10], got, want)
		}
	}
	if !retire(h(5), "g1", time.Time{}) {
		t.Error("a retired generation must stay retired")
	}
	// The loss of the last reference starts its own time.
	b.push(b.op(or3cloud.TableMessages, or3cloud.OpDelete, "m1", 2))
	b.Advance(time.Hour)
	if retire(h(2), "g1", far.AddDate(-200, 0, 0)) {
		t.Error("retired although the last reference went later than asked")
	}
	if !retire(h(2), "g1", far) {
		t.Error("not retired although nothing references it")
	}
	// A losing op references nothing.
	b.push(message("m3", 5, "[]"), message("m3", 4, fmt.Sprintf(`["%s"]`, h(6))))
	if !retire(h(6), "g1", far) {
		t.Error("a losing op holds a blob")
	}
	// An edited message drops and gains references.
	b.push(message("m4", 1, fmt.Sprintf(`["%s","%s"]`, h(7), h(8))))
	b.push(message("m4", 2, fmt.Sprintf(`["%s"]`, h(8))))
	if !retire(h(7), "g1", far) || retire(h(8), "g1", far) {
		t.Error("references do not follow the message")
	}
	list := must(claimer.RetiredGenerations(b.ctx, b.ws))(t)
	slices.SortFunc(list, func(a, c or3cloud.RetireRequest) int { return cmp.Compare(a.Hash, c.Hash) })
	var got []or3cloud.BlobHash
	for _, r := range list {
		got = append(got, r.Hash)
	}
	if want := []or3cloud.BlobHash{h(2), h(3), h(5), h(6), h(7)}; !slices.Equal(got, want) {
		t.Errorf("retired %v, want %v", got, want)
	}
	for _, r := range list {
		if err := claimer.ForgetRetired(b.ctx, r); err != nil {
			t.Fatal(err)
		}
	}
	if left := must(claimer.RetiredGenerations(b.ctx, b.ws))(t); len(left) != 0 {
		t.Errorf("%d left after forgetting all", len(left))
	}
	// All references go with a workspace, and the time starts that everything has.
	if retire(h(1), "g1", far) {
		t.Error("retired what a file references")
	}
	if err := b.Workspaces.RemoveWorkspace(b.ctx, b.user, b.ws); err != nil {
		t.Fatal(err)
	}
	if retire(h(1), "g1", far.AddDate(-200, 0, 0)) || !retire(h(1), "g1", far) {
		t.Error("the references of a deleted workspace do not go with it, in time")
	}
}

// testCanonicalStorage checks what a host reads before it authorises a download or a deletion.
func testCanonicalStorage(t *testing.T, b *syncBench) {
	c, ok := b.Sync.(or3cloud.CanonicalStorage)
	if !ok {
		t.Skip("no CanonicalStorage")
	}
	h := func(n int) string { return fmt.Sprintf("sha256:%064x", n) }
	all := func(kind, hash string, limit int) (out []or3cloud.CanonicalStorageItem) {
		cursor := ""
		for {
			q := or3cloud.CanonicalStorageQuery{Scope: b.scope(), Kind: kind, Hash: hash, Cursor: cursor, Limit: limit}
			items, next, err := c.QueryCanonicalStorage(b.ctx, q)
			if err != nil {
				t.Fatal(err)
			}
			out = append(out, items...)
			if cursor = next; cursor == "" {
				return out
			}
		}
	}
	for n := range 5 {
		b.push(b.op(or3cloud.TableFileMeta, or3cloud.OpPut, h(n), 1, fmt.Sprintf(`"storage_id":"s%d","mime_type":"image/png","name":"n","kind":"image","size_bytes":%d,"updated_at":7`, n, n)),
			b.op(or3cloud.TableMessages, or3cloud.OpPut, fmt.Sprint("m", n), 1, fmt.Sprintf(`"file_hashes":"[\"%s\",\"%s\"]"`, h(n), h(0))))
	}
	b.push(b.op(or3cloud.TableFileMeta, or3cloud.OpPut, h(4), 2, `"deleted":true`))
	for _, limit := range []int{1, 2, 500} {
		files := all(or3cloud.CanonicalLiveMetadata, "", limit)
		if len(files) != 4 || files[2].Hash != h(2) ||
			files[2].File != (or3cloud.FileFacts{StorageID: "s2", MIMEType: "image/png", Name: "n", Kind: "image", SizeBytes: 2, UpdatedAt: 7}) {
			t.Errorf("live metadata in pages of %d: %+v", limit, files)
		}
		if refs := all(or3cloud.CanonicalReferenceEdges, "", limit); len(refs) != 9 {
			t.Errorf("%d references in pages of %d, want 9", len(refs), limit)
		}
		refs := all(or3cloud.CanonicalReferenceEdges, strings.ToUpper(strings.TrimPrefix(h(0), "sha256:")), limit)
		if len(refs) != 5 || refs[4].SourceTable != or3cloud.TableMessages || refs[4].SourceID != "m4" {
			t.Errorf("references of one hash in pages of %d: %+v", limit, refs)
		}
		if files := all(or3cloud.CanonicalLiveMetadata, h(3), limit); len(files) != 1 || files[0].Hash != h(3) {
			t.Errorf("metadata of one hash: %+v", files)
		}
	}
	if gone := all(or3cloud.CanonicalLiveMetadata, h(4), 10); len(gone) != 0 {
		t.Errorf("a deleted file is listed: %+v", gone)
	}
	for _, cursor := range []string{"!", "AAAA", strings.Repeat("A", 100)} {
		q := or3cloud.CanonicalStorageQuery{Scope: b.scope(), Kind: or3cloud.CanonicalLiveMetadata, Cursor: cursor, Limit: 1}
		if _, _, err := c.QueryCanonicalStorage(b.ctx, q); or3cloud.CodeOf(err) != or3cloud.CodeInvalid {
			t.Errorf("cursor %q: %v", cursor, err)
		}
	}
}
