package fs

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
)

// StorageWorkspaces implements or3cloud.StorageInspector.
func (s *Storage) StorageWorkspaces(context.Context) ([]string, error) {
	if err := s.checkStore(); err != nil {
		return nil, diskFault(err)
	}
	var out []string
	for _, dir := range []string{workspacesDir, trashDir, quarantineDir} {
		entries, err := s.Disk.ReadDir(dir)
		if err != nil && !errors.Is(err, iofs.ErrNotExist) {
			return nil, diskFault(err)
		}
		for _, e := range entries {
			if e.IsDir() && validWorkspaceID(e.Name()) {
				out = append(out, e.Name())
			}
		}
	}
	err := s.eachPartial(func(_ string, rec partialRecord, err error) error {
		if validWorkspaceID(rec.WorkspaceID) {
			out = append(out, rec.WorkspaceID)
		}
		return nil
	})
	slices.Sort(out)
	return slices.Compact(out), diskFault(err)
}

// InspectStorage implements or3cloud.StorageInspector. It asks the questions of a collection without taking its steps,
// so what changes meanwhile can change the outcome.
func (s *Storage) InspectStorage(ctx context.Context, in or3cloud.StorageGCRequest, each func(or3cloud.StoredItem) error) error {
	if err := checkGCRequest(in); err != nil {
		return err
	}
	if err := s.checkStore(); err != nil {
		return diskFault(err)
	}
	c := s.newCollection(in)
	visit := func(dir string, judge func(context.Context, string, iofs.FileInfo) (or3cloud.StoredItem, error)) error {
		return c.each(ctx, dir, func(e iofs.DirEntry) error {
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
	err := visit(workspaceDir(c.workspace), c.judgeLive)
	if err == nil {
		err = visit(path.Join(trashDir, c.workspace), c.judgeTrashed)
	}
	if err == nil {
		err = visit(path.Join(quarantineDir, c.workspace), c.judgeAside)
	}
	if err == nil {
		err = c.eachPartial(func(id string, rec partialRecord, err error) error {
			if err != nil || rec.WorkspaceID != c.workspace {
				return nil // What cannot be read belongs to nobody.
			}
			item, err := c.judgePartial(id, rec)
			if err != nil {
				return err
			}
			return each(item)
		})
	}
	return diskFault(err)
}

func (c *collection) item(dir string, info iofs.FileInfo, k blobKey, state or3cloud.StorageState) or3cloud.StoredItem {
	return or3cloud.StoredItem{
		WorkspaceID: c.workspace, Hash: k.hash, Name: path.Join(dir, info.Name()), Bytes: info.Size(), State: state,
	}
}

// judgeLive says what one file of the workspace's directory is. Sidecars and digests are counted with their blob; the
// item of one that has a blob is empty.
func (c *collection) judgeLive(ctx context.Context, dir string, info iofs.FileInfo) (or3cloud.StoredItem, error) {
	if isTemp(info.Name()) {
		return c.judgeTemp(dir, info), nil
	}
	if k, generation, ok := parseSumsName(c.workspace, info.Name()); ok {
		return c.judgeCompanion(dir, info, k, generation), nil
	}
	k, generation, sidecar, ok := parseName(c.workspace, info.Name())
	if !ok || !info.Mode().IsRegular() {
		item := c.item(dir, info, blobKey{}, or3cloud.StorageStray)
		item.Reason = "no file of this store; left alone"
		return item, nil
	}
	rec, err := readRecord(c.Disk, k)
	if err != nil {
		item := c.item(dir, info, k, or3cloud.StorageStray)
		item.Reason = fmt.Sprintf("left alone: %v", err)
		return item, nil
	}
	if sidecar {
		return c.judgeCompanion(dir, info, k, rec.Generation), nil
	}
	item := c.item(dir, info, k, or3cloud.StorageLive)
	if rec.Generation != generation {
		item.State, item.Goes = or3cloud.StorageStray, c.intact(k, rec)
		item.Reason = "a newer copy has replaced it"
		if !item.Goes {
			item.Reason = "kept, because the newer copy is damaged or not in use"
		}
		return item, nil
	}
	item.Bytes += c.companions(k, generation)
	kept, unreferenced, err := c.kept(ctx, k, rec.copy().Touched(), c.policy().Keeps(rec.copy()))
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
func (c *collection) judgeTrashed(ctx context.Context, dir string, info iofs.FileInfo) (or3cloud.StoredItem, error) {
	if k, generation, ok := parseSumsName(c.workspace, info.Name()); ok {
		return c.judgeCompanion(dir, info, k, generation), nil
	}
	k, generation, sidecar, ok := parseName(c.workspace, info.Name())
	if !ok || sidecar {
		item := c.item(dir, info, blobKey{}, or3cloud.StorageStray)
		item.Reason = "no file of this store; left alone"
		return item, nil
	}
	item := c.item(dir, info, k, or3cloud.StorageTrash)
	rec, err := readRecord(c.Disk, k)
	switch {
	case errors.Is(err, iofs.ErrNotExist):
		item.Reason = "found without its sidecar; its time in the trash begins with the next collection"
		return item, nil
	case err != nil:
		return item, err
	case rec.Generation != generation:
		item.Goes, item.Reason = c.intact(k, rec), "a newer copy has replaced it"
		return item, nil
	case rec.TrashedAt == nil:
		item.Reason = "its time in the trash begins with the next collection"
		return item, nil
	}
	item.Bytes += c.companions(k, generation)
	if until := rec.TrashedAt.Add(c.TrashGrace); c.now.Before(until) {
		item.Reason = "in the trash until " + day(until)
		return item, nil
	}
	kept, _, err := c.kept(ctx, k, time.Time{}, c.policy().Forgives(rec.copy()))
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
func (c *collection) judgeAside(_ context.Context, dir string, info iofs.FileInfo) (or3cloud.StoredItem, error) {
	k, _, _, _ := parseName(c.workspace, strings.TrimSuffix(info.Name(), sumsSuffix))
	item := c.item(dir, info, k, or3cloud.StorageStray)
	item.Reason = "damaged and in quarantine; left alone"
	return item, nil
}

func (c *collection) judgeTemp(dir string, info iofs.FileInfo) or3cloud.StoredItem {
	item := c.item(dir, info, blobKey{}, or3cloud.StorageTemporary)
	switch age := c.now.Sub(info.ModTime()); {
	case c.isUnfinished(item.Name):
		item.Reason = "an upload that is under way"
	case age <= blobclaim.AbandonedAfter:
		item.Reason = "an upload that has ended without success; kept for a day"
	default:
		item.Goes, item.Reason = true, "an upload that has ended without success; destroyed"
	}
	return item
}

// judgePartial says what an upload in pieces is: one item, with all its pieces.
func (c *collection) judgePartial(id string, rec partialRecord) (or3cloud.StoredItem, error) {
	item := or3cloud.StoredItem{
		WorkspaceID: c.workspace, Hash: rec.Hash, Name: partialPath(id, partialInfo), State: or3cloud.StorageTemporary,
		Goes: c.Now().After(rec.ExpiresAt), Reason: "an upload in pieces that can be gone on with until " + day(rec.ExpiresAt),
	}
	if info, err := c.Disk.Lstat(item.Name); err == nil {
		item.Bytes = info.Size()
	}
	pieces, err := c.pieces(id)
	for _, p := range pieces {
		item.Bytes += p.size
	}
	switch {
	case item.Goes:
		item.Reason = "an upload in pieces that nobody has gone on with; destroyed"
	case rec.StoredAt != nil:
		item.Reason = "the answer to an upload in pieces that is complete; kept until " + day(rec.ExpiresAt)
	}
	return item, err
}

// judgeCompanion says what a sidecar or a file of digests is: nothing by itself, unless its blob is gone.
func (c *collection) judgeCompanion(dir string, info iofs.FileInfo, k blobKey, generation string) or3cloud.StoredItem {
	for _, blob := range []string{k.live(generation), k.trash(generation), k.aside(generation)} {
		if _, err := c.Disk.Lstat(blob); !errors.Is(err, iofs.ErrNotExist) {
			return or3cloud.StoredItem{}
		}
	}
	item := c.item(dir, info, k, or3cloud.StorageStray)
	item.Goes, item.Reason = true, "its file is gone; destroyed"
	return item
}

// companions is how many bytes the digests and the sidecar of a generation have.
func (c *collection) companions(k blobKey, generation string) (bytes int64) {
	for _, name := range []string{k.live(generation) + sumsSuffix, k.trash(generation) + sumsSuffix, k.sidecar()} {
		if info, err := c.Disk.Lstat(name); err == nil {
			bytes += info.Size()
		}
	}
	return bytes
}

// kept says why a claim would be refused, "" if it would not.
func (c *collection) kept(ctx context.Context, k blobKey, touched time.Time, keep time.Duration) (why string, unreferenced bool, err error) {
	if c.References == nil {
		return "nobody knows what refers to it", false, nil
	}
	state, err := c.References.ReferenceState(ctx, k.workspace, k.hash)
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
	if until := since.Add(keep); !c.now.After(until) {
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
