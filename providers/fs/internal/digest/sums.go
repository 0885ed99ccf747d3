// Package digest knows whether stored content is what was uploaded: a digest for each block of a blob, files that are
// verified as they are read, and reading ahead of the client.
package digest

import (
	"crypto/md5"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"hash/crc32"
	"io"

	or3cloud "or3.chat/cloud"
	"or3.chat/cloud/providers/fs/internal/volume"
)

const (
	// BlockSize is the part of a blob that has a digest of its own. A verified download holds as many in memory as fit
	// into a buffer.
	BlockSize = 64 << 10
	// sumsMagic begins a file of digests; its last character is the version of the format.
	sumsMagic = "or3sums1"
	sumSize   = crc32.Size
	// MaxEncoded limits what is read of a file of digests; it is enough for a blob of 256 GiB.
	MaxEncoded = 16 << 20
)

// castagnoli is the polynomial of the digests. They guard against a disk that decays, not against someone who changes
// files: anyone who can write the blob can write its digests. For that, CRC-32C is the better tool. It finds every
// change of up to three bits in a block and every burst of up to 32, misses one in four billion of the others, and
// processors compute it faster than disks deliver. The SHA-256 of the whole blob remains the proof of what it is.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// ErrDamaged is content that is not what was uploaded. Clients never see it as an absence, which they would take as an
// order to delete (contract, storage Pitfall 2).
var ErrDamaged = errors.New("fs: damaged blob")

// Sums are the digests of a blob, one per block. It is an io.Writer, so that it can digest a stream.
type Sums struct {
	size int64
	sums []uint32
}

// Write implements io.Writer; it never fails.
func (b *Sums) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		within := int(b.size % BlockSize)
		if within == 0 {
			b.sums = append(b.sums, 0)
		}
		n := min(len(rest), BlockSize-within)
		last := &b.sums[len(b.sums)-1]
		*last = crc32.Update(*last, castagnoli, rest[:n])
		b.size += int64(n)
		rest = rest[n:]
	}
	return len(p), nil
}

// Size is how many bytes the blob has.
func (b *Sums) Size() int64 { return b.size }

// Encode returns the digests as a file: magic, size of the blob, digests, and a digest of all of these; big-endian.
func (b *Sums) Encode() []byte {
	out := make([]byte, 0, len(sumsMagic)+8+sumSize*(len(b.sums)+1))
	out = append(out, sumsMagic...)
	out = binary.BigEndian.AppendUint64(out, uint64(b.size))
	for _, sum := range b.sums {
		out = binary.BigEndian.AppendUint32(out, sum)
	}
	return binary.BigEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
}

// Parse reads what Encode wrote. The error is volume.ErrCorrupt for anything else.
func Parse(encoded []byte) (*Sums, error) {
	const head = len(sumsMagic) + 8
	if len(encoded) < head+sumSize || string(encoded[:len(sumsMagic)]) != sumsMagic {
		return nil, fmt.Errorf("%w: these are not digests of this version", volume.ErrCorrupt)
	}
	end := len(encoded) - sumSize
	if crc32.Checksum(encoded[:end], castagnoli) != binary.BigEndian.Uint32(encoded[end:]) {
		return nil, fmt.Errorf("%w: the digests do not match their own digest", volume.ErrCorrupt)
	}
	size, body := binary.BigEndian.Uint64(encoded[len(sumsMagic):]), encoded[head:end]
	blocks := size / BlockSize
	if size%BlockSize > 0 {
		blocks++
	}
	if size > 1<<62 || len(body)%sumSize != 0 || uint64(len(body)/sumSize) != blocks {
		return nil, fmt.Errorf("%w: %d bytes of digests for a blob of %d", volume.ErrCorrupt, len(body), size)
	}
	b := &Sums{size: int64(size), sums: make([]uint32, blocks)}
	for i := range b.sums {
		b.sums[i] = binary.BigEndian.Uint32(body[i*sumSize:])
	}
	return b, nil
}

// Of computes the digests of a stored blob, or returns ErrDamaged if it does not have its hash.
func Of(f volume.File, h or3cloud.BlobHash) (*Sums, error) {
	buf := volume.TakeBuffer()
	defer volume.GiveBuffer(buf)
	sums, whole := &Sums{}, NewHash(h)
	// The reader is wrapped so that the copy uses the buffer.
	if _, err := io.CopyBuffer(io.MultiWriter(sums, whole), struct{ io.Reader }{f}, buf[:]); err != nil {
		return nil, err
	}
	if hex.EncodeToString(whole.Sum(nil)) != h.Digest() {
		return nil, fmt.Errorf("%w: the content does not match its hash", ErrDamaged)
	}
	return sums, nil
}

// NewHash returns the hash by which a content is addressed.
func NewHash(h or3cloud.BlobHash) hash.Hash {
	if h.Algorithm() == "md5" {
		return md5.New() // For files of old clients (contract, storage §11); it addresses content and proves nothing.
	}
	return sha256.New()
}
