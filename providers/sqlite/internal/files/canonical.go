package files

import (
	"bytes"
	"context"

	"github.com/ncruces/go-sqlite3"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/internal/sqlitex"
	"or3.chat/cloud/internal/syncschema"
	"or3.chat/cloud/providers/sqlite/internal/changelog"
	"or3.chat/cloud/providers/sqlite/internal/engine"
	"or3.chat/cloud/providers/sqlite/internal/index"
	"or3.chat/cloud/providers/sqlite/internal/layout"
)

var errBadCursor = or3cloud.Errorf(or3cloud.CodeInvalid, "Invalid canonical storage cursor")

// The kinds of cursors.
const (
	liveMetadata   = 'f'
	referenceEdges = 'e'
)

// canonicalCursor is the last item that was delivered.
type canonicalCursor struct {
	kind   byte
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
	c, ok := decodeCanonicalCursor(q.Cursor, liveMetadata)
	if !ok {
		return nil, c, errBadCursor
	}
	fileMeta := layout.TableNumber(or3cloud.TableFileMeta)
	err = f.log.View(ctx, func(r *changelog.Reader) error {
		refs := references(r, num, q.Hash, c)
		for len(items) < q.Limit && refs.Next() {
			if refs.Table != fileMeta {
				if q.Hash != "" { // it is the first table
					break
				}
				continue
			}
			item := or3cloud.CanonicalStorageItem{Hash: jsstring.FromSortKey(refs.Key)}
			_, err := engine.One(r.St.File, func(s *sqlite3.Stmt) {
				item.File = or3cloud.FileFacts{
					SizeBytes: s.ColumnInt64(0), UpdatedAt: s.ColumnFloat(1), StorageID: s.ColumnText(2), MIMEType: s.ColumnText(3),
					Name: s.ColumnText(4), Kind: s.ColumnText(5),
				}
			}, layout.EntryID(num, refs.Version))
			if err != nil {
				return err
			}
			c.table, c.digest, c.pk = refs.Table, refs.Digest, bytes.Clone(refs.Key)
			items = append(items, item)
		}
		return refs.Err()
	})
	return items, c, err
}

func (f *Files) referenceEdges(ctx context.Context, num int64, q or3cloud.CanonicalStorageQuery) (items []or3cloud.CanonicalStorageItem, c canonicalCursor, err error) {
	c, ok := decodeCanonicalCursor(q.Cursor, referenceEdges)
	if !ok {
		return nil, c, errBadCursor
	}
	fileMeta := layout.TableNumber(or3cloud.TableFileMeta)
	err = f.log.View(ctx, func(r *changelog.Reader) error {
		refs := references(r, num, q.Hash, c)
		for len(items) < q.Limit && refs.Next() {
			if refs.Table == fileMeta {
				continue
			}
			c.table, c.digest, c.pk = refs.Table, refs.Digest, bytes.Clone(refs.Key)
			items = append(items, or3cloud.CanonicalStorageItem{
				Hash: c.digest, SourceTable: layout.TableName(c.table), SourceID: jsstring.FromSortKey(c.pk),
			})
		}
		return refs.Err()
	})
	return items, c, err
}

// references are those after a cursor: to one content, if there is a hash, or to all.
func references(r *changelog.Reader, num int64, hash string, c canonicalCursor) *index.References {
	if hash != "" {
		return r.ReferencesTo(num, syncschema.Digest(hash), c.table, c.pk, 0)
	}
	return r.ReferencesAfter(num, c.digest, c.table, c.pk)
}
