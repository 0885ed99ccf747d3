package fs

import (
	"io"
	"net/http"
	"time"
)

const (
	// idleTimeout ends an upload from which nothing has come for so long. A slow client is fine, a dead one is not.
	idleTimeout = 60 * time.Second
	// slowestUpload is how many bytes a second an upload has to make on the whole.
	slowestUpload = 4 << 10
)

// bodyReader reads a request body. It gives the client a fresh span of time for each read, and an end for all of them.
type bodyReader struct {
	body    io.Reader
	control *http.ResponseController
	last    time.Time
}

func newBodyReader(w http.ResponseWriter, r *http.Request, size int64) io.Reader {
	if r.Body == nil {
		return http.NoBody
	}
	last := time.Now().Add(idleTimeout + time.Duration(size/slowestUpload)*time.Second)
	return &bodyReader{r.Body, http.NewResponseController(w), last}
}

// Read implements io.Reader. The deadline is the network's, so it is in real time. A writer that has no deadlines,
// such as a test's, goes without.
func (b *bodyReader) Read(p []byte) (int, error) {
	deadline := time.Now().Add(idleTimeout)
	if b.last.Before(deadline) {
		deadline = b.last
	}
	b.control.SetReadDeadline(deadline)
	n, err := b.body.Read(p)
	if err != nil {
		// Nothing more is read; a deadline left behind would cancel the request while its file is made durable.
		b.control.SetReadDeadline(time.Time{})
	}
	return n, err
}
