package collection

import (
	"context"
	"errors"
	"fmt"
	iofs "io/fs"
	"path"
	"slices"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/blobclaim"
	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/pieces"
	"or3.chat/cloud/providers/fs/internal/refuse"
)

// StorageWorkspaces implements or3cloud.StorageInspector.
func (c *Collector) StorageWorkspaces(context.Context) ([]string, error) {
	if err := c.copies.Check(); err != nil {
		return nil, refuse.Disk(err)
	}
	var out []string
	for _, dir := range []string{layout.Workspaces, layout.Trash, layout.Quarantine} {
		entries, err := c.disk.ReadDir(dir)
		if err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return nil, refuse.Disk(err)
		}
		for _, e := range entries {
			if e.IsDir() && layout.ValidWorkspaceID(e.Name()) {
				out = append(out, e.Name())
			}
		}
	}
	err := c.pieces.Each(func(_ string, rec pieces.Record, err error) error {
		if layout.ValidWorkspaceID(rec.WorkspaceID) {
			out = append(out, rec.WorkspaceID)
		}
		return nil
	})
	slices.Sort(out)
	return slices.Compact(out), refuse.Disk(err)
}

// InspectStorage implements or3cloud.StorageInspector. It asks what a collection would ask but changes nothing, so
// changes in the meantime can change the outcome.
func (c *Collector) InspectStorage(ctx context.Context, in or3cloud.StorageGCRequest, each func(or3cloud.StoredItem) error) error {
	if err := checkGCRequest(in); err != nil {
		return err
	}
	if err := c.copies.Check(); err != nil {
		return refuse.Disk(err)
	}
	i := inspection{c.newRun(in)}
	visit := func(dir string, judge func(context.Context, string, iofs.FileInfo) (or3cloud.StoredItem, error)) error {
		return i.each(ctx, dir, func(e iofs.DirEntry) error {
			info, err := e.Info()
			if err != nil {
				return err
			}
			item, err := judge(ctx, dir, info)
			if err != nil || item.Name == "" {
				return err
			}
			return each(item)
		})
	}
	err := visit(layout.WorkspaceDir(i.workspace), i.judgeLive)
	if err == nil {
		err = visit(path.Join(layout.Trash, i.workspace), i.judgeTrashed)
	}
	if err == nil {
		err = visit(path.Join(layout.Quarantine, i.workspace), i.judgeAside)
	}
	if err == nil {
		err = i.pieces.Each(func(id string, rec pieces.Record, err error) error {
			if err != nil || rec.WorkspaceID != i.workspace {
				return nil // An unreadable record has no owner.
			}
			item, err := i.judgePartial(id, rec)
			if err != nil {
				return err
			}
			return each(item)
		})
	}
	return refuse.Disk(err)
}

// inspection finds out what a run would do, and does nothing.
type inspection struct{ *run }

func (i inspection) item(dir string, info iofs.FileInfo, k layout.Key, state or3cloud.StorageState) or3cloud.StoredItem {
	return or3cloud.StoredItem{
		WorkspaceID: i.workspace, Hash: k.Hash, Name: path.Join(dir, info.Name()), Bytes: info.Size(), State: state,
	}
}

// judgeLive says what one file of the workspace's directory is. Sidecars and digests are counted with their blob; the
// item of one that has a blob is empty.
func (i inspection) judgeLive(ctx context.Context, dir string, info iofs.FileInfo) (or3cloud.StoredItem, error) {
	if layout.IsTemp(info.Name()) {
		return i.judgeTemp(dir, info), nil
	}
	if k, generation, ok := layout.ParseSumsName(i.workspace, info.Name()); ok {
		return i.judgeCompanion(dir, info, k, generation), nil
	}
	k, generation, sidecar, ok := layout.ParseName(i.workspace, info.Name())
	if !ok || !info.Mode().IsRegular() {
		item := i.item(dir, info, layout.Key{}, or3cloud.StorageStray)
		item.Reason = "not a file of this store; left alone"
		return item, nil
	}
	rec, err := i.copies.Read(k)
	if err != nil {
		item := i.item(dir, info, k, or3cloud.StorageStray)
		item.Reason = fmt.Sprintf("left alone: %v", err)
		return item, nil
	}
	if sidecar {
		return i.judgeCompanion(dir, info, k, rec.Generation), nil
	}
	item := i.item(dir, info, k, or3cloud.StorageLive)
	if rec.Generation != generation {
		item.State, item.Goes = or3cloud.StorageStray, i.copies.Intact(k, rec)
		item.Reason = "a newer copy has replaced it"
		if !item.Goes {
			item.Reason = "kept, because the newer copy is damaged or not in use"
		}
		return item, nil
	}
	item.Bytes += i.companions(k, generation)
	kept, unreferenced, err := i.kept(ctx, k, rec.Copy().Touched(), i.policy().Keeps(rec.Copy()))
	if or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
		item.State, item.Reason = or3cloud.StorageOrphaned, "the workspace is unknown; left alone"
		return item, nil
	}
	if unreferenced {
		item.State = or3cloud.StorageOrphaned
	}
	item.Goes, item.Reason = kept == "", kept
	if item.Goes {
		item.Reason = "nothing has referred to it for the whole retention; moves to the trash"
		if rec.CommittedAt == nil {
			item.Reason = "an upload that was never committed, and nothing refers to it; moves to the trash"
		}
	}
	return item, err
}

// judgeTrashed says what one file in the trash is.
func (i inspection) judgeTrashed(ctx context.Context, dir string, info iofs.FileInfo) (or3cloud.StoredItem, error) {
	if k, generation, ok := layout.ParseSumsName(i.workspace, info.Name()); ok {
		return i.judgeCompanion(dir, info, k, generation), nil
	}
	k, generation, sidecar, ok := layout.ParseName(i.workspace, info.Name())
	if !ok || sidecar {
		item := i.item(dir, info, layout.Key{}, or3cloud.StorageStray)
		item.Reason = "not a file of this store; left alone"
		return item, nil
	}
	item := i.item(dir, info, k, or3cloud.StorageTrash)
	rec, err := i.copies.Read(k)
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		item.Reason = "found without its sidecar; its time in the trash starts with the next collection"
		return item, nil
	case err != nil:
		return item, err
	case rec.Generation != generation:
		item.Goes, item.Reason = i.copies.Intact(k, rec), "a newer copy has replaced it"
		return item, nil
	case rec.TrashedAt == nil:
		item.Reason = "its time in the trash starts with the next collection"
		return item, nil
	}
	item.Bytes += i.companions(k, generation)
	if until := rec.TrashedAt.Add(i.trashGrace); i.now.Before(until) {
		item.Reason = "in the trash until " + day(until)
		return item, nil
	}
	kept, _, err := i.kept(ctx, k, time.Time{}, i.policy().Forgives(rec.Copy()))
	if or3cloud.CodeOf(err) == or3cloud.CodeNotFound {
		item.Reason = "the workspace is unknown; left alone"
		return item, nil
	}
	item.Goes, item.Reason = kept == "", kept
	if item.Goes {
		item.Reason = "its time in the trash is over; destroyed"
	} else {
		item.Reason += "; taken out of the trash"
	}
	return item, err
}

// judgeAside says what one file in quarantine is.
func (i inspection) judgeAside(_ context.Context, dir string, info iofs.FileInfo) (or3cloud.StoredItem, error) {
	k, _, _, _ := layout.ParseName(i.workspace, strings.TrimSuffix(info.Name(), layout.SumsSuffix))
	item := i.item(dir, info, k, or3cloud.StorageStray)
	item.Reason = "damaged and in quarantine; left alone"
	return item, nil
}

func (i inspection) judgeTemp(dir string, info iofs.FileInfo) or3cloud.StoredItem {
	item := i.item(dir, info, layout.Key{}, or3cloud.StorageTemporary)
	switch age := i.now.Sub(info.ModTime()); {
	case i.temps.IsUnfinished(item.Name):
		item.Reason = "an upload that is under way"
	case age <= blobclaim.AbandonedAfter:
		item.Reason = "a failed upload; kept for a day"
	default:
		item.Goes, item.Reason = true, "a failed upload; destroyed"
	}
	return item
}

// judgePartial says what an upload in pieces is: one item, with all its pieces.
func (i inspection) judgePartial(id string, rec pieces.Record) (or3cloud.StoredItem, error) {
	item := or3cloud.StoredItem{
		WorkspaceID: i.workspace, Hash: rec.Hash, Name: pieces.Path(id, pieces.Info), State: or3cloud.StorageTemporary,
		Goes: i.Collector.now().After(rec.ExpiresAt), Reason: "an upload in pieces that can be resumed until " + day(rec.ExpiresAt),
	}
	if info, err := i.disk.Lstat(item.Name); err == nil {
		item.Bytes = info.Size()
	}
	pieces, err := i.pieces.List(id)
	for _, p := range pieces {
		item.Bytes += p.Size
	}
	switch {
	case item.Goes:
		item.Reason = "an upload in pieces that was not resumed; destroyed"
	case rec.StoredAt != nil:
		item.Reason = "the answer to a complete upload in pieces; kept until " + day(rec.ExpiresAt)
	}
	return item, err
}

// judgeCompanion says what a sidecar or a file of digests is. It has no item of its own, unless its blob is gone.
func (i inspection) judgeCompanion(dir string, info iofs.FileInfo, k layout.Key, generation string) or3cloud.StoredItem {
	for _, blob := range []string{k.Live(generation), k.Trash(generation), k.Aside(generation)} {
		if _, err := i.disk.Lstat(blob); !errors.Is(err, iofs.ErrNotExist) {
			return or3cloud.StoredItem{}
		}
	}
	item := i.item(dir, info, k, or3cloud.StorageStray)
	item.Goes, item.Reason = true, "its file is gone; destroyed"
	return item
}

// companions returns the size of a generation's digests and sidecar.
func (i inspection) companions(k layout.Key, generation string) (bytes int64) {
	for _, name := range []string{k.Live(generation) + layout.SumsSuffix, k.Trash(generation) + layout.SumsSuffix, k.Sidecar()} {
		if info, err := i.disk.Lstat(name); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}

// kept says why a claim would be refused, "" if it would be granted.
func (i inspection) kept(ctx context.Context, k layout.Key, touched time.Time, keep time.Duration) (why string, unreferenced bool, err error) {
	if i.references == nil {
		return "it is not known what refers to it", false, nil
	}
	state, err := i.references.ReferenceState(ctx, k.Workspace, k.Hash)
	if err != nil {
		return "", false, err
	}
	if state.Referenced() {
		return "named by " + named(state), false, nil
	}
	since := touched
	if state.LostAt.After(since) {
		since = state.LostAt
	}
	if until := since.Add(keep); !i.now.After(until) {
		return "nothing refers to it; kept until " + day(until), true, nil
	}
	return "", true, nil
}

func named(state or3cloud.ReferenceState) string {
	var parts []string
	for _, p := range []struct {
		n        int64
		one, all string
	}{
		{state.Files, "file row", "file rows"}, {state.Messages, "message", "messages"}, {state.Posts, "post", "posts"},
		{state.Uploads, "upload under way", "uploads under way"},
	} {
		switch {
		case p.n == 1:
			parts = append(parts, "1 "+p.one)
		case p.n > 1:
			parts = append(parts, fmt.Sprintf("%d %s", p.n, p.all))
		}
	}
	return strings.Join(parts, ", ")
}

func day(t time.Time) string { return t.UTC().Format("2006-01-02 15:04 MST") }
