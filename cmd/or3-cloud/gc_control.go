package main

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host"
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
	nothing struct{}
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
func gcCommands(h *host.Host) control.Commands {
	return control.Commands{
		"gc/workspaces": gcCommand(h, func(ctx context.Context, files collectingStore, _ nothing) (list gcWorkspaces, err error) {
			list.WorkspaceIDs, err = files.StorageWorkspaces(ctx)
			return list, err
		}),
		"gc/run": gcCommand(h, runGC),
	}
}

func gcCommand[In, Out any](h *host.Host, f func(context.Context, collectingStore, In) (Out, error)) control.Command {
	return control.Func(func(ctx context.Context, in In) (out Out, err error) {
		err = h.Operate(func(op host.Operator) error {
			files, ok := op.Files.(collectingStore)
			if !ok {
				return or3cloud.Errorf(or3cloud.CodeUnsupported, "the files of this instance are not on its own disk, or storage is off")
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
