package fs

import (
	"context"
	"math"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/collection"
	"or3.chat/cloud/providers/fs/internal/copies"
)

// actionGC is the admin action that collects the blobs of a workspace (contract, workspaces-and-admin §8).
const actionGC = "storage.gc"

// maxRetentionSeconds keeps a caller's retention within a time.Duration; it is about a century.
const maxRetentionSeconds = 100 * 365 * 24 * 3600

// admin is what operators see of the provider.
type admin struct {
	collector  *collection.Collector
	copies     *copies.Copies
	references bool // whether the sync provider tracks references
	details    map[string]any
	warnings   []or3cloud.AdminWarning
}

var _ or3cloud.AdminActionRunner = (*admin)(nil)

// GetStatus implements or3cloud.ProviderAdminAdapter.
func (a *admin) GetStatus(context.Context) (or3cloud.AdminStatus, error) {
	warnings := append([]or3cloud.AdminWarning{}, a.warnings...)
	if !a.references {
		warnings = append(warnings, or3cloud.AdminWarning{
			Level:   "warning",
			Message: "The sync provider does not track references to files, so unused files are never deleted.",
		})
	}
	if err := a.copies.Check(); err != nil {
		warnings = append(warnings, or3cloud.AdminWarning{
			Level: "error", Message: "The storage directory cannot be read or does not belong to this instance.",
		})
	}
	return or3cloud.AdminStatus{
		Details: a.details, Warnings: warnings,
		Actions: []or3cloud.AdminAction{{
			ID: actionGC, Label: "Delete unused files", Danger: true, Workspace: true,
			Description:  "Moves files of the workspace that have been unused for the whole retention into the trash, and deletes those that have been there for a day.",
			Confirmation: "Unused files are deleted permanently after a day in the trash. Delete unused files?",
		}},
	}, nil
}

// RunAction implements or3cloud.AdminActionRunner. A retention in the payload can only lengthen the configured one.
func (a *admin) RunAction(ctx context.Context, workspaceID, actionID string, payload map[string]any) (any, error) {
	if actionID != actionGC {
		return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Unknown action")
	}
	if workspaceID == "" {
		return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Workspace not resolved")
	}
	return a.collector.GC(ctx, or3cloud.StorageGCRequest{
		WorkspaceID: workspaceID, Retention: payloadRetention(payload), Limit: int(positive(payload["limit"], math.MaxInt32)),
	})
}

// payloadRetention reads retentionSeconds, else retentionDays; without either the configured retention applies.
func payloadRetention(payload map[string]any) time.Duration {
	seconds := positive(payload["retentionSeconds"], maxRetentionSeconds)
	if seconds == 0 {
		seconds = positive(payload["retentionDays"], maxRetentionSeconds/86400) * 86400
	}
	return time.Duration(seconds * float64(time.Second))
}

// positive returns a JSON number that is positive, at most limit, and 0 for anything else.
func positive(v any, limit float64) float64 {
	n, ok := v.(float64)
	if !ok || !(n > 0) {
		return 0
	}
	return min(n, limit)
}
