package engine

import (
	"cmp"
	"context"
	"encoding/json"
	"reflect"
	"slices"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/eventsapi"
	"or3.chat/cloud/host/syncapi"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/instance"
	"or3.chat/cloud/setting"
)

// Push, pull, snapshot and cursors carry the JSON of clients, which package syncwire reads and writes and the handlers
// of the Go host answer. These types describe it.
type (
	scope struct {
		WorkspaceID string `json:"workspaceId"`
		ProjectID   string `json:"projectId,omitempty"`
	}
	stamp struct {
		DeviceID string `json:"deviceId"`
		OpID     string `json:"opId"`
		HLC      string `json:"hlc"`
		Clock    int64  `json:"clock"`
	}
	revision struct {
		Clock int64  `json:"clock"`
		HLC   string `json:"hlc"`
		OpID  string `json:"opId"`
	}
	op struct {
		TableName string             `json:"tableName"`
		Operation or3cloud.Operation `json:"operation"`
		PK        string             `json:"pk"`
		Payload   json.RawMessage    `json:"payload,omitempty"`
		Stamp     stamp              `json:"stamp"`
	}
	pushRequest struct {
		Scope scope `json:"scope"`
		Ops   []op  `json:"ops"`
		// WorkspaceItemCapability is "v1" if the client knows the rows of workspace Files and Trash.
		WorkspaceItemCapability string `json:"workspaceItemCapability,omitempty"`
	}
	winner struct {
		Kind     string          `json:"kind"`
		Payload  json.RawMessage `json:"payload,omitempty"`
		Revision revision        `json:"revision"`
		// ServerDeletedAt is in Unix seconds.
		ServerDeletedAt *int64 `json:"serverDeletedAt,omitempty"`
	}
	opResult struct {
		OpID          string `json:"opId"`
		Success       bool   `json:"success"`
		ServerVersion int64  `json:"serverVersion,omitempty"`
		Applied       *bool  `json:"applied,omitempty"`
		Replayed      bool   `json:"replayed,omitempty"`
		// Payload is that of the winning put, which Winner repeats.
		Payload   json.RawMessage      `json:"payload,omitempty"`
		Winner    *winner              `json:"winner,omitempty"`
		Error     string               `json:"error,omitempty"`
		ErrorCode or3cloud.OpErrorCode `json:"errorCode,omitempty"`
	}
	pushAnswer struct {
		Results       []opResult `json:"results"`
		ServerVersion int64      `json:"serverVersion"`
	}
	pullRequest struct {
		Scope  scope    `json:"scope"`
		Cursor int64    `json:"cursor"`
		Limit  int      `json:"limit"`
		Tables []string `json:"tables,omitempty"`
	}
	change struct {
		ServerVersion int64              `json:"serverVersion"`
		TableName     string             `json:"tableName"`
		PK            string             `json:"pk"`
		Op            or3cloud.Operation `json:"op"`
		Payload       json.RawMessage    `json:"payload,omitempty"`
		Stamp         stamp              `json:"stamp"`
	}
	pullAnswer struct {
		Changes               []change `json:"changes"`
		NextCursor            int64    `json:"nextCursor"`
		HasMore               bool     `json:"hasMore"`
		OldestRetainedVersion int64    `json:"oldestRetainedVersion"`
		RequiresSnapshot      bool     `json:"requiresSnapshot"`
	}
	snapshotRequest struct {
		Scope     scope    `json:"scope"`
		PageSize  int      `json:"pageSize"`
		PageToken string   `json:"pageToken,omitempty"`
		Tables    []string `json:"tables,omitempty"`
	}
	snapshotItem struct {
		// Kind is row or tombstone.
		Kind      string          `json:"kind"`
		TableName string          `json:"tableName"`
		PK        string          `json:"pk"`
		Payload   json.RawMessage `json:"payload,omitempty"`
		Revision  revision        `json:"revision"`
		// ServerDeletedAt is in Unix seconds, of a tombstone.
		ServerDeletedAt *int64 `json:"serverDeletedAt,omitempty"`
	}
	snapshotAnswer struct {
		Items         []snapshotItem `json:"items"`
		WorkspaceID   string         `json:"workspaceId"`
		SnapshotID    string         `json:"snapshotId"`
		HighWatermark int64          `json:"highWatermark"`
		NextPageToken *string        `json:"nextPageToken"`
	}
	cursorRequest struct {
		Scope    scope  `json:"scope"`
		DeviceID string `json:"deviceId"`
		Version  int64  `json:"version"`
	}
	okAnswer struct {
		OK bool `json:"ok"`
	}
	versionEvent struct {
		WorkspaceID   string `json:"workspaceId"`
		ServerVersion int64  `json:"serverVersion"`
	}
)

type (
	collectRequest struct {
		Scope            scope       `json:"scope"`
		RetentionSeconds httpapi.Int `json:"retentionSeconds"`
	}
	canonicalRequest struct {
		Scope scope `json:"scope"`
		// Kind is live_metadata, reference_edges or active_reservations.
		Kind   string `json:"kind"`
		Hash   string `json:"hash,omitempty"`
		Cursor string `json:"cursor,omitempty"`
		// Limit is 1 to 500; the default is 100.
		Limit httpapi.Int `json:"limit,omitempty"`
	}
	canonicalItem struct {
		// Kind is metadata or reference.
		Kind        string   `json:"kind"`
		Hash        string   `json:"hash"`
		SizeBytes   *int64   `json:"sizeBytes,omitempty"`
		StorageID   string   `json:"storageId,omitempty"`
		UpdatedAt   *float64 `json:"updatedAt,omitempty"`
		MIMEType    string   `json:"mimeType,omitempty"`
		Name        string   `json:"name,omitempty"`
		FileKind    string   `json:"fileKind,omitempty"`
		SourceTable string   `json:"sourceTable,omitempty"`
		SourceID    string   `json:"sourceId,omitempty"`
	}
	canonicalAnswer struct {
		Items      []canonicalItem `json:"items"`
		HasMore    bool            `json:"hasMore"`
		NextCursor string          `json:"nextCursor,omitempty"`
	}
	uploadIntent struct {
		// IntentID may be absent where an intent is consumed.
		IntentID    string      `json:"intentId,omitempty"`
		WorkspaceID string      `json:"workspaceId"`
		Hash        string      `json:"hash"`
		SizeBytes   httpapi.Int `json:"sizeBytes,omitempty"`
		// ExpiresAt is in Unix seconds. Where an intent is consumed, it is until when the content counts although no
		// row names it; the default is the retention of files.
		ExpiresAt           httpapi.Int `json:"expiresAt,omitempty"`
		WorkspaceQuotaBytes httpapi.Int `json:"workspaceQuotaBytes,omitempty"`
		WorkspaceQuotaFiles httpapi.Int `json:"workspaceQuotaFiles,omitempty"`
		// UserQuotaBytes defaults to that of the configuration.
		UserQuotaBytes httpapi.Int `json:"userQuotaBytes,omitempty"`
	}
	maintenanceRun struct {
		// LastRun is when a run succeeded, in Unix milliseconds; the default is now.
		LastRun httpapi.Int `json:"lastRun,omitempty"`
		// Error is why one has failed.
		Error string `json:"error,omitempty"`
	}
	intentOfWorkspace struct {
		WorkspaceID string `json:"workspaceId"`
		IntentID    string `json:"intentId,omitempty"`
	}
)

func syncMethods() []method {
	collector := by[or3cloud.SyncCollector](or3cloud.ProviderSync)
	return append([]method{
		served[pushRequest, pushAnswer]("sync/push", "SyncGatewayAdapter.push."),
		served[pullRequest, pullAnswer]("sync/pull", "SyncGatewayAdapter.pull."),
		served[snapshotRequest, snapshotAnswer]("sync/snapshot", "SyncGatewayAdapter.snapshot."),
		served[cursorRequest, okAnswer]("sync/update-cursor", "SyncGatewayAdapter.updateCursor."),
		liveEvents(),
		does("sync/gc-tombstones", "SyncGatewayAdapter.gcTombstones.", collector, collect(or3cloud.SyncCollector.GCTombstones)),
		does("sync/gc-change-log", "SyncGatewayAdapter.gcChangeLog.", collector, collect(or3cloud.SyncCollector.GCChangeLog)),
		does("sync/query-canonical-storage", "SyncGatewayAdapter.queryCanonicalStorage.", by[or3cloud.CanonicalStorage](or3cloud.ProviderSync), canonical),
		does("sync/maintenance-state", "SyncGatewayAdapter.getMaintenanceState.", by[or3cloud.MaintenanceReporter](or3cloud.ProviderSync),
			func(_ call, m or3cloud.MaintenanceReporter, _ nothing) (or3cloud.MaintenanceState, error) {
				return m.MaintenanceState(), nil
			}),
	}, slices.Concat(maintenanceMethods(), intentMethods(), historyMethods())...)
}

// maintenanceMethods are for a host that maintains on its own schedule.
func maintenanceMethods() []method {
	type recorder = or3cloud.MaintenanceRecorder
	note := func(name, help string, f func(call, recorder, maintenanceRun)) method {
		return does(name, help, by[recorder](or3cloud.ProviderSync), func(c call, m recorder, in maintenanceRun) (nothing, error) {
			f(c, m, in)
			return nothing{}, nil
		})
	}
	return []method{
		note("sync/begin-maintenance-run", "SyncGatewayAdapter.beginMaintenanceRun.", func(_ call, m recorder, _ maintenanceRun) { m.BeginMaintenanceRun() }),
		note("sync/complete-maintenance-run", "SyncGatewayAdapter.completeMaintenanceRun.", func(c call, m recorder, in maintenanceRun) {
			at := c.engine.now()
			if in.LastRun > 0 {
				at = time.UnixMilli(int64(in.LastRun))
			}
			m.CompleteMaintenanceRun(at)
		}),
		note("sync/fail-maintenance-run", "SyncGatewayAdapter.failMaintenanceRun.", func(_ call, m recorder, in maintenanceRun) {
			const most = 1000
			m.FailMaintenanceRun(in.Error[:min(len(in.Error), most)])
		}),
	}
}

// served is a method that the Go host serves as well, with the same handler: it asks the front whether the user is a
// member, judges ops, and takes memory for what it reads and writes.
func served[In, Out any](name, help string) method {
	return method{
		name: name, help: help, in: reflect.TypeFor[In](), out: reflect.TypeFor[Out](), forUser: true,
		serve: func(e *Engine, p *instance.Providers) *or3cloud.Route {
			if p.Sync == nil {
				return nil
			}
			if _, ok := p.Sync.(or3cloud.Snapshotter); !ok && name == "sync/snapshot" {
				return nil
			}
			for _, route := range syncapi.New(syncapi.Options{Host: e, Limits: e.free, Adapter: p.Sync}).Routes() {
				if route.Path == "/api/"+name {
					return &route
				}
			}
			return nil
		},
	}
}

func liveEvents() method {
	m := stream[versionEvent]("sync/events", "The version of a workspace, at once and whenever it changes, as events named \"version\". "+
		"The stream ends within two seconds of the membership.", "workspaceId")
	m.forUser = true
	m.serve = func(e *Engine, p *instance.Providers) *or3cloud.Route {
		watcher := instance.Ability[or3cloud.Watcher](p, or3cloud.ProviderSync)
		if watcher == nil || p.Sync == nil {
			return nil
		}
		return &eventsapi.New(eventsapi.Options{Host: e, Watcher: watcher, Bounds: e.streams, Closing: e.instance.Closing()}).Routes()[0]
	}
	return m
}

func collect(run func(or3cloud.SyncCollector, context.Context, or3cloud.SyncGCRequest) error) func(call, or3cloud.SyncCollector, collectRequest) (nothing, error) {
	return func(c call, s or3cloud.SyncCollector, in collectRequest) (nothing, error) {
		if in.RetentionSeconds < 1 {
			return nothing{}, or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid GC request")
		}
		return nothing{}, run(s, c, or3cloud.SyncGCRequest{
			Scope: or3cloud.Scope{WorkspaceID: in.Scope.WorkspaceID}, Retention: httpapi.Duration(int64(in.RetentionSeconds), time.Second),
		})
	}
}

// activeReservations is a kind of canonical query that is always empty here: reserve-upload-intent counts reservations
// in the transaction that decides, so a host that adds them up beforehand gets what rows say.
const activeReservations = "active_reservations"

func canonical(c call, s or3cloud.CanonicalStorage, in canonicalRequest) (canonicalAnswer, error) {
	out := canonicalAnswer{Items: []canonicalItem{}}
	if in.Limit == 0 {
		in.Limit = 100
	}
	if in.Limit < 1 || in.Limit > 500 {
		return out, or3cloud.Errorf(or3cloud.CodeInvalid, "The limit must be 1 to 500")
	}
	if in.Kind == activeReservations {
		return out, nil
	}
	found, next, err := s.QueryCanonicalStorage(c, or3cloud.CanonicalStorageQuery{
		Scope: or3cloud.Scope{WorkspaceID: in.Scope.WorkspaceID}, Kind: in.Kind, Hash: in.Hash, Cursor: in.Cursor, Limit: int(in.Limit),
	})
	for _, item := range found {
		wire := canonicalItem{Kind: "reference", Hash: item.Hash, SourceTable: item.SourceTable, SourceID: item.SourceID}
		if in.Kind == or3cloud.CanonicalLiveMetadata {
			f := item.File
			wire = canonicalItem{
				Kind: "metadata", Hash: item.Hash, SizeBytes: &f.SizeBytes, StorageID: f.StorageID, UpdatedAt: &f.UpdatedAt,
				MIMEType: f.MIMEType, Name: f.Name, FileKind: f.Kind,
			}
		}
		out.Items = append(out.Items, wire)
	}
	out.HasMore, out.NextCursor = next != "", next
	return out, err
}

func intentMethods() []method {
	type store = or3cloud.UploadIntents
	intents := by[store](or3cloud.ProviderSync)
	return []method{
		does("sync/reserve-upload-intent", "SyncGatewayAdapter.reserveUploadIntent.", intents, func(c call, s store, in uploadIntent) (nothing, error) {
			if in.IntentID == "" || in.ExpiresAt < 1 {
				return nothing{}, or3cloud.Errorf(or3cloud.CodeInvalid, "An upload intent needs an id and an end")
			}
			intent, err := in.intent(c)
			if err == nil {
				err = s.ReserveUploadIntent(c, intent)
			}
			return nothing{}, err
		}).asUser(),
		does("sync/consume-upload-intent", "SyncGatewayAdapter.consumeUploadIntent.", intents, func(c call, s store, in uploadIntent) (nothing, error) {
			intent, err := in.intent(c)
			if err == nil {
				err = s.ConsumeUploadIntent(c, intent)
			}
			return nothing{}, err
		}).asUser(),
		does("sync/cancel-upload-intent", "SyncGatewayAdapter.cancelUploadIntent.", intents, func(c call, s store, in intentOfWorkspace) (nothing, error) {
			return nothing{}, s.CancelUploadIntent(c, in.WorkspaceID, in.IntentID)
		}),
	}
}

func (in uploadIntent) intent(c call) (or3cloud.UploadIntent, error) {
	user, err := c.user()
	if err != nil {
		return or3cloud.UploadIntent{}, err
	}
	hash, err := blobHash(in.Hash)
	if err != nil {
		return or3cloud.UploadIntent{}, err
	}
	if in.SizeBytes < 0 || in.ExpiresAt < 0 || min(in.WorkspaceQuotaBytes, in.WorkspaceQuotaFiles, in.UserQuotaBytes) < 0 {
		return or3cloud.UploadIntent{}, or3cloud.Errorf(or3cloud.CodeInvalid, "Sizes, times and quotas must not be negative")
	}
	cfg := c.engine.instance.Options().Config
	expires := time.Unix(int64(in.ExpiresAt), 0)
	if in.ExpiresAt == 0 {
		expires = c.engine.now().Add(httpapi.Duration(cfg.Int(setting.StorageGCRetention), time.Second))
	}
	return or3cloud.UploadIntent{
		ID: in.IntentID, WorkspaceID: in.WorkspaceID, UserID: user, Hash: hash, SizeBytes: int64(in.SizeBytes), ExpiresAt: expires,
		Quota: or3cloud.StorageQuota{
			Bytes: int64(in.WorkspaceQuotaBytes), Files: int64(in.WorkspaceQuotaFiles),
			UserBytes: cmp.Or(int64(in.UserQuotaBytes), cfg.Int(setting.StorageUserQuota)),
		},
	}, nil
}

func blobHash(text string) (or3cloud.BlobHash, error) {
	hash, ok := or3cloud.ParseBlobHash(strings.TrimSpace(text))
	if !ok {
		return "", or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid hash")
	}
	return hash, nil
}
