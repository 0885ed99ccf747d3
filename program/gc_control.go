package program

import (
	"context"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/internal/control"
)

// What travels between "or3-cloud gc" and the instance.
type (
	gcRequest struct {
		WorkspaceID string `json:"workspaceId"`
		// DryRun asks what would go, and lets nothing go.
		DryRun bool `json:"dryRun"`
	}
	gcResult struct {
		// Collected is what was done; nothing in a dry run.
		Collected or3cloud.StorageGCReport `json:"collected"`
		// Going is what a collection would take a step further.
		Going []or3cloud.StoredItem `json:"going"`
		// Stored is what there is, by state: after the collection, if there was one.
		Stored storedTotals `json:"stored"`
	}
	gcWorkspaces struct {
		WorkspaceIDs []string `json:"workspaceIds"`
	}
)

// storedTotals sums up what is stored, by state.
type storedTotals map[or3cloud.StorageState]storedTotal

type storedTotal struct {
	Items int64 `json:"items"`
	Bytes int64 `json:"bytes"`
}

func (t storedTotals) add(state or3cloud.StorageState, more storedTotal) {
	sum := t[state]
	sum.Items += more.Items
	sum.Bytes += more.Bytes
	t[state] = sum
}

// collectingStore is a storage provider that can collect and say what it keeps.
type collectingStore interface {
	or3cloud.StorageCollector
	or3cloud.StorageInspector
}

// gcCommands are the commands behind "or3-cloud gc".
func gcCommands(i *instance.Instance) control.Commands {
	return control.Commands{
		"gc/workspaces": control.Func(func(ctx context.Context, in workspaceQuery) (list gcWorkspaces, err error) {
			err = i.Operate(func(op instance.Operator) error {
				list.WorkspaceIDs, err = workspacesNamed(ctx, op, in.Name)
				return err
			})
			return list, err
		}),
		"gc/run": gcCommand(i, runGC),
	}
}

// workspacesNamed returns the one workspace with an id or a name, or with no name all of which there are files. A workspace is also
// one that only its files are left of.
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
		found, err := directory.FindWorkspaces(ctx, name, maxCandidates)
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

// noLocalFiles is why commands about stored files cannot do anything.
const noLocalFiles = "the files of this instance are not on its own disk, or storage is off"

func gcCommand[In, Out any](i *instance.Instance, f func(context.Context, collectingStore, In) (Out, error)) control.Command {
	return control.Func(func(ctx context.Context, in In) (out Out, err error) {
		err = i.Operate(func(op instance.Operator) error {
			files, ok := op.Files.(collectingStore)
			if !ok {
				return or3cloud.Errorf(or3cloud.CodeUnsupported, noLocalFiles)
			}
			ctx, end := until(ctx, op.Closing)
			defer end()
			out, err = f(ctx, files, in)
			return err
		})
		return out, err
	})
}

// runGC collects one workspace, or only says what that would do.
func runGC(ctx context.Context, files collectingStore, in gcRequest) (out gcResult, err error) {
	out.Stored = storedTotals{}
	req := or3cloud.StorageGCRequest{WorkspaceID: in.WorkspaceID} // the configured retention is the shortest there is
	if !in.DryRun {
		if out.Collected, err = files.GC(ctx, req); err != nil {
			return out, err
		}
	}
	err = files.InspectStorage(ctx, req, func(item or3cloud.StoredItem) error {
		out.Stored.add(item.State, storedTotal{Items: 1, Bytes: item.Bytes})
		if item.Goes && in.DryRun {
			out.Going = append(out.Going, item)
		}
		return nil
	})
	return out, err
}
