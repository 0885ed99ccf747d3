// Package fsck compares what a storage provider has with what the sync provider says it should have. It works in
// stretches of about a second. Each returns where the next one begins, so that a check can be watched, interrupted and
// continued, in whichever process the stores are open.
package fsck

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"slices"
	"time"

	or3cloud "or3.chat/cloud"
)

const (
	// span and files limit a stretch.
	span  = time.Second
	files = 500
	// page is the number of rows per query.
	page = 500
	// maxWorkspaces limits how many workspaces are checked.
	maxWorkspaces = 1 << 20
)

// Kind is the kind of a finding.
type Kind string

// The kinds of findings.
const (
	// Missing content is named by a row but not stored.
	Missing Kind = "missing"
	Corrupt Kind = "corrupt"
	// Unreadable content is stored, but the disk fails to return it.
	Unreadable Kind = "unreadable"
	// Orphaned content is stored but not referenced. That is not a fault: collection removes it in due course.
	Orphaned Kind = "orphaned"
)

// Finding is one content that is not as it should be.
type Finding struct {
	Kind        Kind              `json:"kind"`
	WorkspaceID string            `json:"workspaceId"`
	Hash        or3cloud.BlobHash `json:"hash"`
	SizeBytes   int64             `json:"sizeBytes,omitempty"`
	// Detail has more details for the operator.
	Detail      string `json:"detail,omitempty"`
	Quarantined bool   `json:"quarantined,omitempty"`
}

// Request asks for a stretch.
type Request struct {
	// WorkspaceID restricts the check to one workspace. Empty means all.
	WorkspaceID string `json:"workspaceId"`
	// After is where the previous stretch ended. Empty starts from the beginning.
	After string `json:"after"`
	// Rate limits the bytes read per second. 0 means no limit.
	Rate       int64 `json:"rate"`
	Quarantine bool  `json:"quarantine"`
}

// Stretch is the result of one stretch.
type Stretch struct {
	// Files and Bytes count the stored copies that were read, and Rows the rows and references that were looked up.
	Files    int64     `json:"files"`
	Bytes    int64     `json:"bytes"`
	Rows     int64     `json:"rows"`
	Findings []Finding `json:"findings"`
	// Next is where the next stretch begins, or "" if there is none.
	Next string `json:"next"`
}

// Instance is what to check. Without Rows and Workspaces, nothing can be found missing. Without References, nothing can
// be found orphaned.
type Instance struct {
	Files      or3cloud.BlobChecker
	Rows       or3cloud.CanonicalStorage
	References or3cloud.ReferenceClaimer
	Workspaces or3cloud.WorkspaceDirectory
	// Span is the approximate duration of a stretch. 0 means a second.
	Span time.Duration
}

// phase is a part of a check. They run in the order of the constants.
type phase string

const (
	readingFiles      phase = "files"
	lookingAtRows     phase = "rows"
	lookingAtMessages phase = "references"
)

// position is how far a check has come. It travels as text.
type position struct {
	Phase phase `json:"phase"`
	// At is the storage provider's position, or the cursor of the query.
	At string `json:"at,omitempty"`
	// Workspace is the one whose rows are being checked. Those with smaller ids are done.
	Workspace string `json:"workspace,omitempty"`
}

func (p position) encode() string {
	if p.Phase == "" {
		return ""
	}
	b, _ := json.Marshal(p) // three texts cannot fail
	return string(b)
}

// Run does one stretch.
func (i Instance) Run(ctx context.Context, in Request) (Stretch, error) {
	at := position{Phase: readingFiles}
	if in.After != "" {
		if err := json.Unmarshal([]byte(in.After), &at); err != nil {
			return Stretch{}, or3cloud.Errorf(or3cloud.CodeInvalid, "this is not a position in a check: %v", err)
		}
	}
	if i.Span == 0 {
		i.Span = span
	}
	s := stretch{Instance: i, Request: in, end: time.Now().Add(i.Span), Stretch: Stretch{Findings: []Finding{}}}
	var next position
	var err error
	switch at.Phase {
	case readingFiles:
		next, err = s.readFiles(ctx, at)
	case lookingAtRows, lookingAtMessages:
		next, err = s.lookUp(ctx, at)
	default:
		err = or3cloud.Errorf(or3cloud.CodeInvalid, "this is not a position in a check")
	}
	s.Next = next.encode()
	return s.Stretch, err
}

// stretch is a stretch in progress.
type stretch struct {
	Instance
	Request
	Stretch
	end time.Time
}

func (s *stretch) find(f Finding) { s.Findings = append(s.Findings, f) }

// readFiles reads stored copies back.
func (s *stretch) readFiles(ctx context.Context, at position) (position, error) {
	checked, next, err := s.Instance.Files.CheckBlobs(ctx, or3cloud.BlobCheckRequest{
		WorkspaceID: s.WorkspaceID, After: at.At, Rate: s.Rate, Quarantine: s.Quarantine, Files: files, Span: s.Span,
	})
	if err != nil {
		return at, err
	}
	for _, blob := range checked {
		s.Stretch.Files++
		s.Bytes += blob.SizeBytes
		if err := s.judge(ctx, blob); err != nil {
			return at, err
		}
	}
	switch {
	case next != "":
		return position{Phase: readingFiles, At: next}, nil
	case s.Instance.Rows == nil || s.Workspaces == nil:
		return position{}, nil
	}
	return position{Phase: lookingAtRows}, nil
}

func (s *stretch) judge(ctx context.Context, blob or3cloud.CheckedBlob) error {
	f := Finding{
		WorkspaceID: blob.WorkspaceID, Hash: blob.Hash, SizeBytes: blob.SizeBytes, Detail: blob.Fault, Quarantined: blob.Quarantined,
	}
	switch blob.Condition {
	case or3cloud.BlobCorrupt:
		f.Kind = Corrupt
	case or3cloud.BlobUnreadable:
		f.Kind = Unreadable
	default:
		// Content in the trash has already been found to be orphaned.
		if blob.InTrash || s.References == nil {
			return nil
		}
		state, err := s.References.ReferenceState(ctx, blob.WorkspaceID, blob.Hash)
		if err != nil && !isUnknown(err) {
			return err
		}
		if state.Referenced() {
			return nil
		}
		f.Kind = Orphaned
	}
	s.find(f)
	return nil
}

// isUnknown reports whether an error means that the sync provider does not know a workspace.
func isUnknown(err error) bool {
	var e *or3cloud.Error
	return errors.As(err, &e) && (e.Code == or3cloud.CodeForbidden || e.Code == or3cloud.CodeNotFound)
}

// lookUp looks for the contents that rows name, one workspace after the other, first all file_meta rows and then all
// messages and posts.
func (s *stretch) lookUp(ctx context.Context, at position) (position, error) {
	workspaces, err := s.workspaces(ctx, at.Workspace)
	if err != nil {
		return at, err
	}
	for _, id := range workspaces {
		if id != at.Workspace {
			at.Workspace, at.At = id, ""
		}
		for {
			next, err := s.lookUpPage(ctx, at)
			if err != nil {
				return at, err
			}
			if at.At = next; next == "" {
				break
			}
			if time.Now().After(s.end) {
				return at, nil
			}
		}
		if time.Now().After(s.end) && id != workspaces[len(workspaces)-1] {
			at.Workspace += "\x00" // the smallest id that comes after it
			return at, nil
		}
	}
	if at.Phase == lookingAtRows {
		return position{Phase: lookingAtMessages}, nil
	}
	return position{}, nil
}

// workspaces returns the ids from from on, in order.
func (s *stretch) workspaces(ctx context.Context, from string) ([]string, error) {
	list, err := s.Workspaces.FindWorkspaces(ctx, s.WorkspaceID, maxWorkspaces)
	if err != nil {
		return nil, err
	}
	var ids []string
	for _, w := range list {
		// A workspace is also found by its name, which may be another one's id.
		if w.ID >= from && (s.WorkspaceID == "" || w.ID == s.WorkspaceID) {
			ids = append(ids, w.ID)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

func (s *stretch) lookUpPage(ctx context.Context, at position) (next string, err error) {
	kind := or3cloud.CanonicalLiveMetadata
	if at.Phase == lookingAtMessages {
		kind = or3cloud.CanonicalReferenceEdges
	}
	items, next, err := s.query(ctx, at.Workspace, kind, "", at.At, page)
	if err != nil {
		return "", err
	}
	for _, item := range items {
		s.Stretch.Rows++
		if err := s.lookUpItem(ctx, at, item); err != nil {
			return "", err
		}
	}
	return next, nil
}

func (s *stretch) query(ctx context.Context, workspace, kind, hash, cursor string, limit int) ([]or3cloud.CanonicalStorageItem, string, error) {
	items, next, err := s.Instance.Rows.QueryCanonicalStorage(ctx, or3cloud.CanonicalStorageQuery{
		Scope: or3cloud.Scope{WorkspaceID: workspace}, Kind: kind, Hash: hash, Cursor: cursor, Limit: limit,
	})
	if isUnknown(err) { // deleted since it was listed
		return nil, "", nil
	}
	return items, next, err
}

// lookUpItem reports an item whose content is missing. A row without a storage id is a file that its device has not
// uploaded yet. Content that both a message and a live row name is looked up with the row.
func (s *stretch) lookUpItem(ctx context.Context, at position, item or3cloud.CanonicalStorageItem) error {
	hash, ok := or3cloud.ParseBlobHash(item.Hash)
	if !ok || at.Phase == lookingAtRows && item.File.StorageID == "" {
		return nil
	}
	if has, err := s.Instance.Files.HasBlob(ctx, at.Workspace, hash); err != nil || has {
		return err
	}
	f := Finding{Kind: Missing, WorkspaceID: at.Workspace, Hash: hash, SizeBytes: item.File.SizeBytes, Detail: item.File.Name}
	if at.Phase == lookingAtMessages {
		rows, _, err := s.query(ctx, at.Workspace, or3cloud.CanonicalLiveMetadata, item.Hash, "", 1)
		if err != nil || len(rows) > 0 {
			return err
		}
		f.Detail = "named by " + item.SourceTable + " " + item.SourceID + ", without a row of its own"
	}
	s.find(f)
	return nil
}

// Compare orders findings as a report shows them.
func Compare(a, b Finding) int {
	return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.WorkspaceID, b.WorkspaceID), cmp.Compare(a.Hash, b.Hash))
}
