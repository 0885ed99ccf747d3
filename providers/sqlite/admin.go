package sqlite

import (
	"context"
	"time"

	or3cloud "or3.chat/cloud"
)

// The actions of the admin adapter (contract, workspaces-and-admin §8).
const (
	actionGCChangeLog  = "sync.gc-change-log"
	actionGCTombstones = "sync.gc-tombstones"
)

// admin implements or3cloud.ProviderAdminAdapter and AdminActionRunner.
type admin struct{ s *Store }

func (a admin) GetStatus(context.Context) (or3cloud.AdminStatus, error) {
	return or3cloud.AdminStatus{
		Details: map[string]any{
			"dbPath":      a.s.opts.Path,
			"journalMode": a.s.opts.JournalMode,
			"synchronous": a.s.opts.Synchronous,
		},
		Warnings: []or3cloud.AdminWarning{},
		Actions: []or3cloud.AdminAction{
			{
				ID: actionGCChangeLog, Label: "Compact the change log", Danger: true, Workspace: true,
				Description:  "Removes changes of the workspace that were replaced by later ones, that every device has seen, and whose retention is over.",
				Confirmation: "Earlier changes of the workspace are removed permanently; the current state stays. Compact the change log?",
			},
			{
				ID: actionGCTombstones, Label: "Collect deletions", Danger: true, Workspace: true,
				Description:  "Removes deletions of the workspace that every device has seen, and whose retention is over.",
				Confirmation: "A device that was away for longer than all others will have to load the workspace again. Collect deletions?",
			},
		},
	}, nil
}

func (a admin) RunAction(ctx context.Context, workspaceID, actionID string, payload map[string]any) (any, error) {
	collect := map[string]func(context.Context, or3cloud.SyncGCRequest) error{
		actionGCChangeLog: a.s.GCChangeLog, actionGCTombstones: a.s.GCTombstones,
	}[actionID]
	if collect == nil {
		return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Unknown action")
	}
	if workspaceID == "" {
		return nil, or3cloud.Errorf(or3cloud.CodeInvalid, "Workspace not resolved")
	}
	retention := defaultRetention
	if s, ok := payload["retentionSeconds"].(float64); ok && s > 0 {
		retention = asked(s)
	} else if d, ok := payload["retentionDays"].(float64); ok && d > 0 {
		retention = asked(d * 86400)
	}
	if err := collect(ctx, or3cloud.SyncGCRequest{Scope: or3cloud.Scope{WorkspaceID: workspaceID}, Retention: retention}); err != nil {
		return nil, err
	}
	return map[string]any{"ok": true, "action": actionID, "retentionSeconds": int64(retention.Seconds())}, nil
}

// asked returns this many seconds of a payload, limited to what a Duration holds.
func asked(n float64) time.Duration {
	const most = 100 * 365 * 86400
	return time.Duration(min(n, most)) * time.Second
}

var _ or3cloud.AdminActionRunner = admin{}
