package index

import (
	"strings"

	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// References are keys as well: that a record names a content, by the digest of the content. The value has the version
// of the winner that does so. The next winner, whatever it names, makes it obsolete; a reader that finds a reference
// checks the winner of its record.

// references stands in keys where others have the number of a table.
const references = 0xff

// digestKey returns the common beginning of the keys of the references to a digest.
func digestKey(b []byte, workspace int64, digest string) []byte {
	return layout.AppendDigest(head(b, workspace, references), digest)
}

// referenceStem is the part of a reference's key that all references to its digest share.
func referenceStem(key []byte) []byte {
	return key[:headSize+layout.DigestSize(key[headSize:])]
}

// PutReference adds that a record names a content, by the version of its winner. It belongs to the writer.
func PutReference(x *Index, workspace int64, digest string, table int64, key []byte, version int64) {
	b := append(digestKey(make([]byte, 0, 128), workspace, digest), byte(table))
	put(x, string(append(b, key...)), Winner{Version: version}.pack())
}

// Newest is the age of the newest run: later runs have nothing that a View with it has.
func (v *View) Newest() int64 {
	if len(v.state.runs) == 0 {
		return 0
	}
	return v.state.runs[0].age
}

// References goes through references in the order of digests, tables and keys. Those that a later winner has made
// obsolete are left out.
type References struct {
	// Digest, Table and Key say which record names which content. Key is valid until the next call of Next.
	Digest string
	Table  int64
	Key    []byte
	// Version is that of the winner.
	Version int64

	v      *View
	cursor cursor
	prefix string
	after  string
	left   int
	err    error
}

// ReferencesTo returns the references to a digest after that of one record. Those in runs that are not newer than an
// age are left out.
func (v *View) ReferencesTo(workspace int64, digest string, table int64, key []byte, newer int64) *References {
	prefix := string(digestKey(nil, workspace, digest))
	r := v.references(prefix, prefix, table, key)
	cursors := v.recentFrom(r.after)
	sum := v.index.seed.sum(prefix)
	for _, run := range v.state.runs {
		if run.age > newer && run.filter.has(sum) {
			cursors = append(cursors, v.from(run, r.after))
		}
	}
	return r.begin(cursors)
}

// ReferencesAfter returns the references of a workspace after one. The empty digest is before the first.
func (v *View) ReferencesAfter(workspace int64, digest string, table int64, key []byte) *References {
	r := v.references(string(head(nil, workspace, references)), string(digestKey(nil, workspace, digest)), table, key)
	if digest == "" && table == 0 {
		r.after = r.prefix
	}
	cursors := v.recentFrom(r.after)
	for _, run := range v.state.runs {
		cursors = append(cursors, v.from(run, r.after))
	}
	return r.begin(cursors)
}

func (v *View) references(prefix, digest string, table int64, key []byte) *References {
	r := &References{v: v, prefix: prefix, left: -1, err: v.usable(prefix)}
	r.after = digest
	if table > 0 {
		r.after += string(append([]byte{byte(table)}, key...))
	}
	return r
}

// recentFrom are cursors through what is recent, where there is something.
func (v *View) recentFrom(key string) (cursors []cursor) {
	for _, t := range []*tree{&v.state.recent, &v.state.frozen} {
		if t.root != nil {
			cursors = append(cursors, t.from(key))
		}
	}
	return cursors
}

func (r *References) begin(cursors []cursor) *References {
	if r.err == nil {
		r.cursor, r.err = newMerged(r.after, cursors...)
	}
	return r
}

// AtMost ends the references after this many keys were looked at, obsolete ones included.
func (r *References) AtMost(keys int) *References {
	r.left = keys
	return r
}

// Next goes to the next reference and reports whether there is one.
func (r *References) Next() bool {
	for r.err == nil && r.left != 0 {
		more, err := r.cursor.next()
		if err != nil || !more {
			r.err = err
			return false
		}
		key, value := r.cursor.at()
		if !strings.HasPrefix(string(key), r.prefix) {
			return false
		}
		if string(key) == r.after {
			continue
		}
		r.left--
		digest, rest, ok := layout.ReadDigest(key[headSize:])
		if !ok || len(rest) == 0 {
			r.err = errPiece
			return false
		}
		r.Digest, r.Table, r.Key, r.Version = digest, int64(rest[0]), rest[1:], unpackWinner(value).Version
		w, found, err := r.v.Winner(RecordKey(workspaceOf(key), r.Table, r.Key))
		if err != nil {
			r.err = err
			return false
		}
		if found && w.Version == r.Version {
			return true
		}
	}
	return false
}

// Err returns the error that ended the references, if any.
func (r *References) Err() error { return r.err }
