package files

import (
	"context"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/db"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

var errBadCursor = or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid canonical storage cursor")

// canonicalCursor is the last item that was delivered.
type canonicalCursor struct {
	kind   byte // 'm' or 'r'
	table  int64
	digest string
	pk     []byte
}

func (c canonicalCursor) encode() string {
	b := layout.AppendUvarints([]byte{c.kind}, c.table, int64(len(c.digest)))
	return layout.TokenEncoding.EncodeToString(append(append(b, c.digest...), c.pk...))
}

// decodeCanonicalCursor reads a cursor of a kind; an empty text is the place before the first item.
func decodeCanonicalCursor(text string, kind byte) (canonicalCursor, bool) {
	c := canonicalCursor{kind: kind, pk: []byte{}}
	if text == "" {
		return c, true
	}
	b, err := layout.TokenEncoding.DecodeString(text)
	if err != nil || len(b) == 0 || b[0] != kind {
		return c, false
	}
	var size int64
	b, ok := layout.ReadUvarints(b[1:], &c.table, &size)
	if !ok || size > int64(len(b)) {
		return c, false
	}
	c.digest, c.pk = string(b[:size]), b[size:]
	return c, true
}

// QueryCanonicalStorage implements or3cloud.CanonicalStorage.
func (f *Files) QueryCanonicalStorage(ctx context.Context, q or3cloud.CanonicalStorageQuery) ([]or3cloud.CanonicalStorageItem, string, error) {
	num, err := f.ws.Number(ctx, q.Scope.WorkspaceID)
	if err != nil {
		return nil, "", err
	}
	var items []or3cloud.CanonicalStorageItem
	var last canonicalCursor
	switch q.Kind {
	case or3cloud.CanonicalLiveMetadata:
		items, last, err = f.liveFiles(ctx, num, q)
	case or3cloud.CanonicalReferenceEdges:
		items, last, err = f.referenceEdges(ctx, num, q)
	default:
		err = or3cloud.Errorf(or3cloud.CodeInvalid, "Unknown canonical storage query")
	}
	if err != nil || len(items) < q.Limit {
		return items, "", sqlitex.Translate(err)
	}
	return items, last.encode(), nil
}

func (f *Files) liveFiles(ctx context.Context, num int64, q or3cloud.CanonicalStorageQuery) (items []or3cloud.CanonicalStorageItem, c canonicalCursor, err error) {
	c, ok := decodeCanonicalCursor(q.Cursor, 'm')
	if !ok {
		return nil, c, errBadCursor
	}
	var rows []db.FilesAfterRow
	if q.Hash == "" {
		rows, err = f.e.Q.FilesAfter(ctx, db.FilesAfterParams{Workspace: num, Digest: c.digest, Pk: c.pk, Max: int64(q.Limit)})
	} else {
		var of []db.FilesOfDigestRow
		of, err = f.e.Q.FilesOfDigest(ctx, db.FilesOfDigestParams{
			Workspace: num, Digest: syncschema.Digest(q.Hash), Pk: c.pk, Max: int64(q.Limit),
		})
		for _, r := range of {
			rows = append(rows, db.FilesAfterRow(r))
		}
	}
	for _, r := range rows {
		c.digest, c.pk = r.Digest, r.Pk
		items = append(items, or3cloud.CanonicalStorageItem{
			Hash: jsstring.FromSortKey(r.Pk),
			File: or3cloud.FileFacts{
				StorageID: r.StorageID, MIMEType: r.MimeType, Name: r.Name, Kind: r.Kind, SizeBytes: r.SizeBytes, UpdatedAt: r.UpdatedAt,
			},
		})
	}
	return items, c, err
}

func (f *Files) referenceEdges(ctx context.Context, num int64, q or3cloud.CanonicalStorageQuery) (items []or3cloud.CanonicalStorageItem, c canonicalCursor, err error) {
	c, ok := decodeCanonicalCursor(q.Cursor, 'r')
	if !ok {
		return nil, c, errBadCursor
	}
	fileMeta := layout.TableNumber(or3cloud.TableFileMeta)
	var rows []db.RefsAfterRow
	if q.Hash == "" {
		rows, err = f.e.Q.RefsAfter(ctx, db.RefsAfterParams{
			Workspace: num, Digest: c.digest, Tbl: c.table, Pk: c.pk, FileMeta: fileMeta, Max: int64(q.Limit),
		})
	} else {
		var of []db.RefsOfDigestRow
		of, err = f.e.Q.RefsOfDigest(ctx, db.RefsOfDigestParams{
			Workspace: num, Digest: syncschema.Digest(q.Hash), Tbl: c.table, Pk: c.pk, FileMeta: fileMeta, Max: int64(q.Limit),
		})
		for _, r := range of {
			rows = append(rows, db.RefsAfterRow(r))
		}
	}
	for _, r := range rows {
		c.digest, c.table, c.pk = r.Digest, r.Tbl, r.Pk
		items = append(items, or3cloud.CanonicalStorageItem{
			Hash: r.Digest, SourceTable: layout.TableName(r.Tbl), SourceID: jsstring.FromSortKey(r.Pk),
		})
	}
	return items, c, err
}
