package providertest

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/clientmodel"
)

// testKVName guards sync Pitfall 15: two kv rows with one name stop every client that meets both.
func testKVName(t *testing.T, b *syncBench) {
	kv := func(pk, name string, clock int64) or3cloud.Op {
		return b.op(or3cloud.TableKV, or3cloud.OpPut, pk, clock, fmt.Sprintf(`"name":%q`, name))
	}
	b.push(kv("k1", "theme", 1))
	res := b.push(kv("k2", "theme", 1), kv("k3", "other", 1), kv("k1", "theme", 2))
	if r := res.Results[0]; r.Success || r.ErrorCode != or3cloud.OpErrorValidation {
		t.Errorf("second pk for a name: %+v", r)
	}
	if !res.Results[1].Success || !res.Results[2].Success || res.ServerVersion != 3 {
		t.Errorf("the neighbours must pass: %+v", res)
	}
	// A name stays taken when its row is renamed or deleted: devices may still hold the row under it.
	b.push(kv("k1", "renamed", 3), b.op(or3cloud.TableKV, or3cloud.OpDelete, "k3", 2))
	for _, name := range []string{"theme", "renamed", "other"} {
		if r := b.push(kv("k9", name, 1)).Results[0]; r.Success {
			t.Errorf("name %s was given away", name)
		}
	}
	again := kv("k1", "theme", 4)
	if r := b.push(again).Results[0]; !r.Applied {
		t.Errorf("the owner takes its name back: %+v", r)
	}
	b.wantState(clientmodel.Expected(b.everything), 100)
	// Another workspace has its own names.
	b.ws = must(b.Workspaces.CreateWorkspace(b.ctx, b.user, "Other", ""))(t)
	if r := b.push(kv("k2", "theme", 1)).Results[0]; !r.Success {
		t.Errorf("another workspace: %+v", r)
	}
}

// testNotifications guards sync §10.4 and Pitfall 7: a notification belongs to its owner, including its hard delete.
func testNotifications(t *testing.T, b *syncBench) {
	ann := b.user
	bob := must(b.Workspaces.GetOrCreateUser(b.ctx, or3cloud.ExternalIdentity{Provider: "test", ProviderUserID: "bob"}))(t)
	b.join(bob, or3cloud.RoleEditor)
	note := func(pk, owner string, clock int64) or3cloud.Op {
		return b.op(or3cloud.TableNotifications, or3cloud.OpPut, pk, clock, fmt.Sprintf(`"user_id":%q`, owner))
	}
	seen := func(user string) (pks []string) {
		b.user = user
		changes, page := b.pull(0, 100)
		for _, c := range changes {
			pks = append(pks, c.PK+" "+string(c.Operation))
		}
		if page.NextCursor != must(b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: user}))(t).ServerVersion {
			t.Errorf("the cursor must advance over what is hidden: %+v", page)
		}
		if _, ok := b.Sync.(or3cloud.Snapshotter); ok {
			items, _, err := b.snapshotter()("", 100)
			if err != nil {
				t.Fatal(err)
			}
			for _, it := range items {
				if !slices.Contains(pks, it.PK+" "+string(it.Operation)) {
					t.Errorf("the snapshot of %s has %s", user, it.PK)
				}
			}
			if len(items) != len(pks) {
				t.Errorf("snapshot of %d items, pull of %d", len(items), len(pks))
			}
		}
		return pks
	}
	b.user = ann
	res := b.push(note("n1", ann, 1), note("n2", bob, 1), note("n3", "local-user", 1), b.put("shared", 1))
	if r := res.Results[1]; r.Success || r.ErrorCode != or3cloud.OpErrorUnauthorized || res.ServerVersion != 3 {
		t.Errorf("a put in another's name: %+v, counter %d", r, res.ServerVersion)
	}
	local := b.op(or3cloud.TableNotifications, or3cloud.OpPut, "n4", 1, `"user_id":"local-user"`)
	first, second := b.push(local), b.push(local)
	if !second.Results[0].Replayed || first.ServerVersion != second.ServerVersion {
		t.Errorf("the replay of an op whose owner was filled in: %+v", second.Results[0])
	}
	b.user = bob
	res = b.push(note("b1", bob, 1), note("n1", bob, 9), b.op(or3cloud.TableNotifications, or3cloud.OpDelete, "n1", 9),
		b.op(or3cloud.TableNotifications, or3cloud.OpDelete, "made and deleted offline", 2))
	for i, want := range []bool{true, false, false, true} {
		if r := res.Results[i]; r.Success != want || !want && r.ErrorCode != or3cloud.OpErrorUnauthorized {
			t.Errorf("op %d of the other member: %+v", i, r)
		}
	}
	b.user = ann
	b.push(b.op(or3cloud.TableNotifications, or3cloud.OpDelete, "n3", 2))
	if got, want := seen(ann), []string{"n1 put", "shared put", "n4 put", "n3 delete"}; !slices.Equal(got, want) {
		t.Errorf("the owner sees %v, want %v", got, want)
	}
	if got, want := seen(bob), []string{"shared put", "b1 put", "made and deleted offline delete"}; !slices.Equal(got, want) {
		t.Errorf("the other member sees %v, want %v", got, want)
	}
	// No one can block an id for its owner by deleting it first, however high the clock; and the owner's row then
	// belongs to the owner alone.
	gone := b.op(or3cloud.TableNotifications, or3cloud.OpDelete, "not yet", 1<<41)
	b.user = bob
	if r := b.push(gone).Results[0]; !r.Success {
		t.Errorf("a delete of an unknown notification: %+v", r)
	}
	b.user = ann
	real := note("not yet", ann, 1)
	if r := b.push(real).Results[0]; !r.Applied {
		t.Errorf("the owner's put after another member's delete: %+v", r)
	}
	b.user = bob
	if r := b.push(gone).Results[0]; !r.Replayed {
		t.Errorf("the replay of a delete: %+v", r)
	}
	res = b.push(note("not yet", bob, 1<<41+1), b.op(or3cloud.TableNotifications, or3cloud.OpDelete, "not yet", 1<<41+2))
	for i, r := range res.Results {
		if r.Success || r.ErrorCode != or3cloud.OpErrorUnauthorized {
			t.Errorf("op %d on the owner's row: %+v", i, r)
		}
	}
	if got := seen(ann); !slices.Contains(got, "not yet put") || slices.Contains(got, "not yet delete") {
		t.Errorf("the owner sees %v", got)
	}
	if got := seen(bob); slices.Contains(got, "not yet put") {
		t.Errorf("the other member sees %v", got)
	}
	// A delete that overtakes its put, as in a long queue, still wins over it.
	late := note("overtaken", ann, 1)
	b.user = ann
	if res := b.push(b.op(or3cloud.TableNotifications, or3cloud.OpDelete, "overtaken", 2), late); res.Results[1].Applied {
		t.Errorf("a put that was deleted before it came: %+v", res.Results[1])
	}
	b.user = ann
	changes, _ := b.pull(0, 100)
	for _, c := range changes {
		if c.PK == "n4" && !strings.Contains(string(c.Payload), fmt.Sprintf(`"user_id":%q`, ann)) {
			t.Errorf("the owner was not filled in: %s", c.Payload)
		}
	}
}

// testWorkspaceItems guards sync §10.9: a client that does not know workspace files would turn them into chats.
func testWorkspaceItems(t *testing.T, b *syncBench) {
	file := func(clock int64, kind string) or3cloud.Op {
		return b.op(or3cloud.TableProjects, or3cloud.OpPut, "p", clock, fmt.Sprintf(`"data":[{"id":"x","kind":%q}]`, kind))
	}
	push := func(knows bool, op or3cloud.Op) or3cloud.OpResult {
		res := must(b.Sync.Push(b.ctx, or3cloud.PushRequest{Scope: b.scope(), UserID: b.user, WorkspaceItems: knows, Ops: []or3cloud.Op{op, b.put("neighbour", op.Stamp.Clock)}}))(t)
		if !res.Results[1].Success {
			t.Errorf("the neighbour was refused: %+v", res.Results[1])
		}
		return res.Results[0]
	}
	if r := push(true, file(1, "file")); !r.Applied {
		t.Fatalf("a client that knows items: %+v", r)
	}
	if r := push(false, file(2, "chat")); r.Success || r.ErrorCode != or3cloud.OpErrorValidation {
		t.Errorf("an old client overwrote a workspace item: %+v", r)
	}
	if r := push(true, file(3, "chat")); !r.Applied {
		t.Errorf("a client that knows items: %+v", r)
	}
	if r := push(false, file(4, "chat")); !r.Applied {
		t.Errorf("an old client and an ordinary project: %+v", r)
	}
	if changes, _ := b.pull(0, 10); len(changes) != 2 {
		t.Errorf("items must be delivered to everyone: %+v", changes)
	}
}
