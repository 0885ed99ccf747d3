package readback

import (
	"cmp"
	"context"
	"errors"
	iofs "io/fs"
	"path"
	"slices"
	"strings"

	"or3.chat/cloud/providers/fs/internal/layout"
	"or3.chat/cloud/providers/fs/internal/volume"
)

// copyOf is one stored generation of a content, and where it is.
type copyOf struct {
	layout.Key
	generation string
	dir        string // layout.Workspaces or layout.Trash
}

// position is the place of a copy in the order of a walk.
func (c copyOf) position() string { return c.dir + "/" + c.Workspace + "/" + c.File(c.generation) }

func (c copyOf) path() string { return path.Join(c.dir, c.Workspace, c.File(c.generation)) }

// places are the parts of the store in the order in which they are walked. The trash is first, so that a copy that is
// taken out of it during a walk is not missed.
var places = [...]string{layout.Trash, layout.Workspaces}

// walk visits the copies that come after a position, in order; with a workspace, only those of that workspace. A
// directory that vanishes is skipped; visit may return errStop to end the walk.
func (r *Reader) walk(ctx context.Context, workspace, after string, visit func(copyOf) error) error {
	if err := r.copies.Check(); err != nil {
		return err
	}
	done := strings.SplitN(after, "/", 3)
	for _, place := range places {
		workspaces, err := r.disk.ReadDir(place)
		if volume.IgnoreAbsence(err) != nil {
			return err
		}
		for _, w := range workspaces {
			name := w.Name()
			if !layout.ValidWorkspaceID(name) || workspace != "" && name != workspace || before([]string{place, name}, done) {
				continue
			}
			if err := r.walkWorkspace(ctx, place, name, done, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// errStop ends a walk.
var errStop = errors.New("fs: the walk ends here")

// before reports whether everything below a directory comes before a position.
func before(dir, position []string) bool {
	return len(position) == 3 && slices.Compare(dir, position[:2]) < 0
}

func (r *Reader) walkWorkspace(ctx context.Context, place, workspace string, done []string, visit func(copyOf) error) error {
	entries, err := r.disk.ReadDir(path.Join(place, workspace))
	if volume.IgnoreAbsence(err) != nil {
		return err
	}
	start := 0
	if len(done) == 3 && done[0] == place && done[1] == workspace {
		after, found := slices.BinarySearchFunc(entries, done[2], func(e iofs.DirEntry, name string) int { return cmp.Compare(e.Name(), name) })
		if start = after; found {
			start++
		}
	}
	for _, e := range entries[start:] {
		if err := ctx.Err(); err != nil {
			return err
		}
		k, generation, sidecar, ok := layout.ParseName(workspace, e.Name())
		if !ok || sidecar || !e.Type().IsRegular() {
			continue
		}
		if err := visit(copyOf{k, generation, place}); err != nil {
			return err
		}
	}
	return nil
}
