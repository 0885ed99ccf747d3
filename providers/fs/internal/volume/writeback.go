package volume

import "os"

// writebackEvery is the number of bytes after which the kernel is asked to start writing them to the disk.
const writebackEvery = 8 << 20

// newFile is a new file of the real disk. It asks the kernel to start writing a large file to the disk while more of it
// is still arriving, so that little is left for the fsync at the end. It makes nothing durable.
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
