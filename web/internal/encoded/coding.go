package encoded

import (
	"bytes"
	"crypto/sha256"
	"io"
	"math/bits"

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
	{name: "br", extension: ".br", fast: 5, best: 11, writer: brotliWriter, reader: brotliReader},
	{name: "zstd", extension: ".zst", fast: int(zstd.SpeedDefault), best: int(zstd.SpeedBestCompression), writer: zstdWriter, reader: zstdReader},
	{name: "gzip", extension: ".gz", fast: 6, best: 9, writer: gzipWriter, reader: gzipReader},
}

// pack compresses data. Writing to memory does not fail.
func (c *coding) pack(data []byte, level int) []byte {
	var out bytes.Buffer
	w, err := c.writer(&out, level, len(data))
	if err == nil {
		_, err = w.Write(data)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		panic("encoded: " + c.name + ": " + err.Error())
	}
	return bytes.Clone(out.Bytes()) // without the room to grow
}

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

// repack compresses again what the fast level has compressed, and takes its time. Where that fails there is nothing better, and the
// goroutine that does it has no one to tell.
func (c *coding) repack(packed []byte) (better []byte) {
	defer func() {
		if recover() != nil {
			better = nil
		}
	}()
	content, err := c.unpack(packed)
	if err != nil {
		return nil
	}
	return c.pack(content, c.best)
}

// The window of brotli is as large as the content, if that is smaller than what is usual: the tables of the compressor go by it.
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
