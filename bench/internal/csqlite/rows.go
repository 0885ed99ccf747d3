package csqlite

import (
	"encoding/binary"
	"encoding/hex"
	"math"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/bench/internal/corpus"
	"or3.chat/cloud/internal/jsstring"
	"or3.chat/cloud/internal/syncschema"
)

// encode writes the next n ops of a source in the form in which the program reads them, as writer.c says.
func encode(source *corpus.Source, n, size, batch int) ([]byte, error) {
	ops, err := source.Ops(n)
	if err != nil {
		return nil, err
	}
	var rows encoder
	for i := range ops {
		rows.row(&ops[i])
	}
	var e encoder
	e.integers(int64(n), int64(size), int64(batch), int64(len(rows)))
	return append(e, rows...), nil
}

type encoder []byte

func (e *encoder) integers(values ...int64) {
	for _, v := range values {
		*e = binary.LittleEndian.AppendUint64(*e, uint64(v))
	}
}

func (e *encoder) text(b []byte) {
	if b == nil {
		e.integers(-1)
		return
	}
	e.integers(int64(len(b)))
	*e = append(*e, b...)
}

func (e *encoder) texts(texts ...string) {
	for _, t := range texts {
		e.text([]byte(t))
	}
}

// row writes an op in the form in which the layout keeps it.
func (e *encoder) row(o *or3cloud.Op) {
	var (
		op, state, keeps, files int64
		name                    []byte
		digests                 []string
	)
	switch {
	case o.Operation == or3cloud.OpDelete:
		op, state = 1, 2
	case o.Facts.Deleted:
		state = 1
	}
	switch o.Table {
	case or3cloud.TableKV:
		if op == 0 {
			name = jsstring.SortKey(o.Facts.Name)
		}
	case or3cloud.TableFileMeta:
		keeps = 1
		if state == 0 {
			files, digests = 1, []string{syncschema.Digest(o.PK)}
		}
	case or3cloud.TableMessages, or3cloud.TablePosts:
		keeps = 1
		if state == 0 {
			digests = o.Facts.FileHashes
		}
	}
	table, _ := slices.BinarySearch(or3cloud.SyncTables[:], o.Table)
	e.integers(int64(table)+1, op, state, o.Stamp.Clock)
	e.text(jsstring.SortKey(o.PK))
	e.text(packID(o.PK))
	e.text(packID(o.Stamp.OpID))
	e.texts(o.Stamp.HLC, o.Stamp.DeviceID)
	e.text(o.Payload)
	e.text(name)
	e.integers(keeps, files)
	if f := &o.Facts.File; files == 1 {
		e.integers(f.SizeBytes, int64(math.Float64bits(f.UpdatedAt)))
		e.texts(f.StorageID, f.MIMEType, f.Name, f.Kind)
	}
	e.integers(int64(len(digests)))
	e.texts(digests...)
}

// packID is the layout's form of ids: a byte that tells the kind, and the bytes of a UUID or a digest.
func packID(id string) []byte {
	if len(id) == 36 {
		if b, err := hex.DecodeString(strings.ReplaceAll(id, "-", "")); err == nil {
			return append([]byte{1}, b...)
		}
	}
	if rest, ok := strings.CutPrefix(id, "sha256:"); ok {
		if b, err := hex.DecodeString(rest); err == nil {
			return append([]byte{2}, b...)
		}
	}
	return append([]byte{0}, id...)
}
