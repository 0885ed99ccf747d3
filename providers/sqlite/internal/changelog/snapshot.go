package changelog

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/signed"
	"or3.chat/cloud/providers/sqlite/internal/block"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/entries"
	"or3.chat/cloud/providers/sqlite/internal/layout"
	"or3.chat/cloud/providers/sqlite/internal/members"
	"or3.chat/cloud/syncwire"
)

// snapshotLife is how long the pages of a snapshot can be read.
const snapshotLife = time.Hour

// snapshotSteps is how many records and older entries one page looks at. A page that has not found enough by then ends
// early: there may be any number of records that belong to other users or are newer than the snapshot.
const snapshotSteps = 10_000

// snapshotToken says where a snapshot continues. A snapshot is not a copy: it is the log read as of one version. The
// winner of a record at that version is the current one or is found by following prev from a waypoint, and the
// collector leaves alone what a snapshot of the last hour may still need. So the token is all the state there is, and
// it survives a restart. It is signed, for one user and workspace: a made-up one could ask for any version.
type snapshotToken struct {
	watermark, issuedAt, tables int64
	// table is where the snapshot stands, and version is the winner that the last record had when it was delivered or
	// passed there; 0 at the beginning of the table. The record itself may have a pk that is too long for a token.
	table, version int64
}

const snapshotOperation = "snapshot"

// claims returns what is signed.
func (t snapshotToken) claims(in or3cloud.SnapshotRequest) signed.Claims {
	return signed.Claims{
		Operation: snapshotOperation, Workspace: in.Scope.WorkspaceID, User: in.UserID,
		Hash:    string(layout.AppendUvarints(nil, t.watermark, t.issuedAt, t.tables, t.table, t.version)),
		Expires: time.UnixMilli(t.issuedAt).Add(snapshotLife),
	}
}

func snapshotTokenOf(c signed.Claims) (t snapshotToken, ok bool) {
	rest, ok := layout.ReadUvarints([]byte(c.Hash), &t.watermark, &t.issuedAt, &t.tables, &t.table, &t.version)
	return t, ok && len(rest) == 0 && c.Operation == snapshotOperation && t.table >= 1 && t.table <= int64(len(or3cloud.SyncTables))
}

// id names the snapshot; it is the same on all its pages.
func (t snapshotToken) id(workspace int64) string {
	return layout.TokenEncoding.EncodeToString(layout.AppendUvarints(nil, workspace, t.watermark, t.issuedAt, t.tables))
}

// Snapshot implements or3cloud.Snapshotter.
func (l *Log) Snapshot(ctx context.Context, in or3cloud.SnapshotRequest, emit func(*or3cloud.SnapshotItem) error) (or3cloud.SnapshotPage, error) {
	return l.SnapshotText(ctx, in, emit, nil)
}

// SnapshotText implements or3cloud.TextSnapshotter. If text is nil, it is Snapshot.
func (l *Log) SnapshotText(
	ctx context.Context, in or3cloud.SnapshotRequest, emit func(*or3cloud.SnapshotItem) error, text func(json []byte, n int) error,
) (or3cloud.SnapshotPage, error) {
	num, err := l.ws.Number(ctx, in.Scope.WorkspaceID)
	if err != nil {
		return or3cloud.SnapshotPage{}, err
	}
	at := snapshotToken{issuedAt: l.e.Now().UnixMilli(), tables: layout.TableSet(in.Tables), table: 1}
	if in.PageToken != "" {
		if at, err = resume(l.tokens, l.e.Now(), in); err != nil {
			return or3cloud.SnapshotPage{}, err
		}
	}
	page := or3cloud.SnapshotPage{}
	err = l.View(ctx, func(r *Reader) error {
		version, _, err := counter(r.Reader, num)
		if err != nil {
			return err
		}
		if in.PageToken == "" {
			at.watermark = version
		} else if at.watermark > version {
			return errBadToken
		}
		w := snapshotWalk{Reader: r, log: entries.Of(r.Reader), snapshotToken: &at, workspace: num, in: in, emit: emit, text: text}
		more, err := w.page()
		if err != nil {
			return err
		}
		page = or3cloud.SnapshotPage{SnapshotID: at.id(num), HighWatermark: at.watermark}
		if more {
			page.NextPageToken, err = l.tokens.Sign(at.claims(in))
		}
		return err
	})
	l.opts.Noticed(in.Scope.WorkspaceID, err)
	return page, err
}

var (
	errBadToken        = or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid snapshot page token")
	errSnapshotExpired = or3cloud.Errorf(or3cloud.CodeGone, "Snapshot expired or unavailable")
)

// resume checks a page token against the request that carries it.
func resume(tokens *signed.Signer, now time.Time, in or3cloud.SnapshotRequest) (snapshotToken, error) {
	claims, err := tokens.Verify(in.PageToken)
	if errors.Is(err, signed.ErrExpired) {
		return snapshotToken{}, errSnapshotExpired
	}
	t, ok := snapshotTokenOf(claims)
	switch {
	case err != nil || !ok:
		return t, errBadToken
	case claims.Workspace != in.Scope.WorkspaceID:
		return t, members.ErrForbidden
	case claims.User != in.UserID:
		return t, errBadToken
	case t.tables != layout.TableSet(in.Tables):
		return t, or3cloud.Errorf(or3cloud.CodeInvalid, "Snapshot table filter cannot change between pages")
	case now.Before(time.UnixMilli(t.issuedAt)):
		return t, errSnapshotExpired // the clock was set back
	}
	return t, nil
}

// snapshotWalk delivers one page: it first goes through records, then reads the entries that these had at the
// watermark, each block once, and then delivers them in the order of the records.
type snapshotWalk struct {
	*Reader
	*snapshotToken
	log       *entries.Reader
	workspace int64
	in        or3cloud.SnapshotRequest
	emit      func(*or3cloud.SnapshotItem) error
	text      func(json []byte, n int) error // if nil, everything goes to emit
	steps     int                            // records and entries that were looked at
	items     []snapshotItem
}

// snapshotItem is an item of the page.
type snapshotItem struct {
	table, record int64 // of the record: its table, and its winner now
	version       int64 // of the entry that was its winner at the watermark
	size          int
	text          []byte // as it is sent; nil if it is read when its turn comes
}

// page delivers records from the token's position and moves it on. It returns whether there may be more.
func (w *snapshotWalk) page() (more bool, err error) {
	if more, err = w.records(); err != nil {
		return false, err
	}
	var texts itemTexts
	defer texts.free()
	if err := w.read(&texts); err != nil {
		return false, err
	}
	size := 0
	for i := range w.items {
		it := &w.items[i]
		if size >= or3cloud.AnswerBytes {
			w.table, w.version = w.items[i-1].table, w.items[i-1].record
			return true, nil
		}
		if err := w.deliver(it); err != nil {
			return false, err
		}
		size += it.size
	}
	return more, nil
}

// records collects as many items as fit into a page and moves the token to the last record that it has looked at. It
// returns whether there are more records.
func (w *snapshotWalk) records() (more bool, err error) {
	key, err := w.position()
	if err != nil {
		return false, err
	}
	user := layout.PackID(nil, w.in.UserID)
	passed := false
	for last := w.table; w.table <= int64(len(or3cloud.SyncTables)); w.table, w.version, key, last = last+1, 0, nil, last+1 {
		if w.tables&(1<<w.table) == 0 {
			continue
		}
		for last < int64(len(or3cloud.SyncTables)) && w.tables&(1<<(last+1)) != 0 {
			last++
		}
		records := RecordsAfter(w.Reader, w.workspace, w.table, key, last)
		for records.Next() {
			if len(w.items) == w.in.PageSize || w.steps >= snapshotSteps && passed {
				return true, nil
			}
			passed = true
			w.table, w.version = records.Table, records.Version
			w.steps++
			if _, owner, single := bytes.Cut(records.Key, []byte{0}); single && !bytes.Equal(owner, user) {
				continue
			}
			version, err := w.winnerAt(records.Key, records.Version)
			if err != nil {
				return false, err
			}
			if version > 0 {
				w.items = append(w.items, snapshotItem{table: records.Table, record: records.Version, version: version})
			}
		}
		if err := records.Err(); err != nil {
			return false, err
		}
	}
	return false, nil
}

// position returns the key of the record that was passed last.
func (w *snapshotWalk) position() (key []byte, err error) {
	if w.version == 0 {
		return nil, nil
	}
	e, found, err := w.log.Entry(w.workspace, w.version)
	if err == nil && !found {
		err = errSnapshotExpired // a deletion that was dropped in the meantime
	}
	if err != nil {
		return nil, err
	}
	pk, err := e.PK()
	return layout.RecordKey(pk, e.Owner), err
}

// read finds the sizes of all items, and reads as many texts as a page may need.
func (w *snapshotWalk) read(texts *itemTexts) error {
	order := make([]int, len(w.items))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(w.items[a].version, w.items[b].version) })
	versions := make([]int64, len(order))
	for n, i := range order {
		versions[n] = w.items[i].version
	}
	room := or3cloud.AnswerBytes
	return w.log.Several(w.workspace, versions, entries.Wanted{
		Head: func(n int, e *block.Entry, size int) bool {
			w.items[order[n]].size = size
			if w.text == nil || e.Unchecked || size > block.FullText || size > room {
				return false
			}
			room -= size
			return true
		},
		Text: func(n int, e *block.Entry) (err error) {
			w.items[order[n]].text, err = texts.add(e)
			return err
		},
	})
}

// itemTexts holds items as they are sent until their turn comes, in pieces: a single text would be copied each time it
// grows.
type itemTexts struct {
	pieces []*[textPiece]byte
	used   int // of the last piece
}

// textPiece is the size of a piece in bytes: larger than any item that is held, including what the entry does not have
// of it.
const textPiece = 2 * block.FullText

var textPieces = sync.Pool{New: func() any { return new([textPiece]byte) }}

// add holds an entry as an item.
func (t *itemTexts) add(e *block.Entry) ([]byte, error) {
	if len(t.pieces) == 0 || textPiece-t.used < len(e.Text())+syncwire.ItemRoom {
		t.pieces, t.used = append(t.pieces, textPieces.Get().(*[textPiece]byte)), 0
	}
	text, err := e.AppendItem(t.pieces[len(t.pieces)-1][t.used:t.used])
	t.used += len(text)
	return text, err
}

// free releases the memory. The texts must not be used after it.
func (t *itemTexts) free() {
	for _, p := range t.pieces {
		textPieces.Put(p)
	}
}

// deliver delivers an item.
func (w *snapshotWalk) deliver(it *snapshotItem) error {
	if it.text != nil {
		return w.text(it.text, 1)
	}
	e, found, err := w.log.Entry(w.workspace, it.version)
	if err == nil && (!found || e.Dropped()) {
		err = missing(w.workspace, it.version)
	}
	if err != nil {
		return err
	}
	item := or3cloud.SnapshotItem{Table: layout.TableName(e.Table), Operation: e.Operation, Revision: e.Revision()}
	if item.PK, err = e.PK(); err != nil {
		return err
	}
	if item.Operation == or3cloud.OpDelete {
		item.DeletedAt = time.UnixMilli(e.At)
	} else {
		item.Payload = e.Payload()
	}
	return w.emit(&item)
}

// winnerAt returns the version that was a record's winner at the watermark; 0 if there was none. It starts from the
// first waypoint after the watermark, and so looks at follow.WaypointEvery entries at most.
func (w *snapshotWalk) winnerAt(key []byte, version int64) (int64, error) {
	if version <= w.watermark {
		return version, nil
	}
	_, err := engine.One(w.St.WaypointAfter, func(s *sqlite3.Stmt) { version = s.ColumnInt64(0) }, w.workspace, w.table, key, w.watermark)
	for version > w.watermark && err == nil {
		var e entries.Entry
		e, err = known(w.workspace, version, w.log.Winner)
		version = e.Prev
		w.steps++
	}
	return version, err
}
