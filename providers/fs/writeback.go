package fs

// writebackEvery is after how many bytes the kernel is asked to begin with writing them to the disk.
const writebackEvery = 8 << 20

// earlyWriter lets the kernel begin with writing a large file to the disk while more of it is still coming, so that the fsync
// at the end finds little left to do. It makes nothing durable.
type earlyWriter struct {
	File
	written, begun int64
}

// Write implements io.Writer.
func (w *earlyWriter) Write(p []byte) (int, error) {
	n, err := w.File.Write(p)
	w.written += int64(n)
	if ready := w.written - w.begun; ready >= writebackEvery {
		beginWriteback(w.File, w.begun, ready)
		w.begun = w.written
	}
	return n, err
}
