package providertest

import (
	"fmt"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

// intentBench has short names for intents and what counts.
type intentBench struct {
	*syncBench
	intents or3cloud.UploadIntents
	// ws and user are the workspace and the user of the intents.
	ws, user string
	quota    or3cloud.StorageQuota
	ahead    time.Duration // of the provider's clock
}

func newIntentBench(t *testing.T, b *syncBench) *intentBench {
	intents, ok := b.Sync.(or3cloud.UploadIntents)
	if !ok {
		t.Skip("no UploadIntents")
	}
	return &intentBench{syncBench: b, intents: intents, ws: b.ws, user: b.user}
}

func numberedHash(n int) or3cloud.BlobHash { return or3cloud.BlobHash(fmt.Sprintf("sha256:%064x", n)) }

func (b *intentBench) intent(id string, n int, size int64, life time.Duration) or3cloud.UploadIntent {
	return or3cloud.UploadIntent{
		ID: id, WorkspaceID: b.ws, UserID: b.user, Hash: numberedHash(n), SizeBytes: size, ExpiresAt: time.Now().Add(b.ahead + life), Quota: b.quota,
	}
}

func (b *intentBench) reserve(id string, n int, size int64) error {
	return b.intents.ReserveUploadIntent(b.ctx, b.intent(id, n, size, time.Hour))
}

func (b *intentBench) consume(id string, n int, size int64) error {
	return b.intents.ConsumeUploadIntent(b.ctx, b.intent(id, n, size, 30*24*time.Hour))
}

func (b *intentBench) row(n int, clock, size int64, extra ...string) {
	b.t.Helper()
	extra = append([]string{fmt.Sprintf(`"size_bytes":%d`, size)}, extra...)
	b.push(b.op(or3cloud.TableFileMeta, or3cloud.OpPut, string(numberedHash(n)), clock, extra...))
}

func (b *intentBench) want(name string, bytes, files, reserved, reservedFiles int64) {
	b.t.Helper()
	usage, ok := b.Sync.(or3cloud.StorageUsage)
	if !ok {
		return
	}
	got, err := usage.StorageUsage(b.ctx, b.ws)
	want := or3cloud.StorageUse{Bytes: bytes, Files: files, ReservedBytes: reserved, ReservedFiles: reservedFiles}
	if err != nil || got != want {
		b.t.Errorf("%s: %+v, %v; want %+v", name, got, err, want)
	}
}

func (b *intentBench) wantCode(name string, err error, code or3cloud.Code) {
	b.t.Helper()
	if or3cloud.CodeOf(err) != code || (err == nil) != (code == "") {
		b.t.Errorf("%s: %v, want %q", name, err, code)
	}
}

// testUploadIntents follows what counts through the life of files (contract, storage §2, §8).
func testUploadIntents(t *testing.T, sync *syncBench) {
	b := newIntentBench(t, sync)
	b.quota = or3cloud.StorageQuota{Bytes: 100, Files: 3}
	b.want("empty", 0, 0, 0, 0)
	b.wantCode("first", b.reserve("a", 1, 60), "")
	b.wantCode("the same content again", b.reserve("b", 1, 60), "")
	b.want("one content counts once", 0, 0, 60, 1)
	b.wantCode("too many bytes", b.reserve("c", 2, 41), or3cloud.CodeTooLarge)
	b.want("a refusal leaves nothing", 0, 0, 60, 1)

	b.wantCode("commit without an id", b.consume("", 1, 60), "")
	b.wantCode("repeated", b.consume("", 1, 60), "")
	b.wantCode("repeated with an id", b.consume("a", 1, 60), "")
	b.want("a committed content counts before its row has come", 0, 0, 60, 1)
	b.row(1, 1, 60)
	b.want("and once when it has", 60, 1, 0, 0)
	b.row(1, 2, 50)
	b.want("a row that changes", 50, 1, 0, 0)

	b.wantCode("no files", b.reserve("d", 2, 0), "")
	b.wantCode("no files", b.reserve("e", 3, 0), "")
	b.wantCode("too many files", b.reserve("f", 4, 0), or3cloud.CodeTooLarge)
	b.wantCode("cancel", b.intents.CancelUploadIntent(b.ctx, b.ws, "e"), "")
	b.wantCode("cancel again", b.intents.CancelUploadIntent(b.ctx, b.ws, "e"), or3cloud.CodeConflict)
	b.wantCode("cancel nothing", b.intents.CancelUploadIntent(b.ctx, b.ws, ""), or3cloud.CodeConflict)
	b.wantCode("another's id", b.consume("d", 3, 0), or3cloud.CodeConflict)
	b.wantCode("room for a file", b.reserve("f", 4, 0), "")

	b.ahead = 2 * time.Hour
	b.Advance(b.ahead)
	b.want("abandoned intents end", 50, 1, 0, 0)
	b.wantCode("commit after the end", b.consume("f", 4, 50), "")
	b.wantCode("commit after the end, over the quota", b.consume("d", 2, 1), or3cloud.CodeTooLarge)
	b.row(4, 1, 50)
	b.wantCode("content that counts already", b.reserve("g", 4, 50), "")
	b.wantCode("more than what counts already", b.reserve("h", 4, 51), or3cloud.CodeTooLarge)
	b.row(4, 2, 50, `"deleted":true`)
	b.quota.Bytes = 10
	b.wantCode("content that counts, over the quota", b.reserve("i", 1, 50), "")

	b.quota = or3cloud.StorageQuota{}
	b.wantCode("no quota", b.reserve("j", 5, 1<<50), "")
	b.wantCode("no quota", b.consume("j", 5, 1000), "")
	b.row(5, 1, 0)
	b.want("a row that says less than was uploaded", 50, 2, 1000+50, 1)
	b.row(5, 2, 0, `"deleted":true`)
	b.want("a deleted file gives its room back", 50, 1, 50, 1)

	claimer, ok := b.Sync.(or3cloud.ReferenceClaimer)
	if !ok {
		return
	}
	b.wantCode("open", b.reserve("k", 6, 1), "")
	retire := func() bool {
		return must(claimer.RetireGeneration(b.ctx, or3cloud.RetireRequest{
			WorkspaceID: b.ws, Hash: numberedHash(6), Generation: "g", UnreferencedSince: time.Now().AddDate(100, 0, 0),
		}))(t)
	}
	if retire() {
		t.Error("retired under an upload")
	}
	b.wantCode("consume", b.consume("k", 6, 1), "")
	if !retire() {
		t.Error("not retired although nothing holds it")
	}
}

// testParallelIntents lets a hundred uploads race for a quota that has room for ten.
func testParallelIntents(t *testing.T, sync *syncBench) {
	b := newIntentBench(t, sync)
	b.quota = or3cloud.StorageQuota{Bytes: 1000, Files: 50}
	b.row(1000, 1, 7)
	var passed atomic.Int64
	parallel(100, func(n int) {
		id := fmt.Sprint("id", n)
		err := b.reserve(id, n, 99)
		if err == nil {
			passed.Add(1)
			if n%2 == 0 {
				err = b.consume(id, n, 99)
			}
		}
		if err != nil && or3cloud.CodeOf(err) != or3cloud.CodeTooLarge {
			t.Errorf("upload %d: %v", n, err)
		}
	})
	if passed.Load() != 10 {
		t.Errorf("%d uploads were let in, want 10", passed.Load())
	}
	b.want("after the race", 7, 1, 990, 10)
}

// in returns the bench with intents in a workspace, of a user.
func (b *intentBench) in(ws, user string) *intentBench {
	there := *b
	there.ws, there.user = ws, user
	return &there
}

// testUserQuota adds up what a user stores in several workspaces.
func testUserQuota(t *testing.T, sync *syncBench) {
	b := newIntentBench(t, sync)
	access, ok := b.Workspaces.(or3cloud.WorkspaceAccessStore)
	if !ok {
		t.Skip("no WorkspaceAccessStore")
	}
	bob := must(b.Workspaces.GetOrCreateUser(b.ctx, identity("bob")))(t)
	own := must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "another", ""))(t)
	bobs := must(b.Workspaces.CreateWorkspace(b.ctx, bob, "bob's", ""))(t)
	b.wantCode("an editor", access.SetMemberRole(b.ctx, b.ws, bob, or3cloud.RoleEditor), "")
	b.wantCode("an editor", access.SetMemberRole(b.ctx, bobs, b.user, or3cloud.RoleEditor), "")
	b.quota = or3cloud.StorageQuota{UserBytes: 100}
	second, ofBob, byBob := b.in(own, b.user), b.in(bobs, b.user), b.in(b.ws, bob)

	b.wantCode("first", b.reserve("a", 1, 60), "")
	b.wantCode("the same content again", b.reserve("b", 1, 60), "")
	err := second.reserve("c", 2, 41)
	b.wantCode("too much in both", err, or3cloud.CodeTooLarge)
	if err == nil || !strings.Contains(err.Error(), "Your storage quota for all your workspaces exceeded (101 > 100 bytes)") {
		t.Errorf("the refusal does not name the quota: %v", err)
	}
	b.wantCode("as much as there is", second.reserve("c", 2, 40), "")
	b.wantCode("another's workspace counts for its owner", ofBob.reserve("d", 3, 100), "")
	err = byBob.reserve("e", 4, 1)
	b.wantCode("an editor's upload counts for the owner", err, or3cloud.CodeTooLarge)
	if err == nil || !strings.Contains(err.Error(), "Storage quota of the workspace's owner exceeded") {
		t.Errorf("the refusal does not name the quota: %v", err)
	}
	b.wantCode("commit", b.consume("a", 1, 60), "")
	b.row(1, 1, 60)
	b.wantCode("what counts already", b.reserve("f", 1, 60), "")
	b.wantCode("a commit that says more", b.consume("f", 1, 61), or3cloud.CodeTooLarge)
	b.row(1, 2, 60, `"deleted":true`)
	b.wantCode("cancel", b.intents.CancelUploadIntent(b.ctx, b.ws, "f"), "")
	b.wantCode("a deleted file gives its room back", second.reserve("g", 5, 60), "")

	// The longest-standing owner pays, and after that one has left the next.
	b.Advance(time.Second)
	b.wantCode("an owner", access.SetMemberRole(b.ctx, own, bob, or3cloud.RoleOwner), "")
	b.wantCode("still the first one's", second.reserve("h", 6, 1), or3cloud.CodeTooLarge)
	b.wantCode("leave", access.RemoveMember(b.ctx, own, b.user), "")
	b.wantCode("the room is the first one's again", b.reserve("i", 7, 100), "")
	b.wantCode("the workspace is the other one's", second.in(own, bob).reserve("j", 8, 1), or3cloud.CodeTooLarge)

	// A deleted workspace counts until its files are gone.
	b.wantCode("delete", b.Workspaces.RemoveWorkspace(b.ctx, bob, bobs), "")
	b.wantCode("deleted", second.in(own, bob).reserve("j", 8, 1), or3cloud.CodeTooLarge)
	b.quota = or3cloud.StorageQuota{Bytes: 10, UserBytes: 1 << 40}
	err = b.reserve("k", 9, 11)
	if or3cloud.CodeOf(err) != or3cloud.CodeTooLarge || !strings.Contains(err.Error(), "Workspace storage quota exceeded") {
		t.Errorf("the workspace's own quota: %v", err)
	}
}

// testParallelUserQuota lets uploads into several workspaces race for what one user may store.
func testParallelUserQuota(t *testing.T, sync *syncBench) {
	b := newIntentBench(t, sync)
	b.quota = or3cloud.StorageQuota{UserBytes: 1000}
	workspaces := []*intentBench{b}
	for n := range 3 {
		workspaces = append(workspaces, b.in(must(b.Workspaces.CreateWorkspace(b.ctx, b.user, fmt.Sprint(n), ""))(t), b.user))
	}
	var passed atomic.Int64
	parallel(100, func(n int) {
		there, id := workspaces[n%len(workspaces)], fmt.Sprint("id", n)
		err := there.reserve(id, n, 99)
		if err == nil {
			passed.Add(1)
			if n%2 == 0 {
				err = there.consume(id, n, 99)
			}
		}
		if err != nil && or3cloud.CodeOf(err) != or3cloud.CodeTooLarge {
			t.Errorf("upload %d: %v", n, err)
		}
	})
	if passed.Load() != 10 {
		t.Errorf("%d uploads were let in, want 10", passed.Load())
	}
}
