package engine

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/engine/place"
	"or3.chat/cloud/httpapi"
	"or3.chat/cloud/internal/localsocket"
	"or3.chat/cloud/syncwire"
)

// client speaks the protocol as a host does. Its adapters are the contracts again, so that the conformance suites of
// providers run over the socket.
type client struct{ http *http.Client }

func newClient(p place.Place) *client {
	return &client{&http.Client{Transport: secretive{p.Secret, &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			if p.Socket != "" {
				return localsocket.Dial(ctx, p.Socket)
			}
			return new(net.Dialer).DialContext(ctx, "tcp", p.Address)
		},
	}}}}
}

// secretive sends the secret with each request.
type secretive struct {
	secret string
	*http.Transport
}

func (s secretive) RoundTrip(r *http.Request) (*http.Response, error) {
	if s.secret != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Authorization", "Bearer "+s.secret)
	}
	return s.Transport.RoundTrip(r)
}

// encode returns a Caller in the form of the header.
func (c Caller) encode() string {
	text, err := json.Marshal(c)
	if err != nil {
		panic(err)
	}
	return url.PathEscape(string(text))
}

func forUser(id string) Caller {
	if id == "" {
		return Caller{}
	}
	return Caller{User: &User{ID: id}}
}

// send sends a request for a caller.
func (c *client) send(ctx context.Context, caller *Caller, verb, path string, body io.Reader) (*http.Response, error) {
	req, err := http.NewRequestWithContext(ctx, verb, "http://engine"+path, body)
	if err != nil {
		return nil, err
	}
	if caller != nil {
		req.Header.Set(callerHeader, caller.encode())
	}
	return c.http.Do(req)
}

// call calls a method. A Fault becomes the error that it was made from.
func (c *client) call(ctx context.Context, caller Caller, name string, in, out any) error {
	body, ok := in.([]byte)
	if !ok {
		var err error
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	res, err := c.send(ctx, &caller, http.MethodPost, place.Prefix+name, bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	if res.StatusCode != http.StatusOK {
		var f place.Fault
		if err := json.Unmarshal(text, &f); err != nil || f.Status != res.StatusCode || f.Code == "" || f.Message == "" {
			return errors.New("no fault of the protocol: " + res.Status + ": " + string(text))
		}
		return &or3cloud.Error{Code: f.Code, Message: f.Message, RetryAfter: time.Duration(f.RetryAfter) * time.Second, Data: f.Data}
	}
	// Nothing but what the description promises is sent.
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	return d.Decode(out)
}

// ask is call with the type of the answer.
func ask[Out any](ctx context.Context, c *client, caller Caller, name string, in any) (out Out, err error) {
	err = c.call(ctx, caller, name, in, &out)
	return out, err
}

// store is or3cloud.AuthWorkspaceStore, InviteStore, WorkspaceAccessStore, WorkspaceDirectory and what administration
// needs over the protocol.
type store struct{ *client }

func wireIdentity(id or3cloud.ExternalIdentity) identityRequest {
	return identityRequest{Provider: id.Provider, ProviderUserID: id.ProviderUserID, Email: id.Email, DisplayName: id.DisplayName, Founder: id.Founder}
}

func (s store) GetUser(ctx context.Context, id or3cloud.ExternalIdentity) (string, error) {
	out, err := ask[knownUser](ctx, s.client, Caller{}, "workspaces/get-user", wireIdentity(id))
	if out.UserID == nil {
		return "", err
	}
	return *out.UserID, err
}

func (s store) GetOrCreateUser(ctx context.Context, id or3cloud.ExternalIdentity) (string, error) {
	out, err := ask[userID](ctx, s.client, Caller{}, "workspaces/get-or-create-user", wireIdentity(id))
	return out.UserID, err
}

func (w workspace) contract() or3cloud.Workspace {
	return or3cloud.Workspace{
		ID: w.ID, Name: w.Name, Description: w.Description, Role: w.Role, CreatedAt: time.UnixMilli(w.CreatedAt), Active: w.IsActive,
	}
}

func (s store) GetOrCreateDefaultWorkspace(ctx context.Context, user string) (or3cloud.Workspace, error) {
	out, err := ask[defaultWorkspace](ctx, s.client, Caller{}, "workspaces/get-or-create-default-workspace", userID{user})
	if err == nil && (out.WorkspaceID != out.Workspace.ID || out.WorkspaceName != out.Workspace.Name) {
		err = errors.New("the answer contradicts itself")
	}
	ws := out.Workspace.contract()
	ws.Created = out.Created
	return ws, err
}

func (s store) GetWorkspaceRole(ctx context.Context, user, ws string) (or3cloud.Role, error) {
	out, err := ask[roleAnswer](ctx, s.client, Caller{}, "workspaces/get-workspace-role", workspaceOfUser{user, ws})
	if out.Role == nil {
		return "", err
	}
	return *out.Role, err
}

func (s store) ListUserWorkspaces(ctx context.Context, user string) (all []or3cloud.Workspace, err error) {
	out, err := ask[workspaceList](ctx, s.client, Caller{}, "workspaces/list-user-workspaces", userID{user})
	for _, w := range out.Workspaces {
		all = append(all, w.contract())
	}
	return all, err
}

func (s store) CreateWorkspace(ctx context.Context, user, name, description string) (string, error) {
	out, err := ask[workspaceID](ctx, s.client, Caller{}, "workspaces/create-workspace", newWorkspace{user, name, description})
	return out.WorkspaceID, err
}

func (s store) done(ctx context.Context, name string, in any) error {
	_, err := ask[nothing](ctx, s.client, Caller{}, name, in)
	return err
}

func (s store) UpdateWorkspace(ctx context.Context, user, ws, name, description string) error {
	return s.done(ctx, "workspaces/update-workspace", changedWorkspace{workspaceOfUser{user, ws}, name, description})
}

func (s store) RemoveWorkspace(ctx context.Context, user, ws string) error {
	return s.done(ctx, "workspaces/remove-workspace", workspaceOfUser{user, ws})
}

func (s store) SetActiveWorkspace(ctx context.Context, user, ws string) error {
	return s.done(ctx, "workspaces/set-active-workspace", workspaceOfUser{user, ws})
}

func (s store) CreateInvite(ctx context.Context, in or3cloud.Invite) (string, error) {
	out, err := ask[inviteID](ctx, s.client, Caller{}, "workspaces/create-invite", newInvite{
		in.WorkspaceID, in.Email, in.Role, in.InvitedByUserID, in.ExpiresAt.Unix(), in.TokenHash,
	})
	return out.InviteID, err
}

func at(seconds *int64) time.Time {
	if seconds == nil {
		return time.Time{}
	}
	return time.Unix(*seconds, 0)
}

func (s store) ListInvites(ctx context.Context, ws string, status or3cloud.InviteStatus, limit int) (all []or3cloud.Invite, err error) {
	out, err := ask[inviteList](ctx, s.client, Caller{}, "workspaces/list-invites", inviteFilter{ws, status, limit})
	for _, i := range out.Invites {
		all = append(all, or3cloud.Invite{
			ID: i.ID, WorkspaceID: i.WorkspaceID, Email: i.Email, Role: i.Role, Status: i.Status, InvitedByUserID: i.InvitedByUserID,
			TokenHash: i.TokenHash, AcceptedUserID: i.AcceptedUserID, CreatedAt: time.Unix(i.CreatedAt, 0), UpdatedAt: time.Unix(i.UpdatedAt, 0),
			ExpiresAt: time.Unix(i.ExpiresAt, 0), AcceptedAt: at(i.AcceptedAt), RevokedAt: at(i.RevokedAt),
		})
	}
	return all, err
}

func (s store) RevokeInvite(ctx context.Context, ws, id string) error {
	return s.done(ctx, "workspaces/revoke-invite", inviteOfWorkspace{ws, id})
}

func (s store) ValidateInvite(ctx context.Context, ws, email, hash string) (or3cloud.Role, or3cloud.InviteRefusal, error) {
	out, err := ask[inviteVerdict](ctx, s.client, Caller{}, "workspaces/validate-invite", inviteQuestion{ws, email, hash})
	return out.Role, out.Reason, err
}

func (s store) AcceptInvite(ctx context.Context, id or3cloud.ExternalIdentity, ws, hash string) (string, or3cloud.InviteRefusal, error) {
	out, err := ask[inviteVerdict](ctx, s.client, Caller{}, "workspaces/accept-invite", inviteAcceptance{wireIdentity(id), ws, hash})
	return out.UserID, out.Reason, err
}

func (s store) ListMembers(ctx context.Context, ws string) (all []or3cloud.Member, err error) {
	out, err := ask[memberList](ctx, s.client, Caller{}, "access/list-members", workspaceID{ws})
	for _, m := range out.Members {
		all = append(all, or3cloud.Member{UserID: m.UserID, Email: m.Email, Role: m.Role})
	}
	return all, err
}

func (s store) SetMemberRole(ctx context.Context, ws, user string, role or3cloud.Role) error {
	return s.done(ctx, "access/set-member-role", memberRole{workspaceOfUser{user, ws}, role})
}

func (s store) RemoveMember(ctx context.Context, ws, user string) error {
	return s.done(ctx, "access/remove-member", workspaceOfUser{user, ws})
}

func (s store) FindWorkspaces(ctx context.Context, idOrName string, limit int) ([]or3cloud.WorkspaceSummary, error) {
	out, err := ask[workspaceSummaries](ctx, s.client, Caller{}, "access/find-workspaces", workspaceSearch{idOrName, limit})
	return out.Workspaces, err
}

func (s store) SearchUsers(ctx context.Context, text string, limit int) (found []or3cloud.User, err error) {
	out, err := ask[userList](ctx, s.client, Caller{}, "access/search-users", userSearch{text, limit})
	for _, u := range out.Users {
		found = append(found, u.contract())
	}
	return found, err
}

func (u listedUser) contract() or3cloud.User {
	return or3cloud.User{ID: u.UserID, Email: u.Email, DisplayName: u.DisplayName}
}

func (o overview) contract() or3cloud.WorkspaceSummary {
	w := or3cloud.WorkspaceSummary{
		ID: o.ID, Name: o.Name, Description: o.Description, CreatedAt: time.UnixMilli(o.CreatedAt).UTC(), OwnerUserID: o.OwnerUserID,
		Owner: o.OwnerEmail, Members: o.MemberCount,
	}
	if o.Deleted {
		w.DeletedAt = time.UnixMilli(o.DeletedAt).UTC()
	}
	return w
}

func (s store) SearchWorkspaces(ctx context.Context, in or3cloud.WorkspaceSearch) (page []or3cloud.WorkspaceSummary, total int, err error) {
	out, err := ask[overviewPage](ctx, s.client, Caller{}, "access/list-workspaces", workspaceListing{
		in.Text, in.IncludeDeleted, in.Offset/in.Limit + 1, in.Limit,
	})
	for _, o := range out.Items {
		page = append(page, o.contract())
	}
	return page, out.Total, err
}

func (s store) DescribeWorkspace(ctx context.Context, ws string) (or3cloud.WorkspaceSummary, error) {
	out, err := ask[overviewAnswer](ctx, s.client, Caller{}, "access/get-workspace", workspaceID{ws})
	if err == nil && out.Workspace == nil {
		err = or3cloud.Errorf(or3cloud.CodeNotFound, "null")
	}
	if err != nil {
		return or3cloud.WorkspaceSummary{}, err
	}
	return out.Workspace.contract(), nil
}

func (s store) SoftDeleteWorkspace(ctx context.Context, ws string) error {
	return s.done(ctx, "access/soft-delete-workspace", workspaceID{ws})
}

func (s store) RestoreWorkspace(ctx context.Context, ws string) error {
	return s.done(ctx, "access/restore-workspace", workspaceID{ws})
}

func (s store) ListWorkspaceIDs(ctx context.Context, after string, _ int) ([]string, error) {
	out, err := ask[workspaceIDs](ctx, s.client, Caller{}, "workspaces/list-workspace-ids", workspaceIDPage{after})
	return out.WorkspaceIDs, err
}

func (s store) WorkspaceSetting(ctx context.Context, ws, key string) (string, bool, error) {
	out, err := ask[settingValue](ctx, s.client, Caller{}, "settings/get", settingKey{ws, key})
	if out.Value == nil {
		return "", false, err
	}
	return *out.Value, true, err
}

func (s store) SetWorkspaceSetting(ctx context.Context, ws, key, value string) error {
	return s.done(ctx, "settings/set", settingChange{settingKey{ws, key}, value})
}

func (s store) ListDeploymentAdmins(ctx context.Context) (all []or3cloud.DeploymentAdmin, err error) {
	out, err := ask[adminList](ctx, s.client, Caller{}, "admins/list", nothing{})
	for _, a := range out.Admins {
		all = append(all, or3cloud.DeploymentAdmin{User: a.contract(), GrantedAt: time.UnixMilli(a.CreatedAt)})
	}
	return all, err
}

func (s store) GrantDeploymentAdmin(ctx context.Context, user, by string) error {
	return s.done(ctx, "admins/grant", adminGrant{user, by})
}

func (s store) RevokeDeploymentAdmin(ctx context.Context, user string) error {
	return s.done(ctx, "admins/revoke", userID{user})
}

func (s store) IsDeploymentAdmin(ctx context.Context, user string) (bool, error) {
	out, err := ask[isAdmin](ctx, s.client, Caller{}, "admins/is-admin", userID{user})
	return out.IsAdmin, err
}

func (s store) CheckDeploymentAdmin(ctx context.Context, id, provider string) (bool, error) {
	out, err := ask[adminAnswer](ctx, s.client, Caller{}, "workspaces/check-deployment-admin", identityRequest{Provider: provider, ProviderUserID: id})
	return out.DeploymentAdmin, err
}

// adapter is or3cloud.SyncGatewayAdapter, Snapshotter, SyncCollector, CanonicalStorage, UploadIntents,
// ChatHistoryReader and GenerationHistory over the protocol.
type adapter struct{ *client }

func wireScope(s or3cloud.Scope) scope { return scope{s.WorkspaceID, s.ProjectID} }

func (a adapter) Push(ctx context.Context, in or3cloud.PushRequest) (out or3cloud.PushResult, err error) {
	if len(in.Ops) == 0 { // on the wire the answer to an empty batch has no version
		page, err := a.Snapshot(ctx, or3cloud.SnapshotRequest{Scope: in.Scope, UserID: in.UserID, PageSize: 1}, func(*or3cloud.SnapshotItem) error { return nil })
		return or3cloud.PushResult{ServerVersion: page.HighWatermark}, err
	}
	// Payloads are sent as they are; json.Marshal would change their bytes.
	body := []byte(`{"scope":`)
	text := func(v any) {
		t, merr := json.Marshal(v)
		err = errors.Join(err, merr)
		body = append(body, t...)
	}
	text(wireScope(in.Scope))
	if in.WorkspaceItems {
		body = append(body, `,"workspaceItemCapability":"v1"`...)
	}
	body = append(body, `,"ops":[`...)
	for i, o := range in.Ops {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, `{"tableName":`...)
		text(o.Table)
		body = append(body, `,"operation":`...)
		text(o.Operation)
		body = append(body, `,"pk":`...)
		text(o.PK)
		if o.Payload != nil {
			body = append(append(body, `,"payload":`...), o.Payload...)
		}
		body = append(body, `,"stamp":`...)
		text(stamp{o.Stamp.DeviceID, o.Stamp.OpID, o.Stamp.HLC, o.Stamp.Clock})
		body = append(body, '}')
	}
	if err != nil {
		return out, err
	}
	answer, err := ask[pushAnswer](ctx, a.client, forUser(in.UserID), "sync/push", append(body, "]}"...))
	out.ServerVersion = answer.ServerVersion
	winners := map[or3cloud.Revision]*or3cloud.Winner{} // results that lost against the same row share it
	for _, r := range answer.Results {
		res := or3cloud.OpResult{
			OpID: r.OpID, Success: r.Success, ServerVersion: r.ServerVersion, Replayed: r.Replayed, Error: r.Error, ErrorCode: r.ErrorCode,
			Applied: r.Applied != nil && *r.Applied,
		}
		if w := r.Winner; w != nil {
			if w.Kind == "put" && compact(r.Payload) != compact(w.Payload) {
				return out, errors.New("the winner is told in two ways")
			}
			if res.Winner = winners[w.Revision.contract()]; res.Winner == nil {
				res.Winner = &or3cloud.Winner{Operation: or3cloud.OpPut, Payload: w.Payload, Revision: w.Revision.contract(), DeletedAt: at(w.ServerDeletedAt)}
				if w.Kind == "delete" {
					res.Winner.Operation = or3cloud.OpDelete
				}
				winners[w.Revision.contract()] = res.Winner
			}
		}
		out.Results = append(out.Results, res)
	}
	return out, err
}

func (r revision) contract() or3cloud.Revision {
	return or3cloud.Revision{Clock: r.Clock, HLC: r.HLC, OpID: r.OpID}
}

func (a adapter) Pull(ctx context.Context, in or3cloud.PullRequest, emit func(*or3cloud.Change) error) (page or3cloud.PullPage, err error) {
	answer, err := ask[pullAnswer](ctx, a.client, forUser(in.UserID), "sync/pull", pullRequest{wireScope(in.Scope), in.Cursor, in.Limit, in.Tables})
	if err != nil {
		return page, err
	}
	for _, c := range answer.Changes {
		if err := emit(&or3cloud.Change{
			ServerVersion: c.ServerVersion, Table: c.TableName, PK: c.PK, Operation: c.Op, Payload: c.Payload,
			Stamp: or3cloud.Stamp{DeviceID: c.Stamp.DeviceID, OpID: c.Stamp.OpID, HLC: c.Stamp.HLC, Clock: c.Stamp.Clock},
		}); err != nil {
			return page, err
		}
	}
	return or3cloud.PullPage{
		NextCursor: answer.NextCursor, HasMore: answer.HasMore, OldestRetainedVersion: answer.OldestRetainedVersion,
		RequiresSnapshot: answer.RequiresSnapshot,
	}, nil
}

func (a adapter) UpdateCursor(ctx context.Context, in or3cloud.CursorUpdate) error {
	out, err := ask[okAnswer](ctx, a.client, forUser(in.UserID), "sync/update-cursor", cursorRequest{wireScope(in.Scope), in.DeviceID, in.Version})
	if err == nil && !out.OK {
		return errors.New("not ok")
	}
	return err
}

func (a adapter) Snapshot(ctx context.Context, in or3cloud.SnapshotRequest, emit func(*or3cloud.SnapshotItem) error) (page or3cloud.SnapshotPage, err error) {
	answer, err := ask[snapshotAnswer](ctx, a.client, forUser(in.UserID), "sync/snapshot", snapshotRequest{wireScope(in.Scope), in.PageSize, in.PageToken, in.Tables})
	if err != nil {
		return page, err
	}
	for _, i := range answer.Items {
		item := or3cloud.SnapshotItem{
			Table: i.TableName, PK: i.PK, Operation: or3cloud.OpPut, Payload: i.Payload, Revision: i.Revision.contract(), DeletedAt: at(i.ServerDeletedAt),
		}
		if i.Kind == "tombstone" {
			item.Operation = or3cloud.OpDelete
		}
		if err := emit(&item); err != nil {
			return page, err
		}
	}
	page = or3cloud.SnapshotPage{SnapshotID: answer.SnapshotID, HighWatermark: answer.HighWatermark}
	if answer.NextPageToken != nil {
		page.NextPageToken = *answer.NextPageToken
	}
	return page, nil
}

func (a adapter) ReadChatHistory(ctx context.Context, q or3cloud.ChatQuery, emit func([]byte) error) (page or3cloud.ChatPage, err error) {
	in := chatRequest{WorkspaceID: q.WorkspaceID, Query: chatQuery{
		Kind: q.Kind, ThreadID: q.ThreadID, MessageIDs: q.MessageIDs, Cursor: q.Cursor, Limit: httpapi.Int(q.Limit),
	}}
	answer, err := ask[chatAnswer](ctx, a.client, forUser(q.UserID), "sync/read-chat-history", in)
	if err != nil {
		return page, err
	}
	for _, m := range answer.Messages {
		if err := emit(m); err != nil {
			return page, err
		}
	}
	return or3cloud.ChatPage{
		Incomplete: answer.Status == "scope_incomplete", Thread: answer.Thread, ProjectOwnership: answer.ProjectOwnership,
		NextCursor: answer.NextCursor, Examined: answer.ExaminedRows, Revision: answer.Revision,
	}, nil
}

// wireAdmission is the envelope of a generation. Records are sent as they are; json.Marshal would change their bytes.
func wireAdmission(g or3cloud.ChatGeneration) []byte {
	in := syncwire.AdmissionEnvelope{
		Version: 1, Kind: g.Kind, AdmissionID: g.AdmissionID, GenerationID: g.GenerationID, WorkspaceID: g.WorkspaceID,
		ThreadID: g.ThreadID, MessageID: g.MessageID,
	}
	if g.Expected != nil {
		in.ExpectedAssistant = &syncwire.ExpectedAssistant{Clock: httpapi.Int(g.Expected.Clock), GenerationID: g.Expected.GenerationID}
	}
	head, err := json.Marshal(in)
	if err != nil {
		panic(err)
	}
	return withValues(head, map[string][]byte{"thread": g.Thread, "userMessage": g.UserMessage, "assistantMessage": g.AssistantMessage})
}

// withValues adds members to a JSON object.
func withValues(object []byte, members map[string][]byte) []byte {
	object = object[:len(object)-1]
	for name, value := range members {
		if value != nil {
			object = append(append(object, `,"`+name+`":`...), value...)
		}
	}
	return append(object, '}')
}

func (a adapter) AdmitChatGeneration(ctx context.Context, g or3cloud.ChatGeneration) (or3cloud.GenerationReceipt, error) {
	answer, err := ask[admitted](ctx, a.client, forUser(g.UserID), "sync/admit-chat-generation", wireAdmission(g))
	if err == nil && answer.Status != "admitted" {
		err = errors.New("admission: " + answer.Status)
	}
	return or3cloud.GenerationReceipt{Replayed: answer.Replayed, ServerVersion: answer.ServerVersion}, err
}

func (a adapter) FinalizeChatGeneration(
	ctx context.Context, g or3cloud.ChatGeneration, s or3cloud.GenerationSnapshot,
) (out or3cloud.GenerationReceipt, err error) {
	snapshot := withValues(fmt.Appendf(nil, `{"status":%q,"completedAt":%d}`, s.Status, s.CompletedAt.UnixMilli()), map[string][]byte{
		"content": s.Content, "reasoning": s.Reasoning, "toolCalls": s.ToolCalls, "usage": s.Usage, "error": s.Error,
	})
	body := append(append([]byte(`{"admission":`), wireAdmission(g)...), `,"snapshot":`...)
	answer, err := ask[finalized](ctx, a.client, forUser(g.UserID), "sync/finalize-chat-generation", append(append(body, snapshot...), '}'))
	switch {
	case err != nil:
	case answer.Status == "superseded" && answer.Reason != "" && answer.Replayed == nil:
		out.Superseded = answer.Reason
	case answer.Status == "committed" && answer.Replayed != nil:
		out.Replayed, out.ServerVersion = *answer.Replayed, answer.ServerVersion
	default:
		err = fmt.Errorf("finalization: %+v", answer)
	}
	return out, err
}

func (a adapter) GCChangeLog(ctx context.Context, in or3cloud.SyncGCRequest) error {
	return a.collect(ctx, "sync/gc-change-log", in)
}

func (a adapter) GCTombstones(ctx context.Context, in or3cloud.SyncGCRequest) error {
	return a.collect(ctx, "sync/gc-tombstones", in)
}

func (a adapter) collect(ctx context.Context, name string, in or3cloud.SyncGCRequest) error {
	_, err := ask[nothing](ctx, a.client, Caller{}, name, object{"scope": wireScope(in.Scope), "retentionSeconds": max(1, int64(in.Retention.Seconds()))})
	return err
}

func (a adapter) QueryCanonicalStorage(ctx context.Context, q or3cloud.CanonicalStorageQuery) (items []or3cloud.CanonicalStorageItem, next string, err error) {
	out, err := ask[canonicalAnswer](ctx, a.client, Caller{}, "sync/query-canonical-storage", object{
		"scope": wireScope(q.Scope), "kind": q.Kind, "hash": q.Hash, "cursor": q.Cursor, "limit": q.Limit,
	})
	for _, i := range out.Items {
		item := or3cloud.CanonicalStorageItem{Hash: i.Hash, SourceTable: i.SourceTable, SourceID: i.SourceID}
		if i.SizeBytes != nil {
			item.File = or3cloud.FileFacts{
				StorageID: i.StorageID, MIMEType: i.MIMEType, Name: i.Name, Kind: i.FileKind, SizeBytes: *i.SizeBytes, UpdatedAt: *i.UpdatedAt,
			}
		}
		items = append(items, item)
	}
	if err == nil && out.HasMore != (out.NextCursor != "") {
		err = errors.New("the answer contradicts itself")
	}
	return items, out.NextCursor, err
}

func wireIntent(in or3cloud.UploadIntent) object {
	return object{
		"intentId": in.ID, "workspaceId": in.WorkspaceID, "hash": in.Hash, "sizeBytes": in.SizeBytes, "expiresAt": in.ExpiresAt.Unix(),
		"workspaceQuotaBytes": in.Quota.Bytes,
		"workspaceQuotaFiles": in.Quota.Files, "userQuotaBytes": in.Quota.UserBytes,
	}
}

func (a adapter) ReserveUploadIntent(ctx context.Context, in or3cloud.UploadIntent) error {
	_, err := ask[nothing](ctx, a.client, forUser(in.UserID), "sync/reserve-upload-intent", wireIntent(in))
	return err
}

func (a adapter) ConsumeUploadIntent(ctx context.Context, in or3cloud.UploadIntent) error {
	_, err := ask[nothing](ctx, a.client, forUser(in.UserID), "sync/consume-upload-intent", wireIntent(in))
	return err
}

func (a adapter) CancelUploadIntent(ctx context.Context, ws, id string) error {
	_, err := ask[nothing](ctx, a.client, Caller{}, "sync/cancel-upload-intent", intentOfWorkspace{ws, id})
	return err
}

// signer is or3cloud.AuthProvider and SessionChecker over the protocol.
type signer struct{ *client }

func (s signer) GetSession(ctx context.Context, r *or3cloud.Request) (*or3cloud.ProviderSession, error) {
	headers := map[string]string{}
	for name := range r.Header {
		headers[name] = r.Header.Get(name)
	}
	out, err := ask[sessionAnswer](ctx, s.client, Caller{ClientIP: r.ClientIP, Host: r.Host}, "auth/session", sessionRequest{BrowserRequest{
		Method: r.Method, URL: r.URL.RequestURI(), Headers: headers, AnswerBegun: r.ResponseHeader == nil,
	}})
	for _, c := range out.SetCookies {
		r.ResponseHeader.Add("Set-Cookie", c)
	}
	if p := out.Session; p != nil && err == nil {
		return &or3cloud.ProviderSession{
			Provider: p.Provider, UserID: p.UserID, SessionID: p.SessionID, Email: p.Email, DisplayName: p.DisplayName,
			ExpiresAt: time.UnixMilli(p.ExpiresAt), Admitted: p.Admitted,
		}, nil
	}
	return nil, err
}

// compact is what tests compare of JSON.
func compact(text []byte) string {
	v := jsontext.Value(text)
	if err := v.Compact(); err != nil {
		return err.Error()
	}
	return string(v)
}
