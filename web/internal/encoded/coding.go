package encoded

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"math/bits"
	"runtime/debug"
	"slices"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// coding is a content coding that we speak.
type coding struct {
	name      string
	extension string // of siblings
	// fast is a level that keeps ahead of a line of 10 Mbit/s on a small machine, best the one that takes its time.
	fast, best int
	writer     func(w io.Writer, level, size int) (io.WriteCloser, error)
	reader     func(io.Reader) (io.ReadCloser, error)
}

// codings are all of them, the one that makes the least of usual files first.
var codings = []*coding{
	{name: "br", extension: ".br", fast: 6, best: 11, writer: brotliWriter, reader: brotliReader},
	{name: "zstd", extension: ".zst", fast: int(zstd.SpeedDefault), best: int(zstd.SpeedBestCompression), writer: zstdWriter, reader: zstdReader},
	{name: "gzip", extension: ".gz", fast: 6, best: 9, writer: gzipWriter, reader: gzipReader},
}

// pieces is how much is given to a compressor at once, in bytes, so that what it makes of it comes soon.
const pieces = 32 << 10

// catch makes an error of a panic: those who compress are goroutines that have no one else to tell of it.
func (c *coding) catch(err *error) {
	if p := recover(); p != nil {
		*err = fmt.Errorf("%s: panic: %v", c.name, p)
	}
}

// pack compresses data.
func (c *coding) pack(to io.Writer, data []byte, level int) (err error) {
	defer c.catch(&err)
	w, err := c.writer(to, level, len(data))
	if err != nil {
		return err
	}
	for piece := range slices.Chunk(data, pieces) {
		if _, err := w.Write(piece); err != nil {
			return err
		}
	}
	return w.Close()
}

// tag returns the entity tag of what the compressor makes of a content by a level. It is known before the bytes are,
// which are the same whenever they are made; by another version of the compressor they may not be.
func (c *coding) tag(of hash, level int) string {
	return hash(sha256.Sum256(fmt.Appendf(of[:], " %s %d %s", c.name, level, versions()))).tag()
}

// versions names the compressors of the program.
var versions = sync.OnceValue(func() string {
	info, _ := debug.ReadBuildInfo()
	var names strings.Builder
	for _, path := range []string{"github.com/andybalholm/brotli", "github.com/klauspost/compress"} {
		if info == nil {
			break
		}
		for _, m := range info.Deps {
			if m.Path == path {
				fmt.Fprintf(&names, "%s %s ", path, m.Version)
			}
		}
	}
	return names.String()
})

// unpack returns what was compressed.
func (c *coding) unpack(packed []byte) ([]byte, error) {
	r, err := c.reader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	defer r.Close()
	return io.ReadAll(r)
}

// contentOf returns the hash of what a file unpacks to, and zero if that is broken or more than size bytes.
func (c *coding) contentOf(packed io.Reader, size int64) (h hash) {
	r, err := c.reader(packed)
	if err != nil {
		return hash{}
	}
	defer r.Close()
	sum := sha256.New()
	if n, err := io.Copy(sum, io.LimitReader(r, size+1)); err != nil || n != size {
		return hash{}
	}
	sum.Sum(h[:0])
	return h
}

// repack compresses again what the fast level has compressed, and takes its time.
func (c *coding) repack(packed []byte) (better []byte, err error) {
	defer c.catch(&err)
	content, err := c.unpack(packed)
	if err != nil {
		return nil, err
	}
	var out bytes.Buffer
	err = c.pack(&out, content, c.best)
	return bytes.Clone(out.Bytes()), err // without the room to grow
}

// The window of brotli is as large as the content, if that is smaller than what is usual: the tables of the compressor
// go by it.
func brotliWriter(w io.Writer, level, size int) (io.WriteCloser, error) {
	window := min(max(bits.Len(uint(size)), 16), 22)
	return brotli.NewWriterOptions(w, brotli.WriterOptions{Quality: level, LGWin: window}), nil
}

func brotliReader(r io.Reader) (io.ReadCloser, error) { return io.NopCloser(brotli.NewReader(r)), nil }

// zstdWindow is the largest window that clients have to take (RFC 9659).
const zstdWindow = 8 << 20

func zstdWriter(w io.Writer, level, _ int) (io.WriteCloser, error) {
	return zstd.NewWriter(w, zstd.WithEncoderLevel(zstd.EncoderLevel(level)), zstd.WithWindowSize(zstdWindow), zstd.WithEncoderConcurrency(1))
}

func zstdReader(r io.Reader) (io.ReadCloser, error) {
	z, err := zstd.NewReader(r, zstd.WithDecoderMaxWindow(zstdWindow), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, err
	}
	return z.IOReadCloser(), nil
}

func gzipWriter(w io.Writer, level, _ int) (io.WriteCloser, error) {
	return gzip.NewWriterLevel(w, level)
}

func gzipReader(r io.Reader) (io.ReadCloser, error) { return gzip.NewReader(r) }
