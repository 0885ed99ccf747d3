package providertest

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/clientmodel"
	"or3.chat/cloud/internal/syncschema"
)

// SyncBackend is a new, empty sync provider.
type SyncBackend struct {
	Sync       or3cloud.SyncGatewayAdapter
	Workspaces or3cloud.AuthWorkspaceStore
	// Advance moves the provider's clock.
	Advance func(time.Duration)
}

// TestSync checks everything that or3cloud.SyncGatewayAdapter and the optional interfaces beside it promise. The
// optional ones are checked if the adapter has them.
func TestSync(t *testing.T, open func(t *testing.T) SyncBackend) {
	run := func(name string, f func(t *testing.T, b *syncBench)) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f(t, newSyncBench(t, open(t)))
		})
	}
	run("Versions", testVersions)
	run("EmptyBatch", testEmptyBatch)
	run("Replay", testReplay)
	run("ReplayInOneBatch", testReplayInOneBatch)
	run("OpIDsArePerWorkspace", testOpIDsArePerWorkspace)
	run("OpIDReuseIsAConflict", testOpIDReuse)
	run("LastWriterWins", testLastWriterWins)
	run("LosersGetAWinner", testLosersGetAWinner)
	run("WinnersFillOneAnswer", testWinnersFillOneAnswer)
	run("PagesEndAtAnswerBytes", testPagesEndAtAnswerBytes)
	run("DeleteAndRevive", testDeleteAndRevive)
	run("OldPutDoesNotReviveDeleted", testOldPutDoesNotRevive)
	run("PullLeavesLosersOut", testPullLeavesLosersOut)
	run("PullFillsPages", testPullFillsPages)
	run("PullTableFilter", testPullTableFilter)
	run("CursorAboveCounter", testCursorAboveCounter)
	run("PayloadBytesUntouched", testPayloadBytes)
	run("SecondPKForAKVName", testKVName)
	run("OwnPKGetsItsKVName", testKVNameIsTaken)
	run("FreeKVName", testFreeKVName)
	run("KVNamesConverge", testKVNamesConverge)
	run("ClockBounds", testClockBounds)
	run("CursorsAreNeverRefused", testCursors)
	run("CursorsBelongToTheirUser", testCursorsBelongToUsers)
	run("AFloodOfCursors", testCursorFlood)
	run("CursorsOfARemovedMember", testCursorsOfRemoved)
	run("WithoutDevicesCollectionWaits", testNoDevices)
	run("UnknownWorkspace", testUnknownWorkspace)
	run("ParallelPushes", testParallelPushes)
	run("ParallelReplays", testParallelReplays)
	run("VersionsBecomeVisibleInOrder", testVisibleInOrder)
	run("Linearizable", testLinearizable)
	run("Convergence", testConvergence)
	run("SnapshotIsOneMoment", testSnapshotIsOneMoment)
	run("SnapshotTokens", testSnapshotTokens)
	run("SnapshotOfLongPKs", testSnapshotOfLongPKs)
	run("TextsOfPulls", testTextsOfPulls)
	run("TextsOfSnapshots", testTextsOfSnapshots)
	run("GCKeepsWinners", testGCKeepsWinners)
	run("GCWaitsForDevicesAndRetention", testGCGates)
	run("GCOfDeletes", testGCOfDeletes)
	run("References", testReferences)
	run("DestroyedBlobsLoseTheirStorageID", testDisown)
	run("UploadIntents", testUploadIntents)
	run("ParallelUploadsKeepTheQuota", testParallelIntents)
	run("UserQuota", testUserQuota)
	run("ParallelUploadsKeepTheUserQuota", testParallelUserQuota)
	run("CanonicalStorage", testCanonicalStorage)
	run("NotificationsBelongToTheirUser", testNotifications)
	run("WorkspaceItemsAreNotOverwrittenByOldClients", testWorkspaceItems)
	run("Watch", testWatch)
	run("RateLimits", testRateLimits)
	run("NotificationsOfTheServer", testNotify)
	run("WritesAskForTheMembershipAgain", testMembershipOfWrites)
	run("ChatHistory", withChats(testChatHistory))
	run("ChatQueries", withChats(testChatQueries))
	run("ChatRevisions", withChats(testChatRevisions))
	run("ProjectsOfChats", withChats(testProjectOwnership))
	run("LargeChats", withChats(testLargeChats))
	run("Generations", withGenerations(testGenerations))
	run("GenerationsOfClientRows", withGenerations(testRowsOfClients))
	run("SupersededGenerations", withGenerations(testSupersededGenerations))
	run("GenerationsAreChecked", withGenerations(testGenerationsAreChecked))
	run("GenerationsOfManyWorkers", withGenerations(testGenerationRaces))
	run("GenerationsConverge", withGenerations(testGenerationsConverge))
	run("Webhooks", withWebhooks(testWebhooks))
	run("WebhookEvents", withWebhooks(testWebhookEvents))
	run("WebhooksTellOfOwnNotifications", withWebhooks(testWebhookNotifications))
	run("WebhookQueue", withWebhooks(testWebhookQueue))
	run("WebhooksOfAUserTakeTurns", withWebhooks(testWebhookTurns))
	run("WebhooksEnd", withWebhooks(testWebhookEnds))
	run("WebhookHealth", withWebhooks(testWebhookHealth))
	run("WebhookBounds", withWebhooks(testWebhookBounds))
	run("WebhooksTellOfCompleteAnswers", withWebhooks(testWebhookCompletions))
	run("WebhookCompletionBounds", withWebhooks(testWebhookCompletionBounds))
	run("WebhookClaimsAreExclusive", withWebhooks(testWebhookRace))
	run("AdminWebhooks", withAdminWebhooks(testAdminWebhooks))
	run("AdminEvents", withAdminWebhooks(testAdminEvents))
	run("AdminEventsOfAWorkspace", withAdminWebhooks(testAdminEventsOfAWorkspace))
	run("AdminEventBounds", withAdminWebhooks(testAdminEventBounds))
	run("AdminEventsOfJobs", withAdminWebhooks(testAdminEventsOfJobs))
}

// syncBench is a backend with a user and a workspace, and short names for what tests do with them.
type syncBench struct {
	SyncBackend
	t          failer
	ctx        context.Context
	user       string
	ws         string
	ops        atomic.Int64
	everything []or3cloud.Op
}

func newSyncBench(t *testing.T, back SyncBackend) *syncBench {
	b := &syncBench{SyncBackend: back, t: t, ctx: t.Context()}
	b.user = must(back.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "u1"}))(t)
	b.ws = must(back.Workspaces.GetOrCreateDefaultWorkspace(b.ctx, b.user))(t).ID
	return b
}

// join makes a user a member of the workspace.
func (b *syncBench) join(user string, role or3cloud.Role) {
	b.t.Helper()
	access, ok := b.Workspaces.(or3cloud.WorkspaceAccessStore)
	if !ok {
		b.t.Skip("no WorkspaceAccessStore")
	}
	if err := access.SetMemberRole(b.ctx, b.ws, user, role); err != nil {
		b.t.Fatal(err)
	}
}

// failer is what *testing.T and *rapid.T have in common.
type failer interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
	Errorf(format string, args ...any)
	Skip(args ...any)
}

// must returns a value or fails the test.
func must[T any](v T, err error) func(failer) T {
	return func(t failer) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

// opID returns the n-th op id of a test.
func opID(n int64) string { return fmt.Sprintf("00000000-0000-4000-8000-%012x", n) }

// op makes a valid op with a new id; the hlc rises with the id.
func (b *syncBench) op(table string, operation or3cloud.Operation, pk string, clock int64, extra ...string) or3cloud.Op {
	n := b.ops.Add(1)
	o := or3cloud.Op{
		Table: table, Operation: operation, PK: pk,
		Stamp: or3cloud.Stamp{DeviceID: "1a2b3c4d", OpID: opID(n), HLC: fmt.Sprintf("%09d:000:1a2b3c4d", n), Clock: clock},
	}
	if operation == or3cloud.OpPut {
		o.Payload = []byte(payload(table, pk, clock, extra...))
	}
	return b.checked(o)
}

// checked runs the check that every caller of an adapter runs.
func (b *syncBench) checked(o or3cloud.Op) or3cloud.Op {
	if p := syncschema.Check(&o); p != nil {
		b.t.Fatalf("test op is not valid: %s", p.Text)
	}
	return o
}

func (b *syncBench) put(pk string, clock int64, extra ...string) or3cloud.Op {
	return b.op(or3cloud.TableThreads, or3cloud.OpPut, pk, clock, extra...)
}

func (b *syncBench) del(pk string, clock int64) or3cloud.Op {
	return b.op(or3cloud.TableThreads, or3cloud.OpDelete, pk, clock)
}

// payload makes a valid payload; extra members come last and so replace earlier ones.
func payload(table, pk string, clock int64, extra ...string) string {
	required := map[string]string{
		or3cloud.TableFileMeta:      `"hash":%q,"deleted":false`,
		or3cloud.TableKV:            `"id":%[1]q,"name":%[1]q`,
		or3cloud.TableMessages:      `"id":%q,"thread_id":"t","role":"user","order_key":"k","index":0,"deleted":false`,
		or3cloud.TableNotifications: `"id":%q,"user_id":"u","type":"t","title":"","deleted":false`,
		or3cloud.TablePosts:         `"id":%q,"title":"","content":"","post_type":"doc","deleted":false`,
		or3cloud.TableProjects:      `"id":%q,"name":"n","deleted":false`,
		or3cloud.TableThreads:       `"id":%q,"status":"ready","deleted":false,"pinned":false`,
	}[table]
	members := append([]string{fmt.Sprintf(required, pk), fmt.Sprintf(`"created_at":1,"updated_at":1,"clock":%d`, clock)}, extra...)
	return "{" + strings.Join(members, ",") + "}"
}

// push pushes ops and remembers them.
func (b *syncBench) push(ops ...or3cloud.Op) or3cloud.PushResult {
	b.t.Helper()
	res := must(b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: b.user, Ops: ops}))(b.t)
	if len(res.Results) != len(ops) {
		b.t.Fatalf("%d results for %d ops", len(res.Results), len(ops))
	}
	for i, r := range res.Results {
		if r.OpID != ops[i].Stamp.OpID {
			b.t.Fatalf("result %d is for op %s, want %s", i, r.OpID, ops[i].Stamp.OpID)
		}
		if r.Success {
			b.everything = append(b.everything, ops[i])
		}
	}
	return res
}

func (b *syncBench) scope() or3cloud.Scope { return or3cloud.Scope{WorkspaceID: b.ws} }

// pull fetches a page and copies it, as the bytes are valid only during the call.
func (b *syncBench) pull(cursor int64, limit int, tables ...string) ([]or3cloud.Change, or3cloud.PullPage) {
	b.t.Helper()
	changes, page, err := b.puller(tables...)(cursor, limit)
	if err != nil {
		b.t.Fatal(err)
	}
	if err := clientmodel.CheckPage(cursor, limit, changes, page); err != nil {
		b.t.Fatal(err)
	}
	return changes, page
}

func (b *syncBench) puller(tables ...string) clientmodel.Pull {
	return func(cursor int64, limit int) (changes []or3cloud.Change, page or3cloud.PullPage, err error) {
		in := or3cloud.PullRequest{Scope: b.scope(), UserID: b.user, Cursor: cursor, Limit: limit, Tables: tables}
		page, err = b.Sync.Pull(b.ctx, in, func(c *or3cloud.Change) error {
			clone := *c
			clone.Payload = slices.Clone(c.Payload)
			changes = append(changes, clone)
			return nil
		})
		return changes, page, err
	}
}

func (b *syncBench) snapshotter() clientmodel.Snapshot {
	snap, ok := b.Sync.(or3cloud.Snapshotter)
	if !ok {
		b.t.Skip("no Snapshotter")
	}
	return func(token string, size int) (items []or3cloud.SnapshotItem, page or3cloud.SnapshotPage, err error) {
		in := or3cloud.SnapshotRequest{Scope: b.scope(), UserID: b.user, PageSize: size, PageToken: token}
		page, err = snap.Snapshot(b.ctx, in, func(it *or3cloud.SnapshotItem) error {
			clone := *it
			clone.Payload = slices.Clone(it.Payload)
			items = append(items, clone)
			return nil
		})
		return items, page, err
	}
}

func (b *syncBench) collector() or3cloud.SyncCollector {
	c, ok := b.Sync.(or3cloud.SyncCollector)
	if !ok {
		b.t.Skip("no SyncCollector")
	}
	return c
}

// gc runs both collections with the shortest retention that a caller can ask for.
func (b *syncBench) gc() {
	b.t.Helper()
	in := or3cloud.SyncGCRequest{Scope: b.scope(), Retention: time.Second}
	if err := b.collector().GCChangeLog(b.ctx, in); err != nil {
		b.t.Fatal(err)
	}
	if err := b.collector().GCTombstones(b.ctx, in); err != nil {
		b.t.Fatal(err)
	}
}

func (b *syncBench) cursor(device string, version int64) {
	b.t.Helper()
	err := b.Sync.UpdateCursor(b.ctx, or3cloud.CursorUpdate{Scope: b.scope(), UserID: b.user, DeviceID: device, Version: version})
	if err != nil {
		b.t.Fatal(err)
	}
}

// wantState checks what brand-new devices of both kinds see.
func (b *syncBench) wantState(want clientmodel.State, limit int) {
	b.t.Helper()
	base := clientmodel.NewBase()
	if err := base.Sync(b.puller(), limit); err != nil {
		b.t.Fatalf("new base device: %v", err)
	}
	if diff := gocmp.Diff(want, base.Live()); diff != "" {
		b.t.Fatalf("new base device, pages of %d (-want +got):\n%s", limit, diff)
	}
	if _, ok := b.Sync.(or3cloud.Snapshotter); !ok {
		return
	}
	later := clientmodel.NewLater()
	if err := later.Bootstrap(b.snapshotter(), b.puller(), limit); err != nil {
		b.t.Fatalf("new device with snapshot: %v", err)
	}
	if diff := gocmp.Diff(want, later.Live()); diff != "" {
		b.t.Fatalf("new device with snapshot, pages of %d (-want +got):\n%s", limit, diff)
	}
}

func versions(res or3cloud.PushResult) []int64 {
	var out []int64
	for _, r := range res.Results {
		out = append(out, r.ServerVersion)
	}
	return out
}

func wantVersions(t failer, res or3cloud.PushResult, counter int64, want ...int64) {
	t.Helper()
	if !slices.Equal(versions(res), want) || res.ServerVersion != counter {
		t.Fatalf("versions %v, counter %d; want %v, %d", versions(res), res.ServerVersion, want, counter)
	}
}

// parallel runs f n times at once and waits.
func parallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	for i := range n {
		wg.Go(func() { f(i) })
	}
	wg.Wait()
}
