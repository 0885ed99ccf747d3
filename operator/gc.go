package operator

import (
	"context"
	"fmt"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
)

// The questions about the collection of stored files, and the answers.
type (
	// Collecting asks for the collection of a workspace.
	Collecting struct {
		WorkspaceID string `json:"workspaceId"`
		// DryRun reports what would be deleted, and deletes nothing.
		DryRun bool `json:"dryRun"`
	}
	// Collected is what was done, and what there is.
	Collected struct {
		// Collected is what was done; nothing in a dry run.
		Collected or3cloud.StorageGCReport `json:"collected"`
		// Going is what a collection would move one step further.
		Going []or3cloud.StoredItem `json:"going"`
		// Stored is what there is, by state: after the collection, if there was one.
		Stored StoredTotals `json:"stored"`
	}
	// StoredWorkspaces are workspaces that may have files.
	StoredWorkspaces struct {
		WorkspaceIDs []string `json:"workspaceIds"`
	}
	// Collection is the outcome of Collect.
	Collection struct {
		DryRun     bool `json:"dryRun"`
		Workspaces int  `json:"workspaces"`
		// Scanned and IntoTrash are what the collection did.
		Scanned   int                   `json:"scanned"`
		IntoTrash int                   `json:"intoTrash"`
		Going     []or3cloud.StoredItem `json:"going"`
		Stored    StoredTotals          `json:"stored"`
		// Disabled says why nothing can be collected.
		Disabled string `json:"disabled,omitempty"`
	}
	// StoredTotals sums up what is stored, by state.
	StoredTotals map[or3cloud.StorageState]StoredTotal
	// StoredTotal is what is stored in one state.
	StoredTotal struct {
		Items int64 `json:"items"`
		Bytes int64 `json:"bytes"`
	}
)

// The use cases of the collection.
var (
	// ListStored returns the one workspace with an id or a name, or without a name all that have files. That includes
	// workspaces of which only files are left.
	ListStored = untilClosing("gc/workspaces", listStored)
	// CollectFiles collects one workspace, or only reports what that would do. Collect goes through several.
	CollectFiles = untilClosing("gc/run", collectFiles)
)

func (t StoredTotals) add(state or3cloud.StorageState, more StoredTotal) {
	sum := t[state]
	sum.Items += more.Items
	sum.Bytes += more.Bytes
	t[state] = sum
}

// noLocalFiles is why use cases about stored files cannot do anything.
const noLocalFiles = "the files of this instance are not on its own disk, or storage is off"

func listStored(ctx context.Context, op instance.Operator, in WorkspaceQuery) (StoredWorkspaces, error) {
	ids, err := workspacesNamed(ctx, op, in.Name)
	return StoredWorkspaces{ids}, err
}

func workspacesNamed(ctx context.Context, op instance.Operator, name string) ([]string, error) {
	var stored []string
	if files, ok := op.Files.(or3cloud.StorageInspector); ok {
		var err error
		if stored, err = files.StorageWorkspaces(ctx); err != nil || name == "" {
			return stored, err
		}
	} else if name == "" {
		return nil, or3cloud.Errorf(or3cloud.CodeUnsupported, noLocalFiles)
	}
	var named []string
	if directory, ok := op.Store.(or3cloud.WorkspaceDirectory); ok {
		found, err := directory.FindWorkspaces(ctx, name, candidates)
		if err != nil {
			return nil, err
		}
		for _, ws := range found {
			if ws.ID == name {
				return []string{name}, nil
			}
			named = append(named, ws.ID)
		}
	}
	switch {
	case slices.Contains(stored, name):
		return []string{name}, nil
	case len(named) > 1:
		return nil, or3cloud.Errorf(or3cloud.CodeConflict, "several workspaces have the name %q; use an id: %s", name, strings.Join(named, ", "))
	case len(named) == 1:
		return named, nil
	}
	return nil, or3cloud.Errorf(or3cloud.CodeNotFound, "there is no workspace with the id or the name %q; see or3-cloud workspace list", name)
}

// collectingStore is a storage provider that can collect and say what it keeps.
type collectingStore interface {
	or3cloud.StorageCollector
	or3cloud.StorageInspector
}

func collectFiles(ctx context.Context, op instance.Operator, in Collecting) (out Collected, err error) {
	files, ok := op.Files.(collectingStore)
	if !ok {
		return out, or3cloud.Errorf(or3cloud.CodeUnsupported, noLocalFiles)
	}
	out.Stored = StoredTotals{}
	req := or3cloud.StorageGCRequest{WorkspaceID: in.WorkspaceID} // the configured retention is the shortest there is
	if !in.DryRun {
		if out.Collected, err = files.GC(ctx, req); err != nil {
			return out, err
		}
	}
	err = files.InspectStorage(ctx, req, func(item or3cloud.StoredItem) error {
		out.Stored.add(item.State, StoredTotal{Items: 1, Bytes: item.Bytes})
		if item.Goes && in.DryRun {
			out.Going = append(out.Going, item)
		}
		return nil
	})
	return out, err
}

// Collect collects workspaces one after the other, or only reports what that would do.
func Collect(ctx context.Context, c Caller, workspaceIDs []string, dryRun bool) (Collection, error) {
	sum := Collection{DryRun: dryRun, Workspaces: len(workspaceIDs), Going: []or3cloud.StoredItem{}, Stored: StoredTotals{}}
	for _, id := range workspaceIDs {
		out, err := CollectFiles.Ask(ctx, c, Collecting{WorkspaceID: id, DryRun: dryRun})
		if err != nil {
			return sum, fmt.Errorf("workspace %s: %w", id, err)
		}
		sum.Scanned += out.Collected.ScannedCount
		sum.IntoTrash += out.Collected.DeletedCount
		sum.Going = append(sum.Going, out.Going...)
		sum.Disabled = out.Collected.Reason
		for state, total := range out.Stored {
			sum.Stored.add(state, total)
		}
	}
	return sum, nil
}
