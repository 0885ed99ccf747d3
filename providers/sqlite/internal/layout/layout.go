// Package layout says how the rows of the sync database name things: entries of the log, tables, ids and records.
package layout

import (
	"bytes"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"slices"
	"strings"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/internal/jsstring"
)

// VersionBits is the part of a log id that holds the server version; see the migration for why 43.
const VersionBits = 43

// MaxVersion is the highest version that a log id can hold.
const MaxVersion = 1<<VersionBits - 1

// EntryID returns the log id of a version of a workspace.
func EntryID(workspace, version int64) int64 { return workspace<<VersionBits | version }

// VersionOf returns the version half of a log id.
func VersionOf(id int64) int64 { return id & MaxVersion }

// TableNumber returns the number under which a table is stored: its place in the order of the names, from 1, so that
// the numbers sort as a snapshot must. It is 0 for an unknown table.
func TableNumber(name string) int64 {
	i, ok := slices.BinarySearch(or3cloud.SyncTables[:], name)
	if !ok {
		return 0
	}
	return int64(i) + 1
}

// TableName is the inverse of TableNumber.
func TableName(number int64) string { return or3cloud.SyncTables[number-1] }

// OpNumber returns the number under which an operation is stored.
func OpNumber(o or3cloud.Operation) int64 {
	if o == or3cloud.OpDelete {
		return 1
	}
	return 0
}

// OpBits is the part of log.op that is the number of the operation. Above it is the state in which the entry left the
// record, had it won; entries from before the index say nothing there.
const OpBits = 1

// Operation is the inverse of OpNumber.
func Operation(number int64) or3cloud.Operation {
	if number&(1<<OpBits-1) == 1 {
		return or3cloud.OpDelete
	}
	return or3cloud.OpPut
}

// AllTables is the set of all tables, as TableSet returns it: bits 1 to 7.
const AllTables = 1<<(len(or3cloud.SyncTables)+1) - 2

// TableSet returns the bits of the named tables; unknown names have none, and no names mean all.
func TableSet(names []string) int64 {
	if len(names) == 0 {
		return AllTables
	}
	var set int64
	for _, n := range names {
		if t := TableNumber(n); t != 0 {
			set |= 1 << t
		}
	}
	return set
}

// Ids are stored packed: most are UUIDs in lower-case text, which fit into 16 bytes. The first byte says how to read
// the rest.
const (
	packedText   = 0
	packedUUID   = 1
	packedSHA256 = 2
	packedOp     = 3 // a length, a fingerprint of that length, and the packed id
)

const sha256Prefix = "sha256:"

// PackID appends the packed form of an id to b. UnpackID returns exactly the same text.
func PackID(b []byte, id string) []byte {
	if len(id) == 36 && id[8] == '-' && id[13] == '-' && id[18] == '-' && id[23] == '-' {
		start := len(b)
		b = append(b, packedUUID)
		ok := true
		for _, part := range [...]string{id[:8], id[9:13], id[14:18], id[19:23], id[24:]} {
			if b, ok = appendHex(b, part); !ok {
				break
			}
		}
		if ok {
			return b
		}
		b = b[:start]
	}
	if len(id) == len(sha256Prefix)+64 && strings.HasPrefix(id, sha256Prefix) {
		if packed, ok := appendHex(append(b, packedSHA256), id[len(sha256Prefix):]); ok {
			return packed
		}
	}
	return append(append(b, packedText), id...)
}

// SplitOp returns the fingerprint, if there is one, and the packed id of an op, as the log had them before there were
// blocks.
func SplitOp(b []byte) (fingerprint, id []byte) {
	if len(b) < 2 || b[0] != packedOp || len(b) < 2+int(b[1]) {
		return nil, b
	}
	return b[2:][:b[1]], b[2+int(b[1]):]
}

// appendHex decodes lower-case hex digits; ok is false for anything else.
func appendHex(b []byte, digits string) (_ []byte, ok bool) {
	for i := 0; i+1 < len(digits); i += 2 {
		hi, lo := nibble(digits[i]), nibble(digits[i+1])
		if hi|lo > 15 {
			return b, false
		}
		b = append(b, hi<<4|lo)
	}
	return b, true
}

// nibble returns the value of a lower-case hex digit, or 255.
func nibble(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	}
	return 255
}

// UnpackID returns the text that PackID packed.
func UnpackID(b []byte) string {
	var buf [128]byte // enough for all but those of foreign clients
	return string(AppendUnpackedID(buf[:0], b))
}

// AppendUnpackedID appends the text that PackID packed to dst.
func AppendUnpackedID(dst, b []byte) []byte {
	if len(b) == 0 {
		return dst
	}
	switch kind, rest := b[0], b[1:]; {
	case kind == packedUUID && len(rest) == 16:
		for i, end := range [...]int{4, 6, 8, 10, 16} {
			if i > 0 {
				dst = append(dst, '-')
			}
			dst = hex.AppendEncode(dst, rest[uuidStarts[i]:end])
		}
		return dst
	case kind == packedSHA256 && len(rest) == 32:
		return hex.AppendEncode(append(dst, sha256Prefix...), rest)
	default:
		return append(dst, rest...)
	}
}

// ErrDigests is the error for a list of digests that PackDigests has not made.
var ErrDigests = errors.New("a list of digests is damaged")

// PackDigests returns digests as they are stored beside an entry.
func PackDigests(digests []string) (b []byte) {
	for _, digest := range digests {
		b = AppendDigest(b, digest)
	}
	return b
}

// UnpackDigests returns the digests of a list; ok is false if it is damaged.
func UnpackDigests(b []byte) (digests []string, ok bool) {
	for len(b) > 0 {
		var digest string
		if digest, b, ok = ReadDigest(b); !ok {
			return digests, false
		}
		digests = append(digests, digest)
	}
	return digests, true
}

// AppendDigest appends a digest in a self-delimiting form. One in lower-case hex takes half its length.
func AppendDigest(b []byte, digest string) []byte {
	size := uint64(len(digest)) << 1
	start := len(b)
	if len(digest)%2 == 0 {
		packed, ok := appendHex(binary.AppendUvarint(b, size/2|1), digest)
		if ok {
			return packed
		}
	}
	return append(binary.AppendUvarint(b[:start], size), digest...)
}

// DigestSize returns how many bytes at the front of b are a digest; 0 if there is none.
func DigestSize[T string | []byte](b T) int {
	size, n := binary.Uvarint([]byte(b[:min(len(b), binary.MaxVarintLen64)]))
	if n <= 0 || size>>1 > uint64(len(b)-n) {
		return 0
	}
	return n + int(size>>1)
}

// ReadDigest returns the digest at the front of b, and what follows it. ok is false if there is none.
func ReadDigest(b []byte) (digest string, rest []byte, ok bool) {
	end := DigestSize(b)
	if end == 0 {
		return "", nil, false
	}
	size, n := binary.Uvarint(b)
	if size&1 == 0 {
		return string(b[n:end]), b[end:], true
	}
	return hex.EncodeToString(b[n:end]), b[end:], true
}

// uuidStarts is where the five groups of a UUID begin in its bytes.
var uuidStarts = [...]int{0, 4, 6, 8, 10}

// TokenEncoding is the encoding of page tokens and snapshot ids.
var TokenEncoding = base64.RawURLEncoding

// AppendUvarints appends numbers in a compact form.
func AppendUvarints(b []byte, ns ...int64) []byte {
	for _, n := range ns {
		b = binary.AppendUvarint(b, uint64(n))
	}
	return b
}

// ReadUvarints reads as many numbers as dst holds; ok is false if b is too short.
func ReadUvarints(b []byte, dst ...*int64) (rest []byte, ok bool) {
	for _, d := range dst {
		n, size := binary.Uvarint(b)
		if size <= 0 || n > 1<<62 {
			return nil, false
		}
		*d, b = int64(n), b[size:]
	}
	return b, true
}

// RecordKey returns the key of a record: its pk in UTF-16 order. That of a notification names its user, so that one id
// may be a record of each of several users, and none can block it for the others.
func RecordKey(pk string, owner []byte) []byte {
	key := jsstring.SortKey(pk)
	if owner != nil {
		key = append(append(key, 0), owner...)
	}
	return key
}

// RecordPK returns the pk of a record. No pk contains a zero byte.
func RecordPK(key []byte) string {
	pk, _, _ := bytes.Cut(key, []byte{0})
	return jsstring.FromSortKey(pk)
}
