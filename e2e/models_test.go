package e2e

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/clientmodel"
)

// cloudChange turns a pulled change into what the client models read.
func cloudChange(c change) or3cloud.Change {
	return or3cloud.Change{ServerVersion: c.ServerVersion, Table: c.TableName, PK: c.PK, Operation: or3cloud.Operation(c.Op), Payload: c.Payload,
		Stamp: or3cloud.Stamp{DeviceID: c.Stamp.DeviceID, OpID: c.Stamp.OpID, HLC: c.Stamp.HLC, Clock: c.Stamp.Clock}}
}

func cloudChanges(page pulled) []or3cloud.Change {
	out := make([]or3cloud.Change, len(page.Changes))
	for i, c := range page.Changes {
		out[i] = cloudChange(c)
	}
	return out
}

// puller lets a client model pull over HTTP.
func (d *device) puller(workspace string) clientmodel.Pull {
	return func(cursor int64, limit int) ([]or3cloud.Change, or3cloud.PullPage, error) {
		page := d.pull(workspace, cursor, limit)
		out := or3cloud.PullPage{NextCursor: page.NextCursor, HasMore: page.HasMore}
		if page.RequiresSnapshot != nil {
			out.RequiresSnapshot = *page.RequiresSnapshot
		}
		return cloudChanges(page), out, nil
	}
}

// snapshotter lets a client model take a snapshot over HTTP.
func (d *device) snapshotter(workspace string) clientmodel.Snapshot {
	return func(token string, size int) ([]or3cloud.SnapshotItem, or3cloud.SnapshotPage, error) {
		body := obj{"scope": scope{workspace}, "pageSize": size, "tables": allTables}
		if token != "" {
			body["pageToken"] = token
		}
		r := d.post("/api/sync/snapshot", body)
		if r.status != 200 {
			return nil, or3cloud.SnapshotPage{}, fmt.Errorf("snapshot: %s", r)
		}
		var page snapshotPage
		r.decode(d.t, &page)
		if page.WorkspaceID != workspace {
			return nil, or3cloud.SnapshotPage{}, fmt.Errorf("snapshot of %q instead of %q", page.WorkspaceID, workspace)
		}
		items := make([]or3cloud.SnapshotItem, len(page.Items))
		for i, it := range page.Items {
			items[i] = or3cloud.SnapshotItem{Table: it.TableName, PK: it.PK, Operation: or3cloud.OpPut, Payload: it.Payload,
				Revision: or3cloud.Revision{Clock: it.Revision.Clock, HLC: it.Revision.HLC, OpID: it.Revision.OpID}}
			switch {
			case it.Kind == "row":
			case it.Kind == "tombstone" && it.ServerDeletedAt != nil && *it.ServerDeletedAt >= 0:
				items[i].Operation, items[i].DeletedAt = or3cloud.OpDelete, time.Unix(*it.ServerDeletedAt, 0)
			default:
				return nil, or3cloud.SnapshotPage{}, fmt.Errorf("snapshot item of kind %q without its members", it.Kind)
			}
		}
		out := or3cloud.SnapshotPage{SnapshotID: page.SnapshotID, HighWatermark: page.HighWatermark}
		if page.NextPageToken != nil {
			if out.NextPageToken = *page.NextPageToken; out.NextPageToken == "" {
				return nil, out, fmt.Errorf("the page token is empty instead of null")
			}
		}
		return items, out, nil
	}
}

// state turns rows into the form that the client models report.
func state(rows map[record]json.RawMessage) clientmodel.State {
	out := clientmodel.State{}
	for r, payload := range rows {
		out[clientmodel.Key{Table: r.table, PK: r.pk}] = string(payload)
	}
	return out
}

// checkFreshDevices lets a new base client and a new client of the newest kind join, and checks that both see the live
// rows of the ledger, byte for byte.
func checkFreshDevices(t testing.TB, d *device, workspace string, l *ledger, pageSize int) {
	t.Helper()
	want := state(l.live())
	base := clientmodel.NewBase()
	if err := base.Sync(d.puller(workspace), pageSize); err != nil {
		t.Errorf("base client, pages of %d: %v", pageSize, err)
	}
	if diff := cmp.Diff(want, base.Live()); diff != "" {
		t.Errorf("base client, pages of %d, sees other rows (-want +got):\n%.3000s", pageSize, diff)
	}
	later := clientmodel.NewLater()
	if err := later.Bootstrap(d.snapshotter(workspace), d.puller(workspace), pageSize); err != nil {
		t.Errorf("newest client, pages of %d: %v", pageSize, err)
	}
	if diff := cmp.Diff(want, later.Live()); diff != "" {
		t.Errorf("newest client, pages of %d, sees other rows (-want +got):\n%.3000s", pageSize, diff)
	}
}

// views are the databases of the devices of a recording, by device and workspace.
type views map[string]*view

// view is one device's database of one workspace.
type view struct {
	workspace string
	db        *clientmodel.Base
	cursor    int64
	err       error
}

// apply takes a page that a device has pulled.
func (v views) apply(device, workspace string, cursor int64, page pulled) {
	key := device + " in " + workspace
	if v[key] == nil {
		if cursor != 0 {
			return // its database is older than the recording
		}
		v[key] = &view{workspace: workspace, db: clientmodel.NewBase()}
	}
	if err := v[key].db.ApplyPage(cloudChanges(page)); err != nil && v[key].err == nil {
		v[key].err = err
	}
	v[key].cursor = max(v[key].cursor, page.NextCursor)
}

// checkConverged lets every device of a workspace catch up and checks that all see the live rows of the ledger.
func (v views) checkConverged(t testing.TB, d *device, workspace string, l *ledger) {
	t.Helper()
	want := state(l.live())
	for _, key := range slices.Sorted(maps.Keys(v)) {
		if v[key].workspace != workspace {
			continue
		}
		name, _, _ := strings.Cut(key, " ")
		d.pullAll(workspace, v[key].cursor, 300, func(page pulled) { v.apply(name, workspace, v[key].cursor, page) })
		if v[key].err != nil {
			t.Errorf("device %s: %v", key, v[key].err)
		}
		if diff := cmp.Diff(want, v[key].db.Live()); diff != "" {
			t.Errorf("device %s sees other rows (-want +got):\n%.3000s", key, diff)
		}
	}
}

// tally counts names, from several tests at once.
type tally struct {
	mu     sync.Mutex
	counts map[string]int
}

func (c *tally) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.counts == nil {
		c.counts = map[string]int{}
	}
	c.counts[name]++
}
