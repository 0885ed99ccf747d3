package fs

import (
	"context"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	iofs "io/fs"
	"or3.chat/cloud/providers/fs/internal/volume"
	"slices"
	"strings"
	"sync"
)

const (
	// blockSize is the part of a blob that has a digest of its own. A verified download holds as many in memory as a buffer
	// has room for.
	blockSize = 64 << 10
	// sumsSuffix makes the name of a generation's digests from the generation's.
	sumsSuffix = ".sums"
	// sumsMagic opens a file of digests; its last character is the version of the format.
	sumsMagic = "or3sums1"
	sumSize   = crc32.Size
	// maxSums bounds what is read of a file of digests; it is enough for a blob of 256 GiB.
	maxSums = 16 << 20
)

// castagnoli is the polynomial of the digests. What they guard against is a disk that decays, not somebody who changes
// files: whoever can write the blob can write its digests. For that CRC-32C is the better tool. It finds every change of
// up to three bits in a block and every burst of up to 32, misses one in four billion of the others, and processors
// compute it faster than disks deliver. The SHA-256 of the whole blob stays the proof of what it is.
var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// errDamaged is content that is not what was uploaded. Clients never see it as an absence, which they would take as an
// order to delete (contract, storage Pitfall 2).
var errDamaged = errors.New("fs: damaged blob")

// blockSums are the digests of a blob, one per block. It is an io.Writer, so that they can be taken of a stream.
type blockSums struct {
	size int64
	sums []uint32
}

// Write implements io.Writer; it never fails.
func (b *blockSums) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		within := int(b.size % blockSize)
		if within == 0 {
			b.sums = append(b.sums, 0)
		}
		n := min(len(rest), blockSize-within)
		last := &b.sums[len(b.sums)-1]
		*last = crc32.Update(*last, castagnoli, rest[:n])
		b.size += int64(n)
		rest = rest[n:]
	}
	return len(p), nil
}

// encode returns the digests as a file: magic, size of the blob, digests, and a digest of all that; big-endian.
func (b *blockSums) encode() []byte {
	out := make([]byte, 0, len(sumsMagic)+8+sumSize*(len(b.sums)+1))
	out = append(out, sumsMagic...)
	out = binary.BigEndian.AppendUint64(out, uint64(b.size))
	for _, sum := range b.sums {
		out = binary.BigEndian.AppendUint32(out, sum)
	}
	return binary.BigEndian.AppendUint32(out, crc32.Checksum(out, castagnoli))
}

// parseSums reads what encode wrote. Any other content is errCorrupt.
func parseSums(encoded []byte) (*blockSums, error) {
	const head = len(sumsMagic) + 8
	if len(encoded) < head+sumSize || string(encoded[:len(sumsMagic)]) != sumsMagic {
		return nil, fmt.Errorf("%w: these are no digests of this version", volume.ErrCorrupt)
	}
	end := len(encoded) - sumSize
	if crc32.Checksum(encoded[:end], castagnoli) != binary.BigEndian.Uint32(encoded[end:]) {
		return nil, fmt.Errorf("%w: the digests do not have their own digest", volume.ErrCorrupt)
	}
	size, body := binary.BigEndian.Uint64(encoded[len(sumsMagic):]), encoded[head:end]
	blocks := size / blockSize
	if size%blockSize > 0 {
		blocks++
	}
	if size > 1<<62 || len(body)%sumSize != 0 || uint64(len(body)/sumSize) != blocks {
		return nil, fmt.Errorf("%w: %d bytes of digests for a blob of %d", volume.ErrCorrupt, len(body), size)
	}
	b := &blockSums{size: int64(size), sums: make([]uint32, blocks)}
	for i := range b.sums {
		b.sums[i] = binary.BigEndian.Uint32(body[i*sumSize:])
	}
	return b, nil
}

// parseSumsName takes the name of a file of digests apart.
func parseSumsName(workspace, name string) (k blobKey, generation string, ok bool) {
	name, ok = strings.CutSuffix(name, sumsSuffix)
	if !ok {
		return k, "", false
	}
	k, generation, sidecar, ok := parseName(workspace, name)
	return k, generation, ok && !sidecar
}

// findVerified is find for a reader who must not get a damaged byte.
func (s *Storage) findVerified(ctx context.Context, k blobKey) (volume.File, record, error) {
	return s.lookup(k, func(k blobKey, generation string) (volume.File, error) { return s.openVerified(ctx, k, generation) })
}

// openVerified opens one generation so that what is read has been verified. One that was stored before there were
// digests is returned as it is. Digests that are damaged themselves are made anew, if the blob as a whole has its hash.
func (s *Storage) openVerified(ctx context.Context, k blobKey, generation string) (volume.File, error) {
	// The digests come before the blob and go after it. Looked for first, their absence means that there never were any.
	sums, err := s.readSums(k, generation)
	if err != nil && !errors.Is(err, iofs.ErrNotExist) && !errors.Is(err, volume.ErrCorrupt) {
		return nil, err
	}
	f, openErr := s.openGeneration(k, generation)
	if openErr != nil || errors.Is(err, iofs.ErrNotExist) {
		return f, openErr
	}
	if err != nil {
		if sums, err = sumsOf(f, k); err != nil {
			f.Close()
			if errors.Is(err, errDamaged) {
				s.reportDamage(ctx, k, generation, err)
			}
			return nil, err
		}
		if err := s.replaceSums(k, generation, sums); err != nil {
			s.Log.WarnContext(ctx, "damaged digests of a blob cannot be replaced; until then it is read twice", "err", err)
		}
	}
	return &verifiedFile{File: f, sums: sums}, nil
}

// readSums reads the digests of a generation; iofs.ErrNotExist if it has none.
func (s *Storage) readSums(k blobKey, generation string) (*blockSums, error) {
	encoded, err := volume.ReadAll(s.Disk, k.live(generation)+sumsSuffix, maxSums)
	if errors.Is(err, iofs.ErrNotExist) {
		encoded, err = volume.ReadAll(s.Disk, k.trash(generation)+sumsSuffix, maxSums)
	}
	if err != nil {
		return nil, err
	}
	return parseSums(encoded)
}

// sumsOf takes the digests of a stored blob, and errDamaged if it does not have its hash.
func sumsOf(f volume.File, k blobKey) (*blockSums, error) {
	buf := buffers.Get().(*[bufferSize]byte)
	defer buffers.Put(buf)
	sums, whole := &blockSums{}, newHash(k.hash)
	// The reader is wrapped so that the copy uses the buffer.
	if _, err := io.CopyBuffer(io.MultiWriter(sums, whole), struct{ io.Reader }{f}, buf[:]); err != nil {
		return nil, err
	}
	if hex.EncodeToString(whole.Sum(nil)) != k.hash.Digest() {
		return nil, fmt.Errorf("%w: the content does not have its hash", errDamaged)
	}
	return sums, nil
}

// replaceSums gives a generation in use new digests.
func (s *Storage) replaceSums(k blobKey, generation string, sums *blockSums) error {
	defer s.locks.lock(k)()
	live := k.live(generation)
	if _, err := s.Disk.Lstat(live); errors.Is(err, iofs.ErrNotExist) {
		return nil // In the trash by now.
	}
	return s.writeAtomic(k, live+sumsSuffix, sums.encode())
}

// reportDamage notes that a generation is damaged, in the sidecar too, and logs it once. A blob with that note is still
// served where it is whole, but the next upload of the same content replaces it.
func (s *Storage) reportDamage(ctx context.Context, k blobKey, generation string, damage error) {
	defer s.locks.lock(k)()
	now := s.Now().UTC()
	rec, err := readRecord(s.Disk, k)
	if err == nil && rec.Generation == generation {
		s.scrub.damaged(k, now)
		if rec.DamagedAt != nil {
			return
		}
		rec.DamagedAt = &now
		err = s.writeRecord(k, rec)
	}
	s.Log.ErrorContext(ctx, "A STORED BLOB IS DAMAGED: the disk has changed it, and what it has changed is not served",
		"workspace", k.workspace, "hash", string(k.hash), "generation", generation, "damage", damage, "err", err)
}

// dropOrphanedSums removes digests whose blob is gone: what interrupted uploads and deletions leave.
func (c *collection) dropOrphanedSums(k blobKey, generation, name string) error {
	defer c.locks.lock(k)()
	for _, blob := range []string{k.live(generation), k.trash(generation)} {
		if _, err := c.Disk.Lstat(blob); !errors.Is(err, iofs.ErrNotExist) {
			return err
		}
	}
	return c.Disk.Remove(name)
}

// removeGeneration removes a copy of a blob and then its digests.
func (s *Storage) removeGeneration(name string) error {
	if err := s.Disk.Remove(name); err != nil {
		return err
	}
	return ignoreAbsence(s.Disk.Remove(name + sumsSuffix))
}

func ignoreAbsence(err error) error {
	if errors.Is(err, iofs.ErrNotExist) {
		return nil
	}
	return err
}

// verifiedFile is a blob that is read in whole blocks, each of which has to have its digest before any of its bytes are
// handed out. The kernel can therefore not send it by itself.
type verifiedFile struct {
	volume.File
	sums *blockSums

	// http.ServeContent may still read in a goroutine of its own when the file is closed.
	mu     sync.Mutex
	offset int64
	buffer []byte            // what is read into: a window of a readAhead, or own
	own    *[bufferSize]byte // nil until it is needed
	loaded int64             // the index of the first block that is in the buffer
	have   int64             // how many verified bytes are in the buffer
	at     int64             // where the file is read next
	fault  error             // the first failure; nothing is read after it
	closed bool
}

// Read implements io.Reader.
func (v *verifiedFile) Read(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.load(int64(len(p))); err != nil {
		return 0, err
	}
	n := copy(p, v.verified())
	v.offset += int64(n)
	return n, nil
}

// next returns bytes from the offset on, at most limit of them, and goes past them. They are valid until the next call of
// any method.
func (v *verifiedFile) next(limit int64) ([]byte, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.load(limit); err != nil {
		return nil, err
	}
	p := v.verified()
	p = p[:min(int64(len(p)), limit)]
	v.offset += int64(len(p))
	return p, nil
}

// readInto makes p the buffer, instead of one of the file's own if p is not nil. Verified bytes that are in it are forgotten.
func (v *verifiedFile) readInto(p []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.buffer, v.have = p, 0
}

// verified is what is in memory from the offset on.
func (v *verifiedFile) verified() []byte { return v.buffer[v.offset-v.loaded*blockSize : v.have] }

// Seek implements io.Seeker.
func (v *verifiedFile) Seek(offset int64, whence int) (int64, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch whence {
	case io.SeekCurrent:
		offset += v.offset
	case io.SeekEnd:
		offset += v.sums.size
	}
	if offset < 0 {
		return 0, errors.New("fs: seek to before the beginning")
	}
	v.offset = offset
	return offset, nil
}

// Close implements io.Closer.
func (v *verifiedFile) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
	if v.own != nil {
		buffers.Put(v.own)
		v.own, v.buffer = nil, nil
	}
	return v.File.Close()
}

// failure returns what has stopped the reading, nil if nothing has.
func (v *verifiedFile) failure() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.fault
}

// load brings the block at the offset into memory and verifies it, and those after it that hold some of the wanted bytes,
// as far as there is room. The caller holds the lock.
func (v *verifiedFile) load(wanted int64) error {
	switch {
	case v.closed:
		return iofs.ErrClosed
	case v.fault != nil:
		return v.fault
	case v.offset >= v.sums.size:
		return io.EOF
	case v.offset >= v.loaded*blockSize && v.offset < v.loaded*blockSize+v.have:
		return nil
	}
	if v.buffer == nil {
		if v.own == nil {
			v.own = buffers.Get().(*[bufferSize]byte)
		}
		v.buffer = v.own[:]
	}
	room := int64(len(v.buffer))
	v.loaded, v.have = v.offset/blockSize, 0
	start := v.loaded * blockSize
	end := min((v.offset+min(max(wanted, 1), room)-1)/blockSize*blockSize+blockSize, start+room, v.sums.size)
	if v.fault = v.read(start, v.buffer[:end-start]); v.fault == nil {
		v.have = end - start
	}
	return v.fault
}

// read fills p with the file's bytes from the beginning of a block on, and compares each block with its digest.
func (v *verifiedFile) read(start int64, p []byte) (err error) {
	if v.at != start {
		if v.at, err = v.File.Seek(start, io.SeekStart); err != nil {
			return err
		}
	}
	n, err := io.ReadFull(v.File, p)
	v.at += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut off after %d bytes", errDamaged, start+int64(n))
	}
	if err != nil {
		return err
	}
	index := start / blockSize
	for block := range slices.Chunk(p, blockSize) {
		if crc32.Checksum(block, castagnoli) != v.sums.sums[index] {
			return fmt.Errorf("%w: block %d does not have its digest", errDamaged, index)
		}
		index++
	}
	return nil
}
