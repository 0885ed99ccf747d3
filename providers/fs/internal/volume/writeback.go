package volume

import "os"

// writebackEvery is after how many bytes the kernel is asked to begin with writing them to the disk.
const writebackEvery = 8 << 20

// newFile is a new file of the real disk. It lets the kernel begin with writing a large file to the disk while more of it
// is still coming, so that the fsync at the end finds little left to do. It makes nothing durable.
type newFile struct {
	File
	raw            *os.File
	written, begun int64
}

// Write implements io.Writer.
func (f *newFile) Write(p []byte) (int, error) {
	n, err := f.raw.Write(p)
	f.written += int64(n)
	if ready := f.written - f.begun; ready >= writebackEvery {
		beginWriteback(f.raw, f.begun, ready)
		f.begun = f.written
	}
	return n, err
}
