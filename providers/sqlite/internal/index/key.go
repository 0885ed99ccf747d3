package index

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"strings"

	"or3.chat/cloud/providers/sqlite/internal/layout"
)

// Keys are ordered byte strings. Each begins with the number of its workspace and one byte for the table; op ids are
// table 0, and references (see there) the last.
const (
	headSize    = 4
	hashSize    = 6
	stemSize    = headSize + hashSize
	versionSize = 6
)

func head(b []byte, workspace, table int64) []byte {
	return append(b, byte(workspace>>16), byte(workspace>>8), byte(workspace), byte(table))
}

// RecordKey returns the key of a record of a table, from 1 on.
func RecordKey(workspace, table int64, key []byte) string {
	return string(append(head(make([]byte, 0, 64), workspace, table), key...))
}

// Key stands for an op id: six bytes of its hash.
type Key = [hashSize]byte

// Hash makes the key of an op id.
type Hash func(opID []byte) Key

// KeyedHash returns a hash that cannot be predicted without the key, so that no one can make op ids that share one.
// Whatever is found under a hash is still looked up in the log: some share one by chance.
func KeyedHash(key []byte) Hash {
	return func(opID []byte) (h Key) {
		sum := sha256.Sum256(append(append(make([]byte, 0, 128), key...), opID...))
		copy(h[:], sum[:])
		return h
	}
}

// OpKey returns the beginning of the keys of an op id: an op id is found under each version that its hash had.
func OpKey(workspace int64, hash Key) string {
	return string(append(head(make([]byte, 0, stemSize), workspace, 0), hash[:]...))
}

// opKeyAt returns the full key of an op id.
func opKeyAt(workspace int64, hash Key, version int64) string {
	b := append(head(make([]byte, 0, stemSize+versionSize), workspace, 0), hash[:]...)
	var v [8]byte
	binary.BigEndian.PutUint64(v[:], uint64(version))
	return string(append(b, v[8-versionSize:]...))
}

// isOp reports whether a key is that of an op id.
func isOp(key []byte) bool {
	return len(key) == stemSize+versionSize && key[headSize-1] == 0
}

// versionOf returns the version in the full key of an op id.
func versionOf[T string | []byte](key T) (version int64) {
	for i := stemSize; i < stemSize+versionSize; i++ {
		version = version<<8 | int64(key[i])
	}
	return version
}

// workspaceOf returns the number of the workspace in a key.
func workspaceOf[T string | []byte](key T) int64 {
	return int64(key[0])<<16 | int64(key[1])<<8 | int64(key[2])
}

// stem is the part of a key that a filter knows it by: for a record's key the part before a zero byte, so that a filter
// also knows whether any record begins with that.
func stem(key []byte) []byte {
	switch {
	case isOp(key):
		return key[:stemSize]
	case key[headSize-1] == references:
		return referenceStem(key)
	}
	if i := bytes.IndexByte(key[headSize:], 0); i >= 0 {
		return key[:headSize+i]
	}
	return key
}

// stemOf returns the stem of a record's key, and stemOfAll that of all records between two keys; empty if there is not
// exactly one.
func stemOf(key string) string {
	if i := strings.IndexByte(key[headSize:], 0); i >= 0 {
		return key[:headSize+i]
	}
	return key
}

func stemOfAll(from, until string) string {
	if s := stemOf(from); len(from) > len(s) && len(until) == len(s)+1 && until[:len(s)] == s && until[len(s)] == 1 {
		return s
	}
	return ""
}

// Winner is what the index keeps of the winner of a record.
type Winner struct {
	Version int64
	// State is the state of the record, 0 to 7.
	State int64
	// Nth counts the winners that the record has had, and starts at 0 again after 63.
	Nth int64
}

const (
	nthBits   = 6
	stateBits = 3
)

func (w Winner) pack() uint64 {
	return uint64(w.Version)<<(nthBits+stateBits) | uint64(w.Nth&(1<<nthBits-1))<<stateBits | uint64(w.State&(1<<stateBits-1))
}

func unpackWinner(v uint64) Winner {
	return Winner{Version: int64(v >> (nthBits + stateBits)), State: int64(v & (1<<stateBits - 1)), Nth: int64(v >> stateBits & (1<<nthBits - 1))}
}

// entryOf returns the id of the log entry that a key and its value stand for.
func entryOf(key []byte, value uint64) int64 {
	version := int64(value >> (nthBits + stateBits))
	if isOp(key) {
		version = versionOf(key)
	}
	return layout.EntryID(workspaceOf(key), version)
}
