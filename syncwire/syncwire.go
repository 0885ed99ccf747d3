// Package syncwire converts between values of the contract (or3cloud) and the JSON in which clients push and pull
// (contract, sync §1, §2, §10). It knows neither HTTP nor a store.
package syncwire

import (
	"slices"
	"strings"

	"github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/internal/safeint"
)

// Limits on requests. They are far above what clients send: a batch of older clients is 50 ops of any size (contract,
// sync §10.1).
const (
	MaxOps       = 1000
	MaxPage      = 1000 // changes, or items of a snapshot
	MaxID        = 256  // UTF-16 units
	MaxPageToken = 4096 // bytes
)

// options are the options for decoding bodies: exact names, the last of duplicate names, and halves of surrogate pairs,
// which JavaScript clients send (contract, sync Pitfall 17).
var options = json.JoinOptions(jsontext.AllowInvalidUTF8(true), jsontext.AllowDuplicateNames(true))

// Scope is the wire form of or3cloud.Scope.
type Scope struct {
	WorkspaceID string  `json:"workspaceId"`
	ProjectID   *string `json:"projectId"`
}

// OK reports whether the scope names a workspace. A blank id would become one nameless tenant shared by all (contract,
// sync §1.1).
func (s Scope) OK() bool {
	return strings.TrimSpace(s.WorkspaceID) != "" && jsstring.Len(s.WorkspaceID) <= MaxID &&
		(s.ProjectID == nil || jsstring.Len(*s.ProjectID) <= MaxID)
}

// Scope returns the scope for adapters.
func (s Scope) Scope() or3cloud.Scope {
	out := or3cloud.Scope{WorkspaceID: s.WorkspaceID}
	if s.ProjectID != nil {
		out.ProjectID = *s.ProjectID
	}
	return out
}

// Capabilities are what newer clients declare about themselves. Declaring nothing is never a reason to refuse
// (contract, sync §10.9).
type Capabilities struct {
	FileKind      *string `json:"fileKindCapability"`
	WorkspaceItem *string `json:"workspaceItemCapability"`
}

// OK reports whether all declared capabilities are known.
func (c Capabilities) OK() bool {
	return (c.FileKind == nil || *c.FileKind == "v1") && (c.WorkspaceItem == nil || *c.WorkspaceItem == "v1")
}

// TableFilter is the wire's list of tables. Names outside the seven match nothing, as always.
type TableFilter []string

// Known returns the tables to ask for, and whether the filter excludes everything.
func (f TableFilter) Known() (tables []string, nothing bool) {
	for _, t := range f {
		if slices.Contains(or3cloud.SyncTables[:], t) && !slices.Contains(tables, t) {
			tables = append(tables, t)
		}
	}
	return tables, len(f) > 0 && len(tables) == 0
}

// Pull is the wire form of or3cloud.PullRequest.
type Pull struct {
	Scope  Scope        `json:"scope"`
	Cursor *safeint.Int `json:"cursor"`
	Limit  *safeint.Int `json:"limit"`
	Tables TableFilter  `json:"tables"`
	Capabilities

	cursor, limit safeint.Int // what Cursor and Limit point to after ReadUsual
}

// OK reports whether the request is complete and within the limits.
func (p *Pull) OK() bool {
	return p.Scope.OK() && p.Capabilities.OK() && p.Cursor != nil && *p.Cursor >= 0 && within(p.Limit)
}

// Snapshot is the wire form of or3cloud.SnapshotRequest.
type Snapshot struct {
	Scope     Scope        `json:"scope"`
	PageSize  *safeint.Int `json:"pageSize"`
	PageToken *string      `json:"pageToken"`
	Tables    TableFilter  `json:"tables"`
	Capabilities
}

// OK reports whether the request is complete and within the limits.
func (s *Snapshot) OK() bool {
	return s.Scope.OK() && s.Capabilities.OK() && within(s.PageSize) &&
		(s.PageToken == nil || *s.PageToken != "" && len(*s.PageToken) <= MaxPageToken)
}

// Token returns the token of the requested page, "" for the first.
func (s *Snapshot) Token() string {
	if s.PageToken == nil {
		return ""
	}
	return *s.PageToken
}

// within reports whether a page may have n entries.
func within(n *safeint.Int) bool { return n != nil && *n >= 1 && *n <= MaxPage }
