package providertest

import (
	"fmt"
	"strings"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/clientmodel"
)

// testSnapshotIsOneMoment changes everything between the pages of a snapshot.
func testSnapshotIsOneMoment(t *testing.T, b *syncBench) {
	snapshot := b.snapshotter()
	for _, pk := range []string{"a", "b", "c", "d", "e", "😀", "\uffff"} {
		b.push(b.put(pk, 1), b.op(or3cloud.TableKV, or3cloud.OpPut, pk, 1))
	}
	b.push(b.del("b", 2))
	want := clientmodel.Expected(b.everything)
	tick := int64(10)
	changing := func(token string, size int) ([]or3cloud.SnapshotItem, or3cloud.SnapshotPage, error) {
		items, page, err := snapshot(token, size)
		tick++
		b.push(b.put("a", tick), b.del("c", tick), b.put("b", tick), b.put(fmt.Sprint("new", tick), 1), b.put("d", 0))
		b.cursor("d", 1<<40)
		b.gc()
		return items, page, err
	}
	noMore := func(int64, int) ([]or3cloud.Change, or3cloud.PullPage, error) {
		return nil, or3cloud.PullPage{NextCursor: 1 << 40}, nil
	}
	for _, size := range []int{1, 2, 3, 1000} {
		d := clientmodel.NewLater()
		want := clientmodel.Expected(b.everything)
		if err := d.Bootstrap(changing, noMore, size); err != nil {
			t.Fatalf("pages of %d: %v", size, err)
		}
		if diff := gocmp.Diff(want, d.Live()); diff != "" {
			t.Fatalf("pages of %d (-want +got):\n%s", size, diff)
		}
	}
	if len(want) == 0 {
		t.Fatal("nothing was compared")
	}
	b.wantState(clientmodel.Expected(b.everything), 3)
}

func testSnapshotTokens(t *testing.T, b *syncBench) {
	snapshot := b.snapshotter()
	b.push(b.put("a", 1), b.put("b", 1), b.put("c", 1))
	_, page := func() ([]or3cloud.SnapshotItem, or3cloud.SnapshotPage) {
		items, page, err := snapshot("", 1)
		if err != nil || len(items) != 1 || page.NextPageToken == "" || page.HighWatermark != 3 {
			t.Fatalf("%v %+v %v", items, page, err)
		}
		return items, page
	}()
	code := func(token string, change func(*or3cloud.SnapshotRequest)) or3cloud.Code {
		in := or3cloud.SnapshotRequest{Scope: b.scope(), UserID: b.user, PageSize: 1, PageToken: token}
		if change != nil {
			change(&in)
		}
		_, err := b.Sync.(or3cloud.Snapshotter).Snapshot(b.ctx, in, func(*or3cloud.SnapshotItem) error { return nil })
		return or3cloud.CodeOf(err)
	}
	if c := code(page.NextPageToken, nil); c != "" {
		t.Errorf("a good token: %s", c)
	}
	for _, bad := range []string{"x", "!!!", strings.Repeat("A", 4096), page.NextPageToken[:len(page.NextPageToken)/2]} {
		if c := code(bad, nil); c != or3cloud.CodeInvalid {
			t.Errorf("token %.20q: %q", bad, c)
		}
	}
	if c := code(page.NextPageToken, func(in *or3cloud.SnapshotRequest) { in.Tables = []string{or3cloud.TableKV} }); c != or3cloud.CodeInvalid {
		t.Errorf("other tables: %q", c)
	}
	for i := range page.NextPageToken {
		changed := []byte(page.NextPageToken)
		if changed[i]++; changed[i] == '[' || changed[i] == '{' || changed[i] == ':' || changed[i] == '.' || changed[i] == '`' {
			changed[i] = 'A'
		}
		if c := code(string(changed), nil); c != or3cloud.CodeInvalid {
			t.Errorf("changed at %d: %q", i, c)
		}
	}
	another := must(b.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "another"}))(t)
	if access, ok := b.Workspaces.(or3cloud.WorkspaceAccessStore); ok { // a member like the first
		if err := access.SetMemberRole(b.ctx, b.ws, another, or3cloud.RoleEditor); err != nil {
			t.Fatal(err)
		}
	}
	if c := code(page.NextPageToken, func(in *or3cloud.SnapshotRequest) { in.UserID = another }); c != or3cloud.CodeInvalid {
		t.Errorf("another user: %q", c)
	}
	other := must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Other", ""))(t)
	if c := code(page.NextPageToken, func(in *or3cloud.SnapshotRequest) { in.Scope.WorkspaceID = other }); c != or3cloud.CodeForbidden {
		t.Errorf("other workspace: %q", c)
	}
	b.Advance(2 * time.Hour)
	if c := code(page.NextPageToken, nil); c != or3cloud.CodeGone {
		t.Errorf("expired: %q", c)
	}
}

// testSnapshotOfLongPKs checks that a pk of any length that is accepted can be the last of a page: a client takes
// tokens of up to 4096 characters.
func testSnapshotOfLongPKs(t *testing.T, b *syncBench) {
	for _, r := range []string{"a", "\u6f22", "\U0001F600"} {
		b.push(b.put(strings.Repeat(r, 1024/len([]byte(r))), 1), b.put(strings.Repeat(r, 1024/max(1, len([]byte(r))/2)), 1))
	}
	b.wantState(clientmodel.Expected(b.everything), 1)
}
