package providertest

import (
	"fmt"
	"slices"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
)

const day = 24 * time.Hour

// member makes someone new a member of the bench's workspace.
func (b *syncBench) member(name string, role or3cloud.Role) (userID string) {
	b.t.Helper()
	userID = must(b.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: name}))(b.t)
	b.join(userID, role)
	return userID
}

// cursorOf reports what a user's device has seen.
func (b *syncBench) cursorOf(user, device string, version int64) {
	b.t.Helper()
	in := or3cloud.CursorUpdate{Scope: b.scope(), UserID: user, DeviceID: device, Version: version}
	if err := b.Sync.UpdateCursor(b.ctx, in); err != nil {
		b.t.Fatal(err)
	}
}

// listed reports whether a new device would be told about a record.
func (b *syncBench) listed(pk string) bool {
	b.t.Helper()
	changes, _ := b.pull(0, 100)
	return slices.ContainsFunc(changes, func(c or3cloud.Change) bool { return c.PK == pk })
}

// testCursorsBelongToUsers lets a viewer report someone else's device as up to date: the delete that this device has
// not seen stays, for without it the device would keep the record.
func testCursorsBelongToUsers(t *testing.T, b *syncBench) {
	b.collector()
	viewer := b.member("viewer", or3cloud.RoleViewer)
	b.push(b.put("a", 1))
	b.cursorOf(b.user, "laptop", 1)
	b.push(b.del("a", 2), b.put("b", 1))
	b.cursorOf(viewer, "laptop", 3)
	b.Advance(60 * day)
	b.cursorOf(viewer, "laptop", 3)
	b.gc()
	if !b.listed("a") {
		t.Fatal("a viewer moved the cursor of another's device")
	}
	b.cursorOf(b.user, "laptop", 3)
	b.gc()
	if b.listed("a") {
		t.Fatal("not collected although every device has seen it")
	}
}

// testCursorFlood reports 1,200 devices that do not exist. That of another user still counts, and in the end collection
// continues without them.
func testCursorFlood(t *testing.T, b *syncBench) {
	b.collector()
	viewer := b.member("viewer", or3cloud.RoleViewer)
	old := b.put("a", 1)
	b.push(old, b.put("a", 2), b.put("b", 1), b.del("b", 2), b.put("c", 1))
	known := func() bool { return b.push(old).Results[0].ServerVersion == 1 }
	b.cursorOf(b.user, "laptop", 0)
	parallel(1200, func(i int) { b.cursorOf(viewer, fmt.Sprint("device", i), 5) })
	b.Advance(60 * day)
	b.cursorOf(viewer, "device", 5)
	b.gc()
	if !known() || !b.listed("b") {
		t.Fatal("a flood of cursors let something go that another's device has not seen")
	}
	// A flood that claims to have seen nothing holds back as long as a silent device would, however often it is
	// renewed.
	b.cursorOf(b.user, "laptop", 5)
	parallel(1200, func(i int) { b.cursorOf(viewer, fmt.Sprint("blind", i), 0) })
	b.gc()
	if !known() || !b.listed("b") {
		t.Fatal("collected before every device has seen it")
	}
	for range 2 {
		b.Advance(40 * day)
		b.cursorOf(viewer, "another", 0)
		b.cursorOf(b.user, "laptop", 5)
	}
	b.gc()
	if known() {
		t.Fatal("devices that never see anything hold compaction back without end")
	}
	for range 7 {
		b.Advance(40 * day)
		b.cursorOf(viewer, "another", 0)
		b.cursorOf(b.user, "laptop", 5)
	}
	b.gc()
	if b.listed("b") {
		t.Fatal("devices that never see anything hold deletes back without end")
	}
}

// testCursorsOfRemoved makes sure that a former member holds nothing back, and can add no cursor.
func testCursorsOfRemoved(t *testing.T, b *syncBench) {
	b.collector()
	editor := b.member("editor", or3cloud.RoleEditor)
	b.push(b.put("a", 1), b.del("a", 2), b.put("b", 1))
	b.cursorOf(b.user, "laptop", 3)
	b.cursorOf(editor, "phone", 1)
	if err := b.Workspaces.(or3cloud.WorkspaceAccessStore).RemoveMember(b.ctx, b.ws, editor); err != nil {
		t.Fatal(err)
	}
	err := b.Sync.UpdateCursor(b.ctx, or3cloud.CursorUpdate{Scope: b.scope(), UserID: editor, DeviceID: "phone", Version: 1})
	wantCode(t, "a cursor of a former member", err, or3cloud.CodeForbidden)
	b.Advance(60 * day)
	b.cursorOf(b.user, "laptop", 3)
	b.gc()
	if b.listed("a") {
		t.Fatal("a former member's device holds deletes back")
	}
}

// testNoDevices makes sure that without any device deletes stay, and superseded entries are removed when every device
// that was heard from by then would count as silent.
func testNoDevices(t *testing.T, b *syncBench) {
	b.collector()
	old := b.put("a", 1)
	b.push(old, b.put("a", 2), b.put("b", 1), b.del("b", 2))
	b.Advance(60 * day)
	b.gc()
	if b.push(old).Results[0].ServerVersion != 1 {
		t.Fatal("collected although no device has seen anything")
	}
	b.Advance(1000 * day)
	b.gc()
	if b.push(old).Results[0].ServerVersion == 1 {
		t.Fatal("superseded entries stay without end where no device reports")
	}
	if !b.listed("b") {
		t.Fatal("a delete went although no device has seen it")
	}
}
