package fsck

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
)

// store is a storage provider and a sync provider with fixed content.
type store struct {
	blobs      []or3cloud.CheckedBlob
	rows       map[string][]or3cloud.CanonicalStorageItem // live_metadata by workspace
	edges      map[string][]or3cloud.CanonicalStorageItem
	workspaces []string
	referenced map[or3cloud.BlobHash]bool
	// perStretch is the number of blobs per stretch.
	perStretch int
	asked      []or3cloud.BlobCheckRequest
}

func (s *store) StoredVolume(context.Context, string) (int64, int64, error) { return 0, 0, nil }

func (s *store) CheckBlobs(_ context.Context, in or3cloud.BlobCheckRequest) ([]or3cloud.CheckedBlob, string, error) {
	s.asked = append(s.asked, in)
	start := 0
	if in.After != "" {
		fmt.Sscan(in.After, &start)
	}
	end := min(start+s.perStretch, len(s.blobs))
	if end == len(s.blobs) {
		return s.blobs[start:end], "", nil
	}
	return s.blobs[start:end], fmt.Sprint(end), nil
}

func (s *store) HasBlob(_ context.Context, workspace string, hash or3cloud.BlobHash) (bool, error) {
	return slices.ContainsFunc(s.blobs, func(b or3cloud.CheckedBlob) bool { return b.WorkspaceID == workspace && b.Hash == hash }), nil
}

func (s *store) QueryCanonicalStorage(_ context.Context, q or3cloud.CanonicalStorageQuery) ([]or3cloud.CanonicalStorageItem, string, error) {
	all := s.rows[q.Scope.WorkspaceID]
	if q.Kind == or3cloud.CanonicalReferenceEdges {
		all = s.edges[q.Scope.WorkspaceID]
	}
	if q.Scope.WorkspaceID == "gone" {
		return nil, "", or3cloud.Errorf(or3cloud.CodeForbidden, "Forbidden")
	}
	if q.Hash != "" {
		var out []or3cloud.CanonicalStorageItem
		for _, item := range all {
			if strings.HasSuffix(item.Hash, q.Hash) {
				out = append(out, item)
			}
		}
		return out, "", nil
	}
	start := 0
	fmt.Sscan(q.Cursor, &start)
	end := min(start+q.Limit, len(all))
	if end == len(all) {
		return all[start:end], "", nil
	}
	return all[start:end], fmt.Sprint(end), nil
}

func (s *store) FindWorkspaces(_ context.Context, id string, _ int) (out []or3cloud.WorkspaceSummary, err error) {
	for _, w := range s.workspaces {
		if id == "" || id == w {
			out = append(out, or3cloud.WorkspaceSummary{ID: w})
		}
	}
	return out, nil
}

func (s *store) ReferenceState(_ context.Context, _ string, hash or3cloud.BlobHash) (state or3cloud.ReferenceState, err error) {
	if s.referenced[hash] {
		state.Files = 1
	}
	return state, nil
}

// claims makes a store a ReferenceClaimer. It never grants a claim.
type claims struct {
	or3cloud.ReferenceClaimer
	*store
}

func (c claims) ReferenceState(ctx context.Context, w string, h or3cloud.BlobHash) (or3cloud.ReferenceState, error) {
	return c.store.ReferenceState(ctx, w, h)
}

func (s *store) instance() Instance {
	return Instance{Files: s, Rows: s, References: claims{store: s}, Workspaces: s}
}

// whole runs all stretches of a check.
func whole(t *testing.T, i Instance, in Request) (total Stretch, stretches int) {
	t.Helper()
	for {
		out, err := i.Run(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		stretches++
		total.Files += out.Files
		total.Bytes += out.Bytes
		total.Rows += out.Rows
		total.Findings = append(total.Findings, out.Findings...)
		if in.After = out.Next; in.After == "" {
			slices.SortFunc(total.Findings, Compare)
			return total, stretches
		}
		if stretches > 10_000 {
			t.Fatal("a check does not end")
		}
	}
}

func hash(n int) or3cloud.BlobHash { return or3cloud.BlobHash(fmt.Sprintf("sha256:%064x", n)) }

func blob(workspace string, n int, c or3cloud.BlobCondition) or3cloud.CheckedBlob {
	return or3cloud.CheckedBlob{WorkspaceID: workspace, Hash: hash(n), SizeBytes: 10, Condition: c}
}

func row(n int, storageID string) or3cloud.CanonicalStorageItem {
	return or3cloud.CanonicalStorageItem{Hash: string(hash(n)), File: or3cloud.FileFacts{StorageID: storageID, SizeBytes: 10, Name: "name"}}
}

func edge(n int) or3cloud.CanonicalStorageItem {
	return or3cloud.CanonicalStorageItem{Hash: hash(n).Digest(), SourceTable: "messages", SourceID: "m"}
}

func TestEveryKindIsFound(t *testing.T) {
	trashed := blob("b", 6, or3cloud.BlobSound)
	trashed.InTrash = true
	s := &store{
		perStretch: 2, workspaces: []string{"b", "a", "gone"}, referenced: map[or3cloud.BlobHash]bool{hash(1): true, hash(2): true, hash(3): true},
		blobs: []or3cloud.CheckedBlob{
			blob("a", 1, or3cloud.BlobSound), blob("a", 2, or3cloud.BlobCorrupt), blob("a", 3, or3cloud.BlobUnreadable), blob("a", 4, or3cloud.BlobSound), trashed,
		},
		rows: map[string][]or3cloud.CanonicalStorageItem{
			"a": {row(1, "a:1"), row(2, "a:2"), row(5, "")},   // 5 is not uploaded yet
			"b": {row(1, "b:1"), {Hash: "no hash of a file"}}, // 1 is stored in a, not in b
		},
		edges: map[string][]or3cloud.CanonicalStorageItem{"a": {edge(1), edge(5), edge(8)}, "b": {edge(1)}},
	}
	got, _ := whole(t, s.instance(), Request{Rate: 7, Quarantine: true})
	want := []string{"corrupt a 2", "missing a 8", "missing b 1", "orphaned a 4", "unreadable a 3"}
	var have []string
	for _, f := range got.Findings {
		var n int
		fmt.Sscanf(f.Hash.Digest(), "%x", &n)
		have = append(have, fmt.Sprint(f.Kind, " ", f.WorkspaceID, " ", n))
	}
	if !slices.Equal(have, want) {
		t.Errorf("found %v, want %v", have, want)
	}
	if got.Files != 5 || got.Bytes != 50 || got.Rows != 9 {
		t.Errorf("%+v", got)
	}
	for _, in := range s.asked {
		if in.Rate != 7 || !in.Quarantine {
			t.Errorf("asked for %+v", in)
		}
	}
	if got, _ := whole(t, s.instance(), Request{WorkspaceID: "b"}); len(got.Findings) == 0 || s.asked[len(s.asked)-1].WorkspaceID != "b" {
		t.Errorf("of one workspace: %+v", got)
	}
}

// TestManyRowsAreLookedUpOnce has more rows than a page, in more workspaces than one stretch handles.
func TestManyRowsAreLookedUpOnce(t *testing.T) {
	s := &store{perStretch: 1, rows: map[string][]or3cloud.CanonicalStorageItem{}}
	const workspaces, rows = 40, 2*page + 1
	for w := range workspaces {
		id := fmt.Sprintf("w%02d", w)
		s.workspaces = append(s.workspaces, id)
		for n := range rows {
			s.rows[id] = append(s.rows[id], row(n, "x"))
		}
	}
	i := s.instance()
	i.Span = 1 // each stretch ends with its first page
	got, stretches := whole(t, i, Request{})
	if stretches < workspaces {
		t.Errorf("%d stretches", stretches)
	}
	seen := map[string]bool{}
	for _, f := range got.Findings {
		key := f.WorkspaceID + string(f.Hash)
		if seen[key] {
			t.Fatalf("%s is reported twice", key)
		}
		seen[key] = true
	}
	if len(seen) != workspaces*rows || got.Rows != workspaces*rows {
		t.Errorf("%d findings of %d rows", len(seen), got.Rows)
	}
}

func TestWithoutRowsOnlyFilesAreRead(t *testing.T) {
	s := &store{perStretch: 9, blobs: []or3cloud.CheckedBlob{blob("a", 1, or3cloud.BlobSound), blob("a", 2, or3cloud.BlobCorrupt)}}
	got, stretches := whole(t, Instance{Files: s}, Request{})
	if stretches != 1 || len(got.Findings) != 1 || got.Findings[0].Kind != Corrupt {
		t.Errorf("%d stretches, %+v", stretches, got)
	}
}

func TestForeignPositionsAreRefused(t *testing.T) {
	for _, after := range []string{"x", `{"phase":"elsewhere"}`, "[]"} {
		if _, err := (&store{perStretch: 1}).instance().Run(t.Context(), Request{After: after}); err == nil {
			t.Errorf("%q was taken", after)
		}
	}
}
