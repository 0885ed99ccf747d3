package digest

import (
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	iofs "io/fs"
	"slices"
	"sync"

	"or3.chat/cloud/providers/fs/internal/volume"
)

// File is a blob that is read in whole blocks, each of which must match its digest before any of its bytes are handed
// out. The kernel can therefore not send it.
type File struct {
	volume.File
	sums *Sums

	// http.ServeContent may still read in a goroutine of its own when the file is closed.
	mu     sync.Mutex
	offset int64
	buffer []byte         // where reads go: a window of a ReadAhead, or own
	own    *volume.Buffer // nil until it is needed
	loaded int64          // the index of the first block that is in the buffer
	have   int64          // how many verified bytes are in the buffer
	at     int64          // where the file is read next
	fault  error          // the first failure; nothing is read after it
	closed bool
}

// Open returns a file that is verified as it is read. f must be at its beginning; it is closed with the result.
func Open(f volume.File, sums *Sums) *File { return &File{File: f, sums: sums} }

// Read implements io.Reader.
func (v *File) Read(p []byte) (int, error) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if err := v.load(int64(len(p))); err != nil {
		return 0, err
	}
	n := copy(p, v.verified())
	v.offset += int64(n)
	return n, nil
}

// Next returns bytes from the offset on, at most limit of them, and goes past them. They are valid until the next call
// of any method.
func (v *File) Next(limit int64) ([]byte, error) {
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

// readInto makes p the buffer, or one of the file's own if p is nil. Verified bytes in the old buffer are dropped.
func (v *File) readInto(p []byte) {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.buffer, v.have = p, 0
}

// verified is what is in memory from the offset on.
func (v *File) verified() []byte { return v.buffer[v.offset-v.loaded*BlockSize : v.have] }

// Seek implements io.Seeker.
func (v *File) Seek(offset int64, whence int) (int64, error) {
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
func (v *File) Close() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	v.closed = true
	if v.own != nil {
		volume.GiveBuffer(v.own)
		v.own, v.buffer = nil, nil
	}
	return v.File.Close()
}

// Failure returns the error that has stopped the reading, nil if there is none.
func (v *File) Failure() error {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.fault
}

// load brings the block at the offset into memory and verifies it, together with those after it that hold some of the
// wanted bytes, as far as they fit. The caller holds the lock.
func (v *File) load(wanted int64) error {
	switch {
	case v.closed:
		return iofs.ErrClosed
	case v.fault != nil:
		return v.fault
	case v.offset >= v.sums.size:
		return io.EOF
	case v.offset >= v.loaded*BlockSize && v.offset < v.loaded*BlockSize+v.have:
		return nil
	}
	if v.buffer == nil {
		if v.own == nil {
			v.own = volume.TakeBuffer()
		}
		v.buffer = v.own[:]
	}
	room := int64(len(v.buffer))
	v.loaded, v.have = v.offset/BlockSize, 0
	start := v.loaded * BlockSize
	end := min((v.offset+min(max(wanted, 1), room)-1)/BlockSize*BlockSize+BlockSize, start+room, v.sums.size)
	if v.fault = v.read(start, v.buffer[:end-start]); v.fault == nil {
		v.have = end - start
	}
	return v.fault
}

// read fills p with the file's bytes from the beginning of a block on, and compares each block with its digest.
func (v *File) read(start int64, p []byte) (err error) {
	if v.at != start {
		if v.at, err = v.File.Seek(start, io.SeekStart); err != nil {
			return err
		}
	}
	n, err := io.ReadFull(v.File, p)
	v.at += int64(n)
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("%w: it is cut off after %d bytes", ErrDamaged, start+int64(n))
	}
	if err != nil {
		return err
	}
	index := start / BlockSize
	for block := range slices.Chunk(p, BlockSize) {
		if crc32.Checksum(block, castagnoli) != v.sums.sums[index] {
			return fmt.Errorf("%w: block %d does not match its digest", ErrDamaged, index)
		}
		index++
	}
	return nil
}
