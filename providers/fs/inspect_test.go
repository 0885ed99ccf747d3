package fs

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/pieces"
)

func (r *rig) inspect() map[string]or3cloud.StoredItem {
	r.t.Helper()
	out := map[string]or3cloud.StoredItem{}
	err := r.InspectStorage(r.t.Context(), or3cloud.StorageGCRequest{WorkspaceID: "ws"}, func(i or3cloud.StoredItem) error {
		out[i.Name] = i
		return nil
	})
	if err != nil {
		r.t.Fatal(err)
	}
	return out
}

// TestInspectionNamesEverything: whatever is in the store has a state and a reason, its bytes are counted once, and
// looking changes nothing.
func TestInspectionNamesEverything(t *testing.T) {
	r := newRig(t)
	r.store("trashed")
	r.clock.Advance(aged)
	r.mustGC()
	for _, content := range []string{"live", "fresh"} {
		r.store(content)
	}
	r.refs.Add("ws", hashOf("live"))
	if code := r.upload("uncommitted"); code != 200 {
		t.Fatal(code)
	}
	r.clock.Advance(25 * time.Hour)
	finished, expired := r.begin("in pieces, all of them"), r.begin("in pieces, given up")
	r.more(expired, 0, newBody("in pieces"))
	r.clock.Advance(50 * time.Minute)
	open, done := r.begin("in pieces, some of them"), r.begin("live")
	r.more(open, 0, newBody("in pieces"))
	r.more(finished, 0, newBody("in pieces, all of them"))
	r.more(done, 0, newBody("live"))
	for _, p := range []or3cloud.PartialUpload{finished, done} {
		if err := r.StorePartial(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	r.clock.Advance(20 * time.Minute)
	superseded := keyOf("live").Live(strings.Repeat("a", layout.GenerationLength))
	lost := keyOf("lost")
	for _, name := range []string{
		superseded, "workspaces/ws/notes.txt", lost.Live("") + layout.SumsSuffix, keyOf("old").Temp("1"), keyOf("young").Temp("1"),
		"trash/ws/notes.txt", keyOf("live").Aside(""), keyOf("set aside").Aside("") + layout.SumsSuffix,
	} {
		r.writeFile(name, "x")
		backdate(t, r, name, time.Hour)
	}
	backdate(t, r, keyOf("old").Temp("1"), 25*time.Hour)
	before := r.files()
	items := r.inspect()
	live := func(content string) string { return keyOf(content).Live(r.record(content).Generation) }
	for name, want := range map[string]struct {
		state  or3cloud.StorageState
		goes   bool
		reason string
	}{
		live("live"):        {or3cloud.StorageLive, false, "named by 1 message"},
		live("fresh"):       {or3cloud.StorageOrphaned, false, "nothing refers to it; kept until "},
		live("uncommitted"): {or3cloud.StorageOrphaned, true, "an upload that was never committed"},
		keyOf("trashed").Trash(r.record("trashed").Generation): {or3cloud.StorageTrash, true, "its time in the trash is over"},
		superseded:                {or3cloud.StorageStray, true, "a newer copy has replaced it"},
		"workspaces/ws/notes.txt": {or3cloud.StorageStray, false, "not a file of this store"},
		"trash/ws/notes.txt":      {or3cloud.StorageStray, false, "not a file of this store"},
		keyOf("live").Aside(""):   {or3cloud.StorageStray, false, "in quarantine; left alone"},
		keyOf("set aside").Aside("") + layout.SumsSuffix: {or3cloud.StorageStray, false, "in quarantine; left alone"},
		lost.Live("") + layout.SumsSuffix:                {or3cloud.StorageStray, true, "its file is gone"},
		keyOf("old").Temp("1"):                           {or3cloud.StorageTemporary, true, "destroyed"},
		pieces.Path(open.ID, pieces.Info):                {or3cloud.StorageTemporary, false, "can be resumed until"},
		pieces.Path(done.ID, pieces.Info):                {or3cloud.StorageTemporary, false, "a complete upload in pieces; kept until"},
		pieces.Path(expired.ID, pieces.Info):             {or3cloud.StorageTemporary, true, "was not resumed"},
		pieces.Path(finished.ID, pieces.Info):            {or3cloud.StorageTemporary, true, "was not resumed"},
		keyOf("young").Temp("1"):                         {or3cloud.StorageTemporary, false, "kept for a day"},
	} {
		got := items[name]
		if got.State != want.state || got.Goes != want.goes || !strings.Contains(got.Reason, want.reason) {
			t.Errorf("%s: %+v, want %+v", name, got, want)
		}
	}
	if after := r.files(); !slices.Equal(before, after) {
		t.Errorf("looking has changed %v to %v", before, after)
	}
	// What the inspection says will go goes, and nothing else.
	r.mustGC()
	left := r.files()
	for name, item := range items {
		if item.Goes == slices.Contains(left, name) {
			t.Errorf("%+v: is there: %t", item, !item.Goes)
		}
	}
	stop := errors.New("stop")
	err := r.InspectStorage(t.Context(), or3cloud.StorageGCRequest{WorkspaceID: "ws"}, func(or3cloud.StoredItem) error { return stop })
	if !errors.Is(err, stop) {
		t.Errorf("the caller's error: %v", err)
	}
}

func TestWorkspacesOfAStore(t *testing.T) {
	r := newRig(t)
	for _, name := range []string{"workspaces/b/x", "workspaces/a/x", "trash/c/x", "trash/a/x", "workspaces/not a workspace/x", "workspaces/file", "quarantine/d/x"} {
		r.writeFile(name, "x")
	}
	r.begin("in pieces")
	got, err := r.StorageWorkspaces(t.Context())
	if err != nil || !slices.Equal(got, []string{"a", "b", "c", "d", "ws"}) {
		t.Errorf("%v, %v", got, err)
	}
}
