package readback

import (
	"context"
	"io"
	"time"

	"or3.chat/cloud/providers/fs/internal/volume"
)

// pace is called after each read with the number of bytes, and waits as long as needed to keep a rate.
type pace func(ctx context.Context, bytes int) error

// pacedReader is a reader that keeps a pace.
type pacedReader struct {
	io.Reader
	ctx  context.Context
	pace pace
}

// Read implements io.Reader.
func (r pacedReader) Read(p []byte) (int, error) {
	n, err := r.Reader.Read(p)
	if err != nil && err != io.EOF {
		return n, err
	}
	if paced := r.pace(r.ctx, max(n, leastRead)); paced != nil {
		err = paced
	}
	return n, err
}

// leastRead is the minimum cost of a read, so that many small files are not requested faster than the disk finds them.
const leastRead = 4 << 10

// pacedFile is a File that is read at a pace.
type pacedFile struct {
	volume.File
	reader pacedReader
}

// Read implements io.Reader.
func (f *pacedFile) Read(p []byte) (int, error) { return f.reader.Read(p) }

// atRate is the pace of this many bytes per second, from now on; 0 means no limit.
func atRate(rate int64) pace {
	if rate <= 0 {
		return func(ctx context.Context, _ int) error { return ctx.Err() }
	}
	// A rate that could not be kept for a moment is not caught up later.
	const slack = 100 * time.Millisecond
	due := time.Now()
	return func(ctx context.Context, n int) error {
		if latest := time.Now().Add(-slack); due.Before(latest) {
			due = latest
		}
		due = due.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
		return sleepUntil(ctx, due)
	}
}

func sleepUntil(ctx context.Context, due time.Time) error {
	wait := time.Until(due)
	if wait <= 0 {
		return ctx.Err()
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
