// Package clientmodel models what OR3 Chat clients do with the answers of a sync server, so that tests can see what a
// user would see: the base client, which compares every change of a page with the rows it had before the page, and
// the newest client, which starts from a snapshot and checks every answer (contract, client-behaviour §4, §5, §9).
// It is for tests only.
package clientmodel

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"unicode/utf16"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/syncschema"
)

// Key names a record.
type Key struct{ Table, PK string }

// State is what a user sees: the payloads of the live records.
type State map[Key]string

// Pull fetches one page.
type Pull func(cursor int64, limit int) ([]or3cloud.Change, or3cloud.PullPage, error)

// Snapshot fetches one page of a snapshot.
type Snapshot func(pageToken string, pageSize int) ([]or3cloud.SnapshotItem, or3cloud.SnapshotPage, error)

// Expected returns the state that all devices must reach after ops, whatever their order: for each record, the winner
// by (clock, hlc, opId), if it is a put without deleted:true.
func Expected(ops []or3cloud.Op) State {
	winners := map[Key]*or3cloud.Op{}
	for i := range ops {
		op := &ops[i]
		k := Key{op.Table, op.PK}
		if w := winners[k]; w == nil || w.Stamp.Revision().Less(op.Stamp.Revision()) {
			winners[k] = op
		}
	}
	out := State{}
	for k, op := range winners {
		if op.Operation == or3cloud.OpPut && !op.Facts.Deleted {
			out[k] = string(op.Payload)
		}
	}
	return out
}

// row is a record in a client's database.
type row struct {
	payload string
	rev     or3cloud.Revision
	deleted bool
	name    string // of a kv row
}

func rowOf(table, pk string, payload []byte, rev or3cloud.Revision) (row, error) {
	op := or3cloud.Op{
		Table: table, Operation: or3cloud.OpPut, PK: pk, Payload: payload,
		Stamp: or3cloud.Stamp{DeviceID: "model", OpID: rev.OpID, HLC: rev.HLC, Clock: rev.Clock},
	}
	if p := syncschema.Check(&op); p != nil {
		return row{}, fmt.Errorf("%s %s: %s", table, pk, p.Text)
	}
	return row{payload: string(payload), rev: rev, deleted: op.Facts.Deleted, name: op.Facts.Name}, nil
}

// rows is a client's database.
type rows map[Key]row

// put stores a row. Two kv rows with the same name violate the client's unique index.
func (r rows) put(k Key, v row) error {
	if k.Table == or3cloud.TableKV {
		for other, o := range r {
			if other.Table == k.Table && other.PK != k.PK && o.name == v.name {
				return fmt.Errorf("kv rows %s and %s have the same name", other.PK, k.PK)
			}
		}
	}
	r[k] = v
	return nil
}

func (r rows) live() State {
	out := State{}
	for k, v := range r {
		if !v.deleted {
			out[k] = v.payload
		}
	}
	return out
}

// Base is a base client's database.
type Base struct {
	rows       rows
	tombstones map[Key]int64 // clock
	cursor     int64
}

// NewBase returns an empty device.
func NewBase() *Base { return &Base{rows: rows{}, tombstones: map[Key]int64{}} }

// Live returns what the user sees.
func (d *Base) Live() State { return d.rows.live() }

// Cursor returns the version up to which the device has applied changes, which is what it reports.
func (d *Base) Cursor() int64 { return d.cursor }

// Sync pulls everything after the device's cursor.
func (d *Base) Sync(pull Pull, limit int) error {
	for {
		changes, page, err := pull(d.cursor, limit)
		if err != nil {
			return err
		}
		if page.HasMore && page.NextCursor <= d.cursor {
			return fmt.Errorf("hasMore without progress at cursor %d", d.cursor)
		}
		if err := d.ApplyPage(changes); err != nil {
			return err
		}
		d.cursor = max(d.cursor, page.NextCursor)
		if !page.HasMore {
			return nil
		}
	}
}

// Rescan pulls everything again, as the base client does once a day. It removes no rows.
func (d *Base) Rescan(pull Pull, limit int) error {
	d.cursor = 0
	return d.Sync(pull, limit)
}

// ApplyPage applies one page in one transaction, as the base client does: rows and tombstones are looked up once,
// before the page.
func (d *Base) ApplyPage(changes []or3cloud.Change) error {
	before, tombs := rows{}, map[Key]int64{}
	for _, c := range changes {
		k := Key{c.Table, c.PK}
		if v, ok := d.rows[k]; ok {
			before[k] = v
		}
		if t, ok := d.tombstones[k]; ok {
			tombs[k] = t
		}
	}
	for _, c := range changes {
		k, rev := Key{c.Table, c.PK}, c.Stamp.Revision()
		old, exists := before[k]
		wins := !exists || rev.Clock > old.rev.Clock || rev.Clock == old.rev.Clock && rev.HLC > old.rev.HLC
		if c.Operation == or3cloud.OpDelete {
			if !wins {
				continue
			}
			if exists && !old.deleted {
				old.deleted, old.rev = true, rev
				d.rows[k] = old
			}
			d.tombstones[k] = rev.Clock
			continue
		}
		if t, dead := tombs[k]; dead && t >= rev.Clock || !wins {
			continue
		}
		v, err := rowOf(c.Table, c.PK, c.Payload, rev)
		if err != nil {
			return err
		}
		if err := d.rows.put(k, v); err != nil {
			return err
		}
	}
	return nil
}

// Later is the newest client's database.
type Later struct {
	rows       rows
	tombstones map[Key]or3cloud.Revision
	cursor     int64
}

// NewLater returns an empty device.
func NewLater() *Later { return &Later{rows: rows{}, tombstones: map[Key]or3cloud.Revision{}} }

// Live returns what the user sees.
func (d *Later) Live() State { return d.rows.live() }

// Cursor returns the version up to which the device has applied changes, which is what it reports.
func (d *Later) Cursor() int64 { return d.cursor }

// Bootstrap installs a snapshot and pulls from its watermark. The client has no other way to start.
func (d *Later) Bootstrap(snapshot Snapshot, pull Pull, limit int) error {
	items, watermark, err := collect(snapshot, limit)
	if err != nil {
		return err
	}
	if err := d.Install(items); err != nil {
		return err
	}
	d.cursor = watermark
	return d.Sync(pull, limit)
}

// collect fetches all pages of a snapshot and makes the client's checks across pages.
func collect(snapshot Snapshot, size int) (all []or3cloud.SnapshotItem, watermark int64, err error) {
	token, id, seen := "", "", map[string]bool{}
	for {
		items, page, err := snapshot(token, size)
		if err != nil {
			return nil, 0, err
		}
		if token == "" {
			id, watermark = page.SnapshotID, page.HighWatermark
		}
		switch {
		case page.SnapshotID == "" || page.SnapshotID != id || page.HighWatermark != watermark:
			return nil, 0, fmt.Errorf("snapshot %q at %d became %q at %d", id, watermark, page.SnapshotID, page.HighWatermark)
		case len(items) > size:
			return nil, 0, fmt.Errorf("%d items in a page of %d", len(items), size)
		case len(page.NextPageToken) > 4096 || seen[page.NextPageToken]:
			return nil, 0, fmt.Errorf("page token of %d characters, seen before: %t", len(page.NextPageToken), seen[page.NextPageToken])
		}
		all = append(all, items...)
		if token = page.NextPageToken; token == "" {
			return all, watermark, nil
		}
		seen[token] = true
	}
}

// Install replaces the database with a snapshot, in one transaction.
func (d *Later) Install(items []or3cloud.SnapshotItem) error {
	fresh, tombs := rows{}, map[Key]or3cloud.Revision{}
	var last []uint16
	for _, it := range items {
		k := Key{it.Table, it.PK}
		order := utf16.Encode([]rune(it.Table + "\x00" + it.PK))
		if last != nil && slices.Compare(last, order) >= 0 {
			return fmt.Errorf("snapshot out of order at %s %s", it.Table, it.PK)
		}
		last = order
		switch {
		case !slices.Contains(or3cloud.SyncTables[:], it.Table):
			return fmt.Errorf("snapshot of unknown table %s", it.Table)
		case it.Revision.HLC == "" || it.Revision.OpID == "":
			return fmt.Errorf("snapshot item %s %s without revision", it.Table, it.PK)
		case it.Operation == or3cloud.OpDelete:
			tombs[k] = it.Revision
			continue
		}
		v, err := rowOf(it.Table, it.PK, it.Payload, it.Revision)
		if err != nil {
			return err
		}
		if err := fresh.put(k, v); err != nil {
			return err
		}
	}
	d.rows, d.tombstones = fresh, tombs
	return nil
}

// ErrSnapshotRequired is the error of a newest client's Sync if the server has dropped history that the device lacks.
var ErrSnapshotRequired = errors.New("snapshot required")

// Sync pulls everything after the device's cursor, and checks every answer as the client does.
func (d *Later) Sync(pull Pull, limit int) error {
	for {
		changes, page, err := pull(d.cursor, limit)
		if err != nil {
			return err
		}
		if err := CheckPage(d.cursor, limit, changes, page); err != nil {
			return err
		}
		if page.RequiresSnapshot {
			return fmt.Errorf("%w at cursor %d", ErrSnapshotRequired, d.cursor)
		}
		if err := d.ApplyPage(changes); err != nil {
			return err
		}
		d.cursor = page.NextCursor
		if !page.HasMore {
			return nil
		}
	}
}

// CheckPage applies the rules by which the newest client rejects a pull answer (contract, client-behaviour §9).
func CheckPage(cursor int64, limit int, changes []or3cloud.Change, page or3cloud.PullPage) error {
	last, seen := cursor, map[string]bool{}
	for _, c := range changes {
		switch {
		case c.ServerVersion <= last || c.ServerVersion > page.NextCursor:
			return fmt.Errorf("version %d after %d with nextCursor %d", c.ServerVersion, last, page.NextCursor)
		case seen[c.Stamp.OpID] || !syncschema.IsUUID(c.Stamp.OpID):
			return fmt.Errorf("op id %q repeated or no UUID", c.Stamp.OpID)
		case c.Operation == or3cloud.OpPut && !bytes.HasPrefix(c.Payload, []byte("{")):
			return fmt.Errorf("put of %s %s without an object", c.Table, c.PK)
		}
		last, seen[c.Stamp.OpID] = c.ServerVersion, true
	}
	switch {
	case len(changes) > limit:
		return fmt.Errorf("%d changes, limit %d", len(changes), limit)
	case page.NextCursor < cursor:
		return fmt.Errorf("nextCursor %d below cursor %d", page.NextCursor, cursor)
	case page.HasMore && page.NextCursor == cursor:
		return fmt.Errorf("hasMore without progress at cursor %d", cursor)
	}
	return nil
}

// ApplyPage applies changes one after the other, each to the state that the previous one left.
func (d *Later) ApplyPage(changes []or3cloud.Change) error {
	for _, c := range changes {
		k, rev := Key{c.Table, c.PK}, c.Stamp.Revision()
		if old, ok := d.rows[k]; ok && !old.rev.Less(rev) {
			continue
		}
		if t, ok := d.tombstones[k]; ok && !t.Less(rev) {
			continue
		}
		if c.Operation == or3cloud.OpDelete {
			d.tombstones[k] = rev
			if old, ok := d.rows[k]; ok {
				old.deleted, old.rev = true, rev
				d.rows[k] = old
			}
			continue
		}
		v, err := rowOf(c.Table, c.PK, c.Payload, rev)
		if err != nil {
			return err
		}
		if err := d.rows.put(k, v); err != nil {
			return err
		}
		delete(d.tombstones, k)
	}
	return nil
}
