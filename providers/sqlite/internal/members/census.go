package members

import (
	"context"
	"fmt"
	"math"
	"strings"
	"time"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/census"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/engine"
)

// CensusOptions are what a Census says besides what it finds.
type CensusOptions struct {
	// WorkspaceQuota is how many bytes the log of a workspace may take; 0 means no limit.
	WorkspaceQuota int64
	// DeviceStale is after which silence nothing is kept for a device.
	DeviceStale time.Duration
}

// Census is what administrators see of what workspaces take. It implements census.Workspaces.
type Census struct {
	w   *Workspaces
	opt CensusOptions
}

// NewCensus returns the census of all workspaces.
func NewCensus(w *Workspaces, o CensusOptions) *Census { return &Census{w, o} }

// How many workspaces one question looks at, so that none takes long. By size it is fewer, because finding them
// compares all sizes.
const (
	mostLooked = 20_000
	mostSorted = 5_000
)

// CountWorkspaces implements census.Workspaces.
func (c *Census) CountWorkspaces(ctx context.Context) (out census.WorkspaceCounts, err error) {
	all, err := c.w.e.Q.CountWorkspaces(ctx)
	if err != nil {
		return out, sqlitex.Translate(err)
	}
	use, err := c.w.e.Q.SumUse(ctx)
	if err != nil {
		return out, sqlitex.Translate(err)
	}
	out = census.WorkspaceCounts{Workspaces: all.Workspaces - all.Deleted, Deleted: all.Deleted, Files: use.Files, FileBytes: use.Bytes}
	out.LogBytes, err = c.w.e.Q.SumLogs(ctx)
	return out, sqlitex.Translate(err)
}

// candidate is a workspace that a question has come by.
type candidate struct {
	num, size             int64
	id, name, description string
	deleted               bool
}

// WeighWorkspaces implements census.Workspaces. A cursor is the place of the last workspace that was looked at: its
// size, which is 0 in the order of age, and its number.
func (c *Census) WeighWorkspaces(ctx context.Context, in census.WorkspaceQuery) ([]census.WeighedWorkspace, string, error) {
	after := candidate{num: math.MaxInt64, size: math.MaxInt64}
	if in.Cursor != "" {
		if n, err := fmt.Sscanf(in.Cursor, "%d.%d", &after.size, &after.num); err != nil || n != 2 || in.Cursor != after.cursor() {
			return nil, "", or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid cursor")
		}
	}
	read := c.newest
	switch in.Order {
	case census.NewestFirst, "":
	case census.LargestFirst:
		read = c.largest
	default:
		return nil, "", or3cloud.Errorf(or3cloud.CodeInvalid, "Unknown order")
	}
	if in.Limit < 1 || in.Limit > census.MaxPage {
		return nil, "", or3cloud.Errorf(or3cloud.CodeInvalid, "A page has 1 to %d workspaces", census.MaxPage)
	}
	text := strings.ToLower(strings.TrimSpace(in.Text))
	stretch, most := int64(page), int64(mostLooked)
	if text == "" {
		stretch = int64(in.Limit) + 1
	} else if in.Order == census.LargestFirst {
		stretch, most = mostSorted, mostSorted
	}
	var found []int64
	for looked := int64(0); looked < most; looked += stretch {
		rows, err := read(ctx, after, stretch)
		if err != nil {
			return nil, "", sqlitex.Translate(err)
		}
		for _, r := range rows {
			if len(found) == in.Limit {
				return c.weigh(ctx, found, after.cursor())
			}
			after = r
			if (!r.deleted || in.IncludeDeleted) && (text == "" || r.id == text || contains(text, r.name, r.description)) {
				found = append(found, r.num)
			}
		}
		if int64(len(rows)) < stretch {
			return c.weigh(ctx, found, "")
		}
	}
	return c.weigh(ctx, found, after.cursor())
}

func (k candidate) cursor() string { return fmt.Sprintf("%d.%d", k.size, k.num) }

func (c *Census) newest(ctx context.Context, after candidate, limit int64) ([]candidate, error) {
	rows, err := c.w.e.Q.WorkspacesBefore(ctx, db.WorkspacesBeforeParams{Before: after.num, Max: limit})
	out := make([]candidate, len(rows))
	for i, r := range rows {
		out[i] = candidate{num: r.Num, name: r.Name, description: r.Description, id: r.ID, deleted: r.Deleted}
	}
	return out, err
}

func (c *Census) largest(ctx context.Context, after candidate, limit int64) ([]candidate, error) {
	rows, err := c.w.e.Q.LargestWorkspaces(ctx, db.LargestWorkspacesParams{Size: after.size, Num: after.num, Max: limit})
	out := make([]candidate, len(rows))
	for i, r := range rows {
		out[i] = candidate{num: r.Num, size: r.Size, name: r.Name, description: r.Description, id: r.ID, deleted: r.Deleted}
	}
	return out, err
}

func (c *Census) weigh(ctx context.Context, nums []int64, next string) ([]census.WeighedWorkspace, string, error) {
	out := make([]census.WeighedWorkspace, 0, len(nums))
	for _, num := range nums {
		row, err := c.w.e.Q.DescribeWorkspace(ctx, num)
		if engine.NoRows(err) { // it was removed in between
			continue
		}
		if err != nil {
			return nil, "", sqlitex.Translate(err)
		}
		weight, err := c.w.e.Q.WorkspaceWeight(ctx, num)
		if err != nil {
			return nil, "", sqlitex.Translate(err)
		}
		out = append(out, census.WeighedWorkspace{
			WorkspaceSummary: summary(row), Files: weight.Files, FileBytes: weight.FileBytes, LogBytes: weight.LogBytes,
		})
	}
	return out, next, nil
}

// DescribeSync implements census.Workspaces.
func (c *Census) DescribeSync(ctx context.Context, workspaceID string) (census.WorkspaceSync, error) {
	num, err := c.w.Number(ctx, workspaceID)
	if err != nil {
		return census.WorkspaceSync{}, unknown(err)
	}
	counter, err := c.w.e.Q.WorkspaceCounter(ctx, num)
	if err != nil && !engine.NoRows(err) {
		return census.WorkspaceSync{}, sqlitex.Translate(err)
	}
	out := census.WorkspaceSync{Version: counter.Version, LogBytes: counter.Bytes, LogQuota: c.opt.WorkspaceQuota, Devices: []census.SyncDevice{}}
	rows, err := c.w.e.Q.WorkspaceDevices(ctx, db.WorkspaceDevicesParams{Workspace: num, Max: census.MaxPage})
	if err != nil {
		return out, sqlitex.Translate(err)
	}
	stale := c.w.e.Now().Add(-c.opt.DeviceStale).UnixMilli()
	for _, r := range rows {
		out.Devices = append(out.Devices, census.SyncDevice{
			DeviceID: r.Device, UserID: r.UserID, Email: r.Email, Version: r.Version, Behind: max(counter.Version-r.Version, 0),
			SeenAt: time.UnixMilli(r.UpdatedAt).UTC(), Forgotten: r.UpdatedAt < stale,
		})
	}
	return out, nil
}
