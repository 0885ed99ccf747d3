// Package syncapi serves /api/sync (contract, sync §1, §2, §10). It judges each op alone, hands the valid ones to the
// sync provider in one call and writes answers that both the older and the newest clients accept.
package syncapi

import (
	"context"
	"net/http"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/host/middleware"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/internal/ratelimit"
	"or3.chat/cloud/metric"
	"or3.chat/cloud/syncwire"
)

// Options are what the endpoints depend on.
type Options struct {
	Host    or3cloud.Front
	Limits  *middleware.Limits
	Adapter or3cloud.SyncGatewayAdapter
}

// API serves the endpoints on top of one adapter. Snapshots and collection are there if the adapter has them.
type API struct {
	opt Options
	// Pushed counts the ops that the adapter has answered, and Refused those that never reached it.
	Pushed, Refused metric.Counter
}

// New returns the API.
func New(o Options) *API { return &API{opt: o} }

// Routes returns the endpoints.
func (a *API) Routes() []or3cloud.Route {
	return []or3cloud.Route{
		{Method: http.MethodPost, Path: "/api/sync/push", MaxBody: MaxPushBody, Handle: a.push},
		{Method: http.MethodPost, Path: "/api/sync/pull", Handle: a.pull},
		{Method: http.MethodPost, Path: "/api/sync/snapshot", Handle: a.snapshot},
		{Method: http.MethodPost, Path: "/api/sync/update-cursor", Handle: a.updateCursor},
		{Method: http.MethodPost, Path: "/api/sync/gc-tombstones", Handle: a.gcTombstones},
		{Method: http.MethodPost, Path: "/api/sync/gc-change-log", Handle: a.gcChangeLog},
	}
}

// MaxPushBody is how many bytes a push may have, which is far above what clients send.
const MaxPushBody = 64 << 20

// The routes' own 400 texts.
const (
	invalidPush     = "Invalid push request"
	invalidPull     = "Invalid pull request"
	invalidCursor   = "Invalid cursor request"
	invalidSnapshot = "Invalid snapshot request"
	invalidGC       = "Invalid GC request"
)

func invalid(text string) error { return or3cloud.Errorf(or3cloud.CodeInvalid, "%s", text) }

func (a *API) pull(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoCache(w)
	in, err := readPull(r)
	if err != nil {
		return err
	}
	if !in.OK() {
		return invalid(invalidPull)
	}
	userID, err := a.admit(w, r, or3cloud.PermWorkspaceRead, in.Scope, ratelimit.SyncPull)
	if err != nil {
		return err
	}
	tables, nothing := in.Tables.Known()
	wanted := or3cloud.PullRequest{
		Scope: in.Scope.Scope(), UserID: userID, Cursor: int64(*in.Cursor), Limit: int(*in.Limit), Tables: tables,
	}
	var enc pageEncoder
	defer enc.free()
	emit, text := enc.change, enc.copy
	if nothing { // an empty filter would mean all tables, so the changes are dropped here
		emit, text = func(*or3cloud.Change) error { return nil }, func([]byte, int) error { return nil }
	}
	var page or3cloud.PullPage
	err = enc.page(r, syncwire.PullBegin, func() (err error) {
		enc.begin()
		if puller, ok := a.opt.Adapter.(or3cloud.TextPuller); ok {
			page, err = puller.PullText(r.Context(), wanted, emit, text)
		} else {
			page, err = a.opt.Adapter.Pull(r.Context(), wanted, emit)
		}
		return err
	})
	if err != nil {
		return err
	}
	a.opt.Limits.Record(ratelimit.SyncPull, userID)
	enc.unfit.report(r)
	enc.text = syncwire.AppendPullEnd(enc.text, page)
	enc.send(w)
	return nil
}

// readPull reads the body of a pull.
func readPull(r *http.Request) (in *syncwire.Pull, err error) {
	text, err := httpapi.ReadBody(r)
	if err != nil {
		return nil, httpapi.BodyError(r, err, invalidPull)
	}
	if in = new(syncwire.Pull); in.ReadUsual(text) {
		return in, nil
	}
	in = new(syncwire.Pull)
	return in, httpapi.DecodeJSON(r, text, in, invalidPull)
}

func (a *API) snapshot(w http.ResponseWriter, r *http.Request) error {
	httpapi.NoCache(w)
	var in syncwire.Snapshot
	if err := httpapi.ReadJSON(r, &in, invalidSnapshot); err != nil {
		return err
	}
	if !in.OK() {
		return invalid(invalidSnapshot)
	}
	tables, nothing := in.Tables.Known()
	if nothing {
		return or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid snapshot table: %.128s", in.Tables[0])
	}
	userID, err := a.admit(w, r, or3cloud.PermWorkspaceRead, in.Scope, ratelimit.SyncSnapshot)
	if err != nil {
		return err
	}
	snapshotter, ok := a.opt.Adapter.(or3cloud.Snapshotter)
	if !ok {
		return or3cloud.Errorf(or3cloud.CodeUnavailable, "Snapshot bootstrap unavailable for active sync adapter")
	}
	wanted := or3cloud.SnapshotRequest{
		Scope: in.Scope.Scope(), UserID: userID, PageSize: int(*in.PageSize), PageToken: in.Token(), Tables: tables,
	}
	var enc pageEncoder
	defer enc.free()
	var page or3cloud.SnapshotPage
	err = enc.page(r, syncwire.SnapshotBegin, func() (err error) {
		enc.begin()
		if texts, ok := snapshotter.(or3cloud.TextSnapshotter); ok {
			page, err = texts.SnapshotText(r.Context(), wanted, enc.item, enc.copy)
		} else {
			page, err = snapshotter.Snapshot(r.Context(), wanted, enc.item)
		}
		return err
	})
	if err != nil {
		return err
	}
	a.opt.Limits.Record(ratelimit.SyncSnapshot, userID)
	enc.unfit.report(r)
	enc.text = syncwire.AppendSnapshotEnd(enc.text, in.Scope.WorkspaceID, page)
	enc.send(w)
	return nil
}

// updateCursor refuses no version and no device: any error here makes an older client reconnect without end (contract,
// sync Pitfall 12).
func (a *API) updateCursor(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Scope    syncwire.Scope `json:"scope"`
		DeviceID *string        `json:"deviceId"`
		Version  *httpapi.Int   `json:"version"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidCursor); err != nil {
		return err
	}
	if !in.Scope.OK() || in.DeviceID == nil || jsstring.Len(*in.DeviceID) > syncwire.MaxID || in.Version == nil || *in.Version < 0 {
		return invalid(invalidCursor)
	}
	userID, err := a.admit(w, r, or3cloud.PermWorkspaceRead, in.Scope, ratelimit.SyncCursor)
	if err != nil {
		return err
	}
	if err := a.opt.Adapter.UpdateCursor(r.Context(), or3cloud.CursorUpdate{
		Scope: in.Scope.Scope(), UserID: userID, DeviceID: *in.DeviceID, Version: int64(*in.Version),
	}); err != nil {
		return err
	}
	a.opt.Limits.Record(ratelimit.SyncCursor, userID)
	return httpapi.WriteJSON(w, http.StatusOK, map[string]bool{"ok": true})
}

func (a *API) gcTombstones(w http.ResponseWriter, r *http.Request) error {
	return a.collect(w, r, "GC tombstones not supported by adapter", or3cloud.SyncCollector.GCTombstones)
}

func (a *API) gcChangeLog(w http.ResponseWriter, r *http.Request) error {
	return a.collect(w, r, "GC change log not supported by adapter", or3cloud.SyncCollector.GCChangeLog)
}

type gcMethod = func(or3cloud.SyncCollector, context.Context, or3cloud.SyncGCRequest) error

// collect runs one kind of collection. Its retention is only the caller's wish: the adapter uses the longer of it and
// its own (contract, sync §7).
func (a *API) collect(w http.ResponseWriter, r *http.Request, unsupported string, run gcMethod) error {
	var in struct {
		Scope            syncwire.Scope `json:"scope"`
		RetentionSeconds *httpapi.Int   `json:"retentionSeconds"`
	}
	if err := httpapi.ReadJSON(r, &in, invalidGC); err != nil {
		return err
	}
	if !in.Scope.OK() || in.RetentionSeconds == nil || *in.RetentionSeconds < 1 {
		return invalid(invalidGC)
	}
	session, err := a.opt.Host.Authorize(r, or3cloud.PermWorkspaceSettingsManage, in.Scope.WorkspaceID)
	if err != nil {
		return err
	}
	if v, err := a.opt.Limits.Check(ratelimit.SyncGC, session.User.ID); err != nil {
		return &or3cloud.Error{
			Code: or3cloud.CodeRateLimited, Message: "Too many GC requests. Please wait before retrying.", RetryAfter: v.RetryAfter,
		}
	}
	collector, ok := a.opt.Adapter.(or3cloud.SyncCollector)
	if !ok {
		return or3cloud.Errorf(or3cloud.CodeUnsupported, "%s", unsupported)
	}
	if err := run(collector, r.Context(), or3cloud.SyncGCRequest{Scope: in.Scope.Scope(), Retention: httpapi.Duration(int64(*in.RetentionSeconds), time.Second)}); err != nil {
		return err
	}
	a.opt.Limits.Record(ratelimit.SyncGC, session.User.ID)
	w.WriteHeader(http.StatusNoContent)
	return nil
}
